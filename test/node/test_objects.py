"""Fusion and tracker as processes: from a frame set and detections to objects, and what they say about a gap."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rclpy.qos import ReliabilityPolicy

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections3D,
    FrameInfo,
    FrameSet,
    LatencyTrace,
    Modality,
    Mode,
    Qualifier,
    SensorReason,
    SensorStatus,
    Trigger,
)
from perception_nodes.datatypes.existence import ExistenceCalibration, ExistenceTable
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg
from perception_nodes.tracking import Source, TrackerConfig
from perception_nodes.tracking.calibration import KnownCalibration, as_entry, deciding

PERIOD_NS = 100_000_000
SPEED_MPS = 5.0
PATIENT = {"lidar_wait_s": 2.0}  # what comes is waited for, however busy the machine is


def stamp_of(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


class Feed:
    """Publishes what the detectors and the synchroniser would."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        create = bench.node.create_publisher
        self.sets = create(msg.FrameSet, "/perception/sync/frame_set", qos.detections())
        self.boxes = create(msg.Detection3DArray, "/perception/detection/lidar/lidar", qos.detections())
        self.count = 0
        self.begin_ns = time.time_ns()

    def x_m(self, stamp_ns: int) -> float:
        """Where the vehicle is."""
        return SPEED_MPS * (stamp_ns - self.begin_ns) * 1e-9

    def send(self, boxes: bool = True, blind: bool = False, shift_ns: int = 0) -> int:
        """One frame at the present time: a car 10 m ahead of a vehicle that drives with it (`boxes`: it is seen).

        blind: the detector says that the lidar sees nothing; shift_ns: of the detections' stamp to the frame's.
        """
        stamp = time.time_ns()
        trace = LatencyTrace("monotonic", "here", stamp, stamp, ("lidar_detector",), (1,), (2,))
        sensors = (
            SensorStatus("lidar", Modality.LIDAR, Qualifier.AVAILABLE, measurement_time_ns=stamp, age_s=0.0),
            SensorStatus("camera", Modality.CAMERA, Qualifier.AVAILABLE),
        )
        info = FrameInfo(
            1, self.count, Mode.DEGRADED, trace, sensors=sensors, model_id="mine", model_hash="12"
        )
        self.bench.pose(stamp, self.x_m(stamp))
        frame = FrameSet(
            self.count, stamp, ("lidar", "camera"), (stamp, 0), (0.0, np.nan), False, Trigger.TIMEOUT, (1, 0)
        )
        center, size = np.array([[10.0, 0.0, 0.8]]), np.array([[4.5, 1.9, 1.6]])
        found = Detections3D.of(
            stamp + shift_ns, "base_link", "lidar", center, size, np.zeros(1), score=np.ones(1)
        )
        if blind:
            covered = replace(sensors[0], qualifier=Qualifier.BLINDNESS, reason=SensorReason.BLOCKED)
            found, info_of_boxes = found.select(np.zeros(1, bool)), replace(info, sensors=(covered,))
        if boxes:
            self.boxes.publish(to_msg.detections_3d(found, info_of_boxes if blind else info))
        self.sets.publish(to_msg.frame_set(frame, "base_link", info))
        self.count += 1
        return stamp


def test_objects_in_odom_then_predicted_then_blind(bench: Any) -> None:
    objects = bench.keep(msg.TrackedObjectArray, "/perception/objects")
    feed = Feed(bench)
    bench.launch(bench.spec("fusion", **PATIENT), bench.spec("tracker"))
    for publisher in (feed.sets, feed.boxes, bench.tf):
        bench.ready(publisher)
    bench.at_work("fusion", "tracker")
    bench.ready(bench.tf, 2)
    # Fusion and the tracker find each other in their own time; what is sent before is lost.
    while not objects:
        feed.send()
        bench.executor.spin_once(timeout_sec=0.2)
    sent: list[int] = []

    def confirmed() -> list[Any]:
        return [o for o in objects[-1].objects if o.state == o.STATE_CONFIRMED]

    # On a busy machine so much time may pass between two of them that the track begins anew.
    while len(sent) < 8 or stamp_of(objects[-1]) != sent[-1] or not confirmed():
        sent.append(feed.send())
        bench.until(lambda: any(stamp_of(m) == sent[-1] for m in objects))
    measured = [m for m in objects if stamp_of(m) in sent]
    assert [stamp_of(m) for m in measured] == sent
    last = measured[-1]
    (car,) = confirmed()
    assert last.header.frame_id == "odom"
    assert abs(car.x - feed.x_m(sent[-1]) - 10.0) < 0.5
    trace = last.info.latency
    assert list(trace.stage) == ["lidar_detector", "fusion", "tracker"]
    assert all(b <= e for b, e in zip(trace.start_ns, trace.end_ns, strict=True))
    qualifiers = {s.name: s.qualifier for s in last.info.sensors}
    available, missing = msg.SensorStatus.QUALIFIER_AVAILABLE, msg.SensorStatus.QUALIFIER_NOT_AVAILABLE
    assert qualifiers == {"lidar": available, "camera": missing}
    assert (last.info.mode, last.info.degraded_mask) == (msg.FrameInfo.MODE_DEGRADED, 2)
    bench.until(lambda: objects[-1].info.mode == msg.FrameInfo.MODE_BLIND)
    gap = objects[objects.index(last) :]
    assert {b - a for a, b in zip(map(stamp_of, gap), map(stamp_of, gap[1:]), strict=False)} == {PERIOD_NS}
    *predicted, blind = gap[1:]
    assert predicted and all(m.info.mode == msg.FrameInfo.MODE_DEGRADED and m.info.valid for m in predicted)
    assert all(m.info.degraded_mask == 3 for m in predicted)
    assert [round(m.info.sensors[0].age_s, 3) for m in predicted[:3]] == [0.1, 0.2, 0.3]
    assert stamp_of(blind) - sent[-1] > 1_000_000_000 >= stamp_of(predicted[-1]) - sent[-1]
    assert not blind.objects and not blind.info.valid and blind.info.invalid_reason
    again = feed.send()
    bench.until(lambda: any(stamp_of(m) == again for m in objects))


def existence_file(folder: Path, model_id: str) -> str:
    """A calibration of what is called unknown for these detections; its lowest existence is 0.9."""
    table = ExistenceTable((0.001, 0.9), (0.9, 0.99))
    calibration = ExistenceCalibration("mine-1", 0.03, {"unknown": table})
    known = KnownCalibration(Source(model_id, "12"), deciding(TrackerConfig()), calibration)
    path = folder / "existence.yaml"
    path.write_text(yaml.safe_dump({"calibrations": [as_entry(known, {})]}))
    return str(path)


def test_of_a_recording_played_slowly_the_tracker_waits_longer(bench: Any) -> None:
    objects = bench.keep(msg.TrackedObjectArray, "/perception/objects")
    fused = bench.node.create_publisher(msg.Detection3DArray, "/perception/fusion/objects", qos.detections())
    bench.start("tracker", playback_rate=0.1)
    bench.ready(fused)
    bench.ready(bench.tf)
    stamp, began = time.time_ns() - 5_000_000_000, time.monotonic()
    nothing = Detections3D.of(
        stamp, "base_link", "lidar", np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), score=np.zeros(0)
    )
    info = FrameInfo(1, 0, Mode.NOMINAL, LatencyTrace("monotonic", "here", stamp, stamp))
    fused.publish(to_msg.detections_3d(nothing, info))
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_NO_TRANSFORM
    assert time.monotonic() - began >= 0.2 / 0.1
    bench.pose(stamp)
    fused.publish(to_msg.detections_3d(nothing, info))
    bench.until(lambda: len(objects) == 2)
    measured, predicted = (m.info.latency for m in objects)
    assert predicted.start_ns[-1] - measured.end_ns[-1] >= 1.5 * PERIOD_NS / 0.1


def test_the_existence_is_calibrated_for_the_detector_whose_detections_come(bench: Any) -> None:
    objects = bench.keep(msg.TrackedObjectArray, "/perception/objects")
    fused = bench.keep(msg.Detection3DArray, "/perception/fusion/objects", qos.detections())
    labels = bench.keep(msg.LabelInfo, "/perception/labels", qos.latched())
    feed, path = Feed(bench), existence_file(bench.folder, "late_fusion(mine)")
    bench.launch(bench.spec("fusion", **PATIENT), bench.spec("tracker", existence_calibration=path))
    for publisher in (feed.sets, feed.boxes, bench.tf):
        bench.ready(publisher)
    bench.at_work("fusion", "tracker")
    bench.ready(bench.tf, 2)
    while not objects or not any(o.state == o.STATE_CONFIRMED for o in objects[-1].objects):
        sent = feed.send()
        bench.until(lambda stamp=sent: any(stamp_of(m) == stamp for m in objects))
    assert (fused[-1].info.model_id, fused[-1].info.model_hash) == ("late_fusion(mine)", "12")
    shown = [m for m in objects if any(o.state == o.STATE_CONFIRMED for o in m.objects)]
    assert {m.info.calibration_id for m in shown} == {"mine-1"}
    (car,) = (o for o in shown[-1].objects if o.state == o.STATE_CONFIRMED)
    assert car.existence_probability > 0.9
    bench.until(lambda: labels[-1].calibration_id == "mine-1")
    assert abs(labels[-1].expected_calibration_error - 0.03) < 1e-6


def test_objects_of_another_calibration_are_a_fault_of_the_planner(bench: Any) -> None:
    objects = bench.node.create_publisher(msg.TrackedObjectArray, "/perception/objects", qos.objects())
    bench.start("planner")
    bench.ready(objects)
    message = msg.TrackedObjectArray(header=to_msg.header(1, "odom"))
    fault = "PLANNER.OBJECTS.UNKNOWN_CALIBRATION"
    for calibration_id, is_fault in (("not_known", True), ("", False)):
        message.info.calibration_id = calibration_id

        def told(wanted: bool = is_fault) -> bool:
            # Again and again: a planner that does not yet know this publisher loses what it sends.
            objects.publish(message)
            return (fault in bench.last("planner").active_faults) == wanted

        bench.until(told)


def test_a_frame_of_which_nothing_came_has_each_stage_once(bench: Any) -> None:
    fused = bench.keep(msg.Detection3DArray, "/perception/fusion/objects", qos.detections())
    feed = Feed(bench)
    bench.launch(bench.spec("fusion"))
    bench.ready(feed.sets)
    bench.at_work("fusion")
    stamp = feed.send(boxes=False)
    bench.until(lambda: any(stamp_of(m) == stamp for m in fused))
    trace = fused[-1].info.latency
    assert list(trace.stage) == ["fusion"]
    assert trace.sensor_time_oldest_ns == stamp


def test_qos_of_the_objects_is_as_documented(bench: Any) -> None:
    bench.start("tracker")
    bench.until(lambda: bench.node.count_publishers("/perception/objects"))
    (end,) = bench.node.get_publishers_info_by_topic("/perception/objects")
    assert end.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert end.qos_profile.liveliness_lease_duration.nanoseconds == 300_000_000
    labels = bench.keep(msg.LabelInfo, "/perception/labels", qos.latched())
    bench.until(lambda: labels)
    assert "car" in labels[0].names


def test_a_blind_lidar_makes_the_fused_frame_blind(bench: Any) -> None:
    fused = bench.keep(msg.Detection3DArray, "/perception/fusion/objects", qos.detections())
    feed = Feed(bench)
    bench.launch(bench.spec("fusion", **PATIENT))
    for publisher in (feed.sets, feed.boxes):
        bench.ready(publisher)
    bench.at_work("fusion")
    stamp = feed.send(blind=True)
    bench.until(lambda: any(stamp_of(m) == stamp for m in fused))
    info = fused[-1].info
    lidar = next(s for s in info.sensors if s.name == "lidar")
    assert lidar.qualifier == msg.SensorStatus.QUALIFIER_BLINDNESS
    assert (info.mode, info.coverage_fraction) == (msg.FrameInfo.MODE_BLIND, 0.0)


def test_detections_of_a_lidar_that_is_not_the_reference_are_joined_within_half_a_period(bench: Any) -> None:
    fused = bench.keep(msg.Detection3DArray, "/perception/fusion/objects", qos.detections())
    feed = Feed(bench)
    bench.launch(bench.spec("fusion", **PATIENT))
    for publisher in (feed.sets, feed.boxes):
        bench.ready(publisher)
    bench.at_work("fusion")
    for shift_ns, count in ((30_000_000, 1), (-70_000_000, 0)):
        stamp = feed.send(shift_ns=shift_ns)
        valid = stamp + shift_ns * count
        bench.until(lambda valid=valid: any(stamp_of(m) == valid for m in fused))
        assert len(fused[-1].detections) == count
