"""What surfaces are made of, as lidar, camera and radar see it.

Lidar reflectivities are diffuse, near 905 nm: orders of magnitude from the data sheets of lidar makers (targets of 10 %
and 80 %, retro-reflectors far above 100 %), the ECOSTRESS spectral library (asphalt 0.1 new to 0.2 worn, concrete
0.25-0.35, foliage 0.4-0.5 in the near infrared) and, for paints, W. Jiang et al. on dark and light automotive clear
coats (0.03 to 0.6).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np


class Material(IntEnum):
    """Row of the tables below."""

    ASPHALT = 0
    PAVEMENT = 1
    KERB = 2
    FACADE = 3
    FOLIAGE = 4
    BARK = 5
    METAL = 6
    CAR_BLACK = 7
    CAR_GREY = 8
    CAR_WHITE = 9
    GLASS = 10
    RUBBER = 11
    CLOTH = 12
    PLATE = 13
    ROAD_PAINT = 14
    WALL = 15
    CAR_SILVER = 16
    CAR_BLUE = 17
    CAR_RED = 18
    CAR_GREEN = 19
    LAMP = 20
    INTERIOR = 21
    CHROME = 22
    SKIN = 23
    CLOTH_DARK = 24
    CLOTH_LIGHT = 25
    WOOD = 26
    GRASS = 27
    CONCRETE = 28
    BRICK = 29
    TARPAULIN = 30
    CONE = 31
    SIGN = 32
    GRAVEL = 33
    YELLOW_PAINT = 34
    MACHINE = 35
    RIM = 36


class _Row(NamedTuple):
    """lidar: diffuse reflectivity; gloss: share of the energy that leaves as a mirror would send it; retro: gain of a
    retro-reflector (0 = none); rgb: albedo in daylight; radar: reflectivity; through: share of a pulse that passes.
    """

    lidar: float
    gloss: float
    retro: float
    rgb: tuple[float, float, float]
    radar: float
    through: float = 0.0


_ROWS: Final = {
    Material.ASPHALT: _Row(0.15, 0.05, 0, (0.16, 0.16, 0.17), 0.02),
    Material.PAVEMENT: _Row(0.24, 0.05, 0, (0.42, 0.41, 0.40), 0.03),
    Material.KERB: _Row(0.28, 0.05, 0, (0.50, 0.49, 0.47), 0.05),
    Material.FACADE: _Row(0.38, 0.03, 0, (0.62, 0.56, 0.48), 0.15),
    Material.FOLIAGE: _Row(0.45, 0.05, 0, (0.16, 0.28, 0.10), 0.03),
    Material.BARK: _Row(0.27, 0.02, 0, (0.28, 0.21, 0.15), 0.08),
    Material.METAL: _Row(0.40, 0.40, 0, (0.45, 0.46, 0.47), 0.9),
    Material.CAR_BLACK: _Row(0.05, 0.60, 0, (0.03, 0.03, 0.035), 0.9),
    Material.CAR_GREY: _Row(0.18, 0.45, 0, (0.22, 0.23, 0.24), 0.9),
    Material.CAR_WHITE: _Row(0.60, 0.25, 0, (0.85, 0.85, 0.84), 0.9),
    Material.GLASS: _Row(0.03, 0.90, 0, (0.05, 0.07, 0.08), 0.2, through=0.75),
    Material.RUBBER: _Row(0.05, 0.05, 0, (0.04, 0.04, 0.04), 0.05),
    Material.CLOTH: _Row(0.35, 0.0, 0, (0.30, 0.32, 0.40), 0.05),
    Material.PLATE: _Row(0.60, 0.1, 30.0, (0.85, 0.85, 0.70), 0.7),
    Material.ROAD_PAINT: _Row(0.45, 0.1, 1.5, (0.85, 0.85, 0.82), 0.02),
    Material.WALL: _Row(0.36, 0.03, 0, (0.55, 0.52, 0.48), 0.2),
    Material.CAR_SILVER: _Row(0.42, 0.45, 0, (0.62, 0.63, 0.65), 0.9),
    Material.CAR_BLUE: _Row(0.16, 0.45, 0, (0.08, 0.14, 0.38), 0.9),
    Material.CAR_RED: _Row(0.32, 0.40, 0, (0.50, 0.06, 0.06), 0.9),
    Material.CAR_GREEN: _Row(0.20, 0.40, 0, (0.08, 0.24, 0.14), 0.9),
    Material.LAMP: _Row(0.30, 0.4, 8.0, (0.75, 0.25, 0.20), 0.5),
    Material.INTERIOR: _Row(0.18, 0.0, 0, (0.10, 0.10, 0.11), 0.2),
    Material.CHROME: _Row(0.45, 0.7, 0, (0.70, 0.70, 0.72), 0.95),
    Material.SKIN: _Row(0.45, 0.02, 0, (0.70, 0.52, 0.42), 0.1),
    Material.CLOTH_DARK: _Row(0.16, 0.0, 0, (0.08, 0.09, 0.14), 0.05),
    Material.CLOTH_LIGHT: _Row(0.55, 0.0, 0, (0.75, 0.70, 0.62), 0.05),
    Material.WOOD: _Row(0.40, 0.02, 0, (0.42, 0.30, 0.18), 0.05),
    Material.GRASS: _Row(0.45, 0.0, 0, (0.22, 0.34, 0.12), 0.01),
    Material.CONCRETE: _Row(0.32, 0.03, 0, (0.55, 0.54, 0.52), 0.2),
    Material.BRICK: _Row(0.34, 0.02, 0, (0.48, 0.26, 0.20), 0.15),
    Material.TARPAULIN: _Row(0.45, 0.1, 0, (0.35, 0.45, 0.60), 0.1),
    Material.CONE: _Row(0.45, 0.1, 6.0, (0.90, 0.35, 0.08), 0.05),
    Material.SIGN: _Row(0.60, 0.1, 40.0, (0.85, 0.15, 0.12), 0.8),
    Material.GRAVEL: _Row(0.20, 0.0, 0, (0.40, 0.38, 0.34), 0.04),
    Material.YELLOW_PAINT: _Row(0.40, 0.1, 1.5, (0.80, 0.62, 0.10), 0.02),
    Material.MACHINE: _Row(0.40, 0.2, 0, (0.80, 0.55, 0.08), 0.9),
    Material.RIM: _Row(0.40, 0.5, 0, (0.50, 0.50, 0.52), 0.9),
}

# (M,) or (M, 3) by `Material`.
REFLECTIVITY: Final = np.array([_ROWS[m].lidar for m in Material])
GLOSS: Final = np.array([_ROWS[m].gloss for m in Material])
RETRO_GAIN: Final = np.array([_ROWS[m].retro for m in Material])
ALBEDO_RGB: Final = np.array([_ROWS[m].rgb for m in Material])
RADAR: Final = np.array([_ROWS[m].radar for m in Material])
TRANSMISSION: Final = np.array([_ROWS[m].through for m in Material])

CAR_PAINTS: Final = (
    Material.CAR_WHITE,
    Material.CAR_BLACK,
    Material.CAR_GREY,
    Material.CAR_SILVER,
    Material.CAR_BLUE,
    Material.CAR_RED,
    Material.CAR_GREEN,
)
# Shares of new cars by colour: BASF Color Report 2023, EMEA and North America, rounded.
CAR_PAINT_SHARE: Final = (0.31, 0.21, 0.19, 0.10, 0.10, 0.06, 0.03)
