"""Coarse ground height of one sweep: lowest points a metre square, grown outward from the vehicle."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]

SQUARE_M = 1.0
_NEAR_M = 8.0
_MAX_CARRIED = 5


def coarse_ground(xyz_m: F32, half_extent_m: float, slope: float, own_radius_m: float) -> F32:
    """(K, K) ground height of 1 m squares around the origin, NaN unknown; points (N, 3) level, relative to the vehicle.

    Row = x, column = y, first square at -half_extent_m. A square whose lowest point is a step away from the ground
    beside it (a roof, a reflection) takes the height of its neighbour, at most five squares far.
    """
    size = int(np.ceil(2 * half_extent_m / SQUARE_M))
    lowest = _lowest(xyz_m, half_extent_m, own_radius_m, size)
    middle = (np.arange(size) + 0.5) * SQUARE_M - half_extent_m
    near = (np.hypot(middle[:, None], middle[None]) < _NEAR_M) & np.isfinite(lowest)
    if not near.any():
        return np.full((size, size), np.nan, np.float32)
    start = float(np.median(lowest[near]))
    return np.asarray(_grow(lowest, near & (np.abs(lowest - start) < 0.4), np.float32(slope)))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _lowest(xyz: Any, half: float, own: float, size: int) -> Any:
    out = np.full((size, size), np.nan, np.float32)
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        i, j = int(np.floor((x + half) / SQUARE_M)), int(np.floor((y + half) / SQUARE_M))
        if i < 0 or j < 0 or i >= size or j >= size or x * x + y * y < own * own:
            continue
        if not z >= out[i, j]:
            out[i, j] = z
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _grow(lowest: Any, seeds: Any, slope: Any) -> Any:
    size = lowest.shape[0]
    out = np.full((size, size), np.nan, np.float32)
    carried = np.zeros((size, size), np.uint8)
    queue = np.empty((size * size, 2), np.int32)
    head = tail = 0
    for i in range(size):
        for j in range(size):
            if seeds[i, j]:
                out[i, j] = lowest[i, j]
                queue[tail, 0], queue[tail, 1] = i, j
                tail += 1
    while head < tail:
        i, j = queue[head, 0], queue[head, 1]
        head += 1
        for di in range(-1, 2):
            for dj in range(-1, 2):
                a, b = i + di, j + dj
                if a < 0 or b < 0 or a >= size or b >= size or not np.isnan(out[a, b]):
                    continue
                allowed = slope * (1 + carried[i, j])
                if abs(lowest[a, b] - out[i, j]) <= allowed:
                    out[a, b] = lowest[a, b]
                elif carried[i, j] < _MAX_CARRIED:
                    out[a, b] = out[i, j]
                    carried[a, b] = carried[i, j] + 1
                else:
                    continue
                queue[tail, 0], queue[tail, 1] = a, b
                tail += 1
    return out
