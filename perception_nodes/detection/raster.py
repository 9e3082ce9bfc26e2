"""A sweep seen from above as 16 channels that mean the same for every lidar: the input of the learned detector.

Heights are over the local ground, densities relative to what this sweep returns in that direction at that distance,
intensities ranks within the sweep. Cell (i, j) covers x in [-reach + i * cell, + cell) and y likewise with j.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import check_ranges, param

from .learned_points import PreparedPoints

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

CHANNELS: Final[tuple[str, ...]] = (
    "top",           # highest point below `OVERHEAD_M`, 0..1 for 0..3 m
    "mean",          # mean height of the points below `OVERHEAD_M`
    "bottom",        # lowest point (of anything): 0 where the ground is seen
    "count",         # log of the number of points
    "density",       # log of the number relative to what a surface standing here would return
    "rank_mean",     # mean intensity rank of what stands on the ground
    "rank_max",      # its greatest
    "low",           # log of the number between 0.2 and 0.6 m: bumpers, wheels, legs
    "body",          # ... 0.6 and 1.1 m: doors
    "window",        # ... 1.1 and 1.7 m: windows, chests
    "roof",          # ... 1.7 and 2.6 m: vans, heads
    "overhead",      # ... above 2.6 m: trees, walls, buses
    "offset_x",      # mean position in the cell of what stands on the ground, -1..1
    "offset_y",
    "range",         # from the nearest sensor, 1 = 50 m
    "shadow",        # way beyond the first obstacle seen from the sensor, -1 (before it) ... 1 (hidden)
)  # fmt: skip
OVERHEAD_M: Final = 2.6
# A version of the meaning of the channels, kept in every model: another one does not fit.
RASTER_VERSION: Final = 1

_SLICES_M: Final = (0.2, 0.6, 1.1, 1.7, 2.6)
_HEIGHT_M, _RANGE_M, _SHADOW_M = 3.0, 50.0, 8.0
_DIRECTIONS, _SECTORS = 1024, 64
_OBSTACLE_M = (0.4, 2.2)
# A standing surface of this height and the width of a cell is what densities are relative to.
_SURFACE_M = 1.0
# Vertical field of view over which a sector's points are taken to be spread, rad.
_FIELD_RAD = 0.5


@dataclass(frozen=True)
class RasterConfig:
    """Extent and resolution; the vehicle's base frame is in the middle."""

    cell_m: float = param(0.4, "edge of a cell", low=0.05, high=2.0)
    cells: int = param(256, "cells along each side", low=16, high=1024)

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def reach_m(self) -> float:
        """Half of the side."""
        return self.cell_m * self.cells / 2


def rasterize(points: PreparedPoints, config: RasterConfig, out: F32 | None = None) -> F32:
    """(16, cells, cells) float32 channels in the order of `CHANNELS`, indexed [channel, x, y]; into `out` if given."""
    n = config.cells
    if out is None:
        out = np.empty((len(CHANNELS), n, n), np.float32)
    nearest = np.zeros((len(points.origins_m), _DIRECTIONS), np.float32)
    sector = np.zeros(_SECTORS, np.float32)
    cell = np.zeros((n * n, 16), np.float32)
    grid = (-config.reach_m, config.cell_m, n)
    _gather(points.xyh_m, points.rank, points.source, points.origins_m, grid, cell, nearest, sector)
    out[:14] = 0.0
    _write(cell, points.origins_m, grid, nearest, sector, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def pseudo_angle(x: float, y: float) -> float:
    """0..4, growing with the direction of (x, y) as the angle does, without trigonometry; 0 for no direction."""
    total = abs(x) + abs(y)
    if total <= 0.0:
        return 0.0
    p = y / total
    if x < 0.0:
        return float(2.0 - p)
    return float(p if y >= 0.0 else 4.0 + p)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gather(
    xyh: Any, rank: Any, source: Any, origins: Any, grid: Any, cell: Any, nearest: Any, sector: Any
) -> None:
    """Sums of each cell; per sensor and direction the first obstacle (the farthest return where none stands).

    Columns: points, top, sum of heights, points below overhead, bottom, standing points, sum and greatest of their
    ranks, sums of their x and y offsets from the cell's middle, points of the four slices; two free: a cell is a
    cache line.
    """
    low, size, n = grid
    farthest = np.zeros_like(nearest)
    for k in range(len(xyh)):
        x, y, h = xyh[k, 0], xyh[k, 1], xyh[k, 2]
        s = source[k]
        dx, dy = x - origins[s, 0], y - origins[s, 1]
        angle = pseudo_angle(dx, dy)
        reach = np.sqrt(dx * dx + dy * dy)
        sector[min(int(angle * (_SECTORS / 4.0)), _SECTORS - 1)] += 1.0
        d = min(int(angle * (_DIRECTIONS / 4.0)), _DIRECTIONS - 1)
        farthest[s, d] = max(farthest[s, d], reach)
        if _OBSTACLE_M[0] < h < _OBSTACLE_M[1] and (nearest[s, d] == 0.0 or reach < nearest[s, d]):
            nearest[s, d] = reach
        across, along = (x - low) / size, (y - low) / size
        if not (0.0 <= across < n and 0.0 <= along < n):
            continue
        i, j = int(across), int(along)
        c = cell[i * n + j]
        if c[0] == 0.0 or h < c[4]:
            c[4] = h
        c[0] += 1.0
        if h < OVERHEAD_M:
            c[1] = max(c[1], h)
            c[2] += h
            c[3] += 1.0
        if _SLICES_M[0] <= h < OVERHEAD_M:
            c[5] += 1.0
            c[6] += rank[k]
            c[7] = max(c[7], rank[k])
            c[8] += across - i - 0.5
            c[9] += along - j - 0.5
            c[10 + (h >= _SLICES_M[1]) + (h >= _SLICES_M[2]) + (h >= _SLICES_M[3])] += 1.0
    for s in range(nearest.shape[0]):
        for d in range(_DIRECTIONS):
            if nearest[s, d] == 0.0:
                nearest[s, d] = farthest[s, d]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _write(cell: Any, origins: Any, grid: Any, nearest: Any, sector: Any, out: Any) -> None:
    low, size, n = grid
    logs = np.log1p(np.arange(256).astype(np.float32)) / np.float32(4.0)
    # Directions per sector differ in true width; that is put right where the density is used.
    smooth = np.empty(_SECTORS, np.float32)
    for k in range(_SECTORS):
        before, after = sector[k - 1], sector[(k + 1) % _SECTORS]
        smooth[k] = (before + 2 * sector[k] + after) / 4.0 * (_SECTORS / 4.0)
    for i in range(n):
        x = low + (i + 0.5) * size
        for j in range(n):
            y = low + (j + 0.5) * size
            c = cell[i * n + j]
            nearby, shadow, bearing = _seen(x, y, origins, nearest)
            out[14, i, j] = nearby / _RANGE_M
            out[15, i, j] = shadow
            count = c[0]
            if count == 0.0:
                continue
            below, standing = c[3], c[5]
            out[2, i, j] = min(max(c[4], -1.0), 2 * _HEIGHT_M) / _HEIGHT_M
            out[3, i, j] = logs[min(int(count), 255)]
            out[11, i, j] = logs[min(int(count - below), 255)]
            if below > 0:
                out[0, i, j] = c[1] / _HEIGHT_M
                out[1, i, j] = c[2] / below / _HEIGHT_M
            if standing > 0:
                expected = smooth[bearing] * _SURFACE_M * size / (_FIELD_RAD * max(nearby, 1.0) ** 2)
                out[4, i, j] = min(max(np.log((standing + 0.5) / (expected + 0.5)) * 0.4, -1.0), 1.0)
                out[5, i, j] = c[6] / standing
                out[6, i, j] = c[7]
                out[12, i, j] = 2.0 * c[8] / standing
                out[13, i, j] = 2.0 * c[9] / standing
                for k in range(4):
                    out[7 + k, i, j] = logs[min(int(c[10 + k]), 255)]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _seen(x: float, y: float, origins: Any, nearest: Any) -> Any:
    """Range of the nearest sensor, least shadow of any sensor (-1..1), sector of the direction from the nearest."""
    nearby, shadow, bearing = np.inf, 1.0, 0
    for s in range(len(origins)):
        dx, dy = x - origins[s, 0], y - origins[s, 1]
        reach = np.sqrt(dx * dx + dy * dy)
        angle = pseudo_angle(dx, dy)
        beyond = (reach - nearest[s, min(int(angle * (_DIRECTIONS / 4.0)), _DIRECTIONS - 1)]) / _SHADOW_M
        shadow = min(shadow, max(beyond, -1.0))
        if reach < nearby:
            nearby, bearing = reach, min(int(angle * (_SECTORS / 4.0)), _SECTORS - 1)
    return nearby, shadow, bearing
