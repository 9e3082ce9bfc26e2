"""The closed loop in one process: short drives, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import ConfigurationError, Mode, ModelError
from perception_nodes.datatypes.existence import EXISTENCE_GROUPS, ExistenceCalibration, ExistenceTable
from perception_nodes.runs import loop_online
from perception_nodes.runs.loop import LoopResult, run_loop
from perception_nodes.runs.loop_drive import LoopDrive, lidar_rig
from perception_nodes.runs.loop_online import plain
from perception_nodes.runs.loop_table import rows, run_table
from perception_nodes.runs.simulate import SimulateOptions, Targets, carry_out
from perception_nodes.simulation.faults import Fault, FaultKind
from perception_nodes.simulation.scenarios import Scenario, find_scenario
from perception_nodes.simulation.scenarios.decode import decode_file

CONSOLE = Console(quiet=True)


def short(duration_s: float, *faults: Fault, name: str = "car_park_clutter") -> Scenario:
    scenario = replace(find_scenario(name), duration_s=duration_s)
    return replace(scenario, faults=faults, must_hold=replace(scenario.must_hold, ego_travels_m=None))


def drive(scenario: Scenario, out: Path) -> tuple[LoopResult, dict[str, Any]]:
    result = run_loop(scenario, lidar_rig(find_rig("default")), 1, out, console=CONSOLE, online=False)
    return result, json.loads((out / "drive.json").read_text())


def test_the_same_drive_gives_the_same_bytes(tmp_path: Path) -> None:
    first, _ = drive(short(2.5), tmp_path / "a")
    second, record = drive(short(2.5), tmp_path / "b")
    assert (tmp_path / "a" / "drive.json").read_bytes() == (tmp_path / "b" / "drive.json").read_bytes()
    assert replace(first, wall_s=0.0) == replace(second, wall_s=0.0)
    assert first.passed and first.travelled_m > 4.0
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["perception"] == "pipeline"
    commanded = [row[record["columns"].index("wanted_mps2")] for row in record["steps"]]
    assert commanded[-1] is not None, "the planner has taken over"


def test_the_planner_decides_on_what_the_tracker_believes_not_on_what_that_is_worth() -> None:
    plain, shown = (LoopDrive(short(2.5), find_rig("default"), 1) for _ in range(2))
    plain._perception._pipeline.tracker.calibration = None
    worth = ExistenceTable((0.05, 0.5), (0.5, 0.95))
    calibration = ExistenceCalibration("some", 0.02, dict.fromkeys(EXISTENCE_GROUPS, worth))
    shown._perception._pipeline.tracker.calibration = calibration
    for _ in range(25):
        one, other = plain.step(), shown.step()
        assert one.decision == other.decision
    assert one.percept.tracks is not None and other.percept.tracks is not None
    assert one.obstacles is not None and other.obstacles is not None
    given, published = (s.percept.tracks.existence_probability for s in (one, other))
    assert len(given) and (published > given + 0.01).all()
    np.testing.assert_allclose(one.obstacles.existence, other.obstacles.existence)


@pytest.mark.slow
def test_a_lidar_that_falls_silent_brings_the_ego_to_a_safe_stop(tmp_path: Path) -> None:
    """Perception is BLIND 0.35 s after the last sweep; from 4 m/s at 3 m/s2 it stands 1.4 s later."""
    result, record = drive(short(6.0, Fault("top", FaultKind.OFF, 2.0)), tmp_path)
    at = {name: record["columns"].index(name) for name in record["columns"]}
    by_time = {row[0]: row for row in record["steps"]}
    assert by_time[1.9][at["mode"]] == Mode.NOMINAL.name
    assert by_time[2.5][at["mode"]] == Mode.BLIND.name
    assert by_time[2.5][at["reason"]] == "SAFE_STOP"
    assert result.final_speed_mps == 0.0 and result.stopped and result.collisions == 0


def test_a_delayed_lidar_makes_objects_old_and_the_ego_stops(tmp_path: Path) -> None:
    loop = LoopDrive(short(3.0, Fault("top", FaultKind.DELAYED, 1.0, delay_s=0.5)), find_rig("default"), 1)
    modes = [step.percept.mode for step in (loop.step() for _ in range(20))]
    assert Mode.NOMINAL in modes[:10]
    assert modes[14] == Mode.BLIND, "nothing younger than 0.35 s has come"


def test_a_loop_needs_a_lidar() -> None:
    rig = find_rig("default")
    assert [s.name for s in lidar_rig(rig).sensors] == ["top"]
    assert len(lidar_rig(rig, ("top", "front")).sensors) == 2
    with pytest.raises(ConfigurationError, match="at least one lidar"):
        lidar_rig(rig, ("front",))
    with pytest.raises(ConfigurationError, match="no sensor 'roof'"):
        lidar_rig(rig, ("roof",))


@pytest.mark.parametrize("name", ["occluded_pedestrian", "cut_in", "tunnel_exit", "dense_junction"])
def test_a_scenario_in_a_file_is_the_same_scenario(name: str) -> None:
    import yaml

    scenario = replace(find_scenario(name), faults=(Fault("top", FaultKind.SLOW, 1.0, every=4),))
    text = yaml.safe_dump(plain(scenario), sort_keys=False)
    assert replace(decode_file(Scenario, text, "test"), file=scenario.file) == scenario


def result(scenario: str, seed: int, passed: bool, ttc: float | None) -> LoopResult:
    return LoopResult(
        scenario, seed, "pipeline", passed, int(not passed), ttc, 1, 0, 50.0 * seed, False, 10.0, 3.0
    )


def test_the_table_sums_up() -> None:
    some = [result("a", 1, True, 2.0), result("a", 2, False, None), result("b", 1, True, 4.0)]
    first, second, total = rows(some)
    assert first == ("a", "1/2", "1", "2.00", "2", "0", "75", "0", "2")
    assert second[:4] == ("b", "1/1", "0", "4.00")
    assert total[:3] == ("all", "2/3", "1")


def test_the_lidar_model_reaches_the_stages(tmp_path: Path) -> None:
    rig = find_rig("default")
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        LoopDrive(short(0.5), rig, 1, lidar_model="nowhere.onnx")
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        run_table(["cut_in"], rig, [1], tmp_path, console=CONSOLE, lidar_model="nowhere.onnx")


def test_simulate_gives_the_loop_its_lidar_model(tmp_path: Path) -> None:
    """Both ways of driving: the stages run it and the figures name it; the graph's node is told of it."""
    options = SimulateOptions("", duration_s=0.5)
    targets = Targets(("cut_in",), tmp_path / "auto", loop=True, offline=True, lidar_model="auto")
    carry_out(options, targets, CONSOLE)
    driven = json.loads((tmp_path / "auto" / "summary.json").read_text())
    assert (driven["perception"], driven["lidar_model"]) == ("pipeline", "auto")
    model = tmp_path / "none.onnx"
    model.touch()
    with pytest.raises(ModelError, match=r"none\.onnx: cannot be loaded"):
        carry_out(options, replace(targets, lidar_model=str(model)), CONSOLE)
    specs = loop_online._specs(short(0.5), find_rig("default"), 1, tmp_path, "auto")
    (detector,) = (s for s in specs if s.executable == "lidar_detector")
    assert detector.parameters["model"] == "auto"


def test_an_unknown_scenario_is_told_before_anything_is_driven(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cut_in"):
        run_table(["cut_inn"], find_rig("default"), [1], tmp_path / "out", console=CONSOLE)
    assert not (tmp_path / "out").exists()
