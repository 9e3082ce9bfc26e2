"""A drawn road: dark, with painted lines and a kerb, seen from a vehicle that drives along it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_nodes.datatypes import PointCloud
from perception_nodes.geometry import Transform

KERB_Y_M, SOLID_Y_M, DASHED_Y_M = 6.0, 3.0, -0.5
STEP_NS = 100_000_000
Drive = Callable[..., list[tuple[PointCloud, Transform]]]


def road(
    rng: np.random.Generator, x_m: float, kerb_m: float, points: int = 40000
) -> tuple[np.ndarray, np.ndarray]:
    """Points on the road around x and their intensity: 10 asphalt, 30 pavement, 80 paint."""
    xyz = np.column_stack(
        [rng.uniform(x_m - 25, x_m + 25, points), rng.uniform(-10, 10, points), np.zeros(points)]
    )
    pavement = xyz[:, 1] > KERB_Y_M
    xyz[pavement, 2] = kerb_m
    dash = (np.abs(xyz[:, 1] - DASHED_Y_M) < 0.08) & (xyz[:, 0] % 9.0 < 3.0)
    paint = (np.abs(xyz[:, 1] - SOLID_Y_M) < 0.08) | dash
    value = np.where(paint, 80.0, np.where(pavement, 30.0, 10.0)) + rng.normal(0, 2, points)
    xyz[:, 2] += rng.normal(0, 0.01, points)
    return xyz, value


@pytest.fixture
def drive() -> Drive:
    def make(
        sweeps: int = 16,
        speed_m: float = 0.5,
        yaw_rad: float = 0.0,
        kerb_m: float = 0.15,
        intensity: bool = True,
        second_scale: float = 1.0,
    ) -> list[tuple[PointCloud, Transform]]:
        """Sweeps in base_link with their poses; the road is turned by yaw in odom, z of odom is 50 m."""
        rng = np.random.default_rng(3)
        odom_from_road = Transform.from_xyz_rpy((1000.0, -300.0, 50.0), (0.0, 0.0, yaw_rad))
        out = []
        for k in range(sweeps):
            xyz, value = road(rng, k * speed_m, kerb_m)
            road_from_base = Transform.from_xyz_rpy((k * speed_m, 0.0, 0.3), (0.02, -0.01, 0.03))
            source = rng.integers(0, 2, len(xyz)).astype(np.uint8)
            value = np.where(source == 1, value * second_scale, value)
            cloud = PointCloud(
                (k + 1) * STEP_NS,
                "base_link",
                road_from_base.inverse().apply(xyz).astype(np.float32),
                intensity=value.astype(np.float32) if intensity else None,
                source=source,
            )
            out.append((cloud, odom_from_road @ road_from_base))
        return out

    return make


@pytest.fixture
def road_from_odom() -> Callable[[np.ndarray, float], np.ndarray]:
    def to_road(points_m: np.ndarray, yaw_rad: float = 0.0) -> np.ndarray:
        pose = Transform.from_xyz_rpy((1000.0, -300.0, 50.0), (0.0, 0.0, yaw_rad))
        return np.asarray(pose.inverse().apply(points_m))

    return to_road
