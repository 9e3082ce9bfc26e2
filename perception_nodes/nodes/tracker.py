"""Fused objects to tracks in odom, at a constant rate: a missing frame is filled with predicted tracks."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import replace
from typing import Any

from perception_nodes import msg
from perception_nodes.datatypes import (
    LABELS,
    PARENTS,
    TAXONOMY,
    DropReason,
    LatencyTrace,
    Modality,
    Mode,
    Qualifier,
    SensorReason,
    SensorStatus,
    Tracks,
    TransformUnavailable,
)
from perception_nodes.geometry import Transform, transform_detections
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.ros.convert.statuses import sensor_statuses
from perception_nodes.ros.intrinsics import Intrinsics
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.transforms import TransformStore
from perception_nodes.tracking import (
    ExistenceCalibrations,
    Look,
    MultiObjectTracker,
    RigViews,
    Sight,
    Source,
    TrackerConfig,
)

_TOPIC = "/perception/objects"
_PATIENCE_S = 0.2
_SEEING = (Qualifier.AVAILABLE, Qualifier.AVAILABLE_REDUCED)


class Tracker(PerceptionNode):
    """Owns identity and time."""

    model_id = "multi_object_tracker"

    def __init__(self, **options: Any) -> None:
        super().__init__("tracker", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz
        self._period_ns = round(1e9 / self.output_rate_hz)
        self._waiting: deque[tuple[Any, int]] = deque()
        self._last: tuple[int, int] | None = None  # stamp and monotonic time of the last output
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
        self._views = RigViews(self.rig, config)
        self._intrinsics = Intrinsics(self, self._views.know_camera)
        self._out = self.add_output(msg.TrackedObjectArray, _TOPIC, qos.objects())
        self._labels = self.add_output(msg.LabelInfo, "/perception/labels", qos.latched())
        self._tell_labels()
        if self._frame == self.rig.base_frame:
            self.faults.add("ODOMETRY.MISSING")

    def _tell_labels(self) -> None:
        found, config = self._tracker.calibration, self._tracker.config
        labels = msg.LabelInfo(taxonomy=TAXONOMY, names=list(LABELS), parent=list(PARENTS))
        labels.model_id, labels.range_max_m = self.model_id, config.max_range_m
        labels.calibration_id = self._tracker.calibration_id
        labels.expected_calibration_error = float("nan") if found is None else found.expected_error
        self._labels.publish(labels)

    def _calibrate(self, source: Source) -> None:
        """Take what is known of the existence of these detections."""
        self._source, config = source, self._tracker.config
        # What is fitted is of tracks in a frame that stands.
        fixed = self._frame != self.rig.base_frame
        self._tracker.calibration = found = self._calibrations.find(source, config) if fixed else None
        said = self._calibrations.missing(source, config) if found is None else f"existence: {found.id}"
        self.get_logger().info(said)
        self._tell_labels()

    def start(self) -> None:
        self.add_account("fusion", "/perception/fusion/objects", Modality.UNKNOWN, self.output_rate_hz)
        self.listen(self.accounts["fusion"], msg.Detection3DArray, qos.detections(), self._receive)
        self._intrinsics.start()
        self.create_timer(0.02, self._poll, clock=self.wall)

    def reset(self) -> None:
        self._clear(DropReason.TIME_JUMP)
        self._tracker.reset()
        self._transforms.clear()
        self._last, self._sight = None, Sight()

    def drain(self) -> None:
        self._clear(DropReason.SHUTDOWN)

    def _clear(self, reason: DropReason) -> None:
        while self._waiting:
            message, _ = self._waiting.popleft()
            self.drop(
                self.accounts["fusion"], from_msg.stamp_ns(message.header), reason, "waiting for a transform"
            )

    def _receive(self, message: Any, received_ns: int) -> None:
        self._waiting.append((message, received_ns))
        self._work()

    def _poll(self) -> None:
        if self.active:
            self._work()
            self._fill_gap()

    def _work(self) -> None:
        """Step over everything whose transform is there, in order."""
        while self._waiting:
            message, received_ns = self._waiting[0]
            stamp_ns = from_msg.stamp_ns(message.header)
            with self.guarded(self.accounts["fusion"], stamp_ns):
                try:
                    pose = self._transforms.lookup(self._frame, message.header.frame_id, stamp_ns)
                except TransformUnavailable:
                    if time.monotonic_ns() - received_ns < self.wait_ns(_PATIENCE_S):
                        return
                    self._waiting.popleft()
                    raise
                self._waiting.popleft()
                source = Source(str(message.info.model_id), str(message.info.model_hash))
                if source != self._source:
                    self._calibrate(source)
                found = transform_detections(from_msg.detections_3d(message), self._frame, pose)
                self._sensors = sensor_statuses(message.info.sensors)
                tracks = self._tracker.step(found, pose, self._looks(stamp_ns))
                tracks = self._sight.published(tracks, message.info.mode != Mode.BLIND)
                self._tell_rejected()
                self.accounts["fusion"].count(used=1)
                trace = self.extend(from_msg.latency(message.info.latency), received_ns)
                self._publish(tracks, trace, received_ns, Mode(int(message.info.mode)), message.info)

    def _tell_rejected(self) -> None:
        """Detections that could not be used, of this frame and in all."""
        if self._tracker.last_rejected:
            now, all_of_them = dict(self._tracker.last_rejected), dict(self._tracker.rejected)
            self.get_logger().warning(
                f"detections not used: {now}; since the start {all_of_them}", throttle_duration_sec=2.0
            )

    def _looks(self, stamp_ns: int) -> tuple[Look, ...] | None:
        """Of the sensors that have gone into the frame; None where it does not tell of sensors."""
        seeing = [s.name for s in self._sensors if s.qualifier in _SEEING and s.measurement_time_ns]
        return self._views.looks(seeing, stamp_ns, self._transforms.lookup) if self._sensors else None

    def _fill_gap(self) -> None:
        """One predicted output for each period without input; after 1 s of that, none but BLIND."""
        if self._last is None:
            return
        stamp_ns, sent_ns = self._last
        now_ns = time.monotonic_ns()
        # ROS time must have gone on as well: while playing is paused or over, there is nothing to predict.
        waited_ns = min((now_ns - sent_ns) / self.slowness, self.ros_ns() - stamp_ns)
        if waited_ns < 1.5 * self._period_ns:
            return
        stamp_ns += self._period_ns
        blind = self._sight.lost(stamp_ns)
        tracks = Tracks.empty(stamp_ns, self._frame) if blind else self._tracker.predict(stamp_ns)
        lost = tuple(_lost(s, stamp_ns) for s in self._sensors)
        self._sensors = lost
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
        self._last = (tracks.stamp_ns, time.monotonic_ns())
        self.sent(tracks.stamp_ns, start_ns)


def _lost(status: SensorStatus, stamp_ns: int) -> SensorStatus:
    """The status of a sensor of which nothing has come for the output of `stamp_ns`."""
    age_s = (stamp_ns - status.measurement_time_ns) * 1e-9 if status.measurement_time_ns else float("nan")
    return replace(status, qualifier=Qualifier.NOT_AVAILABLE, reason=SensorReason.STALE, age_s=age_s)


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
