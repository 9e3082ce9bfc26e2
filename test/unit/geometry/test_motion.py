"""Ego-motion compensation: a wall stays straight however the sensor moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import MalformedMessage, PointCloud
from perception_nodes.geometry import Transform, deskew, merge_clouds, rotation_from_vector


def sweep_of_wall(velocity_mps: np.ndarray, omega_rps: np.ndarray) -> tuple[PointCloud, np.ndarray]:
    """Points of a wall as a sensor with constant twist sees them over 0.1 s, and where they are at the end."""
    time_s = np.linspace(-0.1, 0.0, 200).astype(np.float32)
    at_stamp = np.stack([np.full(200, 10.0), np.linspace(-20, 20, 200), np.linspace(-1, 1, 200)], axis=1)
    seen = []
    for point, t in zip(at_stamp, time_s, strict=True):
        # stamp_from_then: motion of world points in the sensor's frame from t to 0.
        rotation = rotation_from_vector(omega_rps * -t)
        stamp_from_then = Transform(rotation, velocity_mps * -t)
        seen.append(stamp_from_then.inverse().apply(point[None])[0])
    return PointCloud(10**9, "lidar", np.array(seen, np.float32), time_s=time_s), at_stamp


@pytest.mark.parametrize("omega", [np.zeros(3), np.array([0.0, 0.0, 0.8]), np.array([0.1, -0.2, 0.5])])
def test_wall_is_where_it_is_at_the_stamp(omega: np.ndarray) -> None:
    velocity = np.array([-15.0, 0.5, 0.0])
    cloud, expected = sweep_of_wall(velocity, omega)
    end_from_start = Transform(rotation_from_vector(omega * 0.1), velocity * 0.1)
    got = deskew(cloud, end_from_start, -0.1, 0.0)
    assert np.abs(cloud.xyz_m - expected).max() > 0.5
    np.testing.assert_allclose(got.xyz_m, expected, atol=1e-4)
    assert got.time_s is not None and not got.time_s.any()


def test_deskew_needs_times_and_an_interval() -> None:
    cloud = PointCloud(1, "lidar", np.zeros((2, 3), np.float32))
    with pytest.raises(MalformedMessage, match="no per-point times"):
        deskew(cloud, Transform.identity(), -0.1, 0.0)
    timed = replace(cloud, time_s=np.zeros(2, np.float32))
    with pytest.raises(MalformedMessage, match="wanted end_s > start_s"):
        deskew(timed, Transform.identity(), 0.0, 0.0)


def test_merge_marks_the_source_and_keeps_common_columns() -> None:
    a = PointCloud(1, "a", np.zeros((2, 3), np.float32), intensity=np.ones(2, np.float32))
    b = PointCloud(1, "b", np.ones((3, 3), np.float32), invalid_points=4)
    pose = Transform.from_xyz_rpy([1.0, 0.0, 2.0], [0.0, 0.0, 0.0])
    merged, origins = merge_clouds([(a, Transform.identity()), (b, pose)], 1, "base_link")
    assert merged.source is not None and merged.source.tolist() == [0, 0, 1, 1, 1]
    assert merged.intensity is None
    assert merged.invalid_points == 4
    np.testing.assert_allclose(merged.xyz_m[2], [2.0, 1.0, 3.0])
    np.testing.assert_allclose(origins, [[0, 0, 0], [1, 0, 2]])
    with pytest.raises(MalformedMessage, match="at least one cloud"):
        merge_clouds([], 1, "base_link")
