"""Geometry messages into another frame. Inputs are not changed; results carry the transform's header."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import (
    Point32,
    PointStamped,
    PolygonStamped,
    Pose,
    PoseStamped,
    PoseWithCovarianceStamped,
    TransformStamped,
    Vector3Stamped,
)
from numpy.typing import NDArray
from perception_compat.rigid import (
    Quaternion,
    Rigid,
    Vector,
    apply,
    multiply,
    normalized,
    rotate,
    rotation_matrix,
)
from tf2_ros import ConvertRegistration, TransformRegistration


def do_transform_point(point: PointStamped, transform: TransformStamped) -> PointStamped:
    """The point in the target frame."""
    result = PointStamped(header=transform.header)
    _set_xyz(result.point, apply(_rigid(transform), _xyz(point.point)))
    return result


def do_transform_vector3(vector3: Vector3Stamped, transform: TransformStamped) -> Vector3Stamped:
    """The free vector in the target frame: rotated only."""
    result = Vector3Stamped(header=transform.header)
    _set_xyz(result.vector, rotate(_rigid(transform)[1], _xyz(vector3.vector)))
    return result


def do_transform_pose(pose: Pose, transform: TransformStamped) -> Pose:
    """The pose in the target frame; of the two quaternions of its orientation, the one with w >= 0."""
    target_from_source = _rigid(transform)
    result = Pose()
    _set_xyz(result.position, apply(target_from_source, _xyz(pose.position)))
    x, y, z, w = multiply(target_from_source[1], _xyzw(pose.orientation))
    sign = -1.0 if w < 0.0 else 1.0
    orientation = result.orientation
    orientation.x, orientation.y, orientation.z, orientation.w = sign * x, sign * y, sign * z, sign * w
    return result


def do_transform_pose_stamped(pose: PoseStamped, transform: TransformStamped) -> PoseStamped:
    """The pose in the target frame."""
    return PoseStamped(header=transform.header, pose=do_transform_pose(pose.pose, transform))


def do_transform_pose_with_covariance_stamped(
    pose: PoseWithCovarianceStamped, transform: TransformStamped
) -> PoseWithCovarianceStamped:
    """The pose and its covariance in the target frame."""
    result = PoseWithCovarianceStamped(header=transform.header)
    result.pose.pose = do_transform_pose(pose.pose.pose, transform)
    result.pose.covariance = transform_covariance(pose.pose.covariance, transform)
    return result


def do_transform_polygon_stamped(polygon: PolygonStamped, transform: TransformStamped) -> PolygonStamped:
    """The polygon in the target frame."""
    target_from_source = _rigid(transform)
    result = PolygonStamped(header=transform.header)
    for point in polygon.polygon.points:
        x, y, z = apply(target_from_source, _xyz(point))
        result.polygon.points.append(Point32(x=x, y=y, z=z))
    return result


def transform_covariance(
    cov_in: Sequence[float] | NDArray[np.float64], transform: TransformStamped
) -> NDArray[np.float64]:
    """(36,) covariance of (x, y, z, rotation about x, y, z), each 3 x 3 block turned into the target frame."""
    rotation = rotation_matrix(_xyzw(transform.transform.rotation))
    blocks = np.asarray(cov_in, dtype=np.float64).reshape(2, 3, 2, 3)
    result: NDArray[np.float64] = np.einsum("ij,ajbk,lk->aibl", rotation, blocks, rotation)
    return result.reshape(36)


def _xyz(value: Any) -> Vector:
    return float(value.x), float(value.y), float(value.z)


def _xyzw(value: Any) -> Quaternion:
    return float(value.x), float(value.y), float(value.z), float(value.w)


def _set_xyz(value: Any, xyz: Vector) -> None:
    value.x, value.y, value.z = xyz


def _rigid(stamped: TransformStamped) -> Rigid:
    return _xyz(stamped.transform.translation), normalized(_xyzw(stamped.transform.rotation))


def _register() -> None:
    transforms: dict[type, Callable[[Any, TransformStamped], Any]] = {
        PointStamped: do_transform_point,
        PolygonStamped: do_transform_polygon_stamped,
        PoseStamped: do_transform_pose_stamped,
        PoseWithCovarianceStamped: do_transform_pose_with_covariance_stamped,
        Vector3Stamped: do_transform_vector3,
    }
    for message_type, function in transforms.items():
        TransformRegistration().add(message_type, function)
        ConvertRegistration().add_to_msg(message_type, _itself)
        ConvertRegistration().add_from_msg(message_type, _itself)


def _itself(message: Any) -> Any:
    return message


_register()
