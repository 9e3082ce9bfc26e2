"""Health of all nodes and sensors as one state, 10 Hz and at once on every change."""

from __future__ import annotations

import sys
import time
from typing import Any

from perception_nodes import msg
from perception_nodes.datatypes import Modality, Mode, Qualifier, SensorStatus
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.convert.statuses import sensor_statuses
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare
from perception_nodes.ros.patience import Patience

_TOPIC = "/perception/state"
_PERIOD_NS = 20_000_000

# Without these the outputs that planning consumes stop.
_VITAL = ("tracker", "fusion", "lidar_detector")


class Supervisor(PerceptionNode):
    """A node counts as lost when its heartbeat is older than `heartbeat_limit_s` and what this node itself is late."""

    def __init__(self, **options: Any) -> None:
        super().__init__("supervisor", **options)
        self._heard_ns: dict[str, int] = {}
        self._reports: dict[str, Any] = {}
        self._others: set[str] = set()  # at work, though nobody asked for them: markers, the player
        self._published: tuple[Any, ...] = ()
        self._published_ns = 0
        self._state_sequence = 0

    def setup(self) -> None:
        nodes = ["sync", "lidar_detector", "camera_detector", "fusion", "tracker", "map_elements"]
        self._expected = list(declare(self, "nodes", tuple(nodes), {"help": "nodes that must be alive"}))
        limit = {
            "help": "a heartbeat older than this (and the supervisor's own lateness) means that its node is lost, s",
            "low": 0.12,
            "high": 10.0,
        }
        self._limit_ns = round(1e9 * float(declare(self, "heartbeat_limit_s", 0.23, limit)))
        self._patience = Patience(self._limit_ns, _PERIOD_NS)
        start = {
            "help": "a node not heard by then was lost at its start (kernels may have to be compiled), s",
            "low": 1.0,
            "high": 600.0,
        }
        self._start_limit_ns = round(1e9 * float(declare(self, "start_limit_s", 60.0, start)))
        self._out = self.add_output(msg.PerceptionState, _TOPIC, qos.latched())

    def start(self) -> None:
        self._since_ns = time.monotonic_ns()
        self.create_subscription(msg.PerceptionHealth, "/perception/health", self._hear, qos.events())
        self.create_timer(_PERIOD_NS * 1e-9, self._check, clock=self.wall)

    def mode(self) -> Mode:
        """Of this node itself, not of the graph."""
        return Mode.NOMINAL if self.active else Mode.STARTING

    def _hear(self, message: Any) -> None:
        name = str(message.node).rsplit("/", 1)[-1]
        self._heard_ns[name] = time.monotonic_ns()
        self._reports[name] = message
        if not message.active:
            self._others.discard(name)  # it has said goodbye, or is not at work yet
        elif name not in (*self._expected, self.get_name()):
            self._others.add(name)

    def _check(self) -> None:
        if not self.active:
            return
        now_ns = time.monotonic_ns()
        self._limit_ns = self._patience.checked(now_ns)
        expected = {n: self._node_mode(n) for n in self._expected}
        mode = self._graph_mode(expected)
        # Named when they are lost; what the graph sees does not depend on them.
        modes = expected | {n: Mode.FAULT for n in sorted(self._others) if self._is_lost(n)}
        ages = {
            n: (now_ns - self._heard_ns[n]) * 1e-9 if n in self._heard_ns else float("nan") for n in modes
        }
        faults = self._faults(modes)
        state = (mode, tuple(faults), tuple(modes.values()))
        if state != self._published or now_ns - self._published_ns >= 100_000_000:
            if self._published and mode != self._published[0]:
                self.get_logger().warning(
                    f"{self._published[0].name} -> {mode.name}: {', '.join(faults) or 'all well'}"
                )
            self._published, self._published_ns = state, now_ns
            self._publish(mode, faults, modes, ages)

    def _node_mode(self, name: str) -> Mode:
        if self._is_lost(name):
            return Mode.FAULT
        if name not in self._heard_ns:
            return Mode.STARTING
        return Mode(int(self._reports[name].mode))

    def _faults(self, modes: dict[str, Mode]) -> list[str]:
        lost = [f"NODE.{n.upper()}.LOST" for n, m in modes.items() if m == Mode.FAULT and self._is_lost(n)]
        told = [str(f) for n, h in self._reports.items() if not self._is_lost(n) for f in h.active_faults]
        return sorted({*lost, *told})

    def _is_lost(self, name: str) -> bool:
        heard_ns = self._heard_ns.get(name)
        if heard_ns is None:
            return time.monotonic_ns() - self._since_ns > self._start_limit_ns
        return time.monotonic_ns() - heard_ns > self._limit_ns

    def _graph_mode(self, modes: dict[str, Mode]) -> Mode:
        """FAULT if a vital node is lost or in fault; else what the tracker, which sees all sensors, says or worse."""
        vital = [m for n, m in modes.items() if n in _VITAL]
        if Mode.FAULT in vital:
            return Mode.FAULT
        if modes.get("tracker") == Mode.BLIND or modes.get("lidar_detector") == Mode.BLIND == modes.get(
            "fusion"
        ):
            return Mode.BLIND
        if Mode.STARTING in modes.values():
            return Mode.STARTING
        return Mode.DEGRADED if any(m != Mode.NOMINAL for m in modes.values()) else Mode.NOMINAL

    def _sensors(self) -> list[SensorStatus]:
        """Each sensor of the rig as its consumer sees it."""
        consumers = {Modality.LIDAR: "lidar_detector", Modality.CAMERA: "camera_detector"}
        seen: dict[str, SensorStatus] = {}
        for modality, node in consumers.items():
            if node in self._reports:
                seen |= {
                    s.name: s for s in sensor_statuses(self._reports[node].sensors) if s.modality == modality
                }
        return [seen.get(s.name, SensorStatus(s.name, s.modality)) for s in self.rig.sensors]

    def _publish(self, mode: Mode, faults: list[str], modes: dict[str, Mode], ages: dict[str, float]) -> None:
        sensors = self._sensors()
        self._state_sequence += 1
        out = msg.PerceptionState(
            session_id=self.session.number,
            sequence=self._state_sequence,
            mode=int(mode),
            active_faults=faults,
            nodes=list(modes),
            node_modes=[int(m) for m in modes.values()],
            node_age_s=[float(ages[n]) for n in modes],
            sensors=[to_msg.sensor_status(s) for s in sensors],
            degraded_mask=sum(1 << i for i, s in enumerate(sensors) if s.qualifier != Qualifier.AVAILABLE),
            summary=f"{mode.name}: {', '.join(faults)}" if faults else mode.name,
        )
        out.header.stamp = self.get_clock().now().to_msg()
        self._out.publish(out)
        self.sent(self.ros_ns(), time.monotonic_ns())


def main() -> int:
    """Entry point."""
    return run_node(Supervisor)


if __name__ == "__main__":
    sys.exit(main())
