"""Properties of the tracker that hold for any input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D, Orientation, TrackState
from perception_nodes.geometry import Transform, transform_detections, wrap_angle
from perception_nodes.tracking import MultiObjectTracker

FRAMES = 8
SIZES = {"car": (4.5, 1.9, 1.6), "pedestrian": (0.7, 0.7, 1.75), "truck": (7.0, 2.4, 2.9)}
seeds = st.integers(0, 2**32 - 1)


def drive(seed: int) -> list[Detections3D]:
    """Frames of a few moving objects with noise, misses, clutter, some covariances and some yaws unknown."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    kinds = rng.choice(list(SIZES), n)
    position, velocity = rng.uniform(-25, 25, (n, 2)), rng.normal(0, 4, (n, 2)) * (rng.random((n, 1)) < 0.6)
    out = []
    for k in range(FRAMES):
        seen = np.flatnonzero(rng.random(n) < 0.85)
        clutter = int(rng.integers(0, 4))
        names = [*kinds[seen], *rng.choice(list(SIZES), clutter)]
        xy = np.concatenate([position[seen] + velocity[seen] * 0.1 * k, rng.uniform(-25, 25, (clutter, 2))])
        out.append(frame(rng, k, names, xy + rng.normal(0, 0.15, xy.shape)))
    return out


def frame(rng, k, names, xy) -> Detections3D:
    m = len(names)
    lwh = np.array([SIZES[name] for name in names]).reshape(m, 3) * rng.uniform(0.6, 1.2, (m, 1))
    index = np.array([LABEL_INDEX[name] for name in names], int)
    probabilities = rng.dirichlet(np.ones(NUM_LABELS), m) * 0.4
    probabilities[np.arange(m), index] += 0.6
    cov = np.full((m, 9, 9), np.nan)
    known = rng.random(m) < 0.5
    cov[known] = np.diag(rng.uniform(0.05, 0.8, 9) ** 2)
    return Detections3D.of(
        (k + 1) * 100_000_000,
        "odom",
        "lidar",
        np.column_stack([xy, lwh[:, 2] / 2]),
        lwh,
        rng.uniform(-np.pi, np.pi, m),
        label=index.astype(np.uint8),
        class_probabilities=probabilities,
        score=rng.uniform(0.2, 1.0, m),
        covariance=cov,
        orientation=rng.integers(0, 3, m).astype(np.uint8),
        num_points=rng.integers(1, 300, m).astype(np.int32),
        source_mask=rng.integers(1, 4, m).astype(np.uint8),
    )


def run(frames, ego=None):
    tracker = MultiObjectTracker()
    return [tracker.step(d, ego or Transform.identity()) for d in frames]


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_outputs_are_sound(seed):
    ended: set[int] = set()
    for out in run(drive(seed)):
        assert len(set(out.id.tolist())) == len(out)
        assert not ended & set(out.id.tolist()), "an ended id came back"
        ended |= set(out.id[out.state == TrackState.DELETED].tolist())
        assert ((out.end_reason > 0) == (out.state == TrackState.DELETED)).all()
        assert ((out.existence_probability >= 0) & (out.existence_probability <= 1)).all()
        np.testing.assert_allclose(out.class_probabilities.sum(axis=1), 1.0)
        assert ((out.yaw_rad >= -np.pi) & (out.yaw_rad < np.pi)).all()
        for name in (
            "center_m",
            "lwh_m",
            "lwh_std_m",
            "velocity_mps",
            "acceleration_mps2",
            "z_std_m",
            "visibility",
        ):
            assert np.isfinite(getattr(out, name)).all(), name
        assert (out.lwh_m > 0).all()
        if len(out):
            np.testing.assert_allclose(out.covariance, np.swapaxes(out.covariance, 1, 2))
            assert np.linalg.eigvalsh(out.covariance).min() > 0


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_same_input_same_output_and_nothing_mutated(seed):
    frames = drive(seed)
    before = [d.center_m.copy() for d in frames]
    first, second = run(frames), run(frames)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.id, b.id)
        np.testing.assert_array_equal(a.center_m, b.center_m)
        np.testing.assert_array_equal(a.covariance, b.covariance)
    for d, c in zip(frames, before, strict=True):
        np.testing.assert_array_equal(d.center_m, c)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_the_order_of_detections_does_not_matter(seed):
    frames = drive(seed)
    rng = np.random.default_rng(seed)
    mixed = [d.select(rng.permutation(len(d))) for d in frames]
    for a, b in zip(run(frames), run(mixed), strict=True):
        ka, kb = np.lexsort(a.center_m.T.round(6)), np.lexsort(b.center_m.T.round(6))
        np.testing.assert_allclose(a.center_m[ka], b.center_m[kb], atol=1e-7)
        np.testing.assert_array_equal(a.state[ka], b.state[kb])
        np.testing.assert_allclose(a.existence_probability[ka], b.existence_probability[kb], atol=1e-9)


@given(seeds, st.floats(-3, 3), st.floats(-1000, 1000))
@settings(max_examples=15, deadline=None)
def test_turning_and_moving_the_world_turns_and_moves_the_tracks(seed, yaw, shift):
    frames = drive(seed)
    world = Transform.from_xyz_rpy((shift, -0.5 * shift, 0.0), (0.0, 0.0, yaw))
    moved = [transform_detections(d, "odom", world) for d in frames]
    for a, b in zip(run(frames), run(moved, ego=world), strict=True):
        np.testing.assert_array_equal(a.id, b.id)
        np.testing.assert_array_equal(a.state, b.state)
        np.testing.assert_allclose(world.apply(a.center_m), b.center_m, atol=1e-5)
        np.testing.assert_allclose(wrap_angle(a.yaw_rad + yaw - b.yaw_rad), 0.0, atol=1e-5)
        np.testing.assert_allclose(
            world.rotate(np.pad(a.velocity_mps, ((0, 0), (0, 1))))[:, :2], b.velocity_mps, atol=1e-4
        )


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_half_turns_of_boxes_of_unknown_sign_change_nothing(seed):
    frames = drive(seed)
    unsigned = [d.orientation == Orientation.SIGN_UNKNOWN for d in frames]
    turned = [
        replace(d, yaw_rad=np.where(u, wrap_angle(d.yaw_rad + np.pi), d.yaw_rad))
        for d, u in zip(frames, unsigned, strict=True)
    ]
    for a, b in zip(run(frames), run(turned), strict=True):
        np.testing.assert_array_equal(a.id, b.id)
        np.testing.assert_allclose(a.center_m, b.center_m, atol=1e-6)
        np.testing.assert_allclose(np.sin(a.yaw_rad - b.yaw_rad), 0.0, atol=1e-6)
