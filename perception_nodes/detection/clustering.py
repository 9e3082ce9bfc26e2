"""Object points on a fine grid, and a tree of groups of occupied cells.

One linking distance never fits: what joins the two ends of a car also joins the car to the wall beside it. So cells are
linked at growing distances, first within low and within tall columns, later across; each distinct group on the way is
a node of a tree, and the choice between a node and its children is left to the box fit.
Compare P. Hu, D. Held, D. Ramanan, Learning to Optimally Segment Point Clouds, RA-L 2020 (tree of segments, each with
an objectness). Differs: columns instead of points, a physical instead of a learned objectness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .config import GeometricConfig

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
# Columns are described by 0.25 m steps from `object_min_height_m` up.
_STEP_M = 0.25
_STEPS = 30
# Linking distance in cells, and whether low may join tall, level by level.
_LEVELS = np.array([[1, 0], [2, 0], [3, 0], [3, 1], [5, 1]], np.int64)


@dataclass(frozen=True, eq=False)
class SegmentTree:
    """Groups of points at several linking distances.

    order: indices into the cloud, such that every node holds a contiguous piece of it; cell_start: where each occupied
    cell begins in `order`; cell_top_m: highest point over ground of each cell; node (M, 2): first and last + 1 cell of
    each node; parent (M,): -1 for a root; children come before their parents; position (cells_per_side^2,): place of
    each grid cell among the occupied ones + 1, 0 where empty.
    """

    order: I32
    cell_start: I32
    cell_top_m: F32
    node: I32
    parent: I32
    position: I32
    cells_per_side: int
    min_xy_m: float
    cell_m: float

    def __len__(self) -> int:
        return len(self.node)


def build_tree(xyz_m: F32, height_m: F32, config: GeometricConfig) -> SegmentTree:
    """Tree of groups of the raised points; overhead (canopies, signs, wires) is left out."""
    n = 2 * int(np.ceil(config.range_m / config.cluster_cell_m))
    low, cell = -0.5 * n * config.cluster_cell_m, config.cluster_cell_m
    columns = np.zeros(n * n, np.int32)
    cell_of = np.empty(len(xyz_m), np.int32)
    _fill_columns(xyz_m, height_m, config.object_min_height_m, low, cell, n, cell_of, columns)
    occupied = np.flatnonzero(columns).astype(np.int32)
    top, keep = _column_tops(columns, occupied, n, cell, config.object_min_height_m, config.overhead_m)
    occupied, top = occupied[keep], top[keep]
    tall = top * _STEP_M + config.object_min_height_m > config.tall_m
    position = np.zeros(n * n, np.int32)
    sequence, node, parent = _link(occupied, tall, n, _LEVELS, position)
    order, cell_start, cell_top = _sort_points(
        cell_of, height_m, occupied[sequence], top[sequence], config.object_min_height_m, position
    )
    return SegmentTree(order, cell_start, cell_top, node, parent, position, n, low, cell)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill_columns(
    xyz: Any, height: Any, lowest: float, low: float, cell: float, n: int, cell_of: Any, columns: Any
) -> None:
    """Set the bit of each point's height step in its cell's column; `cell_of` is -1 for points not raised."""
    for k in range(len(xyz)):
        step = int((height[k] - lowest) / _STEP_M) if height[k] > lowest else -1
        cell_of[k] = -1
        if 0 <= step < _STEPS:
            i = min(max(int((xyz[k, 0] - low) / cell), 0), n - 1)
            j = min(max(int((xyz[k, 1] - low) / cell), 0), n - 1)
            cell_of[k] = i * n + j
            columns[i * n + j] |= np.int32(1) << np.int32(step)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _column_tops(columns: Any, occupied: Any, n: int, cell: float, lowest: float, overhead: float) -> Any:
    """Highest step of the lowest unbroken run of each column, and whether the run starts below `overhead`."""
    top, keep = np.zeros(len(occupied), np.int32), np.zeros(len(occupied), np.bool_)
    for k in range(len(occupied)):
        bits = columns[occupied[k]]
        i, j = occupied[k] // n - n / 2, occupied[k] % n - n / 2
        # Beams lie further apart at a distance: a longer gap is no gap there.
        allowed = 3 + int(np.sqrt(i * i + j * j) * cell / 25.0)
        first = -1
        for step in range(_STEPS):
            if bits >> step & 1:
                if first < 0:
                    first = step
                elif step - top[k] - 1 > allowed:
                    break
                top[k] = step
        keep[k] = first * _STEP_M + lowest < overhead
    return top, keep


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _root(parent: Any, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _link(occupied: Any, tall: Any, n: int, levels: Any, position: Any) -> Any:
    """Union-find level by level; members of a set form a chained list, so that each set ends up contiguous.

    Returns the sequence of cells, the nodes (first, last + 1 in that sequence) and the parents; `position` receives the
    place in the sequence + 1 of each occupied cell.
    """
    m = len(occupied)
    for k in range(m):
        position[occupied[k]] = k + 1
    up, size = np.arange(m), np.ones(m, np.int32)
    last, chain = np.arange(m), np.full(m, -1)
    node_root, node_size = np.empty(2 * m + 1, np.int32), np.empty(2 * m + 1, np.int32)
    parent, current = np.full(2 * m + 1, -1, np.int32), np.full(m, -1, np.int32)
    roots, nodes, done = np.arange(m), 0, 0
    for level in range(len(levels)):
        reach, across = levels[level, 0], levels[level, 1]
        for k in range(m):
            _link_cell(k, occupied, tall, n, reach, done, across, position, up, size, last, chain)
        done = 0 if level + 1 < len(levels) and levels[level + 1, 1] != across else reach
        nodes, kept = _new_nodes(roots, nodes, up, size, current, parent, node_root, node_size)
        roots = roots[:kept]
    sequence, place, filled = np.empty(m, np.int32), np.empty(m, np.int32), 0
    for r in roots:
        k = int(r)
        while k >= 0:
            sequence[filled], place[k] = k, filled
            position[occupied[k]] = filled + 1
            filled += 1
            k = chain[k]
    node = np.empty((nodes, 2), np.int32)
    for a in range(nodes):
        node[a, 0] = place[node_root[a]]
        node[a, 1] = node[a, 0] + node_size[a]
    return sequence, node, parent[:nodes]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _new_nodes(
    roots: Any, nodes: int, up: Any, size: Any, current: Any, parent: Any, node_root: Any, node_size: Any
) -> Any:
    """Make a node of every set that has grown, and the parent of the nodes it swallowed; keep the roots that remain."""
    for r in roots:
        if up[r] == r and (current[r] < 0 or node_size[current[r]] != size[r]):
            node_root[nodes], node_size[nodes] = r, size[r]
            if current[r] >= 0:
                parent[current[r]] = nodes
            current[r] = nodes
            nodes += 1
    kept = 0
    for r in roots:
        if up[r] == r:
            roots[kept] = r
            kept += 1
        elif current[r] >= 0:
            parent[current[r]] = current[_root(up, r)]
    return nodes, kept


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _link_cell(
    k: int, occupied: Any, tall: Any, n: int, reach: int, done: int, across: int,
    position: Any, up: Any, size: Any, last: Any, chain: Any,
) -> None:  # fmt: skip
    """Join cell k with the occupied cells after it at distances of (done, reach] cells."""
    i, j = occupied[k] // n, occupied[k] % n
    for a in range(i, min(i + reach + 1, n)):
        for b in range(max(j - reach, 0), min(j + reach + 1, n)):
            if a == i and b <= j:
                continue
            square = (a - i) * (a - i) + (b - j) * (b - j)
            if square > reach * reach + 1 or (done > 0 and square <= done * done + 1):
                continue
            other = position[a * n + b] - 1
            if other < 0 or (across == 0 and tall[k] != tall[other]):
                continue
            p, q = _root(up, k), _root(up, other)
            if p != q:
                if q < p:
                    p, q = q, p
                up[q] = p
                chain[last[p]] = q
                last[p] = last[q]
                size[p] += size[q]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sort_points(cell_of: Any, height: Any, cells: Any, top: Any, lowest: float, position: Any) -> Any:
    """Points in the order of their cells (counting sort), without those above the top of their column's run."""
    m = len(cells)
    start = np.zeros(m + 1, np.int32)
    for k in range(len(cell_of)):
        if cell_of[k] >= 0:
            p = position[cell_of[k]] - 1
            if p >= 0 and int((height[k] - lowest) / _STEP_M) <= top[p]:
                start[p + 1] += 1
            else:
                cell_of[k] = -1
    for p in range(m):
        start[p + 1] += start[p]
    order, fill = np.empty(start[m], np.int32), start[:-1].copy()
    highest = np.zeros(m, np.float32)
    for k in range(len(cell_of)):
        if cell_of[k] >= 0:
            p = position[cell_of[k]] - 1
            order[fill[p]] = k
            highest[p] = max(highest[p], height[k])
            fill[p] += 1
    return order, start, highest
