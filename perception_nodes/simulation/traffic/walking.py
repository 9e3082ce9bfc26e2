"""People who wait at the kerb, walk over, and turn round at the end of their pavement."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from .fleet import Fleet, Role
from .kernels import room_at
from .right_of_way import RightOfWay
from .spawn import place_on
from .walkers import shifted, walk
from .ways import Gate, Way

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_SPARE_S: Final = 1.5
_STUCK_S: Final = 4.0


class Walking:
    """State of the walkers: who is on the road, who waits."""

    def __init__(self, right: RightOfWay, rows: int) -> None:
        self.right = right
        self.crosses = np.zeros(rows, bool)
        self.stuck_s = np.zeros(rows)

    def stops(self, fleet: Fleet, rows: I64, stop: F64, time_s: float, dt_s: float) -> None:
        """Fill in the free way of each walker to the kerb if it has to wait there; say which crossings are in use."""
        self.right.wanted[:] = False
        self.right.walkers.clear()
        for row in rows:
            if not fleet.ways[row].gates:
                continue
            gate, s = fleet.ways[row].gates[0], float(fleet.s_m[row])
            marked = gate.crossing >= 0
            if self.crosses[row]:
                self.crosses[row] = s < gate.clear_s_m
                if marked and self.crosses[row]:
                    self.right.walkers.setdefault(gate.crossing, []).append(int(row))
                continue
            away = gate.s_m - s
            if away < -0.8 or away > 3.0:
                continue
            # The light first: who has red does not make drivers wait; nor does who lets somebody out of the junction.
            if marked and (self._red(gate, time_s) or gate.crossing in self.right.let_out):
                stop[row] = max(away, 0.0)
                continue
            if marked and away < 1.5:
                self.right.wanted[gate.crossing] = True
            if away < 0.6 and self._road_free(fleet, row, gate):
                self.crosses[row] = True
            else:
                stop[row] = max(away, 0.0)

    def _red(self, gate: Gate, time_s: float) -> bool:
        crossing = self.right.graph.crossings[gate.crossing]
        return bool(crossing.signal) and self.right.graph.signal(crossing.signal).colour(time_s) != "green"

    def _road_free(self, fleet: Fleet, row: int, gate: Gate) -> bool:
        """No vehicle reaches the line over the road before the walker has left it."""
        way = fleet.ways[row]
        needed = (gate.clear_s_m - float(fleet.s_m[row])) / max(float(fleet.wish[row]), 0.5) + _SPARE_S
        at = np.arange(gate.s_m, gate.clear_s_m, 1.0)
        k = np.minimum((at / way.spacing_m).astype(int), len(way.xy_m) - 1)
        line = way.xy_m[k]
        wheels = fleet.present & np.isin(fleet.role, [Role.EGO, Role.VEHICLE, Role.CYCLIST, Role.SCRIPTED])
        for j in np.flatnonzero(wheels):
            offset = line - fleet.pose[j, :2]
            heading = np.array([np.cos(fleet.pose[j, 2]), np.sin(fleet.pose[j, 2])])
            ahead = offset @ heading - 0.5 * fleet.size[j, 0]
            beside = np.abs(offset @ np.array([-heading[1], heading[0]]))
            near = (ahead > -fleet.size[j, 0] - 0.5) & (
                beside < 0.5 * fleet.size[j, 1] + 1.2 + 0.04 * np.abs(ahead)
            )
            if not near.any():
                continue
            nearest = float(ahead[near].min())
            speed = float(np.hypot(*fleet.velocity[j]))
            if nearest < 0.3:
                return False
            if speed < 0.4:
                continue
            if nearest / speed < needed and not self._will_stop(speed, nearest, gate, int(j)):
                return False
        return True

    @staticmethod
    def _will_stop(speed: float, away: float, gate: Gate, row: int) -> bool:
        """A driver of the traffic who sees somebody wait at a marked crossing stops if that is easy."""
        return row != 0 and gate.crossing >= 0 and away > 4.0 + speed * speed / (2 * 2.0)

    def turn(self, fleet: Fleet) -> None:
        """At the end of a line, or when somebody stands in the way for long, people turn round."""
        walkers = np.flatnonzero((fleet.role == Role.WALKER) & fleet.present)
        blocked = fleet.gap[walkers] < 0.8
        self.stuck_s[walkers] = np.where(
            blocked & (fleet.speed[walkers] < 0.1), self.stuck_s[walkers] + 0.1, 0.0
        )
        for row in walkers:
            way = fleet.ways[row]
            at_end = fleet.s_m[row] > way.length_m - 0.6
            patience = _STUCK_S * (3.0 if self.crosses[row] else 1.0)
            if not at_end and self.stuck_s[row] < patience:
                continue
            self.stuck_s[row] = 0.0
            self._turn_round(fleet, int(row))

    def _turn_round(self, fleet: Fleet, row: int) -> None:
        way, s = fleet.ways[row], float(fleet.s_m[row])
        back = way.xy_m[: int(s / way.spacing_m) + 1][::-1]
        if len(back) < 6:
            fleet.present[row] = fleet.present[row] and len(way.xy_m) > 12
            fleet.moving[row] = False
            return
        here = fleet.pose[row, :2]
        line = np.concatenate([here[None], shifted(back, 1.0)[3:]])
        gates = [Gate(max(way.spacing_m, s - g.clear_s_m), s - g.s_m, crossing=g.crossing) for g in way.gates
                 if g.clear_s_m < s - 1.0]  # fmt: skip
        new = walk(line, gates)
        if self._room(fleet, row, new):
            fleet.take(row, new, 0.2)
            self.crosses[row] = False
            fleet.side[row] = 0.0

    @staticmethod
    def _room(fleet: Fleet, row: int, way: Way) -> bool:
        """Nobody is in the way while the body turns."""
        place = np.array(place_on(way, 0.2, float(fleet.base[row])))
        moved = 0.12 * fleet.velocity
        return bool(room_at(row, place, fleet.size[row] + 0.1, fleet.pose, fleet.size, fleet.present, moved))
