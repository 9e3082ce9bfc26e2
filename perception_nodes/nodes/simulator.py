"""A simulated drive on topics: sensors, /clock, tf, truth; driven by commands; broken and mended by a service."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
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
from perception_nodes.ros.simulator_lockstep import Lockstep
from perception_nodes.ros.simulator_outputs import COMMAND_TOPIC, SimulatorOutputs
from perception_nodes.ros.simulator_step import StepSender
from perception_nodes.ros.simulator_thread import DriveThread
from perception_nodes.simulation.drive_record import Decided, DriveRecord
from perception_nodes.simulation.fault_calls import change_faults
from perception_nodes.simulation.route import route_of
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.sensor_truth import SensorTruth
from perception_nodes.simulation.simulation import INERTIAL, STEP_S, EgoCommand, SimFrame, Simulation


class Simulator(PerceptionNode):
    """Steps the drive in a thread of its own; in lock-step it waits after each step for the answers to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", **options)
        self._thread = DriveThread(self._drive)
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
        self._record = DriveRecord(scenario, c.seed, s.traffic, self.get_logger().warning)
        truth = SensorTruth(s)
        self._out = out = SimulatorOutputs(self, self.rig, s.cameras, truth.topics)
        out.latched(s.start_ns, s.mounts, s.map_truth())
        out.route(s.start_ns, self._route.points_m)
        self._sender = StepSender(out, self.rig, self._guide, truth.of, looped=c.looped)
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
        self._thread.join()
        if self._config.output:
            self._record.write(Path(self._config.output), late_steps=self._lockstep.late)

    def _command(self, message: Any) -> None:
        self._lockstep.command(from_msg.stamp_ns(message.header), message)

    def _objects(self, message: Any) -> None:
        self._lockstep.objects(from_msg.stamp_ns(message.header), message)

    def _inject(self, request: Any, response: Any) -> Any:
        """Break or mend a sensor; what is wrong with the call comes back as its message."""
        faults, times_s = self._simulation.faults, (request.start_s, request.duration_s)
        try:
            with self._busy:
                response.message = change_faults(
                    faults, request.sensor, request.kind, self._simulation.time_s, times_s, request.value
                )
            response.success = True
            self.get_logger().warning(response.message)
        except PerceptionError as error:
            response.message = str(error)
        return response

    # ------------------------------------------------------------------ the drive
    def _drive(self) -> None:
        simulation, c, lockstep = self._simulation, self._config, self._lockstep
        if not self._out.wait_for_subscribers(self._lidars, c.wait_timeout_s, lambda: lockstep.closed):
            return
        self._sender.begin(simulation.start_ns, simulation.traffic.ego.odom_from_base)
        for _ in range(len(simulation)):
            began = time.monotonic()
            with self._busy:
                frame = simulation.tick(_wanted(lockstep.wanted))
            self._sender.send(frame)
            self.vitals.output(frame.stamp_ns, 0.0)
            if c.mode == "real_time":
                lockstep.wait_until(began + STEP_S / c.rate)
            elif not lockstep.wait_for(frame.stamp_ns, self._sender.measured(frame)):
                late = f"no answer to the step of {frame.time_s:.1f} s within {c.timeout_s:g} s"
                self.get_logger().warning(late, throttle_duration_sec=2.0)
            self._note(frame)
            if lockstep.closed:
                return
        self.get_logger().info(f"{len(simulation)} steps, {lockstep.late} without an answer in time")

    def _guide(self, frame: SimFrame) -> tuple[float, float]:
        front = self.rig.base_to_center_m + 0.5 * self.rig.vehicle_lwh_m[0]
        return self._route.ahead(self._simulation.world.graph, frame.time_s, frame.ego.pose[:2], front)

    def _note(self, frame: SimFrame) -> None:
        objects = self._lockstep.take_objects()
        columns = None if objects is None else object_columns(objects)
        reported = None if columns is None else columns["box"][~columns["tentative"], :2]
        self._record.step(frame, reported, _decided(self._lockstep.wanted))

    def _watch(self) -> None:
        """In the executor: raise what ended the drive, end the process with it."""
        if self._thread.ended() and self._config.exit_at_end:
            os.kill(os.getpid(), signal.SIGTERM)  # the handler in run_node ends the loop as for any other end


def _wanted(message: Any) -> EgoCommand | None:
    return None if message is None else EgoCommand(message.steering_rad, message.acceleration_mps2)


def _decided(message: Any) -> Decided | None:
    if message is None:
        return None
    reason = Reason(message.reason).name
    return Decided(message.acceleration_mps2, message.steering_rad, reason, message.ttc_s)


def main() -> int:
    """Entry point."""
    return run_node(Simulator)


if __name__ == "__main__":
    sys.exit(main())
