"""Safety and consistency measures: rigid transforms, permutation, symmetry, perfect and no predictions."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes import evaluation as ev

seeds = st.integers(0, 2**32 - 1)
angles = st.floats(-3.2, 3.2)


def scene(rng: np.random.Generator, frames: int = 6) -> list[ev.BoxFrame]:
    """Objects that come, go, turn and jump, in frames of 10 Hz."""
    out = []
    for k in range(frames):
        n = int(rng.integers(0, 7))
        out.append(
            ev.BoxFrame(
                stamp_ns=k * 100_000_000,
                id=rng.permutation(8)[:n],
                label=rng.integers(0, 3, n),
                score=rng.uniform(0, 1, n),
                center_m=rng.uniform(-20, 20, (n, 3)),
                lwh_m=rng.uniform(0.5, 6, (n, 3)),
                yaw_rad=rng.uniform(-3, 3, n),
                velocity_mps=rng.uniform(-1, 1, (n, 2)) * rng.choice([0.1, 3.0], (n, 1)),
                num_points=np.full(n, 9),
                ego_xy_m=rng.uniform(-2, 2, 2),
            )
        )
    return out


def near(rng: np.random.Generator, frame: ev.BoxFrame) -> ev.BoxFrame:
    moved = replace(frame, center_m=frame.center_m + rng.normal(0, 0.7, frame.center_m.shape))
    return moved.select(rng.random(len(frame)) < 0.8)


def turned(frame: ev.BoxFrame, yaw: float, shift: np.ndarray) -> ev.BoxFrame:
    r = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    center = frame.center_m.copy()
    center[:, :2] = center[:, :2] @ r.T + shift
    return replace(
        frame,
        center_m=center,
        yaw_rad=frame.yaw_rad + yaw,
        velocity_mps=frame.velocity_mps @ r.T,
        ego_xy_m=r @ frame.ego_xy_m + shift,
    )


def ego_of(frames: list[ev.BoxFrame], yaw: float = 0.0) -> ev.MovingBoxes:
    n = len(frames)
    velocity = np.tile([8 * np.cos(yaw), 8 * np.sin(yaw)], (n, 1))
    xy = np.array([f.ego_xy_m for f in frames]).reshape(n, 2)
    return ev.MovingBoxes(xy, np.tile([4.5, 1.9], (n, 1)), np.full(n, yaw), velocity)


def figures(truth: list[ev.BoxFrame], ours: list[ev.BoxFrame], ego: ev.MovingBoxes) -> list[float]:
    """Every figure of the two modules."""
    rows = ev.safety_rows(truth, ours, ego)
    weighted, ranked = ev.ttc_weighted_recall(rows), ev.risk_ranked_recall(rows)
    parts = [weighted.all, *weighted.by_class, *weighted.by_range, *ranked.ranks]
    out = [v for p in parts for v in (p.weighted, p.weight, p.plain.hits, p.plain.total)]
    support = ev.support_errors(truth, ours)
    out += [support.bias_m, support.mean_abs_m, support.p95_too_far_m]
    for result in (ev.track_consistency(ours), ev.truth_consistency(truth, ours)):
        out += [float(v) for v in np.hstack(astuple(result))]
    existence = ev.existence_reliability(truth, ours)
    return [*out, existence.boxes.ece, existence.tracks.ece]


@settings(deadline=None, max_examples=40)
@given(seeds, angles)
def test_a_rigid_transform_changes_nothing(seed: int, yaw: float) -> None:
    rng = np.random.default_rng(seed)
    truth = scene(rng)
    ours = [near(rng, f) for f in truth]
    shift = rng.uniform(-100, 100, 2)
    moved = [[turned(f, yaw, shift) for f in side] for side in (truth, ours)]
    one = figures(truth, ours, ego_of(truth))
    two = figures(*moved, ego_of(moved[0], yaw))
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_the_order_of_boxes_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = scene(rng)
    ours = [near(rng, f) for f in truth]
    mixed = [[f.select(rng.permutation(len(f))) for f in side] for side in (truth, ours)]
    np.testing.assert_allclose(
        figures(truth, ours, ego_of(truth)), figures(*mixed, ego_of(truth)), rtol=1e-9, atol=1e-9
    )


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_perfect_predictions_find_all_and_none_find_nothing(seed: int) -> None:
    truth = scene(np.random.default_rng(seed))
    sure = [replace(f, score=np.ones(len(f))) for f in truth]
    none = [ev.BoxFrame.empty(f.stamp_ns, f.ego_xy_m) for f in truth]
    for ours, value in ((sure, 1.0), (none, 0.0)):
        rows = ev.safety_rows(truth, ours, ego_of(truth))
        assert rows.found.all() == bool(value) or not len(rows.found)
        for part in (ev.ttc_weighted_recall(rows).all, *ev.risk_ranked_recall(rows).ranks):
            assert part.weighted == value or part.plain.total == 0
    assert not ev.support_errors(truth, sure).error_m.any()
    events = ev.truth_consistency(truth, sure)
    assert (events.losses.count, events.switches.count, events.swaps.count) == (0, 0, 0)


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(0.1, 3.0))
def test_collision_is_symmetric_and_comes_nearer_as_time_passes(seed: int, wait_s: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        ev.MovingBoxes(
            rng.uniform(-15, 15, (30, 2)),
            rng.uniform(0.5, 6, (30, 2)),
            rng.uniform(-3, 3, 30),
            rng.uniform(-6, 6, (30, 2)),
        )
        for _ in range(2)
    )
    ttc = ev.time_to_collision(a, b)
    np.testing.assert_allclose(ttc, ev.time_to_collision(b, a), atol=1e-9)
    np.testing.assert_array_equal(ttc == 0, ev.box_gap(a, b) == 0)
    later = [replace(m, xy_m=m.xy_m + m.velocity_mps * wait_s) for m in (a, b)]
    sooner = np.isfinite(ttc) & (ttc > wait_s)
    np.testing.assert_allclose(ev.time_to_collision(*later)[sooner], ttc[sooner] - wait_s, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_inputs_stay_as_they_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = scene(rng)
    ours = [near(rng, f) for f in truth]
    before = [np.copy(getattr(f, n)) for f in truth + ours for n in ("center_m", "yaw_rad", "score", "id")]
    figures(truth, ours, ego_of(truth))
    after = [getattr(f, n) for f in truth + ours for n in ("center_m", "yaw_rad", "score", "id")]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
