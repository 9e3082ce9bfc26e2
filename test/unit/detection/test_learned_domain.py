"""Sweeps that are unlike those of the training are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.detection.learned_domain import DomainCheck, describe_points
from perception_nodes.detection.learned_points import PreparedPoints

TRAINING = {
    "points": [20000.0, 30000.0, 40000.0],
    "range_m": [20.0, 25.0, 30.0],
    "sensor_height_m": [1.7, 1.8, 1.9],
}
USUAL = {"points": 28000.0, "range_m": 26.0, "sensor_height_m": 1.85}


def test_like_the_training_there_is_nothing_to_say() -> None:
    check = DomainCheck(TRAINING)
    for _ in range(60):
        check.add(USUAL)
    assert check.misfits() == []


@pytest.mark.parametrize(
    ("name", "value"), [("points", 5000.0), ("points", 90000.0), ("range_m", 8.0), ("sensor_height_m", 0.6)]
)
def test_each_quantity_is_named(name: str, value: float) -> None:
    check = DomainCheck(TRAINING)
    for k in range(25):
        assert k >= 20 or check.misfits() == []
        check.add({**USUAL, name: value})
    (sentence,) = check.misfits()
    assert sentence.startswith(name)


def test_a_few_odd_sweeps_are_no_matter_and_the_past_is_forgotten() -> None:
    check = DomainCheck(TRAINING)
    for k in range(60):
        check.add({**USUAL, "points": 10.0} if k % 4 == 0 else USUAL)
    assert check.misfits() == []
    for _ in range(50):
        check.add({**USUAL, "points": 10.0})
    assert len(check.misfits()) == 1


def test_a_model_without_statistics_fits_everything() -> None:
    check = DomainCheck({})
    for _ in range(30):
        check.add(USUAL)
    assert check.misfits() == []


def test_description_of_points() -> None:
    ring = np.array([[10 * np.cos(a), 10 * np.sin(a), 0.0] for a in np.linspace(0, 6, 100)], np.float32)
    points = PreparedPoints(ring, np.zeros(100, np.float32), np.zeros(100, np.uint8), np.zeros((1, 2)))
    assert describe_points(points, 1.8) == pytest.approx(
        {"points": 100, "range_m": 10.0, "sensor_height_m": 1.8}
    )
    nothing = PreparedPoints(ring[:0], np.zeros(0, np.float32), np.zeros(0, np.uint8), np.zeros((1, 2)))
    assert describe_points(nothing, 1.0)["range_m"] == 0.0
