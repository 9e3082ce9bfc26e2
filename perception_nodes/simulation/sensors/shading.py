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


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def surfaces(rays: Any, hits: Any, world: Any, light: Any, pixel_rad: float, look: Any) -> None:
    """Fill a `Look`.

    rays: origins, directions; hits: range, material, normal, owner, triangle; world: `Place`, `Actors` and the paint as
    low_x, low_y, index, tiles; pixel_rad: angle that a ray stands for.
    """
    origins, directions = rays
    range_m, material, normal, owner, triangle = hits
    place = world[0]
    for i in range(len(range_m)):
        if not np.isfinite(range_m[i]):
            continue
        m = material[i]
        towards = 0.0
        for c in range(3):
            look.at[i, c] = origins[i, c] + range_m[i] * directions[i, c]
            towards += normal[i, c] * directions[i, c]
        for c in range(3):
            look.facing[i, c] = -normal[i, c] if towards > 0 else normal[i, c]
            look.colour[i, c] = ALBEDO[m, c] * (place.tint[triangle[i], c] if owner[i] < 0 else 1.0)
        look.gloss[i] = GLOSSY[m]
        across = pixel_rad * range_m[i]
        size = (across, across / max(abs(towards), 0.02))
        if owner[i] < 0:
            _of_street(i, m, triangle[i], directions[i], size, (world, light, look))
        else:
            _of_actor(i, m, owner[i], world[1], light, look)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _of_street(i: int, m: int, t: int, direction: Any, size: Any, things: Any) -> None:
    """What stands still; size: of the pixel on the surface across and along the ray."""
    world, light, look = things
    place, actors, paint = world
    how = TREAT[m]
    if how == GROUND:
        _ground(i, m, light, size, look)
        if m == _ASPHALT:
            _paint(i, direction, paint, size, look)
    elif how in (WALL, BRICK):
        _wall(i, how, look, size[1])
    elif how == LAMP and place.code[t] > 0:
        _signal(i, place.code[t], actors.lit, light, look)
    elif how == SIGN and place.code[t] < 0:
        _sign(i, -1 - place.code[t], place.signs, look)
    elif how == PANE and light.night > 0 and lot(t // 2, 3, 11) < 0.22:
        look.colour[i, 0], look.colour[i, 1], look.colour[i, 2] = 0.9, 0.68, 0.38
        look.own[i] = 0.06 + 0.1 * lot(t // 2, 5, 11)
    if light.snow > 0 and look.facing[i, 2] > 0.6:
        _snow(i, m, look, light.snow)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _of_actor(i: int, m: int, o: int, actors: Any, light: Any, look: Any) -> None:
    """Clothes of many colours; lamps white ahead, red behind, brighter when braking."""
    if TREAT[m] == CLOTH:
        for c in range(3):
            look.colour[i, c] = min(0.85, look.colour[i, c] * actors.tint[o, c])
        return
    if TREAT[m] != LAMP:
        return
    ahead = look.facing[i, 0] * actors.heading[o, 0] + look.facing[i, 1] * actors.heading[o, 1]
    braking = actors.braking[o] > 0
    if ahead > 0:
        for c in range(3):
            look.colour[i, c] = 0.8
        look.own[i] = 2.5 * ahead**2 if light.night > 0 else 0.0
    elif light.night > 0:
        look.own[i] = 0.8 if braking else 0.15
    else:
        look.own[i] = 0.9 if braking else 0.0


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _ground(i: int, m: int, light: Any, size: Any, look: Any) -> None:
    """Grain, patches, slabs and water."""
    x, y, along = float(look.at[i, 0]), float(look.at[i, 1]), size[1]
    factor = 0.86 + 0.28 * smooth(0.35 * x, 0.35 * y, 1)
    if along < 0.5:
        factor *= 1.0 + min(1.0, 0.05 / max(along, 1e-3)) * 0.35 * (smooth(14.0 * x, 14.0 * y, 2) - 0.5)
    if m == _PAVEMENT and along < 0.25:
        i_slab, j_slab = np.floor(x / 0.5), np.floor(y / 0.5)
        seam = 1.0 if x / 0.5 - i_slab < 0.03 or y / 0.5 - j_slab < 0.03 else 0.0
        stone = 0.12 * (lot(int(i_slab), int(j_slab), 3) - 0.5)
        factor *= 1.0 + (stone - 0.25 * seam) * (1.0 - along / 0.25)
    if m == _GRASS:
        factor *= 0.8 + 0.4 * smooth(1.7 * x, 1.7 * y, 4)
    if light.wet > 0 and m in (_ASPHALT, _PAVEMENT):
        puddle = smooth(0.22 * x + 7.0, 0.22 * y, 5) * 0.7 + smooth(1.1 * x, 1.1 * y, 6) * 0.3
        film = min(1.0, max(0.0, light.wet * 1.5 - 0.75 + puddle))
        look.wet[i] = light.wet * (0.35 + 0.65 * film) * (1.0 if m == _ASPHALT else 0.5)
        factor *= 1.0 - 0.5 * light.wet
    for c in range(3):
        look.colour[i, c] *= factor


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _paint(i: int, direction: Any, paint: Any, size: Any, look: Any) -> None:
    """Lines on the asphalt by the share of the pixel that they fill."""
    share, yellow = _painted(float(look.at[i, 0]), float(look.at[i, 1]), direction, paint, size)
    if share <= 0:
        return
    look.marking[i] = int(255.0 * share)
    # Paint is as worn and as wet as the asphalt, but water darkens it less.
    tone = 0.85 * (look.colour[i, 0] / ALBEDO[_ASPHALT, 0]) ** 0.5
    for c in range(3):
        pigment = ALBEDO[_ROAD_PAINT, c] * (1.0 - yellow) + ALBEDO[_YELLOW, c] * yellow
        look.colour[i, c] += share * (tone * pigment - look.colour[i, c])


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _painted(x: float, y: float, direction: Any, paint: Any, size: Any) -> Any:
    """Share of the pixel's ground that is painted, and the share of that which is yellow."""
    low_x, low_y, index, tiles = paint
    across, along = size
    flat = np.sqrt(direction[0] ** 2 + direction[1] ** 2) + 1e-9
    ux, uy = direction[0] / flat, direction[1] / flat
    # Where there is no paint about, as on most of the ground, one look is enough.
    i, j = int(np.floor((x - low_x) / CELL_M)) // _TILE, int(np.floor((y - low_y) / CELL_M)) // _TILE
    if along < 3.0 and 0 <= i < index.shape[0] and 0 <= j < index.shape[1] and index[i, j] < 0:
        return 0.0, 0.0
    n, w = min(6, 1 + int(along / 0.1)), min(3, 1 + int(across / 0.07))
    found, yellow = 0, 0
    for k in range(n * w):
        s, t = ((k // w + 0.5) / n - 0.5) * along, ((k % w + 0.5) / w - 0.5) * across
        i = int(np.floor((x + s * ux - t * uy - low_x) / CELL_M))
        j = int(np.floor((y + s * uy + t * ux - low_y) / CELL_M))
        if i < 0 or j < 0 or i >= index.shape[0] * _TILE or j >= index.shape[1] * _TILE:
            continue
        tile = index[i // _TILE, j // _TILE]
        if tile >= 0:
            found += tiles[tile, i % _TILE, j % _TILE] > 0
            yellow += tiles[tile, i % _TILE, j % _TILE] == 2
    return found / (n * w), yellow / max(found, 1)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _wall(i: int, how: int, look: Any, along: float) -> None:
    """Stains, and rows of bricks where they can be told apart."""
    at = look.at[i]
    nx, ny = look.facing[i, 0], look.facing[i, 1]
    flat = np.sqrt(nx * nx + ny * ny)
    u = (at[1] * nx - at[0] * ny) / flat if flat > 0.3 else float(at[0])
    v = float(at[2]) if flat > 0.3 else float(at[1])
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
        look.colour[i, c] *= factor


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _signal(i: int, code: int, lit: Any, light: Any, look: Any) -> None:
    """Green, yellow or red; dark when it is off."""
    which = (code - 1) % 3
    look.colour[i, 0] = 0.9 if which != 0 else 0.1
    look.colour[i, 1] = 0.15 if which == 2 else (0.55 if which == 1 else 0.85)
    look.colour[i, 2] = 0.1 if which != 0 else 0.5
    if lit[code] > 0:
        look.own[i] = 0.9 if light.night == 0 else 0.5
    else:
        for c in range(3):
            look.colour[i, c] *= 0.12


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _sign(i: int, k: int, signs: Any, look: Any) -> None:
    """Its picture by the place on it, in half widths from its middle: stop, yield, priority, danger, or a speed."""
    kind, half = int(signs[k, 3]), signs[k, 4]
    at, facing = look.at[i], look.facing[i]
    u = ((at[1] - signs[k, 1]) * facing[0] - (at[0] - signs[k, 0]) * facing[1]) / half
    v = (at[2] - signs[k, 2]) / half
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
    look.colour[i, 0], look.colour[i, 1], look.colour[i, 2] = red, green, blue


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _snow(i: int, m: int, look: Any, snow: float) -> None:
    """Lies in patches; less where wheels go."""
    x, y = float(look.at[i, 0]), float(look.at[i, 1])
    patch = 0.6 * smooth(0.5 * x, 0.5 * y, 31) + 0.4 * smooth(2.3 * x, 2.3 * y, 32)
    reach = 0.9 * snow if m == _ASPHALT else 0.4 + 0.8 * snow
    share = min(0.95, max(0.0, (reach - patch) * 4.0 + 0.2))
    for c in range(3):
        look.colour[i, c] += share * (0.86 - look.colour[i, c])
