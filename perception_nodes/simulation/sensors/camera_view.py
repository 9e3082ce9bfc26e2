"""Some rows of a picture: rays, what they meet, its colour, shadows, light, and what wet ground mirrors."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets.materials import Material

from .camera_spec import CameraSpec
from .moment import Moment
from .returns import fire
from .scene import Hits, View
from .shading import Look, surfaces
from .shading_light import Light, light_of
from .shading_lit import beyond, lit, mirrored, towards_sun
from .shading_near import actors_of, near_of
from .shading_place import place_of

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

# How far away an actor can be and still throw a shadow on a place.
_SHADOW_M: Final = 60.0
_MIRROR_M: Final = 120.0
_MIRROR_RAD: Final = 0.01  # mirrors in water are not sharp


class Shot(NamedTuple):
    """local (H x W, 3) directions in the optical frame; of each row: rotation (H, 3, 3) and position (H, 3) of the
    camera in odom, fraction (H,) of the moment.
    """

    spec: CameraSpec
    local: F64
    rotation: F64
    position: F64
    fraction: F64


class Band(NamedTuple):
    """Of the pixels of some rows: light (N, 3), range, actor's row, material, painted share (0..255); of the actors:
    pixels that each would fill alone, and their outline, in columns and rows of the picture.
    """

    light: F32
    range_m: F32
    owner: I32
    material: U8
    marking: U8
    aimed: npt.NDArray[np.int64]
    outline: npt.NDArray[np.int64]


def prepare(moment: Moment) -> None:
    """Find what all cameras share of a moment, before threads ask for it at once."""
    place_of(moment.world, moment.scene)
    near_of(moment)
    actors_of(moment)


def look(moment: Moment, view: View, shot: Shot, rows: slice) -> Band:
    """What the rows see."""
    spec = shot.spec
    local = shot.local[rows.start * spec.width_px : rows.stop * spec.width_px]
    rays = _rays(local, shot, rows)
    hits = view.cast(*rays, spec.far_m, spec.width_px)
    hits.range_m[hits.range_m < spec.near_m] = np.inf
    light = light_of(moment.weather)
    seen, radiance = _shaded(moment, view, rays, hits, light, 1.0 / spec.focal_px)
    if light.wet > 0:
        _mirrored(moment, view, rays, hits, seen, light, radiance)
    plain, plain_m = beyond(rays[1], hits.range_m)
    hits.range_m[plain], hits.material[plain] = plain_m, Material.GRASS
    outline = np.zeros((0, 4), np.int64) if hits.outline is None else hits.outline
    outline = outline + np.where(outline[:, 2:3] >= 0, [0, rows.start, 0, rows.start], 0)
    return Band(radiance, hits.range_m, hits.owner, hits.material, seen.marking, hits.aimed, outline)


def _rays(local: F64, shot: Shot, rows: slice) -> tuple[F32, F32, F32]:
    origins, directions = fire(local, shot.rotation[rows], shot.position[rows])
    return origins, directions, np.repeat(shot.fraction[rows].astype(np.float32), shot.spec.width_px)


def _shaded(
    moment: Moment, view: View, rays: tuple[F32, F32, F32], hits: Hits, light: Light, pixel_rad: float
) -> tuple[Look, F32]:
    """Surfaces and the radiance (N, 3) that comes from them."""
    origins, directions, fraction = rays
    place, near, paint = place_of(moment.world, moment.scene), near_of(moment), moment.world.paint
    world = (place, actors_of(moment), (paint.low_m[0], paint.low_m[1], paint.index, paint.tiles))
    seen = surfaces((origins, directions), hits.columns, world, light, pixel_rad)
    sunny = np.zeros(len(origins), np.float32)
    if light.sun_rgb.max() > 0:
        _sunny(view, hits, seen, light, fraction, sunny)
    radiance = np.empty((len(origins), 3), np.float32)
    lit((origins, directions), (hits.range_m, hits.owner), seen, sunny, (light, place, near), radiance)
    return seen, radiance


def _sunny(view: View, hits: Hits, seen: Look, light: Light, fraction: F32, sunny: F32) -> None:
    """1 where nothing stands between a surface and the sun."""
    index, start = towards_sun(hits.range_m, seen.at, seen.facing, light.sun)
    if len(index):
        sunny[index] = ~view.stops(start, light.sun, fraction[index], _SHADOW_M)


def _mirrored(
    moment: Moment,
    view: View,
    rays: tuple[F32, F32, F32],
    hits: Hits,
    seen: Look,
    light: Light,
    radiance: F32,
) -> None:
    """Water on the ground shows what is above it, the more the flatter one looks."""
    _, directions, fraction = rays
    index, share, start, way = mirrored(directions, seen)
    if not len(index):
        return
    again = (start, way, fraction[index])
    second = view.cast(*again, _MIRROR_M)
    _, above = _shaded(moment, view, again, second, light, _MIRROR_RAD)
    through = np.exp(-light.scattering * hits.range_m[index])
    radiance[index] += share[:, None] * (above * through[:, None] - radiance[index])
