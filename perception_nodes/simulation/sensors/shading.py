"""What surfaces look like: colour by material and place, as kernels over the pixels of a picture.

A surface has a colour (share of the light that it sends back, red, green, blue), a gloss, and light of its own.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.simulation.assets.materials import ALBEDO_RGB, GLOSS, Material
from perception_nodes.simulation.world.paint import CELL_M

from .shading_noise import lot, smooth

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_TILE: Final = 256
ALBEDO: Final = np.ascontiguousarray(ALBEDO_RGB)
GLOSSY: Final = np.ascontiguousarray(GLOSS)

# What a kernel has to do with a material.
PLAIN, GROUND, WALL, BRICK, CLOTH, LAMP, SIGN, PANE = range(8)
_TREAT: Final = {
    GROUND: (Material.ASPHALT, Material.PAVEMENT, Material.KERB, Material.GRASS, Material.GRAVEL),
    WALL: (Material.FACADE, Material.WALL, Material.CONCRETE),
    BRICK: (Material.BRICK,),
    CLOTH: (Material.CLOTH, Material.CLOTH_DARK, Material.CLOTH_LIGHT, Material.TARPAULIN),
    LAMP: (Material.LAMP,),
    SIGN: (Material.SIGN,),
    PANE: (Material.GLASS,),
}  # fmt: skip
TREAT: Final = np.zeros(len(Material), np.int64)
for _how, _materials in _TREAT.items():
    TREAT[list(_materials)] = _how
_ASPHALT, _PAVEMENT, _GRASS = int(Material.ASPHALT), int(Material.PAVEMENT), int(Material.GRASS)
_ROAD_PAINT, _YELLOW = int(Material.ROAD_PAINT), int(Material.YELLOW_PAINT)


_KERNEL: Final = {"cache": True, "nogil": True, "error_model": "numpy"}


class Look(NamedTuple):
    """What N rays meet: at (N, 3) odom; facing (N, 3) unit normal to the viewer; colour (N, 3); gloss (N,); own (N,)
    light, times the colour; wet (N,): film of water; marking (N,): share of the pixel that is painted, 0..255.
    """

    at: F32
    facing: F32
    colour: F32
    gloss: F32
    own: F32
    wet: F32
    marking: U8

    @classmethod
    def of(cls, n: int) -> Look:
        """To be filled; without light of its own, water and paint."""
        at, facing, colour = (np.empty((n, 3), np.float32) for _ in range(3))
        gloss, own, wet = (np.zeros(n, np.float32) for _ in range(3))
        return cls(at, facing, colour, gloss, own, wet, np.zeros(n, np.uint8))


def surfaces(rays: Any, hits: Any, world: Any, light: Any, pixel_rad: float) -> Look:
    """What N rays meet.

    rays: origins, directions; hits: range, material, normal, owner, triangle; world: `Place`, `Actors` and the paint as
    low_x, low_y, index, tiles; pixel_rad: angle that a ray stands for.
    """
    place, actors, paint = world
    range_m, material, _, owner, triangle = hits
    look = Look.of(len(range_m))
    size = np.empty((len(range_m), 2), np.float32)
    _plain(rays, hits, place.tint, pixel_rad, size, look)
    _grounds(rays[1], (material, owner), paint, light.wet, size, look)
    _walls((material, owner), size, look)
    _specials((material, owner, triangle), place, actors, light.night, look)
    if light.snow > 0:
        _snow((material, owner), light.snow, look)
    return look


# Kernels call others with numbers and single arrays only: to hand over a tuple of arrays costs more than to shade.
@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _plain(rays: Any, hits: Any, tint: Any, pixel_rad: float, size: Any, look: Any) -> None:
    """Place, normal and colour by material alone, and size of the pixels on the surface, across and along the ray."""
    origins, directions = rays
    range_m, material, normal, owner, triangle = hits
    at, facing, colour, gloss = look.at, look.facing, look.colour, look.gloss
    for i in range(len(range_m)):
        m, towards = material[i], np.float32(0.0)
        if not np.isfinite(range_m[i]):
            for c in range(3):
                at[i, c], facing[i, c], colour[i, c] = 0.0, 0.0, 0.0
            size[i, 0], size[i, 1] = 0.0, 0.0
            continue
        for c in range(3):
            at[i, c] = origins[i, c] + range_m[i] * directions[i, c]
            towards += normal[i, c] * directions[i, c]
        for c in range(3):
            facing[i, c] = -normal[i, c] if towards > 0 else normal[i, c]
            colour[i, c] = ALBEDO[m, c] * (tint[triangle[i], c] if owner[i] < 0 else 1.0)
        gloss[i] = GLOSSY[m]
        size[i, 0] = pixel_rad * range_m[i]
        size[i, 1] = size[i, 0] / max(abs(towards), 0.02)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _grounds(directions: Any, of: Any, paint: Any, water: float, size: Any, look: Any) -> None:
    """Grain, patches, slabs, water and paint."""
    material, owner = of
    low_x, low_y, index, tiles = paint
    at, colour, wet, marking = look.at, look.colour, look.wet, look.marking
    for i in range(len(material)):
        m = material[i]
        if owner[i] >= 0 or TREAT[m] != GROUND or size[i, 1] == 0:
            continue
        x, y, across, along = float(at[i, 0]), float(at[i, 1]), float(size[i, 0]), float(size[i, 1])
        factor = _grain(x, y, along, m)
        if water > 0 and m in (_ASPHALT, _PAVEMENT):
            puddle = smooth(0.22 * x + 7.0, 0.22 * y, 5) * 0.7 + smooth(1.1 * x, 1.1 * y, 6) * 0.3
            film = min(1.0, max(0.0, water * 1.5 - 0.75 + puddle))
            wet[i] = water * (0.35 + 0.65 * film) * (1.0 if m == _ASPHALT else 0.5)
            factor *= 1.0 - 0.5 * water
        share, yellow = 0.0, 0.0
        if m == _ASPHALT:
            flat = np.sqrt(directions[i, 0] ** 2 + directions[i, 1] ** 2) + 1e-9
            ahead = (along * directions[i, 0] / flat, along * directions[i, 1] / flat)
            share, yellow = _painted((x - low_x, y - low_y), ahead, across / max(along, 1e-9), index, tiles)
            marking[i] = int(255.0 * share)
        # Paint is as worn and as wet as the asphalt, but water darkens it less.
        tone = 0.85 * np.sqrt(factor)
        for c in range(3):
            pigment = ALBEDO[_ROAD_PAINT, c] * (1.0 - yellow) + ALBEDO[_YELLOW, c] * yellow
            colour[i, c] = factor * colour[i, c] * (1.0 - share) + share * tone * pigment


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _grain(x: float, y: float, along: float, m: int) -> Any:
    """What the colour of the ground is to be taken by."""
    factor = 0.86 + 0.28 * smooth(0.35 * x, 0.35 * y, 1)
    if along < 0.5:
        factor *= 1.0 + min(1.0, 0.05 / max(along, 1e-3)) * 0.35 * (smooth(22.0 * x, 22.0 * y, 2) - 0.5)
    if m == _PAVEMENT and along < 0.25:
        i, j = np.floor(x / 0.5), np.floor(y / 0.5)
        seam = 1.0 if x / 0.5 - i < 0.03 or y / 0.5 - j < 0.03 else 0.0
        stone = 0.12 * (lot(int(i), int(j), 3) - 0.5)
        factor *= 1.0 + (stone - 0.25 * seam) * (1.0 - along / 0.25)
    if m == _GRASS:
        factor *= 0.8 + 0.4 * smooth(1.7 * x, 1.7 * y, 4)
    return factor


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _painted(at: Any, ahead: Any, narrow: float, index: Any, tiles: Any) -> Any:
    """Share of a pixel's ground that is painted, and the share of that which is yellow.

    at: (x, y) from the corner of the picture of the paint; ahead: (x, y) that the pixel is long; narrow: its width over
    its length.
    """
    x, y = at
    ux, uy = ahead
    along = np.sqrt(ux * ux + uy * uy)
    # Where there is no paint about, as on most of the ground, one look is enough.
    i, j = int(np.floor(x / CELL_M)) // _TILE, int(np.floor(y / CELL_M)) // _TILE
    if along < 3.0 and 0 <= i < index.shape[0] and 0 <= j < index.shape[1] and index[i, j] < 0:
        return 0.0, 0.0
    n, w = min(6, 1 + int(along / 0.1)), min(3, 1 + int(along * narrow / 0.07))
    found, yellow = 0, 0
    for k in range(n * w):
        s, t = (k // w + 0.5) / n - 0.5, ((k % w + 0.5) / w - 0.5) * narrow
        i = int(np.floor((x + s * ux - t * uy) / CELL_M))
        j = int(np.floor((y + s * uy + t * ux) / CELL_M))
        if i < 0 or j < 0 or i >= index.shape[0] * _TILE or j >= index.shape[1] * _TILE:
            continue
        tile = index[i // _TILE, j // _TILE]
        if tile >= 0:
            found += tiles[tile, i % _TILE, j % _TILE] > 0
            yellow += tiles[tile, i % _TILE, j % _TILE] == 2
    return found / (n * w), yellow / max(found, 1)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _walls(of: Any, size: Any, look: Any) -> None:
    """Stains, and rows of bricks where they can be told apart."""
    material, owner = of
    at, facing, colour = look.at, look.facing, look.colour
    for i in range(len(material)):
        how = TREAT[material[i]]
        if owner[i] >= 0 or how not in (WALL, BRICK):
            continue
        nx, ny, along = float(facing[i, 0]), float(facing[i, 1]), float(size[i, 1])
        flat = np.sqrt(nx * nx + ny * ny)
        u = (at[i, 1] * nx - at[i, 0] * ny) / flat if flat > 0.3 else float(at[i, 0])
        v = float(at[i, 2]) if flat > 0.3 else float(at[i, 1])
        factor = 0.9 + 0.2 * smooth(0.3 * u, 0.15 * v, 21)
        if along < 0.3:
            factor *= 0.95 + 0.1 * smooth(6.0 * u, 6.0 * v, 22)
        if how == BRICK and along < 0.12:
            row = np.floor(v / 0.075)
            shifted = u / 0.25 + 0.5 * (int(row) & 1)
            column = np.floor(shifted)
            seam = 1.0 if shifted - column < 0.06 or v / 0.075 - row < 0.16 else 0.0
            tone = (0.4 * lot(int(row), int(column), 23) - 0.2) * (1.0 - seam) + 0.35 * seam
            factor *= 1.0 + tone * (1.0 - along / 0.12)
        for c in range(3):
            colour[i, c] *= factor


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _specials(of: Any, place: Any, actors: Any, night: float, look: Any) -> None:
    """Lamps, signs, clothes, and windows with somebody at home."""
    material, owner, triangle = of
    colour, own = look.colour, look.own
    for i in range(len(material)):
        how, o, t = TREAT[material[i]], owner[i], triangle[i]
        if how == PLAIN:
            continue
        if o >= 0:
            if how == CLOTH:
                for c in range(3):
                    colour[i, c] = min(0.85, colour[i, c] * actors.tint[o, c])
            elif how == LAMP:
                ahead = look.facing[i, 0] * actors.heading[o, 0] + look.facing[i, 1] * actors.heading[o, 1]
                own[i] = _lamp(ahead, actors.braking[o] > 0, night, colour[i])
        elif how == LAMP and place.code[t] > 0:
            own[i] = _signal((place.code[t] - 1) % 3, actors.lit[place.code[t]] > 0, night, colour[i])
        elif how == SIGN and place.code[t] < 0:
            _sign(look.at[i], look.facing[i], place.signs[-1 - place.code[t]], colour[i])
        elif how == PANE and night > 0 and lot(place.face[t], 3, 11) < 0.22:
            colour[i, 0], colour[i, 1], colour[i, 2] = 0.9, 0.68, 0.38
            own[i] = 0.01 + 0.03 * lot(place.face[t], 5, 11)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _lamp(ahead: float, braking: bool, night: float, colour: Any) -> Any:
    """Light of a vehicle's lamp: white ahead, red behind, brighter when braking; `ahead`: how far it looks forward."""
    if ahead > 0:
        colour[:] = 0.8
        return 0.8 * ahead**2 if night > 0 else 0.0
    colour[0], colour[1], colour[2] = 0.6, 0.06, 0.05
    if night > 0:
        return 0.2 if braking else 0.04
    return 0.7 if braking else 0.0


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _signal(which: int, lit: bool, night: float, colour: Any) -> Any:
    """Light of a lamp: 0 green, 1 yellow, 2 red; dark when it is off."""
    dim = 1.0 if lit else 0.12
    colour[0] = dim * (0.9 if which != 0 else 0.1)
    colour[1] = dim * (0.07 if which == 2 else (0.5 if which == 1 else 0.85))
    colour[2] = dim * (0.04 if which != 0 else 0.5)
    return (0.5 if night == 0 else 0.07) if lit else 0.0


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _sign(at: Any, facing: Any, sign: Any, colour: Any) -> None:
    """Its picture by the place on it, in half widths from its middle: stop, yield, priority, danger, or a speed."""
    kind, half = int(sign[3]), sign[4]
    u = ((at[1] - sign[1]) * facing[0] - (at[0] - sign[0]) * facing[1]) / half
    v = (at[2] - sign[2]) / half
    radius = np.sqrt(u * u + v * v)
    red, green, blue = 0.72, 0.06, 0.06
    white, black = False, False
    if kind == 1:
        white = (abs(v) < 0.22 and abs(u) < 0.7) or radius > 0.9
    elif kind in (2, 4):
        # The distance from the middle of a triangle towards its nearest side is 0.5 on the side.
        w = v if kind == 2 else -v
        white = max(w, 0.866 * abs(u) - 0.5 * w) < 0.3
        black = kind == 4 and abs(u) < 0.09 and -0.25 < v < 0.35
    elif kind == 3:
        white = abs(u) + abs(v) > 0.75
        red, green, blue = 0.85, 0.62, 0.05
    else:
        white = radius < 0.75
        digits = abs(v) < 0.33 and 0.06 < abs(u) < 0.42
        black = digits and not (abs(v) < 0.2 and 0.16 < abs(u) < 0.32)
    if white:
        red, green, blue = 0.82, 0.82, 0.82
    if black:
        red, green, blue = 0.05, 0.05, 0.05
    colour[0], colour[1], colour[2] = red, green, blue


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _snow(of: Any, snow: float, look: Any) -> None:
    """Lies in patches on what is level; less where wheels go."""
    material, owner = of
    at, colour = look.at, look.colour
    for i in range(len(material)):
        if owner[i] >= 0 or look.facing[i, 2] < 0.6:
            continue
        x, y = float(at[i, 0]), float(at[i, 1])
        patch = 0.6 * smooth(0.5 * x, 0.5 * y, 31) + 0.4 * smooth(2.3 * x, 2.3 * y, 32)
        reach = 0.9 * snow if material[i] == _ASPHALT else 0.4 + 0.8 * snow
        share = min(0.95, max(0.0, (reach - patch) * 4.0 + 0.2))
        for c in range(3):
            colour[i, c] += share * (0.86 - colour[i, c])
