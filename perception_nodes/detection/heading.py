"""Headings that a set of points seen from one side may have, and those that the surroundings suggest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_STEPS = 30
HEADING_BINS = 2 * _STEPS
_STEP_RAD = np.pi / 2 / _STEPS
_CLOSE_M = 0.08
_FAR_M = 0.6
# A second heading is kept if it fits almost as well as the best and differs by this many steps at least.
_SECOND_MARGIN = 0.15
_SECOND_STEPS = 5
# Neighbours vote on the usual heading; at this distance with half their weight.
_NEIGHBOUR_M = 20.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search_heading(x: Any, y: Any, out: Any) -> None:
    """Write the best heading in [0, pi/2), a second one or NaN, and the best one's cost; x, y from the sensor."""
    cost = np.empty(_STEPS)
    for s in range(_STEPS):
        cost[s] = facing_cost(x, y, s * _STEP_RAD)
    best = np.argmin(cost)
    second = -1
    for s in range(_STEPS):
        apart = min(abs(s - best), _STEPS - abs(s - best))
        valley = cost[s] <= cost[s - 1] and cost[s] <= cost[(s + 1) % _STEPS]
        good = apart >= _SECOND_STEPS and valley and cost[s] < cost[best] + _SECOND_MARGIN
        if good and (second < 0 or cost[s] < cost[second]):
            second = s
    out[0], out[1], out[2] = _refined(x, y, best * _STEP_RAD, cost[best]), np.nan, cost[best]
    if second >= 0:
        out[1] = _refined(x, y, second * _STEP_RAD, cost[second])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def long_axis(x: Any, y: Any, heading: float) -> Any:
    """Direction in [0, pi) of the longer side of the box at `heading`, and how many times longer it is."""
    c, s = np.cos(heading), np.sin(heading)
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    for k in range(len(x)):
        u, v = x[k] * c + y[k] * s, y[k] * c - x[k] * s
        u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
    if u1 - u0 >= v1 - v0:
        return heading % np.pi, (u1 - u0) / max(v1 - v0, 0.1)
    return (heading + np.pi / 2) % np.pi, (v1 - v0) / max(u1 - u0, 0.1)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def local_headings(position: Any, voter: Any, axis: Any, weight: Any, at: Any, histogram: Any) -> None:
    """Smoothed histogram (HEADING_BINS over [0, pi)) of long sides around `at`, its largest value 1.

    position (M, 2), axis (M,), weight (M,) of things around, of which the rows `voter` count, less with distance.
    """
    raw = np.zeros(HEADING_BINS)
    for k in voter:
        dx, dy = position[k, 0] - at[0], position[k, 1] - at[1]
        share = weight[k] / (1.0 + (dx * dx + dy * dy) / _NEIGHBOUR_M**2)
        raw[int(axis[k] / _STEP_RAD) % HEADING_BINS] += share
    largest = 1e-9
    for s in range(HEADING_BINS):
        after, later = raw[(s + 1) % HEADING_BINS], raw[(s + 2) % HEADING_BINS]
        histogram[s] = raw[s] + 0.7 * (raw[s - 1] + after) + 0.2 * (raw[s - 2] + later)
        largest = max(largest, histogram[s])
    for s in range(HEADING_BINS):
        histogram[s] /= largest


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def candidate_headings(found: Any, histogram: Any, out: Any) -> int:
    """Headings to try: those found in the points, then the usual one of the surroundings if it is another."""
    count = 0
    for k in range(2):
        if not np.isnan(found[k]):
            out[count] = found[k] % (np.pi / 2)
            count += 1
    common = ((np.argmax(histogram) % _STEPS) + 0.5) * _STEP_RAD
    for k in range(count):
        apart = abs(out[k] - common)
        if min(apart, np.pi / 2 - apart) < 2 * _STEP_RAD:
            return count
    if histogram.max() > 0.0:
        out[count] = common
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def usual(heading: float, histogram: Any) -> float:
    """How usual a direction of the long side is around here, 0..1."""
    return float(histogram[int((heading % np.pi) / _STEP_RAD) % HEADING_BINS])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _refined(x: Any, y: Any, angle: float, cost: float) -> float:
    step = _STEP_RAD / 2
    for _ in range(3):
        left, right = facing_cost(x, y, angle - step), facing_cost(x, y, angle + step)
        if left < cost and left <= right:
            angle, cost = angle - step, left
        elif right < cost:
            angle, cost = angle + step, right
        step /= 2
    return angle


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def facing_cost(x: Any, y: Any, angle: float) -> float:
    """Minus the mean closeness (0..1) of points to the edges that face the sensor, plus a little for the area."""
    co, si = np.cos(angle), np.sin(angle)
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    for k in range(len(x)):
        u, v = x[k] * co + y[k] * si, y[k] * co - x[k] * si
        u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
    # The edge of each pair that faces the sensor; none where the sensor lies between them.
    eu = u0 if u0 > 0 else (u1 if u1 < 0 else np.inf)
    ev = v0 if v0 > 0 else (v1 if v1 < 0 else np.inf)
    total = 0.0
    for k in range(len(x)):
        u, v = x[k] * co + y[k] * si, y[k] * co - x[k] * si
        total += _CLOSE_M / max(min(abs(u - eu), abs(v - ev), _FAR_M), _CLOSE_M)
    return -total / len(x) + 0.02 * (u1 - u0) * (v1 - v0)
