"""What grows and lies about beside a street that nobody tidied: shrubs, low trees, heaps, boards, skips.

Seen by a lidar much of it is as large as a car or a person; a detector that never met it takes it for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, ball, box, join, tube

from .plan import Post
from .structures import leaves

F64 = npt.NDArray[np.float64]
Rng = np.random.Generator

# Share, and the room that is needed around the place, m.
KINDS: Final = {
    "shrub": (0.36, 1.2), "thicket": (0.14, 3.2), "low_tree": (0.16, 0.8), "conifer": (0.08, 1.2),
    "sapling": (0.08, 0.5), "heap": (0.05, 2.0), "boulder": (0.03, 0.7), "skip": (0.02, 2.2), "board": (0.04, 1.2),
    "letter_box": (0.04, 0.5),
}  # fmt: skip


def _tuft(middle: F64, half: F64, rng: Rng) -> Mesh:
    """Leaves in an ellipsoid, dense in places and with gaps in others."""
    n = int(26 + 55 * float(half[0] * half[1] + half[0] * half[2] + half[1] * half[2]))
    clumps = rng.normal(0.0, 0.5, (max(3, n // 14), 3))
    at = clumps[rng.integers(len(clumps), size=n)] + rng.normal(0.0, 0.2, (n, 3))
    far = np.maximum(1.0, np.linalg.norm(at, axis=1, keepdims=True))
    xyz = middle + at / far * half
    xyz[:, 2] = np.maximum(xyz[:, 2], 0.05)
    return leaves(xyz, float(rng.uniform(0.06, 0.13)), rng)


def _row(
    count: int, reach_m: float, size_m: tuple[float, float], height_m: tuple[float, float], rng: Rng
) -> Mesh:
    """Tufts on the ground along a line of the post's own."""
    parts = []
    for _ in range(count):
        half = np.array([*rng.uniform(*size_m, 2), 0.5 * rng.uniform(*height_m)])
        parts.append(
            _tuft(np.array([rng.uniform(-reach_m, reach_m), rng.normal(0.0, 0.3), half[2]]), half, rng)
        )
    return join(parts)


def _shrub(_post: Post, rng: Rng) -> Mesh:
    return _row(int(rng.integers(1, 4)), 0.6, (0.3, 0.9), (0.5, 1.9), rng)


def _thicket(_post: Post, rng: Rng) -> Mesh:
    return _row(int(rng.integers(4, 9)), 2.6, (0.5, 1.4), (0.6, 2.6), rng)


def _low_tree(_post: Post, rng: Rng) -> Mesh:
    """Its crown begins below the height of a man."""
    clear, radius = float(rng.uniform(0.5, 2.0)), float(rng.uniform(0.8, 2.4))
    trunk = tube((0, 0, -0.2), (0, 0, clear + radius), float(rng.uniform(0.05, 0.2)), Material.BARK, 6)
    crown = []
    for _ in range(int(rng.integers(2, 5))):
        half = radius * rng.uniform(0.4, 0.8, 3)
        at = np.append(rng.normal(0.0, 0.4 * radius, 2), clear + half[2] + rng.uniform(0.0, radius))
        crown.append(_tuft(at, half, rng))
    return join([trunk, *crown])


def _conifer(_post: Post, rng: Rng) -> Mesh:
    height, radius, foot = rng.uniform(2.0, 6.0), rng.uniform(0.6, 1.8), rng.uniform(0.1, 0.8)
    n = int(90 * radius * height**0.5)
    up = rng.uniform(0.0, 1.0, n) ** 1.4
    angle, reach = rng.uniform(0, 2 * np.pi, n), radius * (1 - up) * rng.uniform(0.4, 1.0, n)
    at = np.column_stack([reach * np.cos(angle), reach * np.sin(angle), foot + up * height])
    return join([tube((0, 0, -0.2), (0, 0, height), 0.08, Material.BARK, 5), leaves(at, 0.11, rng)])


def _sapling(_post: Post, rng: Rng) -> Mesh:
    """A young tree tied to a stake or two."""
    height = float(rng.uniform(1.4, 3.2))
    stake = tube((0.2, 0, -0.2), (0.2, 0, rng.uniform(0.8, 1.8)), 0.04, Material.WOOD, 5)
    half = rng.uniform(0.2, 0.55, 3)
    crown = _tuft(np.array([0.0, 0.0, height]), half, rng)
    return join([tube((0, 0, -0.2), (0, 0, height), 0.03, Material.BARK, 5), stake, crown])


def _heap(_post: Post, rng: Rng) -> Mesh:
    """Earth, gravel or cuttings."""
    half = np.array([*rng.uniform(0.7, 2.0, 2), rng.uniform(0.3, 1.3)])
    kind = (Material.GRASS, Material.GRAVEL, Material.WOOD)[int(rng.integers(3))]
    return join(
        [
            ball((0, 0, 0), (half[0], half[1], half[2]), kind),
            _tuft(half * [0, 0, 1], half * [0.9, 0.9, 0.3], rng),
        ]
    )


def _boulder(_post: Post, rng: Rng) -> Mesh:
    a, b, c = (float(v) for v in rng.uniform(0.25, 0.7, 3))
    return ball((0, 0, 0.4 * c), (a, b, c), Material.CONCRETE)


def _skip(_post: Post, rng: Rng) -> Mesh:
    """A container for rubble or for glass."""
    length, width, height = (
        float(rng.uniform(1.2, 3.6)),
        float(rng.uniform(1.0, 1.8)),
        float(rng.uniform(1.0, 1.8)),
    )
    return box(
        (0, 0, height / 2),
        (length, width, height),
        Material.MACHINE if rng.random() < 0.4 else Material.METAL,
    )


def _board(_post: Post, rng: Rng) -> Mesh:
    """A plate on two legs, looking along +x."""
    width, high, foot = (
        float(rng.uniform(0.6, 2.2)),
        float(rng.uniform(0.5, 1.4)),
        float(rng.uniform(0.3, 1.2)),
    )
    legs = [
        tube((0, y, -0.2), (0, y, foot + high), 0.04, Material.METAL, 5) for y in (-0.4 * width, 0.4 * width)
    ]
    return join([*legs, box((0.05, 0, foot + high / 2), (0.04, width, high), Material.WOOD)])


def _letter_box(_post: Post, rng: Rng) -> Mesh:
    wide, top = float(rng.uniform(0.25, 0.55)), float(rng.uniform(0.9, 1.4))
    return join(
        [
            box((0, 0, top - 0.3), (wide, wide, 0.6), Material.MACHINE),
            tube((0, 0, -0.1), (0, 0, top - 0.5), 0.05, Material.METAL, 5),
        ]
    )


MAKERS: Final[dict[str, Callable[[Post, Rng], Mesh]]] = {
    "shrub": _shrub, "thicket": _thicket, "low_tree": _low_tree, "conifer": _conifer, "sapling": _sapling,
    "heap": _heap, "boulder": _boulder, "skip": _skip, "board": _board, "letter_box": _letter_box,
}  # fmt: skip
