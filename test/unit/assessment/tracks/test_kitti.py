"""`perception track --format kitti`: layout, causality, scores, gaps, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.inputs.kitti import read_kitti_tracking, read_pointrcnn
from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write
from perception_nodes.assessment.tracks.config import TrackConfig, class_config
from perception_nodes.assessment.tracks.images import bridges, read_image_boxes, support
from perception_nodes.assessment.tracks.kitti import KittiTracker, follow, project, results, to_detections
from perception_nodes.assessment.tracks.kitti_files import SIZE_PX, projection
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation import kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.geometry import Transform, transform_detections

QUIET = Console(quiet=True)


def options(sequence, **changes):
    base = TrackOptions("kitti", sequence, sequence / "out", classes=("Car",))
    return replace(base, **changes)


def tracked(sequence, config=None, boxes=None):
    frames = read_pointrcnn(sequence / "det3d_Car" / "0002.txt")
    config = config or class_config("Car")
    tracker = KittiTracker("Car", config, projection(None, "0002"), SIZE_PX)
    return results(follow(frames, tracker, None, boxes), "Car", config)


def test_the_whole_command_finds_the_car_with_one_id_and_bridges_the_gap(sequence):
    done = track_and_write(options(sequence), QUIET)
    assert done.frames == 60
    truth = {n: read_kitti_tracking(sequence / "label_02" / f"{n}.txt") for n in ("0002", "0003")}
    found = {n: read_kitti_tracking(sequence / "out" / f"{n}.txt") for n in truth}
    score = kitti_tracking(truth, found, "Car")
    assert (score.best.mota, score.best.id_switches, score.best.fragments) == (1.0, 0, 0)
    assert score.samota == pytest.approx(1.0)


def test_a_folder_for_each_class_and_only_the_sequences_asked_for(sequence):
    track_and_write(options(sequence, split_classes=True, sequences=(3,)), QUIET)
    assert [p.relative_to(sequence / "out").as_posix() for p in (sequence / "out").rglob("*.txt")] == [
        "Car/0003.txt"
    ]


def test_classes_of_one_file_share_no_id(sequence):
    (sequence / "det3d_Cyclist").mkdir()
    text = (sequence / "det3d_Car" / "0002.txt").read_text().replace(",2,", ",3,")
    (sequence / "det3d_Cyclist" / "0002.txt").write_text(text)
    track_and_write(options(sequence, classes=("Car", "Cyclist"), sequences=(2,)), QUIET)
    rows = [line.split() for line in (sequence / "out" / "0002.txt").read_text().splitlines()]
    kinds = {number: {r[2] for r in rows if r[1] == number} for number in {r[1] for r in rows}}
    assert all(len(k) == 1 for k in kinds.values()) and len(kinds) >= 2
    assert [int(r[0]) for r in rows] == sorted(int(r[0]) for r in rows)


def test_what_is_written_of_a_frame_does_not_depend_on_later_ones(sequence):
    whole = tracked(sequence)
    path = sequence / "det3d_Car" / "0002.txt"
    path.write_text(
        "".join(line + "\n" for line in path.read_text().splitlines() if int(line.split(",")[0]) < 15)
    )
    cut = tracked(sequence)
    for a, b in zip(cut, whole[: len(cut)], strict=True):
        np.testing.assert_array_equal(a.bottom_m, b.bottom_m)
        np.testing.assert_array_equal(a.score, b.score)


def plain(**changes):
    """Scores are log odds as they come."""
    return replace(TrackConfig(), **{"score_even": 0.0, "score_slope": 1.0, "prior_score": -1.0} | changes)


def test_a_short_track_ranks_below_a_long_one(sequence):
    out = tracked(sequence, plain())
    score = {i: np.mean([f.score[f.track_id == i].item() for f in out if i in f.track_id]) for i in (1, 2)}
    assert score[1] > 3.5 > 0.0 > score[2]


def test_a_coasting_box_loses_score_and_ends_after_its_time(sequence):
    config = class_config("Car")
    out = tracked(sequence, replace(config, coast_s=0.1, coast_cost_per_s=5.0))
    assert [len(f) for f in out[11:15]] == [1, 1, 0, 1]
    assert out[11].score[0] - out[12].score[0] == pytest.approx(0.5, abs=0.01)


def test_a_coasting_box_is_written_while_it_probably_exists(sequence):
    always, never = (tracked(sequence, plain(coast_existence=share)) for share in (0.0, 0.99))
    assert [len(f) for f in always[11:15]] == [1, 1, 1, 1]
    assert [len(f) for f in never[11:15]] == [1, 0, 0, 1]


def test_what_is_far_is_more_likely_true_at_the_same_score():
    near = KittiObjects.of(["Car"], [[0, 0, 9, 9]], [[1.5, 1.6, 4]], [[3, 1.6, 4]], score=2.0)
    far = replace(near, bottom_m=np.array([[30.0, 1.6, 40.0]]))
    config = plain(score_even=5.0, score_slope=0.5, score_per_m=0.1)
    given = [to_detections(objects, "Car", 1, config) for objects in (near, far)]
    assert [d.score[0] for d in given] == pytest.approx([0.5 * (2 + 0.5 - 5), 0.5 * (2 + 5 - 5)])
    odds = [d.existence_probability[0] / (1 - d.existence_probability[0]) for d in given]
    np.testing.assert_allclose(np.log(odds), [-1.25, 1.0])


def test_boxes_come_back_as_they_went_in(sequence):
    frame = read_pointrcnn(sequence / "det3d_Car" / "0002.txt")[0]
    first = tracked(sequence)[0]
    np.testing.assert_allclose(first.bottom_m, frame.bottom_m, atol=1e-9)
    np.testing.assert_allclose(first.hwl_m, frame.hwl_m, atol=1e-9)
    np.testing.assert_allclose(first.rotation_y_rad, frame.rotation_y_rad, atol=1e-9)
    assert first.alpha_rad[0] == pytest.approx(-1.57 - np.arctan2(frame.bottom_m[0, 0], frame.bottom_m[0, 2]))


def test_the_projection_against_a_pinhole_by_hand():
    p2 = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
    center, size = np.array([[21.0, 0.0, 0.0], [-5.0, 0, 0]]), np.array([[2.0, 2.0, 2.0]] * 2)
    box, share = project(center, size, np.zeros(2), p2, (1242, 375))
    np.testing.assert_allclose(box[0], [565, 145, 635, 215])  # the near face: 20 m ahead, 2 m wide
    assert share.tolist() == [pytest.approx(1.0), 0.0]


def test_a_box_half_outside_is_clipped_and_its_share_known():
    p2 = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
    middle = 20.0 * 600 / 700  # projects to the left edge
    box, share = project(
        np.array([[20.0, middle, 0]]), np.array([[1e-3, 2.0, 2.0]]), np.zeros(1), p2, (1242, 375)
    )
    assert box[0, 0] == 0.0
    assert share[0] == pytest.approx(0.5, abs=0.01)


def test_support_is_the_score_of_the_best_box_that_overlaps():
    boxes = np.array([[0.0, 0, 10, 10, 0.9], [0, 0, 10, 5, 0.95], [50, 50, 60, 60, 1.0]])
    np.testing.assert_allclose(
        support(np.array([[0.0, 0, 10, 10], [100, 100, 110, 110]]), boxes, 0.6), [0.9, 0.0]
    )
    assert support(np.zeros((2, 4)), np.zeros((0, 5)), 0.5).tolist() == [0.0, 0.0]


def test_image_detections_bridge_a_gap_and_raise_the_score(sequence):
    short = replace(class_config("Car"), coast_s=0.0)
    alone = tracked(sequence, short)
    p2 = projection(None, "0002")
    boxes = []
    for k in range(30):
        truth = read_kitti_tracking(sequence / "label_02" / "0002.txt")[k]
        seen = to_detections(replace(truth, score=np.ones(1)), "Car", 1, short)
        box, _ = project(seen.center_m, seen.lwh_m, seen.yaw_rad, p2, SIZE_PX)
        boxes.append(np.column_stack([box, [0.9]]))
    helped = tracked(sequence, short, boxes)
    assert [len(f) for f in alone[12:14]] == [0, 0]
    assert [len(f) for f in helped[12:14]] == [1, 1]
    assert helped[11].score[0] > alone[11].score[0]


def test_no_bridge_to_where_a_detection_is(sequence):
    config = class_config("Car")
    frames = read_pointrcnn(sequence / "det3d_Car" / "0002.txt")
    tracker = KittiTracker("Car", config, projection(None, "0002"), SIZE_PX)
    for frame in frames[:5]:
        tracker.step(frame)
    given = to_detections(frames[5], "Car", 600_000_000, config)
    before = tracker.tracker.predict(600_000_000)
    projected = project(before.center_m, before.lwh_m, before.yaw_rad, projection(None, ""), SIZE_PX)
    boxes = np.column_stack([projected[0], np.ones(len(before))])
    assert len(bridges(given, before, projected, boxes, config)) == len(given)


@pytest.mark.parametrize("text", ["0,1,2,3\n", "a,b,c,d,e,f\n", "0,1,2,3,4,nan\n"])
def test_image_detections_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "0001.txt").write_text(text)
    with pytest.raises(InputError, match=r"0001\.txt: wanted"):
        read_image_boxes(tmp_path / "0001.txt", 3)


def test_no_file_of_image_detections_is_no_detections(tmp_path):
    assert [len(f) for f in read_image_boxes(tmp_path / "0001.txt", 3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format": "coco"}, ConfigurationError, "--format: wanted one of"),
        ({"classes": ("Tram",)}, ConfigurationError, "--classes: wanted some of"),
        (
            {"format": "jsonl", "split_classes": True},
            ConfigurationError,
            "--split-classes is for --format kitti",
        ),
        ({"sequences": (9,)}, InputError, "no detections of sequence 0009"),
        ({"classes": ("Cyclist",)}, InputError, "no folder of detections of class 'Cyclist'"),
    ],
)
def test_what_cannot_be_done_is_said(sequence, changes, error, message):
    with pytest.raises(error, match=message):
        track_and_write(options(sequence, **changes), QUIET)


def test_a_missing_folder_is_said(sequence, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        options(sequence, detections=tmp_path / "nothing")


def test_placed_at_once_is_placed_afterwards(sequence):
    frame = read_pointrcnn(sequence / "det3d_Car" / "0002.txt")[0]
    pose = Transform.from_xyz_rpy((3.0, -2.0, 0.5), (0.01, -0.02, 2.5))
    at_once = to_detections(frame, "Car", 7, class_config("Car"), pose)
    after = transform_detections(to_detections(frame, "Car", 7, class_config("Car")), "odom", pose)
    assert at_once.frame_id == after.frame_id == "odom"
    np.testing.assert_allclose(at_once.center_m, after.center_m)
    np.testing.assert_allclose(at_once.yaw_rad, after.yaw_rad)
