"""What cannot be run is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.runs import RunOptions

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(({"rate": v}, "--rate") for v in (0.0, -1.0, INF, NAN)),
        *(({"start_s": v}, "--start") for v in (-1.0, INF, NAN)),
        *(({"duration_s": v}, "--duration") for v in (0.0, -1.0, INF, NAN)),
        ({"sync_policy": "guess"}, "--sync-policy guess: wanted one of"),
        ({"graph_arguments": ("markers",)}, "--set markers: wanted name:=value"),
        ({"camera_model": Path("nothing.onnx")}, "nothing.onnx: no such file"),
        ({"graph_arguments": ("lidar_model:=no.onnx",)}, "no.onnx: no such file: wanted geometric, auto"),
        ({"graph_arguments": ("existence_calibration:=no.yaml",)}, "'no.yaml': wanted auto, none or a file"),
        ({"lidar_model": "no.onnx"}, "--lidar-model no.onnx: no such file: wanted geometric, auto"),
        ({"lidar_model": "auto", "graph_arguments": ("lidar_model:=auto",)}, "wanted one of them"),
    ],
)
def test_impossible_values_are_named(option: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        RunOptions(Path("in"), Path("out"), **option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ({"loop": True}, "--loop"),
        ({"view": True}, "--view"),
        ({"graph": Path("g.yaml")}, "--graph"),
        ({"graph_arguments": ("a:=b",)}, "--set"),
        ({"sync_policy": "approximate_time"}, "--sync-policy"),
    ],
)
def test_offline_refuses_what_only_the_graph_can_do(option: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} would have no effect"):
        RunOptions(Path("in"), Path("out"), offline=True, **option)  # type: ignore[arg-type]


def test_offline_takes_the_lidar_model_and_the_last_one_counts(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.touch()
    words = ("lidar_model:=auto", f"lidar_model:={model}")
    options = RunOptions(Path("in"), Path("out"), offline=True, graph_arguments=words)
    assert options.arguments == {"lidar_model": str(model)}
    named = RunOptions(Path("in"), Path("out"), offline=True, lidar_model="auto")
    assert named.arguments == {"lidar_model": "auto"}
