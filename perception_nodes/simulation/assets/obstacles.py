"""What stands on or beside a road and can be moved: cones, barriers, bins, and what lies about."""

from __future__ import annotations

import numpy as np

from .asset import Asset
from .materials import Material
from .meshes import Mesh, box, join, quads, tube

_WAYSIDE = ("meter", "post", "post", "trunk", "hydrant", "box")


def cone(height_m: float) -> Asset:
    """A traffic cone with a reflecting ring on a square foot."""
    n = 12
    around = np.linspace(0, 2 * np.pi, n + 1)
    radii = np.array([0.16, 0.11, 0.075, 0.03]) * height_m / 0.75
    heights = np.array([0.03, 0.35 * height_m, 0.62 * height_m, height_m])
    rings = [
        np.stack([r * np.cos(around), r * np.sin(around), np.full(n + 1, z)], axis=1)
        for r, z in zip(radii, heights, strict=True)
    ]
    materials = (Material.CONE, Material.SIGN, Material.CONE)
    parts: list[Mesh] = [
        quads(np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1), m)
        for a, b, m in zip(rings[:-1], rings[1:], materials, strict=True)
    ]
    parts.append(box((0, 0, 0.02), (0.4 * height_m / 0.75, 0.4 * height_m / 0.75, 0.04), Material.RUBBER))
    return Asset.standing(f"cone-{height_m:.2f}", "cone", "traffic_cone", [join(parts)], rcs_dbsm=-15.0)


def barrier_board(width_m: float) -> Asset:
    """A striped board on two feet, across the road (its length is along y)."""
    parts = [
        box((0, 0, 0.9), (0.04, width_m, 0.25), Material.SIGN),
        box((0, 0, 0.5), (0.03, width_m, 0.1), Material.CONE),
    ]
    for y in (-0.45 * width_m, 0.45 * width_m):
        parts.append(box((0, y, 0.5), (0.05, 0.05, 1.0), Material.METAL))
        parts.append(box((0, y, 0.05), (0.7, 0.25, 0.1), Material.RUBBER))
    return Asset.standing(f"barrier_board-{width_m:.2f}", "barrier", "barrier", [join(parts)], rcs_dbsm=-3.0)


def jersey_barrier(length_m: float) -> Asset:
    """A concrete barrier (F-shape) along x."""
    profile = np.array(
        [
            [-0.3, 0],
            [-0.3, 0.08],
            [-0.17, 0.33],
            [-0.1, 0.81],
            [0.1, 0.81],
            [0.17, 0.33],
            [0.3, 0.08],
            [0.3, 0],
        ]
    )
    a = np.column_stack([np.full(len(profile), -length_m / 2), profile])
    b = a * [-1, 1, 1]
    sides = quads(np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1), Material.CONCRETE)
    caps = [np.stack([e[i], e[i + 1], e[6 - i], e[7 - i]]) for e in (a, b) for i in range(3)]
    whole = join([sides, quads(np.stack(caps), Material.CONCRETE)])
    return Asset.standing(f"jersey_barrier-{length_m:.2f}", "barrier", "barrier", [whole], rcs_dbsm=5.0)


def wheelie_bin() -> Asset:
    """A bin on two wheels; of no class."""
    parts = [
        box((0, 0, 0.58), (0.7, 0.55, 0.95), Material.CAR_GREEN),
        box((0, 0, 1.08), (0.76, 0.6, 0.06), Material.CAR_BLACK),
    ]
    parts += [tube((-0.3, y, 0.1), (-0.3, y * 1.15, 0.1), 0.1, Material.RUBBER, 10) for y in (-0.25, 0.25)]
    return Asset.standing("wheelie_bin", "bin", "unknown", [join(parts)], rcs_dbsm=-8.0)


def carton(size_m: float) -> Asset:
    """A box that fell off a lorry; of no class."""
    part = box((0, 0, 0.4 * size_m), (size_m, 0.8 * size_m, 0.8 * size_m), Material.WOOD)
    return Asset.standing(f"carton-{size_m:.2f}", "carton", "unknown", [part], rcs_dbsm=-15.0)


def trolley() -> Asset:
    """A shopping trolley; of no class."""
    heights = np.linspace(0.45, 0.95, 6).tolist()
    bars = [((-0.4, y, z), (0.4, y, z)) for z in heights for y in (-0.25, 0.25)]
    bars += [((x, -0.25, z), (x, 0.25, z)) for z in heights for x in (-0.4, 0.4)]
    bars += [((x, y, 0.45), (x, y, 0.95)) for x in np.linspace(-0.4, 0.4, 7).tolist() for y in (-0.25, 0.25)]
    parts: list[Mesh] = [tube(a, b, 0.008, Material.CHROME, 4) for a, b in bars]
    parts += [
        box((0, 0, 0.2), (0.8, 0.45, 0.04), Material.METAL),
        tube((-0.5, -0.25, 1.0), (-0.5, 0.25, 1.0), 0.02, Material.RUBBER, 6),
    ]
    return Asset.standing("trolley", "trolley", "unknown", [join(parts)], rcs_dbsm=-5.0)


def wayside(rng: np.random.Generator) -> Asset:
    """What stands on pavements and is as tall as people are: meters, posts, trunks, hydrants, boxes; of no class."""
    kind = _WAYSIDE[int(rng.integers(len(_WAYSIDE)))]
    if kind == "meter":
        top, wide = float(rng.uniform(1.2, 1.6)), float(rng.uniform(0.15, 0.36))
        parts = [
            _upright(0.03, top - 0.3, Material.METAL),
            box((0, 0, top - 0.15), (0.16, wide, 0.3), Material.METAL),
        ]
    elif kind == "post":
        top, plate = float(rng.uniform(0.8, 3.0)), float(rng.uniform(0.0, 0.6))
        parts = [_upright(float(rng.uniform(0.03, 0.1)), top, Material.METAL)]
        if plate > 0.2:
            parts.append(box((0.1, 0, top - plate / 2), (0.03, plate, plate), Material.SIGN))
    elif kind == "trunk":
        parts = [_upright(float(rng.uniform(0.05, 0.2)), float(rng.uniform(1.4, 3.5)), Material.BARK)]
    elif kind == "hydrant":
        caps = tube((0, -0.2, 0.45), (0, 0.2, 0.45), 0.06, Material.MACHINE, 6)
        parts = [_upright(0.11, float(rng.uniform(0.6, 0.9)), Material.MACHINE), caps]
    else:
        wide, deep, top = (float(v) for v in rng.uniform((0.35, 0.3, 0.8), (0.75, 0.6, 1.7)))
        foot = float(rng.uniform(0.0, 0.4))
        parts = [
            box((0, 0, (foot + top) / 2), (deep, wide, top - foot), Material.MACHINE),
            _upright(0.05, foot + 0.1),
        ]
    return Asset.standing(
        f"{kind}-{rng.integers(1_000_000)}", "wayside", "unknown", [join(parts)], rcs_dbsm=-10.0
    )


def _upright(radius_m: float, height_m: float, material: Material = Material.METAL) -> Mesh:
    return tube((0, 0, -0.05), (0, 0, height_m), radius_m, material, 8)
