"""Compiles what the nodes compile when they start, once before the first test, without a test's time limit.

On a busy machine that takes minutes; in a node that a test waits for it looks like a node that hangs.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import rclpy
from rclpy.parameter import Parameter

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import save_rig
from perception_nodes.ros.graph import load_graph, node_specs
from perception_nodes.runs.loop_drive import LoopDrive, lidar_rig
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.sensor_truth import SensorTruth
from perception_nodes.simulation.simulation import Simulation

CLASSES = {"map_elements": "MapElementsNode"}
STEPS = 4


def set_up_nodes(folder: Path) -> None:
    """The dry run that every node makes before it is activated."""
    rig = folder / "rig.yaml"
    save_rig(find_rig("default"), rig)
    given = {"rig": str(rig), "simulate": "true", "scenario": "cut_in", "plan": "true"}
    for spec in node_specs(load_graph(), given):
        module = importlib.import_module(f"perception_nodes.nodes.{spec.executable}")
        cls = getattr(module, CLASSES.get(spec.executable, spec.executable.title().replace("_", "")))
        values = {**spec.parameters, "autostart": False}
        node = cls(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
        node.setup()
        node.drain()
        node.destroy_node()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        rclpy.init()
        set_up_nodes(Path(folder))
        rclpy.shutdown()
    drive = LoopDrive(find_scenario("cut_in"), lidar_rig(find_rig("default")), 1)
    for _ in range(STEPS):
        drive.step()
    simulation = Simulation(find_scenario("cut_in"), find_rig("default"), 1)  # cameras and radars too
    truth = SensorTruth(simulation)
    for _ in range(2):
        list(truth.of(simulation.tick(), lambda _: True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
