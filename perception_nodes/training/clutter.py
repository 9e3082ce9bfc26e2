"""Things that are no objects, put into a frame: bushes, hedges, pieces of walls and fences, poles.

A street that was modelled is tidier than a real one. The beams of the sweep itself are used: those that pass through a
thing end in it instead of behind it, so that it is seen as this lidar would see it, and hides what it would hide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.detection.raster import pseudo_angle

from .kernels import DIRECTIONS, first_obstacles
from .store import StoredFrame

F32 = npt.NDArray[np.float32]
Rng = np.random.Generator
# Kind: share; length, width, height, and how deep beams get in, least and most, m; whether it is round.
_KINDS: Final = (
    (0.3, (0.8, 5.0), (0.8, 2.5), (0.5, 2.2), (0.1, 0.8), True),     # bushes
    (0.15, (5.0, 20.0), (0.5, 1.8), (0.5, 2.0), (0.05, 0.5), False),  # hedges
    (0.15, (3.0, 15.0), (0.1, 0.4), (0.5, 2.5), (0.01, 0.1), False),  # walls, fences
    (0.1, (0.1, 0.5), (0.1, 0.5), (0.8, 4.0), (0.01, 0.1), True),    # poles, posts, bins
    (0.3, (6.0, 35.0), (2.5, 9.0), (1.8, 8.0), (0.4, 4.0), True),    # edges of a wood, with its undergrowth
)  # fmt: skip
_RANGE_M: Final = (4.0, 48.0)
_GAP_M: Final = 0.5
# Higher points are not shown to the network.
_HIGHEST_M: Final = 6.0


def add_clutter(frame: StoredFrame, most: int, rng: Rng) -> StoredFrame:
    """Up to `most` things where no object is; the boxes stay, their points behind a thing are lost."""
    points, ring = frame.points, frame.ring
    upward = _upward_beams(frame)
    for _ in range(rng.integers(0, most + 1)):
        thing, depth_m, is_round = draw_thing(frame.origin_m, rng)
        if not _is_free(thing, frame.boxes):
            continue
        xyh, rank = points.xyh_m.copy(), points.rank.copy()
        sky, sky_ring = _sky(thing, upward, frame.origin_m, first_obstacles(xyh, frame.origin_m))
        level = float(rng.uniform(0.1, 0.9))
        hit = stop_beams(xyh, frame.origin_m, thing, depth_m, is_round, rng.random((2, len(xyh)), np.float32))
        rank[hit] = np.clip(level + rng.normal(0.0, 0.15, int(hit.sum())), 0.0, 1.0)
        new = stop_beams(sky, frame.origin_m, thing, depth_m, is_round, rng.random((2, len(sky)), np.float32))
        new &= sky[:, 2] < _HIGHEST_M
        seen = np.clip(level + rng.normal(0.0, 0.15, int(new.sum())), 0.0, 1.0).astype(np.float32)
        points = replace(
            points,
            xyh_m=np.concatenate([xyh, sky[new]]),
            rank=np.concatenate([rank, seen]),
            source=np.zeros(len(xyh) + len(seen), np.uint8),
        )
        ring = np.concatenate([ring, sky_ring[new]])
    return replace(frame, points=points, ring=ring)


def _upward_beams(frame: StoredFrame) -> tuple[list[tuple[int, float]], int]:
    """Beams that do not meet the road nearby, (ring, rise per metre), and the number of firings in a turn.

    Where such a beam meets nothing the sweep has no point: these beams have to be made.
    """
    step = frame.points.xyh_m - frame.origin_m
    rise = step[:, 2] / np.maximum(np.hypot(step[:, 0], step[:, 1]), 0.1)
    count = np.bincount(frame.ring, minlength=256)
    beams = [(int(r), float(np.median(rise[frame.ring == r]))) for r in np.flatnonzero(count >= 10)]
    return [b for b in beams if b[1] > -0.02], int(count.max(initial=0))


def _sky(
    thing: npt.NDArray[np.float64],
    upward: tuple[list[tuple[int, float]], int],
    origin_m: npt.NDArray[np.float32],
    nearest_m: F32,
) -> tuple[F32, npt.NDArray[np.uint8]]:
    """(M, 3) far ends of the upward beams towards a thing that nothing hides, and their rings (M,)."""
    beams, firings = upward
    dx, dy = thing[0] - origin_m[0], thing[1] - origin_m[1]
    reach, radius = float(np.hypot(dx, dy)), 0.5 * float(np.hypot(thing[3], thing[4]))
    half = np.arcsin(min(1.0, radius / reach))
    bearing = np.arctan2(dy, dx) + np.arange(-half, half, 2 * np.pi / max(firings, 1))
    way = np.stack([np.cos(bearing), np.sin(bearing)], axis=1)
    direction = [min(int(pseudo_angle(x, y) * (DIRECTIONS / 4.0)), DIRECTIONS - 1) for x, y in way.tolist()]
    way = way[nearest_m[direction] > max(reach - radius, 1.0)]
    far = 2.0 * (reach + radius)
    ends = [np.column_stack([far * way, np.full(len(way), far * rise)]) + origin_m for _, rise in beams]
    rings = np.repeat(np.array([r for r, _ in beams], np.uint8), len(way))
    return np.concatenate([np.zeros((0, 3)), *ends]).astype(np.float32), rings


def draw_thing(origin_m: npt.NDArray[np.float32], rng: Rng) -> tuple[npt.NDArray[np.float64], float, bool]:
    """(x, y, yaw, length, width, height) on the ground, how deep beams get in (m), whether it is round."""
    shares = np.array([k[0] for k in _KINDS])
    _, *ranges, is_round = _KINDS[int(rng.choice(len(_KINDS), p=shares / shares.sum()))]
    length, width, height, depth = (float(rng.uniform(*r)) for r in ranges)
    reach, bearing = rng.uniform(*_RANGE_M), rng.uniform(-np.pi, np.pi)
    x, y = origin_m[0] + reach * np.cos(bearing), origin_m[1] + reach * np.sin(bearing)
    return np.array([x, y, rng.uniform(-np.pi, np.pi), length, width, height]), depth, is_round


def _is_free(thing: npt.NDArray[np.float64], boxes: npt.NDArray[Any]) -> bool:
    """Whether no box comes near the thing."""
    c, s = np.cos(thing[2]), np.sin(thing[2])
    dx, dy = (boxes["center_m"][:, :2] - thing[:2]).T
    radius = 0.5 * np.hypot(*boxes["lwh_m"][:, :2].T) + _GAP_M
    along, across = np.abs(dx * c + dy * s) - thing[3] / 2, np.abs(dy * c - dx * s) - thing[4] / 2
    return not ((along < radius) & (across < radius)).any()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def stop_beams(xyh: Any, origin: Any, thing: Any, depth_m: float, is_round: bool, chance: Any) -> Any:
    """Move points whose beam passes through the thing to where it ends in it; returns (N,) which.

    chance (2, N) uniform: one beam in ten goes through; the others get exponentially deep.
    """
    c, s = np.cos(thing[2]), np.sin(thing[2])
    half = (0.5 * thing[3], 0.5 * thing[4], 0.5 * thing[5])
    # The beams' begin in the thing's axes, its middle at zero, in half sizes.
    ox, oy = origin[0] - thing[0], origin[1] - thing[1]
    begin = ((ox * c + oy * s) / half[0], (oy * c - ox * s) / half[1], (origin[2] - half[2]) / half[2])
    hit = np.zeros(len(xyh), np.bool_)
    for k in range(len(xyh)):
        vx, vy, vz = xyh[k, 0] - origin[0], xyh[k, 1] - origin[1], xyh[k, 2] - origin[2]
        way = ((vx * c + vy * s) / half[0], (vy * c - vx * s) / half[1], vz / half[2])
        enter, leave = _sphere(begin, way) if is_round else _cube(begin, way)
        if not 0.0 < enter < leave or enter >= 1.0 or chance[0, k] < 0.1:
            continue
        length = np.sqrt(vx * vx + vy * vy + vz * vz)
        t = min(enter - np.log(1.0 - chance[1, k]) * depth_m / length, leave, 1.0)
        xyh[k, 0], xyh[k, 1] = origin[0] + t * vx, origin[1] + t * vy
        xyh[k, 2] = origin[2] + t * vz
        hit[k] = t < 1.0
    return hit


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
