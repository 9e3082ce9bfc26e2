"""Intensity of the ground, made comparable between lidars and ranges.

Every lidar has its own scale, and the return of one asphalt falls with range and incidence. So each point is compared
with what this lidar usually gets from the ground at this range: (intensity - median) / spread, the spread being the
distance of the 84th percentile from the median.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]

RANGE_STEP_M = 4.0
_RANGES = 16
_LEVELS = 128
_SOURCES = 16
_FADE = 0.9
_LEAST_POINTS = 100.0
_LIMIT = 12.0


class IntensityScale:
    """Running histograms of ground intensity per lidar and range."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._histogram = np.zeros((_SOURCES, _RANGES, _LEVELS))
        self._top = np.zeros(_SOURCES)

    def relative(self, intensity: F32, source: npt.NDArray[np.uint8], range_m: F32) -> F32:
        """(N,) contrast of ground points to what is usual there, in spreads, limited to +-12; NaN not known yet."""
        for lidar in np.unique(source):
            if self._top[lidar] <= 0:
                self._top[lidar] = 1.5 * float(np.percentile(intensity[source == lidar], 99.0))
        self._histogram *= _FADE
        _count(intensity, source, range_m, self._top, self._histogram)
        median, spread = self._quantiles()
        out = np.empty(len(intensity), np.float32)
        _apply(intensity, source, range_m, median, spread, out)
        return out

    def _quantiles(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        total = self._histogram.sum(axis=2)
        share = np.cumsum(self._histogram, axis=2) / np.maximum(total, 1e-9)[..., None]
        step = (self._top / _LEVELS)[:, None]
        median = (np.argmax(share >= 0.5, axis=2) + 0.5) * step
        upper = (np.argmax(share >= 0.84, axis=2) + 0.5) * step
        spread = np.maximum(upper - median, np.maximum(step, 0.05 * median))
        median[(total < _LEAST_POINTS) | (step <= 0)] = np.nan
        return median, spread


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(intensity: Any, source: Any, range_m: Any, top: Any, histogram: Any) -> None:
    for k in range(len(intensity)):
        s = source[k]
        if s >= _SOURCES or top[s] <= 0:
            continue
        level = min(max(int(intensity[k] / top[s] * _LEVELS), 0), _LEVELS - 1)
        histogram[s, min(int(range_m[k] / RANGE_STEP_M), _RANGES - 1), level] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _apply(intensity: Any, source: Any, range_m: Any, median: Any, spread: Any, out: Any) -> None:
    for k in range(len(intensity)):
        s = source[k]
        if s >= _SOURCES:
            out[k] = np.nan
            continue
        r = min(int(range_m[k] / RANGE_STEP_M), _RANGES - 1)
        value = (intensity[k] - median[s, r]) / spread[s, r]
        out[k] = min(max(value, -_LIMIT), _LIMIT) if value == value else np.nan
