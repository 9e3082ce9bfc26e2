"""Numbers that look random and hang on a place only, for surfaces, clouds and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def lot(i: int, j: int, seed: int) -> Any:
    """0..1 from three integers."""
    h = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = (h ^ np.uint64(seed) * np.uint64(0x165667B19E3779F9)) * np.uint64(0xD6E8FEB86659FD93)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return float((h ^ (h >> np.uint64(32))) >> np.uint64(40)) / 16777216.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def smooth(x: float, y: float, seed: int) -> Any:
    """0..1, one bump about each unit of the plane."""
    i, j = int(np.floor(x)), int(np.floor(y))
    u, v = x - i, y - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    low = lot(i, j, seed) * (1.0 - u) + lot(i + 1, j, seed) * u
    high = lot(i, j + 1, seed) * (1.0 - u) + lot(i + 1, j + 1, seed) * u
    return low * (1.0 - v) + high * v


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def bell(i: int, seed: int) -> Any:
    """Mean 0, deviation 1: the sum of four 16 bit numbers, so never beyond 3.5 of it."""
    h = (np.uint64(i) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(seed)
    h = (h ^ (h >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xC2B2AE3D27D4EB4F)
    h ^= h >> np.uint64(32)
    mask = np.uint64(0xFFFF)
    total = float(h & mask) + float((h >> np.uint64(16)) & mask)
    total += float((h >> np.uint64(32)) & mask) + float(h >> np.uint64(48))
    return (total / 65535.0 - 2.0) * 1.7320508
