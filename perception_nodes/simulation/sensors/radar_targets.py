"""Which rays a radar is asked for, and what the surfaces that they meet send back.

The street: a grid of rays, each for the patch around it. Actors: the same few scattering centres of each body in all
scans, those that can be seen share its cross section. Posts of the street: one ray each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets import Asset
from perception_nodes.simulation.assets.materials import RADAR, Material
from perception_nodes.simulation.traffic.states import ActorStates

from .radar_posts import Posts
from .radar_signal import Echoes, Origin
from .radar_spec import REFERENCE_M, RadarSpec
from .scene import Hits

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

CENTRES: Final = 14  # scattering centres a body
_TABLES: Final = 64
# Broadside, in phase with the road's reflection, a lucky fluctuation: 18 dB over the median.
_BEST_DAY: Final = 60.0
_MOST_POSTS: Final = 160
# Slopes (rms) of a surface that is rough for the wave: of houses and terrain, and of bodies with their edges.
_ROUGH: Final = 0.25
_SCATTERED: Final = 0.3
_WHEEL: Final = (int(Material.RUBBER), int(Material.RIM))


@dataclass(frozen=True, eq=False)
class Place:
    """Rotation, position and velocity (3,) m/s of the sensor in odom, and the height of the road under it."""

    rotation: F64
    position_m: F64
    velocity_mps: F64
    road_m: float

    def local(self, xyz_m: F64) -> F64:
        """(N, 3) points in the frame of the sensor."""
        return (xyz_m - self.position_m) @ self.rotation

    def radial(self, xyz_m: F64, velocity_mps: F64) -> F64:
        """(N,) speed away from the sensor of points that move with velocity_mps (N, 3) or (3,)."""
        way = xyz_m - self.position_m
        way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        return np.asarray((way * (velocity_mps - self.velocity_mps)).sum(axis=1), np.float64)


@dataclass(frozen=True, eq=False)
class Bodies:
    """What of the assets counts for a radar, by the index of the asset.

    lwh_m (A, 3); rcs_m2 (A,); wheels (A,) bool; box (A,) bool: sides like those of a car; lower, upper (A,): how fast
    limbs swing against the body, as a share of its speed.
    """

    lwh_m: F64
    rcs_m2: F64
    wheels: npt.NDArray[np.bool_]
    box: npt.NDArray[np.bool_]
    lower: F64
    upper: F64

    @classmethod
    def of(cls, assets: Sequence[Asset]) -> Bodies:
        """The assets of a drive."""
        legs = {"pedestrian": (1.2, 0.4), "bicycle": (0.5, 0.0)}
        swing = np.array([legs.get(a.label, (0.0, 0.0)) for a in assets]).reshape(-1, 2)
        base = np.array([a.wheelbase_m for a in assets])
        return cls(
            np.array([a.lwh_m for a in assets]).reshape(-1, 3),
            10 ** (np.array([a.rcs_dbsm for a in assets]) / 10),
            base > 0,
            base > 1.6,
            swing[:, 0],
            swing[:, 1],
        )


@dataclass(frozen=True, eq=False)
class Aim:
    """Rays from the sensor: towards points (N, 3), odom, at distance (N,); what they are meant for (N,)."""

    points_m: F64
    distance_m: F64
    of: I64


def _centre_tables() -> tuple[F64, F64]:
    """Points in a box of unit size, and how strong each is: (tables, centres, 3), (tables, centres).

    Half of them low, where bumpers, wheels and corners are.
    """
    rng = np.random.default_rng(77)
    points = rng.uniform(-0.46, 0.46, (_TABLES, CENTRES, 3))
    points[:, :, 2] = rng.beta(1.6, 2.2, (_TABLES, CENTRES)) * 0.9 + 0.06
    return points, np.exp(rng.normal(0.0, 0.7, (_TABLES, CENTRES)))


_POINTS, _STRENGTH = _centre_tables()


def within_reach(place: Place, spec: RadarSpec, states: ActorStates, bodies: Bodies) -> npt.NDArray[np.bool_]:
    """(N,) actors in the field that are strong enough to be detected, were they in full view on their best day."""
    lwh = bodies.lwh_m[states.asset]
    middle = states.pose[:, :3] + np.array([0, 0, 0.5]) * lwh
    reach = 0.5 * np.sqrt((lwh**2).sum(axis=1))
    local = place.local(middle)
    far = np.sqrt((local**2).sum(axis=1))
    aside = np.abs(np.arctan2(local[:, 1], local[:, 0]))
    margin = np.arcsin(np.clip(reach / np.maximum(far, 1e-6), 0.0, 1.0))
    strongest = 10 ** (spec.reference_snr_db / 10) * bodies.rcs_m2[states.asset] * _BEST_DAY
    detectable = strongest * (REFERENCE_M / np.maximum(far - reach, 0.5)) ** 4 > spec.threshold
    near = (far - reach < spec.max_range_m) & (aside < spec.half_field_rad + margin) & (far > 0.2)
    return np.asarray(states.present & near & detectable)


def aim_at_actors(place: Place, states: ActorStates, bodies: Bodies) -> Aim:
    """Scattering centres of everybody who is present; `of` counts row * CENTRES + centre."""
    row = np.flatnonzero(states.present)
    table = states.id[row] % _TABLES
    points = _POINTS[table] * bodies.lwh_m[states.asset[row]][:, None, :]
    c, s = np.cos(states.pose[row, 3])[:, None], np.sin(states.pose[row, 3])[:, None]
    x, y = c * points[:, :, 0] - s * points[:, :, 1], s * points[:, :, 0] + c * points[:, :, 1]
    points = np.stack([x, y, points[:, :, 2]], axis=2) + states.pose[row, None, :3]
    return _aim(place, points.reshape(-1, 3), (row[:, None] * CENTRES + np.arange(CENTRES)).ravel())


def aim_at_posts(place: Place, spec: RadarSpec, posts: Posts) -> Aim:
    """The strongest posts in the field, each at the height of the sensor or as near to it as it reaches."""
    points = posts.low_m.copy()
    points[:, 2] = np.clip(place.position_m[2], posts.low_m[:, 2], posts.high_m[:, 2])
    local = place.local(points)
    far = np.linalg.norm(local, axis=1)
    aside = np.abs(np.arctan2(local[:, 1], local[:, 0]))
    seen = np.flatnonzero((far < spec.max_range_m) & (far > 1.0) & (aside < spec.half_field_rad))
    if len(seen) > _MOST_POSTS:
        strength = posts.rcs_m2[seen] / far[seen] ** 4
        seen = np.sort(seen[np.argsort(-strength, kind="stable")[:_MOST_POSTS]])
    return _aim(place, points[seen], seen)


def _aim(place: Place, points_m: F64, of: I64) -> Aim:
    return Aim(points_m, np.linalg.norm(points_m - place.position_m, axis=1), of)


def grid(spec: RadarSpec, rng: np.random.Generator) -> F64:
    """(columns x rows, 3) directions over the field, sensor frame, shifted by part of their spacing in each scan."""
    width, height = 2 * spec.half_field_rad / spec.columns, np.deg2rad(spec.elevation_beam_deg) / spec.rows
    shift = rng.random(2)
    azimuth = -spec.half_field_rad + width * (np.arange(spec.columns) + shift[0])
    elevation = height * (np.arange(spec.rows) + shift[1] - 0.5 * spec.rows)
    level, rise = np.cos(elevation), np.sin(elevation)
    parts = [
        np.outer(np.cos(azimuth), level),
        np.outer(np.sin(azimuth), level),
        np.tile(rise, (spec.columns, 1)),
    ]
    return np.stack(parts, axis=-1).reshape(-1, 3)


def backscatter(material: npt.NDArray[np.uint8], cosine: F64) -> F64:
    """(N,) cross section of a square metre of surface by angle of incidence.

    Where it faces the sensor: geometric optics of a rough surface, R / (2 s^2 cos^4) exp(-tan^2 / (2 s^2)) (Ulaby,
    Moore, Fung, Microwave Remote Sensing); elsewhere Lambert's law for the share that scatters, 0.3 R cos^2.
    """
    square = np.maximum(cosine.astype(np.float64), 0.02) ** 2
    slope = (1.0 - square) / square
    facing = np.exp(-slope / (2 * _ROUGH**2)) / (2 * _ROUGH**2 * square**2)
    return np.asarray(RADAR[material] * (_SCATTERED * square + facing), np.float64)


def street_echoes(
    place: Place, spec: RadarSpec, rays: tuple[F32, Hits], of_post: npt.NDArray[np.bool_]
) -> Echoes:
    """Of the grid's rays that met the street: each stands for the patch around it, as far as one range cell goes."""
    directions, hits = rays
    met = np.flatnonzero((hits.owner < 0) & np.isfinite(hits.range_m))
    met = met[~of_post[hits.triangle[met]]]
    r = hits.range_m[met].astype(np.float64)
    cosine = np.clip(hits.cosine(directions)[met].astype(np.float64), 0.02, 1.0)
    width, height = 2 * spec.half_field_rad / spec.columns, np.deg2rad(spec.elevation_beam_deg) / spec.rows
    upright = 1.0 - np.abs(hits.normal[met, 2].astype(np.float64))
    deep = r * np.sqrt(1 - cosine**2) / cosine * (width * upright + height * (1 - upright))
    area = r**2 * width * height / cosine * np.minimum(1.0, spec.range_resolution_m / np.maximum(deep, 1e-6))
    points = place.position_m + directions[met] * r[:, None]
    return _standing(place, points, backscatter(hits.material[met], cosine) * area)


def post_echoes(place: Place, aim: Aim, hits: Hits, posts: Posts) -> Echoes:
    """Of the posts that nothing hides."""
    seen = np.flatnonzero(hits.range_m > aim.distance_m - 0.6)
    return _standing(place, aim.points_m[seen], posts.rcs_m2[aim.of[seen]])


def _standing(place: Place, points_m: F64, rcs_m2: F64) -> Echoes:
    n = len(points_m)
    speed = place.radial(points_m, np.zeros(3))
    street = np.full(n, -1, np.int32)
    return Echoes(place.local(points_m), speed, rcs_m2, np.full(n, -1.0), street, np.zeros(n, np.uint8))


@dataclass(frozen=True, eq=False)
class Lit:
    """Scattering centres that can be seen.

    points_m, velocity_mps (N, 3), odom; echoes of them; whole_m2 (N,): cross section of their whole actor; strongest:
    index of the strongest centre of each actor.
    """

    points_m: F64
    velocity_mps: F64
    echoes: Echoes
    whole_m2: F64
    strongest: I64


def actor_echoes(
    place: Place,
    aim: Aim,
    rays: tuple[F32, Hits],
    actors: tuple[ActorStates, Bodies],
    rng: np.random.Generator,
) -> Lit:
    """Of the scattering centres that a ray met first."""
    (directions, hits), (states, bodies) = rays, actors
    row, centre = aim.of // CENTRES, aim.of % CENTRES
    own = hits.owner == row
    hidden = ~own & (hits.range_m < aim.distance_m)
    count = len(states)
    seen, lost = np.bincount(row[own], minlength=count), np.bincount(row[hidden], minlength=count)
    met = np.flatnonzero(own)
    row, asset = row[met], states.asset[row[met]]
    points = place.position_m + directions[met].astype(np.float64) * hits.range_m[met, None]
    material, cosine = hits.material[met], hits.cosine(directions)[met].astype(np.float64)
    weight = RADAR[material] * (0.3 + cosine**4) * _STRENGTH[states.id[row] % _TABLES, centre[met]]
    share = weight / np.maximum(np.bincount(row, weight, count)[row], 1e-12)
    visible = seen[row] / np.maximum(seen[row] + lost[row], 1)
    rcs = bodies.rcs_m2[asset] * aspect(place, states, row, bodies.box[asset]) * visible * share
    velocity = (
        velocity_of(states, row, points) * _swing(states, bodies, (row, points, material), rng)[:, None]
    )
    height = np.maximum(points[:, 2] - states.pose[row, 2], 0.05)
    speed = place.radial(points, velocity)
    origin = np.full(len(met), Origin.DIRECT, np.uint8)
    echoes = Echoes(place.local(points), speed, rcs, height, row.astype(np.int32), origin)
    whole = np.asarray(np.bincount(row, rcs, count)[row], np.float64)
    first = np.flatnonzero(np.diff(row, prepend=-1))  # rays of one actor follow each other
    order = np.lexsort((-rcs, row))
    return Lit(points, velocity, echoes, whole, order[first])


def aspect(place: Place, states: ActorStates, row: I64, box: npt.NDArray[np.bool_]) -> F64:
    """A car seen square to one of its sides sends up to 8 dB more back than from elsewhere."""
    towards = place.position_m[:2] - states.pose[row, :2]
    angle = np.arctan2(towards[:, 1], towards[:, 0]) - states.pose[row, 3]
    off = np.abs((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    return np.where(box, 1.0 + 5.0 * np.exp(-((off / 0.12) ** 2)), 1.0)


def velocity_of(states: ActorStates, row: I64, points_m: F64) -> F64:
    """(N, 3) of points of bodies that move and turn."""
    arm = points_m[:, :2] - states.pose[row, :2]
    turn, moving = states.yaw_rate_rps[row], states.velocity_mps[row]
    return np.stack(
        [moving[:, 0] - turn * arm[:, 1], moving[:, 1] + turn * arm[:, 0], np.zeros(len(row))], axis=1
    )


def _swing(
    states: ActorStates,
    bodies: Bodies,
    met: tuple[I64, F64, npt.NDArray[np.uint8]],
    rng: np.random.Generator,
) -> F64:
    """Factor on the speed of each point: wheels turn (0 at the road, 2 on top), limbs swing about the body's speed."""
    row, points, material = met
    asset = states.asset[row]
    up = (points[:, 2] - states.pose[row, 2]) / bodies.lwh_m[asset, 2]
    amplitude = np.where(up < 0.5, bodies.lower[asset], bodies.upper[asset])
    wheel = bodies.wheels[asset] & np.isin(material, _WHEEL)
    phase = rng.random(len(row))
    return np.where(wheel, 2.0 * phase, 1.0 + amplitude * np.sin(2 * np.pi * phase))
