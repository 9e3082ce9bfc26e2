"""Columns, the tree of segments, the choice among its nodes, and boxes that share their space."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from perception_nodes.detection.clustering import SegmentTree, build_tree
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.select import choose, suppress

CONFIG = GeometricConfig(range_m=20.0)


def tree_of(xyz: np.ndarray) -> SegmentTree:
    points = np.ascontiguousarray(xyz, np.float32)
    return build_tree(points, points[:, 2], CONFIG)


def members(tree: SegmentTree, node: int) -> frozenset[int]:
    first, last = tree.node[node]
    return frozenset(tree.order[tree.cell_start[first] : tree.cell_start[last]].tolist())


def test_first_level_agrees_with_an_image_labelling(rng: np.random.Generator) -> None:
    xyz = np.column_stack([rng.uniform(-9, 9, (400, 2)), np.full(400, 1.0)])
    picture = np.zeros((200, 200), np.int64)
    i, j = ((xyz[:, :2].astype(np.float32) + np.float32(20)) / np.float32(0.2)).astype(int).T
    picture[i, j] = 1
    label, count = ndimage.label(picture, structure=np.ones((3, 3)))
    wanted = {frozenset(np.flatnonzero(label[i, j] == k).tolist()) for k in range(1, count + 1)}
    tree = tree_of(xyz)
    assert wanted <= {members(tree, k) for k in range(len(tree))}


def test_nodes_nest_and_their_parents_come_later(rng: np.random.Generator) -> None:
    tree = tree_of(np.column_stack([rng.uniform(-9, 9, (600, 2)), rng.uniform(0.4, 4, 600)]))
    for k, parent in enumerate(tree.parent):
        if parent >= 0:
            assert parent > k
            assert members(tree, k) < members(tree, parent)
    roots = [members(tree, k) for k in np.flatnonzero(tree.parent < 0)]
    assert sum(map(len, roots)) == len(frozenset.union(*roots)) == len(tree.order)


def test_tall_and_low_columns_join_last() -> None:
    low = np.column_stack([np.linspace(4, 7.99, 80), np.full(80, 2.0), np.full(80, 1.0)])
    wall = np.column_stack(
        [np.linspace(4, 7.99, 400), np.full(400, 2.3), np.tile(np.linspace(0.5, 4, 20), 20)]
    )
    tree = tree_of(np.concatenate([low, wall]))
    everything = {members(tree, k) for k in range(len(tree))}
    assert frozenset(range(80)) in everything
    assert frozenset(range(480)) in everything


def test_a_canopy_over_a_car_is_cut_off() -> None:
    grid = np.stack(np.meshgrid(np.arange(5, 9, 0.1), np.arange(1, 3, 0.1)), -1).reshape(-1, 2)
    car = np.column_stack([grid, np.full(len(grid), 1.2)])
    canopy = car + np.array([0, 0, 2.2])
    tree = tree_of(np.concatenate([car, canopy]))
    assert set(tree.order.tolist()) == set(range(len(car)))


def test_the_choice_is_the_best_of_all(rng: np.random.Generator) -> None:
    for _ in range(30):
        tree = tree_of(np.column_stack([rng.uniform(0, 4, (9, 2)), np.full(9, 1.0)]))
        value = rng.uniform(0, 1, len(tree))
        weight = value * (tree.node[:, 1] - tree.node[:, 0])
        picked = choose(tree, value)
        covers = [set(range(*tree.node[k])) for k in range(len(tree))]
        cells = len(tree.cell_start) - 1
        best = 0.0
        for size in range(1, cells + 1):
            for some in itertools.combinations(range(len(tree)), size):
                if sum(len(covers[k]) for k in some) == cells == len(set().union(*(covers[k] for k in some))):
                    best = max(best, weight[list(some)].sum())
        assert sorted(cell for k in picked for cell in covers[k]) == list(range(cells))
        assert np.isclose(weight[picked].sum(), best)


def test_a_weaker_box_in_the_space_of_a_vehicle_goes() -> None:
    center = np.array([[10.0, 0, 0], [10.5, 0.2, 0], [10.0, 0.5, 0], [10.0, 2.0, 0], [30.0, 0, 0]])
    lwh = np.array([[4.5, 1.9, 1.5], [4.5, 1.9, 1.5], [0.6, 0.6, 1.7], [4.5, 1.9, 1.5], [4.5, 1.9, 1.5]])
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    keep = suppress(center, lwh, np.zeros(5), score, np.array([True, True, False, True, True]))
    assert keep.tolist() == [True, False, False, True, True]
    keep = suppress(center, lwh, np.zeros(5), score, np.zeros(5, bool))
    assert keep.all()
