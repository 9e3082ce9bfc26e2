"""A street from a Lanelet2 map: its lanelets become lanes, its lines paint, kerbs, walls and signs.

What a map does not say is filled as for procedural streets: houses, furniture, worn paint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import arc_length

from .drawing import sidewalks
from .furniture import HANGING_M
from .lanelet_rules import rules_of
from .lanelets import KINDS, Lanelet, is_road, lanelet_of, lanes_of
from .markings import crossing_bars
from .osm import OsmMap, Way, read_osm
from .plan import Barrier, Line, Patch, Plan, Post, Relief
from .roads import Crossing, Lane, Signal
from .street import World, assemble

F64 = npt.NDArray[np.float64]

_WALLS: Final = {"wall": ("wall", 1.6), "fence": ("fence", 1.2), "guard_rail": ("guard_rail", 0.75)}
_SIGNS: Final = {
    "de205": "yield",
    "de206": "stop",
    "de301": "priority",
    "de306": "priority",
    "de274": "30 km/h",
}
_MARGIN_M: Final = 28.0
_PAVEMENT_M: Final = 2.5


def world_from_osm(
    path: Path,
    rng: np.random.Generator,
    *,
    radius_m: float = 220.0,
    centre_m: tuple[float, float] | None = None,
) -> World:
    """The part of a map within `radius_m` of a place, which becomes the origin of odom.

    centre_m: the place, in the map's own metres (local_x, local_y, or east and north of the mean node); None = where
    most lanes are.

    Raises InputError that names the file and the element that is wrong, or if there is no lane in the part.
    """
    return assemble(plan_from_osm(path, rng, radius_m=radius_m, centre_m=centre_m), rng)


def plan_from_osm(
    path: Path,
    rng: np.random.Generator,
    *,
    radius_m: float = 220.0,
    centre_m: tuple[float, float] | None = None,
) -> Plan:
    """See `world_from_osm`."""
    source = read_osm(Path(path))
    lanelets = [let for r in source.relations.values() if (let := lanelet_of(source, r)) is not None]
    roads = [let for let in lanelets if is_road(let)]
    if not roads:
        raise InputError(f"{path}: no lanelets of the subtypes {sorted(KINDS)}")
    middle = np.array(centre_m) if centre_m is not None else _densest(roads, radius_m)
    near = _near(lanelets, middle, radius_m)
    roads = [let for let in near if let in roads]
    if not roads:
        raise InputError(f"{path}: no road within {radius_m} m of {tuple(np.round(middle, 1))}")
    return _Draft(source, middle, radius_m, near, roads).plan(rng)


def _densest(roads: list[Lanelet], radius_m: float) -> F64:
    """Where most lanes are within the radius."""
    at = np.array([let.line(0.5).mean(axis=0) for let in roads])
    length = np.array([arc_length(let.line(0.5))[-1] for let in roads])
    near = np.hypot(*(at[:, None] - at).T) < radius_m / 2
    return np.asarray(at[int(np.argmax(near @ length))])


def _near(lanelets: list[Lanelet], middle: F64, radius_m: float) -> list[Lanelet]:
    return [let for let in lanelets if np.hypot(*(let.line(0.5).mean(axis=0) - middle)) <= radius_m]


class _Draft:
    """A part of a map on its way to a plan, moved so that `middle` is the origin."""

    def __init__(
        self, source: OsmMap, middle: F64, radius_m: float, near: list[Lanelet], roads: list[Lanelet]
    ) -> None:
        self.source, self.middle, self.radius_m = source, middle, radius_m
        self.near = [replace(let, left_m=let.left_m - middle, right_m=let.right_m - middle) for let in near]
        names = {let.id for let in roads}
        self.roads = [let for let in self.near if let.id in names]

    def plan(self, rng: np.random.Generator) -> Plan:
        """All of it."""
        lanes, of_lanelet = lanes_of(self.roads)
        crossings = self._crossings(lanes)
        lanes, signals, posts, stop_lines = rules_of(
            self.source, self.middle, self.roads, lanes, of_lanelet, self._ways("stop_line")
        )
        islands = shapely.union_all(
            [self._areas(kind) for kind in ("vegetation", "traffic_island", "building")]
        )
        road = self._road(islands)
        posts = tuple(_hung(post, road) for post in posts)
        high = {post.signal for post in posts if post.kind == "hanging_signal"}
        signals = tuple(_at_height(s, HANGING_M) if s.id in high else s for s in signals)
        domain = road.buffer(_MARGIN_M)
        longer = shapely.union_all([road, *_beyond(lanes, road)]).buffer(1.2).buffer(-1.2)
        road = longer.difference(islands.buffer(-0.05)).intersection(domain).simplify(0.02)
        wear = float(rng.choice([0.02, 0.1, 0.25, 0.45]))
        pavement = road.buffer(_PAVEMENT_M).union(self._areas("walkway")).intersection(domain)
        return Plan(
            self.source.path.stem,
            lanes,
            road,
            pavement,
            domain,
            islands.intersection(road.convex_hull),
            "town",
            _start(lanes),
            Relief(slope=float(rng.uniform(0.0, 0.03))),
            crossings,
            signals,
            sidewalks(road.union(islands), domain, _PAVEMENT_M),
            tuple(_clipped(self._lines(wear), road)),
            stop_lines,
            tuple(self._patches(stop_lines, crossings, wear)),
            (*posts, *self._signs(road)),
            tuple(self._barriers(road, domain.buffer(-1.0))),
            low_kerb=tuple(crossing.polygon_m[:, :2] for crossing in crossings),
            parking=self._parking(road),
            heights=self._heights(),
        )

    def _ways(self, *kinds: str) -> list[tuple[Way, F64]]:
        """Ways of these types in the part, with their lines (N, 2)."""
        out = []
        for way in self.source.ways.values():
            xy = way.points_m[:, :2] - self.middle
            if (
                way.tags.get("type") in kinds
                and len(xy) > 1
                and np.hypot(*xy.mean(axis=0)) < self.radius_m + 10.0
            ):
                out.append((way, xy))
        return out

    def _areas(self, subtype: str) -> BaseGeometry:
        """The union of the map's areas of a kind."""
        shapes = []
        for relation in self.source.relations.values():
            if relation.tags.get("type") != "multipolygon" or relation.tags.get("subtype") != subtype:
                continue
            ways = [
                self.source.ways[ref]
                for kind, ref, _ in relation.members
                if kind == "way" and ref in self.source.ways
            ]
            lines = [shapely.LineString(w.points_m[:, :2] - self.middle) for w in ways if len(w.points_m) > 1]
            shapes += list(shapely.get_parts(shapely.polygonize([shapely.union_all(lines)])))
        near = [shape for shape in shapes if shape.centroid.distance(shapely.Point(0, 0)) < self.radius_m]
        return shapely.union_all(near) if near else shapely.Polygon()

    def _road(self, islands: BaseGeometry) -> BaseGeometry:
        """Asphalt: all lanes, places to park, and the gaps between them that no map line surrounds."""
        shapes = [let.polygon for let in self.roads]
        shapes += [
            shapely.Polygon(xy).buffer(0) for way, xy in self._ways("intersection_area") if len(xy) > 3
        ]
        road = shapely.union_all([*shapes, self._areas("parking")]).buffer(1.2).buffer(-1.2)
        parts = [
            shapely.Polygon(
                part.exterior, [ring for ring in part.interiors if shapely.Polygon(ring).area > 120.0]
            )
            for part in shapely.get_parts(road)
        ]
        return shapely.union_all(parts).difference(islands.buffer(-0.05)).simplify(0.02)

    def _heights(self) -> F64 | None:
        if not self.source.heights:
            return None
        points = np.concatenate([way.points_m for way in self.source.ways.values() if len(way.points_m)])
        points = points - [*self.middle, 0.0]
        near = points[np.hypot(points[:, 0], points[:, 1]) < self.radius_m + 60.0]
        # Lights and signs hang above the ground: of each square of 4 m the lowest point counts.
        order = near[np.argsort(near[:, 2], kind="stable")]
        first = np.unique(np.floor(order[:, :2] / 4.0), axis=0, return_index=True)[1]
        kept = order[np.sort(first)]
        return np.asarray(kept - np.array([0.0, 0.0, float(np.median(kept[:, 2]))]))

    def _crossings(self, lanes: tuple[Lane, ...]) -> tuple[Crossing, ...]:
        out: list[Crossing] = []
        for let in (x for x in self.near if x.tags.get("subtype") == "crosswalk"):
            # A crosswalk's bounds run with the walkers: its corners in order along the traffic.
            corners = np.array([let.right_m[0], let.right_m[-1], let.left_m[-1], let.left_m[0]])
            path = let.line(0.5)[[0, -1]]
            hits = [
                (lane, shapely.LineString(lane.centre_m[:, :2]).intersection(let.polygon)) for lane in lanes
            ]
            crossed = tuple(
                (lane.id, lane.project(np.array(hit.centroid.coords[0]))[0])
                for lane, hit in hits
                if not hit.is_empty
            )
            flat = np.zeros((4, 1))
            out.append(
                Crossing(len(out) + 1, np.hstack([corners, flat]), np.hstack([path, flat[:2]]), crossed)
            )
        return tuple(out)

    def _lines(self, wear: float) -> Iterator[Line]:
        for way, xy in self._ways("line_thin", "line_thick", "bike_marking"):
            subtype = way.tags.get("subtype", "solid")
            double = subtype in ("solid_solid", "solid_dashed", "dashed_solid")
            style = "double" if double else ("dashed" if subtype == "dashed" else "solid")
            word = "double_solid" if subtype == "solid_solid" else subtype
            width = 0.25 if way.tags["type"] == "line_thick" else 0.13
            yellow = way.tags.get("color") == "yellow"
            yield Line(xy, style, word, width, yellow, wear)

    def _patches(
        self, stop_lines: tuple[F64, ...], crossings: tuple[Crossing, ...], wear: float
    ) -> Iterator[Patch]:
        for line in stop_lines:
            step = line[-1] - line[0]
            side = 0.2 * np.array([-step[1], step[0]]) / max(float(np.hypot(*step)), 1e-6)
            yield Patch(
                np.array([line[0] - side, line[-1] - side, line[-1] + side, line[0] + side]), wear=wear
            )
        for crossing in crossings:
            a, b, c, d = crossing.polygon_m[:, :2]
            yield from crossing_bars(np.array([a, d, c, b]), wear)

    def _barriers(self, road: BaseGeometry, domain: BaseGeometry) -> Iterator[Barrier]:
        for way, xy in self._ways(*_WALLS):
            kind, height = _WALLS[way.tags["type"]]
            clear = shapely.LineString(xy).intersection(domain).difference(road.buffer(0.1))
            for part in shapely.get_parts(clear):
                if part.length > 1.0:
                    yield Barrier(kind, np.asarray(part.coords), height)

    def _signs(self, road: BaseGeometry) -> Iterator[Post]:
        for way, xy in self._ways("traffic_sign"):
            at = shapely.Point(xy.mean(axis=0))
            value = next(
                (word for code, word in _SIGNS.items() if code in way.tags.get("subtype", "")), "sign"
            )
            step = xy[-1] - xy[0]
            if not road.intersects(at):
                yield Post("sign", at.x, at.y, float(np.arctan2(-step[0], step[1])), value)

    def _parking(self, road: BaseGeometry) -> F64:
        """Places along the longer side of each area to park."""
        out: list[list[float]] = []
        for area in shapely.get_parts(self._areas("parking")):
            if area.is_empty:
                continue
            corners = np.asarray(shapely.minimum_rotated_rectangle(area).exterior.coords)[:4]
            sides = np.hypot(*(corners[1] - corners[0])), np.hypot(*(corners[2] - corners[1]))
            long = int(sides[1] > sides[0])
            ahead = (corners[long + 1] - corners[long]) / sides[long]
            across = corners[(long + 2) % 4] - corners[long + 1]
            n = int(sides[long] // 5.8)
            for k in range(n):
                x, y = corners[long] + across / 2 + ahead * sides[long] * (k + 0.5) / n
                inside = shapely.intersects_xy(area, x, y) and shapely.intersects_xy(road, x, y)
                if sides[1 - long] > 1.8 and inside:
                    yaw = float(np.arctan2(ahead[1], ahead[0]))
                    out.append([x, y, yaw, 5.4, float(min(sides[1 - long], 2.4))])
        return np.array(out).reshape(-1, 5)


def _at_height(signal: Signal, z_m: float) -> Signal:
    return replace(signal, position_m=(*signal.position_m[:2], z_m))


def _hung(post: Post, road: BaseGeometry) -> Post:
    """A light whose place is over the road hangs there."""
    over = bool(shapely.intersects_xy(road.buffer(0.3), post.x_m, post.y_m))
    return replace(post, kind="hanging_signal") if over else post


def _clipped(lines: Iterator[Line], road: BaseGeometry) -> Iterator[Line]:
    """Only what lies on the asphalt."""
    area = road.buffer(0.3)
    for line in lines:
        for part in shapely.get_parts(
            shapely.line_merge(shapely.LineString(line.points_m).intersection(area))
        ):
            if part.geom_type == "LineString" and part.length > 1.0:
                yield replace(line, points_m=np.asarray(part.coords))


def _beyond(lanes: tuple[Lane, ...], road: BaseGeometry) -> Iterator[BaseGeometry]:
    """Asphalt goes on where the part of the map ends, so that no kerb stands across a road."""
    followed = {i for lane in lanes for i in lane.successors}
    for lane in lanes:
        for open_here, s, turn in (
            (not lane.successors, lane.length_m, 0.0),
            (lane.id not in followed, 0.0, np.pi),
        ):
            if not open_here:
                continue
            at, yaw = lane.at(s)
            out = np.array([np.cos(yaw[0] + turn), np.sin(yaw[0] + turn)])
            side = np.array([-out[1], out[0]]) * (lane.width_m / 2 + 0.1)
            near, far = at[0, :2] - 0.2 * out, at[0, :2] + (_MARGIN_M + 12.0) * out
            strip = shapely.Polygon([near - side, near + side, far + side, far - side])
            if strip.intersection(road).area < 0.3 * strip.area:
                yield strip


def _start(lanes: tuple[Lane, ...]) -> tuple[int, float]:
    """On a lane near the middle that leads on for long."""
    by_id = {lane.id: lane for lane in lanes}

    def reach(lane: Lane) -> float:
        total, seen = 0.0, set()
        while lane.id not in seen and total < 200.0:
            seen.add(lane.id)
            total += lane.length_m
            lane = by_id[lane.successors[0]] if lane.successors else lane
        return total

    drivable = [lane for lane in lanes if lane.kind == "driving"]
    if not drivable:
        raise InputError("map: no lane for cars in this part")
    best = max(drivable, key=lambda x: reach(x) - 0.5 * float(np.hypot(*x.centre_m[:, :2].mean(axis=0))))
    return best.id, min(5.0, best.length_m / 2)
