"""Where woods, banks and hedged gardens line a road, and where cars stand against them.

A road through a wood or a cutting: an uneven edge of leaves with bays as large as a car is what a lidar sees there for
hundreds of metres, and a detector that knows houses only takes it for rows of cars.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter1d
from shapely.geometry.base import BaseGeometry

from perception_nodes.geometry import arc_length

from .plan import Barrier

F64 = npt.NDArray[np.float64]
Rng = np.random.Generator

STATION_M: Final = 0.5
_LENGTH_M: Final = {"wood": (25.0, 140.0), "bank": (12.0, 70.0), "garden": (15.0, 45.0)}
_PLACE_M: Final = (5.4, 2.3)
_BAY_EVERY_M: Final = (9.0, 35.0)
_LEAST_M: Final = 0.4  # between ways and trunks


class Ground(Protocol):
    """Ground on which nothing can be built any more."""

    def add(self, shape: BaseGeometry) -> bool:
        """Take the place if it is free."""

    def left_of(self, shape: BaseGeometry, gap_m: float) -> BaseGeometry:
        """What of a shape is free, and so far from what is not; it is not taken."""


@dataclass(frozen=True, eq=False)
class Stations:
    """Places (N, 2) every `STATION_M` along the edge of the ways, unit normals away from the road, and how far behind
    the edge something begins there (N,).
    """

    xy_m: F64
    away: F64
    edge_m: F64

    def at(self, behind_m: F64 | float) -> F64:
        """(N, 2) so far behind where it begins."""
        return np.asarray(self.xy_m + (self.edge_m + behind_m)[:, None] * self.away)

    def band(self, depth_m: float) -> BaseGeometry:
        """From where it begins so far back; what folds over in a bend is covered once."""
        near, far = self.at(0.0), self.at(depth_m)
        quads = shapely.polygons(np.stack([near[:-1], near[1:], far[1:], far[:-1]], axis=1))
        return shapely.union_all(shapely.buffer(quads[shapely.area(quads) > 1e-3], 0.01))


@dataclass(eq=False)
class Lining:
    """What lines the roads: woods with their ground; banks with their width; hedges; places to park (P, 5)."""

    woods: list[tuple[Stations, BaseGeometry]] = field(default_factory=list)
    banks: list[tuple[Stations, float]] = field(default_factory=list)
    hedges: list[Barrier] = field(default_factory=list)
    places: list[F64] = field(default_factory=list)


def line_roads(lines: list[F64], share: float, ground: Ground, rng: Rng) -> Lining:
    """Walk along the lines (N, 2), with the road on their right, and line that share of them."""
    out = Lining()
    kinds, parts = list(_LENGTH_M), rng.dirichlet((1.6, 0.8, 0.6))
    for line in lines:
        length = float(arc_length(line)[-1])
        at = float(rng.uniform(0.0, 4.0))
        while at < length - 8.0:
            kind = kinds[int(rng.choice(len(kinds), p=parts))]
            size = min(float(rng.uniform(*_LENGTH_M[kind])), length - at)
            if rng.random() < share and size > 8.0:
                _PUT[kind](_stations(line, at, size), ground, out, rng)
            at += size + (float(rng.uniform(2.0, 9.0)) if rng.random() < 0.5 else 0.0)
    return out


def _stations(line: F64, at: float, size: float) -> Stations:
    s = np.arange(at, at + size, STATION_M)
    own = arc_length(line)
    ahead, behind = (
        np.stack([np.interp(s + d, own, line[:, k]) for k in (0, 1)], axis=1) for d in (1.0, -1.0)
    )
    xy = np.stack([np.interp(s, own, line[:, k]) for k in (0, 1)], axis=1)
    step = ahead - behind
    step /= np.hypot(*step.T)[:, None]
    return Stations(xy, np.stack([-step[:, 1], step[:, 0]], axis=1), np.zeros(len(s)))


def waves(n: int, rng: Rng) -> F64:
    """(N,) a line that goes up and down over 1 to 8 m, of spread 1."""
    sigma = float(rng.uniform(1.0, 8.0)) / STATION_M
    line = gaussian_filter1d(rng.standard_normal(n), sigma, mode="reflect")
    return np.asarray(line / max(float(line.std()), 1e-9))


def _uneven(along: Stations, rng: Rng) -> tuple[Stations, list[tuple[int, float]]]:
    """With an edge that has bays and bulges as large as cars; the bays, as their middle and depth."""
    n = len(along.xy_m)
    edge = float(rng.uniform(0.2, 1.0) + 8.0 * rng.random() ** 2) + float(rng.uniform(0.1, 0.9)) * waves(
        n, rng
    )
    edge = np.maximum(edge, _LEAST_M)
    bays = []
    for _ in range(int(n * STATION_M / rng.uniform(*_BAY_EVERY_M))):
        middle, half = int(rng.integers(n)), rng.uniform(3.0, 7.5) / 2 / STATION_M
        deep = float(rng.uniform(1.0, 3.5) if rng.random() < 0.6 else -rng.uniform(0.5, 2.0))
        away = np.abs(np.arange(n) - middle) / half
        edge += deep * np.clip(2.5 * (1.2 - away), 0.0, 1.0)
        bays += [(middle, deep)] if deep > 1.8 else []
    return Stations(along.xy_m, along.away, np.maximum(edge, _LEAST_M)), bays


def _wood(along: Stations, ground: Ground, out: Lining, rng: Rng) -> None:
    """A wood, cars in its bays and along its edge."""
    at, bays = _uneven(along, rng)
    for middle, deep in bays:
        if rng.random() < 0.6:
            _park(at, middle, 0.5 * deep - 0.3, ground, out, rng)
    for middle in rng.integers(
        len(at.xy_m), size=int(len(at.xy_m) * STATION_M / rng.uniform(12.0, 60.0))
    ).tolist():
        _park(at, middle, float(rng.uniform(1.1, 2.2)), ground, out, rng)
    area = ground.left_of(at.band(float(rng.uniform(4.0, 22.0))), 0.3)
    if area.area > 15.0 and ground.add(area.buffer(-0.02)):
        out.woods.append((at, area))


def _park(at: Stations, middle: int, before_m: float, ground: Ground, out: Lining, rng: Rng) -> None:
    """A place along the edge, so far before it; or across it, where there is room."""
    ahead = np.array([at.away[middle, 1], -at.away[middle, 0]])
    near = at.edge_m[max(0, middle - 5) : middle + 6].min()
    xy = at.xy_m[middle] + (near - before_m) * at.away[middle]
    yaw = float(np.arctan2(ahead[1], ahead[0]) + rng.normal(0.0, 0.1) + np.pi * (rng.random() < 0.5))
    if rng.random() < 0.25:
        xy, yaw = xy - (0.5 * _PLACE_M[0] - before_m) * at.away[middle], yaw + np.pi / 2
    _place(xy, yaw, ground, out)


def _place(xy: F64, yaw: float, ground: Ground, out: Lining) -> None:
    place = np.array([*xy, (yaw + np.pi) % (2 * np.pi) - np.pi, *_PLACE_M])
    if ground.add(place_area(place)):
        out.places.append(place)


def place_area(place: F64) -> BaseGeometry:
    """The rectangle of a place to park (5,)."""
    c, s = np.cos(place[2]), np.sin(place[2])
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * place[3:5] / 2
    return shapely.Polygon(place[:2] + corners @ np.array([[c, s], [-s, c]]))


def _bank(along: Stations, ground: Ground, out: Lining, rng: Rng) -> None:
    """The longest piece on which a bank is in nothing's way and does not fold over."""
    base = float(rng.uniform(0.2, 1.0) + 5.0 * rng.random() ** 2)
    edge = np.maximum(base + float(rng.uniform(0.0, 0.5)) * waves(len(along.xy_m), rng), 0.2)
    at, wide = Stations(along.xy_m, along.away, edge), float(rng.uniform(4.0, 14.0))
    near, far = at.at(0.0), at.at(wide)
    rows = shapely.buffer(shapely.linestrings(np.stack([near, far], axis=1)), STATION_M, cap_style="flat")
    room = ground.left_of(shapely.union_all(rows), 0.2).buffer(0.01)
    shapely.prepare(room)
    free = shapely.covers(room, rows)
    free[1:] &= np.einsum("ij,ij->i", np.diff(far, axis=0), np.diff(at.xy_m, axis=0)) > 0.05
    ends = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(np.int8), [0]]))).reshape(-1, 2)
    first, last = max(ends.tolist(), key=lambda e: e[1] - e[0], default=(0, 0))
    if (last - first) * STATION_M < 8.0:
        return
    kept = Stations(at.xy_m[first:last], at.away[first:last], at.edge_m[first:last])
    if ground.add(kept.band(wide).buffer(-0.05)):
        out.banks.append((kept, wide))


def _garden(along: Stations, ground: Ground, out: Lining, rng: Rng) -> None:
    """Hedges along front gardens, with drives between them in which a car may stand."""
    high, k, n = float(rng.uniform(0.8, 2.4)), 0, len(along.xy_m)
    line = along.at(float(rng.uniform(0.4, 1.2)))
    while k < n - 6:
        size, gap = (int(v / STATION_M) for v in (rng.uniform(3.0, 11.0), rng.uniform(2.8, 4.4)))
        _hedge(line[k : k + size : 4], high + float(rng.normal(0.0, 0.1)), ground, out)
        middle = k + size + gap // 2
        k += size + gap
        if middle >= n:
            return
        away, ahead = along.away[middle], np.array([along.away[middle, 1], -along.away[middle, 0]])
        foot = line[middle]
        if rng.random() < 0.7:
            yaw = float(np.arctan2(away[1], away[0]) + rng.normal(0.0, 0.06))
            _place(foot + (3.0 + float(rng.uniform(0.0, 2.5))) * away, yaw, ground, out)
        for side in (-1.0, 1.0):
            if rng.random() < 0.35:
                beside = foot + side * (0.25 * gap + 0.3) * ahead
                _hedge(
                    np.array([beside + 0.6 * away, beside + float(rng.uniform(3, 7)) * away]),
                    high,
                    ground,
                    out,
                )


def _hedge(line: F64, high_m: float, ground: Ground, out: Lining) -> None:
    if len(line) > 1 and ground.add(shapely.LineString(line).buffer(0.3)):
        out.hedges.append(Barrier("hedge", line, max(high_m, 0.6)))


_PUT: Final = {"wood": _wood, "bank": _bank, "garden": _garden}
