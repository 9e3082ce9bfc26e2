"""What the learned detector is shown of a sweep."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import MalformedMessage, PointCloud
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned_points import NO_INTENSITY, intensity_ranks, prepare

CONFIG = GeometricConfig(range_m=40.0)
ORIGIN = np.array([[0.0, 0.0, 1.8]])


def road(rng: np.random.Generator, z_m: float = 0.0, count: int = 6000) -> np.ndarray:
    xy = rng.uniform(-35, 35, (count, 2))
    return np.concatenate([xy, np.full((count, 1), z_m)], axis=1).astype(np.float32)


@pytest.mark.parametrize("z_m", [-0.4, 0.0, 0.3])
def test_heights_are_over_the_road_wherever_it_lies(rng: np.random.Generator, z_m: float) -> None:
    post = np.array([[12.0, 3.0, z_m + h] for h in (0.5, 1.0, 1.5)], np.float32)
    cloud = PointCloud(0, "base_link", np.concatenate([road(rng, z_m), post]))
    points, ground, kept = prepare(cloud, ORIGIN, CONFIG)
    np.testing.assert_allclose(points.xyh_m[-3:, 2], [0.5, 1.0, 1.5], atol=0.03)
    assert abs(float(ground.height_at(np.zeros((1, 2)))[0]) - z_m) < 0.03
    np.testing.assert_array_equal(cloud.xyz_m[kept][:, :2], points.xyh_m[:, :2])


def test_own_vehicle_far_and_high_points_are_left_out(rng: np.random.Generator) -> None:
    odd = np.array([[0.5, 0.2, 1.0], [60.0, 0.0, 1.0], [10.0, 0.0, 9.0], [10.0, 2.0, 1.0]], np.float32)
    cloud = PointCloud(0, "base_link", np.concatenate([road(rng), odd]))
    points, _, kept = prepare(cloud, ORIGIN, CONFIG)
    assert set(kept.tolist()) & set(range(6000, 6004)) == {6003}
    assert len(points) == len(kept)


def test_ranks_do_not_depend_on_the_unit(rng: np.random.Generator) -> None:
    values = rng.uniform(0, 1, 4000).astype(np.float32)
    source = np.zeros(4000, np.uint8)
    one, other = intensity_ranks(values, source, 1), intensity_ranks(values * 255 + 7, source, 1)
    np.testing.assert_allclose(one, other, atol=2e-3)
    np.testing.assert_allclose(one, values, atol=0.03)


def test_ranks_are_of_each_sensor(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.uniform(0, 1, 500), rng.uniform(100, 200, 500)]).astype(np.float32)
    source = np.repeat([0, 1], 500).astype(np.uint8)
    ranks = intensity_ranks(values, source, 2)
    assert abs(ranks[:500].mean() - 0.5) < 0.02
    assert abs(ranks[500:].mean() - 0.5) < 0.02


@pytest.mark.parametrize("values", [None, np.full(5, 3.0, np.float32), np.full(5, np.nan, np.float32)])
def test_without_differences_all_ranks_are_the_middle(values: np.ndarray | None) -> None:
    ranks = intensity_ranks(values, np.zeros(5, np.uint8), 1)
    np.testing.assert_array_equal(ranks, NO_INTENSITY)


def test_an_intensity_that_is_not_finite_is_the_middle() -> None:
    ranks = intensity_ranks(np.array([1, np.nan, 3, np.inf], np.float32), np.zeros(4, np.uint8), 1)
    np.testing.assert_allclose(ranks, [0.25, 0.5, 0.75, 0.5])


@pytest.mark.parametrize("origins", [np.zeros((0, 3)), ORIGIN])
def test_a_sensor_without_an_origin(origins: np.ndarray) -> None:
    cloud = PointCloud(0, "base_link", np.ones((2, 3), np.float32), source=np.array([0, 1], np.uint8))
    with pytest.raises(MalformedMessage, match="wanted 2 rows"):
        prepare(cloud, origins, CONFIG)


def test_no_points() -> None:
    points, _, kept = prepare(PointCloud(0, "base_link", np.zeros((0, 3), np.float32)), ORIGIN, CONFIG)
    assert len(points) == len(kept) == 0
