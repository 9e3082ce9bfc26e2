"""The way of the ego as a navigation system would give it: along the lanes that the scenario asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.datatypes.checks import check_shape
from perception_nodes.geometry import arc_length, resample

from .scenarios import Scenario
from .traffic.spawn import Chooser, ego_start
from .world import Lane, RoadGraph, World

F64 = npt.NDArray[np.float64]
_SPACING_M: Final = 1.0
_BEHIND_M: Final = 30.0
_SPARE_M: Final = 120.0
_BEFORE_JUNCTION_M: Final = 0.6  # where one stops without a line


@dataclass(frozen=True, eq=False)
class Route:
    """points_m (K, 3) about 1 m apart, odom; limit_mps (K,); signals: (distance along the route of where one stops for
    it, id), ascending.
    """

    points_m: F64
    limit_mps: F64
    signals: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        check_shape("Route", "points_m", self.points_m, None, 3)
        check_shape("Route", "limit_mps", self.limit_mps, len(self.points_m))

    def ahead(
        self, graph: RoadGraph, time_s: float, xy_m: tuple[float, float], front_m: float
    ) -> tuple[float, float]:
        """What holds at a place: way along the route to the next line whose signal is not green (inf = none), and the
        allowed speed. front_m: of the vehicle before the place; a line that it has passed by a metre is behind.
        """
        gap = np.hypot(*(self.points_m[:, :2] - np.asarray(xy_m)).T)
        here = int(np.argmin(gap))
        at = float(self._s_m[here]) + front_m - 1.0
        closed = [s for s, k in self.signals if s > at and graph.signal(k).colour(time_s) != "green"]
        return min(closed, default=float("inf")), float(self.limit_mps[here])

    @cached_property
    def _s_m(self) -> F64:
        return arc_length(self.points_m[:, :2])


def route_of(world: World, scenario: Scenario) -> Route:
    """Of a scenario: its lanes, or its path.

    Raises ConfigurationError if the ego has no way of at least 2 m.
    """
    if scenario.ego.line:
        xy = np.asarray(scenario.ego.line, np.float64)
        line = resample(np.column_stack([xy, world.surface.height(xy)]), _SPACING_M)
        return Route(line, np.full(len(line), scenario.ego.speed_mps))
    parts, limits, signals, begin = [], [], [], 0.0
    length = scenario.ego.speed_mps * scenario.duration_s + _BEHIND_M + _SPARE_M
    for lane, first, before in _lanes(world, scenario):
        keep = lane.s_m > first + 1e-6
        parts.append(np.concatenate([lane.at(first)[0], lane.centre_m[keep]]))
        limits.append(np.full(len(parts[-1]), min(lane.speed_mps, scenario.ego.speed_mps)))
        if lane.junction and (signal := lane.signal or (before.signal if before else 0)):
            back = _BEFORE_JUNCTION_M
            if before is not None and np.isfinite(before.stop_s_m):
                back = before.length_m - before.stop_s_m
            signals.append((begin - back, signal))
        begin += lane.length_m - first
        if begin > length:
            break
    return _evenly(np.concatenate(parts), np.concatenate(limits), signals)


def _lanes(world: World, scenario: Scenario) -> Iterator[tuple[Lane, float, Lane | None]]:
    """Lane, from where on it, and the lane before; to the edge of the world, or where the way would begin again."""
    lane, s = ego_start(world, scenario)
    choose = Chooser(None, scenario.ego.turns, world.graph.leads_on)
    seen: set[int] = set()
    before: Lane | None = None
    first = max(0.0, s - _BEHIND_M)
    while True:
        yield lane, first, before
        seen.add(lane.id)
        following = [world.graph.lane(n) for n in lane.successors]
        following = [n for n in following if n.kind in ("driving", lane.kind)]
        if not following:
            return
        before, first = lane, 0.0
        lane = choose(following) if len(following) > 1 else following[0]
        if lane.id in seen:
            return


def _evenly(points_m: F64, limit_mps: F64, signals: list[tuple[float, int]]) -> Route:
    apart = np.concatenate([[True], np.hypot(*np.diff(points_m[:, :2], axis=0).T) > 1e-3])
    points_m, limit_mps = points_m[apart], limit_mps[apart]
    s = arc_length(points_m[:, :2])
    if len(s) < 2 or s[-1] < 2.0:
        raise ConfigurationError("the ego's route: wanted at least 2 m of lanes before it")
    at = np.linspace(0.0, s[-1], round(s[-1] / _SPACING_M) + 1)
    line = np.column_stack([np.interp(at, s, points_m[:, k]) for k in range(3)])
    # Of two limits that meet, the lower one holds.
    limit = np.minimum(np.interp(at, s, limit_mps), limit_mps[np.minimum(np.searchsorted(s, at), len(s) - 1)])
    return Route(line, limit, tuple(signals))
