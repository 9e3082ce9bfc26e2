"""A street in the plane, before it gets heights, paint and houses: what procedural streets and maps are turned into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from .roads import Crossing, Lane, Signal

F64 = npt.NDArray[np.float64]

LINE_M: Final = 0.13  # width of a lane line (Germany 0.12, United States 0.10-0.15)
SETTINGS: Final = ("town", "suburb", "open", "none")


@dataclass(frozen=True, eq=False)
class Line:
    """A painted line (N, 2). style: solid, dashed, double; wear: share of the paint that is gone.

    subtype: the word of the map truth; "" = the line separates nothing and is no element of the map.
    """

    points_m: F64
    style: str
    subtype: str
    width_m: float = LINE_M
    yellow: bool = False
    wear: float = 0.0
    dash_m: float = 3.0
    gap_m: float = 6.0


@dataclass(frozen=True, eq=False)
class Patch:
    """A painted quadrilateral (4, 2): bar of a crossing, stop line, piece of an arrow."""

    corners_m: F64
    yellow: bool = False
    wear: float = 0.0


@dataclass(frozen=True)
class Post:
    """Something on the pavement: kind signal, sign, lamp, tree, bin, bollard, cone, barrier, ...

    yaw_rad: where it looks; value: of a sign ("stop", "50 km/h"); arm_m: length of an arm over the road, to its left.
    """

    kind: str
    x_m: float
    y_m: float
    yaw_rad: float
    value: str = ""
    arm_m: float = 0.0
    signal: int = 0


@dataclass(frozen=True, eq=False)
class Barrier:
    """Something along a line (N, 2): wall, fence, hedge, guard_rail, jersey, tunnel_wall; rows of the same height."""

    kind: str
    points_m: F64
    height_m: float


@dataclass(frozen=True)
class Relief:
    """Of the ground. slope: largest of the terrain; crown: cross fall of roads; rough_m: deviation of the ground."""

    kerb_m: float = 0.12
    slope: float = 0.02
    crown: float = 0.02
    rough_m: float = 0.004


@dataclass(frozen=True, eq=False)
class Plan:
    """All of a street in the plane, odom.

    lanes, crossings and signals carry z = 0 here; road: the asphalt; islands: raised ground inside it; pavement;
    domain: the ground ends at its border; low_kerb: where kerbs are let down; parking (P, 5): x, y, yaw, length,
    width; setting: what stands beside the pavements; ego: lane id and distance along it where a drive starts; heights
    (M, 3): known points of the terrain, where a map gives them; roofs: pairs of lines with a ceiling between them, and
    its height; houses: footprints (4, 2) that are given, front left corner first as seen from inside; overgrown: 0-1,
    how much grows and lies about off the pavements; wooded: 0-1, how much of the roads is lined by woods, banks and
    hedges.
    """

    name: str
    lanes: tuple[Lane, ...]
    road: BaseGeometry
    pavement: BaseGeometry
    domain: BaseGeometry
    islands: BaseGeometry
    setting: str
    ego: tuple[int, float]
    relief: Relief = Relief()
    crossings: tuple[Crossing, ...] = ()
    signals: tuple[Signal, ...] = ()
    sidewalks: tuple[F64, ...] = ()
    lines: tuple[Line, ...] = ()
    stop_lines: tuple[F64, ...] = ()
    patches: tuple[Patch, ...] = ()
    posts: tuple[Post, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    roofs: tuple[tuple[F64, F64, float], ...] = ()
    low_kerb: tuple[F64, ...] = ()
    parking: F64 = field(default_factory=lambda: np.zeros((0, 5)))
    heights: F64 | None = None
    houses: tuple[F64, ...] = ()
    overgrown: float = 0.0
    wooded: float = 0.0
