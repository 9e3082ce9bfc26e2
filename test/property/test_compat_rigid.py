"""The arithmetic of single transforms that the tf2 drop-in rests on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from perception_nodes import compat

compat.install()
rigid = pytest.importorskip("perception_compat.rigid")

coordinate = st.floats(-1e4, 1e4)
vectors = st.tuples(coordinate, coordinate, coordinate)
quaternions = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1).map(rigid.normalized)
)
rigids = st.tuples(vectors, quaternions)
ratios = st.floats(0.0, 1.0)


def matrix(transform: tuple[tuple[float, ...], tuple[float, ...]]) -> NDArray[np.float64]:
    result = np.eye(4)
    result[:3, :3] = Rotation.from_quat(transform[1]).as_matrix()
    result[:3, 3] = transform[0]
    return result


def angle_between(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return float((Rotation.from_quat(a).inv() * Rotation.from_quat(b)).magnitude())


@given(rigids, rigids)
def test_composition_is_the_product_of_matrices(a: object, b: object) -> None:
    np.testing.assert_allclose(matrix(rigid.compose(a, b)), matrix(a) @ matrix(b), atol=1e-8)


@given(rigids)
def test_the_inverse_undoes(a: object) -> None:
    for product in (rigid.compose(a, rigid.inverse(a)), rigid.compose(rigid.inverse(a), a)):
        np.testing.assert_allclose(matrix(product), np.eye(4), atol=1e-8)


@given(rigids, rigids, rigids)
def test_composition_is_associative(a: object, b: object, c: object) -> None:
    left = rigid.compose(rigid.compose(a, b), c)
    right = rigid.compose(a, rigid.compose(b, c))
    np.testing.assert_allclose(matrix(left), matrix(right), atol=1e-8)


@given(quaternions, quaternions, ratios)
def test_slerp_agrees_with_scipy_whatever_the_signs(
    a: tuple[float, ...], b: tuple[float, ...], ratio: float
) -> None:
    if angle_between(a, b) > np.pi - 1e-4:
        return  # opposite: either way round is the short one
    expected = tuple(Slerp([0.0, 1.0], Rotation.from_quat([a, b]))(ratio).as_quat())
    for other in (b, tuple(-value for value in b)):
        found = rigid.slerp(a, other, ratio)
        assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-12)
        assert angle_between(found, expected) < 1e-7


@given(quaternions, st.floats(1e-12, 1e-3), ratios)
def test_slerp_keeps_its_digits_between_near_rotations(
    a: tuple[float, ...], angle: float, ratio: float
) -> None:
    step = (0.0, 0.0, float(np.sin(angle / 2)), float(np.cos(angle / 2)))
    part = (0.0, 0.0, float(np.sin(ratio * angle / 2)), float(np.cos(ratio * angle / 2)))
    found = rigid.slerp(a, rigid.multiply(a, step), ratio)
    np.testing.assert_allclose(found, rigid.multiply(a, part), atol=1e-12)


@given(quaternions, vectors)
def test_rotation_matrix_and_rotate_agree_with_scipy(q: tuple[float, ...], v: tuple[float, ...]) -> None:
    expected = Rotation.from_quat(q)
    np.testing.assert_allclose(rigid.rotation_matrix(q), expected.as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rigid.rotate(q, v), expected.apply(v), atol=1e-8)


def test_zeros_are_not_a_rotation() -> None:
    with pytest.raises(ValueError, match="not a rotation"):
        rigid.normalized((0.0, 0.0, 0.0, 0.0))
