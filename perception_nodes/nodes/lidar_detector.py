"""Sweeps of all lidars to oriented boxes in the base frame."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from perception_nodes import msg
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned_choice import GEOMETRIC, open_detector
from perception_nodes.detection.learned_config import DecodeConfig, LearnedConfig, RuntimeConfig
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.sweep_input import Sweep, SweepInput

DOMAIN_FAULT = "MODEL.UNLIKE_TRAINING"


class LidarDetector(PerceptionNode):
    """Detection of every merged sweep, geometric or with a model."""

    model_id = GEOMETRIC

    def __init__(self, **options: Any) -> None:
        super().__init__("lidar_detector", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz

    def setup(self) -> None:
        frame = str(
            declare(self, "tracking_frame", self.rig.odom_frame, {"help": "base frame: no ego motion known"})
        )
        config = declare_config(self, GeometricConfig)
        config = config.with_vehicle(self.rig.vehicle_lwh_m, self.rig.base_to_center_m)
        model = str(
            declare(
                self,
                "model",
                GEOMETRIC,
                {
                    "help": "geometric, auto (small), small, base, an ONNX file, or the folder of a foreign model"
                },
            )
        )
        settings = LearnedConfig(
            config,
            declare_config(self, DecodeConfig, "decode"),
            declare_config(self, RuntimeConfig, "runtime"),
        )
        self._detector = open_detector(model, settings)
        self.get_logger().info(self._detector.description)
        self.model_id, self.model_hash = self._detector.model_id, self._detector.model_hash
        self._detector.warm()
        found = self._detector.detect(warmup.sweep(0), np.array([[0.0, 0.0, 1.8]])).detections
        to_msg.to_bytes(to_msg.detections_3d(found, warmup.INFO))
        warmup.touch_memory()
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
        self._check_domain()
        sensors = self.sensor_status()
        trace = self.trace(sweep.stamps_ns, sweep.received_ns)
        with self.session.lasting(sweep.session) as lasts:
            if not lasts:  # the clock has jumped meanwhile
                return
            info = self.frame_info(self._topic, trace, sensors, self.input_mode())
            info = replace(info, calibration_id=self._detector.calibration_id)
            self._out.publish(to_msg.detections_3d(found, info))
            self.sent(sweep.cloud.stamp_ns, sweep.received_ns)

    def _check_domain(self) -> None:
        """Say it where the sweeps are unlike those that the model was trained on."""
        misfits = self._detector.misfits()
        if misfits and DOMAIN_FAULT not in self.faults:
            self.get_logger().warning(f"the model does not fit this lidar: {'; '.join(misfits)}")
        (self.faults.add if misfits else self.faults.discard)(DOMAIN_FAULT)


def main() -> int:
    """Entry point."""
    return run_node(LidarDetector)


if __name__ == "__main__":
    sys.exit(main())
