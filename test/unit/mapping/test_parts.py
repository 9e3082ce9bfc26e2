"""The parts of the map builder, each against an independent formula or a hand-worked case."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.mapping import MapConfig
from perception_nodes.mapping.grid import GroundGrid
from perception_nodes.mapping.ground import coarse_ground
from perception_nodes.mapping.intensity import IntensityScale
from perception_nodes.mapping.trace import _directions, _groups, chain, trace


def test_ground_passes_under_a_roof_and_a_reflection(rng: np.random.Generator) -> None:
    xyz = np.column_stack([rng.uniform(-20, 20, (30000, 2)), np.zeros(30000)]).astype(np.float32)
    xyz[:, 2] = 0.02 * xyz[:, 0]
    car = (np.abs(xyz[:, 0] - 8.5) < 2.5) & (np.abs(xyz[:, 1] - 3) < 1.5)
    xyz[car, 2] += 1.4
    xyz[0] = (-10.5, -10.5, -5.0)
    ground = coarse_ground(xyz, 20.0, 0.25, 0.0)
    x = np.arange(40) + 0.5 - 20
    assert np.abs(ground - 0.02 * x[:, None]).max() < 0.15


def test_grid_remembers_places_of_the_world_as_it_moves() -> None:
    grid = GroundGrid(MapConfig(half_extent_m=10.0))
    place = np.array([3.05, -2.11, 7.0])
    for vehicle in ([0.0, 0.0, 0.0], [4.3, -5.7, 0.0], [-6.1, 0.3, 0.0]):
        at = np.array(vehicle)
        grid.move_to(at[0], at[1])
        grid.add((place - at)[None].astype(np.float32), np.zeros(1, np.float32), None, at)
    view = grid.view()
    cells = np.argwhere(view.weight > 0)
    assert len(cells) == 1 and view.weight.max() == 3.0
    assert np.abs(view.corner_m + (cells[0] + 0.5) * 0.2 - place[:2]).max() <= 0.1 + 1e-6
    assert view.height_m[tuple(cells[0])] == pytest.approx(7.0)


def test_cells_that_leave_the_window_are_forgotten() -> None:
    grid = GroundGrid(MapConfig(half_extent_m=10.0))
    grid.move_to(0.0, 0.0)
    grid.add(np.array([[5.0, 5.0, 0.0]], np.float32), np.zeros(1, np.float32), None, np.zeros(3))
    grid.move_to(16.0, 0.0)
    grid.move_to(0.0, 0.0)
    assert grid.view().weight.max() == 0.0


def test_contrast_does_not_depend_on_the_unit(rng: np.random.Generator) -> None:
    value = rng.gamma(4.0, 3.0, 5000).astype(np.float32)
    range_m, source = rng.uniform(0, 40, 5000).astype(np.float32), np.zeros(5000, np.uint8)
    a = IntensityScale().relative(value, source, range_m)
    b = IntensityScale().relative(value / np.float32(256), source, range_m)
    assert a == pytest.approx(b, abs=1e-3)
    assert abs(float(np.median(a))) < 0.15
    assert np.percentile(a, 84) == pytest.approx(1.0, abs=0.2)


def test_directions_equal_the_eigenvectors(rng: np.random.Generator) -> None:
    xy, weight = rng.uniform(0, 4, (200, 2)), rng.uniform(0.5, 2, 200)
    got, coherent = _directions(xy, weight)
    for k in range(0, 200, 17):
        near = np.linalg.norm(xy - xy[k], axis=1) <= 1.0
        values, vectors = np.linalg.eigh(np.cov(xy[near].T, aweights=weight[near], ddof=0))
        assert abs(got[k] @ vectors[:, 1]) == pytest.approx(1.0, abs=1e-6)
        assert coherent[k] == pytest.approx((values[1] - values[0]) / values.sum(), abs=1e-6)


def test_groups_do_not_join_across_a_corner_or_a_gap() -> None:
    along = np.arange(0, 5, 0.2)
    a, b = np.column_stack([along, 0 * along]), np.column_stack([along + 6.0, 0 * along])
    c = np.column_stack([np.full(len(along), 2.5), along + 0.3])
    xy = np.concatenate([a, b, c])
    direction = np.concatenate(
        [np.tile([1.0, 0.0], (2 * len(along), 1)), np.tile([0.0, 1.0], (len(along), 1))]
    )
    groups = _groups(xy, direction)
    assert [len(np.unique(groups[k * 25 : (k + 1) * 25])) for k in range(3)] == [1, 1, 1]
    assert len(np.unique(groups)) == 3


def dashes(turn_per_dash: float) -> np.ndarray:
    """Cells of dashes of 3 m every 9 m on a line whose direction turns by so much a dash."""
    parts, at, yaw = [], np.zeros(2), 0.0
    for _ in range(4):
        way = np.array([np.cos(yaw), np.sin(yaw)])
        parts.append(at + np.arange(0, 3, 0.2)[:, None] * way)
        yaw += turn_per_dash
        at = at + 9.0 * way
    return np.concatenate(parts)


@pytest.mark.parametrize(("turn", "lines"), [(0.0, 1), (0.03, 1), (0.6, 4)])
def test_dashes_in_line_become_one_line(turn: float, lines: int) -> None:
    xy = dashes(turn)
    pieces = trace(xy, np.ones(len(xy)), 1.0, 1.5, 0.2)
    assert len(pieces) == 4
    chained = chain(pieces, 10.0)
    assert len(chained) == lines
    assert sum(c.covered_m for c in chained) == pytest.approx(12.0, abs=1.0)


def test_a_wide_patch_is_no_line() -> None:
    x, y = np.meshgrid(np.arange(0, 4, 0.2), np.arange(0, 4, 0.2))
    assert trace(np.column_stack([x.ravel(), y.ravel()]), np.ones(x.size), 1.0, 1.5, 0.2) == []


@pytest.mark.parametrize("wrong", [{"cell_m": 0.0}, {"kerb_min_m": 0.4}, {"obstacle_low_m": 2.5}])
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MapConfig(**wrong)
