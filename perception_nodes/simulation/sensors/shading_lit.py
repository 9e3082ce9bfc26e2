"""Light on surfaces and in the air, as kernels over the pixels of a picture: sun, sky, lamps, mirrors, haze."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.simulation.assets.materials import ALBEDO_RGB, Material

from .shading_noise import smooth

F32 = npt.NDArray[np.float32]

# Radiance of the sun's disc, beyond what any sensor chip holds.
_DISC = 60.0
_SKIN_M = 0.01
_BEYOND_M = 4.0  # height over what lies beyond the ground
_HORIZON_M = 30000.0
_GRASS = int(Material.GRASS)
_AROUND = 0.35  # of the ambient light: what stands about, seen in a mirror
# Street lamps: height of which the light below is 1, size and light of the head, and what comes from farther away.
_LAMP_M, _LAMP_HEAD_M, _LAMP_HEAD, _STRAY = 7.0, 0.5, 150.0, 0.2


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sky(x: float, y: float, z: float, light: Any, out: Any) -> None:
    """Radiance (3,) from a direction, without clouds and the disc of the sun."""
    share = (1.0 - max(z, 0.0)) ** 4
    toward = x * light.sun[0] + y * light.sun[1] + z * light.sun[2]
    halo = 0.0
    if toward > 0.5:
        halo = 0.12 * toward**8
        if toward > 0.93:
            halo += 0.5 * toward**120 + 1.5 * toward**1500
    for c in range(3):
        out[c] = light.zenith[c] * (1.0 - share) + light.horizon[c] * share + halo * light.sun_rgb[c]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clouds(x: float, y: float, z: float, light: Any, out: Any) -> None:
    """Add them, and the sun's disc, to what `sky` gave."""
    cloud = 0.0
    if light.clouds > 0 and z > 0.02:
        u, v = 1.6 * x / (z + 0.15), 1.6 * y / (z + 0.15)
        field = 0.55 * smooth(u, v, 41) + 0.28 * smooth(2.3 * u, 2.3 * v, 42)
        if field + 0.17 > 1.0 - light.clouds:
            field += 0.17 * smooth(5.1 * u, 5.1 * v, 43)
            cloud = min(1.0, max(0.0, (field - 1.0 + light.clouds) * 3.5)) * min(1.0, z * 6.0)
    toward = x * light.sun[0] + y * light.sun[1] + z * light.sun[2]
    for c in range(3):
        white = 0.5 * light.sun_rgb[c] + 0.9 * light.ambient[c]
        out[c] += cloud * (white - 0.6 * out[c]) + (_DISC * light.sun_rgb[c] if toward > 0.99998 else 0.0)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def seen_sky(x: float, y: float, above: float, place: Any) -> Any:
    """Share of the sky that is seen from a place `above` the camera."""
    u, v = (x - place.low[0]) / 4.0, (y - place.low[1]) / 4.0
    w, h = place.sky.shape
    u, v = min(max(u, 0.0), w - 1.001), min(max(v, 0.0), h - 1.001)
    i, j = int(u), int(v)
    u, v = u - i, v - j
    share = (place.sky[i, j] * (1 - u) + place.sky[i + 1, j] * u) * (1 - v)
    share += (place.sky[i, j + 1] * (1 - u) + place.sky[i + 1, j + 1] * u) * v
    if share > 0.2:
        share += (1.0 - share) * min(0.7, max(0.0, above / 15.0))
    return share


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def towards_sun(range_m: Any, at: Any, facing: Any, sun: Any) -> Any:
    """Which surfaces look towards the sun, and (K, 3) where light from there arrives, just before each surface."""
    index, start = np.empty(len(range_m), np.int64), np.empty((len(range_m), 3), np.float32)
    k = 0
    for i in range(len(range_m)):
        if facing[i, 0] * sun[0] + facing[i, 1] * sun[1] + facing[i, 2] * sun[2] > 1e-3 and np.isfinite(
            range_m[i]
        ):
            # The farther, the larger the error of the range.
            skin = _SKIN_M + 2e-5 * range_m[i]
            for c in range(3):
                start[k, c] = at[i, c] + skin * facing[i, c]
            index[k] = i
            k += 1
    return index[:k], start[:k]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def mirrored(directions: Any, look: Any) -> Any:
    """Pixels whose water mirrors (K,), how much (K,), and from where (K, 3) what way (K, 3); water is not quite flat.

    What is mirrored is not what is light anyway, so shares below 3 % are left out. Schlick's relation for water.
    """
    n = len(directions)
    index, share = np.empty(n, np.int64), np.empty(n, np.float32)
    start, way = np.empty((n, 3), np.float32), np.empty((n, 3), np.float32)
    k = 0
    for i in range(n):
        if look.wet[i] <= 0:
            continue
        d, f = directions[i], look.facing[i]
        x, y = float(look.at[i, 0]), float(look.at[i, 1])
        tilt_x = 0.03 * (smooth(7.0 * x, 7.0 * y, 61) - 0.5)
        tilt_y = 0.03 * (smooth(7.0 * x, 7.0 * y, 62) - 0.5)
        back = d[0] * (f[0] + tilt_x) + d[1] * (f[1] + tilt_y) + d[2] * f[2]
        part = look.wet[i] * (0.02 + 0.98 * (1.0 - min(1.0, abs(back))) ** 5)
        if part < 0.03:
            continue
        way[k, 0], way[k, 1] = d[0] - 2 * back * (f[0] + tilt_x), d[1] - 2 * back * (f[1] + tilt_y)
        way[k, 2] = max(abs(d[2] - 2 * back * f[2]), 1e-3)
        way[k] /= np.sqrt(way[k, 0] ** 2 + way[k, 1] ** 2 + way[k, 2] ** 2)
        start[k, 0], start[k, 1], start[k, 2] = look.at[i, 0], look.at[i, 1], look.at[i, 2] + _SKIN_M
        index[k], share[k] = i, part
        k += 1
    return index[:k], share[:k], start[:k], way[:k]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def lit(rays: Any, met: Any, look: Any, sunny: Any, world: Any, out: Any) -> None:
    """Radiance (N, 3) of each ray into `out`.

    rays: origins, directions; met: range, owner; look: `shading.Look`; sunny (N,) 1 = the sun gets there; world:
    `Light`, `Place`, `Near`.
    """
    origins, directions = rays
    range_m, owner = met
    light, place, near = world
    value, around = np.empty(3), np.empty(3)
    for i in range(len(range_m)):
        d = directions[i]
        if not np.isfinite(range_m[i]):
            if d[2] < 0:
                _plain(light, value)
                _haze(min(_BEYOND_M / -d[2], _HORIZON_M), d, light, value, out[i])
                continue
            sky(d[0], d[1], d[2], light, value)
            _clouds(d[0], d[1], d[2], light, value)
            _haze(900.0 / (d[2] + 0.03), d, light, value, out[i])
            continue
        n, at = look.facing[i], look.at[i]
        # The sky is that of the place before a wall, not of the ground behind it.
        open_sky = seen_sky(at[0] + 2.5 * n[0], at[1] + 2.5 * n[1], at[2] - origins[i, 2], place)
        shade, glow = 1.0, 0.0
        if owner[i] < 0 and n[2] > 0.7:
            shade, glow = _near(at[0], at[1], near)
        over = 0.0
        if light.night > 0:
            glow += _own_lamps(at, n, near)
            over = _street_lamps(at, n, place)
        turned = sunny[i] * max(0.0, n[0] * light.sun[0] + n[1] * light.sun[1] + n[2] * light.sun[2])
        level = open_sky * (0.6 + 0.4 * n[2] + 0.10 * (1.0 - n[2])) * shade
        # Lamps of tunnels, and light that comes from walls instead of the sky.
        inside = max(0.0, 0.7 - open_sky) * (0.04 + 0.57 * light.lamps[0])
        for c in range(3):
            around[c] = light.ambient[c] * level + (1.0 - 0.07 * c) * inside
            around[c] += light.lamps[c] * shade * (_STRAY + over)
            value[c] = look.colour[i, c] * (light.sun_rgb[c] * turned + around[c] + glow)
        if look.gloss[i] > 0.15:
            _glossy(d, n, look.gloss[i], (sunny[i], open_sky), light, value)
        for c in range(3):
            value[c] += 2.0 * look.own[i] * look.colour[i, c]
        _haze(range_m[i], d, light, value, out[i])


def beyond(directions: F32, range_m: F32) -> tuple[npt.NDArray[np.int64], F32]:
    """Which rays go on to the grass beyond the street's ground, and how far away pictures show it, m."""
    index = np.flatnonzero((directions[:, 2] < 0) & ~np.isfinite(range_m))
    return index, np.minimum(_BEYOND_M / -directions[index, 2], _HORIZON_M).astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _plain(light: Any, value: Any) -> None:
    """Where the street's ground ends, grass goes on to the horizon; it is in pictures only."""
    for c in range(3):
        light_c = light.ambient[c] + light.sun_rgb[c] * max(0.0, light.sun[2]) + _STRAY * light.lamps[c]
        value[c] = ALBEDO_RGB[_GRASS, c] * light_c


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _glossy(d: Any, n: Any, gloss: float, open_to: Any, light: Any, value: Any) -> None:
    """Lacquer, metal and glass mirror the sky where they see it, else something of middle light, and the sun."""
    sunny, open_sky = open_to
    back = d[0] * n[0] + d[1] * n[1] + d[2] * n[2]
    x, y, z = d[0] - 2 * back * n[0], d[1] - 2 * back * n[1], d[2] - 2 * back * n[2]
    mirror = np.empty(3)
    sky(x, y, z, light, mirror)
    sees = open_sky * min(1.0, max(0.0, 4.0 * z + 0.2))
    fresnel = gloss * (0.05 + 0.95 * (1.0 + min(back, 0.0)) ** 5)
    toward = x * light.sun[0] + y * light.sun[1] + z * light.sun[2]
    flash = 0.0
    if sunny > 0 and toward > 0.7:
        flash = gloss * (6.0 * toward**400 + 0.3 * toward**24)
    for c in range(3):
        about = _AROUND * light.ambient[c] * (0.3 + 0.7 * open_sky)
        seen = min(mirror[c], 4.0) * sees + about * (1.0 - sees)
        value[c] += fresnel * (seen - value[c]) + flash * light.sun_rgb[c]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _haze(distance: float, direction: Any, light: Any, value: Any, out: Any) -> None:
    """Along the way some light is lost and the air's own is added; towards the sun it adds more."""
    through = np.exp(-light.scattering * distance)
    toward = direction[0] * light.sun[0] + direction[1] * light.sun[1] + direction[2] * light.sun[2]
    forward = 0.35 * max(0.0, toward) ** 6
    for c in range(3):
        out[c] = value[c] * through + (light.air[c] + forward * light.sun_rgb[c]) * (1.0 - through)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near(x: float, y: float, near: Any) -> Any:
    """Shade and glow on the ground; none beyond the picture of them."""
    low, cell, shade, glow, _, _ = near
    u, v = (x - low[0]) / cell - 0.5, (y - low[1]) / cell - 0.5
    w, h = shade.shape
    if u < 0 or v < 0 or u >= w - 1 or v >= h - 1:
        return 1.0, 0.0
    i, j = int(u), int(v)
    u, v = u - i, v - j
    a, b, c, d = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
    dark = a * shade[i, j] + b * shade[i + 1, j] + c * shade[i, j + 1] + d * shade[i + 1, j + 1]
    lamp = a * glow[i, j] + b * glow[i + 1, j] + c * glow[i, j + 1] + d * glow[i + 1, j + 1]
    return dark, lamp


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def beam(ahead: float, left: float, up: float) -> Any:
    """Light of a dipped head lamp at a place in its frame: wide, with an edge a little below level."""
    distance = ahead * ahead + left * left + up * up
    if ahead <= 0.2:
        return 0.0
    level = up / ahead
    edge = 1.0 / (1.0 + np.exp(min(60.0, (level + 0.012) * 160.0)))
    side = left / ahead
    reach = 0.7 * np.exp(-((side / 0.22) ** 2)) + 0.3 * np.exp(-((side / 0.6) ** 2))
    return 18.0 * reach * (edge * np.exp(level * 6.0) + 0.004) / max(distance, 4.0)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _street_lamps(at: Any, facing: Any, place: Any) -> Any:
    """Light of the street lamps about, 1 right below one of 7 m; the lamp itself is far brighter. No shadows.

    A lamp sends more aside than down, so that the road between two of them is not dark (as EN 13201 asks for).
    """
    i, j = int(np.floor((at[0] - place.low[0]) / 4.0)), int(np.floor((at[1] - place.low[1]) / 4.0))
    total = 0.0
    if i < 0 or j < 0 or i >= place.lighting.shape[0] or j >= place.lighting.shape[1]:
        return total
    for k in place.lighting[i, j]:
        if k < 0:
            continue
        lamp = place.lamps[k]
        x, y, z = lamp[0] - at[0], lamp[1] - at[1], lamp[2] - at[2]
        square = x * x + y * y + z * z
        if square < _LAMP_HEAD_M**2:
            return _LAMP_HEAD
        away = np.sqrt(square)
        down, turned = z / away, (x * facing[0] + y * facing[1] + z * facing[2]) / away
        if down > 0 and turned > 0:
            total += _LAMP_M**2 * min(1.0 / down, 2.2) * min(1.0, 5.0 * down) * turned / square
    return total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _own_lamps(at: Any, facing: Any, near: Any) -> Any:
    """Light of the own head lamps on a surface. What the camera sees they reach: no shadows."""
    position, heading = near[4], near[5]
    total = 0.0
    for k in range(len(position)):
        x, y, z = at[0] - position[k, 0], at[1] - position[k, 1], at[2] - position[k, 2]
        ahead, left = heading[0] * x + heading[1] * y, heading[0] * y - heading[1] * x
        away = np.sqrt(x * x + y * y + z * z) + 1e-6
        turned = max(0.0, -(x * facing[0] + y * facing[1] + z * facing[2]) / away)
        if turned > 0:
            total += turned * beam(ahead, left, z)
    return total
