"""Gates and baselines: what breaks them, what is said, and which mistakes in the files are named."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from drives import drive

from perception_nodes.assessment.compare import NONE, ONE_SIDED, PAIRED, UNPAIRED, differences, read_baseline
from perception_nodes.assessment.evaluate import EvaluateOptions, Evaluation, evaluate
from perception_nodes.assessment.figures import plain
from perception_nodes.assessment.gates import judge, read_gates
from perception_nodes.cli import main as cli
from perception_nodes.datatypes import ConfigurationError, InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drives")


@pytest.fixture(scope="module")
def good(folder: Path) -> Evaluation:
    return evaluate(EvaluateOptions(*drive(folder, skip=0.1, seed=1)))


@pytest.fixture(scope="module")
def poor(folder: Path) -> Evaluation:
    return evaluate(EvaluateOptions(*drive(folder, skip=0.4, seed=2)))


def gates(path: Path, text: str) -> Any:
    path.joinpath("gates.yaml").write_text(text)
    return read_gates(path / "gates.yaml")


def saved(evaluation: Evaluation, path: Path) -> Path:
    path.write_text(json.dumps(evaluation.to_dict()))
    return path


def test_min_and_max(tmp_path: Path, good: Evaluation) -> None:
    text = """
gates:
  - {figure: own.car.recall, min: 0.8}
  - {name: too much, figure: own.car.recall, min: 0.99}
  - {name: few, figure: own.car.false_negatives, max: 3}
"""
    kept, low, high = judge(gates(tmp_path, text), good.figures, None)
    assert kept.passed and kept.gate.name == "own.car.recall"
    assert not low.passed and low.reason == "below 0.99" and low.low < low.value < low.high
    assert not high.passed and high.reason == "above 3"


def test_a_certain_gate_waits_for_the_whole_interval(tmp_path: Path, good: Evaluation) -> None:
    limit = good.figures["own.car.recall"].value + 0.005
    text = f"""
gates:
  - {{name: a, figure: own.car.recall, min: {limit}}}
  - {{name: b, figure: own.car.recall, min: {limit}, certain: true}}
"""
    plain_gate, certain = judge(gates(tmp_path, text), good.figures, None)
    assert not plain_gate.passed and certain.passed


def test_too_little_evidence_and_undefined_figures_break(tmp_path: Path, good: Evaluation) -> None:
    text = "gates: [{figure: own.car.recall, min: 0.1, min_count: 10000}]"
    (few,) = judge(gates(tmp_path, text), good.figures, None)
    assert not few.passed and "wanted 10000" in few.reason
    cone = good.figures["calibration.existence.tracks.ece"]
    undefined = {"x": type(cone)("x", float("nan"), 0, "boxes", 1)}
    (verdict,) = judge(gates(tmp_path, "gates: [{figure: x, min: 0.1}]"), undefined, None)
    assert not verdict.passed and "not defined" in verdict.reason


def test_max_drop_against_a_paired_baseline(tmp_path: Path, good: Evaluation, poor: Evaluation) -> None:
    found = differences(poor, read_baseline(saved(good, tmp_path / "evaluation.json")))
    recall = next(d for d in found if d.name == "own.car.recall")
    assert recall.method == PAIRED and recall.verdict == "worse"
    assert recall.low < recall.difference < recall.high < 0
    text = (
        "gates: [{figure: own.car.recall, max_drop: 0.05}, {name: b, figure: own.car.recall, max_drop: 0.9}]"
    )
    broken, kept = judge(gates(tmp_path, text), poor.figures, found)
    assert not broken.passed and kept.passed and "worse than the baseline" in broken.reason


def test_a_paired_difference_to_itself_is_nothing(tmp_path: Path, good: Evaluation) -> None:
    for d in differences(good, read_baseline(saved(good, tmp_path / "evaluation.json"))):
        assert d.difference == 0 and not d.verdict
        if d.method == PAIRED:
            assert (d.low, d.high) == pytest.approx((0, 0), abs=1e-9)


def test_a_paired_interval_is_narrower(tmp_path: Path, folder: Path, good: Evaluation) -> None:
    path = saved(good, tmp_path / "evaluation.json")
    ours = evaluate(EvaluateOptions(*drive(folder, shift_m=0.4, skip=0.1, seed=1)))
    paired = {d.name: d for d in differences(ours, read_baseline(path))}["own.car.mean_distance_m"]
    data = json.loads(path.read_text())
    data["by_frame"]["stamps_ns"][0] -= 1
    path.write_text(json.dumps(data))
    apart = {d.name: d for d in differences(ours, read_baseline(path))}["own.car.mean_distance_m"]
    assert (paired.method, apart.method) == (PAIRED, UNPAIRED)
    recall = {d.name: d for d in differences(ours, read_baseline(path))}["own.car.recall"]
    assert recall.high - recall.low > 0 and paired.high - paired.low <= apart.high - apart.low + 1e-9


def test_summary_json_as_baseline_has_an_interval_of_one_side(tmp_path: Path, good: Evaluation) -> None:
    metrics = {"classes": {"car": {"recall": 0.95, "ap": {"2": 0.9}, "fragments": 3, "mota": None}}}
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"metrics": metrics}))
    found = {d.name: d for d in differences(good, read_baseline(path))}
    assert set(found) == {"own.car.recall", "own.car.ap.2", "own.car.fragments"}
    assert found["own.car.recall"].method == ONE_SIDED and found["own.car.fragments"].method == NONE


def test_totals_of_other_frames_are_not_called_better(
    tmp_path: Path, good: Evaluation, poor: Evaluation
) -> None:
    path = saved(poor, tmp_path / "evaluation.json")
    name = "own.car.false_negatives"
    assert {d.name: d for d in differences(good, read_baseline(path))}[name].verdict == "better"
    data = json.loads(path.read_text())
    data["by_frame"]["stamps_ns"][0] -= 1
    path.write_text(json.dumps(data))
    assert {d.name: d for d in differences(good, read_baseline(path))}[name].verdict == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gates: [", "not YAML"),
        ("limits: []", "wanted one key `gates`"),
        ("gates: []", "wanted one key `gates`"),
        ("gates: [5]", "gate 1: wanted a mapping"),
        ("gates: [{figure: a, minimum: 1}]", "unknown key 'minimum'"),
        ("gates: [{min: 1}]", "key 'figure'"),
        ("gates: [{figure: a}]", "wanted min and/or max"),
        ("gates: [{figure: a, min: high}]", "key 'min': wanted a finite number"),
        ("gates: [{figure: a, min: .nan}]", "key 'min': wanted a finite number"),
        ("gates: [{figure: a, min: 2, max: 1}]", "impossible limits"),
        ("gates: [{figure: a, max_drop: -1}]", "impossible limits"),
        ("gates: [{figure: a, max_drop: 1, min: 0}]", "max_drop alone"),
        ("gates: [{figure: a, min: 1, certain: 7}]", "key 'certain'"),
        ("gates: [{figure: a, min: 1, min_count: -1}]", "key 'min_count'"),
        ("gates: [{figure: a, min: 1}, {figure: a, max: 2}]", "two gates are named 'a'"),
    ],
)
def test_wrong_gate_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        gates(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gates: [{figure: own.cat.recall, min: 1}]",
            "no figure 'own.cat.recall': did you mean one of ['own.car.recall'",
        ),
        ("gates: [{figure: own.car.recall, max_drop: 1}]", "max_drop needs --baseline"),
    ],
)
def test_gates_that_do_not_fit(tmp_path: Path, good: Evaluation, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        judge(gates(tmp_path, text), good.figures, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not be read as JSON|cannot be read as JSON"),
        ("{}", "wanted an evaluation.json"),
        ('{"metrics": null}', "no scores"),
    ],
)
def test_wrong_baselines_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_baseline(path)


def run_cli(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["perception", "evaluate", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("limit", "status"), [("min: 0.5", 0), ("min: 0.99", 1), ("mni: 0.5", 2)])
def test_exit_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: str,
    status: int,
) -> None:
    ours, truth = drive(tmp_path)
    gate = tmp_path / "gates.yaml"
    gate.write_text(f"gates: [{{name: find cars, figure: own.car.recall, {limit}}}]")
    words = [str(ours), "--truth", str(truth), "--gate", str(gate), "--output", str(tmp_path / "out")]
    assert run_cli(monkeypatch, *words) == status
    told = capsys.readouterr()
    if status == 1:
        assert re.search(
            r"BROKEN find cars: own\.car\.recall = 0\.\d+ \[0\.\d+, 0\.\d+\]: below 0.99", told.out
        )
    if status == 2:
        assert "unknown key 'mni'" in told.err
    assert (tmp_path / "out" / "evaluation.json").is_file() == (status < 2)


def test_plain_has_no_numbers_that_json_lacks() -> None:
    assert plain({"a": float("nan"), 1: (float("inf"), 2)}) == {"a": None, "1": [None, 2]}
