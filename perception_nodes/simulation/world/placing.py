"""Where houses, gardens and street furniture stand: beside the pavements, and never on a lane or on each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from perception_nodes.geometry import arc_length

from .ground import kerb_lines
from .paint import between
from .plan import Barrier, Plan, Post
from .wild import KINDS as WILD
from .woods import Lining, line_roads

F64 = npt.NDArray[np.float64]

# Shares of what stands along a pavement: house, wall, fence, hedge, nothing.
_SHARES: Final = {
    "town": (0.76, 0.07, 0.06, 0.06, 0.05),
    "suburb": (0.68, 0.06, 0.06, 0.10, 0.10),
    "open": (0.04, 0.04, 0.12, 0.20, 0.60),
}
_WHAT: Final = ("house", "wall", "fence", "hedge", "nothing")
_LENGTH_M: Final = {"house": (9.0, 19.0), "wall": (6.0, 16.0), "fence": (8.0, 24.0), "hedge": (5.0, 16.0)}
_HEIGHT_M: Final = {"wall": (1.0, 2.3), "fence": (0.9, 1.8), "hedge": (0.9, 2.0)}
_FURNITURE: Final = ("tree", "lamp", "bin", "bollard", "cabinet", "bush", "shelter")
_FURNITURE_SHARE: Final = (0.46, 0.0, 0.14, 0.18, 0.10, 0.08, 0.04)
_LAMP_EVERY_M: Final = 28.0
# Things on 100 m2 where it is all overgrown, and the most of a street; half of them near its edge, where they are seen.
_WILD_SHARE: Final = 3.0
_MOST_WILD: Final = 260
_VERGE_M: Final = 6.0


@dataclass(eq=False)
class Settlement:
    """What was placed: houses (4, 2) with front left corner first and their heights; barriers; posts; lining."""

    houses: list[F64] = field(default_factory=list)
    heights_m: list[float] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    lining: Lining = field(default_factory=Lining)


def settle(plan: Plan, rng: np.random.Generator) -> Settlement:
    """Everything beside the road that the plan does not name itself."""
    out = Settlement()
    if plan.setting == "none":
        return out
    taken = _Taken(plan)
    for corners in plan.houses:
        if taken.add(shapely.Polygon(corners), ground_only=False):
            out.houses.append(corners)
            out.heights_m.append(3.0 * float(rng.integers(2, 6)))
    lines = _building_lines(plan)
    if plan.wooded > 0:
        out.lining = line_roads(lines, plan.wooded, taken, rng)
        out.barriers += out.lining.hedges
    for line in lines:
        _along(line, plan, taken, out, rng)
    walked = not plan.pavement.is_empty
    for line in kerb_lines(plan):
        if walked:
            _furnish(line, plan, out, rng)
    if plan.overgrown > 0:
        _grow(plan, taken, out, rng)
    return out


class _Taken:
    """Ground on which nothing can be built any more."""

    def __init__(self, plan: Plan) -> None:
        walked = plan.pavement.union(plan.road).union(plan.islands)
        self._ways = walked
        shapely.prepare(self._ways)
        self._domain = plan.domain.buffer(-0.3)
        shapely.prepare(self._domain)
        fixed = [
            shapely.Polygon(line).buffer(2.5)
            for a, b, _ in plan.roofs
            for line in [np.concatenate([a, b[::-1]])]
        ]
        fixed += [shapely.LineString(b.points_m).buffer(0.4) for b in plan.barriers]
        fixed += [shapely.Point(p.x_m, p.y_m).buffer(0.4) for p in plan.posts]
        self._shapes: list[BaseGeometry] = fixed

    def add(self, shape: BaseGeometry, *, ground_only: bool = True) -> bool:
        """Take the place if it is free."""
        if self._ways.intersects(shape) or (ground_only and not self._domain.contains(shape)):
            return False
        if self._shapes and shapely.intersects(np.array(self._shapes), shape).any():
            return False
        self._shapes.append(shape)
        return True

    def left_of(self, shape: BaseGeometry, gap_m: float) -> BaseGeometry:
        """What of a shape is free, and so far from what is not; it is not taken."""
        around = shape.buffer(gap_m)
        near = [s for s in self._shapes if s.intersects(around)]
        ways = self._ways.intersection(shapely.box(*around.bounds))
        return shape.intersection(self._domain).difference(shapely.union_all([ways, *near]).buffer(gap_m))


def _building_lines(plan: Plan) -> list[F64]:
    """(N, 2) lines just behind the pavements, with the road on their right."""
    edge = plan.pavement.union(plan.road).union(plan.islands).buffer(0.15)
    lines = shapely.get_parts(shapely.line_merge(edge.boundary.intersection(plan.domain.buffer(-0.5))))
    out = []
    for line in lines:
        xy = np.asarray(line.simplify(0.05).coords)
        if line.length < 6.0:
            continue
        middle = between(xy, line.length / 2 - 0.2, line.length / 2 + 0.2)
        step = middle[-1] - middle[0]
        right = middle.mean(axis=0) + 0.5 * np.array([step[1], -step[0]]) / np.hypot(*step)
        out.append(xy if shapely.intersects_xy(edge, *right) else xy[::-1])
    return out


def _along(line: F64, plan: Plan, taken: _Taken, out: Settlement, rng: np.random.Generator) -> None:
    """Walk along a line and put one thing beside the other."""
    length = float(arc_length(line)[-1])
    at = float(rng.uniform(0.0, 2.0))
    while at < length - 5.0:
        what = _WHAT[int(rng.choice(len(_WHAT), p=_SHARES[plan.setting]))]
        if what == "nothing" or (what == "house" and plan.pavement.is_empty and plan.setting == "open"):
            at += float(rng.uniform(3.0, 8.0 if plan.setting == "town" else 25.0))
            continue
        size = min(float(rng.uniform(*_LENGTH_M[what])), length - at)
        while size > 4.0:
            placed = (
                _house(line, at, size, plan, taken, out, rng)
                if what == "house"
                else _screen(what, line, at, size, taken, out, rng)
            )
            if placed:
                break
            size *= 0.6
        at += size + (float(rng.choice([0.1, 0.1, 1.5, 4.0])) if size > 4.0 else 1.0)


def _house(
    line: F64, at: float, size: float, plan: Plan, taken: _Taken, out: Settlement, rng: np.random.Generator
) -> bool:
    """A house with its front along the line; in a suburb behind a garden with a hedge, a fence or a low wall."""
    ends = between(line, at, at + size)[[0, -1]]
    front = float(np.hypot(*(ends[1] - ends[0])))
    if front < 3.5:
        return False
    ahead = (ends[1] - ends[0]) / front
    away = np.array([-ahead[1], ahead[0]])
    garden = plan.setting == "suburb"
    back = float(rng.uniform(3.5, 6.0)) if garden else float(rng.choice([0.0, 0.0, 0.6, 1.5]))
    depth = float(rng.uniform(7.0, 11.0))
    # Seen from the street, which is on the line's right, the left end of a front is the line's later end.
    left, right = ends[1] + away * back, ends[0] + away * back
    corners = np.array([right, left, left + away * depth, right + away * depth])
    if not taken.add(shapely.Polygon(corners)):
        return False
    out.houses.append(corners)
    storeys = int(rng.integers(2, 6) if plan.setting == "town" else rng.integers(1, 3))
    out.heights_m.append(storeys * float(rng.uniform(2.8, 3.4)))
    if garden and rng.random() < 0.7:
        what = ("wall", "fence", "hedge")[int(rng.integers(3))]
        _screen(what, line, at, size, taken, out, rng)
    return True


def _screen(
    what: str, line: F64, at: float, size: float, taken: _Taken, out: Settlement, rng: np.random.Generator
) -> bool:
    """A wall, fence or hedge a little behind the line."""
    piece = between(line, at, at + size)
    shape = shapely.LineString(piece).offset_curve(0.5)
    if shape.is_empty or shape.geom_type != "LineString" or shape.length < 2.0:
        return False
    if not taken.add(shape.buffer(0.28)):
        return False
    out.barriers.append(Barrier(what, np.asarray(shape.coords), float(rng.uniform(*_HEIGHT_M[what]))))
    return True


def _furnish(line: F64, plan: Plan, out: Settlement, rng: np.random.Generator) -> None:
    """Lamps at even distances along a kerb, other things between them."""
    shape = shapely.LineString(line)
    crossings = shapely.union_all([shapely.Polygon(c.polygon_m[:, :2]) for c in plan.crossings]).buffer(3.0)
    named = np.array([[p.x_m, p.y_m] for p in plan.posts]).reshape(-1, 2)
    next_lamp = float(rng.uniform(4.0, _LAMP_EVERY_M))
    at = float(rng.uniform(2.0, 6.0))
    while at < shape.length - 2.0:
        kind = _FURNITURE[int(rng.choice(len(_FURNITURE), p=_FURNITURE_SHARE))]
        if at >= next_lamp:
            kind, next_lamp = "lamp", next_lamp + _LAMP_EVERY_M
        away = {"lamp": 0.8, "shelter": 1.9, "tree": 1.0}.get(kind, float(rng.uniform(0.6, 0.9)))
        place = _beside(line, at, away, plan)
        if (
            place is not None
            and shapely.intersects_xy(plan.islands, *place[0])
            and kind not in ("tree", "lamp")
        ):
            kind = "bush"
        at += float(rng.uniform(4.0, 11.0))
        if place is None:
            continue
        xy, yaw = place
        clear = len(named) == 0 or np.hypot(*(named - xy).T).min() > 2.0
        if clear and not crossings.intersects(shapely.Point(xy)):
            out.posts.append(Post(kind, float(xy[0]), float(xy[1]), yaw))


def _beside(line: F64, at: float, away_m: float, plan: Plan) -> tuple[F64, float] | None:
    """A place on the pavement beside a kerb, and the heading from there to the road."""
    ends = between(line, at, at + 0.5)[[0, -1]]
    step = ends[1] - ends[0]
    step /= np.hypot(*step)
    for side in (1.0, -1.0):
        out = side * np.array([-step[1], step[0]])
        xy = ends[0] + away_m * out
        room = xy + 0.5 * out
        if shapely.intersects_xy(plan.pavement, *room) and not shapely.intersects_xy(plan.road, *xy):
            return xy, float(np.arctan2(-out[1], -out[0]))
    return None


def _grow(plan: Plan, taken: _Taken, out: Settlement, rng: np.random.Generator) -> None:
    """Shrubs, trees and what people leave, wherever nothing else stands."""
    walked = plan.pavement.union(plan.road).union(plan.islands)
    for area, share in ((plan.domain.intersection(walked.buffer(_VERGE_M)), 0.6), (plan.domain, 0.4)):
        free = area.difference(walked)
        west, south, east, north = free.bounds
        count = min(share * _MOST_WILD, share * plan.overgrown * _WILD_SHARE * free.area / 100.0)
        tries = int(count * (east - west) * (north - south) / max(free.area, 1.0))
        for x, y in rng.uniform((west, south), (east, north), (tries, 2)).tolist():
            kind = list(WILD)[int(rng.choice(len(WILD), p=[share for share, _ in WILD.values()]))]
            if shapely.intersects_xy(free, x, y) and taken.add(shapely.Point(x, y).buffer(WILD[kind][1])):
                out.posts.append(Post(kind, x, y, float(rng.uniform(-np.pi, np.pi))))
