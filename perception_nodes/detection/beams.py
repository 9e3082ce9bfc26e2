"""What points and beams say of a box that is already guessed: how it should lie, and what speaks for and against it.

The points of a sweep are sorted by the direction in which their sensor saw them, so that a box meets only the beams
that go its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from .learned_points import PreparedPoints
from .raster import pseudo_angle

F64 = npt.NDArray[np.float64]
# Columns of the evidence of a box.
EVIDENCE: Final = (
    "points",   # in the box, from 0.2 m over the ground to a little over its top
    "upper",    # of them above 1.4 m
    "above",    # over the box
    "top",      # height of the highest point
    "bottom",   # of the lowest
    "most",     # height below which nine in ten lie
    "front", "rear", "left", "right",   # how far the points reach along the box (u) and across (v)
    "stopped",  # beams that end in the box, come in at the height of a body
    "passed",   # such beams that leave it again or end on the ground in it
    "depth", "depth2",                  # sum of the ways that the stopped ones go in it, and of their squares
    "hit", "free", "hidden",            # of 16 directions across the box: stopped soon; crossed; ended before it
    "range",    # from the nearest sensor
)  # fmt: skip
(
    _POINTS, _UPPER, _ABOVE, _TOP, _BOTTOM, _MOST, _FRONT, _REAR, _LEFT, _RIGHT, _STOPPED, _PASSED, _DEPTH, _DEPTH2,
    _HIT, _FREE, _HIDDEN, _RANGE,
) = range(len(EVIDENCE))  # fmt: skip
_BINS: Final = 720
_SECTORS: Final = 16
# What a box is off by, and what a beam must cross of it to count.
_MARGIN_M, _CHORD_M = 0.1, 0.6
_LOWEST_M, _UPPER_M = 0.2, 1.4
# What ends a beam before the box and hides it is higher.
_HIDES_M = 0.5
# A body begins here, and beams that come in up to its waist would meet it; what stops this soon met its side.
_BODY_M, _WAIST_M, _SKIN_M = 0.25, 0.9, 0.6
_FAR = 1e9
# Of a bin, and m, by which a point may be off that lies on the border of what is asked for.
_ROUNDING = 1e-3
_NOTHING, _BEFORE, _AT, _BEHIND = range(4)


class _Limits(NamedTuple):
    """Of a box from one sensor: level distances of its ends, height of the sensor and of beams that pass over, m."""

    near: float
    far: float
    sensor: float
    top: float


@dataclass(frozen=True, eq=False)
class Beams:
    """Points by sensor and direction: rows `start[b]` to `start[b + 1]` are those of bin b.

    points (N, 5): x, y, height over the ground, pseudo-angle and level distance from its sensor; origins_m (K, 3): the
    sensors, z over the ground.
    """

    points: npt.NDArray[np.float32]
    start: npt.NDArray[np.int64]
    origins_m: F64

    @property
    def arrays(self) -> tuple[Any, ...]:
        """As the kernels take them."""
        return self.points, self.start, self.origins_m


def sort_beams(points: PreparedPoints, sensor_height_m: F64) -> Beams:
    """The beams of a sweep; sensor_height_m (K,) over the ground."""
    origins = np.column_stack([points.origins_m, np.asarray(sensor_height_m, np.float64)])
    start = np.zeros(len(origins) * _BINS + 1, np.int64)
    sorted_ = np.empty((len(points), 5), np.float32)
    _sort(points.xyh_m, points.source, origins, start, sorted_)
    return Beams(sorted_, start, origins)


def evidence(beams: Beams, boxes: F64) -> F64:
    """(N, E) columns of `EVIDENCE` of boxes (N, 7): x, y, z of the centre over the ground, l, w, h, yaw."""
    out = np.zeros((len(boxes), len(EVIDENCE)))
    _look(beams.arrays, np.ascontiguousarray(boxes, np.float64), out)
    return out


def count_points(beams: Beams, boxes: F64, margin_m: float) -> npt.NDArray[np.int32]:
    """(N,) points in boxes as of `evidence`, enlarged by `margin_m` on every side."""
    out = np.zeros(len(boxes), np.int32)
    _count_inside(beams.arrays, np.ascontiguousarray(boxes, np.float64), margin_m, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sort(xyh: Any, source: Any, origins: Any, start: Any, out: Any) -> None:
    bins = np.empty(len(xyh), np.int32)
    angle, away = np.empty(len(xyh), np.float32), np.empty(len(xyh), np.float32)
    for k in range(len(xyh)):
        s = source[k]
        dx, dy = xyh[k, 0] - origins[s, 0], xyh[k, 1] - origins[s, 1]
        angle[k], away[k] = pseudo_angle(dx, dy), np.sqrt(np.float32(dx * dx + dy * dy))
        bins[k] = s * _BINS + min(int(angle[k] * (_BINS / 4.0)), _BINS - 1)
        start[bins[k] + 1] += 1
    for b in range(len(start) - 1):
        start[b + 1] += start[b]
    fill = start[:-1].copy()
    for k in range(len(xyh)):
        row = fill[bins[k]]
        fill[bins[k]] += 1
        out[row, 0], out[row, 1], out[row, 2] = xyh[k, 0], xyh[k, 1], xyh[k, 2]
        out[row, 3], out[row, 4] = angle[k], away[k]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def window(box: Any, origin: Any, half: Any) -> Any:
    """Pseudo-angle of the box's middle from the sensor, and the least and greatest of its corners' relative to it.

    All directions (0, 0, 4) where the sensor is within the box grown to `half` its sides.
    """
    dx, dy = box[0] - origin[0], box[1] - origin[1]
    c, s = np.cos(box[6]), np.sin(box[6])
    if abs(dx * c + dy * s) <= half[0] and abs(-dx * s + dy * c) <= half[1]:
        return 0.0, 0.0, 4.0
    middle = pseudo_angle(dx, dy)
    least, most = 0.0, 0.0
    for corner in range(4):
        u = half[0] if corner & 1 else -half[0]
        v = half[1] if corner & 2 else -half[1]
        turn = pseudo_angle(dx + u * c - v * s, dy + u * s + v * c) - middle
        turn += 4.0 if turn < -2.0 else (-4.0 if turn > 2.0 else 0.0)
        least, most = min(least, turn), max(most, turn)
    return middle, least, most


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _distances(box: Any, origin: Any, half: Any) -> Any:
    """Level distances from the sensor between which the box lies, a little more for rounding."""
    dx, dy = origin[0] - box[0], origin[1] - box[1]
    c, s = np.cos(box[6]), np.sin(box[6])
    u, v = abs(dx * c + dy * s), abs(dy * c - dx * s)
    near_u, near_v = max(u - half[0], 0.0), max(v - half[1], 0.0)
    far_u, far_v = u + half[0], v + half[1]
    near, far = np.sqrt(near_u * near_u + near_v * near_v), np.sqrt(far_u * far_u + far_v * far_v)
    return near - _ROUNDING * (1.0 + 1e-3 * near), far + _ROUNDING * (1.0 + 1e-3 * far)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count_inside(beams: Any, boxes: Any, margin: float, out: Any) -> None:
    points, start, origins = beams
    half = np.empty(2)
    for i in range(len(boxes)):
        box = boxes[i]
        half[0], half[1] = box[3] / 2 + margin, box[4] / 2 + margin
        c, s = np.cos(box[6]), np.sin(box[6])
        for k in range(len(origins)):
            near, far = _distances(box, origins[k], half)
            middle, least, most = window(box, origins[k], half)
            first = int(np.floor((middle + least) * (_BINS / 4.0) - _ROUNDING))
            last = int(np.floor((middle + most) * (_BINS / 4.0) + _ROUNDING))
            for b in range(first, min(last, first + _BINS - 1) + 1):
                at = k * _BINS + b % _BINS
                for p in range(start[at], start[at + 1]):
                    if not near <= points[p, 4] <= far:
                        continue
                    x, y, h = points[p, 0] - box[0], points[p, 1] - box[1], points[p, 2] - box[2]
                    inside = abs(h) <= box[5] / 2 + margin
                    out[i] += inside and abs(x * c + y * s) <= half[0] and abs(y * c - x * s) <= half[1]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gather(beams: Any, box: Any, half: Any, high: float, out: Any) -> int:
    """x and y from the box's middle of the points within `half` its sides, `_BODY_M` to `high`; returns how many."""
    points, start, origins = beams
    c, s = np.cos(box[6]), np.sin(box[6])
    n = 0
    for k in range(len(origins)):
        near, far = _distances(box, origins[k], half)
        middle, least, most = window(box, origins[k], half)
        first = int(np.floor((middle + least) * (_BINS / 4.0)))
        last = min(int(np.floor((middle + most) * (_BINS / 4.0))), first + _BINS - 1)
        for b in range(first, last + 1):
            at = k * _BINS + b % _BINS
            for p in range(start[at], start[at + 1]):
                if not near <= points[p, 4] <= far:
                    continue
                x, y, h = points[p, 0] - box[0], points[p, 1] - box[1], points[p, 2]
                inside = abs(x * c + y * s) <= half[0] and abs(-x * s + y * c) <= half[1]
                if inside and _BODY_M <= h <= high and n < len(out):
                    out[n, 0], out[n, 1] = x, y
                    n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _look(beams: Any, boxes: Any, out: Any) -> None:
    points, start, origins = beams
    half = np.empty(2)
    for i in range(len(boxes)):
        box, row = boxes[i], out[i]
        half[0], half[1] = box[3] / 2 + _MARGIN_M, box[4] / 2 + _MARGIN_M
        row[_BOTTOM], row[_RANGE] = _FAR, _FAR
        row[_FRONT], row[_REAR], row[_LEFT], row[_RIGHT] = _FAR, -_FAR, _FAR, -_FAR
        c, s = np.cos(box[6]), np.sin(box[6])
        heights = np.zeros(32)
        for k in range(len(origins)):
            dx, dy = origins[k, 0] - box[0], origins[k, 1] - box[1]
            row[_RANGE] = min(row[_RANGE], np.hypot(dx, dy))
            middle, least, most = window(box, origins[k], half)
            if most - least >= 4.0:
                continue  # nothing is known of a box about the sensor
            sensor = (dx * c + dy * s, dy * c - dx * s, origins[k, 2])
            sectors = np.zeros((_SECTORS, 3))
            near, far = _distances(box, origins[k], half)
            limits = _Limits(near, far, origins[k, 2], _waist(box) + 0.1)
            first = int(np.floor((middle + least) * (_BINS / 4.0)))
            for b in range(first, int(np.floor((middle + most) * (_BINS / 4.0))) + 1):
                at = k * _BINS + b % _BINS
                for p in range(start[at], start[at + 1]):
                    h = points[p, 2]
                    place = _place(points[p, 4], h, limits)
                    if place == _NOTHING:
                        continue
                    away = points[p, 3] - middle
                    away += 4.0 if away < -2.0 else (-4.0 if away > 2.0 else 0.0)
                    sector = int((away - least) / (most - least) * _SECTORS)
                    met = 0 <= sector < _SECTORS
                    # One beam that ends before the box is as good as many.
                    if place == _BEFORE and not (met and sectors[sector, 2] == 0.0):
                        continue
                    x, y = points[p, 0] - box[0], points[p, 1] - box[1]
                    point = (x * c + y * s, y * c - x * s, h)
                    if place == _AT:
                        _meet(point, box, half, row, heights)
                    if met:
                        _cross(point, sensor, box, half, row, sectors[sector])
            _count(sectors, row)
        row[_MOST] = _nine_in_ten(heights)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _place(reach: float, h: float, limits: Any) -> int:
    """Whether a point is before a box, at it or behind it; nothing where its beam says nothing of the box."""
    if reach < limits.near:
        return _BEFORE if h > _HIDES_M else _NOTHING  # ground before the box says nothing of it
    if reach <= limits.far:
        return _AT
    # Behind: where the beam is at the near end of the box and half a metre behind its far end, in metres times reach.
    rise = h - limits.sensor
    one, other = limits.near * rise, (limits.far + 0.5) * rise
    under = max(one, other) < (_BODY_M - _ROUNDING - limits.sensor) * reach
    over = min(one, other) > (limits.top + _ROUNDING - limits.sensor) * reach
    return _NOTHING if under or over else _BEHIND


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _waist(box: Any) -> float:
    """Height over the ground up to which a beam that comes in would meet a body."""
    return float(min(_WAIST_M, 0.7 * (box[2] + box[5] / 2)))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _meet(point: Any, box: Any, half: Any, row: Any, heights: Any) -> None:
    """Count a point (u, v, height) in or over the box."""
    u, v, h = point
    top = box[2] + box[5] / 2
    if abs(u) <= half[0] and abs(v) <= half[1] and h > _LOWEST_M:
        if h < top + 0.2:
            row[_POINTS] += 1.0
            row[_UPPER] += 1.0 if h >= _UPPER_M else 0.0
            row[_TOP], row[_BOTTOM] = max(row[_TOP], h), min(row[_BOTTOM], h)
            row[_FRONT], row[_REAR] = min(row[_FRONT], u), max(row[_REAR], u)
            row[_LEFT], row[_RIGHT] = min(row[_LEFT], v), max(row[_RIGHT], v)
            heights[min(int(h * 8.0), 31)] += 1.0
        elif h > top + 0.3:
            row[_ABOVE] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cross(point: Any, sensor: Any, box: Any, half: Any, row: Any, sector: Any) -> None:
    """Count a beam that goes the box's way at the height of a body: stopped in it, through it, ended before it."""
    step_u, step_v = point[0] - sensor[0], point[1] - sensor[1]
    h, way = point[2], np.sqrt(step_u * step_u + step_v * step_v)
    enter, leave = _slab(sensor[0], step_u, half[0], 0.0, _FAR)
    enter, leave = _slab(sensor[1], step_v, half[1], enter, leave)
    if leave <= enter or (leave - enter) * way < _CHORD_M:
        return
    if enter > 1.0:
        sector[2] += 1.0 if h > _HIDES_M else 0.0
        return
    waist = _waist(box)
    at_side = sensor[2] + enter * (h - sensor[2])
    behind = sensor[2] + min(1.0, enter + 0.5 / way) * (h - sensor[2])
    if at_side < _BODY_M or at_side > waist + 0.6 or behind > waist + 0.1:
        return
    depth = (min(1.0, leave) - enter) * way
    if leave < 1.0 or (h <= _LOWEST_M and depth > _SKIN_M):
        row[_PASSED] += 1.0
        sector[1] += 1.0
    elif h > _LOWEST_M:
        row[_STOPPED] += 1.0
        row[_DEPTH] += depth
        row[_DEPTH2] += depth * depth
        sector[0] += 1.0 if depth < _SKIN_M else 0.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _slab(origin: float, step: float, half: float, enter: float, leave: float) -> Any:
    """Where a beam is between -half and half, as shares of its way, cut with what is known of another axis."""
    if abs(step) < 1e-9:
        return (enter, leave) if abs(origin) <= half else (1.0, 0.0)
    a, b = (-half - origin) / step, (half - origin) / step
    return max(enter, min(a, b)), min(leave, max(a, b))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(sectors: Any, row: Any) -> None:
    for k in range(len(sectors)):
        stopped, passed, before = sectors[k]
        if stopped > 0 and stopped >= passed:
            row[_HIT] += 1.0
        elif passed > 0:
            row[_FREE] += 1.0
        elif before > 0:
            row[_HIDDEN] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _nine_in_ten(heights: Any) -> float:
    total, below = heights.sum(), 0.0
    for k in range(len(heights)):
        below += heights[k]
        if total > 0.0 and below >= 0.9 * total:
            return (k + 1.0) / 8.0
    return 0.0
