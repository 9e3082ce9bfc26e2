"""What holds for CLEAR, IDF1, HOTA and GOSPA of any recording."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes import evaluation as ev

seeds = st.integers(0, 2**32 - 1)
GATE_M = 2.0
Frame = tuple[Any, Any, Any, Any]


def drive(seed: int) -> list[Frame]:
    """Ids and places of truth, ids and places of tracks, with gaps, noise and changes of id."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    ids, out = np.arange(n) + 50, []
    for _ in range(8):
        ids = np.where(rng.random(n) < 0.1, ids + 10, ids)
        place = np.column_stack([np.arange(n) * 5.0, rng.uniform(-9, 9, n)])
        seen, found = np.flatnonzero(rng.random(n) < 0.9), np.flatnonzero(rng.random(n) < 0.8)
        out.append((seen, place[seen], ids[found], place[found] + rng.normal(0, 0.6, (len(found), 2))))
    return [(np.arange(n), np.zeros((n, 2)) + np.arange(n)[:, None] * 5.0, ids[:0], np.zeros((0, 2))), *out]


def scores(frames: list[Frame]) -> dict[str, float]:
    distances = [np.linalg.norm(t[:, None] - p[None], axis=-1) for _, t, _, p in frames]
    similar = [(f[0], f[2], np.clip(1 - d / GATE_M, 0, 1)) for f, d in zip(frames, distances, strict=True)]
    clear, hota, ids = ev.clear(similar, 0.5), ev.hota(similar), ev.identity(similar, 0.5)
    out = {"mota": clear.mota, "recall": clear.recall, "precision": clear.precision, "idf1": ids.idf1}
    out |= {"hota": hota.hota, "det_re": hota.det_re, "det_pr": hota.det_pr}
    return out | {"gospa": ev.gospa_run(distances).mean_m, "switches": clear.id_switches}


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_perfect_and_nothing(seed: int) -> None:
    truth = [(i, x) for i, x, _, _ in drive(seed)]
    best = scores([(i, x, i + 9, x) for i, x in truth])
    worst = scores([(i, x, i[:0], x[:0]) for i, x in truth])
    ones = ("mota", "recall", "precision", "idf1", "hota")
    assert {k: best[k] for k in ones} == pytest.approx(dict.fromkeys(ones, 1.0))
    assert (best["gospa"], best["switches"]) == (0.0, 0)
    assert [worst[k] for k in ("mota", "recall", "idf1", "hota")] == [0.0] * 4 and worst["gospa"] > 0


@given(seed=seeds, turn_rad=st.floats(-3, 3), away_m=st.floats(-500, 500))
@settings(max_examples=25, deadline=None)
def test_order_names_and_frame_do_not_matter(seed: int, turn_rad: float, away_m: float) -> None:
    rng = np.random.default_rng(seed)
    turn = np.array([[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]])
    mixed = []
    for i, x, j, y in drive(seed):
        a, b = rng.permutation(len(i)), rng.permutation(len(j))
        mixed.append((900 - i[a], x[a] @ turn.T + away_m, 900 - j[b], y[b] @ turn.T + away_m))
    assert scores(mixed) == pytest.approx(scores(drive(seed)), abs=1e-9, nan_ok=True)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_duplicates_lower_precision_and_not_recall(seed: int) -> None:
    truth = [(i, x) for i, x, _, _ in drive(seed)]
    once = scores([(i, x, i, x) for i, x in truth])
    twice = scores([(i, x, np.concatenate([i, i + 100]), np.concatenate([x, x])) for i, x in truth])
    assert twice["recall"] == once["recall"] == 1.0 and twice["det_re"] == pytest.approx(1.0)
    assert twice["precision"] == twice["det_pr"] == pytest.approx(0.5)
    assert twice["idf1"] == pytest.approx(2 / 3) and twice["gospa"] > once["gospa"]
