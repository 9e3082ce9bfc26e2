"""Sweeps to lane dividers and road boundaries in odom."""

from __future__ import annotations

import os
import sys
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
_NICENESS = 15


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
        self._map_session = 0  # the map belongs to the thread of the sweeps, which starts it anew
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

    def drain(self) -> None:
        self._sweeps.drain()

    def _update(self, sweep: Sweep) -> None:
        _give_way()
        # Without ego motion sweeps do not lie on each other.
        if sweep.session != self._map_session or not self._accumulates:
            self._map_session = sweep.session
            self._builder.reset()
        elements = self._builder.update(sweep.cloud, sweep.odom_from_base)
        trace = self.trace(sweep.stamps_ns, sweep.received_ns)
        with self.session.lasting(sweep.session) as lasts:
            if not lasts:  # the clock has jumped meanwhile
                return
            info = self.frame_info(_TOPIC, trace, self.sensor_status(), self.input_mode())
            self._out.publish(to_msg.map_elements(elements, info))
            self.sent(sweep.cloud.stamp_ns, sweep.received_ns)


def _give_way() -> None:
    """The map may come late, objects may not: on a full machine they go first.

    Linux has a priority for each thread: only the one that works on sweeps gives way, so that set-up and heartbeats do
    not starve.
    """
    missing = _NICENESS - os.getpriority(os.PRIO_PROCESS, 0)
    if missing > 0:
        os.nice(missing)


def main() -> int:
    """Entry point."""
    return run_node(MapElementsNode)


if __name__ == "__main__":
    sys.exit(main())
