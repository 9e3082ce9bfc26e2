"""Parked cars that pull out into a gap, and drivers who park in a free place at the kerb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.scenarios.schema import Scenario
from perception_nodes.simulation.world.roads import Lane, RoadGraph

from .fleet import Body, Fleet, Role
from .ground import Street
from .kernels import MARGIN_M, room_at
from .spawn import Chooser, place_on
from .ways import BEHIND_M, Way, WayMaker, blended, evenly

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_OUT_M: Final = (10.0, 12.0, 14.0, 17.0)  # lengths of pulling out
_IN_M: Final = (13.0, 26.0)  # from where drivers begin to park
_BESIDE_M: Final = (1.5, 4.6)  # a place at the kerb is so far beside the middle of its lane
_REAR_S, _REAR_M, _AHEAD_M = 4.0, 4.0, 12.0
_IN_MPS, _PARK_MPS2 = 9.0, 1.0
_LINE_M: Final = 60.0


@dataclass(frozen=True)
class Kerbside:
    """A place along a lane: middle, yaw, and the distance along the lane."""

    index: int
    xy_m: tuple[float, float]
    yaw_rad: float
    lane: int
    s_m: float


def kerbside(graph: RoadGraph, places: F64) -> list[Kerbside]:
    """Those of places (P, 6) that lie along the right edge of a lane, in its direction."""
    out = []
    for k, (x, y, _, yaw, _, _) in enumerate(places):
        lane, s, left = graph.nearest(np.array([x, y]))
        turned = (float(lane.at(s)[1][0]) - yaw + np.pi) % (2 * np.pi) - np.pi
        away = _BESIDE_M[0] < -left < _BESIDE_M[1] + 0.5 * lane.width_m
        if away and abs(turned) < 0.2 and not lane.junction and not _strip_between(graph, lane):
            out.append(Kerbside(k, (float(x), float(y)), float(yaw), lane.id, s))
    return out


def _strip_between(graph: RoadGraph, lane: Lane) -> bool:
    """Whether one would have to cross a bicycle lane."""
    return bool(lane.right) and graph.lane(lane.right).kind == "bicycle"


def choose_leaving(
    places: Sequence[Kerbside], count: int, rng: np.random.Generator
) -> tuple[set[int], set[int]]:
    """Indices of places whose cars will leave, and of those ahead of them that stay empty."""
    leave: set[int] = set()
    empty: set[int] = set()
    for k in rng.permutation(len(places)):
        here = places[k]
        ahead = [p for p in places if p.lane == here.lane and 0.0 < p.s_m - here.s_m < 8.0]
        if len(leave) == count or not ahead or here.index in empty or ahead[0].index in leave:
            continue
        leave.add(here.index)
        empty.add(ahead[0].index)
    return leave, empty


def pulling_out(
    body: Body, others: Sequence[Body], graph: RoadGraph, maker: WayMaker, rng: np.random.Generator
) -> bool:
    """Give a parked body the way by which it leaves, if there is one that is clear of the other parked ones."""
    pose = np.array(place_on(body.way, body.s_m, body.base_m))
    lane, s, _ = graph.nearest(pose[:2])
    at = min(s, BEHIND_M)
    lane_way = maker.along(lane.id, s, Chooser(rng))
    if lane_way.length_m - at < 40.0:
        return False
    stand = np.array([place_on(o.way, o.s_m, o.base_m) for o in others]).reshape(-1, 3)
    size = np.array([o.size_m for o in others]).reshape(-1, 2)
    line = _line(pose, 10.0, 40.0)
    for length in _OUT_M:
        way, begin = blended(line, 10.0, lane_way, at, length)
        if _clear(way, begin, length + 6.0, body, (stand, size)):
            body.way, body.s_m, body.leaves = way, begin, True
            body.wish, body.driver = float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.1)), (1.4, 2.0, 1.3, 2.0)
            return True
    return False


def _line(pose: F64, behind_m: float, ahead_m: float) -> Way:
    ahead = np.array([np.cos(pose[2]), np.sin(pose[2])])
    xy = evenly(np.stack([pose[:2] - behind_m * ahead, pose[:2] + ahead_m * ahead]), 1.0)
    return Way(xy, 1.0, np.full(len(xy), 5.0))


def _clear(way: Way, s_m: float, length_m: float, body: Body, others: tuple[F64, F64]) -> bool:
    own = np.array([body.size_m[0] + 0.2, body.size_m[1] + 2 * MARGIN_M + 0.1])
    there, still = np.ones(len(others[0]), bool), np.zeros((len(others[0]), 2))
    return all(
        room_at(-1, np.array(place_on(way, s_m + float(u), body.base_m)), own, *others, there, still)
        for u in np.arange(1.0, length_m, 0.7)
    )


class Parking:
    """Who waits to pull out, and who looks for a place."""

    def __init__(self, street: Street, maker: WayMaker, scenario: Scenario, seed: int) -> None:
        self.street, self.maker, self.scenario = street, maker, scenario
        self._rng = np.random.default_rng([seed, 81])
        self._due: dict[int, float] | None = None
        self._seek: list[int] = []
        self._free: list[Kerbside] = []
        self._stops: dict[int, float] = {}  # row -> where on its way it will stand

    def _begin(self, fleet: Fleet) -> None:
        last = 0.5 * self.scenario.duration_s
        self._due = {int(r): float(self._rng.uniform(0.0, last)) for r in np.flatnonzero(fleet.leaves)}
        small = (fleet.role == Role.VEHICLE) & (fleet.size[:, 0] < 5.0) & (fleet.size[:, 0] > 3.0)
        small &= ~np.isin(np.arange(len(fleet)), fleet.tow)
        self._seek = [int(r) for r in np.flatnonzero(small)[: self.scenario.traffic.parking]]
        if self._seek:
            own = np.array([4.8, 1.9])
            there = fleet.present & (fleet.role == Role.STANDING)
            places = kerbside(self.street.graph, self.street.parking)
            self._free = [
                p for p in places
                if room_at(-1, np.array([*p.xy_m, p.yaw_rad]), own, fleet.pose, fleet.size, there, 0.0 * fleet.velocity)
            ]  # fmt: skip

    def step(self, fleet: Fleet, time_s: float) -> None:
        """Five times a second somebody may begin or end."""
        if self._due is None:
            self._begin(fleet)
        due = self._due or {}
        for row, stop in list(self._stops.items()):
            if fleet.s_m[row] >= stop - 0.15:
                fleet.role[row], fleet.moving[row] = Role.STANDING, False
                fleet.speed[row] = fleet.acceleration[row] = fleet.yaw_rate[row] = 0.0
                fleet.velocity[row] = 0.0
                del self._stops[row]
        if round(time_s / 0.1) % 2:
            return
        for row in [r for r, start in due.items() if start <= time_s]:
            if self._gap(fleet, row):
                fleet.role[row], fleet.moving[row], fleet.leaves[row] = Role.VEHICLE, True, False
                del due[row]
        for row in [r for r in self._seek if self._parks(fleet, r)]:
            self._seek.remove(row)

    @staticmethod
    def _gap(fleet: Fleet, row: int) -> bool:
        """Nobody on the lane beside comes near, or is just ahead."""
        yaw = fleet.pose[row, 2]
        ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        offset = fleet.pose[:, :2] - fleet.pose[row, :2]
        x, y = offset @ ahead, offset @ left
        on = (
            fleet.present & (fleet.role != Role.STANDING) & (y > -1.5) & (y < _BESIDE_M[1] + 0.02 * np.abs(x))
        )
        on[row] = False
        apart = np.abs(x) - 0.5 * (fleet.size[:, 0] + fleet.size[row, 0])
        speed = np.hypot(*fleet.velocity.T)
        behind = on & (x < 0) & (apart < _REAR_M + _REAR_S * speed)
        before = on & (x >= 0) & (apart < _AHEAD_M)
        return not (behind | before).any()

    def _parks(self, fleet: Fleet, row: int) -> bool:
        way, s = fleet.ways[row], float(fleet.s_m[row])
        lane, at = way.lane_at(s)
        if fleet.role[row] != Role.VEHICLE or fleet.speed[row] > _IN_MPS or not fleet.present[row]:
            return False
        for place in [p for p in self._free if p.lane == lane and _IN_M[0] < p.s_m - at < _IN_M[1]]:
            reach = place.s_m - at
            if any(0.0 < g.clear_s_m - s < reach + 12.0 for g in way.gates):
                continue
            if self._turn_in(fleet, row, place, reach):
                self._free.remove(place)
                return True
        return False

    def _turn_in(self, fleet: Fleet, row: int, place: Kerbside, reach_m: float) -> bool:
        line = _line(np.array([*place.xy_m, place.yaw_rad]), _LINE_M, 8.0)
        left = np.maximum(_LINE_M - np.arange(len(line.xy_m)), 0.0)
        line.limit_mps = np.minimum(np.sqrt(2 * _PARK_MPS2 * left) + 0.3, _IN_MPS)
        s = float(fleet.s_m[row])
        way, begin = blended(fleet.ways[row], s, line, _LINE_M - reach_m, reach_m - 1.5)
        still = fleet.present & (fleet.role == Role.STANDING)
        if not _clear(way, begin, reach_m, fleet.bodies[row], (fleet.pose[still], fleet.size[still])):
            return False
        fleet.take(row, way, begin)
        fleet.role[row] = Role.SCRIPTED
        self._stops[row] = begin + reach_m
        return True
