"""The closed loop over DDS: the simulator, the graph and the planner as processes, in lock-step."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from perception_nodes.datatypes import Rig, save_rig
from perception_nodes.detection.learned_choice import GEOMETRIC
from perception_nodes.resources import resource_path
from perception_nodes.ros.graph import NodeSpec, load_graph, node_specs
from perception_nodes.ros.recorder import ACTIVATE, CONFIGURE, Recorder
from perception_nodes.ros.runner import GraphRunner
from perception_nodes.simulation.scenarios import Scenario

from .log import interruptible
from .online import GraphFailed, alone_in_domain

_SIMULATOR = "simulator"
_START_S = 240.0
_TRANSITION_S = 60.0
_MATCH_S = 10.0
_POLL_S = 0.05
_CONNECT_S = 0.7


def drive_graph(
    scenario: Scenario, rig: Rig, seed: int, out: Path, console: Console, lidar_model: str = GEOMETRIC
) -> tuple[str, ...]:
    """Drive a scenario to its end; leaves drive.json and logs/ in `out`, returns what is worth a note.

    lidar_model: as of `open_detector`. Raises GraphFailed if a node does not come up or ends too early.
    """
    specs = _specs(scenario, rig, seed, out, lidar_model)
    nodes = [s for s in specs if s.name != _SIMULATOR]
    drivers = [s for s in specs if s.name == _SIMULATOR]
    (out / "drive.json").unlink(missing_ok=True)
    with (
        interruptible() as stopped,
        alone_in_domain(),
        Recorder(lambda *_: None, ("/perception/health", "/perception/objects"), live=True) as recorder,
    ):
        graph, driver = GraphRunner(nodes, out / "logs"), GraphRunner(drivers, out / "logs")
        try:
            console.print("starting nodes ...")
            graph.start()
            driver.start()
            names = [s.name for s in nodes]
            _until(lambda: all(map(recorder.is_active, names)), _START_S, "ready", graph, stopped)
            _transition(recorder, driver, CONFIGURE)
            _until(
                lambda: recorder.inputs_matched(names), _MATCH_S, "connected", graph, stopped, needed=False
            )
            # /tf and /clock are subscribed to by rclpy and tf2, which do not say when they have found their publisher.
            time.sleep(_CONNECT_S)
            console.print(f"driving {scenario.name}, {scenario.duration_s:g} s ...")
            _transition(recorder, driver, ACTIVATE)
            return _drive(graph, driver, stopped, console)
        finally:
            driver.stop()
            graph.stop()


def _specs(scenario: Scenario, rig: Rig, seed: int, out: Path, lidar_model: str) -> list[NodeSpec]:
    """The nodes of the graph with simulator and planner; scenario and rig as files beside the result."""
    rig_file, scenario_file = out / "rig.yaml", out / "scenario.yaml"
    save_rig(rig, rig_file)
    scenario_file.write_text(yaml.safe_dump(plain(scenario), sort_keys=False))
    arguments = {
        "rig": str(rig_file.resolve()),
        "lidar_model": lidar_model,
        "use_sim_time": "true",
        "reliable_inputs": "true",
        "markers": "false",
        "simulate": "true",
        "scenario": str(scenario_file.resolve()),
        "seed": str(seed),
        "plan": "true",
        "simulate_at_once": "false",
        "drive_output": str((out / "drive.json").resolve()),
    }
    return node_specs(load_graph(resource_path("config/graph.yaml")), arguments)


def plain(value: Any) -> Any:
    """A scenario, or a part of it, as what its file would hold: only what differs from the defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("given", True)]
        given = {f.name: getattr(value, f.name) for f in fields}
        usual = {f.name: _default(f) for f in fields}
        return {name: plain(v) for name, v in given.items() if v != usual[name]}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value.value if isinstance(value, Enum) else value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _until(
    condition: Callable[[], bool],
    limit_s: float,
    what: str,
    graph: GraphRunner,
    stopped: Callable[[], bool],
    *,
    needed: bool = True,
) -> None:
    end = time.monotonic() + limit_s
    while not condition() and not stopped():
        for name, code in graph.poll().items():
            if code is not None:
                raise GraphFailed(graph.complaint(name))
        if time.monotonic() > end:
            if not needed:
                return
            raise GraphFailed(f"the nodes are not {what} after {limit_s:g} s")
        time.sleep(_POLL_S)


def _transition(recorder: Recorder, driver: GraphRunner, transition: int) -> None:
    def alive() -> bool:
        return driver.poll()[_SIMULATOR] is None

    if not recorder.change_state(_SIMULATOR, transition, _TRANSITION_S, alive):
        raise GraphFailed(driver.complaint(_SIMULATOR))


def _drive(
    graph: GraphRunner, driver: GraphRunner, stopped: Callable[[], bool], console: Console
) -> tuple[str, ...]:
    """Until the simulator has ended; nodes that die are noted, the others go on."""
    notes: list[str] = []
    while (code := driver.poll()[_SIMULATOR]) is None:
        for name, ended in graph.poll().items():
            note = f"node {name} has died with status {ended}"
            if ended is not None and note not in notes:
                notes.append(note)
                console.print(f"[red]{note}[/red]; the others go on")
        if stopped():
            raise GraphFailed("stopped before the end of the drive")
        time.sleep(_POLL_S)
    if code != 0:
        raise GraphFailed(driver.complaint(_SIMULATOR))
    return tuple(notes)
