"""Ground surface of one sweep as a height grid, and the height of every point over it.

Method: the lowest return of each cell; a plane through those near the vehicle by sampled consensus; then the surface
grows from the vehicle outwards, each cell compared with the height its nearer neighbours predict. Cells without a
believable return keep the prediction, with a tolerance that grows with the way to the last seen ground. So slopes,
kerbs and a base frame that is tilted or lifted against the road need no calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .config import GeometricConfig

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
_PLANE_RANGE_M, _PLANE_NEAR_M = 25.0, 10.0
_PLANE_SAMPLES = 120
_PLANE_BAND_M = 0.15
# Neighbours that predict a cell: offsets and their distance in cells.
_NEIGHBOURS = np.array(
    [
        (a, b, abs(a) + abs(b))
        for a in range(-2, 3)
        for b in range(-2, 3)
        if (a, b) != (0, 0) and abs(a) + abs(b) != 3
    ],
    np.int64,
)


@dataclass(frozen=True, eq=False)
class GroundGrid:
    """Ground height on a square grid of the base frame.

    Cell (i, j) covers x in [min_xy_m + i * cell_m, + cell_m) and y likewise with j; height_m (n, n) is z of the
    ground at the cell's centre; observed (n, n) is true where a return of the ground was seen in that cell, elsewhere
    the height is an extrapolation. plane: (a, b, c) of the coarse plane z = a x + b y + c.
    """

    min_xy_m: float
    cell_m: float
    height_m: F32
    observed: npt.NDArray[np.bool_]
    plane: tuple[float, float, float]

    def height_at(self, xy_m: F64) -> F64:
        """(N,) ground z at (N, 2) positions of the base frame; outside of the grid that of its border."""
        out = np.zeros(len(xy_m))
        xy = np.ascontiguousarray(xy_m, np.float64)
        _sample(xy, self.height_m, self.min_xy_m, self.cell_m, out)
        return out


def estimate_ground(xyz_m: F32, config: GeometricConfig) -> GroundGrid:
    """The ground below (N, 3) points of the base frame; flat at z = 0 where there is nothing to go by."""
    n = 2 * int(np.ceil(config.range_m / config.ground_cell_m))
    low = -0.5 * n * config.ground_cell_m
    minima = np.full((n, n), np.inf, np.float32)
    _lowest(xyz_m, low, config.ground_cell_m, minima)
    plane = _fit_plane(minima, low, config.ground_cell_m, np.tan(config.max_tilt_rad), _triples())
    height, observed = np.zeros((n, n), np.float32), np.zeros((n, n), np.bool_)
    _grow(minima, _order(n), low, config.ground_cell_m, plane, config.ground_tolerance_m, config.ground_slope,
          height, observed)  # fmt: skip
    a, b, c = (float(v) for v in plane)
    return GroundGrid(low, config.ground_cell_m, height, observed, (a, b, c))


def heights_over_ground(xyz_m: F32, ground: GroundGrid) -> F32:
    """(N,) height of each point over the ground surface, m."""
    out = np.empty(len(xyz_m), np.float32)
    _heights(xyz_m, ground.height_m, ground.min_xy_m, ground.cell_m, out)
    return out


@lru_cache(maxsize=4)
def _order(n: int) -> npt.NDArray[np.int32]:
    """Flat indices of the cells from the centre outwards."""
    i = np.arange(n) - (n - 1) / 2
    distance = np.hypot(i[:, None], i[None]).ravel()
    return np.argsort(distance, kind="stable").astype(np.int32)


@lru_cache(maxsize=1)
def _triples() -> F64:
    """Fixed random numbers for the plane's samples, so that a frame gives one result."""
    return np.random.default_rng(20240611).random((_PLANE_SAMPLES, 3))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _lowest(xyz: Any, low: float, cell: float, minima: Any) -> None:
    n = minima.shape[0]
    for k in range(len(xyz)):
        x, y = (xyz[k, 0] - low) / cell, (xyz[k, 1] - low) / cell
        if x >= 0 and y >= 0 and x < n and y < n:
            i, j = int(x), int(y)
            if xyz[k, 2] < minima[i, j]:
                minima[i, j] = xyz[k, 2]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fit_plane(minima: Any, low: float, cell: float, max_slope: float, triples: Any) -> Any:
    """Plane (a, b, c) with most cell minima in its band and few below, refined by least squares on its band."""
    n = minima.shape[0]
    count = 0
    xyz, near = np.empty((n * n, 3)), np.empty(n * n)
    for i in range(n):
        for j in range(n):
            x, y = low + (i + 0.5) * cell, low + (j + 0.5) * cell
            if minima[i, j] < np.inf and abs(x) < _PLANE_RANGE_M and abs(y) < _PLANE_RANGE_M:
                xyz[count, 0], xyz[count, 1], xyz[count, 2] = x, y, minima[i, j]
                near[count] = 1.0 / (1.0 + (x**2 + y**2) / _PLANE_NEAR_M**2)
                count += 1
    best = np.zeros(3)
    if count == 0:
        return best
    xyz, near = xyz[:count], near[:count]
    best[2] = np.sort(xyz[:, 2])[count // 5]
    if count < 10:
        return best
    best_score = _plane_score(xyz, near, best)
    plane = np.zeros(3)
    for s in range(len(triples)):
        p, q, r = (
            xyz[int(triples[s, 0] * count)],
            xyz[int(triples[s, 1] * count)],
            xyz[int(triples[s, 2] * count)],
        )
        det = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])
        if abs(det) < 4.0:
            continue
        plane[0] = ((q[2] - p[2]) * (r[1] - p[1]) - (r[2] - p[2]) * (q[1] - p[1])) / det
        plane[1] = ((q[0] - p[0]) * (r[2] - p[2]) - (r[0] - p[0]) * (q[2] - p[2])) / det
        plane[2] = p[2] - plane[0] * p[0] - plane[1] * p[1]
        if np.hypot(plane[0], plane[1]) > max_slope:
            continue
        score = _plane_score(xyz, near, plane)
        if score > best_score:
            best_score = score
            best[:] = plane
    for _ in range(2):
        best = _refine(xyz, best, max_slope)
    return best


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _plane_score(xyz: Any, near: Any, plane: Any) -> float:
    """Cells in the band, less those below it; near cells count more, for the surface grows from them."""
    score, (a, b, c) = 0.0, plane
    for k in range(len(xyz)):
        d = xyz[k, 2] - a * xyz[k, 0] - b * xyz[k, 1] - c
        # Without a branch: which way it goes is as good as drawn.
        score += near[k] * ((d < _PLANE_BAND_M) - 2.0 * (d <= -_PLANE_BAND_M))
    return score


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _refine(xyz: Any, plane: Any, max_slope: float) -> Any:
    lhs, rhs = np.zeros((3, 3)), np.zeros(3)
    row = np.ones(3)
    for k in range(len(xyz)):
        d = xyz[k, 2] - plane[0] * xyz[k, 0] - plane[1] * xyz[k, 1] - plane[2]
        if abs(d) < _PLANE_BAND_M:
            row[0], row[1] = xyz[k, 0], xyz[k, 1]
            for a in range(3):
                rhs[a] += row[a] * xyz[k, 2]
                for b in range(3):
                    lhs[a, b] += row[a] * row[b]
    # A weak pull to level, so that few or collinear cells cannot tip the plane.
    lhs[0, 0] += 1.0
    lhs[1, 1] += 1.0
    lhs[2, 2] += 1e-9
    out = np.linalg.solve(lhs, rhs)
    slope = np.hypot(out[0], out[1])
    if not slope <= max_slope:
        return plane
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _grow(
    minima: Any, order: Any, low: float, cell: float, plane: Any, tolerance: float, slope: float,
    height: Any, observed: Any,
) -> None:  # fmt: skip
    n = minima.shape[0]
    done = np.zeros((n, n), np.bool_)
    spread = np.zeros((n, n), np.float32)
    for k in range(len(order)):
        i, j = order[k] // n, order[k] % n
        base = plane[0] * (low + (i + 0.5) * cell) + plane[1] * (low + (j + 0.5) * cell) + plane[2]
        weight, total, nearest = 0.0, 0.0, 0.8
        for m in range(len(_NEIGHBOURS)):
            a, b = i + _NEIGHBOURS[m, 0], j + _NEIGHBOURS[m, 1]
            if a < 0 or b < 0 or a >= n or b >= n or not done[a, b]:
                continue
            step = _NEIGHBOURS[m, 2] * cell * slope
            w = 1.0 / ((0.02 + spread[a, b] + step) * (0.02 + spread[a, b] + step))
            weight += w
            total += w * height[a, b]
            nearest = min(nearest, float(spread[a, b] + step))
        predicted = total / weight if weight > 0 else 0.0
        uncertain = nearest if weight > 0 else 0.3
        done[i, j] = True
        residual = minima[i, j] - base
        gap = residual - predicted
        if (
            minima[i, j] < np.inf
            and gap < tolerance + min(uncertain, 0.3)
            and gap > -tolerance - 2 * uncertain
        ):
            height[i, j], spread[i, j], observed[i, j] = residual, 0.02, True
        else:
            height[i, j], spread[i, j] = predicted, uncertain
    for i in range(n):
        for j in range(n):
            height[i, j] += (
                plane[0] * (low + (i + 0.5) * cell) + plane[1] * (low + (j + 0.5) * cell) + plane[2]
            )


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sample(xy: Any, height: Any, low: float, cell: float, out: Any) -> None:
    for k in range(len(xy)):
        out[k] = bilinear(height, (xy[k, 0] - low) / cell - 0.5, (xy[k, 1] - low) / cell - 0.5)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def bilinear(grid: Any, x: float, y: float) -> float:
    """Value of a square grid between the centres of four cells; clamped at the border."""
    n = grid.shape[0]
    x, y = min(max(x, 0.0), n - 1.001), min(max(y, 0.0), n - 1.001)
    i, j = int(x), int(y)
    u, v = x - i, y - j
    return float(
        (grid[i, j] * (1 - u) + grid[i + 1, j] * u) * (1 - v)
        + (grid[i, j + 1] * (1 - u) + grid[i + 1, j + 1] * u) * v
    )


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _heights(xyz: Any, grid: Any, low: float, cell: float, out: Any) -> None:
    for k in range(len(xyz)):
        out[k] = xyz[k, 2] - bilinear(grid, (xyz[k, 0] - low) / cell - 0.5, (xyz[k, 1] - low) / cell - 0.5)
