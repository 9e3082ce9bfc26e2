"""CSV and nuScenes JSON: what is read, how a format is found, and which mistakes are named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.assessment.evaluate import EvaluateOptions, evaluate
from perception_nodes.assessment.inputs.nuscenes import nuscenes_frames, nuscenes_stamps, read_nuscenes
from perception_nodes.assessment.inputs.source import format_of, read_source
from perception_nodes.assessment.inputs.tables import read_csv
from perception_nodes.datatypes import CAR, InputError

HEAD = "stamp_ns,id,label,x,y,score\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1,1,car,1,2,0.5,9\n", "boxes.csv:2: more cells than columns"),
        (HEAD + "1.5,1,car,1,2,0.5\n", "boxes.csv:2: column 'stamp_ns': wanted an integer, got '1.5'"),
        (HEAD + "1,1,car,one,2,0.5\n", "column 'x': wanted a number, got 'one'"),
        (HEAD + "1,1,car,nan,2,0.5\n", "key 'x': wanted a finite number"),
        (HEAD + "1,1,car,,2,0.5\n", "key 'x' is missing"),
        ("stamp_ns,id,id\n", "column 'id' occurs twice"),
    ],
)
def test_wrong_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_csv(path)


def test_an_empty_cell_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(HEAD + "1,1,car,1,2,\n")
    assert "score" not in read_csv(path)[0]
    assert np.isnan(read_source(path).frames[0].score[0])


def box(**values: Any) -> dict[str, Any]:
    half = np.sqrt(0.5)
    one = {"translation": [1.0, 2.0, 3.0], "size": [2.0, 4.0, 1.5], "rotation": [half, 0.0, 0.0, half]}
    return one | {"velocity": [0.0, 0.0], "detection_name": "car", "detection_score": 0.5} | values


def results(path: Path, samples: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"meta": {}, "results": samples}))
    return path


def test_order_of_size_and_rotation(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {"a": [box()]})
    (frame,) = nuscenes_frames(read_nuscenes(path), {"a": 7}, path)
    assert frame.stamp_ns == 7 and frame.label[0] == CAR
    assert frame.lwh_m[0] == pytest.approx([4.0, 2.0, 1.5]) and frame.yaw_rad[0] == pytest.approx(np.pi / 2)


def test_equal_tokens_meet(tmp_path: Path) -> None:
    samples = {t: [box()] for t in "abcdef"}
    truth = results(tmp_path / "t.json", {t: [box(detection_score=-1.0, num_pts=9)] for t in samples})
    ours = results(tmp_path / "r.json", {t: v for t, v in samples.items() if t != "c"})
    found = evaluate(EvaluateOptions(ours, truth))
    assert (found.protocol, found.paired.missing, len(found.paired.truth)) == ("nuscenes", 1, 6)
    assert nuscenes_stamps({"b": []}, {"a": []}) == {"a": 0, "b": 500_000_000}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detection_name": "tank"}, "class 'tank' is not in the taxonomy"),
        ({"translation": [1, 2]}, "'translation': wanted 3 numbers"),
        ({"translation": [1, 2, float("nan")]}, "'translation': wanted finite numbers"),
        ({"rotation": [0, 0, 0, 0]}, "wanted a quaternion"),
        ({"detection_score": "high"}, "score: wanted a number"),
        ({"attribute_name": "flying"}, "attribute 'flying'"),
    ],
)
def test_wrong_results_are_named(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    path = results(tmp_path / "r.json", {"a": [box(**wrong)]})
    with pytest.raises(InputError, match=re.escape(message)):
        read_source(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "jsonl"),
        (b'{"stamp_ns": 1}\n{"stamp_ns": 2}\n', "jsonl"),
        (b'{\n "results": {}}', "nuscenes"),
        (b'{"meta": {}, "results": {}}', "nuscenes"),
        (b"id,stamp_ns\n", "csv"),
        (b"Car 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", "kitti_object"),
        (b"0 1 Car 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", "kitti_tracking"),
        (b"\x89MCAP0\r\n", "bag"),
        (b"ARROW1\x00", "av2"),
    ],
)
def test_the_format_is_found_by_the_content(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "some.file"
    path.write_bytes(content)
    assert format_of(path) == kind


def test_what_is_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "some.file"
    path.write_text("hello world")
    with pytest.raises(InputError, match="begins with 'hello world': wanted an output folder"):
        format_of(path)
    with pytest.raises(InputError, match="no such file or folder"):
        format_of(tmp_path / "none")
