"""Sweeps of all lidars to oriented boxes in the base frame."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from perception_nodes import msg
from perception_nodes.datatypes import FrameInfo, LatencyTrace, Mode, PointCloud
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.sweep_input import Sweep, SweepInput


class LidarDetector(PerceptionNode):
    """Geometric detection of every merged sweep."""

    model_id = "geometric"

    def __init__(self, **options: Any) -> None:
        super().__init__("lidar_detector", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz

    def setup(self) -> None:
        frame = str(
            declare(self, "tracking_frame", self.rig.odom_frame, {"help": "base frame: no ego motion known"})
        )
        config = declare_config(self, GeometricConfig)
        config = config.with_vehicle(self.rig.vehicle_lwh_m, self.rig.base_to_center_m)
        self._detector = GeometricLidarDetector(config)
        self._detector.warm()
        warm_sweep(self._detector)
        self._topic = f"/perception/detection/lidar/{self.rig.reference}"
        self._out = self.add_output(msg.Detection3DArray, self._topic, qos.detections())
        self._sweeps = SweepInput(self, frame, self._detect)

    def start(self) -> None:
        self._sweeps.start()

    def reset(self) -> None:
        self._sweeps.reset()

    def drain(self) -> None:
        self._sweeps.drain()

    def _detect(self, sweep: Sweep) -> None:
        found = self._detector.detect(sweep.cloud, sweep.origins_m).detections
        found = replace(found, source=self.rig.reference)
        sensors = self.sensor_status()
        mode = self.mode()
        info = self.frame_info(
            self._topic,
            self.trace(sweep.stamps_ns, sweep.received_ns),
            sensors,
            Mode.NOMINAL if mode == Mode.STARTING else mode,
        )
        self._out.publish(to_msg.detections_3d(found, info))
        self.sent(sweep.cloud.stamp_ns, sweep.received_ns)


def warm_sweep(detector: GeometricLidarDetector) -> None:
    """Detect in a sweep of full size, from message to message: the memory that a frame needs is then there.

    Without it the first frames take three times as long.
    """
    rng = np.random.default_rng(0)
    count = 150_000
    bearing, distance = rng.uniform(-np.pi, np.pi, count), rng.uniform(3.0, 60.0, count)
    xyz = np.stack(
        [distance * np.cos(bearing), distance * np.sin(bearing), rng.normal(0, 0.02, count)], axis=1
    )
    xyz[: count // 3, 2] += rng.uniform(0.0, 2.0, count // 3)
    cloud = PointCloud(0, "base_link", xyz.astype(np.float32), source=np.zeros(count, np.uint8))
    found = detector.detect(cloud, np.array([[0.0, 0.0, 1.8]])).detections
    to_msg.to_bytes(to_msg.detections_3d(found, FrameInfo(0, 0, Mode.STARTING, LatencyTrace("", "", 0, 0))))


def main() -> int:
    """Entry point."""
    return run_node(LidarDetector)


if __name__ == "__main__":
    sys.exit(main())
