"""Graph files: what a launcher gets, and what is refused. The launch file starts the same nodes as the runner."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.ros.graph import load_graph, node_specs
from perception_nodes.ros.runner import GraphRunner

LAUNCH_FILE = Path(__file__).resolve().parents[3] / "launch" / "perception.launch.py"
GRAPH = """
arguments:
  rig: {default: '', description: rig file}
  extra: {default: 'false', description: start b}
  rate: {default: '2.0', description: speed}
nodes:
  - {executable: a, parameters: {rig: '{rig}', rate: '{rate}'}}
  - {executable: b, name: second, if: extra}
"""


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    path = tmp_path / "graph.yaml"
    path.write_text(GRAPH)
    return path


def test_arguments_are_filled_in_and_typed(graph_file: Path) -> None:
    (only,) = node_specs(load_graph(graph_file), {"rig": "r.yaml"})
    assert (only.name, only.parameters) == ("a", {"rig": "r.yaml", "rate": 2.0})


def test_empty_text_stays_a_text(graph_file: Path) -> None:
    assert node_specs(load_graph(graph_file), {})[0].parameters["rig"] == ""


@pytest.mark.parametrize("text", ["123", "1e5", "true", "/data/run #3", "a: b", "{rate}"])
def test_a_text_stays_a_text_whatever_it_looks_like(graph_file: Path, text: str) -> None:
    assert node_specs(load_graph(graph_file), {"rig": text})[0].parameters["rig"] == text


def test_a_whole_number_for_a_number_is_a_float(graph_file: Path) -> None:
    rate = node_specs(load_graph(graph_file), {"rate": "3"})[0].parameters["rate"]
    assert (rate, type(rate)) == (3.0, float)


@pytest.mark.parametrize(("name", "wanted"), [("extra", "true or false"), ("rate", "a number")])
def test_values_of_a_wrong_type_are_refused(graph_file: Path, name: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=f"argument {name}: wanted {wanted}, got 'quick'"):
        node_specs(load_graph(graph_file), {name: "quick"})


def test_a_placeholder_without_argument_is_refused(graph_file: Path) -> None:
    graph_file.write_text(GRAPH.replace("'{rig}'", "'{rug}'"))
    with pytest.raises(ConfigurationError, match="'rug' is not one of its arguments"):
        node_specs(load_graph(graph_file), {})


def test_conditions(graph_file: Path) -> None:
    assert [s.name for s in node_specs(load_graph(graph_file), {"extra": "true"})] == ["a", "second"]


def test_unknown_argument_is_refused(graph_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="no argument 'rigg'"):
        node_specs(load_graph(graph_file), {"rigg": "x"})


def test_the_argument_that_was_meant_is_named(graph_file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no argument 'rigg': did you mean rig\?"):
        node_specs(load_graph(graph_file), {"rigg": "x"})


@pytest.mark.parametrize("text", ["nodes: []", "arguments: {}\nnodes: [{executable: a, params: {}}]", "["])
def test_bad_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"graph\.yaml"):
        load_graph(path)


def test_every_executable_of_the_graph_is_a_node() -> None:
    for spec in node_specs(load_graph(), {"play": "true", "markers": "true"}):
        assert importlib.util.find_spec(f"perception_nodes.nodes.{spec.executable}") is not None


def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """launch and launch_ros as far as the file uses them: constructors that keep what they are given."""

    class Kept:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.args, self.kwargs = args, kwargs

    class LaunchConfiguration(Kept):
        def perform(self, context: dict[str, str]) -> str:
            return context[self.args[0]]

    class Text(str):
        """ParameterValue of a text: compares as the text it holds."""

        __slots__ = ()

        def __new__(cls, value: str, value_type: type) -> Text:
            assert value_type is str
            return super().__new__(cls, value)

    members: dict[str, dict[str, type]] = {
        "launch": {"LaunchDescription": Kept},
        "launch.actions": {"DeclareLaunchArgument": Kept, "OpaqueFunction": Kept},
        "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": Kept},
        "launch_ros.parameter_descriptions": {"ParameterValue": Text},
    }
    for name, content in members.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def test_launch_file_starts_what_the_runner_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins(monkeypatch)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "")  # the file sets it if nobody has
    spec = importlib.util.spec_from_file_location("perception_launch", LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (entities,) = module.generate_launch_description().args
    graph = load_graph()
    defaults = {e.args[0]: e.kwargs["default_value"] for e in entities[:-1]}
    assert defaults == {name: a.default for name, a in graph.arguments.items()}
    values = {**defaults, "play": "true", "params_file": "more.yaml"}
    nodes = entities[-1].kwargs["function"](values)
    launched = [(n.kwargs["executable"], n.kwargs["name"], n.kwargs["parameters"]) for n in nodes]
    wanted = [(s.executable, s.name, [*s.parameter_files, s.parameters]) for s in node_specs(graph, values)]
    assert launched == wanted
    bare = [v for n in nodes for v in n.kwargs["parameters"][-1].values() if type(v) is str]
    assert not bare, "launch_ros would read these as YAML"


def test_runner_passes_name_and_parameter_files(graph_file: Path, tmp_path: Path) -> None:
    (spec,) = node_specs(load_graph(graph_file), {"rig": "r.yaml"})
    runner = GraphRunner([spec], tmp_path)
    command = runner._command(spec)
    written = Path(command[-1]).read_text()
    assert runner.stop() == {}
    assert "perception_nodes.nodes.a" in command and "__node:=a" in command
    assert '"rate": 2.0' in written
    assert not Path(command[-1]).exists()


def test_nodes_that_wait_for_sensors_know_how_slowly_a_recording_is_played() -> None:
    specs = node_specs(load_graph(), {"rig": "r.yaml", "rate": "0.25"})
    waiting = {s.name for s in specs if s.parameters.get("playback_rate") == 0.25}
    assert waiting == {"sync", "lidar_detector", "fusion", "tracker", "map_elements"}
