"""Who goes first where only one can pass, who may go on although others are near, what is said of a blocked ego."""

from typing import Any

import numpy as np
import pytest

from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import EgoSpec, Scenario, ScriptedActor, TrafficSpec, WorldSpec
from perception_nodes.simulation.traffic.kernels import LEAST_MARGIN_M, free_way
from perception_nodes.simulation.traffic.traffic import Traffic
from perception_nodes.simulation.world import build_world

CATALOGUE = Catalogue()
HALF_ON_THE_LANE = ScriptedActor("parked", "car", ((60.0, -1.0),))


def traffic_of(world: Any, *actors: ScriptedActor, seed: int = 1, **spec: Any) -> Traffic:
    ego, traffic = EgoSpec(speed_mps=8.0), TrafficSpec(**{"vehicles": 0, "pedestrians": 0, **spec})
    return Traffic(
        world,
        Scenario("p", "m", WorldSpec("junction"), ego=ego, traffic=traffic, actors=actors),
        CATALOGUE,
        seed,
    )


def driven(traffic: Traffic, seconds: float) -> np.ndarray:
    """(T, 4): x, y, speed of the ego, and where the last of the others is."""
    rows = []
    for _ in range(round(seconds / 0.1)):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
        rows.append((*traffic.ego.pose[:2], traffic.ego.speed_mps, traffic._fleet.pose[-1, 0]))
    return np.array(rows)


def test_who_finds_the_other_side_free_goes_round_what_stands_on_its_own(without_signals: Any) -> None:
    traffic = traffic_of(without_signals, HALF_ON_THE_LANE)
    begin = traffic.ego.pose[:2]
    places = driven(traffic, 16.0)
    aside = np.abs(places[:, 1] - begin[1])
    assert 1.0 < aside.max() < 1.5
    assert np.hypot(*(places[-1, :2] - begin)) > 80.0 and aside[-1] < 0.1


def test_who_has_the_obstruction_on_its_side_waits_for_the_oncoming(without_signals: Any) -> None:
    comes = ScriptedActor("comes", "van", ((135.0, 3.1), (10.0, 3.1)), speed_mps=9.0)
    traffic = traffic_of(without_signals, HALF_ON_THE_LANE, comes)
    begin = traffic.ego.pose[0]
    places = driven(traffic, 25.0)
    parked_x = traffic._fleet.pose[traffic.names["parked"], 0]
    beside = np.flatnonzero(np.abs(places[:, 0] - parked_x) < 4.0)[0]
    assert places[:beside, 2].min() < 1.0  # it had to wait
    assert places[beside, 3] > places[beside, 0] + 3.0  # until the other one was past: the way leads to -x
    assert begin - places[-1, 0] > 80.0


def test_a_narrow_street_does_not_jam() -> None:
    """With this seed a lorry stood beside a parked car for good, and all others behind it."""
    world = build_world("narrow", np.random.default_rng([1, 1]))
    traffic = traffic_of(world, vehicles=10, parked_share=0.5)
    still, longest = np.zeros(len(traffic._fleet)), 0.0
    for _ in range(300):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
        fleet = traffic._fleet
        still = np.where(np.isin(fleet.role, [0, 1]) & fleet.present & (fleet.speed < 0.1), still + 0.1, 0.0)
        longest = max(longest, float(still.max()))
    assert longest < 20.0


def free(beside_m: float, length_m: float, on_foot: bool, moves_mps: float) -> float:
    """Free way of a body (length, 0.6 m) on a straight line, another one of that size a way beside it; horizon 5 m."""
    line = np.column_stack([np.arange(-5.0, 30.0), np.zeros(35)])
    gap, leader = np.zeros(2), np.zeros(2, np.int64)
    free_way(
        np.array([0]), np.stack([line, line]), np.array([34, 34]), np.ones(2), np.array([5.0, 5.0]), np.zeros(2),
        np.ones(2), np.full(2, 0.3), np.zeros(2, bool), np.array([[0.0, 0, 0], [0.2, beside_m, 0]]),
        np.array([[1.0, 0], [moves_mps, 0]]), np.array([[length_m, 0.6]] * 2), np.arange(2), np.ones(2, bool),
        np.full(2, 2.5 if on_foot else 0.0), np.full(2, 5.0), LEAST_MARGIN_M, gap, leader,
    )  # fmt: skip
    return float(gap[0])


def test_people_with_long_strides_walk_abreast_as_others_do() -> None:
    assert free(0.75, 0.9, True, 1.0) == 5.0
    assert free(0.75, 1.1, True, 1.0) == 5.0
    assert free(0.65, 1.1, True, 1.0) == 0.0  # but not through each other
    assert free(0.75, 4.0, False, 1.0) == 0.0  # vehicles keep further off


def test_who_is_near_to_what_stands_may_go_on() -> None:
    assert free(0.75, 4.0, False, 0.0) == 5.0
    assert free(0.61, 4.0, False, 0.0) == 0.0


@pytest.mark.parametrize(("beyond_m", "inside"), [(2.0, False), (4.2, True)])
def test_who_stands_between_the_line_and_the_junction_keeps_nobody_waiting(
    beyond_m: float, inside: bool, with_signals: Any
) -> None:
    """The line is 4.5 m before the junction; at 0 s it is red."""
    traffic = traffic_of(with_signals)
    fleet, right = traffic._fleet, traffic._right
    gate = next(g for g in fleet.ways[0].gates if g.lane)
    fleet.s_m[0] = gate.s_m + beyond_m - 0.5 * fleet.size[0, 0]
    fleet.speed[0] = 0.0
    right.inside[0, gate.lane] = gate.clear_s_m
    right._left(fleet, -1, 0.0)
    assert ((0, gate.lane) in right.inside) == inside
    # Nobody is in the junction: past the line it need not wait for green to clear the crossing.
    assert right.stops(fleet, np.array([0]), 0.0, 0.1)[0] == np.inf
    fleet.s_m[0] = gate.s_m - 1.0 - 0.5 * fleet.size[0, 0]
    right.inside.clear()
    assert right.stops(fleet, np.array([0]), 0.0, 0.1)[0] == pytest.approx(1.0)


def test_an_ego_that_stands_for_long_is_told_of_with_who_is_before_it(without_signals: Any) -> None:
    blocks = ScriptedActor("blocks", "car", ((40.0, 0.0),))
    traffic = traffic_of(without_signals, blocks)
    driven(traffic, 15.0)
    assert traffic.held_up == ""
    driven(traffic, 25.0)
    number = traffic.names["blocks"]
    assert traffic.held_up.startswith("the ego has stood for ")
    assert f"behind id {number} (car), which never moves at (" in traffic.held_up
