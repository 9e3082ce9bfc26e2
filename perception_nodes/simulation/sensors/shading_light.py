"""The light of a moment and the air that it goes through, for cameras.

Unit of light: what falls on a level ground from a high sun in clear air. Sun: Bouguer's law with the air mass of Kasten
and Young (1989) and an optical depth of clear air by colour. Air: contrast falls by 3.912 / visibility (Koschmieder).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.weather import Weather

F64 = npt.NDArray[np.float64]

# Optical depth of clear air for red, green, blue: Rayleigh and a little haze.
_DEPTH: Final = np.array([0.10, 0.14, 0.24])
_CLEAR_VISIBILITY_M: Final = 25_000.0


class Light(NamedTuple):
    """sun (3,) towards it, odom; sun_rgb, zenith, horizon, ambient (3,): of the sun, the sky, and from the whole sky;
    lamps (3,): below a street lamp; air (3,): what the air scatters; scattering: 1/m; clouds, wet, snow, night: 0..1.
    """

    sun: F64
    sun_rgb: F64
    zenith: F64
    horizon: F64
    ambient: F64
    lamps: F64
    air: F64
    scattering: float
    clouds: float
    wet: float
    snow: float
    night: float


@lru_cache(maxsize=16)
def light_of(weather: Weather) -> Light:
    """By the weather alone."""
    height = float(np.sin(weather.sun_elevation_rad))
    across = float(np.cos(weather.sun_elevation_rad))
    sun = np.array(
        [across * np.cos(weather.sun_azimuth_rad), across * np.sin(weather.sun_azimuth_rad), height]
    )
    cover = _cover(weather)
    level = 1.0 if not weather.night else 0.12 * weather.ambient**1.5
    direct = _sunlight(weather.sun_elevation_rad) * (1.0 - cover) if not weather.night else np.zeros(3)
    day = np.clip((height + 0.05) / 0.35, 0.12, 1.0) if not weather.night else 1.0
    blue, grey = np.array([0.26, 0.45, 0.85]), np.array([0.62, 0.65, 0.69])
    low = np.clip(1.0 - height / 0.3, 0.0, 1.0) if not weather.night else 0.0
    pale = np.array([0.72, 0.82, 0.95]) * (1.0 - low) + np.array([1.0, 0.74, 0.48]) * low
    zenith = level * day * ((1.0 - cover) * 0.45 * blue + cover * grey)
    horizon = level * day * ((1.0 - cover) * 0.6 * pale + cover * 0.9 * grey)
    glow = 0.035 * np.sqrt(weather.ambient / 0.25) if weather.night else 0.0
    lamps = glow * np.array([1.0, 0.78, 0.5])
    horizon = horizon + 0.14 * lamps
    ambient = 0.6 * zenith + 0.3 * horizon + 0.08 * direct
    dust = weather.dust_visibility_m < weather.fog_visibility_m
    tint = np.array([0.95, 0.78, 0.55]) if dust else np.ones(3)
    air = tint * (0.75 * ambient + 0.3 * horizon + 0.2 * direct * max(height, 0.0) + 0.28 * lamps)
    clouds = 0.45 * (1.0 - cover)
    return Light(sun, direct, zenith, horizon, ambient, lamps, air, scattering(weather), float(clouds),
                 weather.wetness, float(np.clip(weather.snow_mm_h / 4.0, 0.0, 1.0)), float(weather.night))  # fmt: skip


def scattering(weather: Weather) -> float:
    """Attenuation of visible light (550 nm) in the air, 1/m: as of the lidar, with fog and dust as they are seen."""
    drops = replace(weather, fog_visibility_m=float("inf"), dust_visibility_m=float("inf"))
    seen = 1 / weather.fog_visibility_m + 1 / weather.dust_visibility_m + 1 / _CLEAR_VISIBILITY_M
    return drops.attenuation_per_m + 3.912 * seen


def _cover(weather: Weather) -> float:
    """How much of the sun's light clouds, fog and dust take."""
    wet = 1.0 - np.exp(-weather.rain_mm_h / 1.5 - weather.snow_mm_h / 0.3)
    dim = 1.0 - np.exp(-250.0 / weather.fog_visibility_m - 100.0 / weather.dust_visibility_m)
    return float(np.clip(1.0 - (1.0 - wet) * (1.0 - dim), 0.0, 1.0))


def _sunlight(elevation_rad: float) -> F64:
    if elevation_rad <= 0:
        return np.zeros(3)
    degrees = np.rad2deg(elevation_rad)
    mass = 1.0 / (np.sin(elevation_rad) + 0.50572 * (degrees + 6.07995) ** -1.6364)
    return np.asarray(1.25 * np.exp(-_DEPTH * mass), np.float64)
