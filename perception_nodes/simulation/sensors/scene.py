"""Rays against a street and everything that moves in it.

One body of triangles for the street and one for each mesh, built once; nothing is rebuilt when things move, the rays
go into the frame of the moving mesh instead (at each ray's own time). Rays that cannot meet a mesh are sorted out
before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle
from perception_nodes.simulation.assets import Asset, Mesh
from perception_nodes.simulation.traffic.states import ActorStates

from .embree import Triangles
from .rays import BLOCK, of_actors, of_street, shaded

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
T = TypeVar("T")

# Parts of many rays, which threads take one after the other: the same whatever the number of threads.
_PART: Final = 8192
# By which boxes are wider than what they hold, for rounding.
_SKIN_M: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Hits:
    """What each of N rays meets first.

    range_m (N,) float32, inf = nothing; material (N,) uint8; normal (N, 3) float32, odom, unit, either side of the
    surface; owner (N,) int32: row of the actor, -1 = the street or nothing; triangle (N,) of the mesh that was met;
    aimed (actors,): rays that would meet each actor if nothing else were there; outline (actors, 4): lowest column and
    row and highest ones of those in a picture, of `View.cast` only.
    """

    range_m: F32
    material: npt.NDArray[np.uint8]
    normal: F32
    owner: I32
    triangle: I32
    aimed: I64
    outline: I64 | None = None

    @property
    def columns(self) -> tuple[F32, npt.NDArray[np.uint8], F32, I32, I32]:
        """What there is of each ray."""
        return self.range_m, self.material, self.normal, self.owner, self.triangle

    def cosine(self, directions: F32) -> F32:
        """(N,) cosine of the angle of incidence."""
        return np.asarray(np.abs(np.einsum("ij,ij->i", self.normal, directions)), np.float32)


class _Body:
    """One mesh: what rays meet, the box that holds it (6,), and of each triangle its normal and material."""

    def __init__(self, mesh: Mesh) -> None:
        self.triangles = Triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.int32))
        corner = mesh.vertices[mesh.triangles]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        self.normal = np.ascontiguousarray(normal / np.where(length > 0, length, 1.0), np.float32)
        self.material = np.ascontiguousarray(mesh.material, np.uint8)
        corners = corner.reshape(-1, 3) if len(corner) else np.zeros((1, 3))
        self.box = np.concatenate([corners.min(axis=0) - _SKIN_M, corners.max(axis=0) + _SKIN_M])


# Drives share the meshes of one catalogue, which is finite.
_stocked = lru_cache(maxsize=4096)(_Body)


class Scene:
    """A street with a stock of things that can stand in it.

    static: the street in odom; assets: what `ActorStates.asset` counts; threads: for many rays (0 = all cores). Results
    do not depend on the number of threads.
    """

    def __init__(self, static: Mesh, assets: Sequence[Asset], threads: int = 1) -> None:
        self._static = _Body(static)
        self._stock = _Stock.of(assets)
        self._radius_m = np.array([a.radius_m for a in assets])
        self._half_height_m = np.array([a.lwh_m[2] / 2 for a in assets])
        threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def cast(
        self,
        origins_m: F32,
        directions: F32,
        fraction: F32,
        span: tuple[ActorStates, ActorStates],
        limit_m: float,
    ) -> Hits:
        """First surface along each ray.

        origins_m (N, 3), directions (N, 3) unit, odom; fraction (N,): the ray's time between the two states of `span`.
        """
        origins_m, directions = (np.ascontiguousarray(a, np.float32) for a in (origins_m, directions))
        fraction = np.ascontiguousarray(fraction, np.float32)
        placed = self._placed(*span)
        parts = _parts(len(origins_m))
        done = self.spread(
            lambda p: self._cast(origins_m[p], directions[p], fraction[p], placed, limit_m), parts
        )
        if len(done) == 1:
            return done[0]
        joined = (np.concatenate(c) for c in zip(*(h.columns for h in done), strict=True))
        range_m, material, normal, owner, triangle = joined
        aimed = np.sum([h.aimed for h in done], axis=0)
        return Hits(range_m, material, normal, owner, triangle, aimed)

    def spread(self, work: Callable[[slice], T], parts: Sequence[slice]) -> list[T]:
        """`work` on each of the parts, by all threads; what it gives in the order of the parts."""
        if self._pool is None or len(parts) < 2:
            return [work(p) for p in parts]
        return list(self._pool.map(work, parts))

    def look(self, span: tuple[ActorStates, ActorStates]) -> View:
        """The scene between two times, for several casts from within one thread."""
        return View(self, self._placed(*span))

    def _placed(self, start: ActorStates, end: ActorStates) -> Placed:
        # Who left the world within the time and came back as somebody else elsewhere was never in between.
        row = np.flatnonzero(start.present & end.present & (start.id == end.id))
        low, high = start.pose[row].copy(), end.pose[row]
        low[:, 3] = high[:, 3] - wrap_angle(high[:, 3] - low[:, 3])
        asset = end.asset[row]
        tilt = _tilts(high[:, 4], high[:, 5])
        reach = self._radius_m[asset] + 0.5 * np.linalg.norm(high[:, :3] - low[:, :3], axis=1) + 0.02
        middle = 0.5 * (low[:, :3] + high[:, :3])
        middle[:, 2] += self._half_height_m[asset]
        stock = self._stock
        body = stock.body[stock.start[asset] + end.phase[row]]
        return Placed(
            row, low, high, tilt, middle, reach, stock.scene[body], stock.box[body], stock.first[body],
            stock.normal, stock.material, len(end),
        )  # fmt: skip

    def _cast(
        self, origins: F32, directions: F32, fraction: F32, placed: Placed, limit_m: float, width: int = 1
    ) -> Hits:
        n, static = len(origins), self._static
        hits = (np.empty(n, np.float32), np.empty(n, np.uint8), np.empty((n, 3), np.float32),
                np.empty(n, np.int32), np.empty(n, np.int32))  # fmt: skip
        of_street(static.triangles.cast(origins, directions), (static.normal, static.material), limit_m, hits)
        aimed, around = of_actors((origins, directions, fraction), placed, limit_m, width, hits)
        return Hits(*hits, aimed, around)


class View:
    """A scene between two times. Its casts take one thread each: several threads share it by `Scene.spread`."""

    def __init__(self, scene: Scene, placed: Placed) -> None:
        self._scene, self._placed = scene, placed

    def cast(self, origins_m: F32, directions: F32, fraction: F32, limit_m: float, width: int = 1) -> Hits:
        """As `Scene.cast`; width: of the picture that the rays make row by row, for `Hits.outline`."""
        return self._scene._cast(origins_m, directions, fraction, self._placed, limit_m, width)

    def stops(self, origins_m: F32, towards: F64, fraction: F32, limit_m: float) -> npt.NDArray[np.bool_]:
        """(N,) whether light from far away in one direction (3,) is kept from points (N, 3); actors up to the limit."""
        way = np.ascontiguousarray(towards, np.float64)
        out = self._scene._static.triangles.stops(origins_m, way[None].astype(np.float32))
        shaded((origins_m, fraction), way, self._placed, limit_m, out)
        return out


class Placed(NamedTuple):
    """Actors that are present: row in the states, poses (K, 6) at both ends, tilt (K, 3, 3), sphere; what rays meet of
    each, its box (K, 6) and its first row of normal and material (of all triangles); and how many actors there are.
    """

    row: I64
    low: F64
    high: F64
    tilt: F64
    middle: F64
    reach: F64
    scene: I64
    box: F64
    first: I64
    normal: F32
    material: npt.NDArray[np.uint8]
    actors: int


class _Stock(NamedTuple):
    """All meshes of some assets: start (A,): where an asset's poses begin in body, which counts scene, box and first;
    and normal and material of all triangles.
    """

    start: I64
    body: I64
    scene: I64
    box: F64
    first: I64
    normal: F32
    material: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> _Stock:
        poses = [_stocked(mesh) for asset in assets for mesh in asset.poses]
        bodies = list(dict.fromkeys(poses))
        number = {body: k for k, body in enumerate(bodies)}
        count = [len(b.material) for b in bodies]
        return cls(
            np.cumsum([0, *(len(a.poses) for a in assets)])[:-1],
            np.array([number[b] for b in poses], np.int64),
            np.array([b.triangles.scene for b in bodies], np.int64),
            np.array([b.box for b in bodies]).reshape(-1, 6),
            np.cumsum([0, *count])[:-1].astype(np.int64),
            np.concatenate([np.zeros((0, 3), np.float32), *(b.normal for b in bodies)]),
            np.concatenate([np.zeros(0, np.uint8), *(b.material for b in bodies)]),
        )


def _parts(count: int) -> list[slice]:
    edges = (np.linspace(0, count, max(1, count // _PART) + 1) // BLOCK * BLOCK).astype(int)
    edges[-1] = count
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _tilts(pitch_rad: F64, roll_rad: F64) -> F64:
    """(N, 3, 3) rotation by pitch (about y) and then roll (about x)."""
    cp, sp, cr, sr = np.cos(pitch_rad), np.sin(pitch_rad), np.cos(roll_rad), np.sin(roll_rad)
    zero = np.zeros_like(cp)
    rows = [[cp, sp * sr, sp * cr], [zero, cr, -sr], [-sp, cp * sr, cp * cr]]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0))
