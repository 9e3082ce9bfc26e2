"""What walls, guard rails and tunnels mirror: images of actors behind them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.simulation.assets.materials import RADAR

from .radar_signal import NOTHING, Echoes, Origin, pattern
from .radar_spec import REFERENCE_M, RadarSpec
from .radar_targets import Lit, Place
from .scene import Hits

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_MIRROR: Final = 0.12  # reflectivity from which a wall mirrors
_UPRIGHT: Final = 0.35  # largest z of a wall's normal
_MOST_WALLS: Final = 300
_OWN_RCS_M2: Final = 10.0  # of the side of the own vehicle that the radar looks out of
_MOST_IMAGES: Final = 10  # the loudest ones


@dataclass(frozen=True, eq=False)
class Images:
    """G images of lit points: which one; where the way bends at the wall, its normal, image, (G, 3), odom; strength."""

    of: I64
    bounce_m: F64
    normal: F64
    image_m: F64
    strength: F64

    def take(self, index: I64) -> Images:
        """Some of them."""
        return Images(*(getattr(self, f.name)[index] for f in fields(self)))


def images_over_walls(place: Place, spec: RadarSpec, lit: Lit, walls: tuple[F32, Hits]) -> Images:
    """Images that may be detected, where rays met the wall at which the way bends; walls: the grid's rays.

    Whether the way from the wall to the actor is free is not known yet.
    """
    directions, hits = walls
    upright = np.abs(hits.normal[:, 2]) < _UPRIGHT
    met = np.flatnonzero(
        (hits.owner < 0) & np.isfinite(hits.range_m) & upright & (RADAR[hits.material] > _MIRROR)
    )
    met = met[:: max(1, len(met) // _MOST_WALLS)]
    r, cosine = hits.range_m[met].astype(np.float64), hits.cosine(directions)[met].astype(np.float64)
    points = place.position_m + directions[met].astype(np.float64) * r[:, None]
    width, height = 2 * spec.half_field_rad / spec.columns, np.deg2rad(spec.elevation_beam_deg) / spec.rows
    patch = np.stack([r * width / np.maximum(cosine, 0.05) + 0.3, r * height + 0.2], axis=1)
    strongest = lit.strongest
    normal = hits.normal[met].astype(np.float64)
    wall = _bends(place.position_m, lit.points_m[strongest], points, normal, patch)
    k, side = np.nonzero(wall >= 0)
    of, at = strongest[k], wall[k, side]
    n, p, t = normal[at], points[at], lit.points_m[of]
    own, other = ((a * n).sum(axis=1) for a in (place.position_m - p, t - p))
    image = t - 2.0 * other[:, None] * n
    way = image - place.position_m
    bounce = place.position_m + way * (own / (own + other))[:, None]
    slant = np.abs((way * n).sum(axis=1)) / np.linalg.norm(way, axis=1)
    flat = RADAR[hits.material[met]][at]
    strength = spec.ghosts * (flat + (1.0 - flat) * (1.0 - slant) ** 5)  # Schlick: all is mirrored at grazing
    found = Images(of, bounce, n, image, strength)
    return found.take(_loud(place, spec, lit, found))


def _loud(place: Place, spec: RadarSpec, lit: Lit, images: Images) -> I64:
    """Index of those that may be detected, at twice the power that they have, the loudest first."""
    way = place.local(images.image_m)
    far = np.sqrt((way**2).sum(axis=1))
    azimuth, elevation = np.arctan2(way[:, 1], way[:, 0]), np.arcsin(np.clip(way[:, 2] / far, -1.0, 1.0))
    rcs = lit.whole_m2[images.of] * images.strength * 2.0
    power = (
        10 ** (spec.reference_snr_db / 10)
        * rcs
        * (REFERENCE_M / far) ** 4
        * pattern(spec, azimuth, elevation)
    )
    inside = (np.abs(azimuth) < spec.half_field_rad) & (far < spec.max_range_m)
    loud = np.flatnonzero(inside & (power > spec.threshold))
    return loud[np.argsort(-power[loud], kind="stable")[:_MOST_IMAGES]]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _bends(sensor: Any, targets: Any, points: Any, normal: Any, patch: Any) -> Any:
    """(A, 2) wall point nearest to where the way to each target over its plane bends, -1 = none; to either side."""
    out = np.full((len(targets), 2), -1, np.int64)
    for a in range(len(targets)):
        best = np.ones(2)
        for w in range(len(points)):
            own = other = 0.0
            for c in range(3):
                own += (sensor[c] - points[w, c]) * normal[w, c]
                other += (targets[a, c] - points[w, c]) * normal[w, c]
            if own * other <= 0 or abs(own) < 0.3 or abs(other) < 0.3:
                continue
            f = own / (own + other)
            off = 0.0
            for c in range(2):
                image = targets[a, c] - 2.0 * other * normal[w, c]
                off += (sensor[c] + f * (image - sensor[c]) - points[w, c]) ** 2
            z = sensor[2] + f * (targets[a, 2] - 2.0 * other * normal[w, 2] - sensor[2]) - points[w, 2]
            worst = max(np.sqrt(off) / patch[w, 0], abs(z) / patch[w, 1])
            x, y = targets[a, 0] - sensor[0], targets[a, 1] - sensor[1]
            side = 0 if x * (points[w, 1] - sensor[1]) - y * (points[w, 0] - sensor[0]) > 0 else 1
            if worst < best[side]:
                best[side], out[a, side] = worst, w
    return out


def ghost_echoes(place: Place, lit: Lit, images: Images) -> Echoes:
    """Both ways over the wall (the image behind it), and one way over it and one direct."""
    return Echoes.join([_mirrored(place, lit, images), _half_mirrored(place, lit, images)])


def _mirrored(place: Place, lit: Lit, images: Images) -> Echoes:
    """At the image, with the velocity of the image; the wall takes its share on both ways."""
    velocity = lit.velocity_mps[images.of]
    velocity = velocity - 2.0 * (velocity * images.normal).sum(axis=1, keepdims=True) * images.normal
    speed = place.radial(images.image_m, velocity)
    rcs = lit.whole_m2[images.of] * images.strength**2
    return _ghosts(place.local(images.image_m), speed, rcs, Origin.MIRRORED)


def _half_mirrored(place: Place, lit: Lit, images: Images) -> Echoes:
    """In the direction of the actor, behind it: range and speed lie half way between direct and over the wall."""
    direct = lit.points_m[images.of] - place.position_m
    near = np.linalg.norm(direct, axis=1)
    far = np.linalg.norm(images.image_m - place.position_m, axis=1)
    velocity = lit.velocity_mps[images.of]
    image_velocity = velocity - 2.0 * (velocity * images.normal).sum(axis=1, keepdims=True) * images.normal
    speed = 0.5 * (
        place.radial(lit.points_m[images.of], velocity) + place.radial(images.image_m, image_velocity)
    )
    points = place.position_m + direct * (0.5 * (near + far) / np.maximum(near, 1e-9))[:, None]
    # The radar equation's r^4 is here near^2 far^2.
    stretch = (0.5 * (near + far)) ** 4 / np.maximum(near * far, 1e-9) ** 2
    rcs = lit.whole_m2[images.of] * images.strength * stretch
    return _ghosts(place.local(points), speed, rcs, Origin.HALF_MIRRORED)


def double_echoes(spec: RadarSpec, lit: Lit) -> Echoes:
    """At twice the range and speed of near actors: between them and the own vehicle the wave goes there and back twice.

    Each further reflection takes sigma / (4 pi r^2); the cross section is what the radar equation needs at 2 r.
    """
    index = lit.strongest
    xyz = lit.echoes.xyz_m[index]
    r = np.maximum(np.sqrt((xyz**2).sum(axis=1)), 1.0)
    once = lit.whole_m2[index]
    rcs = spec.ghosts * 16.0 * once**2 * _OWN_RCS_M2 / (4.0 * np.pi * r**2) ** 2
    return _ghosts(2.0 * xyz, 2.0 * lit.echoes.speed_mps[index], rcs, Origin.TWICE)


def _ghosts(xyz_m: F64, speed_mps: F64, rcs_m2: F64, origin: Origin) -> Echoes:
    n = len(xyz_m)
    return Echoes(
        xyz_m,
        speed_mps,
        rcs_m2,
        np.full(n, -1.0),
        np.full(n, NOTHING, np.int32),
        np.full(n, origin, np.uint8),
    )
