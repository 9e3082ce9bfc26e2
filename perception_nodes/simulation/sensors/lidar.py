"""A sweep of a lidar: every pulse from where the sensor and the actors are at its own time.

In order: fire, meet a surface, go through glass, measure (signal, noise, weather), come back over a mirror, point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import PointCloud
from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets.materials import (
    GLOSS,
    REFLECTIVITY,
    RETRO_GAIN,
    TRANSMISSION,
    Material,
)

from .beams import LidarSpec
from .moment import Moment
from .optics import MIRRORED, NEAR_INFRARED_THROUGH, ROUGHNESS, VARIATION
from .returns import AIR, compensated, fire, measure, mix_edges, vary
from .scene import Hits

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

# Nearer than this to a surface it was let through by, a pulse does not meet it again.
_SKIN_M: Final = 0.02
_GHOST_SIGNAL: Final = 0.3
_DIRT_CELL: Final = (36, 12)


@dataclass(frozen=True, eq=False)
class LidarSweep:
    """What one sweep gives.

    cloud: in the lidar's frame, each point where it was at its own time (unless compensated); owner (M,): row of the
    actor, -1 = the street, -2 = the air or a ghost; material (M,); return_number (M,): 0 strongest, 1 last; hits, aimed
    (actors,): pulses that returned from an actor, and that would have met it with nothing in between.
    """

    cloud: PointCloud
    owner: I32
    material: U8
    return_number: U8
    hits: I32
    aimed: I32


@dataclass(frozen=True, eq=False)
class _Pulses:
    """What every pulse may give: range (inf = nothing), material, cosine, owner, share of light that got there."""

    range_m: F32
    material: U8
    cosine: F32
    owner: I32
    through: F32


class LidarModel:
    """One lidar on the vehicle. compensated: it gives sweeps as if taken at once, at their end."""

    def __init__(
        self, spec: LidarSpec, base_from_sensor: Transform, frame_id: str, *, compensated: bool = False
    ) -> None:
        self.spec, self.frame_id, self._compensated = spec, frame_id, compensated
        self._base_from_sensor = base_from_sensor
        local = spec.directions()
        self._local = np.ascontiguousarray(local.reshape(-1, 3), np.float32)
        self._time_s = spec.time_s()
        self._ring = np.tile(np.arange(spec.rings, dtype=np.uint16), spec.columns)
        self._column = np.repeat(np.arange(spec.columns, dtype=np.int32), spec.rings)
        self._azimuth = np.arctan2(self._local[:, 1], self._local[:, 0])
        self._dirty = _dirt_pattern(local).ravel()

    def sweep(self, moment: Moment, stamp_ns: int, rng: np.random.Generator) -> LidarSweep:
        """The sweep that ends with the moment, stamped at its end."""
        duration = moment.end_s - moment.start_s
        fraction = np.clip(1.0 + self._time_s / duration, 0.0, 1.0)
        rotation, position = moment.path(fraction)
        rotation, position = (
            rotation @ self._base_from_sensor.rotation,
            position + rotation @ self._base_from_sensor.translation_m,
        )
        origins, directions = fire(self._local, rotation, position)
        each = np.repeat(fraction.astype(np.float32), self.spec.rings)
        rays = (origins, directions, each)
        hits = moment.scene.cast(*rays, moment.span, self.spec.max_range_m)
        pulses = self._through_glass(moment, rays, self._met(moment, rays, hits), rng)
        vary(rays[:2], (pulses.range_m, pulses.material, pulses.owner), VARIATION, pulses.through)
        return self._measured(moment, stamp_ns, rays, (pulses, hits), rng)

    def _met(self, moment: Moment, rays: tuple[F32, F32, F32], hits: Hits) -> _Pulses:
        material = _textured(moment, rays, hits)
        return _Pulses(
            hits.range_m, material, hits.cosine(rays[1]), hits.owner, np.ones(len(material), np.float32)
        )

    def _through_glass(
        self, moment: Moment, rays: tuple[F32, F32, F32], met: _Pulses, rng: np.random.Generator
    ) -> _Pulses:
        """Most pulses go on behind a window: what they meet there counts, with what the glass leaves of them."""
        chance = rng.random(len(met.range_m), np.float32)
        index = np.flatnonzero(
            (met.material == Material.GLASS) & (chance < 1.2 * met.cosine * TRANSMISSION[Material.GLASS])
        )
        if not len(index):
            return met
        origins, directions, fraction = (a[index] for a in rays)
        skip = (met.range_m[index] + _SKIN_M)[:, None]
        behind = moment.scene.cast(
            origins + skip * directions, directions, fraction, moment.span, self.spec.max_range_m
        )
        out = replace(met, range_m=met.range_m.copy(), material=met.material.copy(), cosine=met.cosine.copy(),
                      owner=met.owner.copy(), through=met.through.copy())  # fmt: skip
        out.range_m[index] = skip[:, 0] + behind.range_m
        out.material[index], out.cosine[index] = behind.material, behind.cosine(directions)
        out.owner[index] = behind.owner
        out.through[index] = NEAR_INFRARED_THROUGH**2
        return out

    def _measured(
        self,
        moment: Moment,
        stamp_ns: int,
        rays: tuple[F32, F32, F32],
        met: tuple[_Pulses, Hits],
        rng: np.random.Generator,
    ) -> LidarSweep:
        spec, weather, (pulses, hits) = self.spec, moment.weather, met
        n = len(pulses.range_m)
        chances, normals = rng.random((5, n), np.float32), rng.standard_normal((2, n), np.float32)
        step_rad = np.deg2rad(abs(spec.span_deg)) / spec.columns
        share = min(1.0, 0.5e-3 * spec.divergence_mrad / step_rad)
        surface = (pulses.range_m, pulses.material, pulses.cosine, pulses.owner)
        range_m, owner = mix_edges(surface, spec.rings, share, chances[4])
        tables = (REFLECTIVITY, MIRRORED, RETRO_GAIN, ROUGHNESS)
        sensor = np.array([
            spec.min_range_m, spec.max_range_m, spec.half_range_m, spec.range_std_m, spec.range_step_m, spec.dropout,
            spec.intensity_gain, spec.intensity_std, spec.intensity_by_range, spec.intensity_gamma, spec.intensity_fade,
        ])  # fmt: skip
        air = np.array([
            weather.attenuation_per_m, weather.backscatter_per_m, weather.rain_mm_h, weather.snow_mm_h, weather.wetness,
        ])  # fmt: skip
        lost = self._lost(moment) | (self._dirty < weather.dirt) & (chances[3] < 0.7)
        seen = (range_m, pulses.material, pulses.cosine, owner, pulses.through)
        measured, intensity, owner = measure(seen, lost, tables, (sensor, air), (chances, normals))
        self._ghosts(moment, rays, hits, (measured, intensity, owner), chances[2])
        return self._pointed(moment, stamp_ns, (measured, intensity, owner), (pulses, hits.aimed))

    def _lost(self, moment: Moment) -> npt.NDArray[np.bool_]:
        """Pulses into sectors that are covered."""
        out = np.zeros(len(self._azimuth), bool)
        for middle, width in moment.weather.blocked_rad:
            away = np.abs((self._azimuth - middle + np.pi) % (2 * np.pi) - np.pi)
            out |= away < width / 2
        return out

    def _ghosts(
        self,
        moment: Moment,
        rays: tuple[F32, F32, F32],
        hits: Hits,
        measured: tuple[F32, F32, I32],
        chance: F32,
    ) -> None:
        """Lost pulses on shining surfaces come back from what is mirrored there, as if it stood behind."""
        range_m, intensity, owner = measured
        shining = (GLOSS[hits.material] > 0.3) & (hits.owner >= 0)
        index = np.flatnonzero(shining & ~np.isfinite(range_m) & (chance < self.spec.ghosts))
        if not len(index):
            return
        origins, directions, fraction = (a[index] for a in rays)
        normal, there = hits.normal[index], hits.range_m[index]
        mirrored = directions - 2 * np.einsum("ij,ij->i", normal, directions)[:, None] * normal
        at = origins + there[:, None] * directions + _SKIN_M * mirrored
        second = moment.scene.cast(at, mirrored, fraction, moment.span, self.spec.half_range_m)
        total = there + second.range_m
        back = REFLECTIVITY[second.material] * second.cosine(mirrored)
        strong = back * (self.spec.half_range_m / np.maximum(total, 1.0)) ** 2 > _GHOST_SIGNAL
        good = strong & (total < self.spec.max_range_m)
        range_m[index[good]] = total[good]
        intensity[index[good]] = np.maximum(1.0, 0.2 * self.spec.intensity_gain * back[good])
        owner[index[good]] = AIR

    def _pointed(
        self,
        moment: Moment,
        stamp_ns: int,
        measured: tuple[F32, F32, I32],
        met: tuple[_Pulses, I64],
    ) -> LidarSweep:
        range_m, intensity, owner = measured
        pulses, aimed = met
        index = np.flatnonzero(np.isfinite(range_m))
        number = np.zeros(len(index), np.uint8)
        range_m, intensity = range_m[index], intensity[index]
        if self.spec.returns == 2:
            first = (index, range_m, intensity)
            index, number, range_m, intensity = _with_last(
                first, pulses.range_m, 0.5 * self.spec.half_range_m
            )
        column = self._column[index]
        xyz = range_m[:, None] * self._local[index]
        if self._compensated:
            xyz = compensated(xyz, column, *self._relative(moment))
        cloud = PointCloud(
            stamp_ns, self.frame_id, xyz, intensity=intensity, ring=self._ring[index],
            time_s=self._time_s[column].astype(np.float32),
        )  # fmt: skip
        own = owner[index]
        hits = np.bincount(own[(own >= 0) & (number == 0)], minlength=len(aimed)).astype(np.int32)
        return LidarSweep(cloud, own, pulses.material[index], number, hits, aimed.astype(np.int32))

    def _relative(self, moment: Moment) -> tuple[F64, F64]:
        """Rotations (columns, 3, 3), positions (columns, 3): the sensor at its end from the sensor at each column."""
        duration = moment.end_s - moment.start_s
        rotation, position = moment.path(np.append(np.clip(1.0 + self._time_s / duration, 0.0, 1.0), 1.0))
        mount = self._base_from_sensor
        position = position + rotation @ mount.translation_m
        rotation = rotation @ mount.rotation
        back = rotation[-1].T
        return np.ascontiguousarray(back @ rotation[:-1]), (position[:-1] - position[-1]) @ back.T


def _textured(moment: Moment, rays: tuple[F32, F32, F32], hits: Hits) -> U8:
    """Paint on the road, which the mesh does not hold."""
    out = hits.material.copy()
    road = np.flatnonzero((out == Material.ASPHALT) & (hits.owner < 0) & np.isfinite(hits.range_m))
    origins, directions, _ = rays
    at = origins[road, :2] + hits.range_m[road, None] * directions[road, :2]
    colour = moment.world.painted(at.astype(np.float64))
    out[road[colour == 1]] = Material.ROAD_PAINT
    out[road[colour == 2]] = Material.YELLOW_PAINT
    return out


def _with_last(first: tuple[I64, F32, F32], behind_m: F32, limit_m: float) -> tuple[I64, U8, F32, F32]:
    """Where a pulse met something behind its strongest return (beyond rain, or at an edge), that is the last one."""
    index, range_m, intensity = first
    also = (behind_m[index] > range_m + 0.5) & (behind_m[index] < limit_m)
    both = np.concatenate([index, index[also]])
    number = np.repeat(np.array([0, 1], np.uint8), [len(index), int(also.sum())])
    order = np.argsort(both, kind="stable")
    ranges = np.concatenate([range_m, behind_m[index[also]]])
    level = np.concatenate([intensity, np.maximum(1.0, 0.5 * intensity[also])])
    return both[order], number[order], ranges[order], level[order]


def _dirt_pattern(local: F64) -> F32:
    """(columns, rings) values 0-1 that are alike nearby: below the share of dirt a place of the window is dirty."""
    rng = np.random.default_rng(20)
    coarse = rng.random(_DIRT_CELL)
    columns, rings = local.shape[:2]
    i = np.arange(columns) * _DIRT_CELL[0] // columns
    j = np.arange(rings) * _DIRT_CELL[1] // max(rings, 1)
    return np.ascontiguousarray(coarse[np.ix_(i, j)], np.float32)
