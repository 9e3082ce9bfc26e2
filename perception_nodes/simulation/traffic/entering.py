"""Who reaches the end of the world comes in again somewhere else, as somebody new."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import Lane, RoadGraph

from .aside import edge_side
from .fleet import Fleet, Role
from .right_of_way import RightOfWay
from .spawn import Chooser, rightmost
from .ways import WayMaker

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_AWAY_S: Final = (0.5, 4.0)
_FAR_M: Final = 55.0  # nobody appears nearer to the ego
_FREE_M: Final = 8.0
_FREE_S: Final = 1.6
_TRIES: Final = 4


class Entering:
    """Rows that are out of the world, and when they come back. Deterministic: one random stream, in order of rows."""

    def __init__(self, graph: RoadGraph, maker: WayMaker, right: RightOfWay, seed: int) -> None:
        self.graph, self.maker, self.right = graph, maker, right
        before = graph.predecessors
        entries = [n for n in graph.lanes if not before[n.id] and not n.junction and n.length_m > 30.0]
        self._lanes = {kind: [n for n in entries if n.kind == kind] for kind in ("driving", "bicycle")}
        self._rng = np.random.default_rng([seed, 80])
        self._due: dict[int, float] = {}
        self._ids: I64 | None = None
        self._next = 0

    def ids(self, fleet: Fleet) -> I64:
        """(N,) id of each row; 0 is the ego."""
        if self._ids is None:
            self._ids, self._next = np.arange(len(fleet)), len(fleet)
        return self._ids.copy()

    def leave(self, fleet: Fleet, row: int, time_s: float) -> None:
        """A vehicle, with what it tows, is at the end of its road."""
        rows = self._group(fleet, row)
        fleet.present[rows] = False
        self.right.leave(row)
        self._due[row] = time_s + float(self._rng.uniform(*_AWAY_S))

    @staticmethod
    def _group(fleet: Fleet, row: int) -> I64:
        return np.union1d([row], np.flatnonzero(fleet.tow == row))

    def step(self, fleet: Fleet, time_s: float) -> I64:
        """Who is due comes in where there is room, else tries again; the rows that came."""
        came = [np.zeros(0, np.int64)]
        for row in sorted(r for r, due in self._due.items() if due <= time_s):
            if self._enter(fleet, row):
                came.append(self._group(fleet, row))
                del self._due[row]
            else:
                self._due[row] = time_s + 1.0
        return np.concatenate(came)

    def _enter(self, fleet: Fleet, row: int) -> bool:
        cyclist = fleet.role[row] == Role.CYCLIST
        lanes = (self._lanes["bicycle"] if cyclist else []) or self._lanes["driving"]
        lanes = [n for n in lanes if not (cyclist and n.kind == "driving") or rightmost(self.graph, n)]
        for _ in range(_TRIES if lanes else 0):
            lane = lanes[int(self._rng.integers(len(lanes)))]
            if self._room(fleet, row, lane):
                self._place(fleet, row, lane)
                return True
        return False

    def _length(self, fleet: Fleet, row: int) -> float:
        """From nose to tail, with what it tows."""
        rows = self._group(fleet, row)
        return float(fleet.size[rows, 0].sum()) + 1.0 * (len(rows) - 1)

    def _room(self, fleet: Fleet, row: int, lane: Lane) -> bool:
        length = self._length(fleet, row)
        need = length + _FREE_M + _FREE_S * min(lane.speed_mps, 15.0)
        if lane.length_m < length + 10.0:
            return False
        at = lane.at(np.arange(0.0, min(need, lane.length_m), 4.0))[0][:, :2]
        if float(np.hypot(*(at - fleet.pose[0, :2]).T).min()) < _FAR_M:
            return False
        others = np.flatnonzero(fleet.present)
        reach = 0.5 * np.hypot(*fleet.size[others].T) + 2.5
        apart = np.hypot(*(fleet.pose[others, None, :2] - at[None]).transpose(2, 0, 1))
        close = (apart < reach[:, None]).any(axis=1)
        beside = np.abs([lane.project(fleet.pose[j, :2])[1] for j in others[close]])
        return not (beside < 0.5 * lane.width_m + 0.6).any()

    def _place(self, fleet: Fleet, row: int, lane: Lane) -> None:
        s = self._length(fleet, row) - 0.5 * float(fleet.size[row, 0]) + 1.0
        way = self.maker.along(lane.id, min(s, 29.0), Chooser(self._rng))
        cyclist = fleet.role[row] == Role.CYCLIST
        fleet.side[row] = edge_side(lane.width_m) if cyclist and lane.kind == "driving" else 0.0
        fleet.side_rate[row] = 0.0
        fleet.take(row, way, min(s, 29.0))
        limit = way.limit_at(float(fleet.s_m[row]))
        wish = float(fleet.wish[row])
        fleet.speed[row] = 0.85 * (min(wish, limit) if cyclist else wish * limit)
        fleet.acceleration[row] = fleet.waited_s[row] = 0.0
        rows = self._group(fleet, row)
        fleet.present[rows] = True
        fleet.refresh(rows, 0.0)
        fleet.yaw_rate[rows] = 0.0
        ids = self.ids(fleet)
        ids[rows] = self._next + np.arange(len(rows))
        self._next += len(rows)
        self._ids = ids
