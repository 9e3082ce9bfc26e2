"""Meshes of what stands on poles and on the pavement: signs, lights, lamps, trees, bins, bollards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, box, join, quads, tube

from . import wild
from .plan import Post
from .structures import leaves

F64 = npt.NDArray[np.float64]

# Middle of the plate above the ground, and its half width (German road sign sizes: 0.6 m round, 0.9 m triangle).
SIGN_HEIGHT_M: Final = 2.35
HANGING_M: Final = 5.65  # middle of a signal head over the road
_PLATE: Final = {"stop": (8, 0.45), "yield": (3, 0.5), "priority": (4, 0.42), "danger": (3, 0.5)}
_ROUND: Final = (16, 0.3)


def post_mesh(post: Post, rng: np.random.Generator) -> Mesh:
    """The thing, standing on z = 0 at its place and turned as it looks."""
    if post.kind not in _MAKERS:
        raise ConfigurationError(f"post {post.kind!r}: wanted one of {sorted(_MAKERS)}")
    return _MAKERS[post.kind](post, rng).moved((post.x_m, post.y_m, 0.0), post.yaw_rad)


def sign_plate(post: Post, foot_z_m: float) -> F64:
    """(3,) the middle of a sign's plate."""
    return np.array([post.x_m, post.y_m, foot_z_m + SIGN_HEIGHT_M])


def _pole(height_m: float, radius_m: float, n: int = 6) -> Mesh:
    return tube((0, 0, -0.2), (0, 0, height_m), radius_m, Material.METAL, n)


def _disc(center_m: F64, radius_m: float, corners: int, material: Material, turn_rad: float = 0.0) -> Mesh:
    """An upright plate that looks along +x."""
    angle = turn_rad + np.linspace(0.0, 2.0 * np.pi, corners + 1)
    rim = center_m + radius_m * np.stack([np.zeros(corners + 1), np.cos(angle), np.sin(angle)], axis=1)
    middle = np.broadcast_to(center_m, (corners, 3))
    return quads(np.stack([middle, rim[:-1], rim[1:], rim[1:]], axis=1), material)


def _sign(post: Post, _rng: np.random.Generator) -> Mesh:
    corners, radius = _PLATE.get(post.value, _ROUND)
    turn = {"stop": np.pi / 8, "yield": -np.pi / 2, "priority": 0.0, "danger": np.pi / 2}.get(post.value, 0.0)
    front, back = np.array([0.05, 0.0, SIGN_HEIGHT_M]), np.array([0.03, 0.0, SIGN_HEIGHT_M])
    return join(
        [
            _pole(SIGN_HEIGHT_M + 0.3, 0.035),
            _disc(front, radius, corners, Material.SIGN, turn),
            _disc(back, radius, corners, Material.METAL, turn),
        ]
    )


def _head(z_m: float, y_m: float, lamps: int) -> list[Mesh]:
    """A signal head with its lamps one above the other; the lowest is green."""
    high = 0.3 * lamps
    out = [box((0.16, y_m, z_m + high / 2), (0.22, 0.32, high), Material.RUBBER)]
    lamp = [np.array([0.28, y_m, z_m + 0.15 + 0.3 * k]) for k in range(lamps)]
    return [*out, *(_disc(at, 0.1, 8, Material.LAMP) for at in lamp)]


def _signal(post: Post, _rng: np.random.Generator) -> Mesh:
    parts = [_pole(3.4, 0.06), *_head(2.45, 0.0, 3)]
    if post.arm_m > 0:
        # Looking against the traffic the road is on the left hand.
        parts += [_pole(5.9, 0.1), tube((0, 0, 5.8), (0, -post.arm_m, 5.9), 0.06, Material.METAL, 6)]
        parts += _head(5.3, -post.arm_m, 3)
    return join(parts)


def _hanging_signal(_post: Post, _rng: np.random.Generator) -> Mesh:
    return join(
        [
            *_head(HANGING_M - 0.45, 0.0, 3),
            tube((0.16, 0, HANGING_M + 0.45), (0.16, 0, 7.5), 0.03, Material.METAL, 4),
        ]
    )


def _walkers_signal(_post: Post, _rng: np.random.Generator) -> Mesh:
    return join([_pole(2.9, 0.05), *_head(2.1, 0.0, 2)])


def _lamp(_post: Post, rng: np.random.Generator) -> Mesh:
    """yaw: where its arm points, to the road."""
    height = float(rng.uniform(6.0, 8.5))
    arm = tube((0, 0, height), (1.2, 0, height + 0.2), 0.04, Material.METAL, 5)
    return join([_pole(height, 0.075), arm, box((1.4, 0, height + 0.2), (0.7, 0.25, 0.1), Material.METAL)])


def _tree(_post: Post, rng: np.random.Generator) -> Mesh:
    """A trunk, some boughs, and leaves through which some pulses pass."""
    clear, radius = float(rng.uniform(2.0, 3.8)), float(rng.uniform(1.1, 2.8))
    middle = np.array([0.0, 0.0, clear + 0.75 * radius])
    trunk = tube((0, 0, -0.2), (0, 0, clear + 0.5 * radius), float(rng.uniform(0.08, 0.2)), Material.BARK, 6)
    heading = rng.uniform(0, 2 * np.pi, 3)
    reach = 0.7 * radius
    boughs = [
        tube((0, 0, clear), (reach * np.cos(a), reach * np.sin(a), clear + radius), 0.04, Material.BARK, 4)
        for a in heading
    ]
    n = int(75 * radius**1.3)
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # Leaves grow where the light is: near the outside.
    at = middle + direction * (radius * rng.uniform(0.1, 1.0, (n, 1)) ** 0.4) * [1.0, 1.0, 0.85]
    return join([trunk, *boughs, leaves(at, 0.2, rng)])


def _bush(_post: Post, rng: np.random.Generator) -> Mesh:
    radius = float(rng.uniform(0.4, 0.9))
    n = 60
    at = rng.normal(0.0, 0.45 * radius, (n, 3)) + np.array([0.0, 0.0, 0.7 * radius])
    at[:, 2] = np.maximum(at[:, 2], 0.1)
    return leaves(at, 0.14, rng)


def _bin(_post: Post, rng: np.random.Generator) -> Mesh:
    if rng.random() < 0.5:
        return tube(
            (0, 0, 0), (0, 0, 0.95), 0.25, Material.MACHINE if rng.random() < 0.3 else Material.METAL, 8
        )
    return box((0, 0, 0.55), (0.6, 0.55, 1.1), Material.RUBBER)


def _bollard(_post: Post, _rng: np.random.Generator) -> Mesh:
    return tube((0, 0, -0.1), (0, 0, 0.9), 0.06, Material.METAL, 6)


def _cabinet(_post: Post, _rng: np.random.Generator) -> Mesh:
    return box((0, 0, 0.6), (0.35, 0.9, 1.2), Material.PAVEMENT)


def _shelter(_post: Post, _rng: np.random.Generator) -> Mesh:
    """A bus stop's shelter, open along +x."""
    uprights = [
        tube((x, y, 0), (x, y, 2.4), 0.04, Material.METAL, 4) for x in (-0.6, 0.6) for y in (-1.8, 1.8)
    ]
    glass = [[[-0.6, -1.8, 0.2], [-0.6, 1.8, 0.2], [-0.6, 1.8, 2.2], [-0.6, -1.8, 2.2]]]
    bench = box((-0.35, 0, 0.45), (0.35, 2.4, 0.06), Material.WOOD)
    return join(
        [
            *uprights,
            quads(np.array(glass), Material.GLASS),
            bench,
            box((0, 0, 2.45), (1.5, 4.0, 0.1), Material.METAL),
        ]
    )


def _beacon(_post: Post, _rng: np.random.Generator) -> Mesh:
    """A board that guides traffic past works: 1 m high, 0.25 m wide, on a foot."""
    board = box((0, 0, 0.65), (0.05, 0.25, 1.0), Material.CONE)
    return join([board, box((0, 0, 0.06), (0.8, 0.35, 0.12), Material.RUBBER)])


def _pillar(_post: Post, _rng: np.random.Generator) -> Mesh:
    return box((0, 0, 1.4), (0.4, 0.4, 2.8), Material.CONCRETE)


def _gantry(post: Post, _rng: np.random.Generator) -> Mesh:
    """A sign bridge; arm_m: across the road, to the right of where it looks."""
    legs = [tube((0, y, -0.2), (0, y, 7.0), 0.2, Material.METAL, 6) for y in (0.0, -post.arm_m)]
    beam = box((0, -post.arm_m / 2, 6.8), (0.4, post.arm_m, 0.5), Material.METAL)
    plate = box((0.25, -post.arm_m / 2, 6.6), (0.05, 0.5 * post.arm_m, 2.4), Material.SIGN)
    return join([*legs, beam, plate])


_MAKERS: Final[dict[str, Callable[[Post, np.random.Generator], Mesh]]] = {
    "signal": _signal,
    "hanging_signal": _hanging_signal,
    "walkers_signal": _walkers_signal,
    "sign": _sign,
    "lamp": _lamp,
    "tree": _tree,
    "bush": _bush,
    "bin": _bin,
    "bollard": _bollard,
    "cabinet": _cabinet,
    "shelter": _shelter,
    "beacon": _beacon,
    "pillar": _pillar,
    "gantry": _gantry,
    **wild.MAKERS,
}
