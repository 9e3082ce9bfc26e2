"""Joins the detections of one frame by its FrameSet, fuses them, publishes exactly one result for each set."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections2D,
    DropReason,
    FrameInfo,
    FrameSet,
    Modality,
    Mode,
    Qualifier,
    SensorReason,
    SensorStatus,
)
from perception_nodes.fusion import CameraView, FusionConfig, ObjectFusion, fused_model
from perception_nodes.geometry import CameraModel, Transform
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.ros.convert.statuses import sensor_statuses
from perception_nodes.ros.intrinsics import Intrinsics
from perception_nodes.ros.joiner import Joiner
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.sweeps import SweepFrames, base_from_sensor
from perception_nodes.ros.transforms import TransformStore

_TOPIC = "/perception/fusion/objects"
# Messages of such a sensor come, but say nothing about what is there.
_USELESS = (Qualifier.BLINDNESS, Qualifier.INVALID)


class Fusion(PerceptionNode):
    """Late fusion; see `fusion.ObjectFusion`."""

    model_id = "late_fusion"

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz
        self._models: dict[str, CameraModel] = {}
        self._detectors: dict[str, tuple[str, str]] = {}  # of the session: model_id and model_hash

    def setup(self) -> None:
        frame = str(
            declare(self, "tracking_frame", self.rig.odom_frame, {"help": "base frame: no ego motion known"})
        )
        wait = {"help": "wait for a camera's detections after the frame set, s", "low": 0.0, "high": 5.0}
        wait_s = float(declare(self, "wait_s", 0.12, wait))
        longer = {"help": "wait for the lidar's detections after the frame set, s", "low": 0.0, "high": 5.0}
        lidar_wait_s = float(declare(self, "lidar_wait_s", 0.25, longer))
        self._fusion = ObjectFusion(declare_config(self, FusionConfig))
        self._warm()
        self._frames = SweepFrames.of(self.rig, frame)
        self._transforms = TransformStore(self)
        self._out = self.add_output(msg.Detection3DArray, _TOPIC, qos.detections())
        self._intrinsics = Intrinsics(self, self._know_camera)
        self._join = Joiner(self, wait_s, lidar_wait_s, self._fuse)

    def start(self) -> None:
        self.add_account("frame_set", "/perception/sync/frame_set", rate_hz=self.output_rate_hz)
        lidar = f"/perception/detection/lidar/{self.rig.reference}"
        self.add_account("lidar", lidar, Modality.LIDAR, self.output_rate_hz)
        self.listen(
            self.accounts["lidar"], msg.Detection3DArray, qos.detections(), self._join.handler("lidar")
        )
        for spec in self.rig.of(Modality.CAMERA):
            account = self.add_account(
                spec.name, f"/perception/detection/camera/{spec.name}", Modality.CAMERA
            )
            self.listen(account, msg.Detection2DArray, qos.detections(), self._join.handler(spec.name))
        self._intrinsics.start()
        self.listen(self.accounts["frame_set"], msg.FrameSet, qos.detections(), self._join.frame_set)
        self.create_timer(0.02, self._join.poll, clock=self.wall)

    def reset(self) -> None:
        self._join.clear(DropReason.TIME_JUMP)
        self._transforms.clear()
        self._detectors.clear()

    def drain(self) -> None:
        self._join.clear(DropReason.SHUTDOWN)

    def _warm(self) -> None:
        """Fuse a full frame, from message to message."""
        model = CameraModel(640, 480, 400.0, 400.0, 320.0, 240.0)
        optical_from_base = Transform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.zeros(3))
        lidar = from_msg.detections_3d(to_msg.detections_3d(warmup.objects(0), warmup.INFO))
        found = from_msg.detections_2d(to_msg.detections_2d(warmup.boxes(0, "warm", 640, 480), warmup.INFO))
        fused = self._fusion.fuse(
            lidar, [CameraView(found, model, optical_from_base)], 0, self.rig.base_frame
        )
        to_msg.to_bytes(to_msg.detections_3d(fused, warmup.INFO))

    def _know_camera(self, name: str, model: CameraModel, _frame_id: str) -> None:
        self._models[name] = model

    def _fuse(
        self, frame_set: FrameSet, sensors: tuple[SensorStatus, ...], found: dict[str, Any], since_ns: int
    ) -> None:
        """All that came of one frame; `found` maps "lidar" and camera names to their messages."""
        lidar = from_msg.detections_3d(found["lidar"]) if "lidar" in found else None
        # Of the sweep where there is one: without the reference lidar it may differ from the frame's.
        stamp_ns = frame_set.reference_ns if lidar is None else lidar.stamp_ns
        names = [s.name for s in self.rig.of(Modality.CAMERA) if s.name in found and found[s.name].info.valid]
        views = [
            v
            for v in (self._view(n, from_msg.detections_2d(found[n]), stamp_ns) for n in names)
            if v is not None
        ]
        fused = self._fusion.fuse(lidar, views, stamp_ns, self.rig.base_frame)
        used = {v.detections.source for v in views}
        for name in ({"lidar"} | used) & set(found):
            self._detectors[name] = str(found[name].info.model_id), str(found[name].info.model_hash)
        if lidar is not None:
            seen = {s.name: s for s in sensor_statuses(found["lidar"].info.sensors)}
            sensors = tuple(_as_seen(s, seen.get(s.name)) for s in sensors)
            blind = {s.name for s in sensors if s.qualifier in _USELESS}
            present = {s.name for s in self.rig.of(Modality.LIDAR) if frame_set.stamp_of(s.name) is not None}
            used |= present - blind
        sensors = tuple(_as_used(s, s.name in used, frame_set) for s in sensors)
        mask = sum(1 << i for i, s in enumerate(sensors) if s.qualifier != Qualifier.AVAILABLE)
        mode = Mode.NOMINAL if not mask else Mode.DEGRADED if used else Mode.BLIND
        pictures_ns = [v.detections.stamp_ns for v in views]
        if "lidar" in found:
            before = from_msg.latency(found["lidar"].info.latency)
            oldest_ns = min([before.sensor_time_oldest_ns, *pictures_ns])
            trace = self.extend(replace(before, sensor_time_oldest_ns=oldest_ns), since_ns)
        else:
            trace = self.trace([*pictures_ns, stamp_ns], since_ns)
        # The frame's stamp, for which the objects are valid, whichever sensors it is made of.
        trace = replace(trace, sensor_time_newest_ns=stamp_ns)
        coverage = len(used) / max(1, len(sensors))
        info = self.frame_info(_TOPIC, trace, sensors, mode, mask, coverage)
        self._out.publish(to_msg.detections_3d(fused, self._signed(info)))
        self.sent(stamp_ns, since_ns)

    def _signed(self, info: FrameInfo) -> FrameInfo:
        """With the detectors that have taken part since the start: one that pauses changes nothing."""
        lidar, model_hash = self._detectors.get("lidar", ("", ""))
        cameras = [model for name, (model, _) in self._detectors.items() if name != "lidar"]
        return replace(info, model_id=fused_model(lidar, cameras), model_hash=model_hash)

    def _view(self, name: str, found: Detections2D, stamp_ns: int) -> CameraView | None:
        model = self._models.get(name)
        if model is None:
            return None
        pose = base_from_sensor(
            self._frames, found.frame_id, found.stamp_ns, stamp_ns, self._transforms.lookup
        )
        return CameraView(found, model, pose.inverse())


def _as_seen(status: SensorStatus, detector: SensorStatus | None) -> SensorStatus:
    """The synchroniser reads stamps only; the detector knows whether there was anything in the message."""
    if detector is None or detector.qualifier not in _USELESS:
        return status
    return replace(status, qualifier=detector.qualifier, reason=detector.reason)


def _as_used(status: SensorStatus, used: bool, frame_set: FrameSet) -> SensorStatus:
    """The sensor's status as far as this frame is concerned; measurement_time_ns: of what has gone into it, or 0."""
    stamp_ns = frame_set.stamp_of(status.name)
    if used:
        return replace(status, measurement_time_ns=stamp_ns or 0)
    if status.qualifier in (*_USELESS, Qualifier.NOT_AVAILABLE):
        return status
    if frame_set.complete and stamp_ns is None:
        return replace(status, measurement_time_ns=0)  # a slower sensor that was not due
    return replace(status, qualifier=Qualifier.NOT_AVAILABLE, reason=SensorReason.INPUT_MISSING)


def main() -> int:
    """Entry point."""
    return run_node(Fusion)


if __name__ == "__main__":
    sys.exit(main())
