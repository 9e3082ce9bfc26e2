"""What the network should answer for the boxes of a frame.

References: X. Zhou et al., Objects as Points, 2019 (heatmaps with Gaussian peaks); T. Yin et al., CVPR 2021. Differs:
the cells around a peak answer for its box too, each from its own place, so that a peak one cell off is no worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN

F32 = npt.NDArray[np.float32]
NUM_CLASSES: Final = 10
# Columns of `Targets.values`.
VALUES: Final = (
    "dx",
    "dy",
    "z",
    "log_l",
    "log_w",
    "log_h",
    "cos2",
    "sin2",
    "front",
    "vx",
    "vy",
    "has_velocity",
)
MAX_CELLS: Final = 900
_AROUND: Final = ((0, 0, 1.0), (1, 0, 0.5), (-1, 0, 0.5), (0, 1, 0.5), (0, -1, 0.5))
# A peak is as wide as the object's narrower middle, but never narrower than this.
_LEAST_SIGMA_M: Final = 0.55


@dataclass(frozen=True, eq=False)
class Targets:
    """heat (10, n, n): 1 at a centre, falling around it, -1 where nothing is asked; cell (K,) flat places that answer
    for a box; values (K, 12) what they should say; weight (K,), 0 for rows that pad; label (K,).
    """

    heat: F32
    cell: npt.NDArray[np.int64]
    values: F32
    weight: F32
    label: npt.NDArray[np.int64]


def make_targets(
    boxes: npt.NDArray[Any], num_points: Any, grid: tuple[int, float], min_points: int
) -> Targets:
    """Targets of (M,) `BOX` rows with (M,) points each on a grid of (n cells, m per cell) about the base frame.

    Where a box has fewer than `min_points`, or the class `unknown`, nothing is asked and nothing forbidden.
    """
    n, size = grid
    heat = np.zeros((NUM_CLASSES, n, n), np.float32)
    cell, label = np.zeros(MAX_CELLS, np.int64), np.zeros(MAX_CELLS, np.int64)
    values, weight = np.zeros((MAX_CELLS, len(VALUES)), np.float32), np.zeros(MAX_CELLS, np.float32)
    place = boxes["center_m"][:, :2] / size + n / 2
    inside = ((place >= 0) & (place < n)).all(axis=1)
    taken: dict[int, float] = {}
    used = 0
    # Those with few points first: a real object beside them has the last word. Of the others the dense ones.
    for b in np.flatnonzero(inside & (num_points > 0))[
        np.argsort(num_points[inside & (num_points > 0)], kind="stable")
    ]:
        x, y = place[b]
        spot, (rows, columns) = _peak(x, y, boxes["lwh_m"][b], n, size)
        if num_points[b] < min_points or boxes["label"][b] == UNKNOWN:
            dull = heat[:, rows, columns]
            heat[:, rows, columns] = np.where((spot > 0.1) & (dull < 0.5), -1.0, dull)
            continue
        own = heat[boxes["label"][b], rows, columns]
        heat[boxes["label"][b], rows, columns] = np.maximum(own, spot)
        heat[boxes["label"][b], int(x), int(y)] = 1.0
        for di, dj, w in _AROUND:
            i, j = int(x) + di, int(y) + dj
            if not (0 <= i < n and 0 <= j < n) or used >= MAX_CELLS or taken.get(i * n + j, 0.0) >= w:
                continue
            taken[i * n + j] = w
            cell[used], weight[used], label[used] = i * n + j, w, boxes["label"][b]
            values[used] = _values(boxes[b], (x - i - 0.5) * size, (y - j - 0.5) * size)
            used += 1
    return Targets(heat, cell, values, weight, label)


def _peak(x: float, y: float, lwh_m: Any, n: int, size: float) -> tuple[F32, tuple[slice, slice]]:
    """Gaussian values around a place in cells, and the part of the grid that they are for."""
    sigma = max(_LEAST_SIGMA_M, 0.2 * float(np.sqrt(lwh_m[0] * lwh_m[1]))) / size
    reach = int(np.ceil(3 * sigma))
    i0, i1 = max(int(x) - reach, 0), min(int(x) + reach + 1, n)
    j0, j1 = max(int(y) - reach, 0), min(int(y) + reach + 1, n)
    i, j = np.arange(i0, i1) - int(x), np.arange(j0, j1) - int(y)
    spot = np.exp(-(i[:, None] ** 2 + j[None] ** 2) / (2 * sigma**2)).astype(np.float32)
    return spot, (slice(i0, i1), slice(j0, j1))


def _values(box: Any, dx_m: float, dy_m: float) -> F32:
    yaw = float(box["yaw_rad"])
    known = bool(np.isfinite(box["velocity_mps"]).all())
    velocity = box["velocity_mps"] if known else (0.0, 0.0)
    size = np.log(np.maximum(box["lwh_m"], 0.05))
    front = float(np.cos(yaw) > 0 or (np.cos(yaw) == 0 and np.sin(yaw) > 0))
    return np.array(
        [dx_m, dy_m, box["center_m"][2], *size, np.cos(2 * yaw), np.sin(2 * yaw), front, *velocity, known],
        np.float32,
    )
