"""Space seen or hidden, headings, and class log-odds."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS
from perception_nodes.detection.boxes import FittedBoxes
from perception_nodes.detection.classify import classify, kind_probabilities
from perception_nodes.detection.columns import FIELDS, NUM_FIELDS
from perception_nodes.detection.features import vehicle_features
from perception_nodes.detection.heading import facing_cost, search_heading
from perception_nodes.detection.space import BINS, bearing_bin, map_space, seen_free

ORIGIN = np.array([[0.0, 0.0, 1.8]])


def state(x: float, y: float, xyz: np.ndarray) -> int:
    height = np.ascontiguousarray(xyz[:, 2], np.float32)
    space = map_space(
        np.ascontiguousarray(xyz, np.float32), height, np.zeros(len(xyz), np.uint8), ORIGIN, np.zeros(1)
    )
    return int(seen_free(x, y, space.nearest_m[0], space.low_returns[0], float(space.crossing[0])))


def test_behind_a_thing_is_hidden_before_a_ground_return_is_free() -> None:
    thing, ground = np.array([[10.0, 0.0, 1.0]]), np.array([[10.0, 0.0, 0.0]])
    assert state(12, 0, thing) == -1
    assert state(9, 0, thing) == 1
    assert state(9, 0, ground) == 1
    assert state(12, 0, ground) == 0
    assert state(2, 0, ground) == 0  # the beam passes there high above any body
    assert state(0, 9, thing) == 0


def test_bearing_bins_go_round_once() -> None:
    angle = np.linspace(-np.pi, np.pi, 5000, endpoint=False)
    bins = np.array([bearing_bin(np.cos(a), np.sin(a)) for a in angle])
    assert set(bins) == set(range(BINS))
    assert np.isin(np.diff(bins), [0, 1, 1 - BINS]).all()
    assert bearing_bin(0.0, 0.0) == 0


@pytest.mark.parametrize("yaw", [0.0, 0.3, 0.8, 1.2, 1.5])
def test_heading_of_two_sides(yaw: float) -> None:
    side, end = np.linspace(0, 4.4, 40), np.linspace(0, 1.8, 20)
    u = np.concatenate([8 + side, np.full(20, 8.0)])
    v = np.concatenate([np.full(40, 5.0), 5 + end])
    x, y = u * np.cos(yaw) - v * np.sin(yaw), u * np.sin(yaw) + v * np.cos(yaw)
    out = np.empty(3)
    search_heading(x, y, out)
    assert abs((out[0] - yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4) < np.radians(1)
    assert out[2] <= facing_cost(x, y, yaw + 0.2)


def car_row(**change: float) -> FittedBoxes:
    values = {
        "length": 4.5, "width": 1.85, "seen_length": 4.2, "seen_width": 1.7, "coverage": 1.0, "closeness": -0.8,
        "bottom": 0.3, "top": 1.5, "range": 12.0, "points": 400.0, "cells": 80.0, "small_length": 4.2,
        "small_width": 1.7, "low_share": 0.6, "vehicle": 0.8, "scatter": 0.05,
    }  # fmt: skip
    values.update(change)
    row = np.zeros((1, NUM_FIELDS))
    for name, value in values.items():
        row[0, FIELDS.index(name)] = value
    return FittedBoxes(row)


def test_a_flawless_car() -> None:
    probabilities, score = classify(car_row())
    assert probabilities[0].argmax() == LABEL_INDEX["car"]
    assert probabilities[0, LABEL_INDEX["car"]] > 0.8
    assert score[0] > 0.8
    flaws = vehicle_features(car_row())
    assert (
        max(flaws[name][0] for name in ("flat", "high", "short", "narrow", "thin", "long", "sparse")) < 1e-9
    )


@pytest.mark.parametrize(
    "change",
    [{"attached": 0.4}, {"scatter": 0.4}, {"tall": 0.6}, {"top": 0.6}, {"seen_width": 0.3}, {"points": 6.0}],
)
def test_each_reason_speaks_against(change: dict[str, float]) -> None:
    flawless, flawed = (
        kind_probabilities(car_row())["car"][0],
        kind_probabilities(car_row(**change))["car"][0],
    )
    assert flawed < flawless - 0.02


def test_a_large_vehicle_must_be_tall_but_no_building() -> None:
    bus = {"length": 11.0, "width": 2.6, "small_length": 11.0, "small_width": 2.2, "top": 3.1, "tall": 0.9}
    probabilities, _ = classify(car_row(**bus))
    assert probabilities[0].argmax() == LABEL_INDEX["bus"]
    for flaw in ({"top": 6.0}, {"small_width": 0.2}, {"continued": 1.0}):
        assert kind_probabilities(car_row(**{**bus, **flaw}))["large"][0] < 0.3


def test_probabilities_are_probabilities(rng: np.random.Generator) -> None:
    boxes = FittedBoxes(np.abs(rng.normal(1, 2, (200, NUM_FIELDS))))
    probabilities, score = classify(boxes)
    assert probabilities.shape == (200, NUM_LABELS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    assert ((score >= 0) & (score <= 1)).all()
