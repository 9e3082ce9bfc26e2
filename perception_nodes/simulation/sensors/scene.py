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
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle
from perception_nodes.simulation.assets import Asset, Mesh
from perception_nodes.simulation.traffic.states import ActorStates

from .embree import Triangles
from .rays import BLOCK, cull, cull_parallel, into_frames, keep_nearest, of_street, outline

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
T = TypeVar("T")

# Parts of many rays, which threads take one after the other: the same whatever the number of threads.
_PART: Final = 8192


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
    """One mesh: what rays meet, and of each triangle its normal and material."""

    def __init__(self, mesh: Mesh) -> None:
        triangles = Triangles(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.int32))
        self.cast, self.stops = triangles.cast, triangles.stops
        corner = mesh.vertices[mesh.triangles]
        normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        self.normal = np.ascontiguousarray(normal / np.where(length > 0, length, 1.0), np.float32)
        self.material = np.ascontiguousarray(mesh.material, np.uint8)


# Drives share the meshes of one catalogue, which is finite.
_stocked = lru_cache(maxsize=4096)(_Body)


class Scene:
    """A street with a stock of things that can stand in it.

    static: the street in odom; assets: what `ActorStates.asset` counts; threads: for many rays (0 = all cores). Results
    do not depend on the number of threads.
    """

    def __init__(self, static: Mesh, assets: Sequence[Asset], threads: int = 1) -> None:
        self._static = _Body(static)
        self._poses = [[_stocked(mesh) for mesh in asset.poses] for asset in assets]
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

    def _placed(self, start: ActorStates, end: ActorStates) -> _Placed:
        # Who left the world within the time and came back as somebody else elsewhere was never in between.
        row = np.flatnonzero(start.present & end.present & (start.id == end.id))
        low, high = start.pose[row].copy(), end.pose[row]
        low[:, 3] = high[:, 3] - wrap_angle(high[:, 3] - low[:, 3])
        asset = end.asset[row]
        tilt = _tilts(high[:, 4], high[:, 5])
        reach = self._radius_m[asset] + 0.5 * np.linalg.norm(high[:, :3] - low[:, :3], axis=1) + 0.02
        middle = 0.5 * (low[:, :3] + high[:, :3])
        middle[:, 2] += self._half_height_m[asset]
        bodies = [self._poses[a][p] for a, p in zip(asset.tolist(), end.phase[row].tolist(), strict=True)]
        order = np.array(sorted(range(len(row)), key=lambda k: id(bodies[k])), np.int64)
        return _Placed(
            row[order],
            low[order],
            high[order],
            tilt[order],
            middle[order],
            reach[order],
            [bodies[k] for k in order],
            len(end),
        )

    def _cast(
        self, origins: F32, directions: F32, fraction: F32, placed: _Placed, limit_m: float, width: int = 1
    ) -> Hits:
        n, static = len(origins), self._static
        hits = (np.empty(n, np.float32), np.empty(n, np.uint8), np.empty((n, 3), np.float32),
                np.empty(n, np.int32), np.empty(n, np.int32))  # fmt: skip
        of_street(static.cast(origins, directions), (static.normal, static.material), limit_m, hits)
        aimed = np.zeros(placed.actors, np.int64)
        around = np.tile(np.array([n, n, -1, -1], np.int64), (placed.actors, 1))
        for rays, body in self._candidates(origins, directions, fraction, placed, limit_m):
            near_m, of = body.cast(rays.origins, rays.directions)
            turned = (placed.low, placed.high, placed.tilt, fraction)
            found = (rays.index, rays.place, rays.actor, near_m, of)
            aimed += np.bincount(rays.actor[of >= 0], minlength=placed.actors)
            if width > 1:
                outline(rays.index, rays.actor, of, width, around)
            keep_nearest(found, (body.normal, body.material), turned, limit_m, hits)
        return Hits(*hits, aimed, around)

    def _candidates(
        self, origins: F32, directions: F32, fraction: F32, placed: _Placed, limit_m: float
    ) -> list[tuple[_Rays, _Body]]:
        """Rays in the frames of the actors that they may meet, one entry a mesh."""
        if len(placed.row) == 0:
            return []
        pairs = cull(origins, directions, placed.middle, placed.reach, limit_m)
        return self._among(origins, directions, fraction, placed, pairs)

    def _among(
        self, origins: F32, directions: F32, fraction: F32, placed: _Placed, pairs: tuple[I64, I64]
    ) -> list[tuple[_Rays, _Body]]:
        index, place = pairs
        local_o, local_d = into_frames(
            (origins, directions, fraction), (index, place), (placed.low, placed.high, placed.tilt)
        )
        start = np.searchsorted(place, np.arange(len(placed.row) + 1))
        out, first = [], 0
        while first < len(placed.row):
            last = first + 1
            while last < len(placed.row) and placed.bodies[last] is placed.bodies[first]:
                last += 1
            part = slice(int(start[first]), int(start[last]))
            if part.stop > part.start:
                actor = placed.row[place[part]]
                rays = _Rays(index[part], place[part], actor, local_o[part], local_d[part])
                out.append((rays, placed.bodies[first]))
            first = last
        return out


class View:
    """A scene between two times. Its casts take one thread each: several threads share it by `Scene.spread`."""

    def __init__(self, scene: Scene, placed: _Placed) -> None:
        self._scene, self._placed = scene, placed

    def cast(self, origins_m: F32, directions: F32, fraction: F32, limit_m: float, width: int = 1) -> Hits:
        """As `Scene.cast`; width: of the picture that the rays make row by row, for `Hits.outline`."""
        return self._scene._cast(origins_m, directions, fraction, self._placed, limit_m, width)

    def stops(self, origins_m: F32, towards: F64, fraction: F32, limit_m: float) -> npt.NDArray[np.bool_]:
        """(N,) whether light from far away in one direction (3,) is kept from points (N, 3); actors up to the limit."""
        rays = np.empty_like(origins_m)
        rays[:] = towards
        out = self._scene._static.stops(origins_m, rays)
        placed = self._placed
        if not len(placed.row):
            return out
        index, place = cull_parallel(
            origins_m, np.asarray(towards, np.float64), placed.middle, placed.reach, limit_m
        )
        open_still = ~out[index]
        pairs = (index[open_still], place[open_still])
        for found, body in self._scene._among(origins_m, rays, fraction, placed, pairs):
            out[found.index[body.stops(found.origins, found.directions)]] = True
        return out


@dataclass(frozen=True, eq=False)
class _Placed:
    """Actors that are present, sorted by mesh: row in the states, poses at both ends, tilt (3, 3), sphere; and all."""

    row: I64
    low: F64
    high: F64
    tilt: F64
    middle: F64
    reach: F64
    bodies: list[_Body]
    actors: int


@dataclass(frozen=True, eq=False)
class _Rays:
    """Rays of one mesh: index of the ray, place of the actor in `_Placed`, its row, and the ray in its frame."""

    index: I64
    place: I64
    actor: I64
    origins: F32
    directions: F32


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
