"""Reads stamps, publishes which messages belong together. Payloads stay on their own topics."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from perception_nodes import msg
from perception_nodes.datatypes import ConfigurationError, FrameSet, Modality, Mode, SensorSpec
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.approximate import ApproximateTime
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.raw import header_stamp_ns
from perception_nodes.sync import Aligner, AlignerConfig, AlignerOutput

_TOPIC = "/perception/sync/frame_set"


def stamp_source(spec: SensorSpec) -> tuple[Any, str]:
    """Message type and topic from which a sensor's stamps are read: of cameras the small CameraInfo."""
    if spec.modality == Modality.LIDAR:
        return PointCloud2, spec.topic
    if spec.info_topic:
        return CameraInfo, spec.info_topic
    return (CompressedImage if spec.topic.endswith("compressed") else Image), spec.topic


class Sync(PerceptionNode):
    """One FrameSet for every message of the reference sensor."""

    def __init__(self, **options: Any) -> None:
        super().__init__("sync", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz

    def setup(self) -> None:
        config = declare_config(self, AlignerConfig).slowed(self.slowness)
        policy = str(declare(self, "policy", "aligner", {"help": "aligner or approximate_time"}))
        sensors = [s for s in self.rig.sensors if s.modality in (Modality.LIDAR, Modality.CAMERA)]
        policies = {"aligner": Aligner, "approximate_time": ApproximateTime}
        if policy not in policies:
            raise ConfigurationError(f"parameter policy: wanted one of {sorted(policies)}, got {policy!r}")
        self._aligner: Any = policies[policy](config, sensors, self.rig.reference)
        self._sensors = {s.name: s for s in sensors}
        self._out = self.add_output(msg.FrameSet, _TOPIC, qos.detections())
        warmup.touch_memory(32)

    def start(self) -> None:
        for spec in self._sensors.values():
            kind, topic = stamp_source(spec)
            account = self.add_account(spec.name, topic, spec.modality, spec.rate_hz)
            self.listen(
                account, kind, qos.stamps_input(self.reliable_inputs), self._handler(spec.name), raw=True
            )
        self.create_timer(0.02, self._poll, clock=self.wall)

    def reset(self) -> None:
        self._publish(self._aligner.reset(time.monotonic_ns()))

    def drain(self) -> None:
        self._publish(self._aligner.flush(time.monotonic_ns()))

    def _handler(self, name: str) -> Any:
        def handle(message: Any, received_ns: int) -> None:
            self._publish(self._aligner.add(name, header_stamp_ns(message), received_ns))

        return handle

    def _poll(self) -> None:
        if self.active:
            self._publish(self._aligner.poll(time.monotonic_ns()))

    def _publish(self, output: AlignerOutput) -> None:
        by_topic = {s.topic: s.name for s in self._sensors.values()}
        for drop in output.drops:
            account = self.accounts[by_topic[drop.topic]]
            account.count(dropped=1)
            self.report_drop(replace(drop, topic=account.topic))
        for frame_set in output.frame_sets:
            self._publish_set(frame_set)

    def _publish_set(self, frame_set: FrameSet) -> None:
        present = [n for n, s in zip(frame_set.sensors, frame_set.stamp_ns, strict=True) if s]
        for name in present:
            self.accounts[name].count(used=1)
        offsets = {s.name: s.estimated_offset_s for s in self._aligner.status(time.monotonic_ns())}
        sensors = tuple(replace(s, estimated_offset_s=offsets[s.name]) for s in self.sensor_status())
        start_ns = max(frame_set.received_ns)
        missing = (
            0 if frame_set.complete else sum(1 << i for i, s in enumerate(sensors) if s.name not in present)
        )
        info = self.frame_info(
            _TOPIC,
            self.trace(list(frame_set.stamp_ns), start_ns),
            sensors,
            Mode.NOMINAL if frame_set.complete else Mode.DEGRADED,
            missing,
        )
        self._out.publish(to_msg.frame_set(frame_set, self._sensors[self.rig.reference].frame, info))
        self.sent(frame_set.reference_ns, start_ns)


def main() -> int:
    """Entry point."""
    return run_node(Sync)


if __name__ == "__main__":
    sys.exit(main())
