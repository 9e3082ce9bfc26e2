"""The doctor looks into the messages: what no node can read is said before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    POINT_CLOUD,
    TF,
    camera_info,
    compressed_image,
    point_cloud,
    tf_message,
)
from perception_nodes.datatypes import Finding, Level, Modality, Rig, SensorSpec
from perception_nodes.doctor import check_bag
from perception_nodes.geometry import CameraModel, Transform

S = 1_000_000_000
XYZ = np.ones((3, 3), np.float32)
CAMERA = CameraModel(640, 480, 500.0, 500.0, 320.0, 240.0)


def good(stamp: int) -> Any:
    return point_cloud(stamp, "top", XYZ, {})


def without_x(stamp: int) -> Any:
    out = good(stamp)
    out.fields[0].name = "range"
    return out


def without_points(stamp: int) -> Any:
    return point_cloud(stamp, "top", np.full((3, 3), np.nan, np.float32), {})


def without_frame(stamp: int) -> Any:
    return point_cloud(stamp, "", XYZ, {})


def bag(path: Path, make: Any, spoilt: range, info: bool = False) -> Path:
    """Ten sweeps of one lidar; those in `spoilt` come from `make`; `info` adds a CameraInfo to each."""
    with BagWriter(path) as writer:
        writer.write("/tf_static", tf_message([(S, "base_link", "top", Transform.identity())]), TF, S)
        for k in range(10):
            stamp = S + k * S // 10
            moved = tf_message([(stamp, "odom", "base_link", Transform.identity())])
            writer.write("/tf", moved, TF, stamp)
            if info:
                writer.write("/info", camera_info(stamp, "top", CAMERA), CAMERA_INFO, stamp)
            writer.write("/top/points", (make if k in spoilt else good)(stamp), POINT_CLOUD, stamp)
    return path


def bad(path: Path) -> list[Finding]:
    return [f for f in check_bag(path) if f.level >= Level.WARN]


@pytest.mark.parametrize(
    ("make", "level", "text"),
    [
        (without_x, Level.ERROR, "3 of the first 10 messages cannot be read: PointCloud2: no field ['x']"),
        (without_points, Level.WARN, "3 of the first 10 messages have no point"),
        (without_frame, Level.ERROR, "3 of the first 10 messages have no frame_id"),
    ],
)
def test_contents_of_sweeps(make: Any, level: Level, text: str, tmp_path: Path) -> None:
    found = bad(bag(tmp_path / "drive.mcap", make, range(4, 7)))
    assert [(f.level, f.what.startswith(text)) for f in found] == [(level, True)]
    assert found[0].remedy


def test_pictures_that_cannot_be_decoded_and_no_lidar(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "drive.mcap") as writer:
        for k in range(3):
            stamp = S + k * S // 10
            message = compressed_image(stamp, "front", b"no jpeg", "jpeg")
            writer.write("/front/image/compressed", message, COMPRESSED_IMAGE, stamp)
    found = [f.what for f in bad(tmp_path / "drive.mcap")]
    assert any("3 of the first 3 messages cannot be read: CompressedImage" in w for w in found)
    assert any("no PointCloud2 topic" in w for w in found)


def test_a_camera_with_nothing_but_calibrations(tmp_path: Path) -> None:
    path = bag(tmp_path / "drive.mcap", good, range(0), info=True)
    lidar = SensorSpec("top", Modality.LIDAR, "/top/points", frame="top")
    camera = SensorSpec("front", Modality.CAMERA, "/image", info_topic="/info", frame="top", required=False)
    found = list(check_bag(path, Rig("mine", "top", (lidar, camera))))
    texts = [f.what for f in found if f.subject == "front" and f.level == Level.WARN]
    assert texts == ["no message on /image that can be decoded"]
    assert any(f.what.startswith("front: the bag has no message on /image") for f in found)


def many_points(stamp: int) -> Any:
    """A megabyte that does not compress: ten of them need several chunks."""
    return point_cloud(stamp, "top", np.random.default_rng(1).normal(size=(90_000, 3)).astype(np.float32), {})


def test_damage_that_shows_only_on_reading(tmp_path: Path) -> None:
    path = bag(tmp_path / "drive.mcap", many_points, range(10))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 8] = bytes(8)
    path.write_bytes(bytes(raw))
    assert any("is damaged" in f.what and f.level == Level.WARN for f in bad(path))
