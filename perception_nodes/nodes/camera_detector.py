"""Pictures of all cameras to boxes in the image. Without a model every frame says NOT_AVAILABLE."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from perception_nodes import msg
from perception_nodes.datatypes import (
    NUM_LABELS,
    Detections2D,
    DropReason,
    Modality,
    Mode,
    PerceptionError,
    SensorReason,
    SensorSpec,
)
from perception_nodes.detection.camera import YoloxDetector
from perception_nodes.detection.camera_config import YoloxConfig
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.accounts import Account
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.worker import Worker


@dataclass(frozen=True)
class _Job:
    spec: SensorSpec
    account: Account
    message: Any
    stamp_ns: int
    received_ns: int
    session: int


class CameraDetector(PerceptionNode):
    """One worker for all cameras; of each camera only the newest picture waits."""

    def __init__(self, **options: Any) -> None:
        super().__init__("camera_detector", **options)
        self._cameras = self.rig.of(Modality.CAMERA)

    def setup(self) -> None:
        path = str(
            declare(self, "model", "", {"help": "ONNX of the YOLOX layout; empty: cameras NOT_AVAILABLE"})
        )
        config = declare_config(self, YoloxConfig)
        self._model: YoloxDetector | None = None
        if path:
            cv2.setNumThreads(1)
            self._model = YoloxDetector(Path(path), config)
            self._model.warm()
            _dry_run(self._model)
            self.model_id, self.model_hash = self._model.model_id, self._model.model_hash
            self.get_logger().info(f"{self.model_id} on {self._model.provider}")
        elif self._cameras:
            self.get_logger().warning("no camera model given (parameter model): cameras are NOT_AVAILABLE")
        topics = {s.name: f"/perception/detection/camera/{s.name}" for s in self._cameras}
        self._outputs = {
            n: (t, self.add_output(msg.Detection2DArray, t, qos.detections())) for n, t in topics.items()
        }
        self._workers: dict[str, Worker[_Job]] = {}

    def start(self) -> None:
        for spec in self._cameras:
            account = self.add_account(spec.name, spec.topic, Modality.CAMERA, spec.rate_hz)
            if self._model is None:
                account.available, account.unavailable_reason = False, SensorReason.INTERNAL
                kind = CameraInfo if spec.info_topic else self._image_type(spec)
                account.topic = spec.info_topic or spec.topic
                self.listen(
                    account, kind, qos.sensor_input(self.reliable_inputs), self._blind_handler(spec, account)
                )
            else:
                self.listen(
                    account,
                    self._image_type(spec),
                    qos.sensor_input(self.reliable_inputs),
                    self._handler(spec, account),
                )
        if self._model is not None and self._cameras:
            self._workers = {s.name: Worker(s.name, self._detect) for s in self._cameras}
            self.create_timer(0.05, self._raise_failures, clock=self.wall)

    def reset(self) -> None:
        """Nothing is remembered between pictures; one may wait."""
        for worker in self._workers.values():
            self._drop_left(worker.take_back(), DropReason.TIME_JUMP)

    def drain(self) -> None:
        for worker in self._workers.values():
            self._drop_left(worker.stop(), DropReason.SHUTDOWN)

    def _drop_left(self, job: _Job | None, reason: DropReason) -> None:
        if job is not None:
            self.drop(job.account, job.stamp_ns, reason, "waiting when the node stopped or was reset")

    def mode(self) -> Mode:
        """Without a model, or without cameras, there is nothing that this node could see."""
        if self.active and self._model is None and self._cameras:
            return Mode.BLIND
        return Mode.NOMINAL if self.active and not self._cameras else super().mode()

    @staticmethod
    def _image_type(spec: SensorSpec) -> Any:
        return CompressedImage if spec.topic.endswith("compressed") else Image

    def _handler(self, spec: SensorSpec, account: Account) -> Any:
        def handle(message: Any, received_ns: int) -> None:
            stamp_ns = from_msg.stamp_ns(message.header)
            job = _Job(spec, account, message, stamp_ns, received_ns, self.session.number)
            replaced = self._workers[spec.name].submit(job)
            if replaced is not None:
                age_s = (received_ns - replaced.received_ns) * 1e-9
                detail = "a newer picture came before this one was begun"
                self.drop(account, replaced.stamp_ns, DropReason.INFERENCE_BUSY, detail, age_s)

        return handle

    def _blind_handler(self, spec: SensorSpec, account: Account) -> Any:
        def handle(message: Any, received_ns: int) -> None:
            empty = _nothing(from_msg.stamp_ns(message.header), str(message.header.frame_id), spec.name)
            account.count(used=1)
            self._publish(empty, received_ns, Mode.BLIND, "no camera model")

        return handle

    def _detect(self, job: _Job) -> None:
        """In the worker thread."""
        assert self._model is not None
        try:
            found: Detections2D | PerceptionError = self._model.detect(
                from_msg.image(job.message), job.spec.name
            )
        except PerceptionError as error:
            found = error
        with self.session.lasting(job.session) as lasts:
            if not lasts:  # the clock has jumped meanwhile
                return
            if isinstance(found, PerceptionError):
                self.drop(job.account, job.stamp_ns, found.reason, str(found))
                return
            job.account.count(used=1)
            self._publish(found, job.received_ns, Mode.NOMINAL, "")

    def _publish(self, found: Detections2D, received_ns: int, mode: Mode, invalid: str) -> None:
        topic, output = self._outputs[found.source]
        trace = self.trace([found.stamp_ns], received_ns)
        status = [s for s in self.sensor_status() if s.name == found.source]
        info = self.frame_info(topic, trace, tuple(status), mode, int(bool(invalid)), invalid_reason=invalid)
        output.publish(to_msg.detections_2d(found, info))
        self.sent(found.stamp_ns, received_ns)

    def _raise_failures(self) -> None:
        """A bug in the worker ends the node, with its traceback."""
        for worker in self._workers.values():
            if worker.failure is not None:
                raise worker.failure


def _dry_run(model: YoloxDetector) -> None:
    """One picture of full size, from JPEG to message."""
    ok, jpeg = cv2.imencode(".jpg", np.full((1080, 1920, 3), 127, np.uint8))
    message = CompressedImage(format="jpeg")
    message.data.frombytes(jpeg.tobytes() if ok else b"")
    to_msg.to_bytes(to_msg.detections_2d(model.detect(from_msg.image(message), "warm"), warmup.INFO))
    warmup.touch_memory(48)


def _nothing(stamp_ns: int, frame_id: str, source: str) -> Detections2D:
    none = np.zeros(0)
    return Detections2D(
        stamp_ns=stamp_ns,
        frame_id=frame_id,
        source=source,
        width_px=0,
        height_px=0,
        box_px=np.zeros((0, 4)),
        label=np.zeros(0, np.uint8),
        class_probabilities=np.zeros((0, NUM_LABELS)),
        score=none,
        depth_m=none,
        depth_std_m=none,
        detection_id=np.zeros(0, np.uint64),
    )


def main() -> int:
    """Entry point."""
    return run_node(CameraDetector)


if __name__ == "__main__":
    sys.exit(main())
