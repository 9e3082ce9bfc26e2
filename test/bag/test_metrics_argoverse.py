"""Safety and consistency measures on the true tracks of a real drive of Argoverse 2, in which nothing collided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.geometry import Transform

LABEL = {"PEDESTRIAN": "pedestrian", "BICYCLE": "bicycle"}


def read_log(folder: Path) -> tuple[list[ev.BoxFrame], ev.MovingBoxes]:
    """True boxes of each sweep in the city's frame, and the vehicle's own rectangle, which is annotated too."""
    feather = pytest.importorskip("pyarrow.feather", reason="pyarrow is not installed")
    table = feather.read_table(folder / "annotations_with_ego.feather").to_pydict()
    poses = feather.read_table(folder / "city_SE3_egovehicle.feather").to_pydict()
    row_of = {t: k for k, t in enumerate(poses["timestamp_ns"])}
    ids = np.unique(table["track_uuid"], return_inverse=True)[1]
    stamps = np.array(table["timestamp_ns"])
    xyz = column(table, "tx_m", "ty_m", "tz_m")
    yaw = 2 * np.arctan2(table["qz"], table["qw"])
    frames = []
    for stamp in np.unique(stamps):
        k, pose = np.flatnonzero(stamps == stamp), row_of[int(stamp)]
        city_from_ego = Transform.from_quaternion(
            column(poses, "tx_m", "ty_m", "tz_m")[pose], column(poses, "qx", "qy", "qz", "qw")[pose]
        )
        center = city_from_ego.apply(xyz[k])
        label = [LABEL_INDEX[LABEL.get(table["category"][i], "car")] for i in k]
        size = column(table, "length_m", "width_m", "height_m")[k]
        points = np.array(table["num_interior_pts"], np.int64)[k]
        score, speed = np.ones(len(k)), np.full((len(k), 2), np.nan)
        heading = yaw[k] + city_from_ego.yaw_rad
        frames.append(
            ev.BoxFrame(int(stamp), ids[k], np.array(label), score, center, size, heading, speed, points)
        )
    is_ego = np.array(table["category"]) == "EGO_VEHICLE"
    return split_ego(with_velocity(frames), int(ids[is_ego][0]))


def column(table: dict[str, list[float]], *names: str) -> np.ndarray:
    return np.column_stack([table[n] for n in names])


def with_velocity(frames: list[ev.BoxFrame]) -> list[ev.BoxFrame]:
    """Central differences of each object's path."""
    out = [f.velocity_mps.copy() for f in frames]
    where = {(k, int(i)): row for k, f in enumerate(frames) for row, i in enumerate(f.id)}
    for (k, i), row in where.items():
        a, b = (k - 1 if (k - 1, i) in where else k), (k + 1 if (k + 1, i) in where else k)
        if a < b:
            step = frames[b].center_m[where[b, i], :2] - frames[a].center_m[where[a, i], :2]
            out[k][row] = step / ((frames[b].stamp_ns - frames[a].stamp_ns) * 1e-9)
    return [replace(f, velocity_mps=v) for f, v in zip(frames, out, strict=True)]


def split_ego(frames: list[ev.BoxFrame], ego_id: int) -> tuple[list[ev.BoxFrame], ev.MovingBoxes]:
    own = [ev.MovingBoxes.of(f.select(f.id == ego_id)) for f in frames]
    ego = ev.MovingBoxes(
        *(np.concatenate([getattr(m, n) for m in own]) for n in ("xy_m", "lw_m", "yaw_rad", "velocity_mps"))
    )
    others = [replace(f.select(f.id != ego_id), ego_xy_m=xy) for f, xy in zip(frames, ego.xy_m, strict=True)]
    return others, ego


@pytest.fixture(scope="module")
def log(shared_data: Path) -> tuple[list[ev.BoxFrame], ev.MovingBoxes]:
    return read_log(shared_data / "argoverse2" / "3b3570b4")


def test_nothing_collided(log: tuple[list[ev.BoxFrame], ev.MovingBoxes]) -> None:
    frames, ego = log
    gaps = [ev.box_gap(ego.row(k), ev.MovingBoxes.of(f)).min() for k, f in enumerate(frames)]
    rows = ev.safety_rows(frames, frames, ego)
    assert min(gaps) > 0.5
    assert np.nanmin(rows.ttc_s) > 0.5
    assert 0 < (rows.rank == 1).sum() < 0.01 * len(rows.rank)
    # Distance / closing speed warns of whatever passes by; the rectangles do not.
    assert np.isfinite(rows.ttc_s).sum() < 0.2 * (rows.openscenario_ttc_s < 8).sum()


def test_the_path_of_the_vehicle_gives_its_motion(log: tuple[list[ev.BoxFrame], ev.MovingBoxes]) -> None:
    frames, ego = log
    path = ev.MovingBoxes.of_path([f.stamp_ns for f in frames], ego.xy_m, (4.9, 2.0))
    moves = np.linalg.norm(ego.velocity_mps, axis=1) > 1.0
    assert moves.sum() > 100
    np.testing.assert_allclose(path.velocity_mps, ego.velocity_mps, atol=0.01)
    np.testing.assert_allclose(np.cos(path.yaw_rad - ego.yaw_rad)[moves], 1.0, atol=1e-3)


def test_a_missed_object_ahead_costs_more_than_one_aside(
    log: tuple[list[ev.BoxFrame], ev.MovingBoxes],
) -> None:
    frames, ego = log
    rows = ev.safety_rows(frames, frames, ego)
    order = np.argsort(np.nan_to_num(rows.ttc_s, nan=np.inf), kind="stable")
    values = []
    for missed in (order[:50], order[-50:]):
        gone = [np.ones(len(f), bool) for f in frames]
        for k in missed:
            gone[rows.frame[k]][rows.row[k]] = False
        kept = [f.select(g) for f, g in zip(frames, gone, strict=True)]
        values.append(ev.ttc_weighted_recall(ev.safety_rows(frames, kept, ego)).all)
    assert values[0].weighted < values[1].weighted - 0.02
    assert values[0].plain.value > 0.99


def test_true_tracks_are_consistent_and_seeded_faults_are_counted(
    log: tuple[list[ev.BoxFrame], ev.MovingBoxes],
) -> None:
    frames, _ = log
    clean, truth = ev.track_consistency(frames), ev.truth_consistency(frames, frames)
    assert (clean.heading_flips.count, clean.gaps.count, truth.losses.count, truth.switches.count) == (
        0,
        0,
        0,
        0,
    )
    a, b = [int(i) for i in frames[60].id if all(i in f.id for f in frames)][:2]
    broken = list(frames)
    for k in (20, 40):
        broken[k] = replace(frames[k], yaw_rad=frames[k].yaw_rad + np.pi * (frames[k].id == a))
    broken[60] = frames[60].select(frames[60].id != a)
    for k in range(100, len(frames)):
        ids = frames[k].id
        broken[k] = replace(frames[k], id=np.where(ids == a, b, np.where(ids == b, a, ids)))
    everywhere = ev.ConsistencyConfig(range_m=500.0)
    ours = ev.track_consistency(broken, everywhere)
    faults = ev.truth_consistency(frames, broken, everywhere)
    assert (ours.heading_flips.count, ours.gaps.count, faults.losses.count) == (4, 1, 1)
    assert (faults.switches.count, faults.swaps.count) == (2, 2)


def test_noise_of_known_covariance_is_consistent(
    log: tuple[list[ev.BoxFrame], ev.MovingBoxes], rng: np.random.Generator
) -> None:
    frames, _ = log
    count = sum(len(f) for f in frames)
    error = rng.normal(0, [0.3, 0.2, 0.1], (count, 3)) + np.array([0, 0, 2 * np.pi])
    covariance = np.tile(np.diag([0.09, 0.04, 0.01]), (count, 1, 1))
    right = ev.nees(error, covariance, angle_columns=[2])
    # Five standard deviations around 3, for any seed.
    assert abs(right.mean - 3) < 5 * np.sqrt(6 / count)
    assert ev.nees(error, covariance / 2, angle_columns=[2]).verdict == "optimistic"
