"""Intervals over groups."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.slices.intervals import ratio_interval


def test_the_value_is_the_ratio_of_the_sums() -> None:
    found = ratio_interval([1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 2, 3])
    assert found.value == 0.75 and found.groups == 4 and found.low <= 0.75 <= found.high


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        share = np.repeat(rng.random(60) < 0.7, 10)  # 60 tracks of 10 boxes that hang together
        found = ratio_interval(share, np.ones(600), np.repeat(np.arange(60), 10))
        inside += found.low <= 0.7 <= found.high
    assert 178 <= inside <= 199  # 190 expected, 3 standard deviations and the bootstrap's own error


def test_groups_make_it_wider_than_single_boxes(rng: np.random.Generator) -> None:
    hits = np.repeat(rng.permutation(20) < 10, 50)
    grouped = ratio_interval(hits, np.ones(1000), np.repeat(np.arange(20), 50))
    single = ratio_interval(hits, np.ones(1000), np.arange(1000))
    assert grouped.high - grouped.low > 3 * (single.high - single.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    values, one = np.linspace(0, 1, 30), np.ones(30)
    assert ratio_interval(values, one, np.arange(30)) == ratio_interval(values, one, np.arange(30))


def test_too_little_is_nan() -> None:
    none, one = ratio_interval([], [], []), ratio_interval([1, 1], [1, 1], [7, 7])
    assert np.isnan([none.value, none.low, none.high]).all() and none.groups == 0
    assert one.value == 1.0 and np.isnan([one.low, one.high]).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match=r"wanted three \(N,\)"):
        ratio_interval([1, 2], [1], [0])
    with pytest.raises(InputError, match="not finite"):
        ratio_interval([np.nan], [1], [0])
    with pytest.raises(InputError, match="confidence"):
        ratio_interval([1], [1], [0], confidence=95)
