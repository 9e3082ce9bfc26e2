"""What each lidar could see: hidden, seen free, or unknown, by direction and distance.

A box may be completed into space that is hidden, and must not reach into space that a beam has crossed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

BINS = 1440
RING_M = 0.5
_RINGS = 200
# A return lower than this has come in low enough to have crossed the space before it at the height of cars.
_LOW_RETURN_M = 0.35
_BODY_M = 0.9
# Taller than this over the ground hides what is behind.
_HIDES_M = 0.5


@dataclass(frozen=True, eq=False)
class SpaceMap:
    """Per lidar: nearest (K, BINS) distance of a thing that hides; low_returns (K, BINS, rings) cumulated count of low
    returns up to each ring; crossing (K,): a low return at R proves the space between crossing * R and R free.
    """

    nearest_m: F32
    low_returns: npt.NDArray[np.int16]
    crossing: F64


def map_space(
    xyz_m: F32, height_m: F32, source: npt.NDArray[np.uint8], origins_m: F64, ground_z_m: F64
) -> SpaceMap:
    """From all used points of the base frame, with the ground's height below each origin (K,)."""
    k = len(origins_m)
    nearest = np.full((k, BINS), np.inf, np.float32)
    low = np.zeros((k, BINS, _RINGS), np.int16)
    _fill(xyz_m, height_m, source, origins_m, nearest, low)
    mount = np.maximum(origins_m[:, 2] - ground_z_m, _BODY_M + 0.1)
    crossing = np.clip((mount - _BODY_M) / (mount - _LOW_RETURN_M / 2), 0.3, 1.0)
    return SpaceMap(nearest, low, crossing)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def bearing_bin(x: float, y: float) -> int:
    """Index of a direction: equal steps on a square instead of a circle, which needs no arctangent."""
    total = abs(x) + abs(y)
    if total <= 0.0:
        return 0
    turn = y / total
    quarter = turn if x >= 0 else 2.0 - turn
    return int((quarter + 1.0) * (BINS / 4)) % BINS


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(xyz: Any, height: Any, source: Any, origins: Any, nearest: Any, low: Any) -> None:
    for k in range(len(xyz)):
        s = source[k]
        x, y = xyz[k, 0] - origins[s, 0], xyz[k, 1] - origins[s, 1]
        b = bearing_bin(x, y)
        r = np.sqrt(x * x + y * y)
        if height[k] < _LOW_RETURN_M:
            ring = int(r / RING_M)
            if ring < _RINGS and low[s, b, ring] < 100:
                low[s, b, ring] += 1
        elif height[k] > _HIDES_M and r < nearest[s, b]:
            nearest[s, b] = r
    for s in range(low.shape[0]):
        for b in range(low.shape[1]):
            for ring in range(1, low.shape[2]):
                low[s, b, ring] += low[s, b, ring - 1]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def seen_free(x: float, y: float, nearest: Any, low: Any, crossing: float) -> int:
    """State of the point (x, y) relative to a lidar: 1 seen free, -1 hidden behind something, 0 not known."""
    b = bearing_bin(x, y)
    r = np.sqrt(x * x + y * y)
    if nearest[b] < r + 0.3:
        # Right behind a surface may be the thing itself.
        return -1 if nearest[b] < r - 0.4 else 0
    first, last = int((r + 0.3) / RING_M), int(r / crossing / RING_M)
    first, last = min(first, low.shape[1] - 1), min(last, low.shape[1] - 1)
    if low[b, last] > low[b, first]:
        return 1
    if nearest[b] < np.inf and nearest[b] > r + 0.5 and nearest[b] * crossing < r:
        return 1
    return 0
