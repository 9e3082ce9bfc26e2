"""Ways that go on at their end, and changes of lane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import RoadGraph

from .fleet import Fleet, Role
from .idm import worth_changing
from .kernels import overlap
from .right_of_way import RightOfWay
from .spawn import Chooser
from .ways import BEHIND_M, SPACING_M, Gate, Way, WayMaker, blended, with_limits

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_EVERY_S, _REST_S, _MERGE_M = 1.0, 6.0, 140.0


def extend(fleet: Fleet, row: int, maker: WayMaker, right: RightOfWay, rng: np.random.Generator) -> float:
    """Let the row's way go on over the next lanes; what it gained, m (0: the road ends)."""
    way, s = fleet.ways[row], float(fleet.s_m[row])
    if not way.spans:
        return 0.0
    start, lane_id = way.spans[-1]
    if not maker.graph.lane(lane_id).successors:
        return 0.0
    at = way.length_m - start
    ego = fleet.role[row] == Role.EGO
    choose = Chooser(None if ego else rng, leads_on=maker.graph.leads_on)
    fresh = maker.along(lane_id, at, choose)
    fresh_s = min(at, BEHIND_M)
    cut = max(0, int(s - BEHIND_M))
    first = int(np.floor(fresh_s)) + 1
    keep = way.xy_m[cut:]
    room = 419 - len(keep)
    xy = np.concatenate([keep, fresh.xy_m[first : first + room]])
    limit = np.concatenate([way.limit_mps[cut:], fresh.limit_mps[first : first + room]])
    shift = -float(cut)
    join = way.length_m + shift - fresh_s
    gates = [Gate(g.s_m + shift, g.clear_s_m + shift, g.lane, g.crossing, g.signal) for g in way.gates]
    gates += [Gate(g.s_m + join, g.clear_s_m + join, g.lane, g.crossing, g.signal)
              for g in fresh.gates if g.s_m + join > way.length_m + shift - 5.0
              and (g.lane, g.crossing) not in {(o.lane, o.crossing) for o in gates[-3:]}]  # fmt: skip
    spans = [(b + shift, lane) for b, lane in way.spans]
    spans += [(b + join, lane) for b, lane in fresh.spans[1:]]
    alive = [g for g in gates if g.clear_s_m > s + shift - 25.0]
    new = Way(
        xy,
        SPACING_M,
        with_limits(xy, SPACING_M, limit),
        sorted(alive, key=lambda g: g.s_m),
        _recent(spans, s + shift),
    )
    fleet.take(row, new, s + shift)
    right.moved(row, shift)
    return new.length_m - (way.length_m + shift)


def _recent(spans: list[tuple[float, int]], s_m: float) -> list[tuple[float, int]]:
    """Without the lanes that are far behind."""
    first = max((k for k, (b, _) in enumerate(spans) if b <= s_m - BEHIND_M), default=0)
    return spans[first:]


class LaneChanges:
    """Who changes to the lane beside, by MOBIL, or because its own lane ends."""

    def __init__(self, graph: RoadGraph, maker: WayMaker, ego_changes: bool) -> None:
        self.graph, self.maker, self.ego_changes = graph, maker, ego_changes
        self._rested: dict[int, float] = {}

    def step(self, fleet: Fleet, rows: I64, right: RightOfWay, time_s: float) -> None:
        """Each row is asked once a second, not all at once."""
        tick = round(time_s / 0.1)
        for row in rows:
            if (row + tick) % 10 or fleet.role[row] not in (Role.VEHICLE, Role.EGO):
                continue
            if time_s < self._rested.get(int(row), 0.0) or (fleet.tow == row).any():
                continue
            self._consider(fleet, int(row), right, time_s)

    def _consider(self, fleet: Fleet, row: int, right: RightOfWay, time_s: float) -> None:
        lane_id, s = fleet.ways[row].lane_at(float(fleet.s_m[row]))
        if not lane_id:
            return
        lane = self.graph.lane(lane_id)
        must = lane.turn == "merge" or not lane.successors
        if lane.junction or (row == 0 and not must and not self.ego_changes):
            return
        if any(k[0] == row for k in right.inside) or self._gate_near(fleet, row):
            return
        sides = [lane.left] if must else [lane.left, lane.right]
        for side in (n for n in sides if n):
            other = self.graph.lane(side)
            if other.kind != "driving" or (must and lane.length_m - s > _MERGE_M):
                continue
            if self._changed(fleet, row, side, must):
                self._rested[row] = time_s + _REST_S
                return

    def _gate_near(self, fleet: Fleet, row: int) -> bool:
        s, v = float(fleet.s_m[row]), float(fleet.speed[row])
        return any(0.0 < g.s_m - s < 25.0 + 3.5 * v for g in fleet.ways[row].gates)

    def _changed(self, fleet: Fleet, row: int, side: int, must: bool) -> bool:
        place = fleet.pose[row, :2]
        lane = self.graph.lane(side)
        s, d = lane.project(place)
        length = float(np.clip(3.5 * fleet.speed[row], 12.0, 70.0))
        if abs(d) > 5.0 or s <= 1.0 or (lane.length_m - s < length and not lane.successors):
            return False
        front, lead_v, rear, rear_v = self._around(fleet, row, lane.id, s)
        v = float(fleet.speed[row])
        safe = rear > 2.0 + max(0.0, rear_v * 0.9 + (rear_v**2 - v**2) / 5.0)
        safe = safe and front > 2.0 + max(0.0, 0.6 * v + (v**2 - lead_v**2) / 5.0)
        if not safe or not (must or self._gains(fleet, row, front, lead_v, (rear, rear_v))):
            return False
        fresh = self.maker.along(side, s, Chooser(None, leads_on=self.graph.leads_on))
        way, at = blended(fleet.ways[row], float(fleet.s_m[row]), fresh, min(s, BEHIND_M), length)
        if not self._clear(fleet, row, way, at, length):
            return False
        fleet.take(row, way, at)
        return True

    def _around(self, fleet: Fleet, row: int, lane_id: int, s: float) -> tuple[float, float, float, float]:
        """Free way ahead and its speed, free way behind and its speed, on a lane beside, by places in the plane."""
        yaw = fleet.pose[row, 2]
        ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        lane = self.graph.lane(lane_id)
        middle = float((lane.at(s)[0][0, :2] - fleet.pose[row, :2]) @ left)
        offset = fleet.pose[:, :2] - fleet.pose[row, :2]
        x, y = offset @ ahead, offset @ left
        on = (np.abs(y - middle) < 1.8 + 0.02 * np.abs(x)) & fleet.present & (np.arange(len(fleet)) != row)
        clear = np.abs(x) - 0.5 * (fleet.size[:, 0] + fleet.size[row, 0])
        out = []
        for part in (on & (x >= 0), on & (x < 0)):
            near = np.where(part, clear, np.inf)
            k = int(np.argmin(near))
            out += [float(near[k]), float(fleet.speed[k]) if np.isfinite(near[k]) else 0.0]
        return out[0], out[1], out[2], out[3]

    @staticmethod
    def _gains(fleet: Fleet, row: int, front: float, lead_v: float, behind: tuple[float, float]) -> bool:
        v = float(fleet.speed[row])
        wish = fleet.ways[row].limit_at(float(fleet.s_m[row])) * float(fleet.wish[row])
        d = fleet.drivers
        a, headway, still = float(d.accelerate_mps2[row]), float(d.headway_s[row]), float(d.standstill_m[row])

        def pull(gap: float, leader: float, speed: float) -> float:
            wanted = still + max(0.0, speed * headway + speed * (speed - leader) / (2 * np.sqrt(2 * a)))
            return float(a * (1 - (speed / max(wish, 0.5)) ** 4 - (wanted / max(gap, 0.1)) ** 2))

        now_gap = float(fleet.gap[row]) if fleet.leader[row] >= 0 else np.inf
        now = pull(now_gap, float(fleet.speed[fleet.leader[row]]) if fleet.leader[row] >= 0 else 0.0, v)
        there = pull(front, lead_v, v)
        rear, rear_v = behind
        loss = max(0.0, pull(1e3, rear_v, rear_v) - pull(rear, v, rear_v)) if np.isfinite(rear) else 0.0
        return bool(worth_changing(np.array(now), np.array(there), np.array(loss)))

    @staticmethod
    def _clear(fleet: Fleet, row: int, way: Way, at: float, length: float) -> bool:
        """Nobody's body is where the change leads over."""
        from .spawn import place_on

        for u in np.arange(0.0, length + fleet.size[row, 0], 2.0):
            x, y, yaw = place_on(way, at + float(u), float(fleet.base[row]))
            near = np.hypot(fleet.pose[:, 0] - x, fleet.pose[:, 1] - y) < 14.0
            for j in np.flatnonzero(near & fleet.present & (fleet.speed < 1.0)):
                if j != row and overlap(x, y, yaw, *fleet.size[row], *fleet.pose[j], *fleet.size[j]):
                    return False
        return True
