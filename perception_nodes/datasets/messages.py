"""ROS messages as `rosbags` dataclasses, built from plain values (for bags; live nodes use `ros/convert`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, Detections3D, Mode
from perception_nodes.geometry import CameraModel, Transform

from .typestore import message_class

POINT_CLOUD: Final = "sensor_msgs/msg/PointCloud2"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"
IMAGE: Final = "sensor_msgs/msg/Image"
CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
TF: Final = "tf2_msgs/msg/TFMessage"
ODOMETRY: Final = "nav_msgs/msg/Odometry"
DETECTIONS_3D: Final = "perception_nodes/msg/Detection3DArray"
MAP_ELEMENTS: Final = "perception_nodes/msg/MapElementArray"

_FLOAT32: Final = 7
_UINT16: Final = 4
_NUMBER: Final = {np.dtype("float32"): _FLOAT32, np.dtype("uint16"): _UINT16}
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
    """sensor_msgs/PointCloud2 with float32 x, y, z and the given float32 or uint16 columns, without padding."""
    named = {"x": xyz_m[:, 0], "y": xyz_m[:, 1], "z": xyz_m[:, 2], **columns}
    dtype = np.dtype([(name, column.dtype) for name, column in named.items()])
    points = np.empty(len(xyz_m), dtype)
    for name, column in named.items():
        points[name] = column
    field = message_class("sensor_msgs/msg/PointField")
    offsets: dict[str, Any] = dict(dtype.fields or {})
    fields = [
        field(name=name, offset=int(offsets[name][1]), datatype=_NUMBER[dtype[name]], count=1)
        for name in named
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
        is_dense=bool(np.isfinite(xyz_m).all()),
    )


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
