"""Everybody moves, nobody touches anybody, and the same seed gives the same drive."""

from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import (
    EgoSpec,
    Scenario,
    ScriptedActor,
    TrafficSpec,
    Trigger,
    WorldSpec,
)
from perception_nodes.simulation.traffic.states import EgoState
from perception_nodes.simulation.traffic.traffic import Traffic

BUSY = TrafficSpec(
    vehicles=22, pedestrians=20, crossing_share=0.4, jaywalkers=2, parked_share=0.6, trailers=0.5
)
CATALOGUE = Catalogue()


def scenario(traffic: TrafficSpec | None = None, **more: Any) -> Scenario:
    return Scenario("p", "m", WorldSpec("junction"), traffic=traffic or TrafficSpec(), **more)


def drive(world: Any, plan: Scenario, seed: int, steps: int) -> Traffic:
    traffic = Traffic(world, plan, CATALOGUE, seed)
    for _ in range(steps):
        traffic.step(0.1)
    return traffic


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lights", [True, False])
def test_bodies_never_overlap(lights: bool, seed: int, with_signals: Any, without_signals: Any) -> None:
    world = with_signals if lights else without_signals
    traffic = Traffic(world, scenario(BUSY, ego=EgoSpec(turns=("left",))), CATALOGUE, seed)
    assert len(traffic.states(0.0)) > 30
    for _ in range(250):
        assert not traffic.contacts(), f"seed {seed} at {traffic.time_s} s"
        traffic.step(0.1)


def test_the_same_seed_gives_the_same_drive_and_another_one_does_not(with_signals: Any) -> None:
    first, again, other = (drive(with_signals, scenario(BUSY), seed, 60).states(6.0) for seed in (3, 3, 4))
    assert np.array_equal(first.pose, again.pose)
    assert first.pose.shape != other.pose.shape or not np.array_equal(first.pose, other.pose)


def test_the_ego_waits_at_red_and_goes_at_green(with_signals: Any) -> None:
    traffic = drive(with_signals, scenario(ego=EgoSpec(speed_mps=12.0)), 0, 140)
    assert traffic.ego.speed_mps < 0.05  # red until 16 s
    assert traffic.ego.pose[0] > 15.0
    for _ in range(110):
        traffic.step(0.1)
    assert traffic.ego.pose[0] < 0.0


def test_poses_lie_on_the_ground(without_signals: Any) -> None:
    states = drive(without_signals, scenario(BUSY), 1, 30).states(3.0)
    assert np.allclose(states.pose[:, 2], 0.02 * states.pose[:, 0], atol=1e-6)
    along = (np.abs(states.pose[:, 3]) < 1e-3) & (states.velocity_mps[:, 0] > 2.0)
    assert along.any()
    assert np.allclose(states.pose[along, 4], -np.arctan(0.02), atol=1e-4)  # uphill: nose up, negative pitch


def test_states_are_interpolated_and_kept_for_a_second(without_signals: Any) -> None:
    traffic = drive(without_signals, scenario(BUSY), 1, 30)
    a, b, c = (traffic.states(t).pose[:, :3] for t in (2.5, 2.55, 2.6))
    assert np.allclose(b, (a + c) / 2)
    with pytest.raises(InputError, match="wanted a time from"):
        traffic.states(0.5)
    with pytest.raises(InputError, match=r"dt_s 0\.5"):
        traffic.step(0.5)


def test_traffic_stops_behind_an_ego_driven_from_outside(without_signals: Any) -> None:
    traffic = Traffic(without_signals, scenario(TrafficSpec(vehicles=20)), CATALOGUE, 5)
    x, y, z, *turn = traffic.ego.pose
    for _ in range(200):
        traffic.step(0.1, EgoState((x, y, z, *turn)))
        assert not traffic.contacts()
    assert traffic.ego.pose[:2] == pytest.approx((x, y), abs=1e-6)


def test_a_scripted_actor_waits_for_its_trigger(without_signals: Any) -> None:
    runner = ScriptedActor("runner", "child", ((60.0, -4.0), (60.0, 5.0)), speed_mps=2.0, reacts=False,
                           start=Trigger(ego_within_m=30.0))  # fmt: skip
    traffic = Traffic(without_signals, scenario(actors=(runner,), ego=EgoSpec(speed_mps=10.0)), CATALOGUE, 0)
    row, moved = traffic.names["runner"] - 1, []
    for _ in range(120):
        traffic.step(0.1)
        state = traffic.states(traffic.time_s)
        away = np.hypot(*(state.pose[row, :2] - np.array(traffic.ego.pose[:2])))
        moved.append((away, np.hypot(*state.velocity_mps[row])))
        assert not traffic.contacts()
    assert all(speed == 0 for away, speed in moved if away > 33.0)
    assert max(speed for _, speed in moved) == pytest.approx(2.0, abs=0.05)


def test_an_actor_inside_the_ego_is_an_error(without_signals: Any) -> None:
    actor = ScriptedActor("bin", "bin", ((1.0, 0.0),))
    with pytest.raises(ConfigurationError, match="actor 'bin' begins inside the ego"):
        Traffic(without_signals, scenario(actors=(actor,)), CATALOGUE, 0)
