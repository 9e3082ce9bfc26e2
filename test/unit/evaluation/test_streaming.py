"""What was known at the time of the truth, worked by hand. Frames are 0.1 s apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.streaming import (
    Output,
    StreamingConfig,
    interpolate_truth,
    reaction_times,
    stream,
)

STEP_NS = 100_000_000
Boxes = Callable[..., BoxFrame]


def drive(boxes: Boxes, delay_ns: int) -> tuple[list[BoxFrame], list[Output]]:
    """A car at 10 m/s, and right outputs that come late."""
    truth = [boxes(k, [(float(k), 0.0)], velocity=[(10.0, 0.0)]) for k in range(5)]
    return truth, [Output(f.stamp_ns + delay_ns, f) for f in truth]


def test_late_outputs_are_of_an_earlier_frame(boxes: Boxes) -> None:
    got = stream(*drive(boxes, 150_000_000))
    assert got.output.tolist() == [-1, -1, 0, 1, 2]
    assert [f.center_m[:, 0].tolist() for f in got.paired.predictions] == [[], [], [0.0], [1.0], [2.0]]
    assert (got.misses, got.in_time_share, got.mean_mismatch_frames) == (2, 0.0, 2.0)
    assert (got.paired.missing, got.paired.spare) == (2, 2)
    assert got.age_s[2:] == pytest.approx([0.2] * 3) and np.isnan(got.age_s[:2]).all()
    assert [f.stamp_ns for f in got.paired.predictions] == [k * STEP_NS for k in range(5)]


def test_published_at_the_very_time_is_in_time(boxes: Boxes) -> None:
    got = stream(*drive(boxes, 0))
    assert (got.misses, got.in_time_share, got.mean_mismatch_frames) == (0, 1.0, 0.0)


@pytest.mark.parametrize(("eta", "output"), [(-1.0, [0, 1, 2, 3, 4]), (1.0, [-1, -1, 0, 1, 2])])
def test_eta_shifts_the_time_that_is_asked_about(boxes: Boxes, eta: float, output: list[int]) -> None:
    got = stream(*drive(boxes, 50_000_000), StreamingConfig(eta_frames=eta))
    assert got.output.tolist() == output


def test_the_receiver_may_predict(boxes: Boxes) -> None:
    truth, outputs = drive(boxes, 150_000_000)
    got = stream(truth, outputs, StreamingConfig(query="predicted"))
    assert [f.center_m[0, 0] for f in got.paired.predictions[2:]] == pytest.approx([2.0, 3.0, 4.0])
    unknown = replace(outputs[0].boxes, velocity_mps=np.full((1, 2), np.nan))
    still = stream(truth, [Output(0, unknown)], StreamingConfig(query="predicted"))
    assert still.paired.predictions[4].center_m[0, 0] == 0.0 and outputs[0].boxes.center_m[0, 0] == 0.0


def test_nothing_at_all(boxes: Boxes) -> None:
    assert np.isnan(stream([], []).in_time_share) and stream([boxes(0, [])], []).misses == 1
    assert interpolate_truth([]) == () and np.isnan(reaction_times([], []).p50_s)


def test_truth_between_two_frames(boxes: Boxes) -> None:
    a = boxes(0, [(0.0, 0.0), (9.0, 9.0)], ids=[1, 2], yaw=[3.1, 0.0])
    b = boxes(1, [(1.0, 2.0), (5.0, 5.0)], ids=[1, 3], yaw=[-3.1, 0.0])
    got = interpolate_truth([a, b], rate_hz=20.0)
    assert [f.id.tolist() for f in got] == [[1, 2], [1], [1, 3]]
    assert got[1].stamp_ns == STEP_NS // 2 and got[1].center_m[0, :2].tolist() == [0.5, 1.0]
    assert abs(got[1].yaw_rad[0]) == pytest.approx(np.pi)


def test_no_truth_within_a_gap(boxes: Boxes) -> None:
    got = interpolate_truth([boxes(0, []), boxes(20, [])], rate_hz=10.0)
    assert [f.stamp_ns for f in got] == [0, 20 * STEP_NS]


def test_reaction_times(boxes: Boxes) -> None:
    points = {0: [50, 4, 0], 1: [50, 5, 0], 2: [50, 9, 7], 3: [50, 9, 9]}
    where = [(0.0, 0.0), (20.0, 0.0), (40.0, 0.0)]
    truth = [replace(boxes(k, where), num_points=np.array(n)) for k, n in points.items()]
    outputs = [
        Output(f.stamp_ns + 30_000_000, f.select(np.array([0, 1])[: k - 1]))
        for k, f in enumerate(truth)
        if k > 1
    ]
    got = reaction_times(truth, outputs)
    assert got.id.tolist() == [0, 1, 2] and got.from_start.tolist() == [True, False, False]
    assert got.time_s == pytest.approx([0.23, 0.23, np.inf])
    assert (got.p50_s, got.p95_s) == (pytest.approx(0.23), np.inf)


def test_a_track_of_another_class_or_place_is_no_reaction(boxes: Boxes) -> None:
    truth = [replace(boxes(k, [(0.0, 0.0)]), num_points=np.array([9 * k])) for k in range(2)]
    for wrong in (replace(truth[1], label=truth[1].label + 1), boxes(1, [(3.0, 0.0)])):
        assert reaction_times(truth, [Output(STEP_NS, wrong)]).time_s.tolist() == [np.inf]


@pytest.mark.parametrize("run", [stream, reaction_times, lambda t, _: interpolate_truth(t)])
def test_truth_out_of_order(boxes: Boxes, run: Any) -> None:
    with pytest.raises(InputError, match="truth: wanted increasing stamps"):
        run([boxes(1, []), boxes(0, [])], [])


@pytest.mark.parametrize("field", [{"query": "x"}, {"eta_frames": np.nan}, {"tolerance_ns": -1}])
def test_bad_configuration(field: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(field))}: wanted"):
        StreamingConfig(**field)


def test_bad_rate(boxes: Boxes) -> None:
    with pytest.raises(InputError, match="wanted rate_hz"):
        interpolate_truth([boxes(0, [])], rate_hz=0.0)
