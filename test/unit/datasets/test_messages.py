"""Messages made without ROS: each value is where its definition says, also after a trip through bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes.datasets.messages import (
    DETECTIONS_2D,
    IMAGE,
    IMU,
    MAP_ELEMENTS,
    ODOMETRY,
    POINT_CLOUD,
    image,
    imu,
    odometry,
    point_columns,
    true_boxes_2d,
    true_map,
)
from perception_nodes.datasets.typestore import decode, encode
from perception_nodes.datatypes import (
    NUM_LABELS,
    ConfigurationError,
    Detections2D,
    ElementType,
    MapElement,
    MapElements,
    one_hot_type,
)
from perception_nodes.geometry import Transform

STAMP_NS = 1_700_000_000_123_456_789


def sent(message: Any, typename: str) -> Any:
    out = decode(encode(message, typename), typename)
    if hasattr(out, "header"):
        assert (out.header.stamp.sec, out.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    return out


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("bgr8", np.arange(24, dtype=np.uint8).reshape(2, 4, 3)),
        ("mono8", np.arange(8, dtype=np.uint8).reshape(2, 4)),
        ("mono16", 300 * np.arange(8, dtype=np.uint16).reshape(2, 4)),
        ("32FC1", np.array([[1.5, np.inf], [0.25, 80.0]], np.float32)),
    ],
)
def test_pixels_of_an_image_come_back(encoding: str, pixels: np.ndarray[Any, Any]) -> None:
    got = sent(image(STAMP_NS, "front_optical", pixels, encoding), IMAGE)
    assert (got.height, got.width, got.encoding) == (*pixels.shape[:2], encoding)
    rows = np.asarray(got.data).reshape(got.height, got.step)
    np.testing.assert_array_equal(rows.view(pixels.dtype).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(("encoding", "shape"), [("rgb9", (2, 2, 3)), ("bgr8", (2, 2)), ("mono8", (2, 2, 3))])
def test_impossible_images_are_refused(encoding: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match=f"image '{encoding}' of shape"):
        image(STAMP_NS, "x", np.zeros(shape, np.uint8), encoding)


def test_columns_keep_their_types() -> None:
    columns = {
        "instance": np.array([70_000, 2], np.uint32),
        "label": np.array([3, 255], np.uint8),
        "x": np.array([1.5, -2.0], np.float32),
    }
    got = sent(point_columns(STAMP_NS, "top", columns), POINT_CLOUD)
    assert [(f.name, f.offset, f.datatype) for f in got.fields] == [
        ("instance", 0, 6), ("label", 4, 2), ("x", 5, 7),
    ]  # fmt: skip
    rows = np.asarray(got.data).view([(n, c.dtype) for n, c in columns.items()])
    for name, column in columns.items():
        np.testing.assert_array_equal(rows[name], column)


def test_columns_without_points() -> None:
    got = sent(point_columns(STAMP_NS, "top", {"label": np.zeros(0, np.uint8)}), POINT_CLOUD)
    assert (got.width, len(got.data), got.point_step) == (0, 0, 1)


def test_an_imu_says_that_it_has_no_orientation() -> None:
    rates, forces = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 9.8])
    got = sent(imu(STAMP_NS, "base_link", rates, forces, (np.eye(3) * 0.01, np.eye(3) * 0.02)), IMU)
    assert got.orientation_covariance[0] == -1.0
    assert (got.angular_velocity.y, got.linear_acceleration.z) == (0.2, 9.8)
    assert (got.angular_velocity_covariance[4], got.linear_acceleration_covariance[8]) == (0.01, 0.02)


def test_odometry_has_pose_twist_and_frames() -> None:
    pose = Transform.from_xyz_rpy((1.0, 2.0, 3.0), (0.0, 0.0, np.pi / 2))
    twist = (np.array([5.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.4]))
    covariance = (np.diag(np.arange(6.0)), np.eye(6))
    got = sent(odometry(STAMP_NS, ("odom", "base_link"), pose, twist, covariance), ODOMETRY)
    assert (got.header.frame_id, got.child_frame_id) == ("odom", "base_link")
    assert (got.pose.pose.position.y, got.twist.twist.linear.x, got.twist.twist.angular.z) == (2.0, 5.0, 0.4)
    assert got.pose.pose.orientation.z == pytest.approx(np.sqrt(0.5))
    assert got.pose.covariance[5 * 7] == 5.0


def test_true_boxes_in_an_image() -> None:
    probabilities = np.zeros((1, NUM_LABELS))
    probabilities[0, 7] = 1.0
    one = Detections2D(
        STAMP_NS, "front_optical", "front", 416, 224, np.array([[1.0, 2.0, 30.0, 40.0]]), np.array([7], np.uint8),
        probabilities, np.array([0.4]), np.array([12.5]), np.array([0.0]), np.array([9], np.uint64),
    )  # fmt: skip
    got = sent(true_boxes_2d(one), DETECTIONS_2D)
    (box,) = got.detections
    assert (got.source, got.width, got.height, got.info.model_id) == ("front", 416, 224, "truth")
    assert (box.detection_id, box.label, box.x_max, box.depth) == (9, "pedestrian", 30.0, 12.5)
    assert box.score == pytest.approx(0.4)


def test_the_true_map_keeps_its_graph() -> None:
    points = np.array([[0.0, 1.0, 0.1], [5.0, 1.0, 0.2]])
    ones = np.ones(2)
    lane = MapElement(
        4, ElementType.CENTERLINE, points, 0 * ones, ones, one_hot_type(ElementType.CENTERLINE), 1.0,
        subtype="driving", predecessors=(1,), successors=(7, 8), left=5,
    )  # fmt: skip
    got = sent(true_map(MapElements(STAMP_NS, "odom", (lane,))), MAP_ELEMENTS)
    (element,) = got.elements
    assert (element.id, element.type, element.subtype, element.left) == (4, 3, "driving", 5)
    assert element.successors.tolist() == [7, 8] and element.predecessors.tolist() == [1]
    np.testing.assert_allclose(element.points, points.ravel(), atol=1e-6)
