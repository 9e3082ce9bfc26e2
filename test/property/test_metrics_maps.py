"""What holds for the Chamfer AP of any map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes.evaluation import chamfer_ap, chamfer_curves

seeds = st.integers(0, 2**32 - 1)
LIMIT_M = 1.0
Frame = tuple[list[np.ndarray], list[np.ndarray], np.ndarray]


def frames(seed: int) -> list[Frame]:
    """Lines 8 m apart, predictions shifted by up to 1.5 m, some missing; all scores differ."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(4):
        n = int(rng.integers(1, 6))
        x = np.linspace(0, 30, 7)
        truth = [np.column_stack([x, 8.0 * k + rng.uniform(-0.5, 0.5, 7)]) for k in range(n)]
        ours = [t + rng.uniform(-1.5, 1.5, 2) for t in truth if rng.random() < 0.8]
        out.append((truth, ours, rng.random(len(ours))))
    return out


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_perfect_and_nothing(seed: int) -> None:
    truth = [f[0] for f in frames(seed)]
    assert chamfer_ap([(t, t, np.ones(len(t))) for t in truth], LIMIT_M) == pytest.approx(1.0)
    assert chamfer_ap([(t, [], np.zeros(0)) for t in truth], LIMIT_M) == 0.0


@given(seed=seeds, turn_rad=st.floats(-3, 3), away_m=st.floats(-500, 500))
@settings(max_examples=25, deadline=None)
def test_order_frame_and_direction_do_not_matter(seed: int, turn_rad: float, away_m: float) -> None:
    rng = np.random.default_rng(seed)
    turn = np.array([[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]])
    data, mixed = frames(seed), []
    for truth, ours, score in data:
        a, b = rng.permutation(len(truth)), rng.permutation(len(ours))
        moved = [[line[::-1] @ turn.T + away_m for line in side] for side in (truth, ours)]
        mixed.append(([moved[0][k] for k in a], [moved[1][k] for k in b], score[b]))
    assert chamfer_ap(mixed[::-1], LIMIT_M) == pytest.approx(chamfer_ap(data, LIMIT_M), abs=1e-9)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_duplicates_lower_precision_and_not_recall(seed: int) -> None:
    data = frames(seed)
    twice = [(t, [*p, *p], np.concatenate([s, 0.5 * s])) for t, p, s in data]
    (a,), (b,) = chamfer_curves(data, [LIMIT_M]), chamfer_curves(twice, [LIMIT_M])
    assert b.ap <= a.ap + 1e-12
    if len(a.recall):
        assert b.recall[-1] == a.recall[-1]
        assert b.precision[-1] == pytest.approx(a.precision[-1] / 2)
