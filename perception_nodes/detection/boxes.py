"""Oriented boxes of clusters: L-shape fit, and completion of what the sensor could not see.

References: X. Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners, IV 2017 (search over
the heading, closeness of points to the edges). Differs: only the edges that face the sensor attract points, and the
box is completed away from the sensor and into occlusion to the size that a vehicle of that height has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .clustering import Clusters

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SEARCH_POINTS = 160
COARSE_STEPS = 30
HORIZON_BINS = 1080
_CLOSE_M = 0.08
_WIDE_M = 2.35
# Columns of the fit's result.
FIELDS = (
    "x", "y", "yaw", "length", "width",
    "seen_length", "seen_width", "bottom", "top", "ground_z", "range", "points", "cost", "hidden_left", "hidden_right",
    "fill", "grown",
)  # fmt: skip
NUM_FIELDS = len(FIELDS)


@dataclass(frozen=True, eq=False)
class FittedBoxes:
    """(M, F) result of the fit, one row a cluster, columns by name; m, rad, base frame, heights over ground."""

    values: F64

    def __getitem__(self, name: str) -> F64:
        return self.values[:, FIELDS.index(name)]

    def __len__(self) -> int:
        return len(self.values)


def fit_boxes(
    xyz_m: F32, height_m: F32, source: npt.NDArray[np.uint8], clusters: Clusters, origins_m: F64
) -> FittedBoxes:
    """Fit every cluster of points of the base frame. `source` names the row of `origins_m` (K, 3) of each point."""
    horizon = np.full(HORIZON_BINS, np.inf, np.float32)
    _nearest(xyz_m, clusters.order, origins_m[0], horizon)
    out = np.zeros((len(clusters), NUM_FIELDS))
    _fit_all(xyz_m, height_m, source, clusters.order, clusters.start, origins_m, horizon, out)
    return FittedBoxes(out)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _nearest(xyz: Any, order: Any, origin: Any, horizon: Any) -> None:
    """Least distance of an object point in each direction: what stands behind it is hidden."""
    for k in order:
        dx, dy = xyz[k, 0] - origin[0], xyz[k, 1] - origin[1]
        b = int((np.arctan2(dy, dx) + np.pi) / (2 * np.pi) * HORIZON_BINS) % HORIZON_BINS
        r = np.hypot(dx, dy)
        if r < horizon[b]:
            horizon[b] = r


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_all(
    xyz: Any, height: Any, source: Any, order: Any, start: Any, origins: Any, horizon: Any, out: Any
) -> None:
    for c in range(len(start) - 1):
        members = order[start[c] : start[c + 1]]
        if len(members) > 1:
            _fit_one(xyz, height, source, members, origins, horizon, out[c])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_one(xyz: Any, height: Any, source: Any, members: Any, origins: Any, horizon: Any, out: Any) -> None:
    votes = np.zeros(len(origins), np.int64)
    bottom, top, ground = np.float32(1e9), np.float32(-1e9), 0.0
    for k in members:
        votes[min(source[k], len(origins) - 1)] += 1
        bottom, top = min(bottom, height[k]), max(top, height[k])
        ground += xyz[k, 2] - height[k]
    origin = origins[np.argmax(votes)]
    step = max(1, len(members) // SEARCH_POINTS)
    chosen = members[::step]
    x, y = np.empty(len(chosen)), np.empty(len(chosen))
    for k in range(len(chosen)):
        x[k], y[k] = xyz[chosen[k], 0] - origin[0], xyz[chosen[k], 1] - origin[1]
    yaw, cost = _search(x, y)
    co, si = np.cos(yaw), np.sin(yaw)
    u, v = np.empty(len(members)), np.empty(len(members))
    for k in range(len(members)):
        dx, dy = xyz[members[k], 0] - origin[0], xyz[members[k], 1] - origin[1]
        u[k], v[k] = dx * co + dy * si, dy * co - dx * si
    edges = np.array([u.min(), u.max(), v.min(), v.max()])
    if edges[1] - edges[0] < edges[3] - edges[2]:
        yaw += np.pi / 2
        edges = np.array([edges[2], edges[3], -edges[1], -edges[0]])
    _complete(edges, yaw, top, len(members), horizon, out)
    cx, cy = 0.5 * (out[0] + out[1]), 0.5 * (out[2] + out[3])
    yaw = out[4]
    length, width = out[1] - out[0], out[3] - out[2]
    co, si = np.cos(yaw), np.sin(yaw)
    out[0], out[1] = origin[0] + cx * co - cy * si, origin[1] + cx * si + cy * co
    out[2] = (yaw + np.pi / 2) % np.pi - np.pi / 2
    out[3], out[4] = length, width
    out[7], out[8], out[9] = bottom, top, ground / len(members)
    out[10] = np.hypot(cx, cy)
    out[11], out[12] = len(members), cost


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _search(x: Any, y: Any) -> Any:
    """Heading in [0, pi/2) with the least mean distance of points to the edges that face the origin."""
    best, best_cost = 0.0, np.inf
    for s in range(COARSE_STEPS):
        angle = s * (np.pi / 2) / COARSE_STEPS
        cost = _edge_cost(x, y, angle)
        if cost < best_cost:
            best, best_cost = angle, cost
    step = (np.pi / 2) / COARSE_STEPS / 2
    for _ in range(2):
        for sign in (-1.0, 1.0):
            cost = _edge_cost(x, y, best + sign * step)
            if cost < best_cost:
                best, best_cost = best + sign * step, cost
        step /= 2
    return best, best_cost


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _edge_cost(x: Any, y: Any, angle: float) -> float:
    co, si = np.cos(angle), np.sin(angle)
    u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
    for k in range(len(x)):
        u, v = x[k] * co + y[k] * si, y[k] * co - x[k] * si
        u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
    # The edge of each pair that faces the origin; none where the origin lies between them.
    eu = u0 if u0 > 0 else (u1 if u1 < 0 else np.inf)
    ev = v0 if v0 > 0 else (v1 if v1 < 0 else np.inf)
    total = 0.0
    for k in range(len(x)):
        u, v = x[k] * co + y[k] * si, y[k] * co - x[k] * si
        d = min(abs(u - eu), abs(v - ev), 0.6)
        total -= _CLOSE_M / max(d, _CLOSE_M)
    # Of headings that fit alike the smaller rectangle is the likelier one.
    return total / len(x) + 0.02 * (u1 - u0) * (v1 - v0)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _hidden(u: float, v: float, yaw: float, horizon: Any) -> float:
    """Share of three directions around the point (u, v) of the box's axes in which something nearer stands."""
    reach = np.hypot(u, v)
    bearing = np.arctan2(v, u) + yaw
    share = 0.0
    for s in range(-1, 2):
        b = int((bearing + s * 0.006 + np.pi) / (2 * np.pi) * HORIZON_BINS) % HORIZON_BINS
        if horizon[b] < reach - 1.0:
            share += 1.0 / 3.0
    return share


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _extend(low: float, high: float, wanted: float, low_hidden: bool, high_hidden: bool) -> Any:
    """Grow [low, high] to `wanted`: into the hidden end, else away from the origin; seen ends stay."""
    missing = wanted - (high - low)
    if missing <= 0:
        return low, high
    if low_hidden and high_hidden:
        return low - missing / 2, high + missing / 2
    if low_hidden:
        return low - missing, high
    if high_hidden:
        return low, high + missing
    if low > 0.0:
        return low, high + missing
    if high < 0.0:
        return low - missing, high
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _complete(edges: Any, yaw: float, top: float, points: int, horizon: Any, out: Any) -> None:
    """Write the completed edges, the heading and what was seen; edges[0:2] is the longer seen side."""
    long_side, short_side = edges[1] - edges[0], edges[3] - edges[2]
    face = long_side < _WIDE_M
    if face:
        yaw += np.pi / 2
        edges = np.array([edges[2], edges[3], -edges[1], -edges[0]])
    u0, u1, v0, v1 = edges[0], edges[1], edges[2], edges[3]
    near_u = min(max(0.0, u0), u1)
    near_v = min(max(0.0, v0), v1)
    low_u, high_u = _hidden(u0 - 0.5, near_v, yaw, horizon) > 0.5, _hidden(u1 + 0.5, near_v, yaw, horizon) > 0.5
    low_v, high_v = _hidden(near_u, v0 - 0.4, yaw, horizon) > 0.5, _hidden(near_u, v1 + 0.4, yaw, horizon) > 0.5
    out[5], out[6] = u1 - u0, v1 - v0
    small = long_side < 1.15
    if not small:
        tall = top > 2.3
        wanted_length = 4.4 if not tall else 6.0
        wanted_width = 1.85 if not tall else 2.4
        if u1 - u0 > 6.5:
            wanted_width = 2.5
        u0, u1 = _extend(u0, u1, wanted_length, low_u, high_u)
        v0, v1 = _extend(v0, v1, wanted_width, low_v and not face, high_v and not face)
    out[0], out[1], out[2], out[3], out[4] = u0, u1, v0, v1, yaw
    out[13], out[14] = 1.0 if low_u else 0.0, 1.0 if high_u else 0.0
    out[15] = short_side
    out[16] = 0.0 if small else 1.0
