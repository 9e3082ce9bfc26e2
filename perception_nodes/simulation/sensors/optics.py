"""How surfaces send the light of a lidar back to it.

A lidar looks along its own light. There the rough-surface model of Oren and Nayar (1994) is A cos + B sin^2 of the
angle of incidence with A = 1 - 0.5 s^2 / (s^2 + 0.33), B = 0.45 s^2 / (s^2 + 0.09) for slopes of s rad: a rough road
stays bright at grazing incidence, where a Lambertian one would fade. Here it is scaled to 1 at normal incidence, as
makers state reflectivities. Leaves and blades stand every way: what the mesh says of their slope does not matter. Road
paint holds glass beads: EN 1436 asks for retro-reflection (R2: 100 mcd/lx/m2) which is that of a grey board of 31 %,
1.2 degrees above the road (what lies on roads has less), where plain asphalt (10 to 20 mcd/lx/m2) is as one of 3-6 %.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from perception_nodes.simulation.assets.materials import GLOSS, Material

# Spread of the slopes of the facets, degrees, from smooth (5) to very rough (40); what is not named has _PLAIN.
_PLAIN: Final = 20.0
_SLOPES_DEG: Final = {
    Material.ASPHALT: 38.0, Material.GRAVEL: 40.0, Material.PAVEMENT: 32.0, Material.KERB: 28.0,
    Material.CONCRETE: 28.0, Material.BRICK: 28.0, Material.FACADE: 25.0, Material.WALL: 25.0, Material.BARK: 35.0,
    Material.CLOTH: 30.0, Material.CLOTH_DARK: 30.0,
    Material.CLOTH_LIGHT: 30.0, Material.INTERIOR: 30.0, Material.RUBBER: 25.0, Material.GLASS: 10.0,
    Material.METAL: 10.0, Material.CHROME: 5.0, Material.RIM: 10.0, Material.CAR_BLACK: 5.0, Material.CAR_GREY: 5.0,
    Material.CAR_WHITE: 5.0, Material.CAR_SILVER: 5.0, Material.CAR_BLUE: 5.0, Material.CAR_RED: 5.0,
    Material.CAR_GREEN: 5.0,
}  # fmt: skip
_BEADS: Final = {Material.ROAD_PAINT: 0.55, Material.YELLOW_PAINT: 0.55}
_VOLUMES: Final = (Material.FOLIAGE, Material.GRASS)
# Share of what a surface reflects that leaves around the mirrored ray. Metallic flakes lie flat below the clear coat,
# so that away from it grey, blue and green cars send back 5 % and less of what a white board would, as most cars in
# the recordings that docs/likeness.md names do, while white ones are as bright as walls.
_MIRRORED: Final = {
    Material.CAR_BLACK: 0.60, Material.CAR_GREY: 0.72, Material.CAR_SILVER: 0.72, Material.CAR_BLUE: 0.68,
    Material.CAR_GREEN: 0.68, Material.CAR_RED: 0.40, Material.CAR_WHITE: 0.15, Material.GLASS: 0.80,
}  # fmt: skip


def oren_nayar_ratio(slope_rad: float) -> float:
    """B / A for facets whose slopes spread so much; 0 for a smooth, Lambertian surface."""
    s2 = slope_rad**2
    return 0.45 * s2 / (s2 + 0.09) / (1 - 0.5 * s2 / (s2 + 0.33))


def _roughness(material: Material) -> float:
    if material in _VOLUMES:
        return -1.0
    return _BEADS.get(material, oren_nayar_ratio(np.deg2rad(_SLOPES_DEG.get(material, _PLAIN))))


# Relative standard deviation of brightness between patches (between actors, where it is one's) and of the grain: age
# and dirt of asphalt, colours of walls, soil on cars.
_EVEN: Final = (0.25, 0.08)
_VARIED: Final = {
    Material.ASPHALT: (0.38, 0.15), Material.PAVEMENT: (0.22, 0.12), Material.KERB: (0.2, 0.15),
    Material.FACADE: (0.4, 0.15), Material.WALL: (0.4, 0.15), Material.BRICK: (0.4, 0.2),
    Material.CONCRETE: (0.3, 0.12), Material.ROAD_PAINT: (0.35, 0.2), Material.YELLOW_PAINT: (0.35, 0.2),
    Material.FOLIAGE: (0.12, 0.15), Material.GRASS: (0.2, 0.2), Material.GRAVEL: (0.2, 0.2),
    Material.SIGN: (0.1, 0.0), Material.PLATE: (0.2, 0.0),
}  # fmt: skip


# Share of the light that one pane lets through where it lets through most of what is seen: solar-control glass of cars
# passes 70 to 75 % of visible light (ECE R43) and about half of it in the near infrared.
NEAR_INFRARED_THROUGH: Final = 0.5
# (M, 2) by `Material`: see `_EVEN`.
VARIATION: Final = np.array([_VARIED.get(m, _EVEN) for m in Material])
# (M,) by `Material`: B / A, -1 for what has no surface; share that leaves as from a mirror.
ROUGHNESS: Final = np.array([_roughness(m) for m in Material])
MIRRORED: Final = np.array([_MIRRORED.get(m, float(GLOSS[m])) for m in Material])
