"""Everybody's next step: the one class that the rest of the simulator sees."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.simulation.assets import Asset, Catalogue
from perception_nodes.simulation.scenarios.schema import Scenario

from .aside import StepAside
from .blocked import HeldUp, check_free
from .entering import Entering
from .fleet import Body, Fleet, Role
from .ground import Street, on_surface
from .idm import idm
from .kernels import overlapping_pairs
from .lanes import LaneChanges, extend
from .outlook import Outlook, outlook
from .parking import Parking
from .passing import Passing
from .right_of_way import RightOfWay
from .script import Script
from .spawn import Chooser, Spawner, ego_body, place_on
from .states import ActorStates, EgoState
from .walking import Walking
from .ways import BEHIND_M, WayMaker

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_KEPT_S = 1.2
_STANDS_MPS = 0.1
_LOST_M = 3.0  # so far beside its way the ego has gone another one
EGO_LWH_M = (4.6, 1.9, 1.6)
EGO_CENTRE_M = 1.4  # of the body before base_link


class Traffic:
    """Traffic of a drive. The same world, scenario, catalogue and seed give the same drive to the bit.

    assets: what `ActorStates.asset` counts. The ego is not among the states. It follows the scenario's route as one of
    the traffic (see `ego`) until `step` is given where it is.
    """

    def __init__(
        self,
        world: Street,
        scenario: Scenario,
        catalogue: Catalogue,
        seed: int,
        *,
        ego_lwh_m: tuple[float, float, float] = EGO_LWH_M,
        ego_centre_m: float = EGO_CENTRE_M,
    ) -> None:
        self._world, self._scenario, self._ego_centre_m = world, scenario, ego_centre_m
        self._way_maker = WayMaker(world.graph)
        self.time_s = -0.1 * round(scenario.warm_up_s / 0.1)
        ego = ego_body(world, scenario, self._way_maker, ego_lwh_m[:2])
        self._script = Script(world.graph, scenario, catalogue, ego, seed)
        self._bodies = [ego, *self._others(ego, catalogue, seed)]
        self.assets: tuple[Asset, ...] = tuple(
            {b.asset.name: b.asset for b in self._bodies if b.asset}.values()
        )
        self._rng = np.random.default_rng([seed, 78])
        self._fleet = fleet = Fleet(self._bodies)
        number = {asset.name: k for k, asset in enumerate(self.assets)}
        self._asset = np.array([number[b.asset.name] for b in self._bodies if b.asset], np.int64)
        self._cycle = np.array([len(b.asset.poses) for b in self._bodies if b.asset], np.int64)
        self._tilted = ~np.isin(fleet.role, [Role.WALKER]) & (fleet.base > 0.5)
        self._right = RightOfWay(world.graph)
        self._changes = LaneChanges(world.graph, self._way_maker, scenario.ego.change_lanes)
        self._walking = Walking(self._right, len(fleet))
        self._passing = Passing(world.graph)
        self._aside = StepAside(world.graph, len(fleet))
        self._entering = Entering(world.graph, self._way_maker, self._right, seed)
        self._parking = Parking(world, self._way_maker, scenario, seed)
        fleet.foreseen_s[:] = np.where(fleet.role == Role.WALKER, 2.5, 0.0)
        fleet.foreseen_s[fleet.role == Role.SCRIPTED] = 1.5
        self._external = False
        self._held_up = HeldUp()
        self._ego_stop_m = np.inf
        self._pose6 = on_surface(world.surface, fleet.pose, fleet.base, 0.8 * fleet.size[:, 1], self._tilted)
        self._calm_start()
        self._kept: deque[tuple[float, ActorStates]] = deque([(0.0, self._snapshot())])
        for _ in range(round(scenario.warm_up_s / 0.1)):
            self.step(0.1, None)
        self._restart_clock()
        check_free(fleet, scenario, self.names, seed)

    def _others(self, ego: Body, catalogue: Catalogue, seed: int) -> list[Body]:
        pose = place_on(ego.way, ego.s_m, ego.base_m)
        spawner = Spawner(self._world, self._scenario, catalogue, seed, np.array(pose[:2]), self._way_maker)
        clear = self._scenario.traffic.clear_ahead_m
        spawner.placer.take(pose, (ego.size_m[0] + 2 * clear, ego.size_m[1]))
        scripted = self._script.bodies(spawner.placer)
        out = spawner.vehicles()
        ordered = [*out, *spawner.cyclists(), *spawner.parked(), *spawner.walkers()]
        self._script.first_row = 1 + len(ordered)
        return [*ordered, *scripted]

    def _calm_start(self) -> None:
        """Nobody begins faster than can stop behind what is ahead."""
        fleet = self._fleet
        moving = np.flatnonzero(fleet.moving & fleet.present)
        fleet.look(moving, np.full(len(fleet), 80.0))
        safe = np.sqrt(2 * 1.5 * np.maximum(fleet.gap - 2.0, 0.0))
        wheels = moving[np.isin(fleet.role[moving], [Role.EGO, Role.VEHICLE, Role.CYCLIST])]
        stop = self._right.stops(fleet, wheels, self.time_s, 0.0)
        safe = np.minimum(safe, np.sqrt(2 * 1.5 * np.maximum(stop - 0.5, 0.0)))
        drives = np.isin(fleet.role, [Role.VEHICLE, Role.CYCLIST])
        fleet.speed[drives] = np.minimum(fleet.speed, safe)[drives]
        fleet.refresh(moving, 0.0)

    def _restart_clock(self) -> None:
        self.time_s = 0.0
        self._held_up = HeldUp()
        self._fleet.travelled_m[:] = 0.0
        self._kept = deque([(0.0, self._snapshot())])

    @property
    def ego(self) -> EgoState:
        """Where the ego is."""
        fleet, pose = self._fleet, self._pose6[0]
        yaw = float(pose[3])
        back = self._ego_centre_m
        xy = pose[:2] - back * np.array([np.cos(yaw), np.sin(yaw)])
        z = float(pose[2] + back * np.tan(pose[4]))
        steering = float(np.arctan2(2.8 * fleet.yaw_rate[0], max(float(fleet.speed[0]), 0.5)))
        return EgoState(
            (float(xy[0]), float(xy[1]), z, yaw, float(pose[4]), float(pose[5])),
            float(fleet.speed[0]), float(fleet.yaw_rate[0]), float(fleet.acceleration[0]), steering,
        )  # fmt: skip

    def step(self, dt_s: float, ego: EgoState | None = None) -> None:
        """Everybody moves on. ego: where it is at the end of the step if it is driven from outside.

        Raises InputError for a step that is not in (0, 0.2] s.
        """
        if not 0.0 < dt_s <= 0.2:
            raise InputError(f"Traffic.step: dt_s {dt_s}: wanted more than 0 and at most 0.2")
        fleet = self._fleet
        self._external = ego is not None
        fleet.foreseen_s[0] = 1.5 if self._external else 0.0
        self._script.trigger(fleet, self.time_s)
        moving = fleet.moving & fleet.present
        moving[0] = not self._external and self._scenario.ego.drive in ("route", "path")
        rows = np.flatnonzero(moving)
        walks = fleet.role == Role.WALKER
        horizon = np.where(walks, 3.0, 12.0 + 2.0 * fleet.speed + fleet.speed**2 / 5.0)
        fleet.look(rows, horizon)
        stop = self._stops(rows, dt_s)
        self._accelerate(rows, horizon, stop, dt_s)
        if moving[0]:
            self._held_up.step(fleet, self._entering.ids(fleet), stop, dt_s)
        self._advance(rows, ego, dt_s)
        self.time_s = round(self.time_s + dt_s, 9)
        self._plan(rows)
        self._kept.append((self.time_s, self._snapshot()))
        while self._kept[1][0] < self.time_s - _KEPT_S:
            self._kept.popleft()

    def _stops(self, rows: I64, dt_s: float) -> F64:
        fleet = self._fleet
        driven = rows[np.isin(fleet.role[rows], [Role.EGO, Role.VEHICLE, Role.CYCLIST])]
        # An ego from outside does as it likes, but the others know where it wants to go.
        on_wheels = np.union1d([0], driven) if self._external else driven
        stop = self._right.stops(fleet, on_wheels, self.time_s, dt_s, guest=0 if self._external else -1)
        self._passing.stops(fleet, driven, stop, dt_s)
        self._ego_stop_m = float(stop[0])
        self._walking.stops(fleet, rows[fleet.role[rows] == Role.WALKER], stop, self.time_s, dt_s)
        return stop

    def _accelerate(self, rows: I64, horizon: F64, stop: F64, dt_s: float) -> None:
        fleet = self._fleet
        limit = np.array([fleet.ways[row].limit_at(fleet.s_m[row]) for row in range(len(fleet))])
        on_road = np.isin(fleet.role, [Role.EGO, Role.VEHICLE])
        wish = np.where(on_road, limit * fleet.wish, np.minimum(fleet.wish, limit))
        wish[0] = min(limit[0], self._scenario.ego.speed_mps)
        scripted = fleet.role == Role.SCRIPTED
        wish[scripted] = limit[scripted]
        leader = np.maximum(fleet.leader, 0)
        ahead = np.einsum("ij,ij->i", fleet.velocity[leader], _heading(fleet.pose[:, 2]))
        gap = np.where((fleet.leader >= 0) & fleet.reacts, fleet.gap, np.inf)
        end = self._ends()
        a = idm(fleet.speed, wish, gap, np.maximum(ahead, 0.0), fleet.drivers)
        nobody = np.zeros(len(fleet))
        short = replace(
            fleet.drivers, standstill_m=np.full(len(fleet), 0.3), headway_s=np.full(len(fleet), 0.6)
        )
        a = np.minimum(a, idm(fleet.speed, wish, np.minimum(stop, end), nobody, short))
        a = np.where(scripted & ~fleet.reacts, np.clip((wish - fleet.speed) / dt_s, -8.0, 4.0), a)
        a = np.where(fleet.role == Role.WALKER, np.clip((wish - fleet.speed) / 0.5, -3.0, 2.0), a)
        slow = (fleet.role == Role.WALKER) & (np.minimum(gap, stop) < 0.35 + 0.5 * fleet.speed)
        a = np.where(slow, -3.0, a)
        a = np.maximum(a, -fleet.speed / dt_s)
        # Never into what was free a step ago: the last resort against contact.
        share = np.where(fleet.role == Role.WALKER, 0.45, 0.8)  # two who meet on foot both come nearer
        most = 2 * (share * np.maximum(gap - 0.15, 0.0) / dt_s - fleet.speed) / dt_s
        a = np.where(fleet.reacts, np.minimum(a, np.maximum(most, -fleet.speed / dt_s)), a)
        fleet.acceleration[rows] = a[rows]

    def _ends(self) -> F64:
        """(N,) way left of those whose way ends in the world (the ego, scripted ones); others leave the world."""
        fleet = self._fleet
        out = np.full(len(fleet), np.inf)
        for row in np.flatnonzero(np.isin(fleet.role, [Role.EGO])):
            out[row] = fleet.ways[row].length_m - fleet.s_m[row] - 0.5 * fleet.size[row, 0]
        return out

    def _advance(self, rows: I64, ego: EgoState | None, dt_s: float) -> None:
        fleet = self._fleet
        v, a = fleet.speed[rows], fleet.acceleration[rows]
        way = np.maximum(v * dt_s + 0.5 * a * dt_s**2, 0.0)
        # Who is on foot stops within a step when somebody comes into the way.
        on_foot = (fleet.role[rows] == Role.WALKER) & (fleet.leader[rows] >= 0)
        way = np.where(on_foot, np.minimum(way, 0.45 * np.maximum(fleet.gap[rows] - 0.02, 0.0)), way)
        fleet.s_m[rows] += way
        fleet.travelled_m[rows] += way
        fleet.speed[rows] = np.maximum(v + a * dt_s, 0.0)
        self._aside.step(fleet, rows, dt_s, self._walking)
        moved = np.flatnonzero(fleet.present & (fleet.moving | (fleet.tow >= 0)))
        fleet.refresh(moved[moved > 0] if self._external else moved, dt_s)
        if ego is not None:
            self._take_ego(ego, dt_s)
        self._settle(np.union1d(moved, [0]))

    def _settle(self, rows: I64) -> None:
        """Rows onto the ground."""
        fleet = self._fleet
        self._pose6[rows] = on_surface(
            self._world.surface,
            fleet.pose[rows],
            fleet.base[rows],
            0.8 * fleet.size[rows, 1],
            self._tilted[rows],
        )

    def _take_ego(self, ego: EgoState, dt_s: float) -> None:
        fleet, yaw = self._fleet, ego.pose[3]
        ahead = np.array([np.cos(yaw), np.sin(yaw)])
        new = np.array([*(np.array(ego.pose[:2]) + self._ego_centre_m * ahead), yaw])
        fleet.travelled_m[0] += float(np.hypot(*(new - fleet.pose[0])[:2]))
        fleet.yaw_rate[0] = ego.yaw_rate_rps
        fleet.velocity[0] = ego.speed_mps * ahead
        fleet.speed[0], fleet.acceleration[0] = abs(ego.speed_mps), ego.acceleration_mps2
        fleet.pose[0] = new
        fleet.s_m[0], beside = fleet.ways[0].project(new[:2], float(fleet.s_m[0]))
        if abs(beside) > _LOST_M:
            self._find_way(new)
        if fleet.ways[0].length_m - fleet.s_m[0] < 110.0:
            extend(fleet, 0, self._way_maker, self._right, self._rng)

    def _find_way(self, pose: F64) -> None:
        """A way for an ego that has left its own one, if it is on a lane."""
        lane, s, beside = self._world.graph.nearest(pose[:2])
        turned = abs((float(lane.at(s)[1][0]) - pose[2] + np.pi) % (2 * np.pi) - np.pi)
        if abs(beside) < _LOST_M and turned < 0.8:
            self._right.leave(0)
            choose = Chooser(None, leads_on=self._world.graph.leads_on)
            self._fleet.take(0, self._way_maker.along(lane.id, s, choose), min(s, BEHIND_M))

    def _plan(self, rows: I64) -> None:
        """Ways go on, lanes are changed, who reached the end leaves or turns round."""
        fleet = self._fleet
        wheels = rows[np.isin(fleet.role[rows], [Role.EGO, Role.VEHICLE, Role.CYCLIST])]
        for row in wheels:
            left = fleet.ways[row].length_m - fleet.s_m[row]
            if left < 110.0:
                left += extend(fleet, int(row), self._way_maker, self._right, self._rng)
            if left < 0.5 * fleet.size[row, 0] + 1.0 and row > 0:
                self._entering.leave(fleet, int(row), self.time_s)
        self._settle(self._entering.step(fleet, self.time_s))
        self._parking.step(fleet, self.time_s)
        self._walking.turn(fleet)
        self._script.ended(fleet)
        self._changes.step(fleet, wheels, self._right, self.time_s)

    def outlook(self, beside_m: float, braking_mps2: float) -> Outlook:
        """What is before the ego now; see `outlook.outlook`."""
        return outlook(self._fleet, self._ego_stop_m, beside_m, braking_mps2)

    def _snapshot(self) -> ActorStates:
        fleet = self._fleet
        phase = np.floor(fleet.travelled_m[1:] / 1.5 * np.maximum(self._cycle, 1)) % np.maximum(
            self._cycle, 1
        )
        return ActorStates(
            self._entering.ids(fleet)[1:], self._asset, self._pose6[1:].copy(), fleet.velocity[1:].copy(),
            fleet.yaw_rate[1:].copy(), phase.astype(np.int64), fleet.present[1:].copy(),
        )  # fmt: skip

    def states(self, time_s: float) -> ActorStates:
        """Where everybody was at a time of the last second, between steps interpolated.

        Raises InputError for a time that is not kept.
        """
        first, last = self._kept[0][0], self._kept[-1][0]
        if not first - 1e-6 <= time_s <= last + 1e-6:
            raise InputError(
                f"Traffic.states: {time_s:.3f} s: wanted a time from {first:.3f} to {last:.3f} s"
            )
        earlier = self._kept[0]
        for later in list(self._kept)[1:]:
            if time_s < later[0]:
                span = later[0] - earlier[0]
                return earlier[1].towards(later[1], min(max((time_s - earlier[0]) / span, 0.0), 1.0))
            earlier = later
        return earlier[1]

    def contacts(self) -> Sequence[tuple[int, int]]:
        """Pairs of ids whose bodies overlap now; 0 is the ego."""
        fleet = self._fleet
        ids, pairs = self._entering.ids(fleet), overlapping_pairs(fleet.pose, fleet.size, fleet.present)
        return [(int(ids[i]), int(ids[j])) for i, j in pairs if fleet.group[i] != fleet.group[j]]

    def ran_into_ego(self, actor_id: int) -> bool:
        """Whether an actor that touches the ego came from behind, or moved while the ego stood."""
        fleet = self._fleet
        row = int(np.flatnonzero(self._entering.ids(fleet) == actor_id)[0])
        ahead = _heading(fleet.pose[:1, 2])[0]
        if fleet.speed[0] < _STANDS_MPS:
            return bool(np.hypot(*fleet.velocity[row]) > _STANDS_MPS)
        behind = (fleet.pose[row, :2] - fleet.pose[0, :2]) @ ahead < -0.5 * fleet.size[0, 0]
        return bool(behind and fleet.velocity[row] @ ahead > fleet.speed[0])

    @property
    def held_up(self) -> str:
        """Behind whom an ego that drives by itself has stood for 20 s or longer; "" if it gets on."""
        return self._held_up.text

    @property
    def names(self) -> dict[str, int]:
        """Id of each scripted actor."""
        return {actor.name: self._script.first_row + k for k, actor in enumerate(self._scenario.actors)}


def _heading(yaw: F64) -> F64:
    return np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
