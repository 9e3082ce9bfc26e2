"""Fused objects to tracks in odom, at a constant rate: a missing frame is filled with predicted tracks."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections3D,
    DropReason,
    LatencyTrace,
    Modality,
    Mode,
    Qualifier,
    SensorStatus,
    Tracks,
)
from perception_nodes.geometry import Transform, transform_detections
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.ros.convert.statuses import sensor_statuses, stale
from perception_nodes.ros.intrinsics import Intrinsics
from perception_nodes.ros.labels import Labels
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.pace import Pace
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.pose_queue import PoseQueue
from perception_nodes.ros.transforms import TransformStore
from perception_nodes.tracking import (
    ExistenceCalibrations,
    Look,
    MultiObjectTracker,
    RigViews,
    Sight,
    Source,
    TrackerConfig,
    unusable,
)

_TOPIC = "/perception/objects"
_FUSED = "/perception/fusion/objects"
_SEEING = (Qualifier.AVAILABLE, Qualifier.AVAILABLE_REDUCED)


class Tracker(PerceptionNode):
    """Owns identity and time."""

    model_id = "multi_object_tracker"

    def __init__(self, **options: Any) -> None:
        super().__init__("tracker", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz
        self._pace = Pace(round(1e9 / self.output_rate_hz), self.slowness)
        self._sight = Sight()
        self._sensors: tuple[SensorStatus, ...] = ()

    def setup(self) -> None:
        self._frame = str(
            declare(self, "tracking_frame", self.rig.odom_frame, {"help": "frame of the tracks"})
        )
        config = declare_config(self, TrackerConfig)
        self._tracker = MultiObjectTracker(config)
        meaning = (
            "what existence is worth: auto (the shipped file), none, or a file of perception tune existence"
        )
        which = declare(self, "existence_calibration", "auto", {"help": meaning})
        self._calibrations, self._source = ExistenceCalibrations.read(str(which)), Source("")
        _warm()
        self._transforms = TransformStore(self)
        self._queue = PoseQueue(self, "fusion", self._frame, self._transforms)
        self._views = RigViews(self.rig, config)
        self._intrinsics = Intrinsics(self, self._views.know_camera)
        self._out = self.add_output(msg.TrackedObjectArray, _TOPIC, qos.objects())
        self._labels = Labels(self, config.max_range_m)
        self._labels.tell(None)
        if self._frame == self.rig.base_frame:
            self.faults.add("ODOMETRY.MISSING")

    def _calibrate(self, source: Source) -> None:
        """Take what is known of the existence of these detections."""
        self._source, config = source, self._tracker.config
        # What is fitted is of tracks in a frame that stands.
        fixed = self._frame != self.rig.base_frame
        self._tracker.calibration = found = self._calibrations.find(source, config) if fixed else None
        said = self._calibrations.missing(source, config) if found is None else f"existence: {found.id}"
        self.get_logger().info(said)
        self._labels.tell(found if self._tracker.calibration_id else None)

    def start(self) -> None:
        fusion = self.add_account("fusion", _FUSED, Modality.UNKNOWN, self.output_rate_hz)
        self._boxes = self.add_account("boxes", _FUSED)
        self._boxes.publishers = 1  # they come with the messages: nobody waits for them
        self.listen(fusion, msg.Detection3DArray, qos.detections(), self._receive)
        self._intrinsics.start()
        self.create_timer(0.02, self._poll, clock=self.wall)

    def reset(self) -> None:
        self._queue.clear(DropReason.TIME_JUMP)
        self._tracker.reset()
        self._transforms.clear()
        self._pace.reset()
        self._sight = Sight()

    def drain(self) -> None:
        self._queue.clear(DropReason.SHUTDOWN)

    def _receive(self, message: Any, received_ns: int) -> None:
        self._queue.add(message, received_ns)
        self._work()

    def _poll(self) -> None:
        if self.active:
            self._work()
            self._fill_gap()

    def _work(self) -> None:
        """Step over everything whose transform is there, in order."""
        while self._queue:
            with self.guarded(self.accounts["fusion"], self._queue.stamp_ns):
                taken = self._queue.take()
                if taken is None:
                    return
                self._step(*taken)

    def _step(self, message: Any, received_ns: int, pose: Transform) -> None:
        info = message.info
        source = Source(str(info.model_id), str(info.model_hash))
        if source != self._source:
            self._calibrate(source)
        found = transform_detections(from_msg.detections_3d(message), self._frame, pose)
        self._sensors = sensor_statuses(info.sensors)
        tracks = self._tracker.step(found, pose, self._looks(found.stamp_ns))
        tracks = self._sight.published(tracks, info.mode != Mode.BLIND)
        self.accounts["fusion"].count(used=1)
        self._count_boxes(found, received_ns)
        trace = self.extend(from_msg.latency(info.latency), received_ns)
        self._publish(tracks, trace, received_ns, Mode(int(info.mode)), info)

    def _count_boxes(self, found: Detections3D, received_ns: int) -> None:
        """Every box was used, or could not be and is a drop with its reason."""
        rejected = self._tracker.last_rejected
        self._boxes.note(found.stamp_ns, received_ns, count=len(found))
        self._boxes.count(used=len(found) - rejected.total())
        if rejected:
            self._boxes.count(dropped=rejected.total())
            self.report_drop(unusable(found, rejected, _FUSED), rejected.total())

    def _looks(self, stamp_ns: int) -> tuple[Look, ...] | None:
        """Of the sensors that have gone into the frame; None where it does not tell of sensors."""
        seeing = [s.name for s in self._sensors if s.qualifier in _SEEING and s.measurement_time_ns]
        return self._views.looks(seeing, stamp_ns, self._transforms.lookup) if self._sensors else None

    def _fill_gap(self) -> None:
        """One predicted output for each period without input; after 1 s of that, none but BLIND."""
        stamp_ns = self._pace.missing(self.ros_ns())
        if stamp_ns is None:
            return
        now_ns = time.monotonic_ns()
        blind = self._sight.lost(stamp_ns)
        tracks = Tracks.empty(stamp_ns, self._frame) if blind else self._tracker.predict(stamp_ns)
        self._sensors = tuple(stale(s, stamp_ns) for s in self._sensors)
        trace = self.trace([self._sight.last_ns], now_ns)
        self._publish(tracks, trace, now_ns, Mode.BLIND if blind else Mode.DEGRADED, None)

    def _publish(self, tracks: Tracks, trace: LatencyTrace, start_ns: int, mode: Mode, fused: Any) -> None:
        mask = int(fused.degraded_mask) if fused is not None else (1 << len(self._sensors)) - 1
        coverage = float(fused.coverage_fraction) if fused is not None else 0.0
        if self._frame == self.rig.base_frame and mode == Mode.NOMINAL:
            mode = Mode.DEGRADED
        invalid = "no sensor for more than 1 s" if mode == Mode.BLIND else ""
        info = self.frame_info(_TOPIC, trace, self._sensors, mode, mask, coverage, invalid)
        info = replace(info, calibration_id=self._tracker.calibration_id)
        self._out.publish(to_msg.tracks(tracks, info))
        self._pace.sent(tracks.stamp_ns)
        self.sent(tracks.stamp_ns, start_ns)


def _warm() -> None:
    """Step over a full frame with a tracker of its own, from message to message."""
    tracker = MultiObjectTracker()
    for k in range(1, 4):
        found = from_msg.detections_3d(
            to_msg.detections_3d(warmup.objects(k * 100_000_000, "odom"), warmup.INFO)
        )
        to_msg.to_bytes(to_msg.tracks(tracker.step(found, Transform.identity()), warmup.INFO))
    tracker.predict(350_000_000)


def main() -> int:
    """Entry point."""
    return run_node(Tracker)


if __name__ == "__main__":
    sys.exit(main())
