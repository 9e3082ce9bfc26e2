"""Objects and map elements as RViz markers."""

from __future__ import annotations

import sys
import time
from typing import Any

from visualization_msgs.msg import MarkerArray

from perception_nodes import msg
from perception_nodes.ros import qos
from perception_nodes.ros.main import run_node
from perception_nodes.ros.marker_arrays import map_markers, object_markers
from perception_nodes.ros.node import PerceptionNode


class Markers(PerceptionNode):
    """Boxes with velocity arrows and labels; polylines by type."""

    def __init__(self, **options: Any) -> None:
        super().__init__("markers", **options)

    def setup(self) -> None:
        self._out = self.add_output(MarkerArray, "/perception/markers", qos.detections())

    def start(self) -> None:
        self.add_account("objects", "/perception/objects")
        self.add_account("map", "/perception/map/elements")
        self.listen(
            self.accounts["objects"],
            msg.TrackedObjectArray,
            qos.detections(),
            self._handler("objects", object_markers),
        )
        self.listen(
            self.accounts["map"], msg.MapElementArray, qos.detections(), self._handler("map", map_markers)
        )

    def _handler(self, name: str, convert: Any) -> Any:
        def handle(message: Any, received_ns: int) -> None:
            self._out.publish(convert(message))
            self.accounts[name].count(used=1)
            self.sent(time.monotonic_ns(), received_ns)

        return handle


def main() -> int:
    """Entry point."""
    return run_node(Markers)


if __name__ == "__main__":
    sys.exit(main())
