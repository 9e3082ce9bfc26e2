"""The vehicle's motion from what it detects: a drawn street, with what moves in it and what is invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.tracks import kitti_files
from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write
from perception_nodes.assessment.tracks.ego_motion import EgoMotion, poses_from_objects
from perception_nodes.datatypes import ConfigurationError
from perception_nodes.evaluation.kitti_objects import KittiObjects

PERIOD_S = 0.1
ARM_M = 1.4


def street(speed, turn, frames=40, seed=1, moving=0):
    """Points (N, 2) before the camera in each frame and the camera's true pose; every point jitters by 0.1 m."""
    rng = np.random.default_rng(seed)
    parked = np.column_stack([rng.uniform(-20, 120, 60), rng.uniform(-30, 30, 60)])
    others = np.column_stack([rng.uniform(5, 40, moving), rng.uniform(-10, 10, moving)])
    points, poses = [], []
    axle = np.zeros(3)
    for k in range(frames):
        x, y = axle[:2] + ARM_M * np.array([np.cos(axle[2]), np.sin(axle[2])])
        yaw = axle[2]
        rotation = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        driving = others + np.array([6.0 * PERIOD_S * k, 0.0])
        seen = (np.concatenate([parked, driving]) - [x, y]) @ rotation
        seen = seen[(seen[:, 0] > 2) & (seen[:, 0] < 45) & (rng.random(len(seen)) < 0.8)]
        points.append(seen + rng.normal(0, 0.1, seen.shape))
        poses.append((x - ARM_M, y, yaw))
        middle = axle[2] + turn * PERIOD_S / 2
        axle = axle + np.array([speed * np.cos(middle), speed * np.sin(middle), turn]) * PERIOD_S
    return points, np.array(poses)


@pytest.mark.parametrize(("speed", "turn"), [(0.0, 0.0), (8.0, 0.0), (14.0, -0.2), (5.0, 0.4), (28.0, 0.0)])
def test_speed_turn_and_place_are_found(speed, turn):
    points, truth = street(speed, turn, moving=4)
    motion = EgoMotion()
    found = [motion.step(p) for p in points]
    assert motion.speed_mps == pytest.approx(speed, abs=0.3)
    assert motion.yaw_rate_rps == pytest.approx(turn, abs=0.02)
    # The first frames are for finding the speed at all.
    ahead = found[10].inverse() @ found[-1]
    c, s = np.cos(truth[10, 2]), np.sin(truth[10, 2])
    wanted = np.array([[c, s], [-s, c]]) @ (truth[-1, :2] - truth[10, :2])
    np.testing.assert_allclose(ahead.translation_m[:2], wanted, atol=0.03 * abs(speed) * 3 + 0.15)
    assert ahead.yaw_rad == pytest.approx(truth[-1, 2] - truth[10, 2], abs=0.02)


def test_what_moves_does_not_drag_along():
    # Twelve that drive ahead at 6 m/s, and some twenty that stand: the vehicle stands too.
    points, _ = street(0.0, 0.0, moving=12)
    motion = EgoMotion()
    poses = [motion.step(p) for p in points]
    assert abs(motion.speed_mps) < 0.3
    assert np.abs(poses[-1].translation_m).max() < 1.0


def test_where_nothing_is_seen_it_goes_on_straight():
    points, _ = street(10.0, 0.3)
    motion = EgoMotion()
    for p in points:
        before = motion.step(p)
    turn = motion.yaw_rate_rps
    after = [motion.step(np.zeros((0, 2))) for _ in range(30)][-1]
    assert motion.speed_mps == pytest.approx(10.0, abs=0.3)
    assert motion.yaw_rate_rps == pytest.approx(turn * np.exp(-3 / 2), rel=1e-6)
    assert np.linalg.norm((before.inverse() @ after).translation_m) > 25


def test_a_pose_follows_from_its_frame_and_earlier_ones():
    points, _ = street(9.0, 0.1, frames=20)
    whole, cut = EgoMotion(), EgoMotion()
    first = [whole.step(p).translation_m for p in points][:12]
    np.testing.assert_array_equal(first, [cut.step(p).translation_m for p in points[:12]])


def objects(points):
    n = len(points)
    place = np.column_stack([-points[:, 1], np.full(n, 1.6), points[:, 0]])
    return KittiObjects.of(["Car"] * n, np.zeros((n, 4)), np.ones((n, 3)), place, score=np.ones(n))


def test_all_parts_of_a_frame_count_and_axes_are_those_of_the_camera():
    points, _ = street(8.0, 0.2)
    halves = [(objects(p[::2]), objects(p[1::2])) for p in points]
    motion = EgoMotion()
    # Their order decides nothing but rounding.
    wanted = [motion.step(p) for p in points]
    for a, b in zip(poses_from_objects(halves), wanted, strict=True):
        np.testing.assert_allclose(a.translation_m, b.translation_m, atol=1e-9)
    assert wanted[-1].yaw_rad > 0.5


def test_detections_of_other_classes_are_read_for_it(sequence):
    (sequence / "det3d_Pedestrian").mkdir()
    lines = (sequence / "det3d_Car" / "0002.txt").read_text().replace(",2,", ",1,").splitlines()
    (sequence / "det3d_Pedestrian" / "0002.txt").write_text("\n".join(lines[:9]) + "\n")
    options = TrackOptions("kitti", sequence, sequence / "out", classes=("Car",), sequences=(2,))
    job = next(iter(kitti_files.find_jobs(options)))
    frames = kitti_files.read_detections(job.path)
    both = kitti_files.estimated_poses(options, job, frames)
    (sequence / "det3d_Pedestrian" / "0002.txt").unlink()
    alone = kitti_files.estimated_poses(options, job, frames)
    assert len(both) == len(alone) == len(frames)
    assert any((a.translation_m != b.translation_m).any() for a, b in zip(both, alone, strict=True))


def test_the_option_decides_over_the_class(sequence):
    written = {}
    for word in (None, "from-objects", "none"):
        options = TrackOptions("kitti", sequence, sequence / str(word), classes=("Car",), ego_motion=word)
        track_and_write(options, Console(quiet=True))
        written[word] = (sequence / str(word) / "0002.txt").read_text()
    assert written[None] == written["from-objects"] != written["none"]


def test_words_that_do_not_go_together(sequence):
    options = TrackOptions("kitti", sequence, sequence / "out")
    with pytest.raises(ConfigurationError, match="--ego-motion: wanted one of"):
        replace(options, ego_motion="guess")
    with pytest.raises(ConfigurationError, match="given by --poses"):
        replace(options, ego_motion="from-objects", poses=sequence)
    with pytest.raises(ConfigurationError, match="--ego-motion is for --format kitti"):
        replace(options, format="jsonl", ego_motion="none")
