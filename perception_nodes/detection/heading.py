"""Headings that a set of points seen from one side may have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_STEPS = 30
_STEP_RAD = np.pi / 2 / _STEPS
_CLOSE_M = 0.08
_FAR_M = 0.6
# A second heading is kept if it fits almost as well as the best and differs by this many steps at least.
_SECOND_MARGIN = 0.15
_SECOND_STEPS = 5


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search_heading(x: Any, y: Any) -> Any:
    """One or two headings in [0, pi/2), the best first; x, y (N,) relative to the sensor."""
    cost = np.empty(_STEPS)
    for s in range(_STEPS):
        cost[s] = facing_cost(x, y, s * _STEP_RAD)
    best = np.argmin(cost)
    second = -1
    for s in range(_STEPS):
        apart = min(abs(s - best), _STEPS - abs(s - best))
        valley = cost[s] <= cost[s - 1] and cost[s] <= cost[(s + 1) % _STEPS]
        if apart >= _SECOND_STEPS and valley and cost[s] < cost[best] + _SECOND_MARGIN:
            if second < 0 or cost[s] < cost[second]:
                second = s
    out = np.empty(1 if second < 0 else 2)
    out[0] = _refined(x, y, best * _STEP_RAD, cost[best])
    if second >= 0:
        out[1] = _refined(x, y, second * _STEP_RAD, cost[second])
    return out


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
