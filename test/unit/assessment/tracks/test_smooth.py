"""`perception track --smooth`: one way for all layouts, in the world; nearer to the truth than the causal pass."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.inputs.kitti import read_kitti_tracking, read_pointrcnn
from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write
from perception_nodes.assessment.tracks.config import class_config
from perception_nodes.assessment.tracks.kitti import KittiTracker, follow, results
from perception_nodes.assessment.tracks.kitti_files import SIZE_PX, projection
from perception_nodes.assessment.tracks.kitti_smooth import offline
from perception_nodes.assessment.tracks.smooth_figures import matched, smooth_and_tell
from perception_nodes.assessment.tracks.tune_inputs import TuneOptions
from perception_nodes.evaluation.kitti_objects import KittiObjects

QUIET = Console(quiet=True)
FRAMES = 40
TURN_RPS = 0.3


def lines(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def ego(k):
    """x, y, yaw in odom: a vehicle that drives a circle."""
    yaw = TURN_RPS * k * 0.1
    return 5.0 / TURN_RPS * np.sin(yaw), 5.0 / TURN_RPS * (1 - np.cos(yaw)), yaw


def seen_from(k, x, y):
    px, py, yaw = ego(k)
    c, s = np.cos(yaw), np.sin(yaw)
    return c * (x - px) + s * (y - py), -s * (x - px) + c * (y - py)


def drive(tmp_path, place, missing=(), noise_m=0.2, **more):
    """JSON lines of a car at `place(k)` in odom, seen from the vehicle; frames in which it is missing hold another."""
    rng = np.random.default_rng(5)
    rows = []
    for k in range(FRAMES):
        x, y = np.add(seen_from(k, *place(k)), rng.normal(0, noise_m, 2))
        box = {"stamp_ns": k * 10**8, "id": 0, "label": "car", "frame_id": "base_link", "source": "lidar"}
        box |= {"z": 0.8, "l": 4.5, "w": 1.9, "h": 1.6, "yaw": -ego(k)[2], "score": 0.9}
        rows.append(box | ({"x": -60.0, "y": 0.0} if k in missing else {"x": x, "y": y}))
    poses = [
        dict(zip(("stamp_ns", "x", "y", "yaw"), (k * 10**8, *ego(k)), strict=True)) for k in range(FRAMES)
    ]
    options = TrackOptions(
        "jsonl", lines(tmp_path / "detections.jsonl", rows), tmp_path / "out",
        poses=lines(tmp_path / "poses.jsonl", poses), **more,
    )  # fmt: skip
    track_and_write(options, QUIET)
    out = [json.loads(t) for t in (tmp_path / "out" / "objects.jsonl").read_text().splitlines()]
    return [row for row in out if row["state"] != "deleted" and row["x"] > -20]


def parked(k):
    return 25.0, 12.0


def driving(k):
    return 15.0 + 0.8 * k, 8.0 + 0.002 * k * k


def error(rows, place):
    at = np.array([place(row["stamp_ns"] // 10**8) for row in rows])
    return float(np.sqrt(np.mean((np.array([(r["x"], r["y"]) for r in rows]) - at) ** 2)))


def test_what_moves_is_nearer_to_the_truth(tmp_path):
    causal, out = drive(tmp_path, driving), drive(tmp_path, driving, smooth=True)
    assert len(out) == FRAMES
    assert error(out, driving) < 0.7 * error(causal, driving)
    np.testing.assert_allclose([r["vx"] for r in out], 8.0, atol=1.0)


def test_what_is_parked_stands_in_the_world_while_the_vehicle_turns(tmp_path):
    out = drive(tmp_path, parked, smooth=True)
    assert {(r["x"], r["y"], r["yaw"], r["vx"], r["vy"]) for r in out} == {
        (out[0]["x"], out[0]["y"], out[0]["yaw"], 0.0, 0.0)
    }
    assert error(out, parked) < 0.1


def test_a_track_that_broke_is_one_and_its_gap_is_filled(tmp_path):
    missing = range(16, 28)
    causal, out = drive(tmp_path, driving, missing), drive(tmp_path, driving, missing, smooth=True)
    assert len({r["id"] for r in causal}) == 2
    assert len({r["id"] for r in out}) == 1
    assert len(out) == FRAMES
    gap = [r for r in out if r["stamp_ns"] // 10**8 in missing]
    assert {r["state"] for r in gap} == {"coasting"}
    assert error(gap, driving) < 0.5


def test_a_track_elsewhere_is_not_linked(tmp_path):
    def jumps(k):
        return driving(k) if k < 20 else np.add(driving(k), (0.0, 8.0))

    assert len({r["id"] for r in drive(tmp_path, jumps, range(16, 28), smooth=True)}) == 2


def test_a_gap_that_is_long_stays_open_though_it_is_one_track(tmp_path):
    rows = drive(tmp_path, parked, range(10, 28), smooth=True)
    assert len({r["id"] for r in rows}) == 2
    assert {r["stamp_ns"] // 10**8 for r in rows}.isdisjoint(range(18, 28))


def test_what_exists_later_has_existed_since_it_was_first_seen(tmp_path):
    causal, out = drive(tmp_path, driving), drive(tmp_path, driving, smooth=True)
    score = [r["score"] for r in out]
    assert causal[0]["score"] < 0.9 * max(score)
    assert score == sorted(score, reverse=True)
    assert (causal[0]["state"], out[0]["state"]) == ("tentative", "confirmed")


def nuscenes(tmp_path, smooth):
    """A car at 4 m/s in ten samples, 0.5 s apart, not seen in the sixth; its boxes differ in size."""
    rng = np.random.default_rng(2)
    samples, results = [], {}
    for k in range(10):
        samples.append({"token": f"t{k}", "timestamp": 500_000 * k, "scene_token": "s"})
        box = {"translation": [10 + 2.0 * k + rng.normal(0, 0.1), 0.0, 1.0], "rotation": [1, 0, 0, 0]}
        box |= {"size": [1.9, 4.5 + rng.normal(0, 0.2), 1.6], "velocity": [4.0, 0.0]}
        results[f"t{k}"] = [box | {"detection_name": "car", "detection_score": 0.8}] * (k != 5)
    (tmp_path / "sample.json").write_text(json.dumps(samples))
    (tmp_path / "results.json").write_text(json.dumps({"meta": {}, "results": results}))
    paths = (tmp_path / "results.json", tmp_path / "out")
    track_and_write(TrackOptions("nuscenes", *paths, poses=tmp_path, smooth=smooth), QUIET)
    return json.loads((tmp_path / "out" / "tracking.json").read_text())["results"]


def test_nuscenes_results_in_their_layout(tmp_path):
    out = nuscenes(tmp_path, smooth=True)
    boxes = [out[f"t{k}"] for k in range(10)]
    assert [len(b) for b in boxes] == [1] * 10
    assert {b[0]["tracking_id"] for b in boxes} == {"s_1"}
    assert len({tuple(b[0]["size"]) for b in boxes}) == 1
    np.testing.assert_allclose([b[0]["translation"][0] for b in boxes], 10 + 2.0 * np.arange(10), atol=0.25)
    np.testing.assert_allclose([b[0]["velocity"][0] for b in boxes], 4.0, atol=0.5)


def kitti(sequence, **more):
    track_and_write(TrackOptions("kitti", sequence, sequence / "out", **more), QUIET)
    return read_kitti_tracking(sequence / "out" / "0002.txt", 30)


def test_kitti_results_fill_the_gap_and_come_nearer_to_the_truth(sequence):
    # Not with the motion from objects: that of the one car is taken for the vehicle's, its noise with it.
    def car(frames):
        return np.concatenate([f.bottom_m[f.bottom_m[:, 0] > -4][:, 2] for f in frames])

    causal, out = (
        car(kitti(sequence, ego_motion="none")),
        car(kitti(sequence, ego_motion="none", smooth=True)),
    )
    true = 20 + 0.2 * np.arange(30)
    assert len(out) == 30
    assert np.sqrt(np.mean((out - true) ** 2)) < 0.9 * np.sqrt(np.mean((causal - true) ** 2))


def test_nothing_is_nothing(sequence):
    for path in (sequence / "det3d_Car").iterdir():
        path.write_text("")
    assert [len(f) for f in kitti(sequence, smooth=True)] == [0] * 30


def test_how_near_a_box_is_to_its_label():
    def boxes(*places, number=0):
        n = len(places)
        size = ([[0, 0, 9, 9]] * n, [[1.5, 1.6, 4.0]] * n)
        ids = np.arange(n) + number
        return KittiObjects.of(["Car"] * n, *size, [[x, 1.6, z] for x, z in places], track_id=ids)

    found = dict(matched(boxes((0, 20), (9, 40), (-9, 30)), boxes((9, 40), (0.3, 20.4), number=7)))
    assert set(found) == {0, 1}
    assert found[0].error_m == pytest.approx(0.5)
    assert found[0].overlap == pytest.approx(3.7 * 1.2 / (2 * 6.4 - 3.7 * 1.2))
    assert found[1] == (0.0, pytest.approx(1.0))


def test_causal_and_smoothed_are_printed_for_the_same_boxes(sequence):
    console = Console(width=200, file=io.StringIO())
    track = TrackOptions("kitti", sequence, sequence, ego_motion="none")
    out = smooth_and_tell(TuneOptions(sequence / "label_02", track, "Car"), console)
    assert len(out.matches[0]) == len(out.matches[1]) == 60
    errors = [np.mean([m.error_m for m in matches]) for matches in out.matches]
    assert errors[1] < errors[0]
    assert [line[:8] for line in console.file.getvalue().splitlines()[1:]] == ["| causal", "| smooth"]


def test_a_filled_gap_costs_as_much_as_an_open_one(sequence):
    """Else what flickers would rank higher offline than before."""
    config = replace(class_config("Car"), coast_cost_per_s=5.0)
    tracker = KittiTracker("Car", config, projection(None, "0002"), SIZE_PX)
    seen = list(follow(read_pointrcnn(sequence / "det3d_Car" / "0002.txt"), tracker))
    causal, out = results(seen, "Car", config), offline(seen, tracker, None, drifts=True)
    scores = [[frames[k].score[0] for k in (11, 12, 13)] for frames in (causal, out)]
    assert -np.diff(scores[1]) == pytest.approx([0.5, 0.5], abs=0.01)
    assert scores[1] == pytest.approx(scores[0])
