"""Pairs of true boxes and tracks on hand-worked cases and against all permutations."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.evaluation.association import follow, pair_nearest


def pairs_of(truth: Any, ours: Any, *args: Any, **more: Any) -> dict[int, int]:
    rows, cols = pair_nearest(truth, ours, *args, **more)
    return dict(zip(truth.id[rows].tolist(), ours.id[cols].tolist(), strict=True))


def test_the_gate_is_open_below_the_distance(boxes: Any) -> None:
    truth, ours = boxes(0, [(0, 0), (20, 0)]), boxes(0, [(0, 1.99), (20, 2.0)], [7, 8])
    assert pairs_of(truth, ours, 2.0) == {0: 7}


def test_as_many_pairs_as_possible_come_before_short_ones(boxes: Any) -> None:
    # 7 is nearest to both; only if 0 takes the farther 8 do both get one.
    truth, ours = boxes(0, [(0, 0), (2.0, 0)]), boxes(0, [(0.5, 0), (-1.9, 0)], [7, 8])
    assert pairs_of(truth, ours, 2.0) == {0: 8, 1: 7}
    wide = boxes(0, [(0, 0), (60, 0)]), boxes(0, [(20, 0), (-45, 0)], [7, 8])
    assert pairs_of(*wide, 50.0) == {0: 8, 1: 7}


def test_a_pair_that_was_stays(boxes: Any) -> None:
    truth, ours = boxes(0, [(0, 0)]), boxes(0, [(0.1, 0), (1.5, 0)], [7, 8])
    assert pairs_of(truth, ours, 2.0) == {0: 7}
    assert pairs_of(truth, ours, 2.0, {0: 8}) == {0: 8}
    assert pairs_of(truth, ours, 1.0, {0: 8}) == {0: 7}  # too far by now


def test_labels_on_demand(boxes: Any) -> None:
    truth = boxes(0, [(0, 0)])
    ours = replace(boxes(0, [(0.1, 0)], [7]), label=np.array([LABEL_INDEX["truck"]]))
    assert pairs_of(truth, ours, 2.0) == {0: 7}
    assert pairs_of(truth, ours, 2.0, same_label=True) == {}


@pytest.mark.parametrize("n", [1, 3, 5])
def test_least_sum_of_distances_of_all_permutations(boxes: Any, rng: np.random.Generator, n: int) -> None:
    for _ in range(20):
        a, b = rng.uniform(0, 5, (n, 2)), rng.uniform(0, 5, (n, 2))
        rows, cols = pair_nearest(boxes(0, a), boxes(0, b), 100.0)
        best = min(np.linalg.norm(a - b[list(p)], axis=1).sum() for p in permutations(range(n)))
        assert len(rows) == n
        assert np.linalg.norm(a[rows] - b[cols], axis=1).sum() == pytest.approx(best)


def test_a_track_is_remembered_through_a_gap_until_it_follows_another(boxes: Any) -> None:
    truth = [boxes(k, [(0, 0)], [1]) for k in range(3)]
    seven, both = [(1.5, 0)], [(0.1, 0), (1.5, 0)]
    ours = [boxes(0, seven, [7]), boxes(1, []), boxes(2, both, [8, 7])]
    assert list(follow(truth, ours, 2.0)) == [{1: 7}, {}, {1: 7}]
    elsewhere = [boxes(0, [(0, 0)], [1]), boxes(1, [(0, 0), (9, 0)], [1, 2]), boxes(2, [(0, 0)], [1])]
    moved = [boxes(0, seven, [7]), boxes(1, [(9, 0)], [7]), boxes(2, both, [8, 7])]
    assert list(follow(elsewhere, moved, 2.0)) == [{1: 7}, {2: 7}, {1: 8}]


def test_nobody(boxes: Any) -> None:
    assert pairs_of(boxes(0, []), boxes(0, [(0, 0)]), 2.0) == {}
    assert pairs_of(boxes(0, [(0, 0)]), boxes(0, []), 2.0) == {}
