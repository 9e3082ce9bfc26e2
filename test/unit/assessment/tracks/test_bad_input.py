"""What a user gets wrong in the words and files of `perception track` and `perception tune` is one sentence."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write
from perception_nodes.assessment.tracks.consistency import ConsistencyOptions
from perception_nodes.assessment.tracks.images import read_image_boxes
from perception_nodes.assessment.tracks.jsonl import read_pose_lines
from perception_nodes.assessment.tracks.nuscenes import read_moments
from perception_nodes.assessment.tracks.tune_inputs import TuneOptions, read_inputs, read_truth
from perception_nodes.cli.tune import tune
from perception_nodes.datasets.kitti_motion import oxts_rows
from perception_nodes.datatypes import ConfigurationError, InputError

QUIET = Console(quiet=True)


def kitti(folder, **more):
    return TrackOptions("kitti", folder, folder / "out", **more)


@pytest.mark.parametrize("name", ["calib", "poses", "detections_2d"])
def test_paths_that_are_not_there_are_named_by_their_option(sequence, name):
    option = "--" + name.replace("_", "-")
    with pytest.raises(InputError, match=f"{option}: .*nowhere does not exist"):
        kitti(sequence, **{name: sequence / "nowhere"})


@pytest.mark.parametrize("motion", ["from-objects", "none"])
def test_two_sources_of_the_motion(sequence, motion):
    with pytest.raises(ConfigurationError, match=f"--ego-motion {motion}: the motion is given by --poses"):
        kitti(sequence, poses=sequence, ego_motion=motion)


def test_a_folder_without_detections(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"wanted SSSS\.txt, or folders that end with one of"):
        track_and_write(kitti(tmp_path), QUIET)


def test_a_folder_without_2d_detections(sequence):
    with pytest.raises(InputError, match=r"--detections-2d: .*label_02: wanted a folder that ends with"):
        track_and_write(kitti(sequence, detections_2d=sequence / "label_02"), QUIET)


def test_detections_that_are_no_text(sequence):
    (sequence / "det3d_Car" / "0002.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"0002\.txt: cannot be read"):
        track_and_write(kitti(sequence), QUIET)


def test_a_frame_number_beyond_six_digits(sequence):
    path = sequence / "det3d_Car" / "0002.txt"
    path.write_text("900000000" + path.read_text()[1:])
    with pytest.raises(InputError, match=r"0002\.txt:1: frame: wanted a whole number from 0 to 999999"):
        track_and_write(kitti(sequence), QUIET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,2,3,4", "wanted frame,left,top,right,bottom,score on each line, got 5 numbers"),
        ("0,1,2,3,4,nan", "wanted finite numbers, got nan"),
        ("a,1,2,3,4,5", "wanted numbers separated by commas"),
    ],
)
def test_2d_boxes(tmp_path, text, message):
    (tmp_path / "0002.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_image_boxes(tmp_path / "0002.txt", 3)


@pytest.mark.parametrize("text", ["P0: 1 2 3 4 5 6", "1 2 3", "1 2 3 4 5 nan"])
def test_oxts(tmp_path, text):
    (tmp_path / "0002.txt").write_text(f"49 8 110 0 0 0\n{text}\n")
    with pytest.raises(InputError, match=r"0002\.txt:2: wanted"):
        oxts_rows([tmp_path / "0002.txt"])


@pytest.mark.parametrize(
    ("stamps", "message"), [([], "no poses: wanted lines"), ([2, 1], r":2: wanted a stamp_ns above 2, got 1")]
)
def test_pose_lines(tmp_path, stamps, message):
    path = tmp_path / "poses.jsonl"
    path.write_text("".join(json.dumps({"stamp_ns": s, "x": 0, "y": 0, "yaw": 0}) + "\n" for s in stamps))
    with pytest.raises(InputError, match=message):
        read_pose_lines(path)


def test_poses_of_another_drive(tmp_path):
    box = {"stamp_ns": 0, "id": 0, "label": "car", "x": 9, "y": 0, "z": 0, "l": 4, "w": 2, "h": 2, "yaw": 0}
    (tmp_path / "d.jsonl").write_text(json.dumps(box))
    (tmp_path / "p.jsonl").write_text(json.dumps({"stamp_ns": 10**10, "x": 0, "y": 0, "yaw": 0}))
    options = TrackOptions("jsonl", tmp_path / "d.jsonl", tmp_path / "out", poses=tmp_path / "p.jsonl")
    with pytest.raises(InputError, match="poses of the whole drive on the clock of the boxes"):
        track_and_write(options, QUIET)


@pytest.mark.parametrize(
    ("pose", "message"),
    [({"token": "e"}, "row 0: wanted an object with"), (None, r"ego_pose\.json: no pose 'e'")],
)
def test_tables_of_nuscenes(tmp_path, pose, message):
    data = {"sample_token": "s", "ego_pose_token": "e", "is_key_frame": True}
    sample = {"token": "s", "timestamp": 1, "scene_token": "a"}
    for name, rows in (("sample", [sample]), ("sample_data", [data]), ("ego_pose", [pose] if pose else [])):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=message):
        read_moments(tmp_path, {"s": []})


def test_labels_of_a_sequence_that_is_asked_for(sequence):
    (sequence / "label_02" / "0003.txt").unlink()
    asked = TuneOptions(sequence / "label_02", kitti(sequence, sequences=(2, 3)), "Car")
    with pytest.raises(InputError, match="--truth: no labels of sequence 0003"):
        read_inputs(asked)


@pytest.mark.parametrize("change", [("Car", "Van"), (" Car 0 0 ", " Car 0 3 "), (" Car 0 0 ", " Car 1 0 ")])
def test_labels_without_the_class(sequence, change):
    path = sequence / "label_02" / "0003.txt"
    path.write_text(path.read_text().replace(*change))
    options = TuneOptions(sequence / "label_02", kitti(sequence), "Car")
    with pytest.raises(InputError, match=r"class 'Car' that count in .* they are in \['0002'\]: leave"):
        read_truth(options)


def test_all_classes_are_looked_at_before_the_first_is_worked_on(sequence, capsys):
    (sequence / "det3d_Cyclist").mkdir()
    for name in ("0002", "0003"):
        text = (sequence / "det3d_Car" / f"{name}.txt").read_text().replace(",2,0,0,", ",3,0,0,")
        (sequence / "det3d_Cyclist" / f"{name}.txt").write_text(text)
    paths = {"truth": sequence / "label_02", "detections": sequence}
    with pytest.raises(InputError, match=r"class 'Cyclist' .* they are in none"):
        tune("scores", **paths, classes="Car,Cyclist", sequences="")
    assert capsys.readouterr().out == ""


def test_tuning(sequence):
    with pytest.raises(InputError, match="--truth: wanted a folder of labels"):
        TuneOptions(sequence / "nowhere", kitti(sequence), "Car")
    with pytest.raises(ConfigurationError, match="--seed: wanted at least 0, got -1"):
        TuneOptions(sequence / "label_02", kitti(sequence), "Car", seed=-1)


@pytest.mark.parametrize("seconds", [0.0, 0.1, float("nan"), float("inf")])
def test_length_of_simulated_drives(seconds):
    with pytest.raises(ConfigurationError, match="--seconds: wanted at least"):
        ConsistencyOptions(seconds=seconds)
