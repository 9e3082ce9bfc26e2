"""Lanes and signals on hand-worked cases; graphs that contradict themselves."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, MalformedMessage
from perception_nodes.simulation.world import Crossing, Lane, RoadGraph, Signal

BENT = np.array([[0.0, 0, 1], [10, 0, 2], [10, 10, 3]])


def lane(number: int = 1, **changes: object) -> Lane:
    return Lane(number, BENT, 3.5, 10.0, **changes)  # type: ignore[arg-type]


def test_places_along_a_lane() -> None:
    xyz, yaw = lane().at(np.array([5.0, 10.0, 15.0]))
    np.testing.assert_allclose(xyz, [[5, 0, 1.5], [10, 0, 2], [10, 5, 2.5]])
    np.testing.assert_allclose(yaw, [0, np.pi / 2, np.pi / 2])
    assert lane().length_m == 20


def test_a_lane_goes_straight_on_beyond_its_ends() -> None:
    xyz, _ = lane().at(np.array([-2.0, 23.0]))
    np.testing.assert_allclose(xyz[:, :2], [[-2, 0], [10, 13]])


@pytest.mark.parametrize(
    ("xy", "s", "d"), [((4, 1), 4, 1), ((4, -2), 4, -2), ((9, 6), 16, 1), ((12, 6), 16, -2)]
)
def test_projection_is_positive_on_the_left(xy: tuple[float, float], s: float, d: float) -> None:
    assert lane().project(np.array(xy, float)) == pytest.approx((s, d))


def test_nearest_looks_at_lanes_of_the_wanted_kind_only() -> None:
    far = Lane(2, BENT + np.array([0, -20, 0]), 3.5, 10.0, "parking")
    graph = RoadGraph((lane(), far))
    assert graph.nearest(np.array([5.0, -19.0]))[0].id == 1
    found, s, d = graph.nearest(np.array([5.0, -19.0]), ("parking",))
    assert (found.id, s, d) == (2, pytest.approx(5.0), pytest.approx(1.0))
    with pytest.raises(ConfigurationError, match="no lane of kind"):
        graph.nearest(np.zeros(2), ("bicycle",))


def test_signal_shows_its_phases_in_turn_for_ever() -> None:
    signal = Signal(1, (0, 0, 3), 0.0, 1, (("green", 10.0), ("yellow", 3.0), ("red", 7.0)))
    shown = [signal.colour(t) for t in (0.0, 9.99, 10.0, 12.99, 13.0, 19.9, 20.0, 30.5)]
    assert shown == ["green", "green", "yellow", "yellow", "red", "red", "green", "yellow"]


def test_predecessors_are_successors_backwards() -> None:
    graph = RoadGraph((lane(1, successors=(3,)), lane(2, successors=(3,)), lane(3)))
    assert graph.predecessors == {1: (), 2: (), 3: (1, 2)}
    assert graph.lane(2).id == 2


@pytest.mark.parametrize(
    ("lanes", "words"),
    [
        ((lane(1), lane(1)), "same id"),
        ((lane(1, successors=(9,)),), r"lane 1 names lanes that are not there: \{9\}"),
        ((lane(1, left=4),), r"\{4\}"),
        ((lane(1, signal=5),), "signal 5"),
    ],
)
def test_graph_that_contradicts_itself(lanes: tuple[Lane, ...], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        RoadGraph(lanes)


def test_unknown_ids_are_named() -> None:
    with pytest.raises(ConfigurationError, match="no lane 7"):
        RoadGraph((lane(),)).lane(7)
    with pytest.raises(ConfigurationError, match="no signal 7"):
        RoadGraph((lane(),)).signal(7)


def test_impossible_lanes_crossings_and_signals() -> None:
    with pytest.raises(ConfigurationError, match="'tram'"):
        lane(kind="tram")
    with pytest.raises(ConfigurationError, match="at least 2 points"):
        Lane(1, BENT[:1], 3.5, 10.0)
    with pytest.raises(MalformedMessage, match="centre_m"):
        Lane(1, BENT[:, :2], 3.5, 10.0)
    with pytest.raises(MalformedMessage, match="polygon_m"):
        Crossing(1, BENT, BENT[:2], ())
    with pytest.raises(ConfigurationError, match="signal 1"):
        Signal(1, (0, 0, 3), 0.0, 1, (("green", 0.0),))
