"""Poles, signs and other slender metal of the street as points that send much back: found once in its mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.assets import Mesh
from perception_nodes.simulation.assets.materials import RADAR

F64 = npt.NDArray[np.float64]

_METAL: Final = 0.45  # reflectivity from which on something counts
_CELL_M: Final = 0.8
_WIDEST_M: Final = 1.5  # wider surfaces are walls or rails: rays find those
_TALLEST_M: Final = 2.0  # so much of a pole is in the beam


@dataclass(frozen=True, eq=False)
class Posts:
    """K points, odom.

    low_m, high_m (K, 3): foot and top; rcs_m2 (K,); of_triangle (T,) bool: which triangles of the mesh they are.
    """

    low_m: F64
    high_m: F64
    rcs_m2: F64
    of_triangle: npt.NDArray[np.bool_]


_known: WeakKeyDictionary[Mesh, Posts] = WeakKeyDictionary()


def posts_of(mesh: Mesh) -> Posts:
    """Of a street; computed once for each.

    A convex body shows a quarter of its surface on average (Cauchy); metal sends back four times what would go evenly
    into all directions, so that the cross section is reflectivity times surface: 0 dBsm for a post of a road sign.
    """
    if mesh not in _known:
        _known[mesh] = _find(mesh)
    return _known[mesh]


def _find(mesh: Mesh) -> Posts:
    corner = mesh.vertices[mesh.triangles]
    width = np.ptp(corner[:, :, :2], axis=1).max(axis=1)
    of_triangle = (RADAR[mesh.material] >= _METAL) & (width < _WIDEST_M)
    corner, material = corner[of_triangle], mesh.material[of_triangle]
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    cell = np.floor(corner.mean(axis=1)[:, :2] / _CELL_M).astype(np.int64)
    _, group = np.unique(cell, axis=0, return_inverse=True)
    group = group.ravel()
    count = int(group.max()) + 1 if len(group) else 0
    weight = np.bincount(group, area, count)
    middle = [np.bincount(group, area * corner[:, :, k].mean(axis=1), count) for k in (0, 1)]
    xy = np.stack(middle, axis=1) / np.maximum(weight, 1e-9)[:, None] if count else np.zeros((0, 2))
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, group, corner[:, :, 2].min(axis=1))
    np.maximum.at(high, group, corner[:, :, 2].max(axis=1))
    seen = np.minimum(1.0, _TALLEST_M / np.maximum(high - low, 0.1))
    rcs = np.bincount(group, area * RADAR[material], count) * seen
    return Posts(np.column_stack([xy, low]), np.column_stack([xy, high]), rcs, of_triangle)
