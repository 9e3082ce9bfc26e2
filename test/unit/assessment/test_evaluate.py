"""Figures from small drives, what is said of wrong inputs, and that the files and the page hold the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from drives import FRAMES, STEP_NS, drive, rows, write_csv, write_jsonl
from rich.console import Console

from perception_nodes.assessment.command import CommandOptions, evaluate_and_report
from perception_nodes.assessment.evaluate import EvaluateOptions, evaluate
from perception_nodes.datatypes import InputError


def test_perfect_boxes_score_one(tmp_path: Path) -> None:
    found = evaluate(EvaluateOptions(*drive(tmp_path, 0.0, 0.0))).figures
    for name in ("ap.0.5", "recall", "precision", "mota", "hota", "idf1"):
        assert found[f"own.car.{name}"].value == pytest.approx(1.0), name
    assert found["own.car.recall"].count == 4 * FRAMES


def test_every_figure_has_a_count_and_intervals_hold_the_value(tmp_path: Path) -> None:
    found = evaluate(EvaluateOptions(*drive(tmp_path, 0.3, 0.3))).figures
    recall = found["own.car.recall"]
    assert recall.method == "bootstrap" and recall.low < recall.value < recall.high
    assert recall.value == pytest.approx(0.7, abs=0.1)
    for figure in found.values():
        assert figure.of and figure.count >= 0
        if figure.method != "none":
            assert figure.low <= figure.value <= figure.high, figure.name


def test_csv_and_jsonl_give_the_same(tmp_path: Path) -> None:
    ours, truth = drive(tmp_path)
    table = write_csv(tmp_path / "boxes.csv", rows(0.1, 0.1))
    one, two = (evaluate(EvaluateOptions(p, truth)) for p in (ours, table))
    assert (one.predictions.format, two.predictions.format) == ("jsonl", "csv")
    assert {n: f.to_dict() for n, f in one.figures.items()} == {
        n: f.to_dict() for n, f in two.figures.items()
    }


def test_shuffled_lines_give_the_same(tmp_path: Path) -> None:
    ours, truth = drive(tmp_path)
    other = write_jsonl(tmp_path / "reversed.jsonl", rows(0.1, 0.1)[::-1])
    one, two = (evaluate(EvaluateOptions(p, truth)).figures for p in (ours, other))
    assert one["own.car.ap.2"].value == two["own.car.ap.2"].value
    assert one["own.car.mota"].value == two["own.car.mota"].value


def test_no_predictions_are_misses_and_no_truth_is_an_error(tmp_path: Path) -> None:
    _, truth = drive(tmp_path)
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    found = evaluate(EvaluateOptions(empty, truth))
    assert found.figures["own.car.recall"].value == 0.0 and found.paired.missing == FRAMES
    with pytest.raises(InputError, match=r"empty\.jsonl: wanted at least one frame of truth"):
        evaluate(EvaluateOptions(truth, empty))


def test_misses_in_time_are_counted(tmp_path: Path) -> None:
    _, truth = drive(tmp_path)
    late = [r | {"stamp_ns": r["stamp_ns"] + 20_000_000} for r in rows() if r["stamp_ns"] >= 5 * STEP_NS]
    spare = [r | {"stamp_ns": r["stamp_ns"] + 50_000_000, "id": 9} for r in rows()[:1]]
    found = evaluate(EvaluateOptions(write_jsonl(tmp_path / "late.jsonl", late + spare), truth))
    assert (found.paired.missing, found.paired.spare) == (5, 1)


def changed(**values: object) -> list[dict[str, object]]:
    first, *rest = rows()
    return [first | values, *rest]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(x=float("nan")), "wrong.jsonl:1: key 'x': wanted a finite number, got nan"),
        (changed(label="tank"), "'tank' is not in the taxonomy"),
        (changed(id=1), "wrong.jsonl: BoxFrame at 0: an id occurs twice"),
        (changed(frame_id="base_link"), "several values of 'frame_id'"),
        (changed(source="fusion"), "choose one with --source"),
        ([r | {"frame_id": "map"} for r in rows()], "predictions are in 'map'"),
        ([r | {"stamp_ns": r["stamp_ns"] + 10**12} for r in rows()], "no prediction is within 0.03 s"),
        ([{k: v for k, v in r.items() if k != "score"} for r in rows()], "wanted a score, got none"),
    ],
)
def test_wrong_predictions_are_named(tmp_path: Path, content: list[dict[str, object]], message: str) -> None:
    _, truth = drive(tmp_path)
    with pytest.raises(InputError, match=re.escape(message)):
        evaluate(EvaluateOptions(write_jsonl(tmp_path / "wrong.jsonl", content), truth))


def test_one_of_several_sources_can_be_chosen(tmp_path: Path) -> None:
    _, truth = drive(tmp_path)
    both = rows() + [r | {"source": "fusion", "x": r["x"] + 50.0} for r in rows()]
    path = write_jsonl(tmp_path / "both.jsonl", both)
    assert evaluate(EvaluateOptions(path, truth, source="tracker")).figures["own.car.recall"].value == 1.0
    assert evaluate(EvaluateOptions(path, truth, source="fusion")).figures["own.car.recall"].value == 0.0


def test_without_truth_and_with_a_wrong_protocol(tmp_path: Path) -> None:
    ours, truth = drive(tmp_path)
    with pytest.raises(InputError, match="holds no truth: give it with --truth"):
        evaluate(EvaluateOptions(ours))
    with pytest.raises(InputError, match="protocol 'coco': wanted one of"):
        evaluate(EvaluateOptions(ours, truth, "coco"))
    with pytest.raises(InputError, match="protocol kitti: wanted KITTI text"):
        evaluate(EvaluateOptions(ours, truth, "kitti"))


def test_nuscenes_protocol_on_plain_boxes(tmp_path: Path) -> None:
    found = evaluate(EvaluateOptions(*drive(tmp_path, 0.1, 0.2), "nuscenes")).figures
    car = found["nuscenes.detection.car.mean_ap"]
    assert 0.5 < car.low < car.value < car.high <= 1.0 and car.method == "jackknife"
    assert found["nuscenes.tracking.car.amota"].count == 4 * FRAMES


def test_the_page_holds_evaluation_json(tmp_path: Path) -> None:
    ours, truth = drive(tmp_path)
    out = tmp_path / "out"
    options = CommandOptions(EvaluateOptions(ours, truth), out)
    assert not evaluate_and_report(options, Console(quiet=True))
    result = json.loads((out / "evaluation.json").read_text())
    page = (out / "evaluation.html").read_text()
    (blob,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(blob)["result"] == result
    assert result["diagnosis"]["main_cause"] is None or result["diagnosis"]["causes"]
    assert not re.search(r"https?://", page)


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    ours, truth = drive(tmp_path)
    one, two = (evaluate(EvaluateOptions(ours, truth, seed=3)).to_dict() for _ in range(2))
    assert one == two
    other = evaluate(EvaluateOptions(ours, truth, seed=4)).to_dict()
    assert other["figures"]["own.car.recall"]["low"] != one["figures"]["own.car.recall"]["low"]
