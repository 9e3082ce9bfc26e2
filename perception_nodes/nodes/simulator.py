"""A simulated drive on topics: sensors, /clock, tf, truth; driven by commands; broken and mended by a service."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import ChainMap
from pathlib import Path
from typing import Any

from perception_nodes import msg, srv
from perception_nodes.datatypes import ConfigurationError, Modality, PerceptionError
from perception_nodes.planning import Reason
from perception_nodes.ros import qos, warmup
from perception_nodes.ros.convert import from_msg
from perception_nodes.ros.main import run_node
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.parameters import declare_config
from perception_nodes.ros.planner_inputs import object_columns
from perception_nodes.ros.simulator_config import SimulatorConfig
from perception_nodes.ros.simulator_lockstep import NEAR_NS, Lockstep
from perception_nodes.ros.simulator_outputs import COMMAND_TOPIC, SimulatorOutputs
from perception_nodes.simulation.drive_record import Decided, DriveRecord
from perception_nodes.simulation.fault_calls import change_faults
from perception_nodes.simulation.route import route_of
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.sensor_truth import SensorTruth, truth_topics
from perception_nodes.simulation.simulation import INERTIAL, EgoCommand, SimFrame, Simulation

_POLL_S = 0.02
_STEP_S = 0.1


class Simulator(PerceptionNode):
    """Steps the drive in a thread of its own; in lock-step it waits after each step for the answers to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", **options)
        self._simulation: Simulation | None = None
        self._thread = threading.Thread(target=self._drive, name="drive")
        self._failure: Exception | None = None
        self._busy = threading.Lock()  # the drive is being stepped: faults wait

    def setup(self) -> None:
        """Build the street; publish what holds for the whole drive."""
        self._config = c = declare_config(self, SimulatorConfig)
        if not c.scenario:
            raise ConfigurationError("parameter scenario: wanted a name or the path of a YAML file, got none")
        scenario = find_scenario(c.scenario)
        names = [n for n in c.sensors if n] or [INERTIAL, *(s.name for s in self.rig.sensors)]
        self._simulation = s = Simulation(scenario, self.rig, c.seed, sensors=names)
        self._route = route_of(s.world, scenario)
        self._record = DriveRecord(scenario, c.seed, s.traffic)
        self._truth = SensorTruth(s)
        topics = [truth_topics(x.name, x.modality) for x in self.rig.sensors if x.name in names]
        self._out = SimulatorOutputs(self, self.rig, s.cameras, dict(ChainMap(*topics)))
        self._out.latched(s.start_ns, s.mounts, s.map_truth())
        self._out.route(s.start_ns, self._route.points_m)
        self._lockstep = Lockstep(looped=c.looped, timeout_s=c.timeout_s)
        self._lidars = [s.name for s in self.rig.of(Modality.LIDAR) if s.name in names]
        warmup.touch_memory()

    def start(self) -> None:
        self.create_subscription(msg.EgoCommand, COMMAND_TOPIC, self._command, 10)
        self.create_subscription(msg.TrackedObjectArray, "/perception/objects", self._objects, qos.objects())
        self.create_service(srv.InjectFault, "~/inject_fault", self._inject)
        self.create_timer(0.05, self._watch, clock=self.wall)
        self._thread.start()

    def drain(self) -> None:
        self._lockstep.close()
        if self._thread.is_alive():
            self._thread.join()
        if self._simulation is not None and self._config.output:
            self._record.write(Path(self._config.output), late_steps=self._lockstep.late)

    # ------------------------------------------------------------------ answers
    def _command(self, message: Any) -> None:
        self._lockstep.command(from_msg.stamp_ns(message.header), message)

    def _objects(self, message: Any) -> None:
        self._lockstep.objects(from_msg.stamp_ns(message.header), message)

    def _inject(self, request: Any, response: Any) -> Any:
        """Break or mend a sensor; what is wrong with the call comes back as its message."""
        simulation = self._simulation
        if simulation is None:
            response.message = "the drive is not configured"
            return response
        try:
            with self._busy:
                response.message = change_faults(
                    simulation.faults,
                    request.sensor,
                    request.kind,
                    simulation.time_s,
                    (request.start_s, request.duration_s),
                    request.value,
                )
            response.success = True
            self.get_logger().warning(response.message)
        except PerceptionError as error:
            response.message = str(error)
        return response

    # ------------------------------------------------------------------ the drive
    def _drive(self) -> None:
        try:
            self._step_on()
        except Exception as error:  # noqa: BLE001  raised again in the executor, where it ends the process
            self._failure = error

    def _step_on(self) -> None:
        simulation, c = self._simulation, self._config
        if simulation is None or not self._wait_for_subscribers():
            return
        self._out.clock(simulation.start_ns)
        self._out.pose(simulation.start_ns, simulation.traffic.ego.odom_from_base)
        for _ in range(len(simulation)):
            began = time.monotonic()
            with self._busy:
                frame = simulation.tick(_wanted(self._lockstep.wanted))
            self._send(frame, simulation)
            if c.mode == "real_time":
                self._lockstep.wait_until(began + _STEP_S / c.rate)
            elif not self._lockstep.wait_for(frame.stamp_ns, self._measured(frame)):
                text = f"no answer to the step of {frame.time_s:.1f} s within {c.timeout_s:g} s"
                self.get_logger().warning(text, throttle_duration_sec=2.0)
            self._note(frame)
            if self._lockstep.closed:
                return
        self.get_logger().info(f"{len(simulation)} steps, {self._lockstep.late} without an answer in time")

    def _send(self, frame: SimFrame, simulation: Simulation) -> None:
        """Time first, then where the vehicle is, then what the sensors saw."""
        out, stamp_ns, pose = self._out, frame.stamp_ns, frame.odom_from_base
        out.clock(stamp_ns)
        out.pose(stamp_ns, pose)
        front = self.rig.base_to_center_m + 0.5 * self.rig.vehicle_lwh_m[0]
        out.guide(
            stamp_ns, *self._route.ahead(simulation.world.graph, frame.time_s, frame.ego.pose[:2], front)
        )
        if self._config.looped:  # the planner decides once a step, in the frame of the objects
            out.odometry(stamp_ns, pose, frame.ego.speed_mps, frame.ego.yaw_rate_rps)
        out.truth(frame.truth)
        for topic, value in self._truth.of(frame, out.hears_truth):
            out.sensor_truth(topic, stamp_ns, value)
        for emission in frame.emissions:
            if emission.sensor == INERTIAL:
                self._send_motion(emission.stamp_ns, emission.value)
            else:
                out.sensor(emission.sensor, emission.stamp_ns, emission.value)
        self.vitals.output(stamp_ns, 0.0)

    def _send_motion(self, stamp_ns: int, sample: Any) -> None:
        """As in a bag: IMU, and wheel odometry where the rig has a topic for it, unless the planner needs that."""
        self._out.imu(stamp_ns, sample)
        if self.rig.odometry_topic and not self._config.looped:
            self._out.wheels(stamp_ns, sample)

    def _measured(self, frame: SimFrame) -> bool:
        """Whether a sweep of this step went out: without one no objects are due for it."""
        near = [e.sensor for e in frame.emissions if abs(e.stamp_ns - frame.stamp_ns) <= NEAR_NS]
        return any(name in self._lidars for name in near)

    def _note(self, frame: SimFrame) -> None:
        objects, command = self._lockstep.take_objects(), self._lockstep.wanted
        reported = None if objects is None else _confirmed(object_columns(objects))
        self._record.step(frame, reported, None if command is None else _decided(command))

    def _wait_for_subscribers(self) -> bool:
        """Until somebody hears every lidar; False if stopped."""
        deadline = time.monotonic() + self._config.wait_timeout_s
        while missing := self._out.unheard(self._lidars):
            if time.monotonic() > deadline:
                limit = self._config.wait_timeout_s
                raise PerceptionError(f"nobody subscribes to {missing} within {limit:g} s (wait_timeout_s)")
            if self._lockstep.closed:
                return False
            time.sleep(_POLL_S)
        return True

    def _watch(self) -> None:
        """In the executor: raise what ended the drive, end the process with it."""
        if self._failure is not None:
            raise self._failure
        if self._config.exit_at_end and not self._thread.is_alive():
            os.kill(os.getpid(), signal.SIGTERM)  # the handler in run_node ends the loop as for any other end


def _confirmed(columns: dict[str, Any]) -> Any:
    return columns["box"][~columns["tentative"], :2]


def _wanted(message: Any) -> EgoCommand | None:
    if message is None:
        return None
    return EgoCommand(float(message.steering_rad), float(message.acceleration_mps2))


def _decided(message: Any) -> Decided:
    reason = Reason(int(message.reason)).name
    return Decided(
        float(message.acceleration_mps2), float(message.steering_rad), reason, float(message.ttc_s)
    )


def main() -> int:
    """Entry point."""
    return run_node(Simulator)


if __name__ == "__main__":
    sys.exit(main())
