"""The ego's route along the lanes of a street, and what holds on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, Detections3D, MalformedMessage
from perception_nodes.simulation.detected import detected_actors
from perception_nodes.simulation.fault_calls import change_faults
from perception_nodes.simulation.faults import FaultKind, FaultSchedule
from perception_nodes.simulation.route import Route, route_of
from perception_nodes.simulation.scenarios import EgoSpec, find_scenario
from perception_nodes.simulation.world import Lane, RoadGraph, Signal, build_world


def test_a_route_follows_the_lane_that_the_ego_starts_on() -> None:
    scenario = find_scenario("straight_traffic")
    world = build_world("straight", np.random.default_rng([1, 1]))
    route = route_of(world, scenario)
    lane = world.graph.lane(world.ego[0])
    off = [abs(lane.project(p[:2])[1]) for p in route.points_m]
    assert max(off) < 0.02
    step = np.hypot(*np.diff(route.points_m[:, :2], axis=0).T)
    assert step.min() > 0.9 and step.max() < 1.1
    assert (route.limit_mps <= min(lane.speed_mps, scenario.ego.speed_mps)).all()


def test_a_turn_is_taken_where_the_scenario_asks_for_it() -> None:
    """The ego starts on the outer of two lanes, from which nobody may turn left: it goes straight on then."""
    scenario = find_scenario("dense_junction")
    world = build_world("signals", np.random.default_rng([1, 1]))
    turned = {}
    for turn in ("left", "straight", "right"):
        route = route_of(world, replace(scenario, ego=EgoSpec(turns=(turn,), speed_mps=11.0)))
        step = np.diff(route.points_m[:, :2], axis=0)
        heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        turned[turn] = float(heading[-1] - heading[0])
        assert len(route.signals) == 1
    assert turned["right"] == pytest.approx(-np.pi / 2, abs=0.3)
    assert turned["straight"] == turned["left"] == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_town_the_way_goes_on_and_never_over_a_lane_twice(seed: int) -> None:
    world = build_world("town", np.random.default_rng([seed, 1]))
    route = route_of(world, find_scenario("random_street"))
    s = np.arange(len(route.points_m))
    assert len(s) > 400
    apart = np.hypot(*(route.points_m[:, None, :2] - route.points_m[None, :, :2]).transpose(2, 0, 1))
    heading = np.gradient(route.points_m[:, :2], axis=0)
    same_way = heading @ heading.T > 0.9
    assert not (same_way & (apart < 1.0) & (np.abs(s[:, None] - s) > 20)).any()


def test_signals_close_lines_until_they_are_passed() -> None:
    line = np.column_stack([np.arange(100.0), np.zeros(100), np.zeros(100)])
    graph = RoadGraph(
        (Lane(1, line, 3.5, 10.0),),
        signals=(Signal(7, (50.0, 3.0, 3.0), 0.0, 1, (("red", 5.0), ("green", 5.0), ("yellow", 3.0))),),
    )
    route = Route(line, np.where(np.arange(100) < 30, 10.0, 5.0), ((50.0, 7),))
    assert route.ahead(graph, 1.0, (20.0, 0.4), 3.7) == (50.0, 10.0)
    assert route.ahead(graph, 6.0, (20.0, 0.4), 3.7) == (np.inf, 10.0)
    assert route.ahead(graph, 11.0, (20.0, 0.4), 3.7) == (50.0, 10.0)
    assert route.ahead(graph, 1.0, (47.0, 0.0), 3.7) == (50.0, 5.0)  # the front is 0.7 m over it
    assert route.ahead(graph, 1.0, (48.0, 0.0), 3.7) == (np.inf, 5.0)


def test_a_way_of_points_is_a_route() -> None:
    scenario = find_scenario("straight_traffic")
    ego = EgoSpec(drive="path", path=((0.0, 0.0), (30.0, 0.0)), speed_mps=4.0)
    world = build_world("straight", np.random.default_rng([1, 1]))
    route = route_of(world, replace(scenario, ego=ego))
    assert route.points_m[-1, 0] == pytest.approx(30.0) and (route.limit_mps == 4.0).all()


# ------------------------------------------------------------------ faults by the words of a call
def schedule() -> FaultSchedule:
    return FaultSchedule(0, ["top", "front"])


def test_a_call_breaks_a_sensor_from_now_on() -> None:
    faults = schedule()
    said = change_faults(faults, "top", "delayed", 3.0, (1.0, 2.0), 0.4)
    (fault,) = faults.faults
    assert (fault.kind, fault.start_s, fault.duration_s, fault.delay_s) == (FaultKind.DELAYED, 4.0, 2.0, 0.4)
    assert said == "top: delayed from 4.0 s of the drive on, for 2 s"
    change_faults(faults, "front", "off", 3.0, (0.0, 0.0), 0.0)
    assert faults.faults[1].duration_s == np.inf


def test_ok_mends_one_sensor_or_all() -> None:
    faults = schedule()
    for name in ("top", "front"):
        change_faults(faults, name, "off", 0.0, (0.0, 0.0), 0.0)
    assert change_faults(faults, "top", "ok", 0.0, (0.0, 0.0), 0.0) == "top: ok"
    assert [f.sensor for f in faults.faults] == ["front"]
    change_faults(faults, "", "ok", 0.0, (0.0, 0.0), 0.0)
    assert not faults.faults


@pytest.mark.parametrize(
    ("sensor", "kind", "start_s", "value", "said"),
    [
        ("roof", "off", 0.0, 0.0, "'roof': wanted one of"),
        ("roof", "ok", 0.0, 0.0, "'roof': wanted one of"),
        ("top", "broken", 0.0, 0.0, "'broken': wanted one of .*'ok'"),
        ("top", "off", -1.0, 0.0, "start_s -1"),
        ("top", "off", 0.0, 2.0, "takes no value"),
        ("top", "intermittent", 0.0, 1.5, "loss_probability"),
        ("top", "slow", 0.0, 2.7, "every: wanted a whole number, got 2.7"),
        ("top", "slow", 0.0, float("nan"), "every: wanted a whole number, got nan"),
        ("top", "off", float("nan"), 0.0, "start_s nan"),
    ],
)
def test_wrong_calls_are_told(sensor: str, kind: str, start_s: float, value: float, said: str) -> None:
    faults = schedule()
    with pytest.raises(ConfigurationError, match=said):
        change_faults(faults, sensor, kind, 0.0, (start_s, 0.0), value)
    assert not faults.faults


# ------------------------------------------------------------------ what is reported
def truth() -> Detections3D:
    center = np.array([[10.0, 0.0, 0.8], [30.0, 5.0, 1.5]])
    lwh, yaw = np.array([[4.0, 2.0, 1.5], [10.0, 2.5, 3.0]]), np.array([0.0, np.pi / 2])
    return Detections3D.of(0, "odom", "truth", center, lwh, yaw, detection_id=np.array([3, 8], np.uint64))


def test_an_actor_is_reported_if_a_report_lies_on_it() -> None:
    assert detected_actors(truth(), np.array([[11.5, 0.5]])) == {3}
    assert detected_actors(truth(), np.array([[30.0, 9.5], [13.0, 0.0]])) == {8}
    assert detected_actors(truth(), np.array([[34.0, 5.0]])) == frozenset()
    assert detected_actors(truth(), np.zeros((0, 2))) == frozenset()
    with pytest.raises(MalformedMessage, match="reported_xy_m"):
        detected_actors(truth(), np.zeros((2, 3)))
