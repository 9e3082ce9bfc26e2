"""`--offline`: the same stages in one process, frame by frame, as fast as it goes; writes the same recording."""

from __future__ import annotations

import dataclasses
import secrets
import socket
import time
from typing import Any

from perception_nodes.datasets import BagReader, BagWriter
from perception_nodes.datasets.bag_tf import TF_TOPIC
from perception_nodes.datasets.messages import TF, tf_message
from perception_nodes.datatypes import (
    Drop,
    FrameInfo,
    FrameSet,
    LatencyTrace,
    Modality,
    Mode,
    PerceptionError,
    SensorStatus,
)
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.pipeline import FrameInput, FrameOutput, Pipeline, PipelineConfig
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.graph import load_graph
from perception_nodes.tracking import RigViews, unusable

from .frames import BagFrames, Counts
from .log import RunLog, interruptible
from .options import EXISTENCE_CALIBRATION, LIDAR_MODEL, RunOptions
from .prepare import PreparedInput
from .progress import RunProgress

_FUSED = "/perception/fusion/objects"


def run_pipeline(options: RunOptions, prepared: PreparedInput, progress: RunProgress) -> RunLog:
    """Run the pipeline over a prepared input; leaves `outputs.mcap` in the output folder."""
    log = RunLog()
    progress.stage("loading the pipeline")
    rig = prepared.rig
    lidar = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
    given = {name: a.default for name, a in load_graph().arguments.items()} | options.arguments
    config = PipelineConfig(given[LIDAR_MODEL], lidar, existence=given[EXISTENCE_CALIBRATION])
    pipeline = Pipeline(config, prepared.tracking_frame, options.camera_model)
    existence = pipeline.tracker.calibration_id or f"not calibrated for {pipeline.source}"
    progress.console.print(f"{pipeline.lidar.description}; existence: {existence}", highlight=False)
    views = RigViews(rig, pipeline.tracker.config)
    part = (options.start_s, options.duration_s)
    frames = BagFrames(prepared.bag, rig, prepared.tracking_frame, *part, views, pipeline.camera is not None)
    with BagReader(prepared.bag) as reader:
        info = reader.info
    progress.stage("running the pipeline")
    with interruptible() as stopped, BagWriter(options.output / "outputs.mcap") as writer:
        record = _Recording(writer, prepared, pipeline)
        for frame_set, frame in frames:
            began_ns = time.monotonic_ns()
            try:
                output = pipeline.process(frame)
            except PerceptionError as error:
                record.give_up(frame_set, error)
            else:
                record.write(frame_set, frame, output, began_ns, time.monotonic_ns())
            done_s = (frame_set.reference_ns - info.start_ns) * 1e-9
            progress.update(
                done_s, info.duration_s, f"{done_s:.1f}/{info.duration_s:.1f} s  {record.count} frames"
            )
            if stopped():
                log.interrupted = True
                break
        record.write_accounts(frames)
        log.notes += frames.notes
        log.notes += [f"the model does not fit this lidar: {m}" for m in pipeline.lidar.misfits()]
        frames.close()
    return log


class _Recording:
    """Pipeline outputs as the messages that the nodes would have sent, at the stamp of their frame."""

    def __init__(self, writer: BagWriter, prepared: PreparedInput, pipeline: Pipeline) -> None:
        self._writer = writer
        self._detector = {
            name: getattr(pipeline.lidar, name) for name in ("model_id", "model_hash", "calibration_id")
        }
        self._source, self._tracker = dataclasses.asdict(pipeline.source), pipeline.tracker
        self._rig = prepared.rig
        self._tracking_frame = prepared.tracking_frame
        self._session = secrets.randbits(64)
        self._host = socket.gethostname()
        self._last_ns = 0
        self._boxes, self._drops = Counts(), list[Drop]()
        self.count = 0

    def write(
        self, frame_set: FrameSet, frame: FrameInput, output: FrameOutput, began_ns: int, ended_ns: int
    ) -> None:
        """One frame. Receipt is the stamp plus the computing time, so that latency is computing time."""
        info = self._info(frame_set, frame, began_ns, ended_ns)
        at_ns = frame_set.reference_ns + ended_ns - began_ns
        lidar = f"/perception/detection/lidar/{self._rig.reference}"
        self._put_pose(frame, frame_set.reference_ns, at_ns)
        self._put(
            "/perception/sync/frame_set",
            to_msg.frame_set(frame_set, self._rig.sensor(self._rig.reference).frame, info),
            at_ns,
        )
        of_lidar = dataclasses.replace(info, **self._detector)
        if output.lidar is not None:
            named = dataclasses.replace(output.lidar, source=self._rig.reference)
            self._put(lidar, to_msg.detections_3d(named, of_lidar), at_ns)
        for found in output.cameras:
            self._put(
                f"/perception/detection/camera/{found.source}", to_msg.detections_2d(found, info), at_ns
            )
        of_fusion = dataclasses.replace(info, **self._source)
        self._put(_FUSED, to_msg.detections_3d(output.fused, of_fusion), at_ns)
        self._count_boxes(output)
        of_tracks = dataclasses.replace(info, calibration_id=self._tracker.calibration_id)
        self._put("/perception/objects", to_msg.tracks(output.tracks, of_tracks), at_ns)
        if output.elements is not None:
            self._put("/perception/map/elements", to_msg.map_elements(output.elements, info), at_ns)
        self.count += 1
        self._last_ns = at_ns

    def give_up(self, frame_set: FrameSet, error: PerceptionError) -> None:
        """A frame that a stage cannot use, as one of the time of another (when a lost sensor is back)."""
        drop = Drop(frame_set.reference_ns, self._rig.base_frame, _FUSED, error.reason, detail=str(error))
        self._drops.append(drop)

    def _count_boxes(self, output: FrameOutput) -> None:
        """As the tracker's node: what cannot be used is a drop with its reason."""
        rejected = self._tracker.last_rejected
        self._boxes.received += len(output.fused)
        self._boxes.dropped += rejected.total()
        self._boxes.used = self._boxes.received - self._boxes.dropped
        if rejected:
            self._drops.append(unusable(output.fused, rejected, _FUSED))

    def write_accounts(self, frames: BagFrames) -> None:
        """Drops and counts, with the name of the pipeline in place of a node's."""
        for total, drop in enumerate([*frames.drops, *self._drops], 1):
            self._put("/perception/drops", to_msg.drop_event(drop, "/pipeline", total), max(0, drop.stamp_ns))
        of_sensors = [(name, self._rig.sensor(name).modality, c) for name, c in frames.counts.items()]
        sensors = tuple(
            SensorStatus(name, modality, received=c.received, used=c.used, dropped=c.dropped)
            for name, modality, c in [*of_sensors, ("boxes", Modality.UNKNOWN, self._boxes)]
        )
        self._put("/perception/health", to_msg.pipeline_health(self._session, sensors), self._last_ns)

    def _info(self, frame_set: FrameSet, frame: FrameInput, began_ns: int, ended_ns: int) -> FrameInfo:
        stamps = [s for s in frame_set.stamp_ns if s] or [frame_set.reference_ns]
        trace = LatencyTrace("monotonic", self._host, min(stamps), frame_set.reference_ns)
        mode = Mode.NOMINAL if frame_set.complete else Mode.DEGRADED
        if frame.looks is not None and not frame.looks:
            mode = Mode.BLIND
        return FrameInfo(self._session, self.count, mode, trace.extended("pipeline", began_ns, ended_ns))

    def _put_pose(self, frame: FrameInput, stamp_ns: int, at_ns: int) -> None:
        """Where the vehicle was, so that the recording can be evaluated without its input."""
        frames = (self._tracking_frame, self._rig.base_frame)
        if frames[0] != frames[1]:
            message = tf_message([(stamp_ns, *frames, frame.odom_from_base)])
            self._writer.declare(TF_TOPIC, TF)
            self._writer.write(TF_TOPIC, message, TF, at_ns)

    def _put(self, topic: str, message: Any, at_ns: int) -> None:
        type_name = f"perception_nodes/msg/{type(message).__name__}"
        self._writer.declare(topic, type_name)
        self._writer.write_raw(topic, to_msg.to_bytes(message), at_ns)
