"""Transforms against scipy's Rotation and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from perception_nodes.datatypes import MalformedMessage
from perception_nodes.geometry import (
    Transform,
    interpolate,
    rotation_from_vector,
    rotation_vector,
    wrap_angle,
)


def random_transform(seed: int) -> Transform:
    rng = np.random.default_rng(seed)
    return Transform.from_quaternion(rng.normal(size=3), rng.normal(size=4))


def test_quarter_turn_by_hand() -> None:
    base_from_sensor = Transform.from_xyz_rpy([1.0, 2.0, 3.0], [0.0, 0.0, np.pi / 2])
    np.testing.assert_allclose(
        base_from_sensor.apply(np.array([[1.0, 0.0, 0.0]])), [[1.0, 3.0, 3.0]], atol=1e-12
    )
    assert base_from_sensor.yaw_rad == pytest.approx(np.pi / 2)


def test_quaternion_and_rpy_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        q = rng.normal(size=4)
        ours = Transform.from_quaternion([0, 0, 0], q)
        np.testing.assert_allclose(ours.rotation, Rotation.from_quat(q).as_matrix(), atol=1e-12)
        back = ours.quaternion_xyzw
        np.testing.assert_allclose(np.abs(back @ (q / np.linalg.norm(q))), 1.0, atol=1e-12)
        rpy = rng.uniform(-np.pi, np.pi, 3)
        expected = Rotation.from_euler("xyz", rpy).as_matrix()
        np.testing.assert_allclose(Transform.from_xyz_rpy([0, 0, 0], rpy).rotation, expected, atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_quaternion_of_half_turns(axis: int) -> None:
    vector = np.zeros(3)
    vector[axis] = np.pi
    q = Transform(rotation_from_vector(vector), np.zeros(3)).quaternion_xyzw
    assert abs(q[axis]) == pytest.approx(1.0)


def test_chain_and_inverse() -> None:
    a, b = random_transform(2), random_transform(3)
    points = np.random.default_rng(4).normal(size=(10, 3))
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-12)
    np.testing.assert_allclose(a.inverse().apply(a.apply(points)), points, atol=1e-12)
    np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, atol=1e-12)


def test_interpolation_is_slerp() -> None:
    a, b = random_transform(5), random_transform(6)
    slerp = Slerp([0, 1], Rotation.from_matrix([a.rotation, b.rotation]))
    for t in (0.0, 0.3, 1.0):
        got = interpolate(a, b, t)
        np.testing.assert_allclose(got.rotation, slerp(t).as_matrix(), atol=1e-9)
        np.testing.assert_allclose(got.translation_m, (1 - t) * a.translation_m + t * b.translation_m)


def test_rotation_vector_agrees_with_scipy() -> None:
    rotation = random_transform(7).rotation
    np.testing.assert_allclose(
        rotation_vector(rotation), Rotation.from_matrix(rotation).as_rotvec(), atol=1e-9
    )
    np.testing.assert_allclose(rotation_vector(np.eye(3)), 0.0)


def test_apply_keeps_float32() -> None:
    assert random_transform(8).apply(np.zeros((2, 3), np.float32)).dtype == np.float32


def test_impossible_transforms_are_refused() -> None:
    with pytest.raises(MalformedMessage, match="quaternion of norm 0"):
        Transform.from_quaternion([0, 0, 0], [0, 0, 0, 0])
    with pytest.raises(MalformedMessage, match="not finite"):
        Transform(np.eye(3), np.array([0.0, np.nan, 0.0]))
    with pytest.raises(MalformedMessage, match="wanted shapes"):
        Transform(np.eye(4), np.zeros(3))


def test_wrap_angle_is_half_open() -> None:
    np.testing.assert_allclose(
        wrap_angle(np.array([np.pi, -np.pi, 3 * np.pi / 2])), [-np.pi, -np.pi, -np.pi / 2]
    )
