"""Paint on the road as a picture of 5 cm cells, kept only where there is any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.geometry import arc_length, resample

from .plan import Line, Patch

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

CELL_M: Final = 0.05
_TILE: Final = 256
NONE, WHITE, YELLOW = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Paint:
    """low_m: odom of the first cell's corner; index (W, H): tile of each 12.8 m square, -1 = no paint in it."""

    low_m: tuple[float, float]
    index: I32
    tiles: U8

    def at(self, xy_m: F64) -> U8:
        """(N,) NONE, WHITE or YELLOW of points (N, 2)."""
        xy = np.ascontiguousarray(xy_m, np.float64)
        out = np.zeros(len(xy), np.uint8)
        _look_up(xy, self.low_m[0], self.low_m[1], self.index, self.tiles, out)
        return out


@dataclass(frozen=True, eq=False)
class Quads:
    """Painted quadrilaterals. corners (N, 4, 2), in order; colour (N,); wear (N,)."""

    corners: F64
    colour: U8
    wear: F64


def build_paint(quads: Quads, seed: int) -> Paint:
    """A picture of all the paint; `seed` decides where worn paint is gone."""
    if not len(quads.corners):
        return Paint((0.0, 0.0), np.full((1, 1), -1, np.int32), np.zeros((0, _TILE, _TILE), np.uint8))
    side = _TILE * CELL_M
    low = np.floor(quads.corners.min(axis=(0, 1)) / side) * side
    shape = np.floor((quads.corners.max(axis=(0, 1)) - low) / side).astype(np.int64) + 1
    index = np.full(shape, -1, np.int32)
    first = np.floor((quads.corners.min(axis=1) - low) / side).astype(np.int64)
    last = np.floor((quads.corners.max(axis=1) - low) / side).astype(np.int64)
    for a, b in np.unique(np.concatenate([first, last], axis=1), axis=0).reshape(-1, 2, 2):
        index[a[0] : b[0] + 1, a[1] : b[1] + 1] = 0
    index[index == 0] = np.arange((index == 0).sum(), dtype=np.int32)
    tiles = np.zeros((int(index.max()) + 1, _TILE, _TILE), np.uint8)
    _fill(quads.corners, quads.colour, quads.wear, low, index, tiles, seed)
    return Paint((float(low[0]), float(low[1])), index, tiles)


def quads_of(lines: Sequence[Line], patches: Sequence[Patch]) -> Quads:
    """Everything painted, as quadrilaterals of at most 2 m."""
    corners: list[F64] = []
    colour: list[int] = []
    wear: list[float] = []
    for line in lines:
        for piece in strokes(line):
            ribbon = _ribbon(piece, line.width_m)
            corners += [*ribbon]
            colour += [YELLOW if line.yellow else WHITE] * len(ribbon)
            wear += [line.wear] * len(ribbon)
    for patch in patches:
        corners.append(patch.corners_m)
        colour.append(YELLOW if patch.yellow else WHITE)
        wear.append(patch.wear)
    return Quads(np.array(corners).reshape(-1, 4, 2), np.array(colour, np.uint8), np.array(wear, np.float64))


def strokes(line: Line) -> list[F64]:
    """The pieces (N, 2) that are painted: one, two beside each other, or dashes."""
    if line.style == "double":
        return [offset(line.points_m, side * line.width_m) for side in (-1.0, 1.0)]
    if line.style != "dashed":
        return [line.points_m]
    s = arc_length(line.points_m)
    starts = np.arange(line.gap_m / 2, s[-1] - 0.3, line.dash_m + line.gap_m)
    return [between(line.points_m, start, min(start + line.dash_m, s[-1])) for start in starts]


def between(line_m: F64, start_m: float, end_m: float) -> F64:
    """The piece of a line (N, 2) between two distances from its start."""
    s = arc_length(line_m)
    # A point just beside an end would make a step too short to have a direction.
    clear = min(0.2, 0.1 * (end_m - start_m))
    at = np.concatenate([[start_m], s[(s > start_m + clear) & (s < end_m - clear)], [end_m]])
    return np.stack([np.interp(at, s, line_m[:, k]) for k in range(line_m.shape[1])], axis=1)


def offset(line_m: F64, left_m: float | F64) -> F64:
    """A line (N, 2) shifted to its left by one distance, or by one for each point; for bends wider than the shift."""
    step = np.diff(line_m, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    ahead = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    ahead[1:-1] /= 1.0 + np.einsum("ij,ij->i", step[:-1], step[1:])[:, None]
    shift = np.broadcast_to(np.asarray(left_m, np.float64), len(line_m))[:, None]
    out: F64 = line_m + shift * np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    return out


def _ribbon(line_m: F64, width_m: float) -> F64:
    """(N, 4, 2) quadrilaterals along a line."""
    fine = resample(line_m, 2.0) if len(line_m) == 2 else line_m
    left, right = offset(fine, width_m / 2), offset(fine, -width_m / 2)
    return np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=1)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _look_up(xy: F64, low_x: float, low_y: float, index: I32, tiles: U8, out: U8) -> None:  # pragma: no cover
    for n in range(len(xy)):
        i = int(np.floor((xy[n, 0] - low_x) / CELL_M))
        j = int(np.floor((xy[n, 1] - low_y) / CELL_M))
        if i < 0 or j < 0 or i >= index.shape[0] * _TILE or j >= index.shape[1] * _TILE:
            continue
        tile = index[i // _TILE, j // _TILE]
        if tile >= 0:
            out[n] = tiles[tile, i % _TILE, j % _TILE]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _hash(i: int, j: int, seed: int) -> float:  # pragma: no cover
    """A number in 0..1 from two integers: PCG-like mixing, the same on all machines."""
    h = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = (h ^ np.uint64(seed)) * np.uint64(0xD6E8FEB86659FD93)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return float((h ^ (h >> np.uint64(32))) >> np.uint64(40)) / 16777216.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _worn(i: int, j: int, wear: float, seed: int) -> bool:  # pragma: no cover
    """Whether a cell's paint is gone: in patches of 20 and 80 cm, and cell by cell."""
    grain = (
        0.4 * _hash(i >> 4, j >> 4, seed)
        + 0.3 * _hash(i >> 2, j >> 2, seed + 1)
        + 0.3 * _hash(i, j, seed + 2)
    )
    # The sum of the three has mean 0.5 and deviation 0.17; its distribution is close to a normal one.
    return bool(1.0 / (1.0 + np.exp(-(grain - 0.5) / 0.17 * 1.7)) < wear)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(
    corners: F64, colour: U8, wear: F64, low: F64, index: I32, tiles: U8, seed: int
) -> None:  # pragma: no cover
    """Each cell whose middle lies in a quadrilateral gets its colour."""
    low_x, low_y = low
    for n in range(len(corners)):
        quad = corners[n]
        area = 0.0
        for k in range(4):
            m = (k + 1) % 4
            area += quad[k, 0] * quad[m, 1] - quad[m, 0] * quad[k, 1]
        sign = 1.0 if area >= 0 else -1.0
        i0, i1 = int((quad[:, 0].min() - low_x) / CELL_M), int((quad[:, 0].max() - low_x) / CELL_M)
        j0, j1 = int((quad[:, 1].min() - low_y) / CELL_M), int((quad[:, 1].max() - low_y) / CELL_M)
        for i in range(i0, i1 + 1):
            x = low_x + (i + 0.5) * CELL_M
            for j in range(j0, j1 + 1):
                y = low_y + (j + 0.5) * CELL_M
                inside = True
                for k in range(4):
                    m = (k + 1) % 4
                    ex, ey = quad[m, 0] - quad[k, 0], quad[m, 1] - quad[k, 1]
                    if sign * (ex * (y - quad[k, 1]) - ey * (x - quad[k, 0])) < 0:
                        inside = False
                        break
                if inside and not (wear[n] > 0 and _worn(i, j, wear[n], seed)):
                    tiles[index[i // _TILE, j // _TILE], i % _TILE, j % _TILE] = colour[n]
