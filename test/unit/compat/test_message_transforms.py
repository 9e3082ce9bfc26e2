"""Messages into another frame, against scipy."""

import array
import sys
from typing import Any

import numpy as np
import pytest
import tf2_geometry_msgs
import tf2_sensor_msgs
from geometry_msgs.msg import (
    Point32,
    PointStamped,
    PolygonStamped,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    Vector3Stamped,
)
from rclpy.time import Time
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

ROTATION = Rotation.from_euler("zyx", [0.4, -0.7, 1.1])
SHIFT = np.array([10.0, -20.0, 5.0])
POINT = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def transform(make_transform: Any) -> Any:
    """map_from_lidar at 1 s."""
    return make_transform("map", "lidar", 1.0, SHIFT, ROTATION.as_quat())


def xyz(value: Any) -> tuple[float, float, float]:
    return value.x, value.y, value.z


def set_xyz(value: Any, numbers: Any) -> None:
    value.x, value.y, value.z = map(float, numbers)


def test_a_point_is_turned_and_shifted(transform: Any) -> None:
    point = PointStamped()
    set_xyz(point.point, POINT)
    moved = tf2_geometry_msgs.do_transform_point(point, transform)
    np.testing.assert_allclose(xyz(moved.point), ROTATION.apply(POINT) + SHIFT)
    assert moved.header == transform.header
    assert xyz(point.point) == tuple(POINT)


def test_a_vector_is_only_turned(transform: Any) -> None:
    vector = Vector3Stamped()
    set_xyz(vector.vector, POINT)
    moved = tf2_geometry_msgs.do_transform_vector3(vector, transform)
    np.testing.assert_allclose(xyz(moved.vector), ROTATION.apply(POINT))


def test_a_pose_is_turned_with_its_orientation(transform: Any) -> None:
    own = Rotation.from_euler("zyx", [2.5, 0.3, -0.2])
    pose = Pose()
    set_xyz(pose.position, POINT)
    o = pose.orientation
    o.x, o.y, o.z, o.w = map(float, own.as_quat())
    moved = tf2_geometry_msgs.do_transform_pose_stamped(PoseStamped(pose=pose), transform)
    np.testing.assert_allclose(xyz(moved.pose.position), ROTATION.apply(POINT) + SHIFT)
    found = moved.pose.orientation
    assert found.w >= 0.0
    difference = Rotation.from_quat([found.x, found.y, found.z, found.w]) * (ROTATION * own).inv()
    assert difference.magnitude() < 1e-12


def test_a_covariance_is_turned_on_both_sides(transform: Any) -> None:
    root = np.random.default_rng(1).normal(size=(6, 6))
    covariance = root @ root.T
    pose = PoseWithCovarianceStamped()
    pose.pose.covariance = covariance.reshape(36)
    moved = tf2_geometry_msgs.do_transform_pose_with_covariance_stamped(pose, transform)
    both = np.kron(np.eye(2), ROTATION.as_matrix())
    np.testing.assert_allclose(
        np.reshape(moved.pose.covariance, (6, 6)), both @ covariance @ both.T, atol=1e-12
    )


def test_a_polygon_is_moved_point_by_point(transform: Any) -> None:
    polygon = PolygonStamped()
    polygon.polygon.points = [Point32(x=1.0, y=2.0, z=3.0), Point32(x=0.0, y=0.0, z=0.0)]
    moved = tf2_geometry_msgs.do_transform_polygon_stamped(polygon, transform).polygon.points
    np.testing.assert_allclose(
        [xyz(point) for point in moved], [ROTATION.apply(POINT) + SHIFT, SHIFT], rtol=1e-6
    )


def padded_cloud(byte_order: str, rows: int = 2, columns: int = 3) -> tuple[PointCloud2, Any]:
    """A cloud with an extra field, padded points and padded rows; and its points."""
    dtype = np.dtype(
        {
            "names": ["ring", "y", "x", "z"],
            "formats": [f"{byte_order}u2", f"{byte_order}f4", f"{byte_order}f8", f"{byte_order}f4"],
            "offsets": [0, 4, 8, 16],
            "itemsize": 24,
        }
    )
    row_step = columns * 24 + 8
    data = array.array("B", bytes(range(256)) * 2)[: rows * row_step]
    points = np.ndarray((rows, columns), dtype, buffer=data, strides=(row_step, 24))
    rng = np.random.default_rng(2)
    for name in ("x", "y", "z"):
        points[name] = rng.normal(size=(rows, columns))
    kinds = {"ring": PointField.UINT16, "x": PointField.FLOAT64}
    fields = [
        PointField(
            name=name, offset=dtype.fields[name][1], datatype=kinds.get(name, PointField.FLOAT32), count=1
        )
        for name in dtype.names
    ]
    cloud = PointCloud2(height=rows, width=columns, fields=fields, point_step=24, row_step=row_step)
    cloud.is_bigendian = byte_order == ">"
    cloud.data = data
    return cloud, points


@pytest.mark.usefixtures("drop_ins_only")
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_cloud_of_any_layout_is_moved_in_place_of_its_coordinates(transform: Any, byte_order: str) -> None:
    cloud, points = padded_cloud(byte_order)
    before = bytes(cloud.data)
    moved = tf2_sensor_msgs.do_transform_cloud(cloud, transform)
    expected = ROTATION.apply(np.stack([points["x"], points["y"], points["z"]], -1).reshape(-1, 3)) + SHIFT
    found = point_cloud2.read_points(moved)
    np.testing.assert_allclose(np.stack([found["x"], found["y"], found["z"]], -1), expected, rtol=1e-6)
    np.testing.assert_array_equal(found["ring"], points["ring"].reshape(-1))
    assert bytes(cloud.data) == before
    assert bytes(moved.data)[20:24] == before[20:24]
    assert (moved.header, moved.row_step) == (transform.header, cloud.row_step)


def test_a_bare_transform_keeps_the_header_of_the_cloud(transform: Any) -> None:
    np.testing.assert_allclose(
        tf2_sensor_msgs.transform_points(POINT[None], transform.transform), [ROTATION.apply(POINT) + SHIFT]
    )


@pytest.mark.usefixtures("drop_ins_only")
def test_a_cloud_without_z_is_refused(transform: Any) -> None:
    cloud = point_cloud2.create_cloud_xyz32(Header(), [POINT])
    cloud.fields = cloud.fields[:2]
    with pytest.raises(ValueError, match="no field z; it has"):
        tf2_sensor_msgs.do_transform_cloud(cloud, transform)
    moved = tf2_sensor_msgs.do_transform_cloud(
        point_cloud2.create_cloud_xyz32(Header(frame_id="kept"), [POINT]), transform.transform
    )
    assert moved.header.frame_id == "kept"


def test_a_buffer_transforms_clouds_and_points(transform: Any) -> None:
    import tf2_ros

    buffer = tf2_ros.Buffer()
    buffer.set_transform(transform, "test")
    header = Header(frame_id="lidar", stamp=Time(seconds=1).to_msg())
    cloud = buffer.transform(point_cloud2.create_cloud_xyz32(header, [POINT]), "map")
    expected = ROTATION.apply(POINT) + SHIFT
    np.testing.assert_allclose(point_cloud2.read_points_numpy(cloud), [expected], rtol=1e-6)
    assert cloud.header.frame_id == "map"
    point = PointStamped(header=header)
    set_xyz(point.point, POINT)
    np.testing.assert_allclose(xyz(buffer.transform(point, "map").point), expected)


def test_the_host_order_is_known() -> None:
    assert point_cloud2.create_cloud_xyz32(Header(), [POINT]).is_bigendian == (sys.byteorder == "big")
