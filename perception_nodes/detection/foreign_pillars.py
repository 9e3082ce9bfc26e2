"""Points of a sweep sorted into pillars, as foreign models take them. A. Lang et al., PointPillars, CVPR 2019."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PillarGrid:
    """Extent of a model's grid in its own frame, size of a pillar, and how many pillars of how many points it takes."""

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    voxel_m: tuple[float, float, float]
    max_pillars: int
    points: int

    @property
    def width(self) -> int:
        """Pillars along x."""
        return round((self.high_m[0] - self.low_m[0]) / self.voxel_m[0])

    @property
    def height(self) -> int:
        """Pillars along y."""
        return round((self.high_m[1] - self.low_m[1]) / self.voxel_m[1])


@dataclass(frozen=True, eq=False)
class Pillars:
    """V pillars: features (V, P, F), 0 where there is no point; count (V,) of points; cell (V, 2) column x, row y."""

    features: F32
    count: I64
    cell: I64


def fill_pillars(xyz_m: F32, fourth: F32, grid: PillarGrid, offsets: bool = False) -> Pillars:
    """Points (N, 3) in the model's frame with a fourth number (N,) each; what is outside or too much is left out.

    offsets: five more features: the way from the mean of the pillar's points (3), and from its middle (2).
    """
    features = np.zeros((grid.max_pillars, grid.points, 9 if offsets else 4), np.float32)
    cell, count = np.zeros((grid.max_pillars, 2), np.int64), np.zeros(grid.max_pillars, np.int64)
    xyz, extra = np.ascontiguousarray(xyz_m, np.float32), np.ascontiguousarray(fourth, np.float32)
    layout = (grid.low_m, grid.high_m, grid.voxel_m, grid.width, grid.height)
    used = _fill(xyz, extra, layout, features, cell, count)
    if offsets:
        _add_offsets(layout, features[:used], cell, count)
    return Pillars(features[:used], count[:used], cell[:used])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(xyz: Any, fourth: Any, layout: Any, features: Any, cell: Any, count: Any) -> int:
    """Sort points into pillars in the order in which they come; returns how many pillars."""
    low, high, size, width, height = layout
    where = np.full(width * height, -1, np.int64)
    used, most = 0, features.shape[1]
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        if not (low[0] <= x < high[0] and low[1] <= y < high[1] and low[2] <= z < high[2]):
            continue
        i, j = int((x - low[0]) / size[0]), int((y - low[1]) / size[1])
        if i >= width or j >= height:
            continue
        v = where[j * width + i]
        if v < 0:
            if used == len(features):
                continue
            v = used
            where[j * width + i] = v
            cell[v, 0], cell[v, 1] = i, j
            used += 1
        if count[v] < most:
            f = features[v, count[v]]
            f[0], f[1], f[2], f[3] = x, y, z, fourth[k]
            count[v] += 1
    return used


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add_offsets(layout: Any, features: Any, cell: Any, count: Any) -> None:
    low, _, size, _, _ = layout
    for v in range(len(features)):
        n = count[v]
        mean_x, mean_y, mean_z = 0.0, 0.0, 0.0
        for p in range(n):
            mean_x += features[v, p, 0] / n
            mean_y += features[v, p, 1] / n
            mean_z += features[v, p, 2] / n
        middle_x, middle_y = low[0] + (cell[v, 0] + 0.5) * size[0], low[1] + (cell[v, 1] + 0.5) * size[1]
        for p in range(n):
            f = features[v, p]
            f[4], f[5], f[6] = f[0] - mean_x, f[1] - mean_y, f[2] - mean_z
            f[7], f[8] = f[0] - middle_x, f[1] - middle_y
