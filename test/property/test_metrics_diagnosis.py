"""What holds for the diagnosis of any recording."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.diagnosis import Diagnosis, diagnose
from perception_nodes.evaluation.slices import slice_rows

Frames = list[BoxFrame]
seeds = st.integers(0, 2**32 - 1)


def drive(seed: int) -> tuple[Frames, Frames]:
    """Boxes at random within 60 m of the ego, and predictions with every sort of error."""
    rng = np.random.default_rng(seed)
    truth, ours = [], []
    for k in range(int(rng.integers(1, 8))):
        a = boxes(k, int(rng.integers(0, 12)), rng)
        b = a.select(rng.random(len(a)) > 0.2)
        moved = b.center_m + rng.normal(0, 1.0, (len(b), 3)) * (1, 1, 0)
        label = np.where(rng.random(len(b)) < 0.2, rng.integers(0, 11, len(b)), b.label)
        b = dataclasses.replace(b, center_m=moved, label=label, yaw_rad=b.yaw_rad + rng.normal(0, 1, len(b)))
        extra = boxes(k, int(rng.integers(0, 4)), rng, first=100)
        names = ("id", "label", "score", "center_m", "lwh_m", "yaw_rad", "velocity_mps", "num_points")
        both: dict[str, Any] = {n: np.concatenate([getattr(b, n), getattr(extra, n)]) for n in names}
        truth.append(a)
        ours.append(dataclasses.replace(b, **both))
    return truth, ours


def boxes(k: int, n: int, rng: np.random.Generator, first: int = 0) -> BoxFrame:
    return BoxFrame(
        k * 100_000_000,
        np.arange(first, first + n),
        rng.integers(0, 11, n),
        rng.random(n),
        rng.uniform(-45, 45, (n, 3)) * (1, 1, 0),
        rng.uniform(0.5, 6, (n, 3)),
        rng.uniform(-3, 3, n),
        rng.normal(0, 5, (n, 2)),
        rng.integers(0, 40, n),
        np.zeros(2),
    )


def summary(diagnosis: Diagnosis) -> list[Any]:
    counts = [(s.cause, s.misses, s.false_alarms, s.imprecise) for s in diagnosis.causes]
    return sorted(counts, key=lambda c: c[0].value)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_every_error_has_one_cause_and_counts_once(seed: int) -> None:
    truth, ours = drive(seed)
    diagnosis = diagnose(truth, ours)
    rows = slice_rows(truth, ours, diagnosis).objects
    unknown = rows["label"] == "unknown"
    assert sum(s.misses for s in diagnosis.causes) == (~rows["matched"] & ~unknown).sum()
    assert sum(s.count for s in diagnosis.causes) == len(diagnosis.errors)
    wrong = diagnosis.predicted_boxes - diagnosis.matched
    assert sum(s.false_alarms for s in diagnosis.causes) <= wrong


@settings(deadline=None, max_examples=40)
@given(seeds, st.floats(-3, 3), st.floats(-1e4, 1e4))
def test_another_fixed_frame_changes_nothing(seed: int, yaw: float, away_m: float) -> None:
    truth, ours = drive(seed)
    a, b = diagnose(truth, ours), diagnose(turned(truth, yaw, away_m), turned(ours, yaw, away_m))
    assert summary(a) == summary(b)
    np.testing.assert_allclose(a.mean_ap, b.mean_ap, atol=1e-9)


def turned(frames: Frames, yaw: float, away_m: float) -> Frames:
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    away = np.array([away_m, -away_m, 0.0])
    return [
        dataclasses.replace(
            f,
            center_m=f.center_m @ turn + away,
            yaw_rad=f.yaw_rad + yaw,
            velocity_mps=f.velocity_mps @ turn[:2, :2],
            ego_xy_m=np.zeros(2) @ turn[:2, :2] + away[:2],
        )
        for f in frames
    ]


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_right_predictions_have_no_errors(seed: int) -> None:
    truth, _ = drive(seed)
    apart = [f.select(first_of_each_place(f)) for f in truth]
    assert diagnose(apart, apart).errors == ()


def first_of_each_place(frame: BoxFrame) -> Any:
    """Boxes of a known class that are 7 m from the others kept: then no box can take another's match."""
    kept: list[int] = []
    for k in range(len(frame)):
        near = np.hypot(*(frame.center_m[kept, :2] - frame.center_m[k, :2]).T) < 7
        if frame.label[k] != 10 and not near.any():
            kept.append(k)
    return np.array(kept, np.int64)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_nothing_is_mutated(seed: int) -> None:
    truth, ours = drive(seed)
    before = [f.center_m.copy() for f in (*truth, *ours)]
    diagnose(truth, ours)
    for frame, center in zip((*truth, *ours), before, strict=True):
        np.testing.assert_array_equal(frame.center_m, center)
