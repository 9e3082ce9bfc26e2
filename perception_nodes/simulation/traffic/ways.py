"""The way of one body: a line in the plane with speed limits, where it may have to wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import arc_length
from perception_nodes.simulation.world.roads import Lane, RoadGraph

F64 = npt.NDArray[np.float64]
CAPACITY: Final = 420
AHEAD_M: Final = 220.0
BEHIND_M: Final = 30.0
SPACING_M: Final = 1.0
_ACROSS_MPS2, _BRAKE_MPS2 = 2.0, 1.3
_NEAR_M: Final = 15.0


@dataclass(frozen=True)
class Gate:
    """A place at s_m of the way where the front stops unless it may go on.

    lane: id of the junction lane behind it, or 0; crossing: index of the crossing behind it, or -1; clear_s_m: where
    the rear has left what is behind it.
    """

    s_m: float
    clear_s_m: float
    lane: int = 0
    crossing: int = -1
    signal: int = 0


@dataclass(eq=False)
class Way:
    """xy_m (K, 2) at equal steps; limit_mps (K,), for bends too; spans: (s, lane id) from s on."""

    xy_m: F64
    spacing_m: float
    limit_mps: F64
    gates: list[Gate] = field(default_factory=list)
    spans: list[tuple[float, int]] = field(default_factory=list)

    @property
    def length_m(self) -> float:
        """Of the whole line."""
        return (len(self.xy_m) - 1) * self.spacing_m

    def lane_at(self, s_m: float) -> tuple[int, float]:
        """Lane id and distance along it; (0, 0) off the lanes."""
        found = (0, 0.0)
        for start, lane in self.spans:
            if start > s_m:
                break
            found = (lane, s_m - start)
        return found

    def points(self, s_m: F64) -> F64:
        """(N, 2) at distances along it; straight on beyond the ends."""
        k = np.clip(np.floor(s_m / self.spacing_m).astype(int), 0, len(self.xy_m) - 2)
        share = s_m / self.spacing_m - k
        return np.asarray(self.xy_m[k] + share[:, None] * (self.xy_m[k + 1] - self.xy_m[k]))

    def project(self, xy_m: F64, about_s_m: float) -> tuple[float, float]:
        """(s, d) of a point (2,) that is near a distance: how far along, and how far to the left."""
        first = max(0, int((about_s_m - _NEAR_M) / self.spacing_m))
        first = min(first, len(self.xy_m) - 2)
        line = self.xy_m[first : int((about_s_m + _NEAR_M) / self.spacing_m) + 2]
        line = line if len(line) > 1 else self.xy_m[first : first + 2]
        step = np.diff(line, axis=0)
        t = ((xy_m - line[:-1]) * step).sum(axis=1) / (step**2).sum(axis=1)
        t = np.clip(t, 0.0, 1.0)
        offset = xy_m - line[:-1] - t[:, None] * step
        k = int(np.argmin((offset**2).sum(axis=1)))
        cross = step[k, 0] * offset[k, 1] - step[k, 1] * offset[k, 0]
        return float((first + k + t[k]) * self.spacing_m), float(np.copysign(np.hypot(*offset[k]), cross))

    def limit_at(self, s_m: float) -> float:
        """Speed that fits here."""
        k = int(min(max(s_m / self.spacing_m, 0), len(self.limit_mps) - 1))
        return float(self.limit_mps[k])


def evenly(xy_m: F64, spacing_m: float) -> F64:
    """The line at exactly equal steps, its end moved back by less than one; at most `CAPACITY` points."""
    s = arc_length(xy_m)
    at = np.arange(0.0, min(s[-1], (CAPACITY - 1) * spacing_m) + 1e-9, spacing_m)
    if len(at) < 2:
        direction = (xy_m[-1] - xy_m[0]) / max(s[-1], 1e-9)
        return np.stack([xy_m[0], xy_m[0] + direction * spacing_m])
    return np.stack([np.interp(at, s, xy_m[:, k]) for k in (0, 1)], axis=1)


def with_limits(xy_m: F64, spacing_m: float, limit_mps: F64) -> F64:
    """(K,) limits lowered before bends, so that braking is gentle."""
    step = np.diff(xy_m, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    bend = np.zeros(len(xy_m))
    if len(heading) > 3:
        wide = np.abs(heading[3:] - heading[:-3]) / (3 * spacing_m)
        bend[2:-2] = wide
    out = np.minimum(limit_mps, np.sqrt(_ACROSS_MPS2 / np.maximum(bend, 1e-3)))
    for k in range(len(out) - 2, -1, -1):
        out[k] = min(out[k], np.sqrt(out[k + 1] ** 2 + 2 * _BRAKE_MPS2 * spacing_m))
    return np.asarray(out)


class WayMaker:
    """Ways along the lanes of a graph. choose: the next of several lanes."""

    def __init__(self, graph: RoadGraph) -> None:
        self.graph = graph
        self._crossings: dict[int, list[tuple[float, int]]] = {}
        for k, crossing in enumerate(graph.crossings):
            for lane, s in crossing.lanes:
                self._crossings.setdefault(lane, []).append((s, k))

    def along(self, lane_id: int, s_m: float, choose: Callable[[Sequence[Lane]], Lane]) -> Way:
        """From `BEHIND_M` before s on a lane; the row's s is then min(BEHIND_M, what there is)."""
        lane = self.graph.lane(lane_id)
        parts, spans, gates, limits = [], [], [], []
        start = max(0.0, s_m - BEHIND_M)
        begin = -start  # of the way's origin relative to the lane's
        done, before = 0.0, None
        while True:
            spans.append((begin if before is None else done, lane.id))
            first = start if before is None else 0.0
            offset = begin if before is None else done
            gates += self._gates(lane, before, offset)
            keep = lane.s_m > first + 1e-6
            points = lane.centre_m[keep, :2]
            if before is None:
                points = np.concatenate([lane.at(first)[0][:, :2], points])
            parts.append(points)
            done = offset + lane.length_m
            limits.append((done, lane.speed_mps))
            following = [self.graph.lane(n) for n in lane.successors]
            following = [n for n in following if n.kind in ("driving", lane.kind)]
            if done > AHEAD_M + BEHIND_M or not following:
                break
            before, lane = lane, choose(following) if len(following) > 1 else following[0]
        return self._way(np.concatenate(parts), spans, gates, limits)

    def _way(
        self, xy: F64, spans: list[tuple[float, int]], gates: list[Gate], limits: list[tuple[float, float]]
    ) -> Way:
        distinct = np.concatenate([[True], np.hypot(*np.diff(xy, axis=0).T) > 1e-4])
        line = evenly(xy[distinct], SPACING_M)
        at = np.arange(len(line)) * SPACING_M
        ends, speeds = np.array([e for e, _ in limits]), np.array([v for _, v in limits])
        limit = speeds[np.minimum(np.searchsorted(ends, at), len(speeds) - 1)]
        ordered = sorted(gates, key=lambda g: g.s_m)
        return Way(line, SPACING_M, with_limits(line, SPACING_M, limit), ordered, spans)

    def _gates(self, lane: Lane, before: Lane | None, offset: float) -> list[Gate]:
        out = []
        for s, k in self._crossings.get(lane.id, ()):
            half = 0.5 * crossing_depth_m(self.graph.crossings[k].polygon_m)
            out.append(Gate(offset + s - half - 1.0, offset + s + half, crossing=k))
        if lane.turn == "merge":
            return out  # who yields there yields while changing lanes
        if lane.junction or lane.yields_to or lane.signal:
            back = 0.6
            signal = lane.signal
            if before is not None and np.isfinite(before.stop_s_m):
                back = before.length_m - before.stop_s_m
                signal = signal or before.signal
            if not lane.junction and np.isfinite(lane.stop_s_m) and not lane.yields_to:
                return out  # the signal stands at its end and holds for what follows
            out.append(Gate(offset - back, offset + lane.length_m, lane=lane.id, signal=signal))
        return out


def crossing_depth_m(polygon_m: F64) -> float:
    """Extent of a crossing along the road: the shorter of its sides."""
    sides = np.linalg.norm(np.diff(polygon_m[[0, 1, 2], :2], axis=0), axis=1)
    return float(sides.min())


def blended(old: Way, s_m: float, new: Way, new_s_m: float, length_m: float) -> tuple[Way, float]:
    """A way that leaves `old` at s and has reached `new` after a length; the place on it of s."""
    back = min(s_m, BEHIND_M)
    u = np.arange(0.0, length_m, 0.5)
    share = (u / length_m) ** 2 * (3 - 2 * u / length_m)
    mixed = (1 - share[:, None]) * old.points(s_m + u) + share[:, None] * new.points(new_s_m + u)
    behind = old.points(s_m - back + np.arange(0.0, back, 0.5))
    ahead = new.points(np.arange(new_s_m + length_m, new.length_m, 0.5))
    line = evenly(np.concatenate([behind, mixed, ahead]), SPACING_M)
    shift = back - new_s_m  # both ways are nearly parallel: distances along them agree
    at = np.arange(len(line)) * SPACING_M - shift
    limit = np.interp(at, np.arange(len(new.limit_mps)) * new.spacing_m, new.limit_mps)
    gates = [Gate(g.s_m + shift, g.clear_s_m + shift, g.lane, g.crossing, g.signal)
             for g in new.gates if g.s_m > new_s_m]  # fmt: skip
    return Way(line, SPACING_M, limit, gates, [(s + shift, lane) for s, lane in new.spans]), back
