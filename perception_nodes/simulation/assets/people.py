"""People on foot and on two wheels.

Body proportions: R. Drillis and R. Contini, Body segment parameters, 1966 (segment lengths as shares of the height);
heights: NCD Risk Factor Collaboration, eLife 2016. The walking cycle swings legs and arms by sines.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .asset import Asset
from .materials import Material
from .meshes import Mesh, ball, box, join, tube

PHASES: Final = 8
_PERSON_RCS_DBSM, _BICYCLE_RCS_DBSM, _MOTORCYCLE_RCS_DBSM = -6.0, -2.0, 3.0


def pedestrian(height_m: float, top: Material, legs: Material, *, load: str = "") -> Asset:
    """A walking person; poses are `PHASES` phases of two steps. load: "", backpack, umbrella or bag."""
    poses = [
        join(_walker(height_m, 2 * np.pi * k / PHASES, top, legs) + _carried(load, height_m))
        for k in range(PHASES)
    ]
    name = f"pedestrian-{height_m:.2f}-{top.name.lower()}-{legs.name.lower()}{'-' if load else ''}{load}"
    return Asset.standing(name, "pedestrian", "pedestrian", poses, rcs_dbsm=_PERSON_RCS_DBSM)


def standing_person(height_m: float, top: Material, legs: Material) -> Asset:
    """A person who waits."""
    parts = _walker(height_m, 0.0, top, legs, swing=0.12)
    name = f"standing-{height_m:.2f}-{top.name.lower()}-{legs.name.lower()}"
    return Asset.standing(name, "standing_person", "pedestrian", [join(parts)], rcs_dbsm=_PERSON_RCS_DBSM)


def pushchair_walker(height_m: float, top: Material, legs: Material) -> Asset:
    """A person who pushes a pushchair; one box, as people label them."""
    poses = []
    for k in range(PHASES):
        person = join(_walker(height_m, 2 * np.pi * k / PHASES, top, legs)).moved((-0.6, 0, 0))
        poses.append(join([person, *_pushchair(0.35)]))
    name = f"pushchair-{height_m:.2f}-{top.name.lower()}"
    return Asset.standing(name, "pushchair", "pedestrian", poses, rcs_dbsm=0.0)


def bicycle(height_m: float, top: Material, legs: Material, *, rider: bool = True) -> Asset:
    """A bicycle, with its rider unless it is parked."""
    parts = _bicycle_frame()
    if rider:
        parts += _rider(
            height_m, top, legs, seat=(-0.2, 0.95), hands=(0.4, 1.03), feet=((0.02, 0.16), (-0.1, 0.44))
        )
    name = f"bicycle-{height_m:.2f}-{top.name.lower()}" if rider else "bicycle-parked"
    kind = "bicycle" if rider else "parked_bicycle"
    return Asset.standing(name, kind, "bicycle", [join(parts)], wheelbase_m=1.04, rcs_dbsm=_BICYCLE_RCS_DBSM)


def motorcycle(height_m: float, top: Material, paint: Material, *, scooter: bool = False) -> Asset:
    """A motorcycle or scooter with its rider."""
    base, radius = (1.3, 0.24) if scooter else (1.42, 0.31)
    hubs = [((x, -0.07, radius), (x, 0.07, radius)) for x in (-base / 2, base / 2)]
    parts: list[Mesh] = [tube(a, b, radius, Material.RUBBER, 16) for a, b in hubs]
    parts.append(box((-0.05, 0, 0.55), (0.75, 0.32, 0.42), Material.METAL))
    parts.append(ball((0.12, 0, 0.85), (0.34, 0.17, 0.17), paint))
    parts.append(box((-0.45, 0, 0.82), (0.65, 0.26, 0.1), Material.RUBBER))
    parts.append(tube((base / 2, 0, radius), (0.42, 0, 1.02), 0.05, Material.METAL, 6))
    parts.append(tube((0.4, -0.36, 1.04), (0.4, 0.36, 1.04), 0.025, Material.METAL, 6))
    parts.append(ball((0.58, 0, 0.92), (0.09, 0.1, 0.1), Material.LAMP))
    parts.append(box((-base / 2 - 0.2, 0, 0.6), (0.02, 0.2, 0.2), Material.PLATE))
    if scooter:
        parts.append(box((0.42, 0, 0.65), (0.08, 0.42, 0.7), paint))
    parts += _rider(
        height_m, top, Material.CLOTH_DARK, seat=(-0.4, 0.9), hands=(0.38, 1.06), feet=((-0.05, 0.33),) * 2
    )
    name = f"{'scooter' if scooter else 'motorcycle'}-{height_m:.2f}-{paint.name.lower()}"
    return Asset.standing(
        name, "motorcycle", "motorcycle", [join(parts)], wheelbase_m=base, rcs_dbsm=_MOTORCYCLE_RCS_DBSM
    )


def _walker(height: float, phase: float, top: Material, legs: Material, swing: float = 0.42) -> list[Mesh]:
    """swing: of the hip, rad. Shares of the height: hip 0.53, knee 0.285, shoulder 0.818, head 0.13."""
    hip, thigh, shin = 0.53 * height, 0.245 * height, 0.246 * height
    shoulder = 0.818 * height
    parts = [
        ball((0, 0, 0.67 * height), (0.075 * height, 0.125 * height, 0.185 * height), top),
        ball((0, 0, 0.525 * height), (0.07 * height, 0.1 * height, 0.07 * height), legs),
        ball((0.01, 0, 0.93 * height), (0.055 * height, 0.045 * height, 0.067 * height), Material.SKIN),
        tube((0, 0, 0.8 * height), (0, 0, 0.87 * height), 0.03 * height, Material.SKIN, 6),
    ]
    for side, shift in ((-1.0, 0.0), (1.0, np.pi)):
        lift = swing * np.sin(phase + shift)
        bend = 0.9 * swing * max(0.0, np.cos(phase + shift)) + 0.05
        y = side * 0.052 * height
        knee = (thigh * np.sin(lift), y, hip - thigh * np.cos(lift))
        foot = (knee[0] + shin * np.sin(lift - bend), y, max(knee[2] - shin * np.cos(lift - bend), 0.04))
        parts.append(tube((0, y, hip), knee, 0.045 * height, legs, 8))
        parts.append(tube(knee, foot, 0.032 * height, legs, 8))
        parts.append(
            box(
                (foot[0] + 0.06, y, 0.5 * foot[2] + 0.02),
                (0.15 * height, 0.055 * height, 0.08),
                Material.RUBBER,
            )
        )
        arm = -0.8 * lift
        out = side * 0.15 * height
        elbow = (0.17 * height * np.sin(arm), out, shoulder - 0.17 * height * np.cos(arm))
        hand = (
            elbow[0] + 0.16 * height * np.sin(arm + 0.35),
            out,
            elbow[2] - 0.16 * height * np.cos(arm + 0.35),
        )
        parts.append(tube((0, side * 0.12 * height, shoulder), elbow, 0.026 * height, top, 6))
        parts.append(tube(elbow, hand, 0.021 * height, top, 6))
    return parts


def _carried(load: str, height: float) -> list[Mesh]:
    if load == "backpack":
        return [
            box(
                (-0.12 * height, 0, 0.7 * height),
                (0.1 * height, 0.17 * height, 0.25 * height),
                Material.CLOTH,
            )
        ]
    if load == "bag":
        return [
            box(
                (0.0, 0.2 * height, 0.42 * height),
                (0.2 * height, 0.05 * height, 0.17 * height),
                Material.CLOTH_DARK,
            )
        ]
    if load == "umbrella":
        stick = tube((0.12, 0.1, 0.6 * height), (0.1, 0.05, 1.1 * height), 0.012, Material.METAL, 5)
        return [stick, ball((0.1, 0.05, 1.08 * height), (0.5, 0.5, 0.12), Material.CLOTH_DARK)]
    return []


def _pushchair(x: float) -> list[Mesh]:
    parts = [
        ball((x, 0, 0.62), (0.4, 0.22, 0.24), Material.CLOTH_DARK),
        box((x - 0.02, 0, 0.36), (0.6, 0.4, 0.05), Material.METAL),
    ]
    parts.append(tube((x - 0.55, -0.22, 0.98), (x - 0.55, 0.22, 0.98), 0.02, Material.METAL, 5))
    for side in (-1.0, 1.0):
        parts.append(tube((x - 0.55, side * 0.22, 0.98), (x, side * 0.22, 0.4), 0.018, Material.METAL, 5))
        hubs = [((x + at, side * 0.24, 0.14), (x + at, side * 0.2, 0.14)) for at in (-0.3, 0.3)]
        parts += [tube(a, b, 0.14, Material.RUBBER, 12) for a, b in hubs]
    return parts


def _bicycle_frame() -> list[Mesh]:
    parts = []
    for x in (-0.52, 0.52):
        angles = np.linspace(0, 2 * np.pi, 15)
        rim = [(x + 0.34 * np.cos(a), 0.0, 0.34 + 0.34 * np.sin(a)) for a in angles]
        parts += [tube(rim[i], rim[i + 1], 0.022, Material.RUBBER, 5) for i in range(14)]
        parts += [tube((x, 0, 0.34), rim[i], 0.004, Material.CHROME, 3) for i in range(0, 14, 2)]
    bars = (
        ((-0.52, 0.34), (-0.1, 0.30)),
        ((-0.1, 0.30), (0.42, 0.8)),
        ((-0.2, 0.85), (0.42, 0.8)),
        ((0.52, 0.34), (0.4, 1.02)),
        ((-0.1, 0.30), (-0.22, 0.92)),
        ((-0.52, 0.34), (-0.2, 0.82)),
    )
    parts += [tube((a[0], 0, a[1]), (b[0], 0, b[1]), 0.02, Material.METAL, 6) for a, b in bars]
    parts.append(tube((0.4, -0.27, 1.03), (0.4, 0.27, 1.03), 0.016, Material.METAL, 6))
    parts.append(box((-0.22, 0, 0.94), (0.26, 0.14, 0.06), Material.RUBBER))
    parts.append(box((-0.56, 0, 0.72), (0.02, 0.06, 0.06), Material.LAMP))
    return parts


def _rider(
    height: float,
    top: Material,
    legs: Material,
    *,
    seat: tuple[float, float],
    hands: tuple[float, float],
    feet: tuple[tuple[float, float], tuple[float, float]],
) -> list[Mesh]:
    """seat, hands, feet: (x, z) m."""
    k = height / 1.75
    x, z = seat
    neck = (x + 0.3 * k, z + 0.52 * k)
    parts = [tube((x, 0, z + 0.05), (neck[0], 0, neck[1]), 0.15 * k, top, 10)]
    parts.append(ball((neck[0] + 0.07, 0, neck[1] + 0.17 * k), (0.11 * k, 0.09 * k, 0.13 * k), Material.SKIN))
    parts.append(
        ball((neck[0] + 0.05, 0, neck[1] + 0.21 * k), (0.13 * k, 0.1 * k, 0.11 * k), Material.CAR_WHITE)
    )
    for side, foot in zip((-1.0, 1.0), feet, strict=True):
        y = side * 0.1 * k
        knee = (0.5 * (x + foot[0]) + 0.22 * k, y, 0.5 * (z + foot[1]) + 0.08)
        parts.append(tube((x, y, z), knee, 0.075 * k, legs, 8))
        parts.append(tube(knee, (foot[0], y, foot[1]), 0.055 * k, legs, 8))
        parts.append(box((foot[0] + 0.06, y, foot[1]), (0.26, 0.09, 0.08), Material.RUBBER))
        grip = (hands[0], side * 0.24, hands[1])
        elbow = (0.5 * (neck[0] + grip[0]), side * 0.27, 0.5 * (neck[1] + grip[2]) - 0.06)
        parts.append(tube((neck[0], side * 0.18 * k, neck[1]), elbow, 0.045 * k, top, 6))
        parts.append(tube(elbow, grip, 0.036 * k, top, 6))
    return parts
