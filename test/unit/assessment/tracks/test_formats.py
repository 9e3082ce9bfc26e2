"""`perception track` of JSON lines and of nuScenes results."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write
from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.jsonl import read_boxes

QUIET = Console(quiet=True)


def row(k, x, **more):
    box = {"x": x, "y": 2.0, "z": 0.8, "l": 4.5, "w": 1.9, "h": 1.6, "yaw": 0.0, "score": 0.9}
    return (
        {"stamp_ns": k * 10**8, "id": 0, "label": "car", "frame_id": "base_link", "source": "lidar"}
        | box
        | more
    )


def lines(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def jsonl(tmp_path, rows, **more):
    return TrackOptions("jsonl", lines(tmp_path / "detections.jsonl", rows), tmp_path / "out", **more)


def test_lines_in_lines_out_with_one_id(tmp_path):
    done = track_and_write(jsonl(tmp_path, [row(k, 10 + 0.5 * k) for k in range(20)]), QUIET)
    assert (done.frames, done.tracks) == (20, 1)
    frames = read_boxes(tmp_path / "out" / "objects.jsonl", "tracker")
    assert {i for f in frames for i in f.id.tolist()} == {1}
    assert frames[-1].center_m[0, 0] == pytest.approx(19.5, abs=0.2)
    assert frames[-1].stamp_ns == 19 * 10**8


def test_with_poses_a_parked_car_stands_still_in_odom(tmp_path):
    poses = lines(
        tmp_path / "poses.jsonl",
        [{"stamp_ns": k * 10**8, "x": 0.5 * k, "y": 0.0, "yaw": 0.0} for k in range(30)],
    )
    track_and_write(jsonl(tmp_path, [row(k, 30 - 0.5 * k) for k in range(30)], poses=poses), QUIET)
    last = [json.loads(t) for t in (tmp_path / "out" / "objects.jsonl").read_text().splitlines()][-1]
    assert last["frame_id"] == "odom"
    assert last["x"] == pytest.approx(30.0, abs=0.1)
    assert (last["vx"], last["vy"]) == (0.0, 0.0)


def test_of_several_sources_fusion_is_taken(tmp_path):
    rows = [row(k, 10.0, source=s, y=y) for k in range(10) for s, y in (("lidar", 20.0), ("fusion", 2.0))]
    assert track_and_write(jsonl(tmp_path, rows), QUIET).tracks == 1
    assert read_boxes(tmp_path / "out" / "objects.jsonl")[-1].center_m[0, 1] == pytest.approx(2.0, abs=0.1)


def test_only_the_classes_asked_for(tmp_path):
    cases = ((10.0, "car", 0), (30.0, "pedestrian", 1))
    rows = [row(k, x, label=name, id=i) for k in range(10) for x, name, i in cases]
    assert track_and_write(jsonl(tmp_path, rows, classes=("pedestrian",)), QUIET).tracks == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no boxes"),
        ([{k: v for k, v in row(0, 1.0).items() if k != "l"}], "lacks z, l, w or h"),
        ([row(0, 1.0, source="a"), row(0, 1.0, source="b")], "several sources"),
        ([row(0, 1.0), row(1, 1.0, frame_id="odom")], "several frames"),
    ],
)
def test_lines_that_cannot_be_tracked_are_refused(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        track_and_write(jsonl(tmp_path, rows), QUIET)


@pytest.mark.parametrize("text", ['{"x": 1}', '{"stamp_ns": 1, "x": 1, "y": NaN, "yaw": 0}', "[1]", "x"])
def test_poses_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "poses.jsonl").write_text(text + "\n")
    with pytest.raises(InputError, match=r"poses\.jsonl:1: wanted"):
        track_and_write(jsonl(tmp_path, [row(0, 1.0)], poses=tmp_path / "poses.jsonl"), QUIET)


def nuscenes(tmp_path, scenes=("s",), **more):
    """Ten samples a scene, 0.5 s apart, whose tokens are not in the order of time; a car at 4 m/s."""
    samples, results = [], {}
    for scene in scenes:
        for k in range(10):
            token = f"{scene}{9 - k}"
            samples.append({"token": token, "timestamp": 500_000 * k, "scene_token": scene})
            box = {"translation": [10 + 2.0 * k, 0.0, 1.0], "size": [1.9, 4.5, 1.6], "rotation": [1, 0, 0, 0]}
            results[token] = [box | {"velocity": [4.0, 0.0], "detection_name": "car", "detection_score": 0.8}]
    (tmp_path / "sample.json").write_text(json.dumps(samples))
    (tmp_path / "results.json").write_text(json.dumps({"meta": {"use_lidar": True}, "results": results}))
    return TrackOptions("nuscenes", tmp_path / "results.json", tmp_path / "out", poses=tmp_path, **more)


def test_nuscenes_results_get_an_id_a_scene_in_the_order_of_time(tmp_path):
    track_and_write(nuscenes(tmp_path, ("a", "b")), QUIET)
    out = json.loads((tmp_path / "out" / "tracking.json").read_text())
    assert out["meta"] == {"use_lidar": True}
    assert {b["tracking_id"] for boxes in out["results"].values() for b in boxes} == {"a_1", "b_1"}
    last = out["results"]["a0"][0]
    assert (last["tracking_name"], last["sample_token"]) == ("car", "a0")
    np.testing.assert_allclose(last["size"], [1.9, 4.5, 1.6], atol=0.05)
    np.testing.assert_allclose(last["translation"], [28.0, 0.0, 1.0], atol=0.3)


def test_nuscenes_without_times_is_refused(tmp_path):
    with pytest.raises(InputError, match="wanted --poses"):
        track_and_write(replace(nuscenes(tmp_path), poses=None), QUIET)


def test_a_sample_that_the_tables_do_not_know_is_named(tmp_path):
    options = nuscenes(tmp_path)
    (tmp_path / "sample.json").write_text("[]")
    with pytest.raises(InputError, match="no sample"):
        track_and_write(options, QUIET)


@pytest.mark.parametrize("smooth", [False, True])
def test_boxes_that_cannot_be_used_are_counted_aloud(tmp_path, smooth):
    rows = [row(k, 10 + 0.5 * k) for k in range(5)] + [row(5, 12.5, l=0.0), row(6, 13.0, vx=1e200)]
    console = Console(record=True, width=200, file=StringIO())
    track_and_write(jsonl(tmp_path, rows, smooth=smooth), console)
    assert "2 boxes were not used: huge_velocity 1, zero_size 1" in console.export_text()
    assert "NaN" not in (tmp_path / "out" / "objects.jsonl").read_text()


@pytest.mark.parametrize("key", ["stamp_ns", "id"])
def test_numbers_that_no_message_holds(tmp_path, key):
    with pytest.raises(
        InputError, match=rf"detections\.jsonl:1: key '{key}': wanted an integer of at most 63"
    ):
        track_and_write(jsonl(tmp_path, [row(0, 10.0, **{key: 2**63})]), QUIET)
