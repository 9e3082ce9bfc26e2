"""What a person gets wrong in a scenario, a rig or an option is said in one sentence, with file, line and field."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from perception_nodes.datatypes import ConfigurationError, PerceptionError
from perception_nodes.resources import resource_path
from perception_nodes.runs.simulate import (
    SimulateOptions,
    Targets,
    carry_out,
    chosen_scenario,
    drive_live,
    drive_loop,
    fault,
    make_gallery,
    open_simulation,
    record,
    weather_effect,
)
from perception_nodes.runs.yaml_lines import line_of
from perception_nodes.simulation.faults import FaultKind
from perception_nodes.simulation.scenarios import find_scenario, scenario_names

SCENARIO = """\
purpose: A test.
must: Nothing.
world: {kind: straight}
duration_s: 1
ego: {drive: route, speed_mps: 9}
traffic: {pedestrians: 2}
actors:
  - name: van
    kind: van
    path: [[52, -2.9]]
"""
RIG = (resource_path("config/rigs") / "vlp16.yaml").read_text()


def said(tmp_path: Path, scenario: str = SCENARIO, rig: str = RIG, seed: int = 1) -> str:
    """The error's text without the folder."""
    (tmp_path / "s.yaml").write_text(scenario)
    (tmp_path / "r.yaml").write_text(rig)
    names = [str(tmp_path / name) for name in ("s.yaml", "r.yaml")]
    with pytest.raises(PerceptionError) as error:
        open_simulation(SimulateOptions(*names, seed=seed, sensors=("lidar",)))
    return str(error.value).replace(f"{tmp_path}/", "")


def with_line(path: str, text: str, new: str) -> tuple[str, int]:
    """The file with a text replaced, and the line where that is."""
    assert path.count(text) == 1, text
    return path.replace(text, new), path[: path.index(text)].count("\n") + 1


@pytest.mark.parametrize(
    ("text", "new", "words"),
    [
        ("duration_s", "durations", "durations: unknown field: did you mean 'duration_s'"),
        ("{kind: straight}", "{kind: strait}", "world: kind 'strait': wanted one of"),
        ("{kind: straight}", "{kind: straight, options: {lanez: 3}}", "lanez: no such option"),
        ("{kind: straight}", "{osm: nowhere.osm}", "world.osm: nowhere.osm: cannot be read"),
        ("drive: route", "drive: rout", "ego.drive: 'rout': wanted one of"),
        ("speed_mps: 9", "speed_mps: 9, start_s_m: 5000", "ego.start_s_m 5000.0: its lane is"),
        ("pedestrians: 2", "pedestrians: 6000", "traffic.pedestrians: 6000: wanted a value in [0, 500]"),
        ("kind: van", "kind: vann", "kind 'vann': wanted one of"),
        (
            "path: [[52, -2.9]]",
            "path: [[52, -2.9]]\n    asset: boat",
            "asset 'boat': wanted the beginning of",
        ),
        ("path: [[52, -2.9]]", "path: [[52, -2.9]]\n    speed_mps: fast", "speed_mps: wanted a number"),
        ("actors:", "actors: {", "not YAML"),
    ],
)
def test_scenarios(tmp_path: Path, text: str, new: str, words: str) -> None:
    broken, line = with_line(SCENARIO, text, new)
    found = said(tmp_path, broken)
    at = re.match(r"s\.yaml:(\d+): ", found)
    assert at is not None and words in found, found
    assert line <= int(at[1]) <= line + 2  # of what was added, or of its parent
    assert "\n" not in found


def test_an_actor_inside_the_ego(tmp_path: Path) -> None:
    broken, _ = with_line(SCENARIO, "[[52, -2.9]]", "[[0.5, 0]]")
    assert said(tmp_path, broken).startswith("s.yaml:8: scenario 's': actor 'van' begins inside the ego")


def test_a_fault_of_a_sensor_that_there_is_not(tmp_path: Path) -> None:
    broken = SCENARIO + "faults:\n  - {sensor: roof, kind: off}\n"
    assert said(tmp_path, broken).startswith("s.yaml:12: fault of sensor 'roof': wanted one of")


def test_a_blocked_ego_is_named_with_what_blocks_it(tmp_path: Path) -> None:
    broken, _ = with_line(SCENARIO, "[[52, -2.9]]", "[[6.5, 0]]")
    found = said(tmp_path, broken, seed=5)
    assert re.match(
        r"s\.yaml:5: seed 5: the ego is blocked: .* m to actor 'van' \(van\) that stands at ", found
    )


@pytest.mark.parametrize(
    ("text", "new", "words"),
    [
        ("    rate_hz", "    rate_hzz", "sensor 'lidar': unknown key 'rate_hzz'"),
        ("rate_hz: 10.0", "rate_hz: 7.0", "rate_hz 7.0: wanted 10 Hz divided"),
        ("modality: lidar", "modality: lidr", "sensor 'lidar': modality 'lidr': wanted one of"),
        ("{type: vlp16}", "{type: vlp17}", "model: type 'vlp17': wanted one of"),
        ("{type: vlp16}", "{type: vlp16, dropot: 1}", "unknown key 'dropot': did you mean 'dropout'"),
        ("{type: vlp16}", "\n      type: vlp16\n      dropout: 7", "dropout = 7.0: wanted a value in"),
        ("{type: vlp16}", "{type: vlp16, clock_s: soon}", "clock_s: wanted a number, got 'soon'"),
        ("[0.0, 0.0, 0.75]", "[0.0, 0.0]", "mount_xyz_m: wanted 3 numbers, got [0.0, 0.0]"),
        ("reference: lidar", "reference: lidr", "reference 'lidr': wanted one of"),
        ("/sensing/lidar/lidar/points", "points", "topic 'points': wanted an absolute name"),
        ("sensors:", "sensors: [", "not YAML: "),
        ("base_to_center_m", "base_to_centre_m", "unknown key 'base_to_centre_m'"),
    ],
)
def test_rigs(tmp_path: Path, text: str, new: str, words: str) -> None:
    broken, line = with_line(RIG, text, new)
    found = said(tmp_path, rig=broken)
    at = re.match(r"r\.yaml:(\d+): ", found)
    assert at is not None and words in found, found
    assert line <= int(at[1]) <= line + 2
    assert "\n" not in found


def test_a_rig_without_mounts(tmp_path: Path) -> None:
    broken = "".join(line for line in RIG.splitlines(keepends=True) if "mount_" not in line)
    assert re.match(
        r"r\.yaml:\d+: rig vlp16: sensor lidar: mount_xyz_m: .*got none", said(tmp_path, rig=broken)
    )


def test_unknown_names_are_answered_with_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'cut_in'"):
        open_simulation(SimulateOptions("cut_inn"))
    with pytest.raises(ConfigurationError, match=r"^rig 'defalt': wanted one of"):
        open_simulation(SimulateOptions("cut_in", rig="defalt"))
    with pytest.raises(ConfigurationError, match=r"--sensors roof: rig 'vlp16' has \['lidar', 'inertial'\]"):
        open_simulation(SimulateOptions("cut_in", rig="vlp16", sensors=("roof",)))


@pytest.mark.parametrize(
    ("values", "words"), [({"seed": -1}, "--seed -1"), ({"duration_s": 0.0}, "--duration 0")]
)
def test_impossible_numbers(values: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        SimulateOptions("cut_in", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["rane:3", "rain:0", "rain:6", "rain:x", ":3", ""])
def test_weather_that_there_is_not(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--weather {text}: wanted KIND:SEVERITY"):
        weather_effect(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top", "wanted SENSOR:KIND"),
        ("top:of", "kind 'of': wanted one of"),
        ("top:off:soon", "start_s: wanted a number, got 'soon'"),
        ("top:off:1:2:3", "wanted SENSOR:KIND"),
        ("top:off:-1", "start_s = -1.0"),
        ("top:slow:evry=4", "unknown key 'evry'"),
        ("top:off:kind=stuck", "kind is given twice"),
        ("top:off:1:start_s=2", "start_s is given twice"),
    ],
)
def test_faults_that_there_are_not(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--fault {text}: .*{words}"):
        fault(text)


def test_a_fault_by_option_of_a_sensor_that_is_not_simulated() -> None:
    options = SimulateOptions("cut_in", sensors=("top",), faults=("front:off",))
    with pytest.raises(
        ConfigurationError, match=r"--fault front:off: sensor 'front': wanted one of \['top'\]"
    ):
        open_simulation(options)


def test_a_page_of_a_blocked_ego_names_the_file_and_the_line(tmp_path: Path) -> None:
    broken, _ = with_line(SCENARIO, "[[52, -2.9]]", "[[6.5, 0]]")
    (tmp_path / "s.yaml").write_text(broken)
    options = SimulateOptions("", rig="vlp16", seed=5)
    with pytest.raises(ConfigurationError, match=r"s\.yaml:5: seed 5: the ego is blocked: "):
        make_gallery((str(tmp_path / "s.yaml"),), options, tmp_path / "g", Console(file=io.StringIO()))


def test_faults_by_option_are_checked_before_anything_is_started(tmp_path: Path) -> None:
    options, console = SimulateOptions("cut_in", faults=("roof:off",)), Console(file=io.StringIO())
    for start in (
        lambda: drive_live(options, console),
        lambda: drive_loop(options, tmp_path / "loop", console, online=False),
    ):
        with pytest.raises(ConfigurationError, match=r"^--fault roof:off: sensor 'roof': wanted one of"):
            start()
    with pytest.raises(ConfigurationError, match=r"^--fault: not with --gallery"):
        make_gallery(("cut_in",), options, tmp_path / "g", console)


def test_what_a_node_refuses_of_its_copy_is_said_of_the_scenario(tmp_path: Path, monkeypatch: Any) -> None:
    broken, _ = with_line(SCENARIO, "[[52, -2.9]]", "[[6.5, 0]]")
    (tmp_path / "s.yaml").write_text(broken)
    said = "/tmp/x/scenario.yaml: seed 1: the ego is blocked: no way"

    def refuse(*_: Any) -> None:
        raise PerceptionError(f"node simulator cannot be configured: {said} (log: /tmp/x/simulator.log)")

    monkeypatch.setattr("perception_nodes.runs.live.run_live", refuse)
    with pytest.raises(ConfigurationError, match=r"/s\.yaml:5: seed 1: the ego is blocked: no way$"):
        drive_live(SimulateOptions(str(tmp_path / "s.yaml"), rig="vlp16"), Console(file=io.StringIO()))


def test_a_map_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("{kind: straight}", "{osm: maps/a.osm}"))
    assert find_scenario(str(tmp_path / "s.yaml")).world.osm == str(tmp_path / "maps" / "a.osm")


def test_outputs_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    below, console = tmp_path / "file" / "below", Console(file=io.StringIO())
    options = SimulateOptions("cut_in", rig="vlp16", sensors=("lidar",), duration_s=0.5)
    with pytest.raises(
        ConfigurationError, match=f"--output {below}/a.mcap: cannot make the folder {below}: "
    ):
        record(options, below / "a.mcap", console)
    with pytest.raises(ConfigurationError, match=f"--gallery {below}: cannot make the folder"):
        make_gallery(("cut_in",), options, below, console)
    (tmp_path / "old.mcap").mkdir()
    with pytest.raises(ConfigurationError, match=r"old\.mcap exists"):
        record(options, tmp_path / "old.mcap", console, force=True)
    with pytest.raises(ConfigurationError, match=r"a\.bag: wanted a name that ends in \.mcap"):
        record(options, tmp_path / "a.bag", console)


def test_a_record_says_what_it_wrote_and_how_fast(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    options = SimulateOptions("cut_in", rig="vlp16", sensors=("lidar",), duration_s=0.5)
    info = record(options, tmp_path / "new" / "a.mcap", console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert info.path.stat().st_size > 10_000
    assert "/sensing/lidar/lidar/points" in said
    assert re.search(r"5 frames in \d+\.\d s: \d+\.\d frames/s, \d+\.\d\d of real time", said)


def test_the_list_has_every_scenario_with_its_purpose() -> None:
    console = Console(file=io.StringIO(), width=300)
    assert carry_out(SimulateOptions(""), Targets(list=True), console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    for name in scenario_names():
        assert name in said and find_scenario(name).purpose in said


def test_options_go_over_the_scenario() -> None:
    options = SimulateOptions(
        "tunnel_exit",
        duration_s=3.0,
        weather=("clear", "rain:4", "fog"),
        faults=("top:off:5:2", "top:slow:every=4"),
    )
    scenario = chosen_scenario(options)
    assert scenario.duration_s == 3.0
    assert [(e.kind, e.severity) for e in scenario.weather] == [("rain", 4), ("fog", 3)]
    off, slow = scenario.faults[-2:]
    assert (off.kind, off.start_s, off.duration_s) == (FaultKind.OFF, 5.0, 2.0)
    assert (slow.kind, slow.every) == (FaultKind.SLOW, 4)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"output": Path("a.mcap"), "gallery": Path("b")}, "--output and --gallery: wanted one"),
        ({"gallery": Path("b"), "loop": True}, "--gallery and --loop: wanted one"),
        ({"offline": True}, "--offline: only with --loop"),
        ({"lidar_model": "auto"}, "--lidar-model: only with --loop"),
        ({"lidar_model": "no.onnx", "loop": True}, "--lidar-model no.onnx: no such file: wanted geometric"),
        ({"scenarios": ()}, "wanted one name or file, got none"),
        ({"scenarios": ("a", "b")}, "got 2: a, b"),
        ({"truth_images": True}, "--truth-images: only with --output"),
    ],
)
def test_contradicting_targets(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Targets(**{"scenarios": ("cut_in",), **values})  # type: ignore[arg-type]


def test_the_line_is_that_of_the_key_that_is_named_most_fully(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "a: 1\nsensors:\n  front:\n    rate: 3\n  back:\n    rate: 4\n    list:\n    - {name: q, rate: 5}\n"
    )
    assert line_of(path, "sensor 'back': rate 4: wanted front, a") == 6
    assert line_of(path, "back, q: rate: wrong") == 8
    assert line_of(path, "nothing of it") == 1


def test_the_command_says_it_in_one_line_and_leaves_with_2(tmp_path: Path) -> None:
    scenario, line = with_line(SCENARIO, "duration_s", "durations")
    (tmp_path / "s.yaml").write_text(scenario)
    command = [sys.executable, "-m", "perception_nodes.cli.main", "simulate", "s.yaml", "-o", "x.mcap"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: s.yaml:{line}: durations: unknown field: did you mean 'duration_s'?\n"
    assert not (tmp_path / "x.mcap").exists()
