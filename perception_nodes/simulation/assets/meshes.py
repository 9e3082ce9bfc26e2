"""Triangle meshes with a material per triangle, and the shapes that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .materials import Material

F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices (V, 3) m, triangles (T, 3), material (T,)."""

    vertices: F64
    triangles: I32
    material: npt.NDArray[np.uint8]

    def moved(self, xyz_m: Sequence[float] | F64, yaw_rad: float = 0.0) -> Mesh:
        """Turned about +z, then shifted."""
        c, s = np.cos(yaw_rad), np.sin(yaw_rad)
        rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return Mesh(self.vertices @ rotation.T + np.asarray(xyz_m), self.triangles, self.material)


def join(parts: Sequence[Mesh]) -> Mesh:
    """All parts as one mesh."""
    starts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    triangles = [p.triangles + np.int32(start) for p, start in zip(parts, starts, strict=False)]
    return Mesh(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([p.material for p in parts]),
    )


def quads(corners: F64, material: Material | npt.NDArray[np.uint8]) -> Mesh:
    """(N, 4, 3) corners in order; one material or one per quad."""
    n = len(corners)
    first = 4 * np.arange(n)[:, None]
    triangles = np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])], axis=1).reshape(
        -1, 3
    )
    of_quad = np.full(n, material, np.uint8) if isinstance(material, Material) else material
    return Mesh(corners.reshape(-1, 3), triangles.astype(np.int32), np.repeat(of_quad, 2))


def box(center_m: Sequence[float], lwh_m: Sequence[float], material: Material) -> Mesh:
    """An axis-aligned cuboid."""
    sign = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    v = sign * np.asarray(lwh_m) + np.asarray(center_m)
    faces = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return quads(v[np.array(faces)], material)


def tube(
    start_m: Sequence[float], end_m: Sequence[float], radius_m: float, material: Material, n: int = 10
) -> Mesh:
    """A closed cylinder between two points."""
    a, b = np.asarray(start_m, np.float64), np.asarray(end_m, np.float64)
    axis = (b - a) / np.linalg.norm(b - a)
    side = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    angle = np.linspace(0, 2 * np.pi, n + 1)
    ring = radius_m * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side))
    low, high = a + ring, b + ring
    walls = np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1)
    caps = [
        np.stack([np.broadcast_to(c, (n, 3)), r[:-1], r[1:], r[1:]], axis=1) for c, r in ((a, low), (b, high))
    ]
    return quads(np.concatenate([walls, *caps]), material)


def ball(center_m: Sequence[float], radii_m: Sequence[float], material: Material, n: int = 8) -> Mesh:
    """An ellipsoid."""
    polar, around = np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 2 * n)
    p, q = np.meshgrid(polar, around, indexing="ij")
    unit = np.stack([np.sin(p) * np.cos(q), np.sin(p) * np.sin(q), np.cos(p)], axis=-1)
    v = unit * np.asarray(radii_m) + np.asarray(center_m)
    return quads(
        np.stack([v[:-1, :-1], v[1:, :-1], v[1:, 1:], v[:-1, 1:]], axis=2).reshape(-1, 4, 3), material
    )


def strip(left_m: F64, right_m: F64, material: Material) -> Mesh:
    """The surface between two lines of equally many points (N, 3)."""
    return quads(np.stack([left_m[:-1], right_m[:-1], right_m[1:], left_m[1:]], axis=1), material)
