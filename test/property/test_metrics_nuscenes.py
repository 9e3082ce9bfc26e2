"""What holds for the nuScenes scores of any recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.evaluation.tracking.nuscenes_events import count_events, encounters
from perception_nodes.evaluation.tracking.nuscenes_tracks import TrackBoxes

seeds = st.integers(0, 2**32 - 1)
LABELS = [LABEL_INDEX[name] for name in ("car", "pedestrian", "bicycle", "truck")]
FRAMES = 8
Frames = list[ev.BoxFrame]


def boxes(rng: np.random.Generator, k: int, rows: dict[str, Any]) -> ev.BoxFrame:
    n = len(rows["id"])
    fields = {
        "stamp_ns": k * 500_000_000 + int(rng.integers(0, 10**8)),
        "lwh_m": rng.uniform(1, 5, (n, 3)),
        "yaw_rad": rng.uniform(-3, 3, n),
        "velocity_mps": rng.normal(0, 3, (n, 2)),
        "num_points": np.full(n, -1),
        "ego_xy_m": np.array([5.0, -5.0]),
        "attribute": rng.integers(-1, 8, n),
    }
    return ev.BoxFrame(**{**fields, **rows})


def drive(seed: int) -> tuple[Frames, Frames]:
    """Objects at least 10 m apart, now and then unseen, and tracks around them with noise, changes of id, clutter."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    cells = rng.permutation(36)[:n]
    home = np.stack([cells % 6, cells // 6], axis=1) * 12.0 - 30.0
    label, ids, truth, ours = rng.choice(LABELS, n), np.arange(n), [], []
    for k in range(FRAMES):
        center = np.column_stack([home + rng.uniform(-1, 1, (n, 2)), np.zeros(n)])
        there, seen = np.flatnonzero(rng.random(n) < 0.9), np.flatnonzero(rng.random(n) < 0.8)
        score = np.full(len(there), np.nan)
        truth.append(
            boxes(rng, k, {"id": there, "label": label[there], "score": score, "center_m": center[there]})
        )
        ids = np.where(rng.random(n) < 0.1, ids + 100, ids)
        spot = center[seen] + rng.normal(0, 0.8, (len(seen), 3))
        score = rng.random(len(seen))
        ours.append(boxes(rng, k, {"id": ids[seen], "label": label[seen], "score": score, "center_m": spot}))
    return truth, ours


def perfect(truth: Frames) -> Frames:
    return [dataclasses.replace(f, score=np.full(len(f), 0.7)) for f in truth]


def detection(truth: Frames, ours: Frames) -> dict[str, float]:
    got = ev.nuscenes_detection(truth, ours)
    return {
        "nds": got.nds,
        "map": got.mean_ap,
        **got.errors,
        **{n: c.mean_ap for n, c in got.classes.items()},
    }


def tracking(truth: Frames, ours: Frames) -> dict[str, float]:
    return dataclasses.asdict(ev.nuscenes_tracking([ev.Paired(tuple(truth), tuple(ours), 0, 0)]).figures)


both = pytest.mark.parametrize("figures", [detection, tracking])
Figures = Callable[[Frames, Frames], dict[str, float]]


def same(a: dict[str, float], b: dict[str, float]) -> bool:
    return a == pytest.approx(b, abs=1e-9, nan_ok=True)


@both
@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_order_of_the_boxes_does_not_matter(figures: Figures, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, ours = drive(seed)
    mixed = [[f.select(rng.permutation(len(f))) for f in side] for side in (truth, ours)]
    assert same(figures(truth, ours), figures(*mixed))


@both
@given(seed=seeds, turn_rad=st.floats(-3, 3), x_m=st.floats(-200, 200), y_m=st.floats(-200, 200))
@settings(max_examples=25, deadline=None)
def test_the_frame_does_not_matter(
    figures: Figures, seed: int, turn_rad: float, x_m: float, y_m: float
) -> None:
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    turn = np.array([[c, -s], [s, c]])

    def moved(f: ev.BoxFrame) -> ev.BoxFrame:
        xy = f.center_m[:, :2] @ turn.T + [x_m, y_m]
        assert f.ego_xy_m is not None
        return dataclasses.replace(
            f,
            center_m=np.column_stack([xy, f.center_m[:, 2]]),
            yaw_rad=f.yaw_rad + turn_rad,
            velocity_mps=f.velocity_mps @ turn.T,
            ego_xy_m=turn @ f.ego_xy_m + [x_m, y_m],
        )

    truth, ours = drive(seed)
    assert same(figures(truth, ours), figures([moved(f) for f in truth], [moved(f) for f in ours]))


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_perfect_and_nothing(seed: int) -> None:
    truth, _ = drive(seed)
    best = ev.nuscenes_detection(truth, perfect(truth))
    worst = ev.nuscenes_detection(truth, [ev.BoxFrame.empty(f.stamp_ns) for f in truth])
    for name in best.classes:
        if not best.classes[name].num_truth:
            continue
        assert best.classes[name].mean_ap == pytest.approx(1.0)
        assert best.classes[name].errors["translation"] == best.classes[name].errors["orientation"] == 0.0
        assert (worst.classes[name].mean_ap, worst.classes[name].errors["scale"]) == (0.0, 1.0)
    assert worst.nds == 0.0


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_perfect_and_no_tracks(seed: int) -> None:
    truth, _ = drive(seed)
    best = tracking(truth, perfect(truth))
    worst = tracking(truth, [ev.BoxFrame.empty(f.stamp_ns) for f in truth])
    if np.isnan(best["amota"]):  # nothing was there
        return
    assert (best["amota"], best["mota"], best["recall"]) == (1.0, 1.0, 1.0)
    assert (best["amotp_m"], best["id_switches"], best["false_positives"], best["lgd_s"]) == (
        0.0,
        0.0,
        0.0,
        0.0,
    )
    assert (worst["amota"], worst["amotp_m"], worst["recall"]) == (0.0, 2.0, 0.0)


def doubled(frames: Sequence[ev.BoxFrame], share: float) -> Frames:
    """Each box once more, under another id, with `share` of its score."""
    out = []
    for f in frames:
        n = len(f)
        again = dataclasses.replace(f, id=f.id + 10_000, score=f.score * share)
        columns = [x.name for x in dataclasses.fields(f) if isinstance(getattr(f, x.name), np.ndarray)]
        both = {key: np.concatenate([getattr(f, key), getattr(again, key)]) for key in columns}
        out.append(dataclasses.replace(f, **{**both, "ego_xy_m": f.ego_xy_m}))
        assert len(out[-1]) == 2 * n
    return out


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_duplicates_lower_precision_and_not_recall(seed: int) -> None:
    truth, ours = drive(seed)
    once, twice = (ev.nuscenes_detection(truth, o) for o in (ours, doubled(ours, 0.9)))
    for name, before in once.classes.items():
        after = twice.classes[name]
        assert after.mean_ap <= before.mean_ap + 1e-12
        for d, curve in before.curves.items():
            assert after.curves[d].last == curve.last
            assert (after.curves[d].precision <= curve.precision + 1e-12).all()


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_duplicate_tracks_lower_precision_and_not_recall(seed: int) -> None:
    truth, _ = drive(seed)
    once, twice = tracking(truth, perfect(truth)), tracking(truth, doubled(perfect(truth), 1.0))
    if np.isnan(once["amota"]):
        return
    assert twice["recall"] == once["recall"] and twice["id_switches"] == 0.0
    assert twice["precision"] == pytest.approx(0.5)
    assert twice["mota"] == 0.0 and twice["amota"] < once["amota"]


@given(seed=seeds, n=st.integers(1, 12), m=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_pairs_are_as_many_and_as_near_as_scipy_finds(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 4, (n, 2)), rng.uniform(0, 4, (m, 2))
    sides = [
        TrackBoxes(np.zeros(k, np.int64), np.arange(k), np.zeros(k, np.int64), np.ones(k), xy)
        for k, xy in ((n, a), (m, b))
    ]
    counts, _ = count_events(encounters(*sides, 1, 1.5), np.array([0.5]))
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    cost = np.where(distance < 1.5, distance, 1e3)
    rows, columns = linear_sum_assignment(cost)
    paired = cost[rows, columns] < 1e3
    assert counts["matches"][0] == paired.sum()
    assert counts["distance_m"][0] == pytest.approx(cost[rows, columns][paired].sum())
