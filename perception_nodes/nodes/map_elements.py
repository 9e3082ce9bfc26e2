"""Sweeps to lane dividers and road boundaries in odom."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from typing import Any

from perception_nodes import msg
from perception_nodes.geometry import Transform
from perception_nodes.mapping import MapBuilder, MapConfig
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.sweep_input import Sweep, SweepInput

_TOPIC = "/perception/map/elements"


class MapElementsNode(PerceptionNode):
    """Accumulates over the ego motion; publishes after every sweep."""

    model_id = "intensity_and_height_steps"

    def __init__(self, **options: Any) -> None:
        super().__init__("map_elements", **options)
        self.output_rate_hz = self.rig.sensor(self.rig.reference).rate_hz

    def setup(self) -> None:
        frame = str(
            declare(self, "tracking_frame", self.rig.odom_frame, {"help": "frame of the map elements"})
        )
        self._builder = MapBuilder(replace(declare_config(self, MapConfig), frame_id=frame))
        self._accumulates = frame != self.rig.base_frame
        self._anew = threading.Event()  # the map belongs to the thread of the sweeps, which starts it anew
        self._builder.warm()
        for k in range(1, 3):
            elements = self._builder.update(warmup.sweep(k * 100_000_000), Transform.identity())
            to_msg.to_bytes(to_msg.map_elements(elements, warmup.INFO))
        self._builder.reset()
        warmup.touch_memory()
        self._out = self.add_output(msg.MapElementArray, _TOPIC, qos.objects())
        self._sweeps = SweepInput(self, frame, self._update)
        if frame == self.rig.base_frame:
            self.faults.add("ODOMETRY.MISSING")

    def start(self) -> None:
        self._sweeps.start()

    def reset(self) -> None:
        self._sweeps.reset()
        self._anew.set()

    def drain(self) -> None:
        self._sweeps.drain()

    def _update(self, sweep: Sweep) -> None:
        if self._anew.is_set() or not self._accumulates:  # without ego motion sweeps do not lie on each other
            self._anew.clear()
            self._builder.reset()
        elements = self._builder.update(sweep.cloud, sweep.odom_from_base)
        info = self.frame_info(
            _TOPIC,
            self.trace(sweep.stamps_ns, sweep.received_ns),
            self.sensor_status(),
            self.input_mode(),
        )
        self._out.publish(to_msg.map_elements(elements, info))
        self.sent(sweep.cloud.stamp_ns, sweep.received_ns)


def main() -> int:
    """Entry point. The map may come late, objects may not: on a full machine they go first."""
    os.nice(15)
    return run_node(MapElementsNode)


if __name__ == "__main__":
    sys.exit(main())
