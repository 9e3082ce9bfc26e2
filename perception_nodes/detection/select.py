"""Which nodes of the segment tree are the objects of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .clustering import SegmentTree

F64 = npt.NDArray[np.float64]


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
