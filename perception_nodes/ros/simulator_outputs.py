"""What the simulator says on topics: sensors of the rig, transforms, odometry, the route, truth."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry, Path
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Imu, PointCloud2, PointField
from sensor_msgs.msg import Image as ImageMessage
from tf2_msgs.msg import TFMessage

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections2D,
    Detections3D,
    FrameInfo,
    Image,
    InputError,
    LatencyTrace,
    MapElements,
    Modality,
    Mode,
    PerceptionError,
    PointCloud,
    RadarScan,
    Rig,
    SensorSpec,
)
from perception_nodes.datatypes.topics import IMU_TOPIC, JPEG_QUALITY, MAP_TRUTH_TOPIC, TRUTH_TOPIC
from perception_nodes.datatypes.truth import TruePixels, TruePoints
from perception_nodes.geometry import CameraModel, Transform

from .convert import to_msg
from .node import PerceptionNode
from .playback import ClockPublisher, playback_qos

ROUTE_TOPIC: Final = "/navigation/route"
GUIDANCE_TOPIC: Final = "/navigation/guidance"
COMMAND_TOPIC: Final = "/vehicle/command"
ODOMETRY_TOPIC: Final = "/vehicle/odometry"
_POLL_S: Final = 0.02
_TRUTH_INFO: Final = FrameInfo(0, 0, Mode.NOMINAL, LatencyTrace("", "", 0, 0), model_id="truth")
_DATATYPES: Final = {
    "f4": PointField.FLOAT32, "u4": PointField.UINT32, "u2": PointField.UINT16, "u1": PointField.UINT8,
}  # fmt: skip
_TRUTH_TYPES: Final = {
    Detections3D: msg.Detection3DArray,
    Detections2D: msg.Detection2DArray,
    TruePoints: PointCloud2,
    TruePixels: ImageMessage,
}


class SimulatorOutputs:
    """Publishers of one drive; the rig says on which topics and in which frames."""

    def __init__(
        self,
        node: PerceptionNode,
        rig: Rig,
        cameras: Mapping[str, CameraModel],
        truth_topics: Mapping[str, type],
    ) -> None:
        self._rig, self._cameras = rig, cameras
        self._specs = {s.name: s for s in rig.sensors}
        self._sensors = {
            s.name: node.add_output(_type(s), s.topic, playback_qos(False, s.topic)) for s in rig.sensors
        }
        self._infos = {
            s.name: node.add_output(CameraInfo, s.info_topic, playback_qos(False))
            for s in rig.sensors
            if s.info_topic
        }
        self._tf = node.add_output(TFMessage, "/tf", playback_qos(False, "/tf"))
        self._tf_static = node.add_output(TFMessage, "/tf_static", playback_qos(True))
        samples = QoSProfile(depth=100)  # those of a step come at once
        self._odometry = node.add_output(Odometry, rig.odometry_topic or ODOMETRY_TOPIC, samples)
        self._imu = node.add_output(Imu, IMU_TOPIC, samples)
        self._truth = node.add_output(msg.Detection3DArray, TRUTH_TOPIC, playback_qos(False))
        self._sensor_truth = {
            topic: node.add_output(_TRUTH_TYPES[kind], topic, playback_qos(False))
            for topic, kind in truth_topics.items()
        }
        self._map = node.add_output(msg.MapElementArray, MAP_TRUTH_TOPIC, playback_qos(True))
        self._route = node.add_output(Path, ROUTE_TOPIC, playback_qos(True))
        self._guidance = node.add_output(msg.RouteGuidance, GUIDANCE_TOPIC, playback_qos(False))
        self._clock = ClockPublisher(node)

    def unheard(self, names: list[str]) -> list[str]:
        """Those of the sensors whose topics nobody subscribes to yet."""
        return [n for n in names if not self._sensors[n].get_subscription_count()]

    def wait_for_subscribers(self, names: list[str], limit_s: float, stopped: Callable[[], bool]) -> bool:
        """Until somebody hears each of the sensors; False if stopped. Raises PerceptionError after the limit."""
        deadline = time.monotonic() + limit_s
        while missing := self.unheard(names):
            if time.monotonic() > deadline:
                raise PerceptionError(f"nobody subscribes to {missing} within {limit_s:g} s (wait_timeout_s)")
            if stopped():
                return False
            time.sleep(_POLL_S)
        return True

    def clock(self, stamp_ns: int) -> None:
        """/clock."""
        self._clock.publish(stamp_ns)

    def latched(self, stamp_ns: int, mounts: Mapping[str, Transform], elements: MapElements) -> None:
        """What holds for the whole drive: where the sensors sit, and the true map."""
        static = TFMessage()
        static.transforms = [
            _transform(stamp_ns, self._rig.base_frame, self._specs[n].frame or n, t)
            for n, t in mounts.items()
        ]
        self._tf_static.publish(static)
        self._map.publish(to_msg.map_elements(elements, _TRUTH_INFO))

    def route(self, stamp_ns: int, points_m: npt.NDArray[np.float64]) -> None:
        """The way to go, as a navigation system gives it: nav_msgs/Path through points (K, 3), odom."""
        header = to_msg.header(stamp_ns, self._rig.odom_frame)
        out = Path(header=header)
        for x, y, z in points_m.tolist():
            pose = PoseStamped(header=header)
            pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = x, y, z
            pose.pose.orientation.w = 1.0
            out.poses.append(pose)
        self._route.publish(out)

    def guide(self, stamp_ns: int, stop_m: float, limit_mps: float) -> None:
        """The next closed line and the allowed speed."""
        header = to_msg.header(stamp_ns, self._rig.odom_frame)
        self._guidance.publish(msg.RouteGuidance(header=header, stop_m=stop_m, limit_mps=limit_mps))

    def pose(self, stamp_ns: int, odom_from_base: Transform) -> None:
        """/tf."""
        message = TFMessage()
        message.transforms = [
            _transform(stamp_ns, self._rig.odom_frame, self._rig.base_frame, odom_from_base)
        ]
        self._tf.publish(message)

    def odometry(
        self, stamp_ns: int, odom_from_base: Transform, speed_mps: float, yaw_rate_rps: float
    ) -> None:
        """nav_msgs/Odometry, as exact as /tf."""
        out = self._posed(stamp_ns, odom_from_base)
        out.twist.twist.linear.x, out.twist.twist.angular.z = float(speed_mps), float(yaw_rate_rps)
        self._odometry.publish(out)

    def wheels(self, stamp_ns: int, sample: Any) -> None:
        """nav_msgs/Odometry of an `InertialSample`: what wheels and gyro add up to, with its drift."""
        out = self._posed(stamp_ns, sample.odom_from_base)
        linear, angular, covariance = sample.odometry_twist
        out.twist.twist.linear.x, out.twist.twist.angular.z = float(linear[0]), float(angular[2])
        out.pose.covariance, out.twist.covariance = sample.pose_covariance.ravel(), covariance.ravel()
        self._odometry.publish(out)

    def imu(self, stamp_ns: int, sample: Any) -> None:
        """sensor_msgs/Imu of an `InertialSample`, without an orientation."""
        out = Imu(header=to_msg.header(stamp_ns, self._rig.base_frame))
        out.orientation_covariance[0] = -1.0  # what the message says for: no such estimate
        for vector, values in (
            (out.angular_velocity, sample.angular_velocity_rps),
            (out.linear_acceleration, sample.acceleration_mps2),
        ):
            vector.x, vector.y, vector.z = (float(v) for v in values)
        out.angular_velocity_covariance = sample.angular_velocity_covariance.ravel()
        out.linear_acceleration_covariance = sample.acceleration_covariance.ravel()
        self._imu.publish(out)

    def _posed(self, stamp_ns: int, odom_from_base: Transform) -> Odometry:
        out = Odometry(
            header=to_msg.header(stamp_ns, self._rig.odom_frame), child_frame_id=self._rig.base_frame
        )
        place, turn = out.pose.pose.position, out.pose.pose.orientation
        place.x, place.y, place.z = (float(v) for v in odom_from_base.translation_m)
        turn.x, turn.y, turn.z, turn.w = (float(v) for v in odom_from_base.quaternion_xyzw)
        return out

    def truth(self, objects: Detections3D) -> None:
        """The true boxes."""
        self._truth.publish(to_msg.detections_3d(objects, _TRUTH_INFO))

    def hears_truth(self, topic: str) -> bool:
        """Whether somebody subscribes to a topic of the truth of a sensor."""
        return bool(self._sensor_truth[topic].get_subscription_count())

    def sensor_truth(
        self, topic: str, stamp_ns: int, value: Detections3D | Detections2D | TruePoints | TruePixels
    ) -> None:
        """What is true of a sensor's data."""
        self._sensor_truth[topic].publish(_truth_message(stamp_ns, value))

    def sensor(self, name: str, stamp_ns: int, value: PointCloud | Image | RadarScan) -> None:
        """A sweep, a picture or a scan on its topic; of a camera its calibration too.

        Raises InputError for a sensor that the rig does not have.
        """
        if name not in self._sensors:
            raise InputError(f"simulator: sensor {name!r}: wanted one of {sorted(self._sensors)}")
        if isinstance(value, Image):
            self._picture(name, stamp_ns, value)
        else:
            self._sensors[name].publish(cloud_message(stamp_ns, value))

    def _picture(self, name: str, stamp_ns: int, image: Image) -> None:
        header = to_msg.header(stamp_ns, image.frame_id)
        if name in self._infos:
            self._infos[name].publish(camera_info_message(header, self._cameras[name]))
        if self._specs[name].topic.endswith("compressed"):
            ok, raw = cv2.imencode(".jpg", image.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            if not ok:
                raise InputError(f"{name}: a picture of {image.bgr.shape} cannot be encoded")
            self._sensors[name].publish(CompressedImage(header=header, format="jpeg", data=_bytes(raw)))
            return
        self._sensors[name].publish(_image_message(header, image.bgr, "bgr8"))


def _truth_message(stamp_ns: int, value: Detections3D | Detections2D | TruePoints | TruePixels) -> Any:
    if isinstance(value, Detections3D):
        return to_msg.detections_3d(value, _TRUTH_INFO)
    if isinstance(value, Detections2D):
        return to_msg.detections_2d(value, _TRUTH_INFO)
    header = to_msg.header(stamp_ns, value.frame_id)
    if isinstance(value, TruePoints):
        return _columns_message(header, value.columns)
    return _image_message(header, value.values, value.encoding)


def _image_message(header: Any, pixels: npt.NDArray[Any], encoding: str) -> ImageMessage:
    height, width = pixels.shape[:2]
    step = pixels.nbytes // max(height, 1)
    return ImageMessage(
        header=header, height=height, width=width, encoding=encoding, step=step, data=_bytes(pixels)
    )


def cloud_message(stamp_ns: int, value: PointCloud | RadarScan) -> PointCloud2:
    """sensor_msgs/PointCloud2: x, y, z and what else is known (intensity, ring, time; radial_speed, rcs)."""
    columns: dict[str, Any] = dict(zip("xyz", value.xyz_m.T, strict=True))
    if isinstance(value, PointCloud):
        columns |= {"intensity": value.intensity, "ring": value.ring, "time": value.time_s}
    else:
        columns |= {"radial_speed": value.radial_speed_mps, "rcs": value.rcs_dbsm}
    known = {name: column for name, column in columns.items() if column is not None}
    return _columns_message(to_msg.header(stamp_ns, value.frame_id), known)


def _columns_message(header: Any, columns: Mapping[str, npt.NDArray[Any]]) -> PointCloud2:
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    points = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        points[name] = column
    out = PointCloud2(header=header, height=1, width=len(points))
    offsets: Mapping[str, Any] = dtype.fields or {}
    out.fields = [
        PointField(name=n, offset=int(offsets[n][1]), datatype=_DATATYPES[dtype[n].str[1:]], count=1)
        for n in columns
    ]
    out.point_step, out.row_step, out.is_dense = dtype.itemsize, dtype.itemsize * len(points), True
    out.data = _bytes(points)
    return out


def camera_info_message(header: Any, camera: CameraModel) -> CameraInfo:
    """sensor_msgs/CameraInfo of a monocular camera."""
    out = CameraInfo(header=header, height=camera.height_px, width=camera.width_px)
    out.distortion_model = camera.model or "plumb_bob"
    out.d = [float(v) for v in camera.distortion] or [0.0] * 5
    out.k = [camera.fx_px, 0.0, camera.cx_px, 0.0, camera.fy_px, camera.cy_px, 0.0, 0.0, 1.0]
    out.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    out.p = [camera.fx_px, 0.0, camera.cx_px, 0.0, 0.0, camera.fy_px, camera.cy_px, 0.0, 0.0, 0.0, 1.0, 0.0]
    return out


def _type(spec: SensorSpec) -> Any:
    if spec.modality != Modality.CAMERA:
        return PointCloud2
    return CompressedImage if spec.topic.endswith("compressed") else ImageMessage


def _bytes(values: npt.NDArray[Any]) -> array[int]:
    """As an array of bytes: rclpy checks anything else element by element."""
    out = array("B")
    out.frombytes(np.ascontiguousarray(values).tobytes())
    return out


def _transform(stamp_ns: int, parent: str, child: str, parent_from_child: Transform) -> TransformStamped:
    out = TransformStamped(header=to_msg.header(stamp_ns, parent), child_frame_id=child)
    shift, turn = out.transform.translation, out.transform.rotation
    shift.x, shift.y, shift.z = (float(v) for v in parent_from_child.translation_m)
    turn.x, turn.y, turn.z, turn.w = (float(v) for v in parent_from_child.quaternion_xyzw)
    return out
