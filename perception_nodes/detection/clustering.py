"""Object points on a fine grid, and connected groups of occupied cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .config import GeometricConfig
from .ground import GroundGrid, bilinear

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Groups of points: points `order[start[k]:start[k + 1]]` of the cloud form cluster k."""

    order: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1


def heights_over_ground(xyz_m: F32, ground: GroundGrid) -> F32:
    """(N,) height of each point over the ground surface, m."""
    out = np.empty(len(xyz_m), np.float32)
    _heights(xyz_m, ground.height_m, ground.min_xy_m, ground.cell_m, out)
    return out


def cluster(xyz_m: F32, chosen: npt.NDArray[np.int64], config: GeometricConfig) -> Clusters:
    """Group the points `chosen` (indices) whose cells lie within `link_cells` of each other."""
    n = 2 * int(np.ceil(config.range_m / config.cluster_cell_m))
    low = -0.5 * n * config.cluster_cell_m
    cell_of, count = np.empty(len(chosen), np.int64), np.zeros(n * n, np.int32)
    _bin(xyz_m, chosen, low, config.cluster_cell_m, n, cell_of, count)
    occupied = np.flatnonzero(count)
    label = _components(occupied, n, config.link_cells)
    count[occupied] = label
    of_point = count[cell_of]
    order = np.argsort(of_point, kind="stable")
    groups = int(label.max(initial=-1)) + 1
    start = np.zeros(groups + 1, np.int64)
    start[1:] = np.cumsum(np.bincount(of_point, minlength=groups))
    return Clusters(chosen[order], start)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _heights(xyz: Any, grid: Any, low: float, cell: float, out: Any) -> None:
    for k in range(len(xyz)):
        out[k] = xyz[k, 2] - bilinear(grid, (xyz[k, 0] - low) / cell - 0.5, (xyz[k, 1] - low) / cell - 0.5)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _bin(xyz: Any, chosen: Any, low: float, cell: float, n: int, cell_of: Any, count: Any) -> None:
    for k in range(len(chosen)):
        i = min(max(int((xyz[chosen[k], 0] - low) / cell), 0), n - 1)
        j = min(max(int((xyz[chosen[k], 1] - low) / cell), 0), n - 1)
        cell_of[k] = i * n + j
        count[i * n + j] += 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _root(parent: Any, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _components(occupied: Any, n: int, reach: int) -> Any:
    """Labels 0.. of occupied cells (ascending flat indices) by union-find over neighbours within `reach` cells."""
    m = len(occupied)
    index = np.full(n * n, -1, np.int32)
    for k in range(m):
        index[occupied[k]] = k
    parent = np.arange(m)
    for k in range(m):
        i, j = occupied[k] // n, occupied[k] % n
        for di in range(0, reach + 1):
            for dj in range(-reach, reach + 1):
                a, b = i + di, j + dj
                if (di == 0 and dj <= 0) or a >= n or b < 0 or b >= n or di * di + dj * dj > reach * reach + 1:
                    continue
                other = index[a * n + b]
                if other >= 0:
                    p, q = _root(parent, k), _root(parent, other)
                    if p != q:
                        parent[max(p, q)] = min(p, q)
    label = np.empty(m, np.int32)
    groups = 0
    for k in range(m):
        root = _root(parent, k)
        if root == k:
            label[k] = groups
            groups += 1
        else:
            label[k] = label[root]
    return label
