"""One turn of the lidar: every firing from where the sensor and the objects are at its own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import PointCloud
from perception_nodes.simulation.assets.materials import REFLECTIVITY, Material

from .assets import Asset
from .config import LidarConfig
from .raycast import Caster
from .world import World

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
_FAR_M = 100.0
_GLASS_RETURN = 0.25


@dataclass(frozen=True, eq=False)
class Sweep:
    """What one turn gives.

    cloud: in the lidar's frame, each point at its own time; hits, aimed (N objects,): pulses that returned from an
    object, and that would have met it with nothing in between.
    """

    cloud: PointCloud
    hits: npt.NDArray[np.int32]
    aimed: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Surfaces:
    """What each ray meets first: range (inf = nothing), material, cosine of incidence, object (-1 = none)."""

    range_m: F32
    material: npt.NDArray[np.uint8]
    cosine: F32
    owner: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Rays:
    """Firing order: columns in time, rings inside. world frame, float32."""

    origins_m: F32
    directions: F32
    azimuth_rad: F64
    time_s: F64


class Lidar:
    """Casts sweeps in one world."""

    def __init__(self, config: LidarConfig, world: World, assets: Sequence[Asset]) -> None:
        self.config = config
        self._world = world
        self._static = Caster(world.mesh)
        unique = {asset.name: asset for asset in assets}
        casters = {name: Caster(asset.mesh) for name, asset in unique.items()}
        self._casters = [casters[a.name] for a in assets]
        size = np.array([a.lwh_m for a in assets]).reshape(-1, 3)
        self._radius_m = 0.5 * np.linalg.norm(size, axis=1)
        n = config.columns
        # One turn clockwise (seen from above), beginning and ending at the rear.
        self._azimuth = np.pi - 2 * np.pi * (np.arange(n) + 0.5) / n
        self.time_s = (np.arange(n) + 1 - n) / n * config.sweep_s
        elevation = config.elevations_rad
        self._rings = len(elevation)
        self._level, self._rise = np.cos(elevation), np.sin(elevation)

    def sweep(
        self, stamp_ns: int, base: F64, start: F64, end: F64, z_m: F64, rng: np.random.Generator
    ) -> Sweep:
        """base (columns, 3): base_link at each firing; start, end (N, 4): objects at the begin and the stamp."""
        rays = self._rays(base)
        range_m, triangle = self._static.cast(rays.origins_m, rays.directions, self.config.max_range_m)
        material, cosine = self._static.surface(triangle, rays.directions)
        met = _Surfaces(range_m, material, cosine, np.full(len(range_m), -1, np.int32))
        aimed = np.zeros(len(start), np.int32)
        for k in range(len(start)):
            index = self._candidates(rays, end[k], start[k], self._radius_m[k])
            if not len(index):
                continue
            local_o, local_d = _into_object(rays, index, start[k], end[k], z_m[k], self.config.sweep_s)
            near_m, of = self._casters[k].cast(local_o, local_d, self.config.max_range_m)
            aimed[k] = np.isfinite(near_m).sum()
            nearer = near_m < range_m[index]
            won = index[nearer]
            range_m[won], met.owner[won] = near_m[nearer], k
            material[won], cosine[won] = self._casters[k].surface(of[nearer], local_d[nearer])
        return self._measure(stamp_ns, rays, met, aimed, rng)

    def _rays(self, base: F64) -> _Rays:
        mount = np.asarray(self.config.mount_xyz_m)
        c, s = np.cos(base[:, 2]), np.sin(base[:, 2])
        x = base[:, 0] + c * mount[0] - s * mount[1]
        y = base[:, 1] + s * mount[0] + c * mount[1]
        origins = np.stack([x, y, np.full(len(x), mount[2])], axis=1)
        azimuth = self._azimuth + base[:, 2]
        direction = np.empty((len(x), self._rings, 3), np.float32)
        direction[:, :, 0] = np.cos(azimuth)[:, None] * self._level
        direction[:, :, 1] = np.sin(azimuth)[:, None] * self._level
        direction[:, :, 2] = self._rise
        repeated = np.repeat(origins.astype(np.float32), self._rings, axis=0)
        return _Rays(repeated, direction.reshape(-1, 3), azimuth, self.time_s)

    def _candidates(self, rays: _Rays, end: F64, start: F64, radius_m: float) -> npt.NDArray[np.int64]:
        """Rays of the columns that may meet the object's sphere anywhere on its way."""
        middle = (start[:2] + end[:2]) / 2
        reach = radius_m + 0.5 * float(np.hypot(*(end[:2] - start[:2]))) + 0.3
        to = middle - rays.origins_m[:: self._rings, :2]
        distance = float(np.hypot(*to[len(to) // 2]))
        if distance > _FAR_M:
            return np.zeros(0, np.int64)
        half = np.arcsin(min(1.0, reach / max(distance - 1.0, reach))) + 0.02
        off = np.abs((np.arctan2(to[:, 1], to[:, 0]) - rays.azimuth_rad + np.pi) % (2 * np.pi) - np.pi)
        columns = np.flatnonzero(off < half) if distance > reach + 1.5 else np.arange(len(to))
        out: npt.NDArray[np.int64] = (columns[:, None] * self._rings + np.arange(self._rings)).ravel()
        return out

    def _measure(
        self,
        stamp_ns: int,
        rays: _Rays,
        met: _Surfaces,
        aimed: npt.NDArray[np.int32],
        rng: np.random.Generator,
    ) -> Sweep:
        range_m, cosine = met.range_m, met.cosine
        config = self.config
        n = len(range_m)
        noise, chance, spread = rng.standard_normal(n), rng.random(n), rng.standard_normal(n)
        glint = rng.random(n)
        index = np.flatnonzero(np.isfinite(range_m) & (range_m > config.min_range_m))
        range_m, cosine = range_m[index], cosine[index]
        at = rays.origins_m[index] + range_m[:, None] * rays.directions[index]
        kind = self._textured(at, met.material[index], met.owner[index])
        reflectivity = REFLECTIVITY[kind]
        lost = (kind == Material.GLASS) & (glint[index] > _GLASS_RETURN)
        signal = reflectivity * cosine * (100.0 / range_m) ** 2
        keep = (chance[index] < (1 - config.dropout) * (1 - np.exp(-signal / config.weak_signal))) & ~lost
        index, measured = index[keep], range_m[keep] + config.range_std_m * noise[index[keep]]
        near = (measured > config.min_range_m) & (measured <= config.max_range_m)
        index, measured = index[near], measured[near]
        strength = (reflectivity * (0.35 + 0.65 * cosine) / np.sqrt(1 + (range_m / 80.0) ** 2))[keep][near]
        intensity = np.clip(255 * strength * (1 + config.intensity_spread * spread[index]), 1.0, 255.0)
        column, ring = np.divmod(index, self._rings)
        flat = measured * self._level[ring]
        xyz = np.stack(
            [
                flat * np.cos(self._azimuth[column]),
                flat * np.sin(self._azimuth[column]),
                measured * self._rise[ring],
            ],
            axis=1,
        )
        cloud = PointCloud(
            stamp_ns, "top", xyz.astype(np.float32), intensity=np.round(intensity).astype(np.float32),
            ring=ring.astype(np.uint16), time_s=self.time_s[column].astype(np.float32),
        )  # fmt: skip
        returned = met.owner[index]
        hits = np.bincount(returned[returned >= 0], minlength=len(aimed)).astype(np.int32)
        return Sweep(cloud, hits, aimed)

    def _textured(
        self, at_m: F32, material: npt.NDArray[np.uint8], owner: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.uint8]:
        """Paint on the road and windows in house fronts, which the meshes do not hold."""
        out = material.copy()
        road = np.flatnonzero((material == Material.ASPHALT) & (owner < 0))
        out[road[self._world.painted(at_m[road, :2].astype(np.float64))]] = Material.ROAD_PAINT
        front = np.flatnonzero((material == Material.FACADE) & (owner < 0))
        p = at_m[front]
        window = ((p[:, 0] + p[:, 1]) % 2.8 < 1.2) & ((p[:, 2] % 3.1) > 1.1) & ((p[:, 2] % 3.1) < 2.5)
        out[front[window]] = Material.GLASS
        return out


def _into_object(
    rays: _Rays, index: npt.NDArray[np.int64], start: F64, end: F64, z_m: float, sweep_s: float
) -> tuple[F32, F32]:
    """Rays in the object's frame at each ray's time."""
    rings = len(rays.origins_m) // len(rays.time_s)
    fraction = 1.0 + rays.time_s[index // rings] / sweep_s
    x, y, heading = (start[k] + (end[k] - start[k]) * fraction for k in range(3))
    c, s = np.cos(heading), np.sin(heading)
    o, d = rays.origins_m[index].astype(np.float64), rays.directions[index].astype(np.float64)
    dx, dy = o[:, 0] - x, o[:, 1] - y
    local_o = np.stack([c * dx + s * dy, c * dy - s * dx, o[:, 2] - z_m], axis=1)
    local_d = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0], d[:, 2]], axis=1)
    return local_o.astype(np.float32), local_d.astype(np.float32)
