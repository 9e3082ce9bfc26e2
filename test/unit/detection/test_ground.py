"""The ground surface: slopes, kerbs, outliers, things that stand on it."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.ground import estimate_ground, heights_over_ground

CONFIG = GeometricConfig(range_m=40.0)


def surface(rng: np.random.Generator, height: object, n: int = 40000) -> np.ndarray:
    xy = rng.uniform(-35, 35, (n, 2))
    z = height(xy[:, 0], xy[:, 1]) + rng.normal(0, 0.01, n)  # type: ignore[operator]
    return np.column_stack([xy, z]).astype(np.float32)


SURFACES = {
    "flat": lambda x, y: 0 * (x + y),
    "sunk": lambda x, y: 0 * (x + y) - 1.7,
    "rolled": lambda x, y: 0.031 * y + 0 * x - 0.3,
    "crest": lambda x, y: -0.002 * x**2 + 0 * y,
    "hill from 10 m": lambda x, y: 0.08 * np.maximum(x - 10, 0) + 0 * y,
    "kerb": lambda x, y: 0.15 * (y > 4) + 0 * x,
}


@pytest.mark.parametrize("name", SURFACES)
def test_follows_the_surface(rng: np.random.Generator, name: str) -> None:
    xyz = surface(rng, SURFACES[name])
    ground = estimate_ground(xyz, CONFIG)
    assert np.abs(heights_over_ground(xyz, ground)).max() < 0.25
    wanted = SURFACES[name](xyz[:500, 0].astype(float), xyz[:500, 1].astype(float))
    assert np.median(np.abs(ground.height_at(xyz[:500, :2].astype(float)) - wanted)) < 0.05


def test_roofs_do_not_lift_it(rng: np.random.Generator) -> None:
    xyz = surface(rng, SURFACES["rolled"])
    under = (np.abs(xyz[:, 0] - 12) < 2.5) & (np.abs(xyz[:, 1] - 3) < 1)
    xyz[under, 2] += 1.5
    height = heights_over_ground(xyz, estimate_ground(xyz, CONFIG))
    assert np.abs(height[under] - 1.5).max() < 0.3


def test_a_return_from_below_does_not_pull_it_down(rng: np.random.Generator) -> None:
    xyz = surface(rng, SURFACES["flat"])
    xyz[::500, 2] = -3.0
    height = heights_over_ground(xyz, estimate_ground(xyz, CONFIG))
    assert np.abs(np.delete(height, np.s_[::500])).max() < 0.3


def test_unseen_ground_is_marked_as_such(rng: np.random.Generator) -> None:
    xyz = surface(rng, SURFACES["flat"])
    ground = estimate_ground(xyz[xyz[:, 0] < 0], CONFIG)
    half = len(ground.height_m) // 2
    assert ground.observed[: half - 12, 12:-12].mean() > 0.7
    assert not ground.observed[half + 1 :].any()
    assert np.abs(ground.height_m).max() < 0.1


def test_no_points_are_flat_ground() -> None:
    ground = estimate_ground(np.zeros((0, 3), np.float32), CONFIG)
    assert (ground.height_m == 0).all()
    assert not ground.observed.any()
