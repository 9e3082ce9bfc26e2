"""Kernels over the pulses of a sweep: fire them, mix what meets two surfaces, and measure what comes back.

Signal: 1 where every second pulse is detected, what the surface sends back / 10 % x (half range / range)^2 x air. What
it sends back: see optics.py. Fog returns its own echo (Rasshofer, Spies, Spies 2011); drops and flakes near the sensor
are met one by one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from perception_nodes.simulation.assets.materials import Material

_ASPHALT: Final = int(Material.ASPHALT)
_PAINT: Final = int(Material.ROAD_PAINT)
_FOLIAGE: Final = int(Material.FOLIAGE)
AIR: Final = -2
_LEAVES: Final = 0.75
_GLINT: Final = float(np.cos(np.deg2rad(3.0)))
# Share of the pulses into leaves of which a part goes on.
_PARTLY: Final = 0.2
# Places that are alike: patches of asphalt, panels of walls; and grain.
_PATCH_M: Final = 4.0
_GRAIN_M: Final = 0.25


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fire(local: Any, rotation: Any, position: Any) -> Any:
    """Origins and directions (N, 3) float32 in odom of pulses (columns x rings, 3) from poses of each column."""
    columns = len(position)
    rings = len(local) // columns
    origins, directions = np.empty((len(local), 3), np.float32), np.empty((len(local), 3), np.float32)
    for c in range(columns):
        r, p = rotation[c], position[c]
        for i in range(c * rings, (c + 1) * rings):
            x, y, z = local[i, 0], local[i, 1], local[i, 2]
            for k in range(3):
                origins[i, k] = p[k]
                directions[i, k] = r[k, 0] * x + r[k, 1] * y + r[k, 2] * z
    return origins, directions


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def compensated(xyz: Any, column: Any, rotation: Any, position: Any) -> Any:
    """Points (M, 3) of the sensor at their columns as of the sensor at the end."""
    out = np.empty((len(xyz), 3), np.float32)
    for i in range(len(xyz)):
        r, p = rotation[column[i]], position[column[i]]
        for k in range(3):
            out[i, k] = r[k, 0] * xyz[i, 0] + r[k, 1] * xyz[i, 1] + r[k, 2] * xyz[i, 2] + p[k]
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def mix_edges(surface: Any, rings: int, share: float, chance: Any) -> Any:
    """Ranges and owners (N,), where a pulse is wide enough to meet the surface of its neighbour too.

    A gap of less than a pulse's length gives a range between, a longer one the nearer surface's.
    """
    range_m, _, _, owner = surface
    out, who = range_m.copy(), owner.copy()
    for i in range(len(range_m) - rings):
        j = i + rings
        near, far = min(range_m[i], range_m[j]), max(range_m[i], range_m[j])
        if not near < np.inf or far - near < 0.25 or chance[i] >= share:
            continue
        at = i if range_m[i] > range_m[j] else j
        other = j if at == i else i
        part = chance[i] / share
        if far - near < 0.8:
            out[at] = near + part * (far - near)
        elif part < 0.5:
            out[at], who[at] = near, owner[other]
    return out, who


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def vary(rays: Any, met: Any, spreads: Any, through: Any) -> None:
    """Multiply `through` (N,) by how much brighter than its material each place is; actors differ as a whole.

    rays: origins, directions (N, 3); met: range, material, owner (N,); spreads (materials, 2): relative standard
    deviations between patches (or actors), and of the grain. A place keeps its brightness.
    """
    origins, directions = rays
    range_m, material, owner = met
    for i in range(len(range_m)):
        r, m = range_m[i], material[i]
        if not r < np.inf:
            continue
        if owner[i] >= 0:
            through[i] *= max(0.1, 1.0 + spreads[m, 0] * _normal(owner[i], m, 7))
            continue
        x = origins[i, 0] + r * directions[i, 0]
        y = origins[i, 1] + r * directions[i, 1]
        z = origins[i, 2] + r * directions[i, 2]
        patch = _normal(np.floor(x / _PATCH_M), np.floor(y / _PATCH_M), np.floor(z / _PATCH_M) * 64 + m)
        grain = _normal(np.floor(x / _GRAIN_M), np.floor(y / _GRAIN_M), np.floor(z / _GRAIN_M) * 64 + m)
        through[i] *= max(0.1, 1.0 + spreads[m, 0] * patch + spreads[m, 1] * grain)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _normal(a: float, b: float, c: float) -> float:
    """A number that is fixed for three whole ones, distributed nearly as a standard normal one."""
    h = np.uint64(np.int64(a)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ np.uint64(np.int64(b))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(29)) ^ np.uint64(np.int64(c))) * np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(32)
    total = 0.0
    for _ in range(4):
        total += float(h & np.uint64(0xFFFF))
        h = h >> np.uint64(16)
    return (total / 65536.0 - 2.0) * 1.7320508


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def measure(seen: Any, lost: Any, tables: Any, limits: Any, noise: Any) -> Any:
    """Range (inf = no return), intensity and owner (N,) of every pulse; of sensor and air see `LidarModel`."""
    range_m, material, cosine, owner, through = seen
    sensor, air = limits
    chances, normals = noise
    n = len(range_m)
    out, level, who = np.full(n, np.inf, np.float32), np.zeros(n, np.float32), owner.copy()
    near, far, half, std, step = sensor[0], sensor[1], sensor[2], sensor[3], sensor[4]
    dropout, gain, spread, by_range = sensor[5], sensor[6], sensor[7], sensor[8]
    gamma, fade = sensor[9], sensor[10]
    fading, scatter, rain, snow, wet = air[0], air[1], air[2], air[3], air[4]
    flakes = 1.0 - np.exp(-(0.0006 * rain**0.7 + 0.03 * snow))
    for i in range(n):
        if lost[i]:
            continue
        r, m, c = range_m[i], material[i], cosine[i]
        strength, signal = 0.0, 0.0
        if r < far:
            strength = sent_back(m, c, wet, tables) * through[i]
            if m == _FOLIAGE and chances[2, i] < _PARTLY:
                strength *= chances[2, i] / _PARTLY
            strength *= np.exp(-2.0 * fading * r)
            signal = strength / 0.1 * (half / r) ** 2
        r, strength, signal, met = _air(
            r, (strength, signal), (half, near, scatter, fading, flakes), chances[:, i]
        )
        if met:
            who[i] = AIR
        elif m == _FOLIAGE and chances[3, i] < 0.5:
            r += 0.35 * chances[3, i] * (1.0 + c)
        power = signal**2 * signal**2
        if signal <= 0.0 or chances[0, i] >= (1.0 - dropout) * power / (1.0 + power):
            continue
        # A normal variate with the tails that texture and slanted surfaces give; its variance is still 1.
        normal = normals[0, i]
        r += std * normal * (0.67 + 0.1 * normal * normal) * (1.0 + 0.5 / np.sqrt(max(signal, 0.25)))
        if step > 0.0:
            r = np.round(r / step) * step
        if not near < r <= far:
            continue
        bright = strength * ((1.0 - by_range) + by_range * min(1.0, (half / 4.0 / r) ** 2))
        if gamma != 1.0:
            bright = bright**gamma
        if fade > 0.0:
            certain = (signal / fade) ** 2 * (signal / fade) ** 2
            certain *= certain
            bright *= certain / (1.0 + certain)
        bright = gain * bright * (1.0 + spread * normals[1, i])
        out[i], level[i] = r, np.round(min(255.0, max(0.0, bright)))
    return out, level, who


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sent_back(m: int, c: float, wet: float, tables: Any) -> float:
    """Brightness of a material seen along its own light at cosine c, 1 = a white board at normal incidence."""
    reflectivity, mirrored, retro, roughness = tables
    rough, g = roughness[m], mirrored[m]
    spread = _LEAVES
    if rough >= 0.0:
        spread = c + (1.0 - wet) * rough * (1.0 - c * c)
    diffuse: float = reflectivity[m] * (1.0 - g) * spread
    if wet > 0.0 and m in (_ASPHALT, _PAINT):
        # Water sends most of the light on, and fills what stands up against the ray.
        diffuse *= 1.0 - 0.75 * wet
    c4 = c * c * c * c
    c16 = c4 * c4 * c4 * c4
    # Flakes and polish within some 15 degrees of the mirrored ray, the clear coat itself within 3.
    lobe: float = 1.5 * g * reflectivity[m] * c16 + 2.0 * g * max(0.0, c - _GLINT) / (1.0 - _GLINT)
    back: float = retro[m] * reflectivity[m] * c * c
    return diffuse + lobe + back


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _air(r: float, solid: Any, medium: Any, chance: Any) -> Any:
    """Range, strength, signal of the strongest of a solid surface and what floats before it; whether the air won."""
    strength, signal = solid
    half, near, scatter, fading, flakes = medium
    if flakes > 0.0 and chance[1] < flakes:
        at = near + 0.5 - 7.0 * np.log(max(chance[1] / flakes, 1e-6))
        if at < r:
            light = 0.02 + 0.05 * chance[2]
            return at, light, max(signal, light / 0.1 * (half / at) ** 2), True
    if scatter > 0.0:
        at = near + 1.5 - 4.0 * np.log(max(chance[1], 1e-6)) * 0.5
        echo = 7.5 * np.pi * scatter * (half / at) ** 2 * np.exp(-2.0 * fading * at) * (0.4 + 1.2 * chance[2])
        if at < r and echo > signal:
            return at, min(0.3, 30.0 * scatter), echo, True
    return r, strength, signal, False
