"""The closed loop in one process: simulator, perception, planner, and back, step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.datatypes import ConfigurationError, Modality, Rig
from perception_nodes.detection.learned_choice import GEOMETRIC
from perception_nodes.planning import (
    Decision,
    EgoMotion,
    Guidance,
    Obstacles,
    PlannerConfig,
    ReferencePlanner,
)
from perception_nodes.simulation.drive_record import Decided, DriveRecord
from perception_nodes.simulation.route import Route, route_of
from perception_nodes.simulation.scenarios import Scenario
from perception_nodes.simulation.simulation import EgoCommand, SimFrame, Simulation

from .loop_pipeline import Percept, PipelinePerception


@dataclass(frozen=True, eq=False)
class Step:
    """One step: what the simulator gave, what perception made of it, what the planner decided for the next."""

    frame: SimFrame
    percept: Percept
    obstacles: Obstacles | None
    decision: Decision | None


class LoopDrive:
    """A scenario with perception and the reference planner in the loop. Deterministic: same arguments, same drive."""

    def __init__(
        self,
        scenario: Scenario,
        rig: Rig,
        seed: int,
        *,
        sensors: Collection[str] | None = None,
        threads: int = 1,
        lidar_model: str = GEOMETRIC,
    ) -> None:
        """lidar_model: as of `open_detector`. Raises ModelError for a model that cannot be opened."""
        self.rig = lidar_rig(rig, sensors)
        names = [s.name for s in self.rig.sensors]
        self.simulation = Simulation(scenario, self.rig, seed, sensors=names, threads=threads)
        self.route = route_of(self.simulation.world, scenario)
        self._perception = PipelinePerception(self.rig, lidar_model)
        self._perception.know_pose(self.simulation.start_ns, self.simulation.traffic.ego.odom_from_base)
        config = planner_config(self.rig)
        self._planner = ReferencePlanner(config)
        self._front_m = config.centre_m + 0.5 * config.length_m
        self._command: EgoCommand | None = None

    def __len__(self) -> int:
        return len(self.simulation)

    def run(self, watch: Callable[[Step], None]) -> None:
        """To the end of the scenario; `watch` sees every step."""
        for _ in range(len(self)):
            watch(self.step())

    def step(self) -> Step:
        """The next 0.1 s."""
        frame = self.simulation.tick(self._command)
        percept = self._perception.perceive(frame)
        tracks = None if percept.tracks is None else self._perception.believed(percept.tracks)
        obstacles = None if tracks is None else Obstacles.of_tracks(tracks)
        decision = self._planner.step(
            ego_motion(frame), self._guidance(frame), obstacles, percept.elements, percept.mode
        )
        if decision is not None:
            self._command = EgoCommand(decision.steering_rad, decision.acceleration_mps2)
        return Step(frame, percept, obstacles, decision)

    def _guidance(self, frame: SimFrame) -> Guidance:
        return guidance_of(self.route, self.simulation, frame, self._front_m)


def drive_pipeline(
    scenario: Scenario, rig: Rig, seed: int, out: Path, lidar_model: str = GEOMETRIC
) -> dict[str, Any]:
    """Drive a scenario to its end; writes drive.json into `out` and returns what it holds."""
    drive = LoopDrive(scenario, rig, seed, lidar_model=lidar_model)
    record = DriveRecord(scenario, seed, drive.simulation.traffic)
    drive.run(lambda step: record.step(step.frame, _reported(step), _decided(step)))
    record.write(out / "drive.json")
    return record.result()


def _reported(step: Step) -> Any:
    return None if step.obstacles is None else step.obstacles.box[~step.obstacles.tentative, :2]


def _decided(step: Step) -> Decided | None:
    d = step.decision
    if d is None:
        return None
    return Decided(d.acceleration_mps2, d.steering_rad, d.reason.name, d.ttc_s, step.percept.mode.name)


def ego_motion(frame: SimFrame) -> EgoMotion:
    """The vehicle's odometry; exact, as /tf is."""
    x, y, z, yaw, _, _ = frame.ego.pose
    return EgoMotion(
        frame.stamp_ns, x, y, yaw, frame.ego.speed_mps, z, frame.ego.acceleration_mps2, frame.ego.steering_rad
    )


def guidance_of(route: Route, simulation: Simulation, frame: SimFrame, front_m: float) -> Guidance:
    """As the simulator node tells it: the route, the next line on it that a signal closes, the allowed speed here."""
    stop_m, limit_mps = route.ahead(simulation.world.graph, simulation.time_s, frame.ego.pose[:2], front_m)
    return Guidance(route.points_m[:, :2], np.full(len(route.points_m), limit_mps), stop_m)


def planner_config(rig: Rig) -> PlannerConfig:
    """For the vehicle of a rig."""
    length, width, _ = rig.vehicle_lwh_m
    return PlannerConfig(length_m=length, width_m=width, centre_m=rig.base_to_center_m)


def lidar_rig(rig: Rig, sensors: Collection[str] | None = None) -> Rig:
    """The rig with its lidars only, or with the sensors named.

    Without a model for pictures cameras only make perception DEGRADED, and the geometric pipeline reads no radar.
    Raises ConfigurationError for names that the rig does not have, and if no lidar is among them.
    """
    names = [s.name for s in rig.of(Modality.LIDAR)] if sensors is None else list(sensors)
    chosen = tuple(rig.sensor(name) for name in names)
    lidars = [s.name for s in chosen if s.modality == Modality.LIDAR]
    if not lidars:
        raise ConfigurationError(f"rig {rig.name!r}: the loop wanted at least one lidar, got {names}")
    reference = rig.reference if rig.reference in names else lidars[0]
    return replace(rig, sensors=chosen, reference=reference)
