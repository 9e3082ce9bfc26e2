"""Who is in the street at the beginning, and where: no two bodies overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.geometry import arc_length
from perception_nodes.simulation.assets import Asset, Catalogue
from perception_nodes.simulation.scenarios.schema import Scenario
from perception_nodes.simulation.world.roads import Lane, RoadGraph

from .aside import edge_side
from .fleet import Body, Role
from .ground import Street
from .kernels import overlap, pose_on
from .walkers import crossing_walk, pavement_walk, walk
from .ways import BEHIND_M, CAPACITY, SPACING_M, Gate, Way, WayMaker, evenly, with_limits

F64 = npt.NDArray[np.float64]
_TRIES: Final = 40
_FAST_MPS: Final = 17.0  # no place for cyclists
_SPACE_M: Final = 5.0
PATH_END_M: Final = 5.0


@dataclass(eq=False)
class Placer:
    """Bodies placed so far: x, y, yaw, length, width."""

    taken: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def free(self, pose: Sequence[float], size: tuple[float, float], ahead_m: float = 0.0) -> bool:
        """Whether a body fits, with `ahead_m` before and behind it."""
        return not any(
            overlap(pose[0], pose[1], pose[2], size[0] + 2 * ahead_m, size[1] + 0.3, *other)
            for other in self.taken
        )

    def take(self, pose: Sequence[float], size: tuple[float, float]) -> None:
        """Nobody else is put here."""
        self.taken.append((float(pose[0]), float(pose[1]), float(pose[2]), size[0], size[1]))


def place_on(way: Way, s_m: float, base_m: float, left_m: float = 0.0) -> tuple[float, float, float]:
    """x, y, yaw of a body on a way, or to the left of it."""
    x, y, yaw = pose_on(way.xy_m, len(way.xy_m) - 1, way.spacing_m, s_m, max(base_m, 0.2), False, left_m)
    return x, y, yaw


class Spawner:
    """Draws the bodies of a drive, one kind after the other, each from its own random stream."""

    def __init__(
        self,
        street: Street,
        scenario: Scenario,
        catalogue: Catalogue,
        seed: int,
        about_m: F64,
        ways: WayMaker,
    ) -> None:
        self.street, self.graph = street, street.graph
        self.scenario, self.catalogue, self.seed = scenario, catalogue, seed
        self.about_m, self.ways = about_m, ways
        self.placer = Placer()
        within = scenario.traffic.within_m
        self.lanes = [lane for lane in street.graph.lanes if _distance(lane, about_m) < within]

    def rng(self, stream: int) -> np.random.Generator:
        """One stream of the drive's randomness."""
        return np.random.default_rng([self.seed, 77, stream])

    def choose(self, rng: np.random.Generator) -> Chooser:
        """How a driver goes on at junctions."""
        return Chooser(rng)

    def vehicles(self) -> list[Body]:
        """Driving vehicles on lanes away from junctions."""
        rng, want = self.rng(1), self.scenario.traffic
        lanes = [n for n in self.lanes if n.kind == "driving" and not n.junction and n.length_m > 12]
        out: list[Body] = []
        for _ in range(want.vehicles if lanes else 0):
            kind = str(rng.choice(want.kinds)) if want.kinds else "traffic"
            asset = self.catalogue.random(kind, rng)
            body = self._driving(asset, lanes, rng)
            if body is None:
                continue
            out.append(body)
            if asset.name.startswith("tractor") or (asset.kind == "truck" and rng.random() < want.trailers):
                out += self._trailer(body, len(out), rng)
        return out

    def cyclists(self) -> list[Body]:
        """In bicycle lanes where there are some, else at the right edge of the rightmost lanes that are not fast."""
        rng = self.rng(2)
        lanes = [n for n in self.lanes if n.kind == "bicycle" and n.length_m > 8]
        for_all = [
            n for n in self.lanes if n.kind == "driving" and not n.junction and n.speed_mps < _FAST_MPS
        ]
        lanes = lanes or [n for n in for_all if rightmost(self.graph, n) and n.length_m > 12]
        out = []
        for _ in range(self.scenario.traffic.cyclists if lanes else 0):
            body = self._driving(self.catalogue.random("bicycle", rng), lanes, rng, at_edge=True)
            if body is not None:
                body.role, body.wish = Role.CYCLIST, float(rng.uniform(3.5, 6.5))
                body.speed_mps = min(body.speed_mps, body.wish)
                body.driver = (1.0, 2.0, 0.9, 1.2)
                out.append(body)
        return out

    def parked(self) -> list[Body]:
        """Cars on parking lanes and off the road, and some that are about to leave."""
        from .parking import pulling_out  # which needs what is here

        rng, want = self.rng(3), self.scenario.traffic
        out: list[Body] = []
        leave, empty = self._leaving()
        leaving: list[Body] = []
        places = np.concatenate([self.street.parking, self.street.verges])
        for k, (x, y, _, yaw, length, width) in enumerate(places):
            taken, jitter, turned = rng.random(), rng.uniform(-1.0, 1.0, 2), rng.random() < 0.15
            asset = self.catalogue.random(str(rng.choice(["car", "car", "suv", "van"])), rng)
            far = float(np.hypot(x - self.about_m[0], y - self.about_m[1])) > want.within_m
            taken, turned = (0.0, False) if k in leave else (taken, turned)
            if taken > want.parked_share or k in empty or far or asset.lwh_m[0] > length - 0.2:
                continue
            spare = 0.4 * np.maximum([length - asset.lwh_m[0], width - asset.lwh_m[1]], 0.0)
            along, left = np.minimum(0.5 * spare, 0.3) * jitter
            c, s = np.cos(yaw), np.sin(yaw)
            xy = np.array([x + along * c - left * s, y + along * s + left * c])
            body = self.stand(asset, xy, float(yaw + (np.pi if turned else 0.0) + 0.02 * jitter[1]))
            out += [body] if body is not None else []
            leaving += [body] if body is not None and k in leave else []
        for body in leaving:
            pulling_out(body, [o for o in out if o is not body], self.graph, self.ways, rng)
        return out

    def _leaving(self) -> tuple[set[int], set[int]]:
        from .parking import choose_leaving, kerbside

        want = self.scenario.traffic
        if not want.leaving:
            return set(), set()
        near = [
            place for place in kerbside(self.graph, self.street.parking)
            if 15.0 < np.hypot(*(np.array(place.xy_m) - self.about_m)) < want.within_m
        ]  # fmt: skip
        return choose_leaving(near, want.leaving, self.rng(5))

    def walkers(self) -> list[Body]:
        """People on pavements, at crossings, and those who cross anywhere."""
        rng, want = self.rng(4), self.scenario.traffic
        out = []
        for _ in range(want.pedestrians):
            kind = str(rng.choice(["pedestrian", "pedestrian", "pedestrian", "child", "pushchair"],
                                  p=[0.3, 0.3, 0.25, 0.1, 0.05]))  # fmt: skip
            crossing = self.graph.crossings and rng.random() < want.crossing_share
            body = self._walker(self.catalogue.random(kind, rng), rng, "cross" if crossing else "along")
            out += [body] if body is not None else []
        for _ in range(want.jaywalkers):
            body = self._walker(self.catalogue.random("pedestrian", rng), rng, "jaywalk")
            out += [body] if body is not None else []
        return out

    def _walker(self, asset: Asset, rng: np.random.Generator, what: str) -> Body | None:
        size = (asset.lwh_m[0], asset.lwh_m[1])
        for _ in range(_TRIES):
            found = self._walk(what, rng)
            if found is None:
                return None
            way, s = found
            pose = place_on(way, s, 0.4)
            if self.placer.free(pose, (size[0] + 0.4, size[1] + 0.2)):
                self.placer.take(pose, size)
                wish = float(np.clip(rng.normal(1.34, 0.2), 0.7, 2.0))
                driver = (1.5, 2.0, 0.3, 0.3)
                return Body(Role.WALKER, asset, way, s, wish, wish, size, 0.4, driver=driver)
        return None

    def _walk(self, what: str, rng: np.random.Generator) -> tuple[Way, float] | None:
        within = self.scenario.traffic.within_m
        if what == "cross":
            near = [k for k, c in enumerate(self.graph.crossings)
                    if np.linalg.norm(c.path_m[:, :2].mean(axis=0) - self.about_m) < within]  # fmt: skip
            if near:
                index = near[int(rng.integers(len(near)))]
                line, kerb, far = crossing_walk(self.graph, index, rng)
                gate = Gate(max(kerb - 0.3, 0.0), far + 0.5, crossing=index)
                s = max(0.3, kerb - 0.6 - float(rng.uniform(0.0, 9.0)))
                return walk(line, [gate]), s
        line_m = pavement_walk(self.graph, self.about_m, within, rng)
        if line_m is None:
            return None
        if what == "jaywalk":
            return self._jaywalk(line_m, rng)
        return walk(line_m), 0.3

    def _jaywalk(self, line_m: F64, rng: np.random.Generator) -> tuple[Way, float] | None:
        """Along the pavement, straight over the road to the pavement there, and on."""
        k = int(rng.integers(4, max(5, min(len(line_m) - 2, 24))))
        at = line_m[min(k, len(line_m) - 1)]
        lane, _, _ = self.graph.nearest(at)
        s, _ = lane.project(at)
        middle = lane.at(s)[0][0, :2]
        across = middle - at
        reach = float(np.linalg.norm(across))
        if not 1.0 < reach < 12.0:
            return None
        others = [line[:, :2] for line in self.graph.sidewalks]
        best, least = None, np.inf
        for line in others:
            step = evenly(line, 0.5)
            ahead = (step - at) @ across / reach
            beside = np.abs((step - at) @ np.array([-across[1], across[0]]) / reach)
            good = (ahead > reach + 1.0) & (ahead < 30.0) & (beside < 1.0)
            if good.any() and ahead[good].min() < least:
                least, best = float(ahead[good].min()), at + across / reach * float(ahead[good].min())
        if best is None:
            return None
        line = np.concatenate([line_m[: k + 1], best[None]])
        kerb = k * 0.5
        gate = Gate(kerb + 0.2, kerb + least, crossing=-2)
        return walk(line, [gate]), 0.3

    def _driving(
        self, asset: Asset, lanes: list[Lane], rng: np.random.Generator, *, at_edge: bool = False
    ) -> Body | None:
        size = (asset.lwh_m[0], asset.lwh_m[1])
        share = np.array([lane.length_m for lane in lanes])
        for _ in range(_TRIES):
            lane = lanes[int(rng.choice(len(lanes), p=share / share.sum()))]
            low, high = 0.5 * size[0] + 1.0, min(lane.length_m, lane.stop_s_m) - 0.5 * size[0] - 1.0
            if high <= low:
                continue
            s = float(rng.uniform(low, high))
            xyz, yaw = lane.at(s)
            pose = (xyz[0, 0], xyz[0, 1], yaw[0])
            if np.linalg.norm(xyz[0, :2] - self.about_m) > self.scenario.traffic.within_m:
                continue
            if not self.placer.free(pose, size, _SPACE_M):
                continue
            way = self.ways.along(lane.id, s, self.choose(rng))
            at = min(s, BEHIND_M)
            side = edge_side(lane.width_m) if at_edge and lane.kind == "driving" else 0.0
            pose = place_on(way, at, asset.wheelbase_m, side)
            if side and not self.placer.free(pose, size, _SPACE_M):
                continue
            wish = float(np.clip(rng.normal(1.0, 0.08), 0.75, 1.2))
            self.placer.take(pose, size)
            speed = 0.9 * wish * way.limit_at(at)
            driver = (float(rng.uniform(1.0, 2.0)), 2.0, float(rng.uniform(1.0, 1.6)), 2.0)
            base = asset.wheelbase_m
            return Body(Role.VEHICLE, asset, way, at, speed, wish, size, base, side_m=side, driver=driver)
        return None

    def _trailer(self, body: Body, row: int, rng: np.random.Generator) -> list[Body]:
        """Behind a tractor, if there is room."""
        assert body.asset is not None
        asset = next(a for a in self.catalogue.stock("trailer") if a.name.startswith("semi_trailer"))
        hitch = 0.5 * (body.size_m[0] + asset.lwh_m[0]) + 0.35
        size = (asset.lwh_m[0], asset.lwh_m[1])
        pose = place_on(body.way, body.s_m - hitch, 8.0)
        if body.s_m - hitch - 0.5 * size[0] < 0.0 or not self.placer.free(pose, size, 3.0):
            return []
        self.placer.take(pose, size)
        return [Body(Role.TRAILER, asset, body.way, 0.0, size_m=size, base_m=8.0, tow=row, hitch_m=hitch)]

    def stand(self, asset: Asset, xy: F64, yaw: float, role: Role = Role.STANDING) -> Body | None:
        """A body that stands; None if there is no room."""
        size = (asset.lwh_m[0], asset.lwh_m[1])
        pose = (float(xy[0]), float(xy[1]), yaw)
        if not self.placer.free(pose, size):
            return None
        self.placer.take(pose, size)
        way, s = standing_way(xy, yaw)
        return Body(role, asset, way, s, size_m=size, base_m=max(asset.wheelbase_m, 0.4))


class Chooser:
    """Which lane a driver takes at a junction: as `turns` says, then mostly straight on; leads_on (the ego): not out of
    the world if another way stays in it.
    """

    def __init__(
        self,
        rng: np.random.Generator | None,
        turns: Sequence[str] = (),
        leads_on: frozenset[int] = frozenset(),
    ) -> None:
        self.rng, self.turns, self.leads_on = rng, list(turns), leads_on

    def __call__(self, lanes: Sequence[Lane]) -> Lane:
        """One of several."""
        if self.turns:
            wanted = self.turns.pop(0)
            by_turn = {lane.turn or "straight": lane for lane in lanes}
            if wanted in by_turn:
                return by_turn[wanted]
        if self.rng is None:
            lanes = [lane for lane in lanes if lane.id in self.leads_on] or lanes
            return {lane.turn or "straight": lane for lane in lanes}.get("straight", lanes[0])
        weight = np.array([3.0 if (lane.turn or "straight") == "straight" else 1.0 for lane in lanes])
        return lanes[int(self.rng.choice(len(lanes), p=weight / weight.sum()))]


def standing_way(xy: F64, yaw: float) -> tuple[Way, float]:
    """A short straight way with its middle at a point, and that place on it."""
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    line = np.stack([xy - 10 * ahead, xy + 10 * ahead])
    return Way(evenly(line, 1.0), 1.0, np.zeros(21)), 10.0


def rightmost(graph: RoadGraph, lane: Lane) -> bool:
    """No further driving lane lies to its right."""
    return not lane.right or graph.lane(lane.right).kind != "driving"


def _distance(lane: Lane, about_m: F64) -> float:
    return float(np.linalg.norm(lane.centre_m[:, :2] - about_m, axis=1).min())


def ego_start(street: Street, scenario: Scenario) -> tuple[Lane, float]:
    """The lane on which the ego begins, and how far along it.

    Raises ConfigurationError if there is no such place.
    """
    lane_id, s = street.ego
    lane = street.graph.lane(lane_id)
    if scenario.ego.start_xy_m is not None:
        lane, s, _ = street.graph.nearest(np.array(scenario.ego.start_xy_m))
    s = s if scenario.ego.start_s_m is None else scenario.ego.start_s_m
    if s > lane.length_m:
        where = f"scenario {scenario.name!r}: ego.start_s_m {s}"
        raise ConfigurationError(f"{where}: its lane is {lane.length_m:.0f} m long")
    return lane, s


def ego_body(street: Street, scenario: Scenario, ways: WayMaker, size: tuple[float, float]) -> Body:
    """Row 0: on its lane where the scenario or the world says.

    Raises ConfigurationError if there is no such place.
    """
    ego = scenario.ego
    if ego.line:
        return _on_path(scenario, size)
    lane, s = ego_start(street, scenario)
    way = ways.along(lane.id, s, Chooser(None, ego.turns, street.graph.leads_on))
    at = min(s, BEHIND_M)
    wish = min(ego.speed_mps, way.limit_at(at)) if ego.initial_speed_mps is None else ego.initial_speed_mps
    speed = 0.0 if ego.drive in ("still", "external") and ego.initial_speed_mps is None else wish
    return Body(Role.EGO, None, way, at, speed, 1.0, size, 2.8, driver=(1.5, 2.0, 1.3, 2.5))


def _on_path(scenario: Scenario, size: tuple[float, float]) -> Body:
    """The ego at the first point of its path or recording; the path goes on straight behind both ends for the axles."""
    ego = scenario.ego
    points = np.array(ego.line)
    first, last = points[1] - points[0], points[-1] - points[-2]
    before = points[0] - PATH_END_M * first / np.linalg.norm(first)
    behind = points[-1] + PATH_END_M * last / np.linalg.norm(last)
    line = np.concatenate([before[None], points, behind[None]])
    spacing = max(SPACING_M, float(arc_length(line)[-1]) / (CAPACITY - 2))
    xy = evenly(line, spacing)
    way = Way(xy, spacing, with_limits(xy, spacing, np.full(len(xy), ego.speed_mps)))
    wish = way.limit_at(PATH_END_M) if ego.initial_speed_mps is None else ego.initial_speed_mps
    return Body(Role.EGO, None, way, PATH_END_M, wish, 1.0, size, 2.8, driver=(1.5, 2.0, 1.3, 2.5))
