"""What is remembered of the ground: a world-fixed grid around the vehicle, old cells overwritten as it moves on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .config import MapConfig

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GridView:
    """The grid in world order: row = x, column = y; the middle of cell (i, j) is corner + (i + 0.5, j + 0.5) cells.

    height_m: odom z of the ground, NaN not seen; contrast: mean relative intensity, NaN not seen; weight: sweeps that
    saw the ground (limited); occupied: share of recent sweeps with an obstacle; top_m: height of it over the ground.
    """

    corner_m: F64
    cell_m: float
    height_m: F32
    contrast: F32
    weight: F32
    occupied: F32
    top_m: F32


class GroundGrid:
    """Toroidal storage: cell (i, j) of the world lies at (i mod n, j mod n), so nothing is copied when it moves."""

    def __init__(self, config: MapConfig) -> None:
        self._config = config
        self.size = round(2 * config.half_extent_m / config.cell_m)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        n = self.size
        self._height, self._contrast, self._weight, self._bright, self._occupied, self._top = (
            np.zeros((n, n), np.float32) for _ in range(6)
        )
        self._low = np.full((n, n), np.inf, np.float32)
        self._corner: tuple[int, int] | None = None

    def move_to(self, x_m: float, y_m: float) -> None:
        """Centre the window on the vehicle; cells that come into it are empty."""
        n, cell = self.size, self._config.cell_m
        corner = (int(np.floor(x_m / cell)) - n // 2, int(np.floor(y_m / cell)) - n // 2)
        if self._corner is not None and corner != self._corner:
            for axis in (0, 1):
                self._clear(axis, self._corner[axis], corner[axis])
        self._corner = corner

    def _clear(self, axis: int, old: int, new: int) -> None:
        n = self.size
        fresh = np.arange(old + n, new + n) if new > old else np.arange(new, old)
        lines = np.unique(fresh[-n:] % n)
        for array in (self._height, self._contrast, self._weight, self._bright, self._occupied, self._top):
            if axis == 0:
                array[lines] = 0
            else:
                array[:, lines] = 0

    def add(self, xyz_m: F32, over_ground_m: F32, relative: F32 | None, vehicle_m: F64) -> None:
        """One sweep: level points (N, 3) relative to the vehicle, heights over the coarse ground (NaN unknown).

        relative: (N,) contrast of the points' intensity, or None where there is none.
        """
        c = self._config
        assert self._corner is not None
        cells = _cells(xyz_m, vehicle_m[:2], np.array(self._corner), c.cell_m, self.size)
        limits = np.array([c.ground_band_m, c.obstacle_low_m, c.obstacle_high_m, c.memory_sweeps], np.float32)
        contrast = np.full(len(xyz_m), np.nan, np.float32) if relative is None else relative
        grids = (self._height, self._contrast, self._weight, self._bright, self._occupied, self._top)
        _accumulate(
            xyz_m, over_ground_m, contrast, cells, limits, np.float32(vehicle_m[2]), self._low, *grids
        )

    def view(self) -> GridView:
        """The grid in world order (copies)."""
        assert self._corner is not None
        shift = (-(self._corner[0] % self.size), -(self._corner[1] % self.size))

        def roll(array: F32) -> F32:
            return np.roll(array, shift, axis=(0, 1))

        weight, bright = roll(self._weight), roll(self._bright)
        return GridView(
            np.array(self._corner) * self._config.cell_m,
            self._config.cell_m,
            np.where(weight > 0, roll(self._height), np.float32(np.nan)),
            np.where(bright > 0, roll(self._contrast), np.float32(np.nan)),
            weight,
            roll(self._occupied),
            roll(self._top),
        )


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cells(xyz: Any, vehicle: Any, corner: Any, cell: float, size: int) -> Any:
    """(N,) index into the flat storage, -1 outside of the window."""
    out = np.empty(len(xyz), np.int32)
    for k in range(len(xyz)):
        i = int(np.floor((xyz[k, 0] + vehicle[0]) / cell))
        j = int(np.floor((xyz[k, 1] + vehicle[1]) / cell))
        inside = 0 <= i - corner[0] < size and 0 <= j - corner[1] < size
        out[k] = (i % size) * size + (j % size) if inside else -1
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _accumulate(  # noqa: C901, PLR0913 - one pass over the points per step
    xyz: Any, over: Any, contrast: Any, cells: Any, limits: Any, z0: Any, low: Any,
    height: Any, mean: Any, weight: Any, bright: Any, occupied: Any, top: Any,
) -> None:  # fmt: skip
    band, obstacle_low, obstacle_high, memory = limits
    low_, height_, mean_, weight_ = low.ravel(), height.ravel(), mean.ravel(), weight.ravel()
    bright_, occupied_, top_ = bright.ravel(), occupied.ravel(), top.ravel()
    blocked = np.zeros(len(low_), np.uint8)
    for k in range(len(cells)):
        c = cells[k]
        if c < 0:
            continue
        if over[k] < band and over[k] > -band:
            low_[c] = min(low_[c], xyz[k, 2])
        elif obstacle_low < over[k] < 2 * obstacle_high:
            if over[k] < obstacle_high:
                blocked[c] |= 1
            top_[c] = max(top_[c], over[k])
    for k in range(len(cells)):
        c = cells[k]
        if c < 0 or contrast[k] != contrast[k] or not xyz[k, 2] - low_[c] < 0.1:
            continue
        bright_[c] = min(bright_[c] + 1.0, memory)
        mean_[c] += (contrast[k] - mean_[c]) / bright_[c]
    for k in range(len(cells)):
        c = cells[k]
        if c < 0:
            continue
        if low_[c] < np.inf:
            weight_[c] = min(weight_[c] + 1.0, memory)
            height_[c] += (low_[c] + z0 - height_[c]) / weight_[c]
            if blocked[c] == 0:
                occupied_[c] *= 0.8
                top_[c] *= 0.9
            low_[c] = np.inf
        if blocked[c] & 1:
            occupied_[c] += 0.2 * (1.0 - occupied_[c])
            blocked[c] = 0
