"""Gaps that one vehicle at a time can pass: who has the obstruction on its side waits, then goes round it.

A vehicle that parked ones leave too little room for, on a lane with oncoming traffic beside it, asks for the gap. It
gets it when nobody oncoming would be met in it; after `_PATIENCE_S` also when those who come can stop before it. From
then on the oncoming wait at its other end. Of several who ask at once the nearest is asked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import RoadGraph

from .fleet import Fleet, Role
from .kernels import MARGIN_M
from .ways import SPACING_M, Way, evenly, with_limits

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_SEEN_M: Final = 35.0
_SPARE_M: Final = 0.1
_MOST_M: Final = 1.5  # further over is no passing
_BEND_M: Final = 10.0  # to swing out, and back in
_CHAIN_M: Final = 25.0  # between two obstructions nobody swings back
_ASIDE_M: Final = 6.0
_PATIENCE_S: Final = 8.0
_COMFORT_MPS2, _LATE_MPS2 = 2.5, 4.0
_SLOW_MPS: Final = 4.0


@dataclass(frozen=True)
class Gap:
    """Along one's way: the middle of the body is shift_m further left from `first_m` to `last_m`."""

    first_m: float
    last_m: float
    shift_m: float


@dataclass(frozen=True)
class _Taken:
    end_m: F64  # (2,) where the one that passes is back on its lane
    ahead: F64  # (2,)


class Passing:
    """Who passes which gap, and who waits how long before one."""

    def __init__(self, graph: RoadGraph) -> None:
        self.graph = graph
        self._taken: dict[int, _Taken] = {}
        self._waited_s: dict[int, float] = {}

    def stops(self, fleet: Fleet, rows: I64, stop: F64, dt_s: float) -> None:
        """Give gaps to the rows that ask, lower `stop` (N,) of those who wait. Free ways and leaders must be known."""
        for row in list(self._taken):
            beyond = float((fleet.pose[row, :2] - self._taken[row].end_m) @ self._taken[row].ahead)
            if beyond > 0.5 * fleet.size[row, 0] or not fleet.present[row]:
                del self._taken[row]
        waited, self._waited_s = self._waited_s, {}
        asking = [r for r in rows.tolist() if r not in self._taken and self._held(fleet, r)]
        for row in sorted(asking, key=lambda r: (float(fleet.gap[r]), r)):
            gap = self._gap(fleet, row)
            if gap is None:
                continue
            self._waited_s[row] = waited.get(row, 0.0) + (dt_s if fleet.speed[row] < 0.5 else 0.0)
            if self._free(fleet, row, gap):
                self._take(fleet, row, gap)
            else:
                away = gap.first_m - _BEND_M - float(fleet.s_m[row])
                stop[row] = min(stop[row], away if away > 0.0 else max(float(fleet.gap[row]) - 1.0, 0.0))
        for taken_row, taken in self._taken.items():
            self._hold(fleet, rows, taken_row, taken, stop)

    @staticmethod
    def _held(fleet: Fleet, row: int) -> bool:
        on_road = fleet.role[row] in (Role.EGO, Role.VEHICLE) and not (fleet.tow == row).any()
        leader = int(fleet.leader[row])
        return bool(
            on_road and leader >= 0 and fleet.role[leader] == Role.STANDING and fleet.gap[row] < _SEEN_M
        )

    def _gap(self, fleet: Fleet, row: int) -> Gap | None:
        """What a row has to go round, if that is possible on the lane beside its own."""
        way, s = fleet.ways[row], float(fleet.s_m[row])
        lane = self.graph.lane(way.lane_at(s)[0]) if way.lane_at(s)[0] else None
        if lane is None or lane.junction or lane.left:
            return None
        length, width = fleet.size[row]
        own = 0.5 * float(width) + MARGIN_M + _SPARE_M
        needs, limit = [], _MOST_M
        for j in self._near(fleet, row, fleet.role == Role.STANDING):
            at, left, half_l, half_w = _along(fleet, row, j)
            if left > 0.0:
                limit = min(limit, left - half_w - own)
            elif left + half_w + own > 0.0 and at + half_l > s - 0.5 * length:
                needs.append((at - half_l, at + half_l, left + half_w + own))
        if not needs:
            return None
        first, last, shift = min(needs)
        for begin, end, need in sorted(needs)[1:]:
            if begin - last > _CHAIN_M:
                break
            last, shift = max(last, end), max(shift, need)
        if shift > limit or not self._road_beside(way, 0.5 * (first + last), shift + 0.5 * float(width)):
            return None
        return Gap(first - 0.5 * length - 0.3, last + 0.5 * length + 0.3, shift)

    def _road_beside(self, way: Way, s_m: float, left_m: float) -> bool:
        """Whether there is an oncoming lane that far to the left."""
        here, there = way.points(np.array([s_m, s_m + 1.0]))
        ahead = (there - here) / np.linalg.norm(there - here)
        place = here + left_m * np.array([-ahead[1], ahead[0]])
        lane, s, d = self.graph.nearest(place)
        yaw = float(lane.at(s)[1][0])
        return (
            abs(d) < 0.5 * lane.width_m + 0.3 and float(np.array([np.cos(yaw), np.sin(yaw)]) @ ahead) < -0.5
        )

    def _near(
        self, fleet: Fleet, row: int, which: npt.NDArray[np.bool_], within_m: float = _SEEN_M
    ) -> list[int]:
        away = np.hypot(*(fleet.pose[:, :2] - fleet.pose[row, :2]).T)
        other = which & fleet.present & (fleet.group != fleet.group[row])
        return [int(j) for j in np.flatnonzero(other & (away < within_m))]

    def _free(self, fleet: Fleet, row: int, gap: Gap) -> bool:
        s, v = float(fleet.s_m[row]), float(fleet.speed[row])
        end = gap.last_m + _BEND_M
        time_s = (end - s) / max(v, _SLOW_MPS) + 1.0
        patient = self._waited_s[row] < _PATIENCE_S
        yaw = fleet.pose[row, 2]
        oncoming = np.isin(fleet.role, [Role.EGO, Role.VEHICLE, Role.CYCLIST, Role.SCRIPTED, Role.TRAILER])
        oncoming &= np.cos(fleet.pose[:, 2] - yaw) < -0.5
        for j in self._near(fleet, row, oncoming, 40.0 + end - s + 15.0 * time_s):
            at, left, half_l, half_w = _along(fleet, row, j)
            apart = 0.5 * float(fleet.size[row, 1]) + half_w + MARGIN_M
            if at + half_l < s or left - gap.shift_m > apart or left < -1.0:
                continue
            if j in self._taken:
                return False
            speed = float(np.hypot(*fleet.velocity[j]))
            comes = speed * time_s if patient else speed**2 / (2 * _COMFORT_MPS2) + speed
            if at - half_l - comes < end + 1.0:
                return False
        return True

    def _take(self, fleet: Fleet, row: int, gap: Gap) -> None:
        """The way of a row from now on leads round."""
        way, s = fleet.ways[row], float(fleet.s_m[row])
        at = np.arange(len(way.xy_m)) * way.spacing_m
        begin = max(s, gap.first_m - _BEND_M)
        out = _smooth((at - begin) / max(gap.first_m - begin, 2.0))
        back = _smooth((at - gap.last_m) / _BEND_M)
        step = np.gradient(way.xy_m, axis=0)
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
        line = evenly(way.xy_m + (gap.shift_m * (out - back))[:, None] * normal, SPACING_M)
        limit = with_limits(line, SPACING_M, np.interp(np.arange(len(line)), at, way.limit_mps))
        end_s = gap.last_m + _BEND_M
        here, there = way.points(np.array([end_s, end_s + 1.0]))
        self._taken[row] = _Taken(here, (there - here) / np.linalg.norm(there - here))
        fleet.take(row, Way(line, SPACING_M, limit, way.gates, way.spans), s)

    def _hold(self, fleet: Fleet, rows: I64, taken_row: int, taken: _Taken, stop: F64) -> None:
        """The oncoming stop where the one that has the gap will be back on its lane."""
        for row in rows:
            yaw = fleet.pose[row, 2]
            if row == taken_row or float(np.array([np.cos(yaw), np.sin(yaw)]) @ taken.ahead) > -0.5:
                continue
            away = float(np.hypot(*(taken.end_m - fleet.pose[row, :2])))
            if away > 60.0:
                continue
            s, left = fleet.ways[row].project(taken.end_m, float(fleet.s_m[row]) + away)
            free = s - float(fleet.s_m[row]) - 0.5 * float(fleet.size[row, 0]) - 1.0
            if abs(left) < _ASIDE_M and free > float(fleet.speed[row]) ** 2 / (2 * _LATE_MPS2):
                stop[row] = min(stop[row], free)


def _along(fleet: Fleet, row: int, other: int) -> tuple[float, float, float, float]:
    """Of another body, on the way of a row: where its middle is (along, to the left), half its length and width."""
    way, s = fleet.ways[row], float(fleet.s_m[row])
    offset = fleet.pose[other, :2] - fleet.pose[row, :2]
    yaw = fleet.pose[row, 2]
    ahead = float(offset @ np.array([np.cos(yaw), np.sin(yaw)]))
    away = float(np.copysign(np.hypot(*offset), ahead))
    at, left = way.project(fleet.pose[other, :2], s + away)
    here, there = way.points(np.array([at, at + 1.0]))
    turned = fleet.pose[other, 2] - np.arctan2(*(there - here)[::-1])
    c, d = abs(float(np.cos(turned))), abs(float(np.sin(turned)))
    length, width = 0.5 * fleet.size[other]
    return at, left, float(c * length + d * width), float(c * width + d * length)


def _smooth(share: npt.NDArray[Any]) -> F64:
    t = np.clip(share, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float64)
