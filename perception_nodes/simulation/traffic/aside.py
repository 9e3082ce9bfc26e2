"""Room for each other: people step aside, cyclists keep to the right edge, vehicles keep off them within their lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import RoadGraph

from .fleet import Fleet, Role
from .kernels import MARGIN_M, WALKER_MARGIN_M, pose_on, room_at

if TYPE_CHECKING:
    from .walking import Walking

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

EDGE_M: Final = 0.5  # cyclists from the edge of a lane
_ROOM_M: Final = np.array([0.05, 2 * (WALKER_MARGIN_M + 0.07)])
_SQUEEZED_M: Final = np.array([0.02, 0.02])  # two who have met face to face slip past each other with less
_STEP_S: Final = 0.12
_WALK_MPS: Final = 0.5
_RETURN_MPS: Final = 0.15
_BACK_MPS, _BACK_S = 0.4, 1.0
_WALKERS_M: Final = (-0.6, 1.0)  # no further to the right and to the left of the own line
_FURTHER_M: Final = 1.0  # unless one is stuck
_STAYS_S: Final = 1.5  # beside the own line, until the other one is past
_SEEN_M: Final = 2.0
_PASSING_M: Final = 35.0
_OVER_LINE_M: Final = 0.1
_SPARE_M: Final = 0.1
_RATE: Final = 0.07  # of the speed, sideways
_RATE_MPS2: Final = 0.5


def edge_side(width_m: float) -> float:
    """Where a cyclist rides on a lane of the driving kind, to the left of its middle (so below 0)."""
    return -max(0.5 * width_m - EDGE_M, 0.0)


class StepAside:
    """Moves bodies sideways, a little each step."""

    def __init__(self, graph: RoadGraph, rows: int) -> None:
        self.graph = graph
        self._towards = np.zeros(rows)  # to which side each one goes round the one before it
        self._stays_s = np.zeros(rows)

    def step(self, fleet: Fleet, rows: I64, dt_s: float, walking: Walking) -> None:
        """For all rows that move by themselves; walking: who is on the road, and how long people have been stuck."""
        role = fleet.role[rows]
        for row in rows[role == Role.WALKER]:
            stuck = walking.stuck_s[row] > _BACK_S
            if not self._walker(fleet, int(row), dt_s, _FURTHER_M if stuck else 0.0):
                patience = _BACK_S if not walking.crosses[row] else 3 * _BACK_S + 0.1 * (row % 7)
                if walking.stuck_s[row] > patience:
                    self._back(fleet, int(row), dt_s)
        for row in rows[np.isin(role, [Role.EGO, Role.VEHICLE, Role.CYCLIST])]:
            self._wheels(fleet, int(row), dt_s)

    def _walker(self, fleet: Fleet, row: int, dt_s: float, further_m: float) -> bool:
        """Whether it can go on, or round who is in the way."""
        leader = int(fleet.leader[row])
        side = float(fleet.side[row])
        if leader < 0 or fleet.gap[row] > _SEEN_M:
            self._stays_s[row] -= dt_s
            if self._stays_s[row] > 0.0:  # or who has made room would be in the way again
                return True
            self._towards[row] = 0.0
            if side:
                back = float(np.clip(-side, -_RETURN_MPS * dt_s, _RETURN_MPS * dt_s))
                self._slide(fleet, row, side + back)
            return True
        yaw = float(fleet.pose[row, 2])
        ahead = np.array([np.cos(yaw), np.sin(yaw)])
        if fleet.velocity[leader] @ ahead > 0.5 * fleet.wish[row]:
            return True  # one walks behind it
        if not self._towards[row]:
            offset = fleet.pose[leader, :2] - fleet.pose[row, :2]
            self._towards[row] = -1.0 if -ahead[1] * offset[0] + ahead[0] * offset[1] > -0.1 else 1.0
        low, high = _WALKERS_M[0] - further_m, _WALKERS_M[1] + further_m
        for towards in (self._towards[row], -self._towards[row]):
            new = side + towards * _WALK_MPS * dt_s
            room = _SQUEEZED_M if further_m else _ROOM_M
            if low <= new <= high and self._slide(fleet, row, new, room):
                self._towards[row], self._stays_s[row] = towards, _STAYS_S
                return True
        return False

    @staticmethod
    def _back(fleet: Fleet, row: int, dt_s: float) -> None:
        """A small step backwards, so that others come through; who is on the road is patient for longer."""
        s = float(fleet.s_m[row]) - _BACK_MPS * dt_s
        if s < 0.3 or fleet.role[fleet.leader[row]] != Role.WALKER:
            return
        place = pose_on(
            fleet.paths[row], fleet.last[row], fleet.spacing[row], s, fleet.base[row], False, fleet.side[row]
        )
        moved = _STEP_S * fleet.velocity
        own = fleet.size[row] + [0.2, 0.2]
        if room_at(row, np.array(place), own, fleet.pose, fleet.size, fleet.present, moved):
            fleet.s_m[row] = s

    @staticmethod
    def _slide(fleet: Fleet, row: int, side: float, room_m: F64 = _ROOM_M) -> bool:
        """Move there if nobody is there, or would come there in the same step."""
        place = pose_on(
            fleet.paths[row],
            fleet.last[row],
            fleet.spacing[row],
            fleet.s_m[row],
            fleet.base[row],
            False,
            side,
        )
        own = fleet.size[row] + room_m
        moved = _STEP_S * fleet.velocity
        if not room_at(row, np.array(place), own, fleet.pose, fleet.size, fleet.present, moved):
            return False
        fleet.side[row] = side
        return True

    def _wheels(self, fleet: Fleet, row: int, dt_s: float) -> None:
        speed = float(fleet.speed[row])
        lane_id, _ = fleet.ways[row].lane_at(float(fleet.s_m[row]))
        target = self._target(fleet, row, lane_id) if lane_id else 0.0
        most = _RATE * speed
        wanted = float(np.clip(1.5 * (target - fleet.side[row]), -most, most))
        change = _RATE_MPS2 * dt_s
        rate = float(fleet.side_rate[row]) + float(np.clip(wanted - fleet.side_rate[row], -change, change))
        rate = float(np.clip(rate, -most, most))
        fleet.side_rate[row] = 0.0 if abs(rate) < 1e-4 and abs(target - fleet.side[row]) < 1e-3 else rate
        fleet.side[row] += fleet.side_rate[row] * dt_s

    def _target(self, fleet: Fleet, row: int, lane_id: int) -> float:
        lane = self.graph.lane(lane_id)
        if fleet.role[row] == Role.CYCLIST:
            return edge_side(lane.width_m) if lane.kind == "driving" and not lane.junction else 0.0
        if lane.junction or (fleet.tow == row).any():
            return 0.0
        room = 0.5 * (lane.width_m - float(fleet.size[row, 1])) + _OVER_LINE_M
        return self._keeping_off(fleet, row, room) if room > 0.0 else 0.0

    @staticmethod
    def _keeping_off(fleet: Fleet, row: int, room_m: float) -> float:
        """The least shift within the lane at which everything beside the next metres is passed; else none."""
        yaw = fleet.pose[row, 2]
        ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        offset = fleet.pose[:, :2] - fleet.pose[row, :2]
        x, y = offset @ ahead, offset @ left + fleet.side[row]
        wide = fleet.size[:, 0] > 1.2  # for people one brakes
        beside = fleet.present & wide & (fleet.group != fleet.group[row]) & (np.arange(len(fleet)) != row)
        reach = 0.5 * (fleet.size[:, 0] + fleet.size[row, 0])
        beside &= (x > -reach - 1.0) & (x < _PASSING_M) & (np.abs(y) < 4.0)
        low, high = -room_m, room_m
        for j in np.flatnonzero(beside):
            turned = fleet.pose[j, 2] - yaw
            if abs(np.sin(turned)) > 0.3:
                continue  # it crosses
            half = 0.5 * (fleet.size[j, 1] + abs(np.sin(turned)) * fleet.size[j, 0])
            apart = half + 0.5 * fleet.size[row, 1] + MARGIN_M + _SPARE_M
            if y[j] > 0:
                high = min(high, float(y[j]) - apart)
            else:
                low = max(low, float(y[j]) + apart)
        return float(np.clip(0.0, low, high)) if low <= high else 0.0
