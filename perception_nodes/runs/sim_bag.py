"""A simulated drive as a bag: what the rig's sensors send on its topics, transforms, and all truth."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2

from perception_nodes.datasets import BagInfo
from perception_nodes.datasets import messages as made
from perception_nodes.datasets.bag_writer import BagWriter, bag_in_the_making
from perception_nodes.datasets.typestore import encode
from perception_nodes.datatypes import (
    ConfigurationError,
    Detections2D,
    Detections3D,
    Image,
    PointCloud,
    RadarScan,
)
from perception_nodes.datatypes.topics import IMU_TOPIC, JPEG_QUALITY, MAP_TRUTH_TOPIC, TRUTH_TOPIC
from perception_nodes.datatypes.truth import TruePoints
from perception_nodes.geometry import Transform, interpolate
from perception_nodes.simulation.faults import Emission
from perception_nodes.simulation.sensor_truth import SensorTruth, Value
from perception_nodes.simulation.sensors.inertial_sample import InertialSample
from perception_nodes.simulation.simulation import SimFrame, Simulation

TF_PER_STEP: Final = 5
Progress = Callable[[int, int], None]


def simulate_to_bag(
    simulation: Simulation,
    out: Path,
    progress: Progress | None = None,
    *,
    truth_images: bool = False,
    compression: str = "lz4",
) -> BagInfo:
    """Write what is left of a drive to `out`.

    Log times are those of sending, header stamps those of the sensors' clocks (stamps of truth: the true time).
    truth_images: also depth, classes and instances of every camera's pixels.
    """
    if not len(simulation):
        raise ConfigurationError("simulate_to_bag: the drive has no steps")
    with bag_in_the_making(out, compression) as writer:
        recorder = _Recorder(writer, simulation, truth_images)
        for done, frame in enumerate(simulation.frames(), 1):
            recorder.add(frame)
            if progress is not None:
                progress(done, len(simulation))
        recorder.write_until(None)
        return replace(writer.info(), path=out)  # while it is written it has another name


class _Recorder:
    """Puts frames into a bag, in the order of log times."""

    def __init__(self, writer: BagWriter, simulation: Simulation, truth_images: bool) -> None:
        self._writer, self._simulation, self._images = writer, simulation, truth_images
        self._rig = rig = simulation.rig
        self._specs = {s.name: s for s in rig.sensors}
        self._waiting: list[tuple[int, int, str, str, bytes]] = []
        self._count = 0
        self._pose = simulation.traffic.ego.odom_from_base
        self._sensor_truth = SensorTruth(simulation)
        start = simulation.start_ns + round(simulation.time_s * 1e9)
        self._stamp_ns = start
        writer.declare("/tf_static", made.TF, latched=True)
        writer.declare(MAP_TRUTH_TOPIC, made.MAP_ELEMENTS, latched=True)
        mounts = simulation.mounts.items()
        static = [(start, rig.base_frame, self._specs[n].frame, m) for n, m in mounts if self._specs[n].frame]
        self._put("/tf_static", made.tf_message(static), made.TF, start)
        self._put(MAP_TRUTH_TOPIC, made.true_map(simulation.map_truth()), made.MAP_ELEMENTS, start)
        self._put("/tf", self._tf(start, self._pose), made.TF, start)

    def add(self, frame: SimFrame) -> None:
        """One step: transforms, what was sent, truth."""
        start, end = self._stamp_ns, frame.stamp_ns
        for k in range(1, TF_PER_STEP + 1):
            share = k / TF_PER_STEP
            stamp = start + round(share * (end - start))
            pose = interpolate(self._pose, frame.odom_from_base, share)
            self._put("/tf", self._tf(stamp, pose), made.TF, stamp)
        self._pose, self._stamp_ns = frame.odom_from_base, end
        for emission in frame.emissions:
            for topic, message, typename in self._sent(emission):
                self._put(topic, message, typename, emission.publish_ns)
        for topic, message, typename in self._truth(frame):
            self._put(topic, message, typename, end)
        self.write_until(end)

    def write_until(self, time_ns: int | None) -> None:
        """What was logged up to a time (None: everything): nothing earlier comes after it."""
        while self._waiting and (time_ns is None or self._waiting[0][0] <= time_ns):
            log_ns, _, topic, typename, raw = heapq.heappop(self._waiting)
            self._writer.declare(topic, typename)
            self._writer.write_raw(topic, raw, log_ns)

    def _put(self, topic: str, message: Any, typename: str, log_ns: int) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (log_ns, self._count, topic, typename, encode(message, typename)))

    def _tf(self, stamp_ns: int, pose: Transform) -> Any:
        return made.tf_message([(stamp_ns, self._rig.odom_frame, self._rig.base_frame, pose)])

    def _sent(self, emission: Emission) -> Iterator[tuple[str, Any, str]]:
        value, stamp = emission.value, emission.stamp_ns
        if isinstance(value, PointCloud):
            spec = self._specs[emission.sensor]
            yield spec.topic, lidar_message(value, stamp), made.POINT_CLOUD
        elif isinstance(value, RadarScan):
            spec = self._specs[emission.sensor]
            yield spec.topic, radar_message(value, stamp), made.POINT_CLOUD
        elif isinstance(value, Image):
            yield from self._picture(emission)
        else:
            yield from self._motion(emission)

    def _picture(self, emission: Emission) -> Iterator[tuple[str, Any, str]]:
        spec, image, stamp = self._specs[emission.sensor], emission.value, emission.stamp_ns
        if spec.topic.endswith("compressed"):
            ok, raw = cv2.imencode(".jpg", image.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            if not ok:
                raise ConfigurationError(f"{spec.topic}: a picture of {image.bgr.shape} cannot be encoded")
            message = made.compressed_image(
                stamp, image.frame_id, raw.tobytes(), "bgr8; jpeg compressed bgr8"
            )
            yield spec.topic, message, made.COMPRESSED_IMAGE
        else:
            yield spec.topic, made.image(stamp, image.frame_id, image.bgr, "bgr8"), made.IMAGE
        if spec.info_topic:
            camera = self._simulation.cameras[spec.name]
            yield spec.info_topic, made.camera_info(stamp, image.frame_id, camera), made.CAMERA_INFO

    def _motion(self, emission: Emission) -> Iterator[tuple[str, Any, str]]:
        """IMU, and wheel odometry with its drift where the rig has a topic for it."""
        value, stamp, base = emission.value, emission.stamp_ns, self._rig.base_frame
        yield IMU_TOPIC, imu_message(value, stamp, base), made.IMU
        if self._rig.odometry_topic:
            frames = (self._rig.odom_frame, base)
            yield self._rig.odometry_topic, odometry_message(value, stamp, frames), made.ODOMETRY

    def _truth(self, frame: SimFrame) -> Iterator[tuple[str, Any, str]]:
        yield TRUTH_TOPIC, made.truth_message(frame.truth), made.DETECTIONS_3D
        for topic, value in self._sensor_truth.of(frame, self._kept):
            yield topic, *truth_message(value, frame.stamp_ns)

    def _kept(self, topic: str) -> bool:
        return self._images or topic.rsplit("/", 1)[1] not in ("depth", "label", "instance")


def truth_message(value: Value, stamp_ns: int) -> tuple[Any, str]:
    """The message of what is true of a sensor's data, and its type."""
    if isinstance(value, Detections3D):
        return made.truth_message(value), made.DETECTIONS_3D
    if isinstance(value, Detections2D):
        return made.true_boxes_2d(value), made.DETECTIONS_2D
    if isinstance(value, TruePoints):
        return made.point_columns(stamp_ns, value.frame_id, dict(value.columns)), made.POINT_CLOUD
    return made.image(stamp_ns, value.frame_id, value.values, value.encoding), made.IMAGE


def lidar_message(cloud: PointCloud, stamp_ns: int) -> Any:
    """PointCloud2 with x, y, z, intensity, ring and time (s relative to the stamp, 0 or less)."""
    columns = {"intensity": cloud.intensity, "ring": cloud.ring, "time": cloud.time_s}
    known = {name: column for name, column in columns.items() if column is not None}
    return made.point_cloud(stamp_ns, cloud.frame_id, cloud.xyz_m, known)


def radar_message(scan: RadarScan, stamp_ns: int) -> Any:
    """PointCloud2 with x, y, z, radial_speed (m/s, + = away, as measured from the moving sensor) and rcs (dBsm)."""
    columns = {"radial_speed": scan.radial_speed_mps, "rcs": scan.rcs_dbsm}
    known = {name: column for name, column in columns.items() if column is not None}
    return made.point_cloud(stamp_ns, scan.frame_id, scan.xyz_m, known)


def imu_message(value: InertialSample, stamp_ns: int, frame_id: str) -> Any:
    """sensor_msgs/Imu."""
    covariance = value.angular_velocity_covariance, value.acceleration_covariance
    return made.imu(stamp_ns, frame_id, value.angular_velocity_rps, value.acceleration_mps2, covariance)


def odometry_message(value: InertialSample, stamp_ns: int, frames: tuple[str, str]) -> Any:
    """nav_msgs/Odometry: the pose by wheels and gyro; of the speeds only those ahead and about +z are measured."""
    linear, angular, covariance = value.odometry_twist
    both = value.pose_covariance, covariance
    return made.odometry(stamp_ns, frames, value.odom_from_base, (linear, angular), both)
