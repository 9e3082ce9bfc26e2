"""Intrinsics of the rig's cameras, as their CameraInfo says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo

from perception_nodes.datatypes import Modality, PerceptionError
from perception_nodes.geometry import CameraModel

from . import qos
from .convert import from_msg
from .node import PerceptionNode

Know = Callable[[str, CameraModel, str], None]


class Intrinsics:
    """Tells `know` the model and the frame of each camera, once; until then a bad one is a fault of the node."""

    def __init__(self, node: PerceptionNode, know: Know) -> None:
        self._node, self._know = node, know
        self._known: set[str] = set()

    def start(self) -> None:
        """Subscribe."""
        profile = qos.sensor_input(self._node.reliable_inputs)
        for spec in self._node.rig.of(Modality.CAMERA):
            if spec.info_topic:
                self._node.create_subscription(CameraInfo, spec.info_topic, self._handler(spec.name), profile)

    def _handler(self, name: str) -> Callable[[Any], None]:
        def handle(message: Any) -> None:
            if name in self._known:
                return
            fault = f"{name.upper()}.NOT_CALIBRATED"
            try:
                self._know(name, from_msg.camera_model(message), str(message.header.frame_id))
            except PerceptionError as error:
                self._node.faults.add(fault)
                self._node.get_logger().error(f"{name}: {error}", throttle_duration_sec=5.0)
            else:
                self._known.add(name)
                self._node.faults.discard(fault)

        return handle
