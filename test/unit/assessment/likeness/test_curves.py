"""Curves from counts, and how far they are apart, against hand-worked figures."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.assessment.likeness.curves import BY_KEY, CURVES, Curve, Form, Sums, Tally
from perception_nodes.assessment.likeness.distance import distance, shift

HISTOGRAM = Curve("h", "h", Form.HISTOGRAM, "x", "y", (0.0, 1.0, 3.0, 5.0))
SHARE = Curve("s", "s", Form.SHARE, "x", "y", (0.0, 1.0, 2.0))
MEAN = Curve("m", "m", Form.MEAN, "x", "y", (0.0, 1.0, 2.0))


def one(*values: float) -> np.ndarray:
    return np.array([values], np.float64)


def test_values_fall_into_their_bins_and_not_beside_them():
    got = HISTOGRAM.place(np.array([-0.1, 0.0, 0.99, 1.0, 5.0, 5.1, np.nan]))
    assert got.tolist() == [-1, 0, 0, 1, 2, -1, -1]
    np.testing.assert_allclose(HISTOGRAM.middles(), [0.5, 2.0, 4.0])


def test_histograms_that_share_nothing_are_1_apart_and_equal_ones_0():
    assert distance(HISTOGRAM, one(1, 0, 0), one(0, 0.5, 0.5)) == pytest.approx(1.0)
    assert distance(HISTOGRAM, one(0.2, 0.3, 0.5), one(0.2, 0.3, 0.5)) == 0.0


def test_jensen_shannon_by_hand():
    # P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4): (log2(4/3) + 1/2 log2(2/3) + 1/2 log2 2) / 2.
    want = np.sqrt((np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5) / 2)
    assert distance(HISTOGRAM, one(1, 0, 0), one(0.5, 0.5, 0)) == pytest.approx(want)
    assert shift(HISTOGRAM, one(1, 0, 0), one(0.5, 0.5, 0)) == pytest.approx(0.75)


def test_shares_differ_by_their_mean_difference_over_the_bins_that_both_have():
    assert distance(SHARE, one(0.5, 0.2), one(0.6, np.nan)) == pytest.approx(0.1)
    assert distance(SHARE, one(0.5, 0.2), one(0.6, 0.1)) == pytest.approx(0.1)
    assert shift(SHARE, one(0.5, 0.2), one(0.6, 0.1)) == pytest.approx(0.0)
    assert np.isnan(distance(SHARE, one(np.nan, 0.2), one(0.6, np.nan)))


def test_means_differ_by_their_ratio():
    assert distance(MEAN, one(10, 10), one(20, 5)) == pytest.approx(1.0)
    assert shift(MEAN, one(10, 10), one(20, 5)) == pytest.approx(0.0)
    assert distance(MEAN, one(10, 0), one(15, 3)) == pytest.approx(0.5)


def test_counts_of_frames_add_up_by_their_weights():
    tallies = [Tally(1, 0), Tally(2, 0), Tally(3, 0)]
    tallies[0].histogram("noise_ground", np.array([0.001, 0.001, 0.03]))
    tallies[1].histogram("noise_ground", np.array([0.03]))
    sums = Sums.of("noise_ground", tallies)
    values, evidence = sums.values(np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
    assert values[0, 0] == 0.5 and values[0].sum() == pytest.approx(1.0)
    assert values[1, 0] == 0.0 and values[1].sum() == pytest.approx(1.0)
    assert np.isnan(values[2]).all() and evidence[2].sum() == 0


def test_bins_without_enough_evidence_are_unknown():
    tally = Tally(1, 0)
    tally.means("car_lost", np.array([10.0]), np.array([9.0]), BY_KEY["car_lost"].least - 1)
    assert np.isnan(Sums.of("car_lost", [tally]).values(np.ones((1, 1)))[0]).all()


def test_keys_are_unique_and_edges_increase():
    assert len(BY_KEY) == len(CURVES)
    for curve in CURVES:
        assert curve.names or (np.diff(curve.edges) > 0).all(), curve.key
