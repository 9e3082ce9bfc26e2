"""Meshes of woods and banks: trunks, undergrowth, the wall of leaves at an edge, crowns; slopes of earth and rock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import gaussian_filter
from shapely.geometry.base import BaseGeometry

from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, join, quads

from .plan import Plan
from .structures import leaves
from .woods import STATION_M, Lining, Stations, place_area, waves

F64 = npt.NDArray[np.float64]
Rng = np.random.Generator
Height = Callable[[F64], F64]

# Leaves of a street at most: more of them stand thinner.
_MOST_LEAVES: Final = 450_000
# Nothing hangs lower over the asphalt, a place to park, a pavement.
_CLEAR_M: Final = (4.4, 2.9, 2.1)
_TRUNKS: Final = 350  # of a stretch at most
_SIDES: Final = 6


class Tufts(NamedTuple):
    """Ellipsoids of leaves: middle (K, 3) over the ground, half axes (K, 3), leaves (K,) in each, z of the ground (K,),
    size of a leaf.
    """

    middle: F64
    half: F64
    number: F64
    ground: F64
    leaf_m: float


def grown(lining: Lining, plan: Plan, height: Height, rng: Rng) -> Mesh:
    """All woods and banks of a street."""
    solid: list[Mesh] = []
    tufts: list[Tufts] = []
    for at, area in lining.woods:
        _wood(at, area, height, (solid, tufts), rng)
    for at, wide in lining.banks:
        _bank(at, wide, height, (solid, tufts), rng)
    thin = min(1.0, _MOST_LEAVES / max(1.0, sum(float(t.number.sum()) for t in tufts)))
    places = [place_area(p) for p in (*plan.parking, *lining.places)]
    keep_off = (plan.road, shapely.union_all(places), plan.pavement.union(plan.islands))
    return join([*solid, *(_leafy(t, thin, keep_off, rng) for t in tufts)])


def _leafy(t: Tufts, thin: float, keep_off: tuple[BaseGeometry, ...], rng: Rng) -> Mesh:
    """Leaves in clumps within each ellipsoid; none that would hang into the way."""
    count = rng.poisson(thin * t.number)
    of = np.repeat(np.arange(len(count)), count)
    clumps = rng.normal(0.0, 0.5, (len(count), 12, 3))
    at = clumps[of, rng.integers(12, size=len(of)) % np.maximum(3, count[of] // 14)]
    at += rng.normal(0.0, 0.22, (len(of), 3))
    at /= np.maximum(1.0, np.linalg.norm(at, axis=1, keepdims=True))
    xyz = t.middle[of] + at * t.half[of]
    xyz[:, 2] = np.maximum(xyz[:, 2], 0.03)
    kept = np.ones(len(xyz), np.bool_)
    for ways, clear in zip(keep_off, _CLEAR_M, strict=True):
        low = np.flatnonzero(kept & (xyz[:, 2] < clear + 2 * t.leaf_m))
        wide = ways.buffer(2 * t.leaf_m)
        shapely.prepare(wide)
        kept[low[shapely.intersects_xy(wide, *xyz[low, :2].T)]] = False
    xyz[:, 2] += t.ground[of]
    return leaves(xyz[kept], t.leaf_m, rng)


def _tufts(middle: F64, half: F64, dense: float, ground: F64, leaf_m: float) -> Tufts:
    faces = half[:, 0] * half[:, 1] + half[:, 0] * half[:, 2] + half[:, 1] * half[:, 2]
    return Tufts(middle, half, dense * (20 + 55 * faces * (0.1 / leaf_m) ** 2), ground, leaf_m)


def _wood(
    at: Stations, area: BaseGeometry, height: Height, into: tuple[list[Mesh], list[Tufts]], rng: Rng
) -> None:
    solid, tufts = into
    dense, foot = float(np.exp(rng.uniform(-1.2, 0.9))), float(rng.uniform(1.0, 5.0))
    xy, back = _spread(at, area, min(_TRUNKS, int(area.area * rng.uniform(0.03, 0.2))), 12.0, rng)
    ground = height(xy)
    high = rng.uniform(4.0, 12.0, len(xy))
    radius = np.clip(rng.uniform(0.05, 0.18) * np.exp(rng.normal(0.0, 0.6, len(xy))), 0.02, 0.5)
    solid.append(_trunks(np.column_stack([xy, ground]), high, radius, rng))
    # Crowns: those of the first rows reach out over the verge, and lower.
    half = rng.uniform(1.0, 3.4, (len(xy), 1)) * rng.uniform(0.7, 1.2, (len(xy), 3))
    up = foot * np.where(back < 3.0, rng.uniform(0.5, 1.2, len(xy)), 1.2) + half[:, 2]
    of = np.flatnonzero((back < 6.0) | (rng.random(len(xy)) < 0.3))
    reach = xy - rng.uniform(0.0, 1.0, (len(xy), 1)) * half[:, :1] * at.away[_nearest(at, xy)]
    tufts.append(_tufts(np.column_stack([reach, up])[of], half[of], 0.8 * dense, ground[of], 0.2))
    if rng.random() < 0.75:
        low, bush = (
            _spread(at, area, min(300, int(area.area * rng.uniform(0.02, 0.25))), 4.0, rng)[0],
            rng.uniform(0.3, 1.3),
        )
        half = np.column_stack([rng.uniform(0.3, 1.5, (len(low), 2)), bush * rng.uniform(0.4, 1.2, len(low))])
        tufts.append(
            _tufts(np.column_stack([low, half[:, 2]]), half, dense, height(low), rng.uniform(0.06, 0.13))
        )
    if rng.random() < 0.7:
        tufts.append(_mantle(at, area, dense * float(rng.uniform(0.5, 1.3)), height, rng))


def _mantle(at: Stations, area: BaseGeometry, dense: float, height: Height, rng: Rng) -> Tufts:
    """The wall of leaves along an edge, from the ground or from a man's height on, in places none."""
    n = len(at.xy_m)
    foot, top = float(rng.choice([0.0, 0.0, rng.uniform(0.3, 2.0)])), float(rng.uniform(2.0, 7.0))
    k = rng.integers(n, size=int(n * STATION_M * (top - foot) / rng.uniform(1.0, 4.0)))
    k = k[waves(n, rng)[k] > rng.uniform(-2.5, 0.0)]
    half = rng.uniform(0.4, 1.7, (len(k), 3)) * [1.0, 1.0, 0.9]
    back = at.edge_m[k] + rng.uniform(0.2, 1.1, len(k)) * half[:, :2].max(axis=1, initial=0.0)
    xy = at.xy_m[k] + back[:, None] * at.away[k]
    inside = shapely.intersects_xy(area, xy[:, 0], xy[:, 1])
    xy, half = xy[inside], half[inside]
    z = np.maximum(rng.uniform(foot, top, len(xy)), foot + half[:, 2])
    return _tufts(np.column_stack([xy, z]), half, dense, height(xy), float(rng.uniform(0.07, 0.13)))


def _spread(at: Stations, area: BaseGeometry, count: int, depth_m: float, rng: Rng) -> tuple[F64, F64]:
    """(K, 2) places in an area, more of them near its edge, and how far (K,) behind it."""
    k = rng.integers(len(at.xy_m), size=count)
    back = rng.exponential(depth_m, count) + 0.2
    xy = at.xy_m[k] + (at.edge_m[k] + back)[:, None] * at.away[k]
    inside = shapely.intersects_xy(area.buffer(-0.2), xy[:, 0], xy[:, 1])
    return xy[inside], back[inside]


def _nearest(at: Stations, xy: F64) -> npt.NDArray[np.intp]:
    return np.asarray(((xy[:, None, :] - at.xy_m[None]) ** 2).sum(axis=2).argmin(axis=1))


def _trunks(foot: F64, high_m: F64, radius_m: F64, rng: Rng) -> Mesh:
    """Leaning a little, half as thick at the top."""
    angle = np.linspace(0.0, 2.0 * np.pi, _SIDES + 1)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(_SIDES + 1)], axis=1)
    lean = np.column_stack([rng.normal(0.0, 0.05, (len(foot), 2)) * high_m[:, None], high_m])
    low = (foot - [0.0, 0.0, 0.3])[:, None] + radius_m[:, None, None] * ring
    top = (foot + lean)[:, None] + 0.5 * radius_m[:, None, None] * ring
    return quads(
        np.stack([low[:, :-1], low[:, 1:], top[:, 1:], top[:, :-1]], axis=2).reshape(-1, 4, 3), Material.BARK
    )


def _bank(
    at: Stations, wide_m: float, height: Height, into: tuple[list[Mesh], list[Tufts]], rng: Rng
) -> None:
    """A slope that runs out at its ends or stops there, or a wall that holds it; rough, bare or grown over."""
    solid, tufts = into
    n, m = len(at.xy_m), int(wide_m / 0.6)
    wall = float(rng.uniform(0.4, 3.0)) if rng.random() < 0.35 else 0.0
    rise = float(np.tan(np.deg2rad(rng.uniform(5, 40) if wall else rng.uniform(20, 70))))
    across = np.linspace(0.0, wide_m, m)
    ends = [float(rng.uniform(1.0, 10.0)) if rng.random() < 0.7 else 0.0 for _ in range(2)]
    s = STATION_M * np.arange(n)
    taper = np.ones(n)
    for end, along in zip(ends, (s, s[::-1]), strict=True):
        taper *= np.clip(along / end, 0.0, 1.0) if end else 1.0
    most = (
        (wall + float(rng.uniform(0.5, 5.0)))
        * taper
        * np.clip(1.0 + rng.uniform(0, 0.3) * waves(n, rng), 0.4, 1.6)
    )
    z = np.minimum((wall * taper)[:, None] + rise * across[None], most[:, None])
    rock = bool(rng.random() < 0.35)
    rough = gaussian_filter(rng.standard_normal((n, m)), 0.5 if rock else 1.2)
    z += float(rng.uniform(0.02, 0.5 if rock else 0.2)) * rough / rough.std() * np.minimum(1.0, z)
    xy = at.xy_m[:, None] + (at.edge_m[:, None] + across[None])[..., None] * at.away[:, None]
    ground = height(xy.reshape(-1, 2)).reshape(n, m)
    top = np.concatenate([xy, (ground + z)[..., None]], axis=2)
    face = np.concatenate([top[:, :1], top], axis=1)
    face[:, 0, 2] = ground[:, 0] - 0.3
    sole = face[[0, -1]].copy()
    sole[..., 2] = np.concatenate([ground[:, :1], ground], axis=1)[[0, -1]] - 0.3
    face = np.concatenate([sole[:1], face, sole[1:]])
    corners = np.stack([face[:-1, :-1], face[1:, :-1], face[1:, 1:], face[:-1, 1:]], axis=2)
    kind = Material.GRAVEL if rock or rng.random() < 0.3 else Material.GRASS
    of = np.full(corners.shape[:2], kind, np.uint8)
    if wall:
        of[:, 0] = (Material.CONCRETE, Material.BRICK, Material.WALL)[int(rng.integers(3))]
    solid.append(quads(corners.reshape(-1, 4, 3), of.ravel()))
    grows = float(rng.choice([0.0, rng.uniform(0.02, 0.3)]))
    i, j = (
        rng.integers(n, size=(count := min(250, int(grows * n * STATION_M * wide_m)))),
        rng.integers(m, size=count),
    )
    half = np.column_stack([rng.uniform(0.2, 1.3, (count, 2)), rng.uniform(0.1, 1.1, count)])
    foot = top[i, j]
    tufts.append(
        _tufts(np.column_stack([foot[:, :2], 0.8 * half[:, 2]]), half, rng.uniform(0.4, 1.4), foot[:, 2], 0.1)
    )
    trees = rng.random(count) < 0.1
    solid.append(
        _trunks(foot[trees], rng.uniform(3.0, 9.0, trees.sum()), rng.uniform(0.03, 0.2, trees.sum()), rng)
    )
