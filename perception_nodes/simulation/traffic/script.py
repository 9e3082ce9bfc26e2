"""Actors that do what a scenario says."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.geometry import arc_length
from perception_nodes.simulation.assets import Asset, Catalogue
from perception_nodes.simulation.scenarios.schema import Scenario, ScriptedActor
from perception_nodes.simulation.world.roads import RoadGraph

from .fleet import Body, Fleet, Role
from .spawn import Placer, place_on, standing_way
from .ways import CAPACITY, Way, evenly

F64 = npt.NDArray[np.float64]
_SPACING_M = 0.5
_BENT_M = 4.0


class Script:
    """Scripted actors of a scenario, and their triggers."""

    def __init__(
        self, graph: RoadGraph, scenario: Scenario, catalogue: Catalogue, ego: Body, seed: int
    ) -> None:
        self.scenario, self.catalogue, self.ego, self.seed = scenario, catalogue, ego, seed
        self.first_row = 1
        self._waits: set[int] = set(range(len(scenario.actors)))

    def bodies(self, placer: Placer) -> list[Body]:
        """One for each actor. Raises ConfigurationError naming an actor that stands in the ego or in another one."""
        out = []
        ego = place_on(self.ego.way, self.ego.s_m, self.ego.base_m)
        mine = Placer()
        mine.take(ego, self.ego.size_m)
        for actor in self.scenario.actors:
            body = self._body(actor)
            pose = place_on(body.way, body.s_m, body.base_m)
            if not actor.hidden:
                if not mine.free(pose, body.size_m):
                    raise ConfigurationError(
                        f"scenario {self.scenario.name!r}: actor {actor.name!r} begins inside the ego or another actor"
                    )
                mine.take(pose, body.size_m)
            # Random traffic keeps off all of a scripted way.
            for s in np.arange(body.s_m, max(body.way.length_m - 10.0, body.s_m + 0.1), 3.0):
                placer.take(place_on(body.way, float(s), body.base_m), body.size_m)
            out.append(body)
        return out

    def _body(self, actor: ScriptedActor) -> Body:
        # An actor's shape depends on its name only, not on those before it.
        rng = np.random.default_rng([self.seed, 79, zlib.crc32(actor.name.encode())])
        asset = self._asset(actor, rng)
        points = np.array(actor.path, np.float64)
        yaw, speeds = actor.yaw_rad, actor.speeds
        if actor.frame == "route":
            points, speeds = _bent(points, speeds)
            points, along = self._from_route(points)
            yaw += float(along[0])
        size, base = (asset.lwh_m[0], asset.lwh_m[1]), max(asset.wheelbase_m, 0.4)
        driver = (1.8, 2.5, 1.2, 2.0)
        if len(points) == 1:
            way, s = standing_way(points[0], yaw)
            return Body(Role.STANDING, asset, way, s, size_m=size, base_m=base, present=not actor.hidden)
        way = _timed(points, speeds)
        return Body(
            Role.SCRIPTED, asset, way, 5.0, 0.0, 1.0, size, base, actor.reverse, not actor.hidden,
            actor.reacts, driver=driver,
        )  # fmt: skip

    def _asset(self, actor: ScriptedActor, rng: np.random.Generator) -> Asset:
        if not actor.asset:
            return self.catalogue.random(actor.kind, rng)
        stock = self.catalogue.stock(actor.kind)
        for asset in stock:
            if asset.name.startswith(actor.asset):
                return asset
        names = sorted({a.name for a in stock})
        raise ConfigurationError(
            f"actor {actor.name!r}: asset {actor.asset!r}: wanted the beginning of one of {names}"
        )

    def _from_route(self, points: F64) -> tuple[F64, F64]:
        """(N, 2) in odom of points (along the ego's route from its start, left of it), and the heading there (N,)."""
        way, s = self.ego.way, self.ego.s_m
        at = np.clip(s + points[:, 0], 0.0, way.length_m - 1e-6)
        beyond = s + points[:, 0] - at
        k = np.minimum((at / way.spacing_m).astype(int), len(way.xy_m) - 2)
        step = way.xy_m[k + 1] - way.xy_m[k]
        ahead = step / np.linalg.norm(step, axis=1, keepdims=True)
        xy = way.xy_m[k] + ahead * (at - k * way.spacing_m + beyond)[:, None]
        left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        return xy + points[:, 1:] * left, np.arctan2(ahead[:, 1], ahead[:, 0])

    def trigger(self, fleet: Fleet, time_s: float) -> None:
        """Those whose time has come begin; none does in the warm-up."""
        for k in sorted(self._waits) if time_s >= 0.0 else ():
            row, actor = self.first_row + k, self.scenario.actors[k]
            if not self._due(actor, fleet, row, time_s):
                continue
            self._waits.discard(k)
            fleet.present[row] = True
            if fleet.role[row] == Role.SCRIPTED:
                fleet.speed[row] = fleet.ways[row].limit_at(fleet.s_m[row]) if time_s == 0.0 else 0.0
                fleet.moving[row] = True
                fleet.refresh(np.array([row]), 0.0)  # its speed is known from now on
        for k in self._waits:
            fleet.moving[self.first_row + k] = False

    def _due(self, actor: ScriptedActor, fleet: Fleet, row: int, time_s: float) -> bool:
        start = actor.start
        if start.time_s is not None and time_s < start.time_s:
            return False
        if start.ego_travelled_m is not None and fleet.travelled_m[0] < start.ego_travelled_m:
            return False
        away = float(np.hypot(*(fleet.pose[0, :2] - fleet.pose[row, :2])))
        if start.ego_within_m is not None and away > start.ego_within_m:
            return False
        if start.ego_near_xy_m is not None:
            point = np.array([start.ego_near_xy_m])
            place = self._from_route(point)[0][0] if actor.frame == "route" else point[0]
            return float(np.hypot(*(fleet.pose[0, :2] - place))) <= 5.0
        return True

    def ended(self, fleet: Fleet) -> None:
        """Those at the end of their path stand there or vanish."""
        for k, actor in enumerate(self.scenario.actors):
            row = self.first_row + k
            if fleet.role[row] != Role.SCRIPTED or not fleet.moving[row]:
                continue
            if fleet.s_m[row] >= fleet.ways[row].length_m - 5.5:
                fleet.moving[row] = False
                fleet.speed[row] = 0.0
                fleet.velocity[row] = 0.0
                fleet.yaw_rate[row] = 0.0
                fleet.present[row] = actor.end == "stand"


def _bent(points: F64, speeds: tuple[float, ...]) -> tuple[F64, tuple[float, ...]]:
    """Points of the frame route with more between them, so that a leg bends as the route does."""
    if len(points) < 2:
        return points, speeds
    parts, fine = [points[:1]], []
    for a, b, speed in zip(points[:-1], points[1:], speeds, strict=True):
        n = max(1, int(abs(b[0] - a[0]) / _BENT_M))
        parts.append(a + (b - a) * (np.arange(1, n + 1) / n)[:, None])
        fine += [speed] * n
    return np.concatenate(parts), tuple(fine)


def _timed(points: F64, speeds: tuple[float, ...]) -> Way:
    """A way through points with a speed for each leg, and 5 m before and behind it for the axles."""
    first, last = points[1] - points[0], points[-1] - points[-2]
    before = points[0] - 5.0 * first / np.linalg.norm(first)
    behind = points[-1] + 5.0 * last / np.linalg.norm(last)
    line = np.concatenate([before[None], points, behind[None]])
    ends = arc_length(line)
    spacing = max(_SPACING_M, float(ends[-1]) / (CAPACITY - 2))
    xy = evenly(line, spacing)
    at = np.arange(len(xy)) * spacing
    leg = np.clip(np.searchsorted(ends[1:], at, side="right") - 1, 0, len(speeds) - 1)
    return Way(xy, spacing, np.array(speeds)[leg])
