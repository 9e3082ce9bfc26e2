"""Chamfer AP: the rule of the bands, order of choice, bad input. The golden values are in test_golden.py."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import chamfer_ap, chamfer_curves, chamfer_distance

LINE = np.array([[0.0, 0.0], [20.0, 0.0]])
ONE = np.ones(1)


def moved(x_m: float, y_m: float) -> np.ndarray:
    return LINE + np.array([x_m, y_m])


def test_lines_end_to_end_are_near_and_yet_no_pair() -> None:
    first, next_one = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.1, 0.0], [2.1, 0.0]])
    assert chamfer_distance(first, next_one) < 1.0
    assert chamfer_ap([([first], [next_one], ONE)], 1.5) == 0.0
    assert chamfer_ap([([first], [next_one - np.array([0.2, 0.0])], ONE)], 1.5) == 1.0


def test_a_nearer_line_whose_band_does_not_touch_is_not_chosen() -> None:
    ours = np.array([[0.0, 0.0], [1.0, 0.0]])
    ahead, beside = np.array([[1.1, 0.0], [2.1, 0.0]]), np.array([[0.0, 1.3], [1.0, 1.3]])
    assert chamfer_distance(ours, ahead) < 1.2 < chamfer_distance(ours, beside)
    assert chamfer_ap([([ahead, beside], [ours], ONE)], 1.2) == 0.0


def test_no_second_choice() -> None:
    frame = ([LINE, moved(0, 1.2)], [moved(0, 0.1), moved(0, 0.3)], np.array([0.9, 0.8]))
    (curve,) = chamfer_curves([frame], [1.5])
    assert curve.recall.tolist() == [0.5, 0.5] and curve.precision.tolist() == [1.0, 0.5]
    assert curve.ap == 0.5


def test_area_by_hand() -> None:
    # Hit, miss, hit of two: 0.5 * 1 + 0.5 * 2/3.
    frames = [([LINE], [moved(0, 0.1), moved(0, 9)], np.array([0.9, 0.8])), ([LINE], [LINE], np.array([0.7]))]
    assert chamfer_ap(frames, 0.5) == pytest.approx(0.5 + 1 / 3)


def test_points_alone_and_frames_without_truth() -> None:
    assert chamfer_ap([([LINE], [LINE[:1], LINE], np.array([0.9, 0.8]))], 0.5) == 1.0
    (curve,) = chamfer_curves([([], [LINE], ONE), ([LINE], [LINE], 0.5 * ONE)], [0.5])
    assert curve.precision.tolist() == [0.0, 0.5] and curve.ap == 0.5
    (alone,) = chamfer_curves([([], [LINE], ONE)], [0.5])
    assert np.isnan(alone.ap) and np.isnan(alone.recall).all()
    assert chamfer_ap([([LINE], [], np.zeros(0))], 0.5) == 0.0


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (([LINE], [LINE], np.zeros(2)), "scores: wanted 1"),
        (([LINE], [LINE], np.array([np.nan])), "a score is NaN"),
        (([LINE * np.nan], [LINE], ONE), "truth: line 0: wanted finite"),
        (([LINE], [np.zeros((3, 4))], ONE), "predictions: line 0: wanted finite points"),
        (([LINE, LINE[:1]], [LINE], ONE), "truth: line 1: wanted two points"),
    ],
)
def test_bad_lines(frame: tuple[list[np.ndarray], list[np.ndarray], np.ndarray], text: str) -> None:
    with pytest.raises(InputError, match=f"frame 1: .*{text}"):
        chamfer_ap([([LINE], [LINE], ONE), frame], 0.5)


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan])
def test_bad_threshold(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold_m: wanted above 0"):
        chamfer_ap([], threshold)
