"""Poses, truth, QoS words, image sizes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_nodes.datasets import BagReader
from perception_nodes.datasets.image_size import image_size
from perception_nodes.datasets.inputs import Event, SequenceInput
from perception_nodes.datasets.messages import DETECTIONS_3D, POINT_CLOUD, point_cloud, truth_message
from perception_nodes.datasets.poses import PoseTrack
from perception_nodes.datasets.qos import is_latched, profile_text
from perception_nodes.datasets.truth import TruthBox, truth_frames
from perception_nodes.datatypes import UNKNOWN, Detections3D, InputError, Modality, Rig, SensorSpec
from perception_nodes.geometry import Transform

S = 1_000_000_000


def pose(x: float, yaw: float = 0.0) -> Transform:
    return Transform.from_xyz_rpy((x, 0.0, 0.0), (0.0, 0.0, yaw))


def test_poses_are_interpolated_and_continued() -> None:
    track = PoseTrack((0, S), (pose(0.0), pose(10.0, 1.0)))
    assert track.at(S // 4).translation_m[0] == pytest.approx(2.5)
    assert track.at(S // 4).yaw_rad == pytest.approx(0.25)
    assert track.at(-S // 10).translation_m[0] == pytest.approx(-1.0)
    assert track.at(S + S // 10).translation_m[0] == pytest.approx(11.0)


def test_densified_keeps_the_given_poses_and_leaves_gaps_open() -> None:
    stamps = (S, S + S // 10, 5 * S)
    dense = PoseTrack(stamps, (pose(0.0), pose(1.0), pose(2.0))).densified(
        earliest_ns=0, period_ns=50_000_000
    )
    assert set(stamps) <= set(dense.stamps_ns)
    assert dense.stamps_ns[0] == S - 150_000_000  # not more than 0.15 s before the first
    assert [t for t in dense.stamps_ns if S + S // 10 < t < 5 * S] == []
    assert len(dense.stamps_ns) == 3 + 1 + 3


@pytest.mark.parametrize("stamps", [(), (1, 1), (2, 1)])
def test_bad_pose_stamps_are_refused(stamps: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="poses"):
        PoseTrack(stamps, tuple(pose(0.0) for _ in stamps))


def test_velocities_come_from_neighbours_in_time_that_are_near() -> None:
    def box(x: float) -> TruthBox:
        return TruthBox("a", "Thing", (x, 0.0, 0.0), (1.0, 1.0, 1.0), 4.0)

    stamps = [0, S // 10, S // 5, 10 * S]
    frames = truth_frames(stamps, [[box(0.0)], [box(1.0)], [box(3.0)], [box(50.0)]], "odom", {})
    speeds = [float(f.velocity_mps[0, 0]) for f in frames]
    assert speeds[:3] == pytest.approx([10.0, 15.0, 20.0])
    assert np.isnan(speeds[3])  # its only neighbour is 9.8 s away
    assert frames[0].yaw_rad[0] == pytest.approx(4.0 - 2 * np.pi)
    assert frames[0].label[0] == UNKNOWN


@pytest.mark.parametrize(
    ("text", "latched"),
    [
        (profile_text(latched=True, depth=1), True),
        (profile_text(latched=False, depth=1), False),
        ("- durability: 1\n", True),
        ("- durability: 2\n", False),
        ("", False),
        ("- [", False),
        ("just words", False),
    ],
)
def test_qos_words(text: str, latched: bool) -> None:
    assert is_latched(text) is latched


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_image_sizes_agree_with_opencv(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    assert cv2.imwrite(str(path), np.zeros((37, 91, 3), np.uint8))
    assert image_size(path) == (91, 37)


def test_no_image(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match="JPEG or PNG"):
        image_size(tmp_path / "x.jpg")


class ThreeAtOnce(SequenceInput):
    """Truth, cloud and pose of one instant, listed in the wrong order."""

    def __init__(self) -> None:
        self.dataset_rig = self.rig = Rig("r", "l", (SensorSpec("l", Modality.LIDAR, "/l"),))
        self.notes = ()

    def topics(self) -> dict[str, str]:
        return {"/l": POINT_CLOUD, "/truth/objects": DETECTIONS_3D}

    def events(self) -> list[Event]:
        truth = Detections3D.empty(S, "odom", "truth")
        cloud = point_cloud(S, "l", np.zeros((1, 3), np.float32), {})
        return [Event(S, "/truth/objects", lambda: truth_message(truth)), Event(S, "/l", lambda: cloud)]

    def mounts(self) -> dict[str, Transform]:
        return {"l": Transform.identity()}

    def poses(self) -> PoseTrack:
        return PoseTrack((S,), (pose(0.0),))


def test_at_one_stamp_transforms_go_first_and_truth_last(tmp_path: Path) -> None:
    ThreeAtOnce().to_bag(tmp_path / "x.mcap")
    with BagReader(tmp_path / "x.mcap") as reader:
        topics = [topic for topic, _, _ in reader.messages()]
    assert topics[2:] == ["/l", "/truth/objects"]
    assert set(topics[:2]) == {"/tf", "/tf_static"}
