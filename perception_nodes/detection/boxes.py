"""Oriented boxes of groups of cells: L-shape fit, and completion of what the sensor could not see.

References: X. Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners, IV 2017 (search over
the heading, closeness of points to the edges). Differs: only the edges that face the sensor attract points; headings,
roles of the sides and ways to complete the box are hypotheses, weighed by what the beams say about its space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .clustering import SegmentTree
from .columns import (
    BOTTOM,
    CELLS,
    CLOSENESS,
    CONTINUED,
    CROWN,
    FIELDS,
    GROUND_Z,
    LENGTH,
    LOW_SHARE,
    MID_X,
    MID_Y,
    NUM_FIELDS,
    POINTS,
    RANGE,
    SCATTER,
    SEEN_LENGTH,
    SEEN_WIDTH,
    SMALL_ATTACHED,
    SMALL_LENGTH,
    SMALL_WIDTH,
    SMALL_YAW,
    TALL,
    TOP,
    VEHICLE,
    WIDTH,
    YAW,
    X,
    Y,
)
from .heading import HEADING_BINS, candidate_headings, facing_cost, local_headings, long_axis, search_heading
from .hypotheses import best_vehicle, continued, surroundings
from .space import SpaceMap

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SEARCH_POINTS = 80
# Things longer than the first vote on the usual heading, by their length up to the second.
VOTE_LENGTH_M, VOTE_RATIO = (2.5, 12.0), 1.4
# Below the windows of every vehicle.
LOW_BODY_M = 0.8
# No car is taller.
TALL_M = 2.2
# The top of a thing that may be a person or a rider: so far down, of things up to this length with so many points.
CROWN_M, CROWN_LENGTH_M, CROWN_POINTS, CROWN_SAMPLES = 0.22, 2.5, 8, 200
# Less than this seen of an object says nothing about a vehicle.
MIN_VEHICLE_M, MIN_VEHICLE_POINTS, MIN_VEHICLE_TOP_M = 0.8, 5, 0.5


@dataclass(frozen=True, eq=False)
class FittedBoxes:
    """(M, F) result of the fit, one row a node, columns by name; m, rad, base frame, heights over ground.

    x, y, yaw, length, width: the completed vehicle box; small_*, mid_*: the tight box of what was seen (for objects
    that need no completion); free, foreign: shares of the box's area seen free or taken by other objects; coverage:
    share of the facing edges, where visible, that returned points; vehicle: plausibility 0..1 as a vehicle.
    """

    values: F64

    def __getitem__(self, name: str) -> F64:
        return self.values[:, FIELDS.index(name)]

    def __len__(self) -> int:
        return len(self.values)

    def pick(self, index: npt.NDArray[Any]) -> FittedBoxes:
        """Some of the rows."""
        return FittedBoxes(self.values[index])


def finish(boxes: FittedBoxes, vehicle: npt.NDArray[np.bool_]) -> FittedBoxes:
    """The boxes to report: the completed one where `vehicle` (M,) is true, else the tight one."""
    values = boxes.values.copy()
    tight = ("mid_x", "mid_y", "small_yaw", "small_length", "small_width", "small_length", "small_width")
    for column, name in enumerate(tight):
        values[~vehicle, column] = boxes[name][~vehicle]
    return FittedBoxes(values)


def fit_boxes(
    xyz_m: F32,
    height_m: F32,
    source: npt.NDArray[np.uint8],
    tree: SegmentTree,
    origins_m: F64,
    space: SpaceMap,
    max_extent_m: float,
) -> FittedBoxes:
    """Fit every node of the tree. `source` names the row of `origins_m` (K, 3) of each point of the base frame."""
    out = np.zeros((len(tree), NUM_FIELDS))
    grid = (tree.position, tree.cells_per_side, tree.min_xy_m, tree.cell_m)
    seen = (origins_m, space.nearest_m, space.low_returns, space.crossing)
    _fit_all(
        xyz_m,
        height_m,
        source,
        tree.order,
        tree.cell_start,
        tree.cell_top_m,
        tree.node,
        grid,
        seen,
        max_extent_m,
        out,
    )
    return FittedBoxes(out)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_all(
    xyz: Any, height: Any, source: Any, order: Any, cell_start: Any, cell_top: Any, node: Any, grid: Any, seen: Any,
    max_extent: float, out: Any,
) -> None:  # fmt: skip
    found, weight = np.full((len(node), 3), np.nan), np.zeros(len(node))
    origin_of, axis = np.zeros(len(node), np.int64), np.zeros(len(node))
    x, y = np.empty(SEARCH_POINTS + 1), np.empty(SEARCH_POINTS + 1)
    for c in range(len(node)):
        first, last = node[c, 0], node[c, 1]
        members = order[cell_start[first] : cell_start[last]]
        origin_of[c] = _describe(xyz, height, source, members, seen[0], out[c])
        out[c, CELLS] = last - first
        out[c, TOP], out[c, TALL] = _robust_top(cell_top[first:last])
        found[c, 0], found[c, 2] = 0.0, 0.0
        if max(out[c, LENGTH], out[c, WIDTH]) >= MIN_VEHICLE_M:
            count = _sample(xyz, members, seen[0][origin_of[c]], x, y)
            search_heading(x[:count], y[:count], found[c])
            size = min(max(out[c, LENGTH], out[c, WIDTH]), VOTE_LENGTH_M[1])
            axis[c], ratio = long_axis(x[:count], y[:count], found[c, 0])
            if size > VOTE_LENGTH_M[0] and ratio > VOTE_RATIO:
                weight[c] = size * max(-found[c, 2], 0.0)
    voter = np.flatnonzero(weight)
    histogram = np.zeros(HEADING_BINS)
    for c in range(len(node)):
        first, last = node[c, 0], node[c, 1]
        members = order[cell_start[first] : cell_start[last]]
        if len(members) < 2 or max(out[c, LENGTH], out[c, WIDTH]) > max_extent:
            continue
        count = _sample(xyz, members, seen[0][origin_of[c]], x, y)
        if out[c, POINTS] >= MIN_VEHICLE_POINTS and max(out[c, LENGTH], out[c, WIDTH]) >= MIN_VEHICLE_M:
            local_headings(out[:, : Y + 1], voter, axis, weight, out[c, : Y + 1], histogram)
        else:
            histogram[:] = 0.0
        _fit_one(
            xyz,
            members,
            x[:count],
            y[:count],
            origin_of[c],
            first,
            last,
            found[c],
            histogram,
            grid,
            seen,
            out[c],
        )
        if out[c, SMALL_LENGTH] < CROWN_LENGTH_M and out[c, TOP] < TALL_M:
            out[c, CROWN] = _crown(xyz, height, members, seen[0][origin_of[c]], out[c])
        if out[c, VEHICLE] > 0:
            out[c, SCATTER] = _scatter(xyz, height, members, seen[0][origin_of[c]], out[c])
            out[c, CONTINUED] = continued(out[c], seen[0][origin_of[c]], first, last, grid)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _scatter(xyz: Any, height: Any, members: Any, origin: Any, box: Any) -> float:
    """Mean distance (m, each at most 0.6) of the low points to the box's edges that face the sensor.

    The lower body of a vehicle is a closed surface; a bush returns from within.
    """
    c, s = np.cos(box[YAW]), np.sin(box[YAW])
    dx, dy = box[X] - origin[0], box[Y] - origin[1]
    side_u = -1.0 if dx * c + dy * s > 0 else 1.0
    side_v = -1.0 if dy * c - dx * s > 0 else 1.0
    total, count = 0.0, 0
    for k in range(0, len(members), 1 + len(members) // 200):
        m = members[k]
        if height[m] < LOW_BODY_M:
            dx, dy = xyz[m, 0] - box[X], xyz[m, 1] - box[Y]
            u, v = side_u * (dx * c + dy * s), side_v * (dy * c - dx * s)
            total += min(abs(box[LENGTH] / 2 - u), abs(box[WIDTH] / 2 - v), 0.6)
            count += 1
    return total / count if count > 0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _crown(xyz: Any, height: Any, members: Any, origin: Any, box: Any) -> float:
    """How wide the top is, seen from the sensor, relative to the whole, 0..1; 0 if there are too few points to say.

    People narrow towards their heads; bins, boxes and walls do not.
    """
    if len(members) < CROWN_POINTS:
        return 0.0
    away = np.array([box[MID_X] - origin[0], box[MID_Y] - origin[1]])
    away /= max(np.hypot(away[0], away[1]), 1e-6)
    highest = 0.0
    step = 1 + len(members) // CROWN_SAMPLES
    for k in range(0, len(members), step):
        highest = max(highest, height[members[k]])
    low, high, top_low, top_high = np.inf, -np.inf, np.inf, -np.inf
    for k in range(0, len(members), step):
        m = members[k]
        side = (xyz[m, 1] - box[MID_Y]) * away[0] - (xyz[m, 0] - box[MID_X]) * away[1]
        low, high = min(low, side), max(high, side)
        if height[m] > highest - CROWN_M:
            top_low, top_high = min(top_low, side), max(top_high, side)
    return (top_high - top_low) / max(high - low, 0.05)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sample(xyz: Any, members: Any, origin: Any, x: Any, y: Any) -> int:
    """Write at most SEARCH_POINTS of the members' positions relative to `origin`; returns how many."""
    step = (len(members) + SEARCH_POINTS - 1) // SEARCH_POINTS
    count = 0
    for k in range(0, len(members), step):
        x[count], y[count] = xyz[members[k], 0] - origin[0], xyz[members[k], 1] - origin[1]
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _robust_top(tops: Any) -> Any:
    """Height that few of the columns exceed (a branch or a pole among them does not count); share of tall columns."""
    tall = 0
    for top in tops:
        tall += top > TALL_M
    return np.sort(tops)[len(tops) - 1 - len(tops) // 12], tall / len(tops)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _describe(xyz: Any, height: Any, source: Any, members: Any, origins: Any, out: Any) -> int:
    """Heights, position and extents along the axes (in length, width); returns the lidar that saw most of it."""
    votes = np.zeros(len(origins), np.int64)
    bottom, ground, low = 1e9, 0.0, 0
    x0, x1, y0, y1 = 1e9, -1e9, 1e9, -1e9
    for k in members:
        votes[source[k]] += 1
        bottom = min(bottom, height[k])
        ground += xyz[k, 2] - height[k]
        low += height[k] < 1.0
        x0, x1, y0, y1 = min(x0, xyz[k, 0]), max(x1, xyz[k, 0]), min(y0, xyz[k, 1]), max(y1, xyz[k, 1])
    n = len(members)
    origin = int(np.argmax(votes))
    out[X], out[Y], out[LENGTH], out[WIDTH] = 0.5 * (x0 + x1), 0.5 * (y0 + y1), x1 - x0, y1 - y0
    out[SEEN_LENGTH], out[SEEN_WIDTH] = out[LENGTH], out[WIDTH]
    out[BOTTOM], out[GROUND_Z] = bottom, ground / n
    out[RANGE] = np.hypot(out[X] - origins[origin, 0], out[Y] - origins[origin, 1])
    out[POINTS], out[LOW_SHARE] = n, low / n
    out[SMALL_LENGTH], out[SMALL_WIDTH], out[MID_X], out[MID_Y] = out[LENGTH], out[WIDTH], out[X], out[Y]
    return origin


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_one(
    xyz: Any, members: Any, x: Any, y: Any, origin: int, first: int, last: int, found: Any, histogram: Any,
    grid: Any, seen: Any, out: Any,
) -> None:  # fmt: skip
    ox, oy = seen[0][origin, 0], seen[0][origin, 1]
    headings = np.empty(3)
    headings = headings[: candidate_headings(found, histogram, headings)]
    edges = np.empty((len(headings), 4))
    for h in range(len(headings)):
        _extents(xyz, members, ox, oy, headings[h], edges[h])
    u0, u1, v0, v1 = edges[0]
    long_side, short_side, yaw = u1 - u0, v1 - v0, headings[0]
    c, s = np.cos(yaw), np.sin(yaw)
    out[MID_X], out[MID_Y] = (
        ox + 0.5 * ((u0 + u1) * c - (v0 + v1) * s),
        oy + 0.5 * ((u0 + u1) * s + (v0 + v1) * c),
    )
    if long_side < short_side:
        long_side, short_side, yaw = short_side, long_side, yaw + np.pi / 2
    out[SMALL_LENGTH], out[SMALL_WIDTH], out[SMALL_YAW] = long_side, short_side, yaw
    out[CLOSENESS] = facing_cost(x, y, headings[0])
    out[SMALL_ATTACHED] = surroundings(out[MID_X], out[MID_Y], yaw, long_side, short_side, first, last, grid)
    if long_side < MIN_VEHICLE_M or len(members) < MIN_VEHICLE_POINTS or out[TOP] < MIN_VEHICLE_TOP_M:
        return
    best_vehicle(x, y, headings, edges, histogram, origin, first, last, grid, seen, out)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _extents(xyz: Any, members: Any, ox: float, oy: float, yaw: float, edges: Any) -> None:
    c, s = np.cos(yaw), np.sin(yaw)
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    for k in members:
        x, y = xyz[k, 0] - ox, xyz[k, 1] - oy
        u, v = x * c + y * s, y * c - x * s
        u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
    edges[0], edges[1], edges[2], edges[3] = u0, u1, v0, v1
