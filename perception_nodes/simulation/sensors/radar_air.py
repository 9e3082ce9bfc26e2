"""What the air does to a wave of 77 GHz: rain by ITU-R P.838-3, echoes of drops.

Fog and dust do next to nothing to it (ITU-R P.840: about 4 dB/km for 1 g/m3 of water, thick fog holds 0.2) and are left
out. Snow counts as rain of the same water, which is more than dry snow takes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from .radar_signal import NOTHING, Echoes, Origin
from .radar_spec import FREQUENCY_GHZ, RadarSpec

F64 = npt.NDArray[np.float64]

# ITU-R P.838-3, tables 1 and 3 (horizontal polarisation): a, b, c of each term; slope and constant.
_K_TERMS: Final = (
    (-5.33980, -0.10008, 1.13098),
    (-0.35351, 1.26970, 0.45400),
    (-0.23789, 0.86036, 0.15354),
    (-0.94158, 0.64552, 0.16817),
)
_K_LINE: Final = (-0.18961, 0.71147)
_ALPHA_TERMS: Final = (
    (-0.14318, 1.82442, -0.55187),
    (0.29591, 0.77564, 0.19822),
    (0.32177, 0.63773, 0.13164),
    (-5.37610, -0.96230, 1.47828),
    (16.1721, -3.29980, 3.43990),
)
_ALPHA_LINE: Final = (0.67849, -1.95537)
# Drops echo 4.2e-5 R^1.1 m2/m3 at 70 GHz (Currie, Dyer, Hayes 1975; an order of magnitude).
_DROPS: Final = (4.2e-5, 1.1)
_DROP_CELLS: Final = 16
_DROP_SPEED_MPS: Final = 1.0  # std over ground: turbulence, and their fall seen from below or above
_DROP_REACH_M: Final = 40.0
# Two-way loss of a window that is dirty all over, dB; ours.
_DIRT_DB: Final = 12.0


@cache
def rain_coefficients(frequency_ghz: float = FREQUENCY_GHZ) -> tuple[float, float]:
    """k and alpha of the attenuation k R^alpha dB/km in rain of R mm/h."""
    f = math.log10(frequency_ghz)

    def fit(terms: tuple[tuple[float, float, float], ...], line: tuple[float, float]) -> float:
        bumps = sum(a * math.exp(-(((f - b) / c) ** 2)) for a, b, c in terms)
        return bumps + line[0] * f + line[1]

    return 10.0 ** fit(_K_TERMS, _K_LINE), fit(_ALPHA_TERMS, _ALPHA_LINE)


def attenuation_per_m(rain_mm_h: float, snow_mm_h: float = 0.0) -> float:
    """Share of the power lost on a metre of one way, 1/m."""
    k, alpha = rain_coefficients()
    return k * math.pow(rain_mm_h + snow_mm_h, alpha) * math.log(10.0) / 10.0 / 1000.0


def dirt_loss_db(dirt: float) -> float:
    """Of both ways through a window of which a share is dirty."""
    return _DIRT_DB * dirt


def drops(spec: RadarSpec, rain_mm_h: float, velocity_mps: F64, rng: np.random.Generator) -> Echoes:
    """Echoes of the rain in some cells near the sensor, which itself moves with velocity_mps (3,), sensor frame."""
    n = _DROP_CELLS if rain_mm_h > 0 else 0
    r = rng.uniform(spec.min_range_m, min(_DROP_REACH_M, spec.max_range_m), n)
    azimuth = rng.uniform(-spec.half_field_rad, spec.half_field_rad, n)
    beam = np.deg2rad(spec.elevation_beam_deg)
    elevation = rng.uniform(-0.5, 0.5, n) * beam
    level = np.cos(elevation)
    way = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], axis=1)
    volume = spec.range_resolution_m * (r * np.deg2rad(spec.azimuth_resolution_deg)) * (r * beam)
    speed = -(way @ velocity_mps) + rng.normal(0.0, _DROP_SPEED_MPS, n)
    share = min(
        1.0, spec.speed_resolution_mps / (np.sqrt(2 * np.pi) * _DROP_SPEED_MPS)
    )  # in one cell of speed
    rcs = _DROPS[0] * rain_mm_h ** _DROPS[1] * volume * share
    none = np.full(n, NOTHING, np.int32)
    return Echoes(way * r[:, None], speed, rcs, np.full(n, -1.0), none, np.full(n, Origin.RAIN, np.uint8))
