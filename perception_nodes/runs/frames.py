"""Frames out of a bag, without a graph: the same synchroniser, the same transforms at the same stamps as the nodes.

Messages are read in the order of their log times, which stand in for the wall clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.datasets import BagReader
from perception_nodes.datasets.bag_tf import (
    TF_TOPIC,
    merged_static,
    needs_odometry,
    with_odometry,
)
from perception_nodes.datasets.messages import TF
from perception_nodes.datatypes import (
    CalibrationError,
    Drop,
    DropReason,
    FrameSet,
    MalformedMessage,
    Modality,
    PerceptionError,
    PointCloud,
    Rig,
    SensorSpec,
    TransformUnavailable,
)
from perception_nodes.geometry import CameraModel
from perception_nodes.pipeline import CameraInput, FrameInput
from perception_nodes.ros.convert import from_msg
from perception_nodes.ros.sweeps import BLIND_POINTS, SweepFrames, base_from_sensor, merged_sweep
from perception_nodes.ros.transforms import TransformStore
from perception_nodes.sync import Aligner, AlignerConfig
from perception_nodes.tracking import Look, RigViews

_KEPT = 8
_TRANSFORM_PATIENCE_NS = 200_000_000


@dataclass
class Counts:
    """Messages of one sensor: received = used + dropped at the end."""

    received: int = 0
    used: int = 0
    dropped: int = 0


@dataclass
class BagFrames:
    """Iterate over it once: (FrameSet, FrameInput) of every frame that can be built.

    views: what the tracker is told of who has looked; pictures: a detector looks at those too;
    drops: what was not used and why; counts: per sensor.
    """

    path: Path
    rig: Rig
    tracking_frame: str
    start_s: float = 0.0
    duration_s: float | None = None
    views: RigViews | None = None
    pictures: bool = False
    drops: list[Drop] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = BagReader(self.path)
        self._types = {t.name: t.typename for t in self._reader.info.topics}
        self._frames = SweepFrames.of(self.rig, self.tracking_frame)
        self._transforms = TransformStore()
        # As the nodes: what no stage reads yet (radar) is not waited for.
        self._sensors = (*self.rig.of(Modality.LIDAR), *self.rig.of(Modality.CAMERA))
        self._aligner = Aligner(AlignerConfig(), self._sensors, self.rig.reference)
        self._values: dict[str, deque[Any]] = {s.name: deque(maxlen=_KEPT) for s in self._sensors}
        self._models: dict[str, CameraModel] = {}
        self._waiting: deque[tuple[FrameSet, int]] = deque()
        self.counts = {s.name: Counts() for s in self._sensors}

    def __iter__(self) -> Iterator[tuple[FrameSet, FrameInput]]:
        static = merged_static(self._reader, self.rig)
        if static is not None:
            self._transforms.add(self._reader.decode(static, TF), static=True)
        by_topic = {s.topic: s for s in self._sensors}
        infos = {s.info_topic: s for s in self._sensors if s.info_topic}
        now_ns = 0
        for topic, now_ns, raw in self._stream({*by_topic, *infos, TF_TOPIC}):
            if topic == TF_TOPIC:
                self._note_transforms(raw, now_ns)
            elif topic in infos:
                self._note_camera(infos[topic], raw)
            else:
                self._note_sensor(by_topic[topic], raw, now_ns)
            self._sort_out(self._aligner.poll(now_ns), now_ns)
            yield from self._ready(now_ns)
        self._sort_out(self._aligner.flush(now_ns), now_ns)
        yield from self._ready(now_ns + _TRANSFORM_PATIENCE_NS + 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """Damage of the bag that has been met so far."""
        return self._reader.info.notes

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def _stream(self, topics: set[str]) -> Iterator[tuple[str, int, bytes]]:
        info = self._reader.info
        start = info.start_ns + round(self.start_s * 1e9)
        end = info.end_ns if self.duration_s is None else start + round(self.duration_s * 1e9)
        odometry = needs_odometry(self._reader, self.rig)
        if not odometry:
            return self._reader.messages({t for t in topics if t in self._types}, start, end)
        stream = self._reader.messages({t for t in {*topics, odometry} if t in self._types}, start, end)
        made = with_odometry(stream, self._reader, self.rig, odometry)
        return (item for item in made if item[0] in topics)

    def _note_transforms(self, raw: bytes, now_ns: int) -> None:
        try:
            self._transforms.add(self._reader.decode(raw, TF), static=False)
        except MalformedMessage as error:
            self._drop(TF_TOPIC, now_ns, "", error.reason, str(error))

    def _note_camera(self, spec: SensorSpec, raw: bytes) -> None:
        """Remember the calibration that a CameraInfo carries."""
        try:
            message = self._reader.decode(raw, self._types[spec.info_topic])
            self._models[spec.name] = from_msg.camera_model(message)
            if self.views is not None:
                self.views.know_camera(spec.name, self._models[spec.name], str(message.header.frame_id))
        except PerceptionError as error:
            self._drop(spec.info_topic, 0, spec.frame, error.reason, str(error))

    def _note_sensor(self, spec: SensorSpec, raw: bytes, now_ns: int) -> None:
        """A sweep or a picture: keep it, tell the synchroniser its stamp. A bad one costs only itself."""
        count = self.counts[spec.name]
        count.received += 1
        try:
            message = self._reader.decode(raw, self._types[spec.topic])
            value = (
                from_msg.point_cloud(message) if spec.modality == Modality.LIDAR else from_msg.image(message)
            )
        except PerceptionError as error:
            count.dropped += 1
            self._drop(spec.topic, now_ns, spec.frame, error.reason, str(error))
            return
        self._values[spec.name].append(value)
        self._sort_out(self._aligner.add(spec.name, value.stamp_ns, now_ns), now_ns)

    def _sort_out(self, output: Any, now_ns: int) -> None:
        """Frame sets wait for their transforms; drops are counted."""
        by_topic = {s.topic: s.name for s in self._sensors}
        for drop in output.drops:
            self.drops.append(drop)
            self.counts[by_topic.get(drop.topic, drop.topic)].dropped += 1
        self._waiting.extend((frame_set, now_ns) for frame_set in output.frame_sets)

    def _ready(self, now_ns: int) -> Iterator[tuple[FrameSet, FrameInput]]:
        """Frames whose transforms have come; one that waits too long is dropped with its reason."""
        while self._waiting:
            frame_set, since_ns = self._waiting[0]
            try:
                frame = self._assemble(frame_set)
            except TransformUnavailable as error:
                if now_ns - since_ns <= _TRANSFORM_PATIENCE_NS:
                    return
                self._give_up(frame_set, error)
            except PerceptionError as error:
                self._give_up(frame_set, error)
            else:
                self._account(frame_set)
                self._waiting.popleft()
                yield frame_set, frame
                continue
            self._waiting.popleft()

    def _account(self, frame_set: FrameSet) -> None:
        """All sensors of a frame are used, but pictures of a camera whose calibration never came."""
        for name, stamp in zip(frame_set.sensors, frame_set.stamp_ns, strict=True):
            spec = self.rig.sensor(name)
            if not stamp:
                continue
            if spec.modality == Modality.LIDAR or name in self._models:
                self.counts[name].used += 1
            else:
                self.counts[name].dropped += 1
                error = CalibrationError(
                    f"no CameraInfo on {spec.info_topic or '(no info_topic in the rig)'}"
                )
                self._drop(spec.topic, stamp, spec.frame, error.reason, str(error))

    def _give_up(self, frame_set: FrameSet, error: PerceptionError) -> None:
        for name, stamp in zip(frame_set.sensors, frame_set.stamp_ns, strict=True):
            if stamp:
                spec = self.rig.sensor(name)
                self.counts[name].dropped += 1
                self._drop(spec.topic, stamp, spec.frame, error.reason, str(error))

    def _drop(self, topic: str, stamp_ns: int, frame_id: str, reason: DropReason, detail: str) -> None:
        self.drops.append(Drop(stamp_ns, frame_id, topic, reason, detail=detail))

    def _value(self, sensor: str, stamp_ns: int) -> Any:
        for value in self._values[sensor]:
            if value.stamp_ns == stamp_ns:
                return value
        raise MalformedMessage(f"{sensor}: no message of stamp {stamp_ns} is kept")

    def _assemble(self, frame_set: FrameSet) -> FrameInput:
        reference_ns = frame_set.reference_ns
        base = self.rig.base_frame
        sweeps = []
        for spec in self.rig.of(Modality.LIDAR):
            stamp_ns = frame_set.stamp_of(spec.name)
            if stamp_ns is not None:
                sweeps.append((spec, self._value(spec.name, stamp_ns)))
        cloud, origins = PointCloud(reference_ns, base, np.zeros((0, 3), np.float32)), np.zeros((0, 3))
        if sweeps:
            cloud, origins = merged_sweep(sweeps, reference_ns, self._frames, self._transforms.lookup)
        pose = self._transforms.lookup(self.tracking_frame, base, reference_ns)
        found = [self._camera(s, frame_set) for s in self.rig.of(Modality.CAMERA)]
        cameras = tuple(c for c in found if c is not None)
        seeing = [spec.name for spec, sweep in sweeps if len(sweep) >= BLIND_POINTS]
        seeing += [c.name for c in cameras if self.pictures]
        return FrameInput(cloud, origins, pose, cameras, self._looks(seeing, reference_ns))

    def _looks(self, sensors: list[str], stamp_ns: int) -> tuple[Look, ...] | None:
        return None if self.views is None else self.views.looks(sensors, stamp_ns, self._transforms.lookup)

    def _camera(self, spec: SensorSpec, frame_set: FrameSet) -> CameraInput | None:
        stamp_ns = frame_set.stamp_of(spec.name)
        model = self._models.get(spec.name)
        if stamp_ns is None or model is None:
            return None
        image = self._value(spec.name, stamp_ns)
        lookup = self._transforms.lookup
        base_from_optical = base_from_sensor(
            self._frames, image.frame_id, stamp_ns, frame_set.reference_ns, lookup
        )
        return CameraInput(spec.name, image, model, base_from_optical.inverse())
