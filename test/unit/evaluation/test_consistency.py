"""Each kind of inconsistency drawn by hand; exposures counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError


def drawn(boxes: Any, rows: list[dict[int, tuple[float, float]]], **more: Any) -> list[ev.BoxFrame]:
    """Frames at 10 Hz from id -> centre."""
    return [boxes(k, list(row.values()), list(row)) for k, row in enumerate(rows)]


def test_steady_tracks_have_no_events(boxes: Any) -> None:
    frames = drawn(boxes, [{1: (10.0, 0.0), 2: (20.0, 5.0)}] * 11)
    ours, truth = ev.track_consistency(frames), ev.truth_consistency(frames, frames)
    rates = [*vars(ours).values(), *(v for v in vars(truth).values() if isinstance(v, ev.EventRate))]
    assert len(rates) == 11 and all(r.count == 0 for r in rates)
    assert ours.appearances.exposure_s == pytest.approx(2.2)  # 22 boxes that stand for 0.1 s each
    assert ours.heading_flips.exposure_s == pytest.approx(2.0)  # 10 steps of two tracks
    assert truth.splits.exposure_s == pytest.approx(2.2) == truth.moving_at_rest.exposure_s


def test_flicker_by_hand(boxes: Any) -> None:
    near, far = (10.0, 0.0), (48.0, 0.0)
    # 1 stays; 2 appears and disappears in view; 3 has a gap; 4 comes and goes at the edge of the view.
    rows = [{1: near, 3: near}, {1: near, 2: near}, {1: near, 3: near, 4: far}, {1: near, 3: near}]
    result = ev.track_consistency(drawn(boxes, rows))
    assert (result.appearances.count, result.disappearances.count, result.gaps.count) == (1, 1, 1)
    assert result.appearances.exposure_s == pytest.approx(0.8)
    assert result.appearances.per_1000_s == pytest.approx(1250)
    everywhere = ev.track_consistency(drawn(boxes, rows), in_view=lambda f: np.ones(len(f), bool))
    assert (everywhere.appearances.count, everywhere.disappearances.count) == (2, 2)


def test_heading_flip_across_the_seam_is_none(boxes: Any) -> None:
    yaws = [3.1, -3.1, 0.0, 0.1, np.nan, 3.0]  # the step from -3.1 to 0 is a flip; after NaN nothing is known
    frames = [boxes(k, [(10, 0)], [1], yaw=[yaw]) for k, yaw in enumerate(yaws)]
    result = ev.track_consistency(frames).heading_flips
    assert (result.count, result.exposure_s) == (1, pytest.approx(0.3))


def test_velocity_jumps(boxes: Any) -> None:
    speeds = [10.0, 10.4, 11.0, 11.6, np.nan]  # 4, 6, 6 m/s^2
    frames = [boxes(k, [(10, 0)], [1], velocity=[(v, 0.0)]) for k, v in enumerate(speeds)]
    result = ev.track_consistency(frames).velocity_jumps
    assert (result.count, result.exposure_s) == (2, pytest.approx(0.3))


def test_frames_far_apart_are_not_compared(boxes: Any) -> None:
    frames = [boxes(0, [(10, 0)], [1], yaw=[0.0]), boxes(9, [(10, 0)], [1], yaw=[3.0])]
    assert ev.track_consistency(frames).heading_flips == ev.EventRate(0, 0.0)


def test_splits_and_switches(boxes: Any) -> None:
    truth = drawn(boxes, [{1: (10.0, 0.0)}] * 6)
    at_once = [{5: (10.0, 0.0)}, *[{5: (9.0, 0.0), 6: (11.0, 0.0)}] * 2, {5: (9.0, 0.0)}] + [
        {6: (10.0, 0.0)}
    ] * 2
    result = ev.truth_consistency(truth, drawn(boxes, at_once))
    assert (result.splits.count, result.switches.count, result.merges.count, result.swaps.count) == (
        1,
        1,
        0,
        0,
    )
    assert result.splits.exposure_s == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("second", "yaw", "expected"),
    [
        ((12.2, 0.0), 0.0, 1),  # half of 4 m and the margin of 0.25 m
        ((12.3, 0.0), 0.0, 0),
        ((10.0, 1.2), 0.0, 1),
        ((10.0, 1.3), 0.0, 0),
        ((10.0, 2.2), np.pi / 2, 1),
        ((12.2, 0.0), np.pi / 2, 0),
    ],
)
def test_a_split_lies_in_the_footprint(
    boxes: Any, second: tuple[float, float], yaw: float, expected: int
) -> None:
    truth = [boxes(0, [(10.0, 0.0)], [1], yaw=[yaw])]
    result = ev.truth_consistency(truth, [boxes(0, [(10.0, 0.0), second], [5, 6])])
    assert result.splits.count == expected


def test_merges_and_swaps(boxes: Any) -> None:
    apart, close = {1: (10.0, -4.0), 2: (10.0, 4.0)}, {1: (10.0, -0.8), 2: (10.0, 0.8)}
    truth = drawn(boxes, [apart, close, close, apart])
    ours = drawn(boxes, [{5: (10.0, -4.0), 6: (10.0, 4.0)}, *[{5: (10.0, 0.0)}] * 2, {5: (10.0, 4.0)}])
    result = ev.truth_consistency(truth, ours)
    assert (result.merges.count, result.swaps.count, result.switches.count) == (1, 1, 1)
    assert result.losses.count == 2  # 2 when the tracks merged, 1 when the track went to the other one


def test_resting_objects_that_move(boxes: Any) -> None:
    truth = [boxes(k, [(10, 0), (30, 0)], [1, 2], velocity=[(0.1, 0.0), (5.0, 0.0)]) for k in range(5)]
    speeds = [0.4, 0.6, 0.9, 0.0, 0.7]  # begins to move twice, three frames in all
    ours = [
        boxes(k, [(10, 0), (30, 0)], [7, 8], velocity=[(v, 0.0), (5.0, 0.0)]) for k, v in enumerate(speeds)
    ]
    result = ev.truth_consistency(truth, ours)
    assert (result.moving_at_rest.count, result.moving_at_rest_s) == (2, pytest.approx(0.3))
    assert result.moving_at_rest.exposure_s == pytest.approx(0.5)


def test_a_loss_needs_an_object_that_is_still_in_view(boxes: Any) -> None:
    truth = drawn(boxes, [{1: (10.0, 0.0), 2: (20.0, 0.0), 3: (48.0, 0.0)}, {1: (10.0, 0.0), 3: (48.0, 0.0)}])
    ours = drawn(boxes, [{5: (10.0, 0.0), 6: (20.0, 0.0), 7: (48.0, 0.0)}, {}])
    result = ev.truth_consistency(truth, ours).losses
    assert (result.count, result.exposure_s) == (1, pytest.approx(0.3))


def test_nothing_and_one_frame(boxes: Any) -> None:
    assert ev.track_consistency([]).appearances == ev.EventRate(0, 0.0)
    assert np.isnan(ev.truth_consistency([], []).losses.per_1000_s)
    one = ev.track_consistency([boxes(0, [(10, 0)])])
    assert (one.appearances.count, one.appearances.exposure_s) == (0, 0.0)


def test_errors(boxes: Any) -> None:
    with pytest.raises(InputError, match="increasing stamps, got 0 after 100000000"):
        ev.track_consistency([boxes(1, []), boxes(0, [])])
    with pytest.raises(InputError, match="increasing stamps"):
        ev.truth_consistency([boxes(1, []), boxes(1, [])], [boxes(1, []), boxes(1, [])])
    with pytest.raises(InputError, match="1 of truth and 0 of predictions"):
        ev.truth_consistency([boxes(0, [])], [])
    with pytest.raises(InputError, match="margin_m"):
        ev.ConsistencyConfig(range_m=5.0, margin_m=6.0)
