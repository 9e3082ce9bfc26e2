"""CLEAR, identity and HOTA: cases by hand, conventions, empty and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError


def frame(truth: list[int], ours: list[int], same: list[tuple[int, int]], value: float = 0.8) -> Any:
    """Pairs in `same` are similar by `value`, all others not at all."""
    similarity = np.array([[value * ((t, p) in same) for p in ours] for t in truth])
    return np.array(truth, int), np.array(ours, int), similarity.reshape(len(truth), len(ours))


def test_switch_and_fragment_after_a_miss() -> None:
    frames = [frame([1], [7], [(1, 7)]), frame([1], [9], []), frame([1], [8], [(1, 8)])]
    got = ev.clear(frames, 0.5)
    assert (got.true_positives, got.false_positives, got.false_negatives) == (2, 1, 1)
    assert (got.id_switches, got.fragments, got.partly_tracked) == (1, 1, 1)
    assert (got.mota, got.moda, got.motp) == pytest.approx((0.0, 1 / 3, 0.8))


def test_conventions_differ_after_a_frame_without_predictions() -> None:
    frames = [frame([1], [7], [(1, 7)]), frame([1], [], []), frame([1], [7], [(1, 7)])]
    assert [ev.clear(frames, 0.5, c).fragments for c in ("trackeval", "motmetrics")] == [0, 1]


def test_conventions_differ_at_80_percent() -> None:
    frames = [frame([1], [7], [(1, 7)])] * 4 + [frame([1], [9], [])]
    assert [ev.clear(frames, 0.5, c).mostly_tracked for c in ("trackeval", "motmetrics")] == [0, 1]


def test_conventions_differ_where_more_pairs_are_less_similar() -> None:
    frames = [(np.array([1, 2]), np.array([7, 8]), np.array([[0.9, 0.4], [0.4, 0.0]]))]
    assert [ev.clear(frames, 0.3, c).true_positives for c in ("trackeval", "motmetrics")] == [1, 2]


def test_identity_gives_the_object_to_its_longest_track() -> None:
    got = ev.identity([frame([1], [7], [(1, 7)])] * 3 + [frame([1], [8], [(1, 8)])], 0.5)
    assert (got.idtp, got.idfp, got.idfn) == (3, 1, 1)
    assert (got.idf1, got.idp, got.idr) == (0.75, 0.75, 0.75)


def test_hota_of_a_track_cut_in_half() -> None:
    got = ev.hota([frame([1], [7], [(1, 7)], 1.0)] * 2 + [frame([1], [8], [(1, 8)], 1.0)] * 2)
    assert (got.det_a, got.ass_a, got.loc_a) == pytest.approx((1.0, 0.5, 1.0))
    assert got.hota == pytest.approx(0.5**0.5) and got.curves.true_positives.tolist() == [4] * 19


@pytest.mark.parametrize(("truth", "ours"), [([1], []), ([], [1])])
def test_one_side_only(truth: list[int], ours: list[int]) -> None:
    frames = [frame(truth, ours, [])]
    hota, clear, identity = ev.hota(frames), ev.clear(frames, 0.5), ev.identity(frames, 0.5)
    assert (hota.hota, hota.det_a, hota.loc_a, identity.idf1) == (0.0, 0.0, 1.0, 0.0)
    assert (clear.false_negatives, clear.false_positives) == (len(truth), len(ours))
    assert clear.mostly_lost == len(truth) and np.isnan(clear.motp)


@pytest.mark.parametrize("frames", [[], [frame([], [], [])]])
def test_nothing_at_all(frames: list[Any]) -> None:
    values = ev.hota(frames).hota, ev.clear(frames, 0.5).mota, ev.identity(frames, 0.5).idf1
    assert np.isnan(values).all()


@pytest.mark.parametrize("score", [ev.hota, lambda f: ev.clear(f, 0.5), lambda f: ev.identity(f, 0.5)])
@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ((np.array([1]), np.array([2]), np.zeros((2, 1))), "wanted shape"),
        ((np.array([1, 1]), np.array([2]), np.zeros((2, 1))), "truth: an id occurs twice"),
        ((np.array([1]), np.array([2, 2]), np.zeros((1, 2))), "predictions: an id occurs twice"),
        ((np.array([1]), np.array([2]), np.array([[np.nan]])), "wanted 0..1"),
        ((np.array([1]), np.array([2]), np.array([[1.5]])), "wanted 0..1"),
    ],
)
def test_bad_frames(score: Any, bad: Any, text: str) -> None:
    with pytest.raises(InputError, match=f"frame 1: .*{text}"):
        score([frame([1], [2], []), bad])


def test_unknown_convention() -> None:
    with pytest.raises(InputError, match="convention: wanted one of"):
        ev.clear([], 0.5, "other")  # type: ignore[arg-type]
