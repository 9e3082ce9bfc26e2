"""Map lines cut to a rectangle, and scored once a second."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.evaluation.maps import MapSample, map_scores, once_a_period
from perception_nodes.evaluation.maps.run import cut_line

SQUARE = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]])
ALONG = np.array([[-30.0, 5.0], [50.0, 5.0]])


@pytest.mark.parametrize("corners", [SQUARE, SQUARE[::-1]], ids=["left", "right"])
def test_a_line_is_cut_at_the_border(corners: np.ndarray) -> None:
    (piece,) = cut_line(ALONG, corners)
    assert (piece[:, 0].min(), piece[:, 0].max()) == (0.0, 20.0) and set(piece[:, 1]) == {5.0}


def test_outside_and_short_pieces_are_left_out_and_a_line_may_come_back() -> None:
    assert cut_line(ALONG + np.array([0.0, 30.0]), SQUARE) == []
    assert cut_line(np.array([[-1.0, 5.0], [1.0, 5.0]]), SQUARE) == []
    assert cut_line(ALONG[:1], SQUARE) == []
    out_and_back = np.array([[5.0, 5.0], [40.0, 5.0], [40.0, 15.0], [5.0, 15.0]])
    assert len(cut_line(out_and_back, SQUARE)) == 2


def test_equal_lines_score_one_and_a_shift_scores_by_its_threshold() -> None:
    truth = {"stop_line": [ALONG]}
    for shift, expected in ((0.0, (1, 1, 1)), (0.7, (0, 1, 1)), (1.2, (0, 0, 1)), (3.0, (0, 0, 0))):
        sample = MapSample(truth, {"stop_line": [ALONG + np.array([0.0, shift])]}, {"stop_line": [0.9]}).cut(
            SQUARE
        )
        scores = map_scores([sample])["stop_line"]
        assert tuple(scores.ap.values()) == pytest.approx(expected), shift
        assert (scores.num_truth, scores.num_predictions) == (1, 1)


def test_what_is_not_claimed_does_not_count() -> None:
    far = ALONG + np.array([0.0, 100.0])
    sample = MapSample({"a": [ALONG, far]}, {"a": [ALONG], "b": [far]}, {"a": [1.0], "b": [1.0]}).cut(SQUARE)
    scores = map_scores([sample])
    assert set(scores) == {"a"} and scores["a"].mean_ap == 1.0


def test_without_truth_ap_is_unknown() -> None:
    sample = MapSample({}, {"a": [ALONG]}, {"a": [1.0]}).cut(SQUARE)
    assert map_scores([sample])["a"].to_dict()["mean_ap"] is None
    assert map_scores([]) == {}


def test_once_a_second_from_the_last_one_back() -> None:
    stamps = [k * 400_000_000 for k in range(7)]
    assert once_a_period(stamps) == [0, 3, 6]
    assert once_a_period([]) == []
