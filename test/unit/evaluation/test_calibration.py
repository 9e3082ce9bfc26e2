"""Calibration on hand-worked cases, against sklearn-free formulas, and each error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError


def test_reliability_by_hand() -> None:
    # Two bins: (0, 0.5] holds 0.2 wrong, 0.5 right; (0.5, 1] holds 0.8 right, 0.6 wrong, 1.0 right.
    diagram = ev.reliability([0.2, 0.5, 0.8, 0.6, 1.0], [0, 1, 1, 0, 1], bins=2)
    np.testing.assert_array_equal(diagram.edges, [0, 0.5, 1])
    np.testing.assert_array_equal(diagram.count, [2, 3])
    np.testing.assert_allclose(diagram.confidence, [0.35, 0.8])
    np.testing.assert_allclose(diagram.accuracy, [0.5, 2 / 3])
    assert diagram.ece == pytest.approx(2 / 5 * 0.15 + 3 / 5 * (0.8 - 2 / 3))
    assert diagram.largest_gap == pytest.approx(0.15)
    low, high = ev.wilson_interval([1, 2], [2, 3])
    np.testing.assert_allclose([diagram.low, diagram.high], [low, high])


def test_edges_belong_to_the_lower_bin_and_zero_to_the_first() -> None:
    diagram = ev.reliability([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], np.ones(6), bins=5)
    np.testing.assert_array_equal(diagram.count, [2, 1, 1, 1, 1])


def test_nan_scores_are_counted_and_left_out() -> None:
    diagram = ev.reliability([0.5, np.nan, np.nan], [1, 0, 1])
    assert (diagram.unscored, diagram.total, diagram.ece) == (2, 1, 0.5)
    empty = ev.reliability([np.nan], [1])
    assert (empty.total, empty.unscored) == (0, 1) and np.isnan([empty.ece, empty.largest_gap]).all()


def test_ece_with_a_loop_over_bins(rng: np.random.Generator) -> None:
    score, hit = rng.random(500), rng.random(500) < 0.4
    total = 0.0
    for b in range(25):
        inside = (score > b / 25) & (score <= (b + 1) / 25)
        if inside.any():
            total += inside.mean() * abs(hit[inside].mean() - score[inside].mean())
    result = ev.detection_calibration(score, hit, "center_distance_m", 2.0)
    assert result.d_ece == pytest.approx(total, abs=1e-12)
    assert (result.rule, result.threshold, len(result.diagram.count)) == ("center_distance_m", 2.0, 25)


def test_classes_by_hand() -> None:
    result = ev.classification_calibration([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [np.nan, 0.5, 0.5]], [0, 1, 2])
    assert result.nll == pytest.approx(-(np.log(0.7) + np.log(0.3)) / 2)
    assert result.brier == pytest.approx((0.09 + 0.04 + 0.01 + 0.01 + 0.49 + 0.36) / 2)
    assert result.ece == pytest.approx((0.3 + 0.6) / 2)
    assert (result.diagram.unscored, result.impossible) == (1, 0)


def test_binary_by_hand() -> None:
    result = ev.binary_calibration([0.9, 0.2, 0.5], [1, 0, 0])
    assert result.brier == pytest.approx((0.01 + 0.04 + 0.25) / 3)
    assert result.nll == pytest.approx(-(np.log(0.9) + np.log(0.8) + np.log(0.5)) / 3)
    certain = ev.binary_calibration([1.0, 1.0], [1, 0])
    assert (certain.impossible, certain.nll) == (1, np.inf)
    assert np.isnan([ev.binary_calibration([], []).brier, ev.binary_calibration([], []).nll]).all()


def test_laece_by_hand() -> None:
    # Class 0: one bin holds 0.55 (hit, IoU 0.8) and 0.55 (miss): |0.4 - 0.55|. Class 1: 1.0, hit, IoU 0.6: 0.4.
    matches = ([0.55, 0.55, 1.0], [0, 0, 1], [True, False, True])
    result = ev.localization_calibration(matches, [0.8, np.nan, 0.6], "iou_3d", 0.5)
    assert [(c, e) for c, e, _ in result.per_class] == [(0, pytest.approx(0.15)), (1, pytest.approx(0.4))]
    assert result.la_ece == pytest.approx((0.15 + 0.4) / 2)
    assert np.isnan(ev.localization_calibration(([], [], []), [], "iou_3d", 0.5).la_ece)


def test_existence_by_hand(boxes: Any) -> None:
    truth = [boxes(k, [(10, 0)]) for k in range(3)]
    # Track 7 is there; 8 is a ghost at 30 m, and by chance takes the object in the frame in which 7 is far off.
    ours = [
        boxes(0, [(10, 0), (30, 0)], [7, 8], score=[0.9, 0.3]),
        boxes(1, [(10, 1), (30, 0)], [7, 8], score=[0.9, 0.3]),
        boxes(2, [(15, 0), (11, 0)], [7, 8], score=[0.9, np.nan]),
    ]
    result = ev.existence_reliability(truth, ours)
    np.testing.assert_array_equal(result.boxes.count[[2, 8]], [2, 3])
    np.testing.assert_allclose(result.boxes.accuracy[[2, 8]], [0, 2 / 3])
    assert result.boxes.unscored == 1
    np.testing.assert_array_equal(result.tracks.count[[2, 8]], [1, 1])
    np.testing.assert_array_equal(result.tracks.accuracy[[2, 8]], [0, 1])


def test_of_two_tracks_on_one_object_one_is_false(boxes: Any) -> None:
    result = ev.existence_reliability(
        [boxes(0, [(10, 0)])], [boxes(0, [(10, 0), (10, 1)], score=[0.95, 0.95])]
    )
    assert result.boxes.accuracy[9] == 0.5


@pytest.mark.parametrize(
    ("score", "outcome", "bins", "message"),
    [
        ([1.2], [1], 15, "score: wanted 0 ... 1, got 1.2"),
        ([np.inf], [1], 15, "score"),
        ([0.5], [np.nan], 15, "outcome"),
        ([0.5], [2], 15, "outcome"),
        ([0.5, 0.5], [1], 15, r"\(2,\) and \(1,\)"),
        ([0.5], [1], 0, "bins"),
    ],
)
def test_bad_scores(score: list[float], outcome: list[float], bins: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ev.reliability(score, outcome, bins)


@pytest.mark.parametrize(
    ("probability", "label", "message"),
    [
        ([[0.5, 0.6]], [0], "sum to 1"),
        ([[1.5, -0.5]], [0], "between 0 and 1"),
        ([[0.5, 0.5]], [2], "labels"),
        ([[0.5, 0.5]], [0.5], "labels"),
        ([0.5, 0.5], [0, 1], r"\(N, C >= 2\)"),
    ],
)
def test_bad_class_probabilities(probability: list[list[float]], label: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ev.classification_calibration(probability, label)


def test_other_bad_input(boxes: Any) -> None:
    with pytest.raises(InputError, match="binary outcomes"):
        ev.binary_calibration([0.5], [0.5])
    with pytest.raises(InputError, match="one length"):
        ev.localization_calibration(([0.5], [0], [True]), [], "iou_3d", 0.5)
    with pytest.raises(InputError, match="outcome"):
        ev.localization_calibration(([0.5], [0], [True]), [np.nan], "iou_3d", 0.5)
    with pytest.raises(InputError, match="1 of truth and 0 of predictions"):
        ev.existence_reliability([boxes(0, [])], [])
