"""Lanelets as a map has them, and the lanes that are made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import arc_length

from .osm import OsmMap, Relation, Way
from .roads import Lane

F64 = npt.NDArray[np.float64]

KINDS: Final = {
    "road": "driving",
    "highway": "driving",
    "bicycle_lane": "bicycle",
    "road_shoulder": "shoulder",
}
_TWO_WAYS_M: Final = 4.4  # a lanelet for both directions that is wider than this becomes two lanes
_KM_PER_MILE: Final = 1.609344


@dataclass(frozen=True, eq=False)
class Lanelet:
    """left, right (N, 2): its bounds, in its direction, with equally many points; ends: nodes of its corners."""

    id: int
    left_m: F64
    right_m: F64
    left_way: int
    right_way: int
    ends: tuple[int, int, int, int]
    tags: dict[str, str]
    rules: tuple[int, ...]

    @property
    def polygon(self) -> BaseGeometry:
        """Its area."""
        return shapely.Polygon(np.concatenate([self.left_m, self.right_m[::-1]])).buffer(0)

    @property
    def width_m(self) -> float:
        """In the mean."""
        return float(np.hypot(*(self.left_m - self.right_m).T).mean())

    def line(self, share: float) -> F64:
        """(N, 2) between its bounds: 0 = the right one, 1 = the left one."""
        return self.right_m + share * (self.left_m - self.right_m)


def lanelet_of(source: OsmMap, relation: Relation) -> Lanelet | None:
    """None for other relations; raises InputError that names the element that is wrong."""
    if relation.tags.get("type") != "lanelet":
        return None
    sides: dict[str, Way] = {}
    for kind, ref, role in relation.members:
        if kind == "way" and role in ("left", "right"):
            if ref not in source.ways:
                raise InputError(
                    f"{source.path}: relation {relation.id}: {role} way {ref} is not in the file"
                )
            if role in sides:
                raise InputError(f"{source.path}: relation {relation.id}: more than one {role} way")
            if len(source.ways[ref].points_m) < 2:
                raise InputError(f"{source.path}: way {ref}: a bound of a lanelet: wanted at least 2 points")
            sides[role] = source.ways[ref]
    for role in ("left", "right"):
        if role not in sides:
            raise InputError(f"{source.path}: relation {relation.id}: a lanelet without a {role} way")
    return _aligned(relation, sides["left"], sides["right"])


def _aligned(relation: Relation, left: Way, right: Way) -> Lanelet:
    """Bounds may run either way in the file; here both run with the lanelet, whose left bound is on its left."""
    a, b = left.points_m[:, :2], right.points_m[:, :2]
    first, second = left.nodes, right.nodes
    same = np.hypot(*(a[0] - b[0])) + np.hypot(*(a[-1] - b[-1]))
    if np.hypot(*(a[0] - b[-1])) + np.hypot(*(a[-1] - b[0])) < same:
        b, second = b[::-1], second[::-1]
    ring = np.concatenate([b, a[::-1]])
    after = np.roll(ring, -1, axis=0)
    # Counter-clockwise along the right bound and back along the left one.
    if (ring[:, 0] * after[:, 1] - ring[:, 1] * after[:, 0]).sum() < 0:
        a, b, first, second = a[::-1], b[::-1], first[::-1], second[::-1]
    n = max(3, int(max(arc_length(a)[-1], arc_length(b)[-1]) / 2.0) + 2)
    rules = tuple(ref for kind, ref, role in relation.members if role == "regulatory_element")
    ends = (first[0], second[0], first[-1], second[-1])
    return Lanelet(relation.id, _even(a, n), _even(b, n), left.id, right.id, ends, relation.tags, rules)


def _even(line: F64, n: int) -> F64:
    s = arc_length(line)
    at = np.linspace(0.0, s[-1], n)
    return np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1)


def is_road(let: Lanelet) -> bool:
    """Whether vehicles drive on it."""
    if let.tags.get("subtype") not in KINDS:
        return False
    walked = any(let.tags.get(f"participant:{who}") == "yes" for who in ("pedestrian", "bicycle"))
    return not walked or any(
        key.startswith("participant:vehicle") and value == "yes" for key, value in let.tags.items()
    )


def lanes_of(roads: list[Lanelet]) -> tuple[tuple[Lane, ...], dict[int, list[int]]]:
    """Lanes, joined to each other; and the ids of the lanes of each lanelet."""
    drafts: list[tuple[Lane, Lanelet, bool, float]] = []
    for let in roads:
        both = let.tags.get("one_way", "yes") in ("no", "false") and let.width_m > _TWO_WAYS_M
        for forward, share in ((True, 0.25), (False, 0.75)) if both else ((True, 0.5),):
            xy = let.line(share)
            centre = np.column_stack([xy if forward else xy[::-1], np.zeros(len(xy))])
            kind = KINDS[let.tags["subtype"]]
            width = let.width_m * (0.5 if both else 1.0)
            lane = Lane(
                len(drafts) + 1, centre, width, _speed(let), kind, turn=let.tags.get("turn_direction", "")
            )
            drafts.append((lane, let, forward, share))
    of_lanelet: dict[int, list[int]] = {}
    for lane, let, _, _ in drafts:
        of_lanelet.setdefault(let.id, []).append(lane.id)
    return _joined(drafts), of_lanelet


def _speed(let: Lanelet) -> float:
    """m/s; numbers without a unit are km/h."""
    said = re.search(r"(\d+(?:\.\d+)?)\s*(mph)?", let.tags.get("speed_limit", ""))
    limit = 120.0 if let.tags.get("subtype") == "highway" else 50.0
    if said:
        limit = float(said[1]) * (_KM_PER_MILE if said[2] else 1.0)
    return min(max(limit, 5.0), 130.0) / 3.6


def _corners(let: Lanelet, forward: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """Left and right node at the start, and at the end, as a driver sees them."""
    a, b, c, d = let.ends
    return ((a, b), (c, d)) if forward else ((d, c), (b, a))


def _joined(drafts: list[tuple[Lane, Lanelet, bool, float]]) -> tuple[Lane, ...]:
    starts: dict[tuple[int, int], list[Lane]] = {}
    left_of: dict[tuple[int, bool], int] = {}
    right_of: dict[tuple[int, bool], int] = {}
    for lane, let, forward, _ in drafts:
        starts.setdefault(_corners(let, forward)[0], []).append(lane)
        if forward:
            left_of[let.right_way, forward] = lane.id
            right_of[let.left_way, forward] = lane.id
    out = []
    for lane, let, forward, _ in drafts:
        after = [
            x for x in starts.get(_corners(let, forward)[1], []) if x.id != lane.id and x.kind == lane.kind
        ]
        centre = lane.centre_m
        if after:
            # Where one lane for both directions meets two, its end is moved onto the start of what follows.
            gaps = [float(np.hypot(*(x.centre_m[0] - centre[-1])[:2])) for x in after]
            meet = after[int(np.argmin(gaps))].centre_m[0]
            after = [x for x in after if np.hypot(*(x.centre_m[0] - meet)[:2]) < 0.01 and min(gaps) < 2.5]
            if after:
                centre = np.concatenate([centre[:-1], meet[None]])
        beside = (
            (left_of.get((let.left_way, True), 0), right_of.get((let.right_way, True), 0))
            if forward
            else (0, 0)
        )
        left, right = (i if i != lane.id else 0 for i in beside)
        out.append(
            replace(lane, centre_m=centre, successors=tuple(x.id for x in after), left=left, right=right)
        )
    return tuple(out)
