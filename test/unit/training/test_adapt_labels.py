"""Auto-labels of drives made by hand: who is one object, who is believed, what stands where."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import CAR, UNKNOWN, Detections3D, PointCloud
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.geometry import Transform
from perception_nodes.tracking.smoothing import smoothed_path, weighted_median
from perception_nodes.training.adapt_labels import Labels, boxes_at, label_drive, labelled_frame, measured
from perception_nodes.training.adapt_objects import NOISE, AutoObject
from perception_nodes.training.adapt_sweeps import Found, Sweep, joined
from perception_nodes.training.adapt_threads import threads, tracked

from . import drives
from .drives import Thing

ORIGIN = np.array([[0.0, 0.0, 1.8]])


def sweeps(found: list[Found]) -> list[Sweep]:
    """Nothing but a road: what stands still keeps the sides of its boxes."""
    xy = np.stack(np.meshgrid(np.arange(-40, 40, 1.0), np.arange(-40, 40, 1.0)), axis=-1).reshape(-1, 2)
    road = np.column_stack([xy, np.zeros(len(xy))]).astype(np.float32)
    return [Sweep(PointCloud(f.boxes.stamp_ns, "base_link", road), ORIGIN, f.odom_from_base) for f in found]


def test_each_object_is_one_thread_through_gaps_and_beside_others(rng: np.random.Generator) -> None:
    gap = tuple(k for k in range(20) if k not in (8, 9))
    things = [Thing((10.0, 3.5), seen=gap), Thing((-20.0, -3.0), (8.0, 0.0)), Thing((10.0, -3.5))]
    found = drives.drive(things, rng)
    of = [sorted(zip(t.frame.tolist(), t.row.tolist(), strict=True)) for t in threads(found)]
    assert [len(t) for t in of] == [20, 20, 18]
    for thread in of:
        places = np.array([found[f].boxes.center_m[r, :2] for f, r in thread])
        frames = np.array([f for f, _ in thread])
        who = [int(np.argmin([np.linalg.norm(t.at(f)[:2] - p) for t in things]))
               for f, p in zip(frames, places, strict=True)]  # fmt: skip
        assert len(set(who)) == 1


def test_backward_a_track_begins_at_the_end(rng: np.random.Generator) -> None:
    found = drives.drive([Thing((-20.0, 0.0), (10.0, 0.0), seen=tuple(range(3, 20)))], rng)
    forward, backward = tracked(found, range(20)), tracked(found, range(19, -1, -1))
    assert set(forward) == set(backward) == {(k, 0) for k in range(3, 20)}
    assert len(set(forward.values())) == len(set(backward.values())) == 1


def test_what_comes_again_is_believed_and_what_flickers_is_not(rng: np.random.Generator) -> None:
    things = [
        Thing((10.0, 3.5)),
        Thing((-20.0, -3.0), (8.0, 0.0)),
        Thing((15.0, -9.0), seen=(2, 3, 11)),
        Thing((-12.0, 9.0), existence=0.2),
        Thing((-15.0, -12.0), learned=False),
    ]
    found = drives.drive(things, rng)
    labels = label_drive(found, sweeps(found))
    assert [(o.label, o.still) for o in labels.objects] in (
        [(CAR, True), (CAR, False)],
        [(CAR, False), (CAR, True)],
    )
    moving = next(o for o in labels.objects if not o.still)
    true = np.array([things[1].at(k)[:2] for k in moving.frame.tolist()])
    error = np.linalg.norm(moving.center_m[:, :2] - true, axis=1)
    assert error.mean() < 0.09  # the boxes' own is 0.125
    np.testing.assert_allclose(moving.velocity_mps, [[8.0, 0.0]] * len(true), atol=1.0)
    still = next(o for o in labels.objects if o.still)
    assert np.linalg.norm(still.center_m[0, :2] - [10.0, 3.5]) < 0.1
    assert len(labels.used) == 40


def test_a_standing_object_is_labelled_where_it_returns_points_and_doubt_stays_open(
    rng: np.random.Generator,
) -> None:
    # So many boxes that their median, of 0.1 m noise each, comes near the tolerance with no seed.
    things = [Thing((10.0, 3.5), seen=tuple(range(10, 40))), Thing((15.0, -9.0), existence=0.3, seen=(2, 3)),
              Thing((-9.0, -9.0), existence=0.05)]  # fmt: skip
    found = drives.drive(things, rng, 40)
    labels = label_drive(found, sweeps(found))
    rows = boxes_at(labels, 2, found[2], lambda xy: np.zeros(len(xy)))
    assert rows["label"].tolist() == [CAR, UNKNOWN]
    np.testing.assert_allclose(rows["center_m"][0], [10.0, 3.5, 0.8], atol=0.1)
    np.testing.assert_allclose(rows["center_m"][1, :2], [15.0, -9.0], atol=0.5)
    config = GeometricConfig(range_m=62.0)
    empty = labelled_frame(2, sweeps(found)[2], found[2], labels, config, 3)
    assert empty.boxes["label"].tolist() == [UNKNOWN]
    car = rng.uniform([8.5, 3.0, 0.4], [11.5, 4.0, 1.4], (50, 3))
    cloud = PointCloud(0, "base_link", np.concatenate([sweeps(found)[2].cloud.xyz_m, car]).astype(np.float32))
    seen = labelled_frame(2, Sweep(cloud, ORIGIN, Transform.identity()), found[2], labels, config, 3)
    assert seen.boxes["label"].tolist() == [CAR, UNKNOWN]
    assert seen.boxes["num_points"][0] > 30
    assert (seen.rig, seen.index) == (3, 2)
    assert len(np.unique(seen.ring)) > 10


def test_boxes_come_back_into_the_vehicle(rng: np.random.Generator) -> None:
    pose = Transform.from_xyz_rpy((3.0, -1.0, 0.2), (0.0, 0.0, 0.5))
    center = np.array([[10.0, 2.0, 1.0]])
    one = AutoObject(
        CAR, np.array([0]), center, np.array([0.7]), np.array([[2.0, 0.0]]), np.array([4.0, 2.0, 1.5]), False
    )
    none = Found(
        Detections3D.empty(0, "odom", "lidar"), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0), pose
    )
    (row,) = boxes_at(Labels([one], set()), 0, none, lambda xy: np.full(len(xy), 0.1))
    wanted = pose.inverse().apply(center)[0] - [0, 0, 0.1]
    np.testing.assert_allclose(row["center_m"], wanted, atol=1e-5)
    assert row["yaw_rad"] == pytest.approx(0.2, abs=1e-6)
    np.testing.assert_allclose(row["velocity_mps"], 2 * np.array([np.cos(0.5), -np.sin(0.5)]), atol=1e-6)


@pytest.mark.parametrize(
    ("ends", "middle", "length"), [("both", 0.4, 4.4), ("rear", 0.3, 4.4), ("long", 0.15, 4.7)]
)
def test_sides_are_measured_on_the_points_of_all_sweeps(
    rng: np.random.Generator, ends: str, middle: float, length: float
) -> None:
    """Both ends seen, one, or a car longer than its box: how far the points lie ahead along an axis turned by 0.5."""
    span = {"both": (-1.8, 2.6), "rear": (0.9, 2.5), "long": (-2.2, 2.5)}[ends]
    n = 30
    one = AutoObject(CAR, np.arange(n), np.tile([9.0, 4.0, 0.75], (n, 1)), np.full(n, 0.5), np.zeros((n, 2)),
                     np.array([4.4, 1.8, 1.5]), True)  # fmt: skip
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    parts = []
    for _ in range(n):
        along = rng.uniform(span[0] - 0.2, span[1] + 0.2, 40).clip(
            *span
        )  # the ends are faces, with points of their own
        local = np.column_stack(
            [along, rng.uniform(-1.0, 1.0, 40).clip(-0.9, 0.9), rng.uniform(0.4, 1.4, 40)]
        )
        local[:, :2] = local[:, :2] @ turn.T + [9.0, 4.0]
        parts.append(
            Sweep(PointCloud(0, "base_link", local.astype(np.float32)), ORIGIN, Transform.identity())
        )
    out = measured(one, parts)
    moved = (out.center_m[0, :2] - [9.0, 4.0]) @ turn
    np.testing.assert_allclose(moved, [middle, 0.0], atol=0.06)
    np.testing.assert_allclose(out.lwh_m, [length, 1.8, 1.5], atol=0.1)


def test_both_detectors_together_have_each_object_once() -> None:
    def boxes(*xy: tuple[float, float]) -> Detections3D:
        n = len(xy)
        center = np.column_stack([np.array(xy).reshape(-1, 2), np.full(n, 0.8)])
        known = {"score": np.full(n, 0.6), "label": np.full(n, CAR, np.uint8)}
        return Detections3D.of(
            0, "base_link", "lidar", center, np.tile([4.0, 2.0, 1.5], (n, 1)), np.zeros(n), **known
        )

    found = joined(
        boxes((5, 0), (20, 0)), boxes((6, 0.3), (30, 0)), Transform.from_xyz_rpy((100, 0, 0), (0, 0, 0))
    )
    assert found.boxes.center_m[:, 0].tolist() == [105, 120, 130]
    assert found.learned.tolist() == [True, True, False]
    assert found.supported.tolist() == [True, False, False]
    assert found.existence.tolist() == [0.6, 0.6, 0.0]
    assert len(np.unique(found.boxes.detection_id)) == 3


def test_smoothing_bridges_gaps_and_halves_noise(rng: np.random.Generator) -> None:
    time_s = np.arange(40) * 0.1
    true = np.column_stack([5 * time_s, np.zeros(40), np.zeros(40)])
    seen = ~np.isin(np.arange(40), (15, 16, 17))
    noisy = true + rng.normal(0, 0.25, true.shape)
    noisy[~seen] = 99.0
    position, velocity = smoothed_path(time_s, noisy, seen, NOISE)
    assert np.abs(position - true).mean() < 0.12  # of the noise itself: 0.2
    np.testing.assert_allclose(velocity[5:-5, 0], 5.0, atol=0.8)


def test_weighted_median() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 5.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0]), np.array([9.0, 1.0])) == 3.0
