"""A guessed vehicle box laid against the points: turned until its sides lie along them, then shifted to them.

Reference: X. Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners, IV 2017 (closeness).
Differs: the search begins at a box, knows which sides the sensor sees, and a turn costs something.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from .beams import Beams, gather

F64 = npt.NDArray[np.float64]
_TURNS, _LARGEST_TURN_RAD = 10, 0.5
# Points this far around the box are looked at, up to this height: windows lean inwards.
_AROUND_M, _HIGH_M = 0.3, 1.3
_LEAST_POINTS, _MOST_POINTS, _SEARCH_POINTS = 8, 2000, 100
# Distance from the sides beyond which a point counts the same, and what a turn of this angle costs.
_AWAY_M, _TURN_COST, _TURN_RAD = 0.4, 0.03, 0.3
# A side is where at least so many points lie; one that is off by more is another thing's.
_SIDE_POINTS, _SIDE_BAND_M = 5, 0.15
# Of the way to the side seen, along and across the box: how long a car is stays a guess, how wide hardly.
_SHARE: Final = (0.3, 0.8)
_LIMIT_M: Final = (0.4, 0.5)


def align(beams: Beams, boxes: F64) -> F64:
    """Boxes (N, 7) x, y, z over the ground, l, w, h, yaw as they lie against the points; sizes and z stay."""
    out = np.array(boxes, np.float64)
    _align(beams.arrays, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _align(beams: Any, boxes: Any) -> None:
    origins = beams[2]
    xy = np.empty((_MOST_POINTS, 2))
    half = np.empty(2)
    for i in range(len(boxes)):
        box = boxes[i]
        half[0], half[1] = box[3] / 2 + _AROUND_M, box[4] / 2 + _AROUND_M
        n = gather(beams, box, half, min(box[2] + box[5] / 2 + 0.1, _HIGH_M), xy)
        if n < _LEAST_POINTS:
            continue
        nearest = 0
        for k in range(len(origins)):
            if np.hypot(origins[k, 0] - box[0], origins[k, 1] - box[1]) < np.hypot(
                origins[nearest, 0] - box[0], origins[nearest, 1] - box[1]
            ):
                nearest = k
        _turn(xy[:n], box, origins[nearest])
        _shift(xy[:n], box, origins[nearest])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _turn(xy: Any, box: Any, origin: Any) -> None:
    """Set the yaw at which the points lie nearest to the sides that the sensor sees."""
    some = xy[:: max(1, len(xy) // _SEARCH_POINTS)]
    price = _TURN_COST * (5.0 / np.sqrt(len(some)) + 0.5)
    best, least, yaw = 0.0, np.inf, box[6]
    uv = np.empty((2, len(some)))
    for step in range(-_TURNS, _TURNS + 1):
        turn = _LARGEST_TURN_RAD * step / _TURNS
        box[6] = yaw + turn
        cost = _misfit(some, box, origin, uv) + price * (turn / _TURN_RAD) ** 2
        if cost < least:
            best, least = turn, cost
    box[6] = yaw + best


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _misfit(xy: Any, box: Any, origin: Any, uv: Any) -> float:
    """Mean distance of the points from the nearer of the sides that the sensor sees; `uv` (2, N) is working space."""
    u, v = _side(xy, box, origin, 0, uv[0]), _side(xy, box, origin, 1, uv[1])
    # A side that is not seen is as far as counts.
    end_u, end_v = u[0] if u[1] else np.inf, v[0] if v[1] else np.inf
    total = 0.0
    for k in range(len(xy)):
        total += min(_AWAY_M, abs(end_u - uv[0, k]), abs(end_v - uv[1, k]))
    return total / len(xy)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _side(xy: Any, box: Any, origin: Any, axis: int, out: Any) -> Any:
    """Where the points end towards the sensor along an axis, whether the sensor sees that side, and its sign.

    out (N,): how far towards the sensor each point lies.
    """
    c, s = np.cos(box[6]), np.sin(box[6])
    a, b = (c, s) if axis == 0 else (-s, c)
    to_sensor = (origin[0] - box[0]) * a + (origin[1] - box[1]) * b
    sign = 1.0 if to_sensor > 0.0 else -1.0
    for k in range(len(xy)):
        out[k] = sign * (xy[k, 0] * a + xy[k, 1] * b)
    first, second, third = -np.inf, -np.inf, -np.inf
    for k in range(len(xy)):
        if out[k] > third:
            if out[k] > first:
                first, second, third = out[k], first, second
            elif out[k] > second:
                second, third = out[k], second
            else:
                third = out[k]
    # A mirror or a stray return is not the side.
    return (second if len(xy) < 20 else third), abs(to_sensor) > box[3 + axis] / 2, sign


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _shift(xy: Any, box: Any, origin: Any) -> None:
    """Move the box towards the sides that are seen."""
    c, s = np.cos(box[6]), np.sin(box[6])
    move_x, move_y = 0.0, 0.0
    along = np.empty(len(xy))
    for axis in range(2):
        a, b = (c, s) if axis == 0 else (-s, c)
        end, seen, sign = _side(xy, box, origin, axis, along)
        on_it = 0
        for k in range(len(xy)):
            on_it += abs(end - along[k]) < _SIDE_BAND_M
        way = end - box[3 + axis] / 2
        if seen and on_it >= _SIDE_POINTS and abs(way) < _LIMIT_M[axis]:
            move_x += sign * _SHARE[axis] * way * a
            move_y += sign * _SHARE[axis] * way * b
    box[0] += move_x
    box[1] += move_y
