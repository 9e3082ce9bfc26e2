"""ROS messages as `rosbags` dataclasses, built from plain values (for bags; live nodes use `ros/convert`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABELS,
    ConfigurationError,
    Detections2D,
    Detections3D,
    MapElement,
    MapElements,
    Mode,
)
from perception_nodes.geometry import CameraModel, Transform

from .typestore import message_class

POINT_CLOUD: Final = "sensor_msgs/msg/PointCloud2"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"
IMAGE: Final = "sensor_msgs/msg/Image"
CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
TF: Final = "tf2_msgs/msg/TFMessage"
ODOMETRY: Final = "nav_msgs/msg/Odometry"
IMU: Final = "sensor_msgs/msg/Imu"
DETECTIONS_2D: Final = "perception_nodes/msg/Detection2DArray"
DETECTIONS_3D: Final = "perception_nodes/msg/Detection3DArray"
MAP_ELEMENTS: Final = "perception_nodes/msg/MapElementArray"

# sensor_msgs/PointField datatypes.
_NUMBER: Final = {np.dtype(k): v for k, v in (("u1", 2), ("u2", 4), ("i4", 5), ("u4", 6), ("f4", 7))}
# encoding: dtype and channels of sensor_msgs/Image.
_PIXELS: Final = {"bgr8": ("u1", 3), "mono8": ("u1", 1), "mono16": ("<u2", 1), "32FC1": ("<f4", 1)}
F64 = npt.NDArray[np.float64]


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    time = message_class("builtin_interfaces/msg/Time")
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    return message_class("std_msgs/msg/Header")(
        stamp=time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id
    )


def stamp_ns(message: Any) -> int:
    """`header.stamp` of a decoded message, ns."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def point_cloud(
    stamp: int, frame_id: str, xyz_m: npt.NDArray[np.float32], columns: dict[str, npt.NDArray[Any]]
) -> Any:
    """sensor_msgs/PointCloud2 with float32 x, y, z and the given columns, without padding."""
    named = {"x": xyz_m[:, 0], "y": xyz_m[:, 1], "z": xyz_m[:, 2], **columns}
    return point_columns(stamp, frame_id, named, is_dense=bool(np.isfinite(xyz_m).all()))


def point_columns(
    stamp: int, frame_id: str, columns: dict[str, npt.NDArray[Any]], *, is_dense: bool = True
) -> Any:
    """sensor_msgs/PointCloud2 of columns (N,) each, float32 or integers of up to 32 bits, in this order."""
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    points = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        points[name] = column
    field = message_class("sensor_msgs/msg/PointField")
    offsets: dict[str, Any] = dict(dtype.fields or {})
    fields = [
        field(name=name, offset=int(offsets[name][1]), datatype=_NUMBER[dtype[name]], count=1)
        for name in columns
    ]
    return message_class(POINT_CLOUD)(
        header=header(stamp, frame_id),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * len(points),
        data=points.view(np.uint8) if len(points) else np.zeros(0, np.uint8),
        is_dense=is_dense,
    )


def image(stamp: int, frame_id: str, pixels: npt.NDArray[Any], encoding: str) -> Any:
    """sensor_msgs/Image of (H, W) or (H, W, 3) pixels; raises ConfigurationError for an unknown encoding or shape."""
    kind, channels = _PIXELS.get(encoding, ("", 0))
    if not channels or pixels.shape[2:] != ((3,) if channels == 3 else ()):
        text = f"image {encoding!r} of shape {pixels.shape}"
        raise ConfigurationError(f"{text}: wanted one of {sorted(_PIXELS)}, (H, W) or for bgr8 (H, W, 3)")
    rows = np.ascontiguousarray(pixels, np.dtype(kind))
    height, width = rows.shape[:2]
    return message_class(IMAGE)(
        header=header(stamp, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels * rows.itemsize,
        data=rows.reshape(-1).view(np.uint8),
    )


def imu(
    stamp: int, frame_id: str, angular_velocity_rps: F64, acceleration_mps2: F64, covariance: tuple[F64, F64]
) -> Any:
    """sensor_msgs/Imu without an orientation: (3,), (3,) and the covariances (3, 3) of both, all in `frame_id`."""
    none = np.zeros(9)
    none[0] = -1.0  # what the message says for: no such estimate
    quaternion = message_class("geometry_msgs/msg/Quaternion")
    return message_class(IMU)(
        header=header(stamp, frame_id),
        orientation=quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=none,
        angular_velocity=_vector(angular_velocity_rps),
        angular_velocity_covariance=np.asarray(covariance[0], np.float64).ravel(),
        linear_acceleration=_vector(acceleration_mps2),
        linear_acceleration_covariance=np.asarray(covariance[1], np.float64).ravel(),
    )


def odometry(
    stamp: int,
    frames: tuple[str, str],
    odom_from_base: Transform,
    twist: tuple[F64, F64],
    covariance: tuple[F64, F64],
) -> Any:
    """nav_msgs/Odometry; frames: parent and child; twist: linear (3,) and angular (3,) velocity in the child's frame.

    covariance: (6, 6) of the pose and of the twist.
    """
    point = message_class("geometry_msgs/msg/Point")
    quaternion = message_class("geometry_msgs/msg/Quaternion")
    x, y, z = (float(v) for v in odom_from_base.translation_m)
    qx, qy, qz, qw = (float(v) for v in odom_from_base.quaternion_xyzw)
    pose = message_class("geometry_msgs/msg/Pose")(
        position=point(x=x, y=y, z=z), orientation=quaternion(x=qx, y=qy, z=qz, w=qw)
    )
    motion = message_class("geometry_msgs/msg/Twist")(linear=_vector(twist[0]), angular=_vector(twist[1]))
    of_pose, of_twist = (np.asarray(c, np.float64).ravel() for c in covariance)
    return message_class(ODOMETRY)(
        header=header(stamp, frames[0]),
        child_frame_id=frames[1],
        pose=message_class("geometry_msgs/msg/PoseWithCovariance")(pose=pose, covariance=of_pose),
        twist=message_class("geometry_msgs/msg/TwistWithCovariance")(twist=motion, covariance=of_twist),
    )


def _vector(xyz: F64) -> Any:
    x, y, z = (float(v) for v in xyz)
    return message_class("geometry_msgs/msg/Vector3")(x=x, y=y, z=z)


def compressed_image(stamp: int, frame_id: str, encoded: bytes, image_format: str) -> Any:
    """sensor_msgs/CompressedImage around the bytes of a file ("jpeg", "png")."""
    data = np.frombuffer(encoded, np.uint8)
    return message_class(COMPRESSED_IMAGE)(header=header(stamp, frame_id), format=image_format, data=data)


def camera_info(stamp: int, frame_id: str, camera: CameraModel, rectified_p: F64 | None = None) -> Any:
    """sensor_msgs/CameraInfo of a monocular camera (R = identity, P = K unless `rectified_p` (3, 4) is given)."""
    k = np.array([[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1.0]])
    p = np.hstack([k, np.zeros((3, 1))]) if rectified_p is None else rectified_p
    region = message_class("sensor_msgs/msg/RegionOfInterest")
    return message_class(CAMERA_INFO)(
        header=header(stamp, frame_id),
        height=camera.height_px,
        width=camera.width_px,
        distortion_model=camera.model or "plumb_bob",
        d=np.array(camera.distortion or (0.0,) * 5, np.float64),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.asarray(p, np.float64).ravel(),
        binning_x=0,
        binning_y=0,
        roi=region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def tf_message(items: Iterable[tuple[int, str, str, Transform]]) -> Any:
    """tf2_msgs/TFMessage of (stamp_ns, parent, child, parent_from_child)."""
    stamped = message_class("geometry_msgs/msg/TransformStamped")
    transform = message_class("geometry_msgs/msg/Transform")
    vector = message_class("geometry_msgs/msg/Vector3")
    quaternion = message_class("geometry_msgs/msg/Quaternion")
    out = []
    for stamp, parent, child, parent_from_child in items:
        x, y, z = (float(v) for v in parent_from_child.translation_m)
        qx, qy, qz, qw = (float(v) for v in parent_from_child.quaternion_xyzw)
        value = transform(translation=vector(x=x, y=y, z=z), rotation=quaternion(x=qx, y=qy, z=qz, w=qw))
        out.append(stamped(header=header(stamp, parent), child_frame_id=child, transform=value))
    return message_class(TF)(transforms=out)


def truth_message(truth: Detections3D) -> Any:
    """perception_nodes/Detection3DArray of true boxes: `detection_id` is the track id, scores are 1."""
    box = message_class("perception_nodes/msg/Detection3D")
    empty = np.zeros(0, np.float32)
    boxes = [
        box(
            detection_id=int(truth.detection_id[i]),
            label=LABELS[int(truth.label[i])],
            score=1.0,
            existence_probability=1.0,
            class_probabilities=truth.class_probabilities[i].astype(np.float32),
            x=float(truth.center_m[i, 0]),
            y=float(truth.center_m[i, 1]),
            z=float(truth.center_m[i, 2]),
            yaw=float(truth.yaw_rad[i]),
            orientation_availability=int(truth.orientation[i]),
            length=float(truth.lwh_m[i, 0]),
            width=float(truth.lwh_m[i, 1]),
            height=float(truth.lwh_m[i, 2]),
            vx=float(truth.velocity_mps[i, 0]),
            vy=float(truth.velocity_mps[i, 1]),
            covariance=empty,
            num_points=int(truth.num_points[i]),
            visibility=float(truth.visibility[i]),
            source_mask=0,
        )
        for i in range(len(truth))
    ]
    return message_class(DETECTIONS_3D)(
        header=header(truth.stamp_ns, truth.frame_id),
        info=frame_info(truth.stamp_ns, "truth"),
        source=truth.source,
        detections=boxes,
    )


def true_boxes_2d(truth: Detections2D) -> Any:
    """perception_nodes/Detection2DArray of true boxes in an image: `detection_id` is the track id, score is what
    `truth.score` says (the share that can be seen).
    """
    box = message_class("perception_nodes/msg/Detection2D")
    boxes = [
        box(
            detection_id=int(truth.detection_id[i]),
            label=LABELS[int(truth.label[i])],
            score=float(truth.score[i]),
            class_probabilities=truth.class_probabilities[i].astype(np.float32),
            **dict(zip(("x_min", "y_min", "x_max", "y_max"), map(float, truth.box_px[i]), strict=True)),
            depth=float(truth.depth_m[i]),
            depth_std=float(truth.depth_std_m[i]),
        )
        for i in range(len(truth))
    ]
    return message_class(DETECTIONS_2D)(
        header=header(truth.stamp_ns, truth.frame_id),
        info=frame_info(truth.stamp_ns, "truth"),
        source=truth.source,
        width=truth.width_px,
        height=truth.height_px,
        detections=boxes,
    )


def true_map(value: MapElements) -> Any:
    """perception_nodes/MapElementArray of the true map."""
    return message_class(MAP_ELEMENTS)(
        header=header(value.stamp_ns, value.frame_id),
        info=frame_info(value.stamp_ns, "truth"),
        valid_rectangle=np.zeros(0, np.float32)
        if value.rectangle_m is None
        else value.rectangle_m.ravel().astype(np.float32),
        prior_map_id=value.prior_map_id,
        elements=[_map_element(e) for e in value.elements],
    )


def _map_element(value: MapElement) -> Any:
    return message_class("perception_nodes/msg/MapElement")(
        id=value.id,
        type=int(value.type),
        type_probabilities=value.type_probabilities.astype(np.float32),
        existence_probability=value.existence_probability,
        closed=value.closed,
        points=value.points_m.ravel().astype(np.float32),
        lateral_std=value.lateral_std_m.astype(np.float32),
        confidence=value.confidence.astype(np.float32),
        subtype=value.subtype,
        value=value.value,
        predecessors=np.array(value.predecessors, np.uint64),
        successors=np.array(value.successors, np.uint64),
        left=value.left,
        right=value.right,
        source=int(value.source),
        prior_id=value.prior_id,
        change=int(value.change),
        change_probability=value.change_probability,
        age_s=value.age_s,
        time_since_update_s=value.time_since_update_s,
    )


def frame_info(stamp: int, model_id: str) -> Any:
    """perception_nodes/FrameInfo of content that no node computed (truth)."""
    latency = message_class("perception_nodes/msg/LatencyTrace")(
        clock="monotonic",
        host="",
        sensor_time_oldest_ns=stamp,
        sensor_time_newest_ns=stamp,
        stage=[],
        start_ns=np.zeros(0, np.int64),
        end_ns=np.zeros(0, np.int64),
    )
    return message_class("perception_nodes/msg/FrameInfo")(
        session_id=0,
        sequence=0,
        mode=int(Mode.NOMINAL),
        degraded_mask=0,
        valid=True,
        invalid_reason="",
        model_id=model_id,
        model_hash="",
        config_hash="",
        calibration_id="",
        coverage_fraction=float("nan"),
        sensors=[],
        latency=latency,
    )
