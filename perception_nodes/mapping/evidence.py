"""Which cells of the grid carry paint, a kerb, or the foot of a structure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .config import MapConfig
from .grid import GridView

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_FILL_CELLS = 3
_SEEN_AROUND = 0.6  # share of the cells around paint that was seen: edges of what is seen look like lines


@dataclass(frozen=True, eq=False)
class Cells:
    """Evidence in N cells: (N, 2) row and column, strength (N,) > 0."""

    index: npt.NDArray[np.int64]
    strength: F32


def paint_cells(view: GridView, config: MapConfig) -> Cells:
    """Cells brighter than the road beside them, in areas too narrow to be anything but a line.

    The road beside a cell is the opening of the brightness by a square wider than a line (a white top-hat), and both
    the brightness and its background are means over sweeps.
    """
    known = np.isfinite(view.contrast)
    value = _filled(view.contrast, known)
    width = 2 * round(config.line_max_width_m / view.cell_m) + 1
    background = cv2.morphologyEx(value, cv2.MORPH_OPEN, np.ones((width, width), np.uint8))
    background = cv2.blur(background, (width, width))
    strength = value - background
    around = cv2.blur(known.astype(np.float32), (5, 5)) > _SEEN_AROUND
    clear = cv2.dilate((view.occupied > 0.15).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    good = known & around & clear & (view.weight >= 3) & (strength > config.line_contrast)
    return _cells(strength, good)


def kerb_cells(view: GridView, config: MapConfig) -> Cells:
    """Cells in which the mean height of the ground on the two sides differs by a kerb, thinned to the step's crest."""
    known = np.isfinite(view.height_m) & (view.weight >= 2)
    near_obstacle = cv2.dilate((view.occupied > 0.15).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    known &= ~near_obstacle
    level = np.median(view.height_m[known]) if known.any() else 0.0
    height = np.where(known, view.height_m - level, 0.0).astype(np.float32)
    reach = max(1, round(0.6 / view.cell_m))
    across, well = _one_sided(height, known, reach)
    along, well_too = _one_sided(height.T, known.T, reach)
    gx, gy = np.where(well, across, 0), np.where(well_too.T, along.T, 0)
    step = np.hypot(gx, gy).astype(np.float32)
    crest = _crest(step, gx, gy)
    good = known & (well | well_too.T) & (step > config.kerb_min_m) & (step < config.kerb_max_m) & crest
    return _cells(step, good)


def wall_cells(view: GridView, config: MapConfig) -> Cells:
    """Cells with a high, lasting obstacle next to ground that was seen."""
    high = (view.occupied > 0.4) & (view.top_m > config.wall_height_m)
    ground = ((view.weight >= 2) & (view.occupied < 0.1)).astype(np.uint8)
    beside = cv2.dilate(ground, np.ones((5, 5), np.uint8)) > 0
    return _cells(np.where(high, view.occupied, 0).astype(np.float32), high & beside)


def _cells(strength: npt.NDArray[np.floating], good: npt.NDArray[np.bool_]) -> Cells:
    index = np.argwhere(good)
    return Cells(index, np.asarray(strength[good], np.float32))


def _filled(values: F32, known: npt.NDArray[np.bool_]) -> F32:
    """Unknown cells take the mean of the known ones nearby, or 0."""
    size = (2 * _FILL_CELLS + 1, 2 * _FILL_CELLS + 1)
    total = cv2.boxFilter(np.where(known, values, 0).astype(np.float32), -1, size, normalize=False)
    count = cv2.boxFilter(known.astype(np.float32), -1, size, normalize=False)
    near = np.divide(total, count, out=np.zeros_like(total), where=count > 0.5)
    return np.asarray(np.where(known, values, near), np.float32)


def _one_sided(height: F32, known: npt.NDArray[np.bool_], reach: int) -> tuple[F32, npt.NDArray[np.bool_]]:
    """Mean height of the cells after minus that before (along rows), less the slope; True where both are known."""
    kernel = np.zeros((4 * reach + 1, 3), np.float32)
    kernel[2 * reach + 1 : 3 * reach + 1] = 1
    weights = known.astype(np.float32)

    def mean(k: F32) -> tuple[F32, F32]:
        total = cv2.filter2D(height * weights, -1, k)
        count = cv2.filter2D(weights, -1, k)
        return np.asarray(total / np.maximum(count, 1), np.float32), np.asarray(count, np.float32)

    after, n_after = mean(kernel)
    before, n_before = mean(np.ascontiguousarray(kernel[::-1]))
    return after - before, (n_after >= 2) & (n_before >= 2)


def _crest(step: F32, gx: F64, gy: F64) -> npt.NDArray[np.bool_]:
    """True where no neighbour in the direction of the step is steeper."""
    along_x = np.abs(gx) >= np.abs(gy)
    up, down = np.roll(step, 1, 0), np.roll(step, -1, 0)
    left, right = np.roll(step, 1, 1), np.roll(step, -1, 1)
    return np.where(along_x, (step >= up) & (step > down), (step >= left) & (step > right))
