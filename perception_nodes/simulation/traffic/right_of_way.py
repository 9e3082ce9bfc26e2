"""Who goes first: signals, junctions that are reserved as a whole lane, and crossings."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import Lane, RoadGraph

from .fleet import Fleet, Role
from .ways import Gate

F64 = npt.NDArray[np.float64]
_COMFORT_MPS2: Final = 2.5
_APART_M: Final = 2.4
_PATIENCE_S: Final = 5.0
_STANDS_MPS: Final = 0.3
_BESIDE_WALKERS_M: Final = 0.9
_SPARE_S: Final = 1.5
_LET_OUT_S: Final = 2.5
_LET_TURN_S: Final = 12.0
_IN_JUNCTION_M: Final = 0.5  # a front so near to it counts as inside


def conflicts(graph: RoadGraph) -> dict[int, frozenset[int]]:
    """Of each lane across a junction, those that its traffic cannot use at the same time."""
    lanes = [lane for lane in graph.lanes if lane.junction]
    points = {lane.id: lane.at(np.arange(0.0, lane.length_m, 1.0))[0][:, :2] for lane in lanes}
    came_from = graph.predecessors
    out: dict[int, set[int]] = {lane.id: set() for lane in graph.lanes}
    for k, a in enumerate(lanes):
        for b in lanes[k + 1 :]:
            if a.junction != b.junction or set(came_from[a.id]) & set(came_from[b.id]):
                continue
            apart = np.linalg.norm(points[a.id][:, None] - points[b.id][None], axis=2).min()
            if apart < _APART_M:
                out[a.id].add(b.id)
                out[b.id].add(a.id)
    return {key: frozenset(value) for key, value in out.items()}


class RightOfWay:
    """Opens gates for rows. Holds who is on which lane of a junction."""

    def __init__(self, graph: RoadGraph) -> None:
        self.graph = graph
        self.conflicts = conflicts(graph)
        # (row, lane) -> where the row's rear leaves it, on its way
        self.inside: dict[tuple[int, int], float] = {}
        self.wanted = np.zeros(len(graph.crossings), bool)  # somebody waits at the kerb
        self.walkers: dict[int, list[int]] = {}  # rows of those who walk on each crossing
        self._stood_s: dict[
            int, float
        ] = {}  # of each row that is held up in a junction by who walks behind it
        self.let_out: set[int] = set()  # crossings before which people wait until such a row has left

    def stops(
        self, fleet: Fleet, rows: npt.NDArray[np.int64], time_s: float, dt_s: float, guest: int = -1
    ) -> F64:
        """(N,) free way of each front to the first gate that is shut for it, inf = none.

        guest: a row that need not do as it is told; while it stands before a line, nothing is kept free for it.
        """
        self._left(fleet, guest, time_s)
        stood, self._stood_s = self._stood_s, {}
        self.let_out.clear()
        stop = np.full(len(fleet), np.inf)
        candidates: list[tuple[float, int, Gate]] = []
        for row in rows:
            front = float(fleet.s_m[row] + 0.5 * fleet.size[row, 0])
            speed = float(fleet.speed[row])
            reach = speed * speed / (2 * _COMFORT_MPS2) + 12.0 + speed
            for gate in fleet.ways[row].gates:
                away = gate.s_m - front
                if away < -1.0:
                    if not self._over_line(fleet, int(row), gate):
                        self._notice(fleet, int(row), gate)
                        continue
                    away = self._to_junction(fleet, int(row), gate)
                if away > reach:
                    break
                if gate.crossing >= 0:
                    self._held_up(fleet, int(row), gate, stood.get(int(row), 0.0), dt_s)
                    if self._yields_to_walkers(fleet, int(row), gate, away):
                        stop[row] = min(stop[row], away)
                        break
                elif (int(row), gate.lane) not in self.inside:
                    candidates.append((away, int(row), gate))
                    break
        # Who has waited longest is asked first; then who is nearest.
        candidates.sort(key=lambda c: (-round(float(fleet.waited_s[c[1]])), c[0], c[1]))
        for away, row, gate in candidates:
            if self._may_enter(fleet, row, gate, away, candidates, time_s):
                self.inside[row, gate.lane] = gate.clear_s_m
                fleet.waited_s[row] = 0.0
            else:
                stop[row] = min(stop[row], max(away, 0.0))
                fleet.waited_s[row] += dt_s if fleet.speed[row] < 0.5 else 0.0
        return stop

    def moved(self, row: int, shift_m: float) -> None:
        """A row's way begins elsewhere: places along it grow by a shift."""
        for key in [k for k in self.inside if k[0] == row]:
            self.inside[key] += shift_m

    def leave(self, row: int) -> None:
        """A row takes another way."""
        for key in [k for k in self.inside if k[0] == row]:
            del self.inside[key]

    def _to_junction(self, fleet: Fleet, row: int, gate: Gate) -> float:
        """From the front to where the lane behind a gate begins, which is beyond the line and often a crossing."""
        begins = gate.clear_s_m - self.graph.lane(gate.lane).length_m
        return begins - float(fleet.s_m[row] + 0.5 * fleet.size[row, 0])

    def _over_line(self, fleet: Fleet, row: int, gate: Gate) -> bool:
        """Whether a row stands between the line and the junction without leave: people held it up on their crossing."""
        stands = fleet.speed[row] < _STANDS_MPS and (row, gate.lane) not in self.inside
        return bool(gate.lane and stands) and self._to_junction(fleet, row, gate) > _IN_JUNCTION_M

    def _notice(self, fleet: Fleet, row: int, gate: Gate) -> None:
        """Who went in without leave is inside nevertheless."""
        if gate.lane and fleet.s_m[row] - 0.5 * fleet.size[row, 0] < gate.clear_s_m:
            self.inside.setdefault((row, gate.lane), gate.clear_s_m)

    def _left(self, fleet: Fleet, guest: int, time_s: float) -> None:
        for row, lane in list(self.inside):
            if fleet.speed[row] < _STANDS_MPS and self._waits_before(fleet, row, lane, row == guest, time_s):
                del self.inside[row, lane]
        for (row, lane), clear in list(self.inside.items()):
            rear = fleet.s_m[row] - 0.5 * fleet.size[row, 0]
            pulled = np.flatnonzero(fleet.tow == row)
            if len(pulled):
                rear -= fleet.size[pulled[0], 0]
            if rear > clear or not fleet.present[row]:
                del self.inside[row, lane]

    def _waits_before(self, fleet: Fleet, row: int, lane: int, guest: bool, time_s: float) -> bool:
        """Whether a row that stands has not reached a lane of a junction, and something holds it there."""
        gate = next((g for g in fleet.ways[row].gates if g.lane == lane), None)
        away = 0.0 if gate is None else self._to_junction(fleet, row, gate)
        if gate is None or away <= _IN_JUNCTION_M:
            return False
        if gate.signal and self._closed(gate, time_s):
            return True
        return guest or bool(fleet.leader[row] >= 0 and fleet.gap[row] < away)

    def _held_up(self, fleet: Fleet, row: int, gate: Gate, stood_s: float, dt_s: float) -> None:
        """Who stands in a junction before the crossing behind it blocks everybody: people let it out after a while."""
        if not any(inside == row for inside, _ in self.inside):
            return
        self._stood_s[row] = stood_s + (dt_s if fleet.speed[row] < _STANDS_MPS else 0.0)
        if self._stood_s[row] > _LET_OUT_S:
            self.let_out.add(gate.crossing)

    def _yields_to_walkers(self, fleet: Fleet, row: int, gate: Gate, away: float) -> bool:
        speed = float(fleet.speed[row])
        can_stop = away > speed * speed / (2 * _COMFORT_MPS2)
        if self.wanted[gate.crossing] and can_stop and gate.crossing not in self.let_out:
            return True
        on_foot = self.walkers.get(gate.crossing, ())
        return bool(on_foot) and any(_meets(fleet, row, gate, away, walker) for walker in on_foot)

    def _may_enter(
        self,
        fleet: Fleet,
        row: int,
        gate: Gate,
        away: float,
        asking: list[tuple[float, int, Gate]],
        time_s: float,
    ) -> bool:
        speed = float(fleet.speed[row])
        over_line = gate.s_m + 1.0 < float(fleet.s_m[row] + 0.5 * fleet.size[row, 0])
        if gate.signal and not over_line:  # who is past the line clears the crossing when there is room
            colour = self.graph.signal(gate.signal).colour(time_s)
            can_stop = away > speed * speed / (2 * 3.5)
            if colour != "green" and (colour != "yellow" or can_stop):
                return False
        against = self.conflicts.get(gate.lane, frozenset())
        if any(lane in against and other != row for other, lane in self.inside):
            return False
        lane = self.graph.lane(gate.lane)
        if fleet.gap[row] < away + lane.length_m + 1.0 and self._crawls(fleet, row):
            return False  # it would stand in the junction
        return not self._others_first(fleet, row, lane, away, asking, time_s)

    @staticmethod
    def _crawls(fleet: Fleet, row: int) -> bool:
        leader = fleet.leader[row]
        slow = leader >= 0 and np.hypot(*fleet.velocity[leader]) < 1.5
        return bool(slow and fleet.role[leader] != Role.WALKER)

    def _closed(self, gate: Gate, time_s: float) -> bool:
        return self.graph.signal(gate.signal).colour(time_s) != "green"

    def _others_first(
        self,
        fleet: Fleet,
        row: int,
        lane: Lane,
        away: float,
        asking: list[tuple[float, int, Gate]],
        time_s: float,
    ) -> bool:
        """Whether somebody with priority would be met."""
        if not lane.yields_to:
            return False
        speed = max(float(fleet.speed[row]), 3.0)
        mine = (max(away, 0.0) + lane.length_m + fleet.size[row, 0]) / speed + 1.0
        for other_away, other, gate in asking:
            if other == row or gate.lane not in lane.yields_to:
                continue
            if fleet.speed[other] < 0.5 and fleet.waited_s[row] > _PATIENCE_S + fleet.waited_s[other] * 0.5:
                continue  # they wait for each other
            if fleet.waited_s[row] > _LET_TURN_S and other_away > 2.0 + fleet.speed[other] ** 2 / (2 * 2.0):
                continue  # who comes lets somebody turn who has waited for so long
            if gate.signal and fleet.speed[other] < 0.5 and self._closed(gate, time_s):
                continue
            if max(other_away, 0.0) / max(float(fleet.speed[other]), 2.0) < mine:
                return True
        return self._merging(fleet, row, lane, mine)

    def _merging(self, fleet: Fleet, row: int, lane: Lane, mine_s: float) -> bool:
        """Whether somebody drives on a lane that has priority and arrives meanwhile."""
        for other in np.flatnonzero(fleet.present & fleet.moving):
            if other == row:
                continue
            at, s = fleet.ways[other].lane_at(float(fleet.s_m[other]))
            if at not in lane.yields_to or self.graph.lane(at).junction:
                continue
            left = self.graph.lane(at).length_m - s
            if left > 0 and left / max(float(fleet.speed[other]), 2.0) < mine_s and fleet.speed[other] > 0.5:
                return True
        return False


def _meets(fleet: Fleet, row: int, gate: Gate, away: float, walker: int) -> bool:
    """Whether somebody on a crossing is before a vehicle, or will be before it has passed."""
    place = fleet.ways[row].points(np.array([0.5 * (gate.s_m + gate.clear_s_m)]))[0]
    yaw = fleet.pose[walker, 2]
    ahead = float((place - fleet.pose[walker, :2]) @ np.array([np.cos(yaw), np.sin(yaw)]))
    clear = 0.5 * float(fleet.size[row, 1]) + _BESIDE_WALKERS_M
    if ahead < -clear:
        return False  # it has left the vehicle's way
    passing = away + gate.clear_s_m - gate.s_m + float(fleet.size[row, 0])
    mine = passing / max(float(fleet.speed[row]), 2.5) + _SPARE_S
    return (ahead - clear) / max(float(fleet.wish[walker]), 0.5) < mine
