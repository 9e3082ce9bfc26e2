"""From the grid to typed polylines in odom, without identity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ElementType, MapElement
from perception_nodes.geometry import distance_to_polyline

from .config import MapConfig
from .evidence import Cells, kerb_cells, paint_cells, wall_cells
from .grid import GridView
from .trace import Piece, chain, trace

F64 = npt.NDArray[np.float64]

_PARALLEL_M = 1.2
_KERB_HIDES_WALL_M = 8.0
_KERB_STONE_M = 0.45


def draw_lines(view: GridView, heading_rad: float, config: MapConfig, with_paint: bool) -> list[MapElement]:
    """Dividers and stop lines (where intensity is known) and road boundaries; ids are all 0.

    heading_rad: of the vehicle; a painted line across it, on its own, is a stop line.
    """
    c = config
    kerbs = _chains(view, kerb_cells(view, c), c, 1.0, c.boundary_max_gap_m, c.boundary_min_length_m)
    walls = _chains(view, wall_cells(view, c), c, 1.0, c.boundary_max_gap_m, 2 * c.boundary_min_length_m)
    walls = [w for w in walls if not _along(w, kerbs, _KERB_HIDES_WALL_M)]
    out = [_element(view, p, ElementType.ROAD_BOUNDARY, "curb", c.kerb_min_m) for p in kerbs]
    out += [_element(view, p, ElementType.ROAD_BOUNDARY, "wall", 0.5) for p in walls]
    if with_paint:
        paint = paint_cells(view, c)
        chains = _chains(view, paint, c, c.line_min_length_m, c.line_max_gap_m, c.divider_min_length_m)
        out += [_painted(view, p, heading_rad, c) for p in chains if not _along(p, kerbs, _KERB_STONE_M)]
    return out


def _chains(
    view: GridView, cells: Cells, config: MapConfig, piece_m: float, gap_m: float, length_m: float
) -> list[Piece]:
    xy = (cells.index.astype(np.float64) + 0.5) * view.cell_m
    pieces = trace(xy, cells.strength, config.point_spacing_m, piece_m, view.cell_m)
    joined = [p for p in chain(pieces, gap_m) if p.length_m >= length_m]
    return _without_doubles(joined)


def _without_doubles(chains: list[Piece]) -> list[Piece]:
    """Of lines that run within a narrow strip of each other the longest stays."""
    out: list[Piece] = []
    for p in sorted(chains, key=lambda q: -q.length_m):
        near = [np.median(distance_to_polyline(p.points_m, q.points_m)) for q in out]
        if not any(d < _PARALLEL_M / 4 for d in near):
            out.append(p)
    return out


def _along(line: Piece, kerbs: list[Piece], distance_m: float) -> bool:
    """True if most of the line runs near a kerb: a wall behind a kerb, or the bright stone of the kerb itself."""
    return any(np.median(distance_to_polyline(line.points_m, k.points_m)) < distance_m for k in kerbs)


def _painted(view: GridView, piece: Piece, heading_rad: float, config: MapConfig) -> MapElement:
    ends = piece.points_m[-1] - piece.points_m[0]
    turned = abs(np.sin(np.arctan2(ends[1], ends[0]) - heading_rad))
    solid = piece.covered_m / max(piece.length_m, 1e-6) > config.solid_coverage
    across = turned > np.sin(np.radians(60)) and solid and piece.length_m < 25.0
    kind = ElementType.STOP_LINE if across else ElementType.LANE_DIVIDER
    element = _element(view, piece, kind, "solid" if solid else "dashed", config.line_contrast)
    if not across:
        return element
    probabilities = np.zeros(len(ElementType))
    probabilities[[ElementType.STOP_LINE, ElementType.PED_CROSSING, ElementType.LANE_DIVIDER]] = (
        0.5,
        0.35,
        0.15,
    )
    return replace(element, type_probabilities=probabilities)


def _element(view: GridView, piece: Piece, kind: ElementType, subtype: str, threshold: float) -> MapElement:
    """Corner-relative piece to odom; existence grows with length and with strength over its threshold."""
    strength = 1.0 - np.exp(-piece.strength / threshold)
    existence = strength * (1.0 - np.exp(-piece.covered_m / 3.0))
    probabilities = np.full(len(ElementType), 0.1 / (len(ElementType) - 1))
    probabilities[kind] = 0.9
    confidence = strength * (1.0 - np.exp(-piece.support / 3.0))
    points = np.column_stack([piece.points_m + view.corner_m, _heights(view, piece.points_m)])
    return MapElement(
        0, kind, points, piece.std_m, confidence, probabilities, float(existence), subtype=subtype
    )


def _heights(view: GridView, points_m: F64) -> F64:
    """Ground height at points relative to the corner: the mean of the known cells within 3 cells."""
    n = len(view.height_m)
    out = np.full(len(points_m), np.nan)
    for k, (i, j) in enumerate(np.floor(points_m / view.cell_m).astype(int)):
        block = view.height_m[max(i - 3, 0) : min(i + 4, n), max(j - 3, 0) : min(j + 4, n)]
        known = block[np.isfinite(block)]
        out[k] = known.mean() if len(known) else np.nan
    known_at = np.flatnonzero(np.isfinite(out))
    if not len(known_at):
        return np.zeros(len(out))
    return np.asarray(np.interp(np.arange(len(out)), known_at, out[known_at]))
