"""Meshes of houses, walls, fences, hedges, guard rails and tunnels. All stand in odom already."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import arc_length, resample
from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, join, quads

from .paint import offset

F64 = npt.NDArray[np.float64]
Height = Callable[[F64], F64]

_BAY_M, _STOREY_M, _RECESS_M = 2.7, 3.0, 0.18
_BELOW_M = 0.4  # foundations go so far into sloping ground
_WALLS: Final = (Material.FACADE, Material.FACADE, Material.BRICK, Material.CONCRETE, Material.WALL)


def house(corners_m: F64, height_m: float, ground: Height, rng: np.random.Generator) -> Mesh:
    """corners_m (4, 2): front left, front right, back right, back left as seen from the street."""
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    z = ground(corners_m)
    base = float(z[:2].mean())
    depth = base - float(z.min()) + _BELOW_M
    around = [(corners_m[k], corners_m[(k + 1) % 4]) for k in range(4)]
    parts = [_facade(*around[0], base, height_m, depth, wall, rng)]
    plain = [_upright(a, b, base - depth, base + height_m) for a, b in around[1:]]
    parts.append(quads(np.array(plain), wall))
    parts.append(_roof(corners_m, base + height_m, rng))
    return join(parts)


def _upright(a: F64, b: F64, low_m: float, high_m: float) -> F64:
    return np.array([[*a, low_m], [*b, low_m], [*b, high_m], [*a, high_m]])


def _roof(corners: F64, z: float, rng: np.random.Generator) -> Mesh:
    if rng.random() < 0.4:
        return quads(np.column_stack([corners, np.full(4, z)])[None], Material.CONCRETE)
    ridge = z + float(rng.uniform(1.5, 3.0))
    left, right = (corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2
    a, b, c, d = (np.array([*corner, z]) for corner in corners)
    m, n = np.array([*left, ridge]), np.array([*right, ridge])
    return quads(np.array([[a, b, n, m], [c, d, m, n], [b, c, n, n], [d, a, m, m]]), Material.BRICK)


def _facade(
    left: F64,
    right: F64,
    base_m: float,
    height_m: float,
    depth_m: float,
    wall: Material,
    rng: np.random.Generator,
) -> Mesh:
    """A wall with recessed windows and a door. Local coordinates: along, inwards, up."""
    length = float(np.hypot(*(right - left)))
    bays, storeys = max(1, int(length / _BAY_M)), max(1, int(height_m / _STOREY_M))
    bay, storey = length / bays, height_m / storeys
    glazed = float(rng.uniform(0.4, 0.65)) * bay
    door = int(rng.integers(bays))
    faces: list[F64] = [_flat(0.0, length, -depth_m, 0.0)]
    panes: list[F64] = []
    for k in range(storeys):
        sill, head = k * storey + 0.9, k * storey + min(2.4, storey - 0.3)
        faces.append(_flat(0.0, length, head, (k + 1) * storey))
        edge = 0.0
        for i in range(bays):
            u0 = (i + 0.5) * bay - glazed / 2
            low = 0.02 if k == 0 and i == door else sill
            faces.append(_flat(edge, u0, k * storey, head))
            faces.append(_flat(u0, u0 + glazed, k * storey, low))
            faces += _reveals(u0, u0 + glazed, low, head)
            panes.append(_flat(u0, u0 + glazed, low, head, _RECESS_M))
            edge = u0 + glazed
        faces.append(_flat(edge, length, k * storey, head))
    local = np.array(faces + panes)
    # The door and one window in five have something behind them that is not glass: wood, blinds.
    shut = np.where(rng.random(len(panes)) < 0.2, Material.WOOD, Material.GLASS)
    shut[door] = Material.WOOD
    ahead = (right - left) / length
    inwards = np.array([-ahead[1], ahead[0]])
    xy = left + local[..., :1] * ahead + local[..., 1:2] * inwards
    world = np.concatenate([xy, base_m + local[..., 2:]], axis=-1)
    material = np.concatenate([np.full(len(faces), wall), shut]).astype(np.uint8)
    return quads(world, material)


def _flat(u0: float, u1: float, w0: float, w1: float, n: float = 0.0) -> F64:
    return np.array([[u0, n, w0], [u1, n, w0], [u1, n, w1], [u0, n, w1]])


def _reveals(u0: float, u1: float, w0: float, w1: float) -> list[F64]:
    r = _RECESS_M
    return [
        np.array([[u0, 0, w0], [u0, r, w0], [u0, r, w1], [u0, 0, w1]]),
        np.array([[u1, 0, w0], [u1, r, w0], [u1, r, w1], [u1, 0, w1]]),
        np.array([[u0, 0, w0], [u1, 0, w0], [u1, r, w0], [u0, r, w0]]),
        np.array([[u0, 0, w1], [u1, 0, w1], [u1, r, w1], [u0, r, w1]]),
    ]


def barrier(kind: str, line_m: F64, height_m: float, ground: Height, rng: np.random.Generator) -> Mesh:
    """Something along a line (N, 2): see `plan.Barrier`."""
    if kind == "fence":
        return _fence(line_m, height_m, ground)
    if kind == "hedge":
        return _hedge(line_m, height_m, ground, rng)
    if kind == "guard_rail":
        return _guard_rail(line_m, height_m, ground)
    if kind == "tunnel_wall":
        return _sheet(resample(line_m, 4.0), -0.1, height_m, ground, Material.CONCRETE)
    thick, material = (0.5, Material.CONCRETE) if kind == "jersey" else (0.24, Material.WALL)
    return _slab(resample(line_m, 4.0), thick, height_m, ground, material)


def _sheet(line: F64, low_m: float, high_m: float, ground: Height, material: Material) -> Mesh:
    """A thin upright band that follows the ground."""
    z = ground(line)
    low, high = np.column_stack([line, z + low_m]), np.column_stack([line, z + high_m])
    return quads(np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1), material)


def _slab(line: F64, thick_m: float, height_m: float, ground: Height, material: Material) -> Mesh:
    """A wall with two faces, a top and ends."""
    left, right = offset(line, thick_m / 2), offset(line, -thick_m / 2)
    z = ground(line)
    rows = [
        np.column_stack([side, z + h])
        for side, h in ((left, -0.2), (left, height_m), (right, height_m), (right, -0.2))
    ]
    faces = [np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1) for a, b in pairwise(rows)]
    ends = np.array([[row[k] for row in rows] for k in (0, -1)])
    return quads(np.concatenate([*faces, ends]), material)


def _fence(line: F64, height_m: float, ground: Height) -> Mesh:
    """Pales with gaps as wide as they are, on two rails."""
    length = float(arc_length(line)[-1])
    pale, pitch = 0.08, 0.18
    starts = np.arange(0.0, length - pale, pitch)
    s = arc_length(line)
    a, b = (
        np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1) for at in (starts, starts + pale)
    )
    za, zb = ground(a), ground(b)
    rows = [np.column_stack([a, za + 0.05]), np.column_stack([b, zb + 0.05])]
    rows += [np.column_stack([b, zb + height_m]), np.column_stack([a, za + height_m])]
    rails = [
        _sheet(resample(line, 4.0), low, low + 0.08, ground, Material.WOOD) for low in (0.25, height_m - 0.3)
    ]
    return join([quads(np.stack(rows, axis=1), Material.WOOD), *rails])


def _hedge(line: F64, height_m: float, ground: Height, rng: np.random.Generator) -> Mesh:
    """A core that stops light, and leaves around it that let some through."""
    core = _slab(resample(line, 3.0), 0.45, height_m - 0.15, ground, Material.FOLIAGE)
    length = float(arc_length(line)[-1])
    n = int(14 * length * height_m)
    at = rng.uniform(0.0, length, n)
    s = arc_length(line)
    middle = np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1)
    middle += rng.normal(0.0, 0.24, (n, 2))
    z = ground(middle) + rng.uniform(0.1, height_m + 0.05, n)
    return join([core, leaves(np.column_stack([middle, z]), 0.11, rng)])


def leaves(middle_m: F64, size_m: float, rng: np.random.Generator) -> Mesh:
    """Triangles turned at random around (N, 3) places, with corners `size_m` (standard deviation) off."""
    corners = middle_m[:, None, :] + rng.normal(0.0, size_m, (len(middle_m), 3, 3))
    triangles = np.arange(3 * len(middle_m), dtype=np.int32).reshape(-1, 3)
    return Mesh(corners.reshape(-1, 3), triangles, np.full(len(triangles), Material.FOLIAGE, np.uint8))


def _guard_rail(line: F64, height_m: float, ground: Height) -> Mesh:
    rail = _sheet(resample(line, 4.0), height_m - 0.31, height_m, ground, Material.METAL)
    posts = resample(line, 4.0)
    z = ground(posts)
    half = np.array([0.06, 0.0])
    a = [
        np.column_stack([posts + sign * half, z + h])
        for sign, h in ((-1, 0), (1, 0), (1, height_m), (-1, height_m))
    ]
    b = [
        np.column_stack([posts + sign * half[::-1], z + h])
        for sign, h in ((-1, 0), (1, 0), (1, height_m), (-1, height_m))
    ]
    return join([rail, quads(np.concatenate([np.stack(a, axis=1), np.stack(b, axis=1)]), Material.METAL)])


def roof(left_m: F64, right_m: float | F64, height_m: float, ground: Height) -> Mesh:
    """The ceiling of a tunnel between two lines of equally many points."""
    left, right = np.asarray(left_m), np.asarray(right_m)
    a, b = (np.column_stack([side, ground(side) + height_m]) for side in (left, right))
    top = np.array([0.0, 0.0, 0.8])
    under = np.stack([a[:-1], b[:-1], b[1:], a[1:]], axis=1)
    fronts = np.array([[a[k], b[k], b[k] + top, a[k] + top] for k in (0, -1)])
    return quads(np.concatenate([under, under + top, fronts]), Material.CONCRETE)
