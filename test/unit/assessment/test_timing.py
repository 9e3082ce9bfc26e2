"""Streaming figures and reaction times of a recording, against values that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from drives import STEP_NS, rows, write_jsonl

from perception_nodes.assessment.figures import Figure
from perception_nodes.assessment.recording import Recording
from perception_nodes.assessment.timing import percentile_interval, timing
from perception_nodes.evaluation import BoxFrame, EvaluationConfig, Output, Paired, read_boxes
from perception_nodes.evaluation.bootstrap import resample_frames


class Published:
    """As much of a recording as is asked for."""

    def __init__(self, outputs: list[Output], rate: float = 1.0) -> None:
        self.outputs, self.rate = tuple(outputs), rate


def figures(truth: list[BoxFrame], outputs: list[Output], rate: float = 1.0) -> dict[str, Figure]:
    paired = Paired(tuple(truth), tuple(truth), 0, 0)
    resampling = resample_frames([f.stamp_ns for f in truth], np.random.default_rng(0))
    recording = cast(Recording, Published(outputs, rate))
    return {f.name: f for f in timing(paired, recording, EvaluationConfig(), resampling)}


def cars(folder: Path, **changed: Any) -> list[BoxFrame]:
    """Four cars, 40 frames; the truth is its own prediction."""
    path = write_jsonl(folder / "truth.jsonl", [r | {"score": 0.9} | changed for r in rows(scored=False)])
    return sorted(read_boxes(path), key=lambda f: f.stamp_ns)


def late(frames: list[BoxFrame], delay_ns: int) -> list[Output]:
    return [Output(f.stamp_ns + delay_ns, f) for f in frames]


def test_cars_at_rest_lose_only_the_frames_before_the_first_output(tmp_path: Path) -> None:
    truth = cars(tmp_path)
    found = figures(truth, late(truth, 150_000_000))
    assert found["streaming.frames_without_output"].value == 2
    assert found["streaming.car.recall"].value == pytest.approx(38 / 40)
    assert found["streaming.age_s"].value == pytest.approx(0.2)
    assert found["streaming.mismatch_frames"].value == pytest.approx(2.0)
    assert found["streaming.in_time_share"].value == 0.0
    assert found["streaming.car.ap"].value < 1.0


def test_what_is_there_at_once_is_in_time(tmp_path: Path) -> None:
    truth = cars(tmp_path)
    found = figures(truth, late(truth, 0))
    assert found["streaming.in_time_share"].value == 1.0
    assert found["streaming.car.ap"].value == pytest.approx(1.0)


def test_a_delay_is_of_the_wall_clock_whatever_the_rate_of_playing(tmp_path: Path) -> None:
    truth = cars(tmp_path)
    assert figures(truth, late(truth, 2 * STEP_NS), rate=2.0)["streaming.age_s"].value == pytest.approx(0.1)


def test_reaction_counts_from_when_an_object_came_to_be_seen(tmp_path: Path) -> None:
    truth = cars(tmp_path)
    seen = [f.select(f.id < 2) if k < 10 else f for k, f in enumerate(truth)]
    told = [f.select(f.id < 3) for f in seen]
    found = figures(seen, late(told, 50_000_000))
    assert found["reaction_time.p50_s"].value == pytest.approx(0.05)
    assert found["reaction_time.p95_s"].to_dict()["value"] is None
    assert (found["reaction_time.never"].value, found["reaction_time.never"].count) == (1, 2)


def test_truth_with_too_few_points_is_not_asked_for(tmp_path: Path) -> None:
    truth = cars(tmp_path)
    unseen = [replace(f, num_points=np.where(f.id == 3, 2, f.num_points)) for f in truth]
    found = figures(unseen, late([f.select(f.id < 3) for f in truth], 0))
    assert found["streaming.car.recall"].value == 1.0 and found["streaming.car.recall"].count == 120


def test_without_outputs_there_are_no_figures(tmp_path: Path) -> None:
    assert figures(cars(tmp_path), []) == {}


def test_percentile_interval_by_order_statistics() -> None:
    # n 20, p 0.5: the tables give the 6th and the 15th value.
    assert percentile_interval(np.arange(1.0, 21.0), 0.5) == (6.0, 15.0)
    assert np.isnan(percentile_interval(np.array([1.0, 2.0]), 0.5)).all()
    assert np.isnan(percentile_interval(np.zeros(0), 0.5)).all()
