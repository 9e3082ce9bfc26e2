"""What config/graph.yaml gives to a node is a parameter of that node: a misspelt key would be ignored in silence."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import rclpy
from rclpy.parameter import Parameter

from perception_nodes.datatypes import Rig, save_rig
from perception_nodes.ros.graph import load_graph, node_specs

NODES = {
    "sync": "Sync",
    "lidar_detector": "LidarDetector",
    "camera_detector": "CameraDetector",
    "fusion": "Fusion",
    "tracker": "Tracker",
    "map_elements": "MapElementsNode",
    "supervisor": "Supervisor",
    "markers": "Markers",
}


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    path = tmp_path / "rig.yaml"
    save_rig(
        Rig.from_dict({"name": "one", "sensors": {"top": {"modality": "lidar", "topic": "/points"}}}), path
    )
    return path


def test_every_executable_of_the_graph_is_covered() -> None:
    specs = node_specs(load_graph(), {"play": "true"})
    assert {s.executable for s in specs} == {*NODES, "bag_player"}


@pytest.mark.parametrize("name", NODES)
def test_parameters_of_the_graph_are_declared(name: str, rig: Path, domain_id: int) -> None:
    spec = next(s for s in node_specs(load_graph(), {"rig": str(rig)}) if s.executable == name)
    cls = getattr(importlib.import_module(f"perception_nodes.nodes.{name}"), NODES[name])
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    given = {**spec.parameters, "autostart": False}
    node = cls(context=context, parameter_overrides=[Parameter(k, value=v) for k, v in given.items()])
    try:
        node.setup()
        declared = set(node.get_parameters_by_prefix(""))
        assert set(given) <= declared, f"{name}: not declared: {sorted(set(given) - declared)}"
    finally:
        node.drain()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
