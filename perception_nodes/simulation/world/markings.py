"""Paint of roads: lines between lanes, stop lines, bars of crossings, arrows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import arc_length

from .paint import between, offset
from .plan import Line, Patch
from .profile import Profile, Slot

F64 = npt.NDArray[np.float64]

# Before a place where traffic stops lines are solid for so long.
_SOLID_M = 20.0
_STOP_M = 0.4
_BAR_M, _BAR_GAP_M = 0.5, 0.5


@dataclass(frozen=True)
class Style:
    """wear: share of the paint that is gone; zebra_wear: of crossings; yellow_centre: as in North America."""

    wear: float = 0.05
    yellow_centre: bool = False


@dataclass(frozen=True)
class _Between:
    """A line to be painted at `left_m` of the road's line; solid_from, solid_to: whether traffic stops at that end."""

    left_m: float
    style: str
    subtype: str
    yellow: bool = False
    stops_at_end: bool = False
    stops_at_start: bool = False
    dash_m: float = 3.0
    gap_m: float = 6.0


def road_lines(line_m: F64, profile: Profile, style: Style, stops: tuple[bool, bool]) -> Iterator[Line]:
    """All lines along a piece of road; stops: whether traffic stops at its start and at its end."""
    for b in _separations(profile, style):
        where = offset(line_m, b.left_m)
        length = float(arc_length(where)[-1])
        at_start = _SOLID_M if stops[0] and b.stops_at_start else 0.0
        at_end = _SOLID_M if stops[1] and b.stops_at_end else 0.0
        if b.style != "dashed" or at_start + at_end == 0:
            yield Line(
                where, b.style, b.subtype, yellow=b.yellow, wear=style.wear, dash_m=b.dash_m, gap_m=b.gap_m
            )
            continue
        cuts = [0.0, min(at_start, length), max(length - at_end, min(at_start, length)), length]
        for k, kind in enumerate(("solid", "dashed", "solid")):
            if cuts[k + 1] - cuts[k] > 1.0:
                piece = between(where, cuts[k], cuts[k + 1])
                yield Line(
                    piece, kind, kind, yellow=b.yellow, wear=style.wear, dash_m=b.dash_m, gap_m=b.gap_m
                )


def _separations(profile: Profile, style: Style) -> Iterator[_Between]:
    slots = profile.slots
    for left, right in pairwise(slots):
        line = _separation(left, right, profile, style)
        if line is not None:
            yield line
    if profile.median_m > 0:
        for side in (-1.0, 1.0):
            yield _Between(side * (profile.median_m / 2 + 0.2), "solid", "solid", yellow=style.yellow_centre)
    if profile.edge_lines:
        for slot, side in ((slots[0], 1.0), (slots[-1], -1.0)):
            if slot.kind == "driving":
                yield _Between(slot.left_m + side * (slot.width_m / 2 - 0.2), "solid", "solid")


def _separation(left: Slot, right: Slot, profile: Profile, style: Style) -> _Between | None:
    at = left.left_m - left.width_m / 2
    if left.forward != right.forward:
        if profile.median_m > 0 or not profile.centre_line:
            return None
        if profile.forward + profile.backward >= 4:
            return _Between(at, "double", "double_solid", style.yellow_centre)
        return _Between(at, "dashed", "dashed", style.yellow_centre, stops_at_end=True, stops_at_start=True)
    kinds = {left.kind, right.kind}
    if kinds == {"driving"}:
        # Of lanes of one direction only those of that direction stop, at its end.
        return _Between(at, "dashed", "dashed", stops_at_end=left.forward, stops_at_start=not left.forward)
    if "parking" in kinds and "driving" in kinds:
        return _Between(at, "dashed", "dashed", dash_m=1.0, gap_m=1.0)
    return _Between(at, "solid", "solid")


def stop_line(line_m: F64, at_m: float, left_m: float, right_m: float) -> tuple[F64, Patch]:
    """The stop line across `line_m` at a distance along it, between two offsets to the left: (2, 2) and its paint."""
    band = between(line_m, at_m - _STOP_M / 2, at_m + _STOP_M / 2)[[0, -1]]
    a, b = offset(band, left_m), offset(band, right_m)
    return np.stack([(a[0] + a[1]) / 2, (b[0] + b[1]) / 2]), Patch(np.stack([a[0], b[0], b[1], a[1]]))


def crossing_polygon(line_m: F64, from_m: float, to_m: float, left_m: float, right_m: float) -> F64:
    """(4, 2) the part of a road between two distances along its line, counter-clockwise."""
    band = between(line_m, from_m, to_m)[[0, -1]]
    a, b = offset(band, left_m), offset(band, -right_m)
    return np.stack([b[0], b[1], a[1], a[0]])


def crossing_bars(polygon_m: F64, wear: float) -> list[Patch]:
    """Zebra bars along the traffic."""
    right = np.stack([polygon_m[0], polygon_m[1]])
    across = polygon_m[3] - polygon_m[0], polygon_m[2] - polygon_m[1]
    width = float(np.hypot(*across[0]))
    starts = np.arange(0.3, width - 0.3 - _BAR_M, _BAR_M + _BAR_GAP_M)
    out = []
    for start in starts:
        low, high = start / width, (start + _BAR_M) / width
        corners = [
            right[0] + low * across[0],
            right[1] + low * across[1],
            right[1] + high * across[1],
            right[0] + high * across[0],
        ]
        out.append(Patch(np.array(corners), wear=wear))
    return out


# Arrow shapes, metres: along the traffic, to the left. A triangle is a quadrilateral with a corner twice.
_SHAFT = [[-2.5, -0.08], [0.9, -0.08], [0.9, 0.08], [-2.5, 0.08]]
_TIP = [[0.9, -0.35], [2.4, 0.0], [2.4, 0.0], [0.9, 0.35]]
_BRANCH = [[-0.4, 0.0], [0.4, 0.55], [0.2, 0.65], [-0.7, 0.08]]
_BRANCH_TIP = [[0.65, 0.35], [0.9, 1.2], [0.9, 1.2], [-0.1, 0.85]]
_SHORT = [[-2.5, -0.08], [-0.2, -0.08], [-0.2, 0.08], [-2.5, 0.08]]


def arrow(at_m: F64, yaw_rad: float, turns: frozenset[str], wear: float) -> list[Patch]:
    """A turn arrow at a place of a lane."""
    shapes = [_SHAFT, _TIP] if "straight" in turns else [_SHORT]
    for turn, side in (("left", 1.0), ("right", -1.0)):
        if turn in turns:
            shapes += [[[x, side * y] for x, y in shape] for shape in (_BRANCH, _BRANCH_TIP)]
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    turn_by = np.array([[c, s], [-s, c]])
    return [Patch(np.array(shape) @ turn_by + at_m, wear=wear) for shape in shapes]
