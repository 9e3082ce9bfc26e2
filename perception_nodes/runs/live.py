"""A simulated drive live on ROS topics: one simulator node, in real time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from perception_nodes.datatypes import PerceptionError, Rig, save_rig
from perception_nodes.ros.graph import NodeSpec
from perception_nodes.ros.runner import GraphRunner
from perception_nodes.simulation.scenarios import Scenario

from .loop_online import plain

_POLL_S: Final = 0.1
NAME: Final = "simulator"


def run_live(
    scenario: Scenario, rig: Rig, seed: int, sensors: Collection[str] | None, console: Console
) -> None:
    """Publish the drive until it ends or Ctrl-C. Raises PerceptionError with what the node said if it failed."""
    with tempfile.TemporaryDirectory(prefix="perception_simulate_") as name:
        folder = Path(name)
        (folder / "scenario.yaml").write_text(yaml.safe_dump(plain(scenario), sort_keys=False))
        save_rig(rig, folder / "rig.yaml")
        parameters: dict[str, Any] = {
            "scenario": str(folder / "scenario.yaml"),
            "rig": str(folder / "rig.yaml"),
            "seed": seed,
            "mode": "real_time",
        }
        if sensors is not None:
            parameters["sensors"] = list(sensors)
        _tell(scenario, rig, sensors, console)
        with GraphRunner([NodeSpec(NAME, NAME, parameters)], folder) as runner:
            try:
                while (code := runner.poll()[NAME]) is None:
                    time.sleep(_POLL_S)
            except KeyboardInterrupt:
                return
            if code != 0:
                raise PerceptionError(runner.complaint(NAME))
            console.print(f"{scenario.name}: {scenario.duration_s:g} s were driven", highlight=False)


def _tell(scenario: Scenario, rig: Rig, sensors: Collection[str] | None, console: Console) -> None:
    console.print(
        f"{scenario.name} live on rig [b]{rig.name}[/b], as soon as somebody subscribes to its lidar; Ctrl-C ends it",
        highlight=False,
    )
    for sensor in rig.sensors:
        if sensors is None or sensor.name in sensors:
            word = sensor.modality.name.lower()
            console.print(f"  {sensor.name:20} {word:7} {sensor.topic}", highlight=False)
