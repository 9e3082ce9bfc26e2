"""Boxes against shapely and hand-worked cases."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import shapely
from shapely.geometry import Polygon

from perception_nodes.datatypes import Detections3D
from perception_nodes.geometry import (
    Transform,
    corners_3d,
    corners_bev,
    iou_3d,
    iou_bev,
    points_in_boxes,
    transform_detections,
)
from perception_nodes.geometry.boxes import _intersections

F64 = npt.NDArray[np.float64]
Boxes = tuple[F64, F64, F64]


def random_boxes(seed: int, n: int, spread_m: float = 4.0) -> Boxes:
    rng = np.random.default_rng(seed)
    center = rng.uniform(-spread_m, spread_m, (n, 3))
    return center, rng.uniform(0.3, 6.0, (n, 3)), rng.uniform(-np.pi, np.pi, n)


def test_corners_by_hand() -> None:
    corners = corners_bev(np.array([[1.0, 2.0, 0.0]]), np.array([[4.0, 2.0, 1.0]]), np.array([np.pi / 2]))
    np.testing.assert_allclose(corners[0], [[0, 4], [0, 0], [2, 0], [2, 4]], atol=1e-12)


def test_corners_3d_have_the_height() -> None:
    corners = corners_3d(np.array([[0.0, 0.0, 1.0]]), np.array([[2.0, 2.0, 3.0]]), np.zeros(1))
    assert corners[0, :4, 2] == pytest.approx(-0.5)
    assert corners[0, 4:, 2] == pytest.approx(2.5)


def test_iou_bev_equals_shapely() -> None:
    a, b = random_boxes(1, 40), random_boxes(2, 50)
    ours = iou_bev(a, b)
    polygons_a = [Polygon(c) for c in corners_bev(*a)]
    polygons_b = [Polygon(c) for c in corners_bev(*b)]
    expected = [[p.intersection(q).area / p.union(q).area for q in polygons_b] for p in polygons_a]
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_iou_far_from_the_origin_keeps_its_digits() -> None:
    a = random_boxes(3, 10)
    shift = np.array([5e5, 4e6, 0.0])
    far = (a[0] + shift, a[1], a[2])
    np.testing.assert_allclose(iou_bev(far, far), iou_bev(a, a), atol=1e-6)


def by_shapely(a: Boxes, b: Boxes) -> F64:
    polygons_a, polygons_b = shapely.polygons(corners_bev(*a)), shapely.polygons(corners_bev(*b))
    shared = shapely.area(shapely.intersection(polygons_a[:, None], polygons_b[None]))
    union = shapely.area(polygons_a)[:, None] + shapely.area(polygons_b)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@pytest.mark.parametrize("turn_rad", [0.0, 1e-9, np.pi / 2, 0.3, np.pi])
def test_iou_of_degenerate_pairs_equals_shapely(turn_rad: float) -> None:
    """Identical, touching along an edge and at a corner, nested, crossing, almost identical, without area."""
    center = [
        [0, 0, 0],
        [0, 0, 0],
        [4, 0, 0],
        [4, 2, 0],
        [0, 0, 0],
        [1e-12, 0, 0],
        [2, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
    ]
    size = [[4, 2, 1], [2, 4, 1], [4, 2, 1], [4, 2, 1], [1, 1, 1], [4, 2, 1], [4, 2, 1], [0, 0, 0], [4, 0, 1]]
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    turned = np.array(center) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    boxes = (turned, np.array(size, np.float64), np.full(9, turn_rad))
    ours = iou_bev(boxes, boxes)
    np.testing.assert_allclose(ours, by_shapely(boxes, boxes), atol=1e-9)
    assert ours[0, 0] == pytest.approx(1.0) and ours[0, 4] == pytest.approx(1 / 8)
    assert ours[7].max() == 0.0 and ours[8].max() == 0.0
    np.testing.assert_allclose(iou_3d(boxes, boxes), ours, atol=1e-12)  # all stand on one level


@pytest.mark.parametrize("spread_m", [2.0, 20.0, 80.0])
def test_iou_of_many_equals_shapely(spread_m: float) -> None:
    a, b = random_boxes(11, 150, spread_m), random_boxes(12, 150, spread_m)
    np.testing.assert_allclose(iou_bev(a, b), by_shapely(a, b), atol=1e-9)
    np.testing.assert_allclose(iou_bev(a, b), iou_bev(b, a).T, atol=1e-12)


def test_iou_3d_by_hand() -> None:
    a = (np.zeros((1, 3)), np.full((1, 3), 2.0), np.zeros(1))
    b = (np.array([[1.0, 0.0, 1.0]]), np.full((1, 3), 2.0), np.zeros(1))
    assert iou_3d(a, b)[0, 0] == pytest.approx(2.0 / 14.0)


def test_points_in_boxes_equals_the_definition() -> None:
    center, lwh, yaw = random_boxes(4, 8)
    points = np.random.default_rng(5).uniform(-6, 6, (500, 3)).astype(np.float32)
    expected = []
    for c, s, y in zip(center, lwh, yaw, strict=True):
        local = Transform.from_xyz_rpy(c, [0, 0, y]).inverse().apply(points.astype(np.float64))
        expected.append(int((np.abs(local) <= s / 2).all(axis=1).sum()))
    assert points_in_boxes(points, center, lwh, yaw).tolist() == expected


def test_transform_detections_turns_everything() -> None:
    covariance = np.full((1, 9, 9), np.nan)
    covariance[0, :2, :2] = np.diag([4.0, 1.0])
    boxes = Detections3D.of(
        1,
        "base_link",
        "x",
        np.array([[1.0, 0.0, 0.0]]),
        np.ones((1, 3)),
        np.array([0.0]),
        velocity_mps=np.array([[2.0, 0.0]]),
        covariance=covariance,
    )
    moved = transform_detections(
        boxes, "odom", Transform.from_xyz_rpy([10.0, 0.0, 0.0], [0.0, 0.0, np.pi / 2])
    )
    assert moved.frame_id == "odom"
    np.testing.assert_allclose(moved.center_m, [[10.0, 1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(moved.velocity_mps, [[0.0, 2.0]], atol=1e-12)
    np.testing.assert_allclose(moved.covariance[0, :2, :2], np.diag([1.0, 4.0]), atol=1e-12)
    assert np.isnan(moved.covariance[0, 3, 3])


def test_read_only_and_strided_boxes_use_the_kernel_that_is_compiled_already():
    boxes = np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[4.0, 2, 1], [4, 2, 1]]), np.array([0.0, 0.1])
    expected = iou_bev(boxes, boxes)
    known = len(_intersections.signatures)
    frozen = tuple(np.asfortranarray(part) for part in boxes)
    for part in frozen:
        part.flags.writeable = False
    np.testing.assert_array_equal(iou_bev(frozen, frozen), expected)
    assert len(_intersections.signatures) == known
