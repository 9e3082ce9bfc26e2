"""Things that are no objects, put into a frame: bushes, trees, edges of woods, hedges, banks, walls, fences, poles.

A street that was modelled is tidier than a real one. The beams of the sweep itself are used, those that returned and
those that met the sky: where they pass through a thing they end in it, so that it is seen as this lidar would see it,
and hides what it would hide. What grows is porous: it lets beams through where it has gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.detection.raster import pseudo_angle

from .kernels import DIRECTIONS, first_obstacles
from .store import StoredFrame

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Rng = np.random.Generator
# Rows of things: middle x, y and foot z, yaw, length, width, height, m; way of a beam into it (mean), share of gaps,
# 1 = round (an ellipsoid) or 0 (a cuboid).
COLUMNS: Final = ("x", "y", "z", "yaw", "length", "width", "height", "depth", "gaps", "round")
_RANGE_M: Final = (4.0, 50.0)
_LONG_M: Final = 11.0
_GAP_M: Final = 0.4
# Gaps and leaves are so large; beams are followed in steps.
_LEAF_M: Final = 0.35
_STEP_M: Final = 0.12
# Beams that met the sky are followed so far.
_FAR_M: Final = 90.0
# Higher points are not shown to the network.
_HIGHEST_M: Final = 6.0


@dataclass(frozen=True, eq=False)
class _Beams:
    """Ends (N, 3) of all beams of a sweep, which returned (the first of them), and ring of those that did not."""

    ends_m: F32
    returned: int
    sky_ring: npt.NDArray[np.uint8]


def add_clutter(frame: StoredFrame, most: int, rng: Rng) -> StoredFrame:
    """Up to `most` groups of things where no object is; the boxes stay, their points behind a thing are lost."""
    seen_m = first_obstacles(frame.points.xyh_m, frame.origin_m)
    groups = [draw_group(frame.origin_m, seen_m, rng) for _ in range(rng.integers(0, most + 1))]
    groups = [g[free(g, frame.boxes)] for g in groups]
    things = np.concatenate([np.zeros((0, len(COLUMNS))), *groups])
    if not len(things):
        return frame
    beams = _all_beams(frame)
    xyh, n = beams.ends_m.copy(), beams.returned
    level = np.concatenate([np.zeros(0), *(np.full(len(g), rng.uniform(0.1, 0.9)) for g in groups)])
    hit = stop_beams(xyh, frame.origin_m, things, rng.random((2, 4096), np.float32))
    seen = hit >= 0
    new = np.flatnonzero(seen[n:] & (xyh[n:, 2] < _HIGHEST_M)) + n
    kept = np.concatenate([np.arange(n), new])
    rank = np.concatenate([frame.points.rank, np.zeros(len(new), np.float32)])
    at = seen[kept]
    rank[at] = np.clip(level[hit[kept[at]]] + rng.normal(0.0, 0.15, int(at.sum())), 0.0, 1.0)
    points = replace(frame.points, xyh_m=xyh[kept], rank=rank, source=np.zeros(len(kept), np.uint8))
    return replace(frame, points=points, ring=np.concatenate([frame.ring, beams.sky_ring[new - n]]))


def raise_ground(frame: StoredFrame, most: int, rng: Rng) -> StoredFrame:
    """Up to `most` mounds, banks and tufts of grass that the ground's estimate has not followed, off the objects."""
    xyh = frame.points.xyh_m.copy()
    boxes = frame.boxes
    for _ in range(rng.integers(0, most + 1)):
        reach, bearing = rng.uniform(5.0, 45.0), rng.uniform(-np.pi, np.pi)
        middle = frame.origin_m[:2] + reach * np.array([np.cos(bearing), np.sin(bearing)])
        size, yaw = np.array([rng.uniform(2.0, 14.0), rng.uniform(1.0, 5.0)]), rng.uniform(-np.pi, np.pi)
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        if len(boxes) and (np.abs((boxes["center_m"][:, :2] - middle) @ turn) < size + 2.5).all(axis=1).any():
            continue
        near = np.flatnonzero((np.abs(xyh[:, :2] - middle) < 15.0).all(axis=1))
        away = np.abs((xyh[near, :2] - middle) @ turn) / size
        bump = np.clip(1.0 - away**2, 0.0, 1.0).prod(axis=1)
        rough = rng.uniform(0.0, 0.12) * np.abs(rng.normal(0.0, 1.0, len(near)))
        xyh[near, 2] += (bump * rng.uniform(-0.3, 1.0) + rough * (bump > 0)).astype(np.float32)
    return replace(frame, points=replace(frame.points, xyh_m=xyh))


def draw_group(origin_m: F32, seen_m: F32, rng: Rng) -> F64:
    """(T, 10) things that stand together, as `COLUMNS` says; around the sensor, where it sees: `seen_m` (1024,)."""
    shares = np.array(list(_GROUPS.values()))
    make = list(_GROUPS)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    things: F64 = make(rng)
    yaw, bearing = rng.uniform(-np.pi, np.pi, 2)
    if np.ptp(things[:, 0]) > _LONG_M:
        # Along the way, not across it: little else would be seen.
        yaw = bearing - np.pi / 2 + rng.normal(0.0, 0.35)
    direction = min(int(pseudo_angle(np.cos(bearing), np.sin(bearing)) * (DIRECTIONS / 4.0)), DIRECTIONS - 1)
    # Behind the first obstacle little would be seen of it.
    reach = rng.uniform(_RANGE_M[0], max(_RANGE_M[0] + 1.0, min(_RANGE_M[1], float(seen_m[direction]) + 2.0)))
    c, s = np.cos(yaw), np.sin(yaw)
    things[:, :2] = things[:, :2] @ np.array([[c, s], [-s, c]])
    things[:, :2] += origin_m[:2] + reach * np.array([np.cos(bearing), np.sin(bearing)])
    things[:, 3] += yaw
    # None around the sensor itself.
    away = np.hypot(*(things[:, :2] - origin_m[:2]).T) - 0.5 * np.hypot(things[:, 4], things[:, 5])
    kept: F64 = things[away > _RANGE_M[0] / 2]
    return kept


def _thing(at: Any, size: Any, depth_m: float, gaps: float, is_round: bool, yaw: float = 0.0) -> list[float]:
    """at: x, y, z of the foot."""
    return [*at, yaw, *size, depth_m, gaps, float(is_round)]


def _leafy(count: int, reach_m: float, size_m: Any, height_m: Any, foot_m: Any, rng: Rng) -> F64:
    """Ellipsoids of leaves of one kind along a line."""
    depth, gaps = float(rng.uniform(0.05, 0.9)), float(rng.uniform(0.0, 0.65))
    return np.array([
        _thing(
            (rng.uniform(-reach_m, reach_m), rng.normal(0.0, 0.15 * reach_m + 0.2), rng.uniform(*foot_m)),
            (*rng.uniform(size_m[0], size_m[1], 2), rng.uniform(*height_m)), depth, gaps, True, rng.uniform(0, np.pi),
        )
        for _ in range(count)
    ])  # fmt: skip


def _bushes(rng: Rng) -> F64:
    top = rng.uniform(0.6, 2.6)
    return _leafy(
        int(rng.integers(1, 8)), rng.uniform(0.3, 5.0), (0.5, 2.6), (0.5 * top, top), (-0.1, 0.1), rng
    )


def _tree(rng: Rng) -> F64:
    """A trunk and a crown that may hang low."""
    clear, radius = rng.uniform(0.3, 3.5), rng.uniform(0.4, 2.8)
    crown = _leafy(int(rng.integers(2, 6)), 0.6 * radius, (0.7 * radius, 1.6 * radius), (radius, 2.0 * radius),
                   (clear, clear + radius), rng)  # fmt: skip
    trunk = _thing((0, 0, 0), (*np.full(2, rng.uniform(0.06, 0.5)), clear + radius), 0.02, 0.0, True)
    return np.concatenate([[trunk], crown])


def _wood(rng: Rng) -> F64:
    """The edge of a wood: trunks, undergrowth, crowns."""
    reach = rng.uniform(4.0, 16.0)
    trunks = [
        _thing((rng.uniform(-reach, reach), rng.uniform(0, 6), 0), (*[rng.uniform(0.1, 0.5)] * 2, 7), 0.02, 0, True)
        for _ in range(int(rng.integers(2, 7)))
    ]  # fmt: skip
    below = _leafy(int(rng.integers(2, 8)), reach, (0.8, 5.0), (0.4, 2.4), (-0.1, 0.2), rng)
    above = _leafy(int(rng.integers(2, 5)), reach, (3.0, 8.0), (3.0, 7.0), (1.0, 4.0), rng)
    return np.concatenate([trunks, below, above])


def _edge(rng: Rng) -> F64:
    """The long edge of a wood or thicket, with bays and bulges as large as cars; +y is into it."""
    length, deep, top = rng.uniform(20.0, 60.0), rng.uniform(3.0, 15.0), rng.uniform(1.5, 7.0)
    depth, gaps = rng.uniform(0.05, 1.0), rng.uniform(0.0, 0.5)
    at = np.arange(-length / 2, length / 2, rng.uniform(3.5, 6.0))
    back = rng.uniform(0.1, 1.2) * rng.standard_normal(len(at)) + rng.choice(
        [0.0, 2.0], len(at), p=[0.8, 0.2]
    )
    out = []
    for x, y in zip(at, back, strict=True):
        # The ground cuts an ellipsoid where it is wide, so that the edge stands upright.
        wide, high = deep * rng.uniform(0.7, 1.0), top * rng.uniform(0.6, 1.2)
        size = (rng.uniform(5.0, 9.0), wide, 1.5 * high)
        out.append(_thing((x, y + wide / 2, -0.5 * high), size, depth, gaps, True, rng.normal(0.0, 0.2)))
    for x in rng.uniform(-length / 2, length / 2, int(rng.integers(2, 10))):
        high = rng.uniform(0.5, 2.4)
        size = (rng.uniform(1.0, 4.8), rng.uniform(1.0, 3.0), 1.4 * high)
        out.append(
            _thing((x, rng.uniform(-1.0, 1.0), -0.4 * high), size, depth, gaps, True, rng.normal(0.0, 0.5))
        )
    out += [
        _thing((x, rng.uniform(-0.5, 4.0), 0), (*[rng.uniform(0.1, 0.6)] * 2, 7), 0.02, 0.0, True)
        for x in rng.uniform(-length / 2, length / 2, int(rng.integers(0, 8)))
    ]
    return np.array(out)


def _bank(rng: Rng) -> F64:
    """A slope of earth or rock along a road, rough and at times held by a wall; +y is up the slope."""
    length, high, wide = rng.uniform(12.0, 50.0), rng.uniform(0.5, 4.5), rng.uniform(2.0, 8.0)
    # What is under the ground is not seen: the deeper the middle, the flatter the foot.
    sunk, rough = rng.uniform(0.0, 1.5), rng.uniform(0.02, 0.15)
    out = []
    for x in np.arange(-length / 2, length / 2, rng.uniform(2.5, 5.0)):
        top, y = high * rng.uniform(0.7, 1.15), wide + rng.normal(0.0, 0.3)
        size = (rng.uniform(7.0, 12.0), 2 * wide, 2 * (1.0 + sunk) * top)
        out.append(_thing((x, y, -(1.0 + 2 * sunk) * top), size, rough, 0.0, True, rng.normal(0.0, 0.08)))
    if rng.random() < 0.4:
        size = length + 4.0, rng.uniform(0.2, 1.5), rng.uniform(0.3, 0.8) * high
        out.append(_thing((0, rng.uniform(0.0, 0.8), 0), size, 0.02, 0.0, False))
    return np.array(out)


def _hedge(rng: Rng) -> F64:
    size = rng.uniform(2.0, 20.0), rng.uniform(0.5, 1.8), rng.uniform(0.5, 2.2)
    return np.array([_thing((0, 0, 0), size, rng.uniform(0.03, 0.5), rng.uniform(0.0, 0.3), False)])


def _wall(rng: Rng) -> F64:
    """A wall or fence, and at times one that goes on round a corner or behind a gap."""
    length, height, gaps = rng.uniform(1.0, 15.0), rng.uniform(0.4, 2.8), rng.choice([0.0, 0.0, 0.5])
    first = _thing((0, 0, 0), (length, rng.uniform(0.05, 0.4), height), 0.03, gaps, False)
    at, turn = rng.choice([0.5, 0.6, 0.8]) * length, rng.choice([0.0, np.pi / 2])
    other = _thing(
        (at, 0, 0), (rng.uniform(0.5, 8.0), rng.uniform(0.05, 0.4), height), 0.03, gaps, False, turn
    )
    return np.array([first, other][: int(rng.integers(1, 3))])


def _posts(rng: Rng) -> F64:
    """Poles, posts, bollards, stakes, and plates on them; alone or in a row."""
    apart, width, height = rng.uniform(0.8, 4.0), rng.uniform(0.05, 0.35), rng.uniform(0.5, 6.0)
    row = [
        _thing((k * apart, rng.normal(0, 0.1), 0), (width, width, height), 0.01, 0.0, True)
        for k in range(int(rng.choice([1, 1, 1, 2, 3, 5])))
    ]
    if rng.random() < 0.3:
        size = (rng.uniform(0.3, 1.5), 0.05, rng.uniform(0.3, 1.2))
        row.append(_thing((0, 0, rng.uniform(0.6, 2.8)), size, 0.01, 0.0, False, rng.uniform(0, np.pi)))
    return np.array(row)


def _boxes(rng: Rng) -> F64:
    """Bins, cabinets, crates, letter boxes: lower or wider than a person; seldom a skip or a shed."""
    if rng.random() < 0.2:
        size = (
            rng.uniform(1.2, 6.0),
            rng.uniform(1.0, 2.4),
            rng.choice([rng.uniform(0.6, 1.2), rng.uniform(2.0, 3.0)]),
        )
    else:
        size = rng.uniform(0.3, 1.5), rng.uniform(0.3, 0.9), rng.uniform(0.4, 1.4)
    count = int(rng.choice([1, 1, 2, 3]))
    gap = size[0] + rng.uniform(0.05, 1.0)
    return np.array([_thing((k * gap, 0, 0), size, 0.01, 0.0, False) for k in range(count)])


def _hanging(rng: Rng) -> F64:
    """What is seen of a thing without its foot: awnings, twigs, signs."""
    foot, size = rng.uniform(1.0, 2.6), (rng.uniform(0.2, 2.5), rng.uniform(0.05, 1.5), rng.uniform(0.1, 1.0))
    return np.array(
        [_thing((0, 0, foot), size, rng.uniform(0.01, 0.3), rng.uniform(0.0, 0.5), rng.random() < 0.5)]
    )


_GROUPS: Final[dict[Callable[[Rng], F64], float]] = {
    _bushes: 0.26, _tree: 0.14, _wood: 0.1, _edge: 0.05, _bank: 0.04, _hedge: 0.08, _wall: 0.12, _posts: 0.18,
    _boxes: 0.07, _hanging: 0.05,
}  # fmt: skip


def free(things: F64, boxes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(T,) things that no box (M,) comes near; those that begin above a box do not."""
    if not len(boxes):
        return np.ones(len(things), np.bool_)
    c, s = np.cos(things[:, 3:4]), np.sin(things[:, 3:4])
    dx = boxes["center_m"][None, :, 0] - things[:, 0:1]
    dy = boxes["center_m"][None, :, 1] - things[:, 1:2]
    radius = 0.5 * np.hypot(*boxes["lwh_m"][:, :2].T) + _GAP_M
    beside = np.abs(dx * c + dy * s) - things[:, 4:5] / 2 < radius
    beside &= np.abs(dy * c - dx * s) - things[:, 5:6] / 2 < radius
    below = boxes["center_m"][:, 2] + boxes["lwh_m"][:, 2] / 2 + 0.2 < things[:, 2:3]
    clear: npt.NDArray[np.bool_] = ~(beside & ~below).any(axis=1)
    return clear


def _all_beams(frame: StoredFrame) -> _Beams:
    """Beams that look up and have no point met the sky: where a thing rises into it they have to be made."""
    step = frame.points.xyh_m - frame.origin_m
    rise = step[:, 2] / np.maximum(np.hypot(step[:, 0], step[:, 1]), np.float32(0.1))
    count = np.bincount(frame.ring, minlength=256)
    firings = int(count.max(initial=0))
    ends: list[Any] = [frame.points.xyh_m]
    rings: list[Any] = [np.zeros(0, np.uint8)]
    by_ring = np.argsort(frame.ring, kind="stable")
    last = np.cumsum(count)
    for ring in np.flatnonzero(count >= 10).tolist():
        of = by_ring[last[ring] - count[ring] : last[ring]]
        up = float(np.median(rise[of]))
        if up <= -0.02:
            continue
        empty = np.ones(firings, np.bool_)
        empty[(np.arctan2(step[of, 1], step[of, 0]) * (firings / (2 * np.pi))).astype(np.int64) % firings] = (
            False
        )
        # Directions fall into their bins unevenly: a neighbour of a return is none of the sky.
        empty &= np.roll(empty, 1) & np.roll(empty, -1)
        angle = (np.flatnonzero(empty) + 0.5) * (2 * np.pi / firings)
        way = np.column_stack([np.cos(angle), np.sin(angle), np.full(len(angle), up)])
        ends.append((_FAR_M * way + frame.origin_m).astype(np.float32))
        rings.append(np.full(len(angle), ring, np.uint8))
    return _Beams(np.concatenate(ends), len(frame.points), np.concatenate(rings))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def stop_beams(xyh: Any, origin: Any, things: Any, chance: Any) -> Any:
    """Move the ends of beams (N, 3) to where they end in one of the things (T, 10); returns (N,) in which, -1 none.

    chance (2, C) uniform numbers that are used in turn. Along its way in a thing a beam is stopped as by a medium of
    the thing's mean depth that has gaps.
    """
    out = np.full(len(xyh), -1, np.int64)
    turn = 0
    for t in range(len(things)):
        a = things[t]
        c, s = np.cos(a[3]), np.sin(a[3])
        half = (0.5 * a[4], 0.5 * a[5], 0.5 * a[6])
        ox, oy = origin[0] - a[0], origin[1] - a[1]
        begin = (
            (ox * c + oy * s) / half[0],
            (oy * c - ox * s) / half[1],
            (origin[2] - a[2] - half[2]) / half[2],
        )
        radius = np.sqrt(half[0] * half[0] + half[1] * half[1])
        square = radius * radius
        away = np.sqrt(ox * ox + oy * oy)
        for k in range(len(xyh)):
            vx, vy = xyh[k, 0] - origin[0], xyh[k, 1] - origin[1]
            cross, flat = ox * vy - oy * vx, vx * vx + vy * vy
            if ox * vx + oy * vy >= 0.0 or cross * cross > square * flat or flat < (away - radius) ** 2:
                continue
            vz = xyh[k, 2] - origin[2]
            way = ((vx * c + vy * s) / half[0], (vy * c - vx * s) / half[1], vz / half[2])
            enter, leave = _sphere(begin, way) if a[9] > 0.5 else _cube(begin, way)
            if not 0.0 < enter < leave or enter >= 1.0:
                continue
            turn = (turn + 1) % chance.shape[1]
            length = np.sqrt(flat + vz * vz)
            left = -np.log(1.0 - chance[0, turn]) * a[7]
            step = min(_STEP_M, 0.3 * a[7] + 1e-3) / length
            end = _stopped(enter, min(leave, 1.0), step, left / length, (origin, (vx, vy, vz)), (a[8], t))
            if end >= 1.0:
                continue
            end = min(end + step * chance[1, turn], leave)
            if end < 1.0:
                xyh[k, 0], xyh[k, 1] = origin[0] + end * vx, origin[1] + end * vy
                xyh[k, 2] = origin[2] + end * vz
                out[k] = t
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _stopped(enter: float, leave: float, step: float, left: float, beam: Any, medium: Any) -> float:
    """Share of the beam's way at which it has gone `left` through what is not gaps; 1 where it comes out again."""
    origin, way = beam
    gaps, number = medium
    if gaps <= 0.0:
        return float(enter + left) if enter + left < leave else 1.0
    at = enter
    while at < leave:
        i = np.floor((origin[0] + at * way[0]) / _LEAF_M)
        j = np.floor((origin[1] + at * way[1]) / _LEAF_M)
        k = np.floor((origin[2] + at * way[2]) / _LEAF_M)
        if _hash(i, j, k, number) >= gaps:
            left -= step
            if left <= 0.0:
                return float(at)
        at += step
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _hash(i: float, j: float, k: float, number: int) -> float:
    """A number from 0 to 1 that is fixed for a cell of a thing."""
    h = np.uint64(np.int64(i)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ np.uint64(np.int64(j))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(29)) ^ np.uint64(np.int64(k))) * np.uint64(0x94D049BB133111EB)
    h = (h ^ np.uint64(number)) * np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(32)
    return float(h & np.uint64(0xFFFF)) / 65536.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _sphere(begin: Any, way: Any) -> Any:
    """Where the line begin + t way enters and leaves the unit sphere; (1, 0) where it does not."""
    a = way[0] * way[0] + way[1] * way[1] + way[2] * way[2]
    b = begin[0] * way[0] + begin[1] * way[1] + begin[2] * way[2]
    root = b * b - a * (begin[0] * begin[0] + begin[1] * begin[1] + begin[2] * begin[2] - 1.0)
    if root <= 0.0 or a <= 0.0:
        return 1.0, 0.0
    return (-b - np.sqrt(root)) / a, (-b + np.sqrt(root)) / a


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _cube(begin: Any, way: Any) -> Any:
    """The same for the cube from -1 to 1."""
    enter, leave = -np.inf, np.inf
    for k in range(3):
        if abs(way[k]) < 1e-9:
            if abs(begin[k]) > 1.0:
                return 1.0, 0.0
            continue
        a, b = (-1.0 - begin[k]) / way[k], (1.0 - begin[k]) / way[k]
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    if enter >= leave:
        return 1.0, 0.0
    return enter, leave
