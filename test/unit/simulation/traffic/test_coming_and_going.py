"""Vehicles that leave the world and come back as somebody new, park and pull out; cyclists at the edge."""

from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import EgoSpec, Scenario, TrafficSpec, WorldSpec
from perception_nodes.simulation.traffic.fleet import Role
from perception_nodes.simulation.traffic.states import ActorStates
from perception_nodes.simulation.traffic.traffic import Traffic
from perception_nodes.simulation.world import build_world

CATALOGUE = Catalogue()


def traffic_of(world: Any, spec: TrafficSpec, seed: int = 2, duration_s: float = 40.0) -> Traffic:
    plan = Scenario(
        "p", "m", WorldSpec("straight"), duration_s=duration_s, ego=EgoSpec("still"), traffic=spec
    )
    return Traffic(world, plan, CATALOGUE, seed)


@pytest.fixture(scope="module")
def street() -> Any:
    return build_world("straight", np.random.default_rng(4), parking=True, bicycle=False, length_m=300.0)


def test_who_leaves_comes_back_under_a_new_id(with_signals: Any) -> None:
    traffic = traffic_of(with_signals, TrafficSpec(vehicles=14, trailers=1.0, within_m=200.0))
    states, owners = [traffic.states(0.0)], {}
    for _ in range(500):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
        states.append(traffic.states(traffic.time_s))
        now = states[-1]
        assert len(set(now.id)) == len(now)
        for row, number in enumerate(now.id):
            assert owners.setdefault(int(number), row) == row
    assert max(owners) > len(states[0])
    assert states[-1].present.sum() >= 0.6 * states[0].present.sum()
    jumps = [np.hypot(*(b.pose - a.pose)[(a.id == b.id) & a.present & b.present][:, :2].T)
             for a, b in pairwise(states)]  # fmt: skip
    assert max(float(j.max(initial=0.0)) for j in jumps) < 2.5


def test_states_of_different_owners_of_a_row_are_not_joined() -> None:
    here = ActorStates.standing(np.zeros(2, np.int64), np.zeros((2, 6)))
    later = ActorStates(np.array([1, 9]), here.asset, here.pose + 4.0, here.velocity_mps, here.yaw_rate_rps,
                        here.phase, here.present)  # fmt: skip
    assert here.towards(later, 0.5).present.tolist() == [True, False]


def test_parked_cars_pull_out_into_a_gap(street: Any) -> None:
    traffic = traffic_of(street, TrafficSpec(vehicles=5, parked_share=0.7, leaving=3))
    fleet = traffic._fleet
    rows = np.flatnonzero(fleet.leaves)
    assert len(rows) > 0
    for _ in range(400):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
    assert not fleet.leaves[rows].any()
    assert (fleet.travelled_m[rows] > 20.0).all()
    assert (fleet.role[rows] == Role.VEHICLE).all()


def test_drivers_park_in_free_places(street: Any) -> None:
    traffic = traffic_of(
        street, TrafficSpec(vehicles=8, kinds=("car",), parked_share=0.15, parking=6), seed=3
    )
    fleet = traffic._fleet
    before = int((fleet.role == Role.STANDING).sum())
    for _ in range(400):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
    parked = np.flatnonzero((fleet.role == Role.STANDING) & (fleet.travelled_m > 5.0))
    assert int((fleet.role == Role.STANDING).sum()) == before + len(parked) > before
    for row in parked:
        apart = np.hypot(*(street.parking[:, :2] - fleet.pose[row, :2]).T).min()
        assert apart < 1.2
        assert np.hypot(*fleet.velocity[row]) == 0.0


def test_cars_off_the_road_stay_there_and_nobody_seeks_a_place_beside_them(without_signals: Any) -> None:
    """The same places: at the kerb cars pull out, off the road they only stand."""
    spec = TrafficSpec(vehicles=8, kinds=("car",), parked_share=0.8, leaving=5, parking=6)
    kerb, verge = copy(without_signals), copy(without_signals)
    kerb.parking = verge.verges = np.array([(x, -4.9, 0.0, 0.0, 6.2, 2.1) for x in range(30, 110, 7)])
    verge.parking = without_signals.verges
    standing = []
    for street in (kerb, verge):
        traffic = traffic_of(street, spec)
        fleet = traffic._fleet
        standing.append((fleet.role == Role.STANDING).sum())
        leaves = fleet.leaves.any()
        traffic.step(0.1)
        assert bool(leaves) == bool(traffic._parking._free) == (street is kerb)
    assert standing[1] > 3


def test_cyclists_keep_to_the_right_edge_and_are_passed(street: Any) -> None:
    traffic = traffic_of(street, TrafficSpec(vehicles=6, cyclists=4, kinds=("car",)))
    fleet = traffic._fleet
    for _ in range(150):
        traffic.step(0.1)
        assert not traffic.contacts(), traffic.time_s
    lane = next(n for n in street.graph.lanes if n.kind == "driving")
    rows = np.flatnonzero((fleet.role == Role.CYCLIST) & fleet.present)
    assert len(rows)
    assert fleet.side[rows] == pytest.approx(0.5 - lane.width_m / 2, abs=0.05)
