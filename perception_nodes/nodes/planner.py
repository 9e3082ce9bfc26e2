"""The reference planner as a node: perception's outputs, odometry and the route in, commands out."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from nav_msgs.msg import Odometry, Path

from perception_nodes import msg
from perception_nodes.datatypes import MapElements, Mode
from perception_nodes.planning import (
    Decision,
    EgoMotion,
    Guidance,
    Obstacles,
    PlannerConfig,
    ReferencePlanner,
)
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare, declare_config
from perception_nodes.ros.planner_inputs import map_elements, object_columns, odometry_columns, route_points
from perception_nodes.ros.simulator_outputs import (
    COMMAND_TOPIC,
    GUIDANCE_TOPIC,
    ODOMETRY_TOPIC,
    ROUTE_TOPIC,
)
from perception_nodes.tracking import ExistenceCalibrations

_WATCH_S = 0.02
_NEAR_NS = 30_000_000
_WORST = (Mode.BLIND, Mode.FAULT)
UNKNOWN_CALIBRATION = "OBJECTS.UNKNOWN_CALIBRATION"


class Planner(PerceptionNode):
    """Decides once for each odometry message: when the objects of its time have come, or have not come in time."""

    output_rate_hz = 10.0

    def __init__(self, **options: Any) -> None:
        super().__init__("planner", **options)
        self._ego: tuple[EgoMotion, int] | None = None  # not answered yet, and when it came
        self._obstacles: Obstacles | None = None
        self._content = Mode.STARTING  # what the newest objects say of themselves
        self._elements: MapElements | None = None
        self._state: tuple[Mode, int] | None = None
        self._route: npt.NDArray[np.float64] | None = None
        self._guidance: tuple[float, float] | None = None

    def setup(self) -> None:
        length, width, _ = self.rig.vehicle_lwh_m
        config = declare_config(self, PlannerConfig)
        own = {"length_m": length, "width_m": width, "centre_m": self.rig.base_to_center_m}
        self._planner = ReferencePlanner(replace(config, **own))
        help_text = "objects that do not come so long after the odometry are late, s (wall time)"
        patience_s = float(declare(self, "patience_s", 0.15, {"help": help_text, "low": 0.0, "high": 5.0}))
        help_text = "a state older than this counts as none, s (wall time)"
        state_s = float(declare(self, "state_limit_s", 0.5, {"help": help_text, "low": 0.1, "high": 10.0}))
        self._patience_ns, self._state_ns = round(1e9 * patience_s), round(1e9 * state_s)
        help_text = "as of the tracker: the planner's limits are on what that believes"
        which = declare(self, "existence_calibration", "auto", {"help": help_text})
        self._calibrations = ExistenceCalibrations.read(str(which))
        self._planner.warm()
        self._out = self.add_output(msg.EgoCommand, COMMAND_TOPIC, qos.detections())

    def start(self) -> None:
        odometry = self.rig.odometry_topic or ODOMETRY_TOPIC
        self.add_account("odometry", odometry, rate_hz=self.output_rate_hz)
        self.add_account("objects", "/perception/objects", rate_hz=self.output_rate_hz)
        self.add_account("elements", "/perception/map/elements")
        self.listen(self.accounts["odometry"], Odometry, qos.detections(), self._on_odometry)
        self.listen(self.accounts["objects"], msg.TrackedObjectArray, qos.objects(), self._on_objects)
        self.listen(self.accounts["elements"], msg.MapElementArray, qos.objects(), self._on_elements)
        self.create_subscription(msg.PerceptionState, "/perception/state", self._on_state, qos.latched())
        self.create_subscription(Path, ROUTE_TOPIC, self._on_route, qos.latched())
        self.create_subscription(msg.RouteGuidance, GUIDANCE_TOPIC, self._on_guidance, qos.detections())
        self.create_timer(_WATCH_S, self._watch, clock=self.wall)

    def reset(self) -> None:
        self._planner.reset()
        self._ego, self._obstacles, self._elements, self._content = None, None, None, Mode.STARTING

    # ------------------------------------------------------------------ inputs
    def _on_odometry(self, message: Any, received_ns: int) -> None:
        self._ego = EgoMotion(**odometry_columns(message)), received_ns
        self.accounts["odometry"].count(used=1)
        self._decide_if(late=False)

    def _on_objects(self, message: Any, _received_ns: int) -> None:
        self._obstacles = Obstacles(
            **self._believed(object_columns(message), str(message.info.calibration_id))
        )
        self._content = Mode(int(message.info.mode)) if message.info.valid else Mode.BLIND
        self.accounts["objects"].count(used=1)
        self._decide_if(late=False)

    def _believed(self, columns: dict[str, Any], calibration_id: str) -> dict[str, Any]:
        """The columns with the existence that the tracker believes in."""
        found = self._calibrations.named(calibration_id) if calibration_id else None
        unknown = found is None and calibration_id != ""
        if unknown and UNKNOWN_CALIBRATION not in self.faults:
            self.get_logger().error(
                f"objects with existence calibration {calibration_id}, which {self._calibrations.where} does not have: "
                "wanted the tracker's existence_calibration"
            )
        (self.faults.add if unknown else self.faults.discard)(UNKNOWN_CALIBRATION)
        if found is None:
            return columns
        existence = found.belief(columns["label"], columns["tentative"], columns["existence"])
        return {**columns, "existence": existence}

    def _on_elements(self, message: Any, _received_ns: int) -> None:
        self._elements = map_elements(message)
        self.accounts["elements"].count(used=1)

    def _on_state(self, message: Any) -> None:
        self._state = Mode(int(message.mode)), time.monotonic_ns()

    def _on_route(self, message: Any) -> None:
        self._route = route_points(message)

    def _on_guidance(self, message: Any) -> None:
        self._guidance = float(message.stop_m), float(message.limit_mps)

    # ------------------------------------------------------------------ decisions
    def _watch(self) -> None:
        if self.active and self._ego is not None:
            self._decide_if(late=time.monotonic_ns() - self._ego[1] > self._patience_ns)

    def _decide_if(self, *, late: bool) -> None:
        if self._ego is None or self._route is None or self._guidance is None:
            return
        ego, received_ns = self._ego
        if not late and (self._obstacles is None or self._obstacles.stamp_ns < ego.stamp_ns - _NEAR_NS):
            return
        self._ego = None
        stop_m, limit_mps = self._guidance
        guidance = Guidance(self._route, np.full(len(self._route), limit_mps), stop_m)
        decision = self._planner.step(ego, guidance, self._obstacles, self._elements, self._mode())
        if decision is not None:
            self._out.publish(_message(decision, ego.stamp_ns, self.rig.base_frame))
            self.sent(ego.stamp_ns, received_ns)

    def _mode(self) -> Mode | None:
        """Of the graph, or of the newest objects if that is worse; None if the state has fallen silent."""
        if self._state is None or time.monotonic_ns() - self._state[1] > self._state_ns:
            return None
        return self._content if self._content in _WORST else self._state[0]


def _message(decision: Decision, stamp_ns: int, frame_id: str) -> msg.EgoCommand:
    return msg.EgoCommand(
        header=to_msg.header(stamp_ns, frame_id),
        steering_rad=decision.steering_rad,
        acceleration_mps2=decision.acceleration_mps2,
        reason=int(decision.reason),
        ttc_s=decision.ttc_s,
        object_id=decision.object_id,
    )


def main() -> int:
    """Entry point."""
    return run_node(Planner)


if __name__ == "__main__":
    sys.exit(main())
