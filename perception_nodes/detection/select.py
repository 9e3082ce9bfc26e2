"""Which nodes of the segment tree are the objects of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.geometry import iou_bev

from .clustering import SegmentTree

F64 = npt.NDArray[np.float64]
_SHARED_SPACE = 0.35


def choose(tree: SegmentTree, value: F64) -> npt.NDArray[np.int64]:
    """Indices of nodes that cover every cell once with the largest sum of `value` times cells."""
    taken = np.zeros(len(tree), np.bool_)
    weight = value * (tree.node[:, 1] - tree.node[:, 0])
    _choose(weight, tree.parent, taken)
    return np.flatnonzero(taken)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _choose(weight: Any, parent: Any, taken: Any) -> None:
    below = np.zeros(len(weight))
    for k in range(len(weight)):
        if below[k] <= weight[k]:
            taken[k] = True
        if parent[k] >= 0:
            below[parent[k]] += max(below[k], weight[k])
    for k in range(len(weight) - 1, -1, -1):
        p = parent[k]
        if p >= 0 and taken[p]:
            # An ancestor covers these cells already; pass that down.
            taken[k] = True
    for k in range(len(weight)):
        p = parent[k]
        if p >= 0 and taken[k] and taken[p]:
            taken[k] = False


def suppress(
    center_m: F64, lwh_m: F64, yaw_rad: F64, score: F64, vehicle: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """(N,) false for boxes that cannot be there beside a better vehicle: two things do not share their space.

    Boxes are in the order of falling score. A weaker one goes if it covers, or is covered by, more than a third.
    """
    keep = np.ones(len(score), np.bool_)
    if len(score) == 0:
        return keep
    rows = np.flatnonzero(vehicle)
    strong = (center_m[rows], lwh_m[rows], yaw_rad[rows])
    iou = iou_bev(strong, (center_m, lwh_m, yaw_rad))
    area = lwh_m[:, 0] * lwh_m[:, 1]
    covered = iou * (area[rows, None] + area[None]) / (1 + iou) / np.minimum(area[rows, None], area[None])
    for k, row in enumerate(rows):
        if keep[row]:
            keep[row + 1 :] &= covered[k, row + 1 :] < _SHARED_SPACE
    return keep
