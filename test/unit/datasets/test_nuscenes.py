"""A made-up nuScenes-format list of two frames, with every number worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datatypes import LABEL_INDEX, InputError
from perception_nodes.geometry import Transform

# The lidar's x axis points to the right, its y axis ahead; it stands 1.8 m above the ego frame.
LIDAR = Transform(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0.9, 0.0, 1.8]))
CAMERA = Transform(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([1.7, 0.0, 1.5]))
K = [[1000.0, 0.0, 800.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]]


def ego(k: int) -> Transform:
    """Driving north (the world's +y) at 10 m/s, half a second between frames."""
    return Transform.from_xyz_rpy((400.0, 1000.0 + 5.0 * k, 0.0), (0.0, 0.0, np.pi / 2))


def _frame(k: int) -> dict[str, Any]:
    # The image is taken 0.04 s before the sweep, when the car was 0.4 m further back.
    at_image = Transform.from_xyz_rpy((400.0, 1000.0 + 5.0 * k - 0.4, 0.0), (0.0, 0.0, np.pi / 2))
    camera_from_lidar = (at_image @ CAMERA).inverse() @ ego(k) @ LIDAR
    return {
        "timestamp": 1532402927.5 + 0.5 * k,
        "ego2global": ego(k).matrix.tolist(),
        "lidar_points": {
            "num_pts_feats": 5,
            "lidar_path": f"sweep{k}.pcd.bin",
            "lidar2ego": LIDAR.matrix.tolist(),
        },
        "images": {
            "CAM_FRONT": {
                "img_path": f"front{k}.jpg",
                "timestamp": 1532402927.46 + 0.5 * k,
                "cam2img": K,
                "cam2ego": CAMERA.matrix.tolist(),
                "lidar2cam": camera_from_lidar.matrix.tolist(),
            }
        },
        # 20 m ahead of the lidar, heading ahead, driving at 3 m/s to the front; and a bus without points.
        "instances": [
            {
                "bbox_3d": [0.0, 20.0, -1.0, 4.0, 2.0, 1.6, np.pi / 2],
                "bbox_label_3d": 0,
                "velocity": [0.0, 3.0],
            },
            {"bbox_3d": [9.0, 20.0, -1.0, 4.0, 2.0, 1.6, 0.0], "bbox_label_3d": 1, "bbox_3d_isvalid": False},
        ],
    }


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    root = tmp_path / "frames"
    root.mkdir()
    for k in range(2):
        np.array([[0.0, 20.0, -1.0, 33.0, 4.0]], np.float32).tofile(root / f"sweep{k}.pcd.bin")
        assert cv2.imwrite(str(root / f"front{k}.jpg"), np.zeros((90, 160, 3), np.uint8))
    data = {"metainfo": {"categories": {"car": 0, "bus": 1}}, "data_list": [_frame(1), _frame(0)]}
    (root / "drive.info.json").write_text(json.dumps(data))
    return root


def test_truth_is_in_odom(frames: Path) -> None:
    source = open_input(frames)
    truth = source.truth(1)
    # odom begins at the first ego position and keeps the world's axes: 5 m driven, 0.9 m mount, 20 m ahead.
    np.testing.assert_allclose(truth.center_m, [[0.0, 25.9, 0.8], [9.0, 25.9, 0.8]], atol=1e-6)
    np.testing.assert_allclose(truth.yaw_rad, [np.pi / 2, 0.0], atol=1e-9)
    np.testing.assert_allclose(truth.velocity_mps[0], [0.0, 3.0], atol=1e-6)
    assert truth.label.tolist() == [LABEL_INDEX["car"], LABEL_INDEX["bus"]]
    assert truth.num_points.tolist() == [1, 0]


def test_clouds_keep_their_rings(frames: Path) -> None:
    cloud = open_input(frames).cloud(0)
    assert cloud.ring.tolist() == [4]
    assert cloud.intensity.tolist() == [33.0]
    assert cloud.time_s is None


def test_ego_pose_at_the_image_follows_from_lidar2cam(frames: Path) -> None:
    source = open_input(frames)
    at_image = source.poses().at(1532402927_460_000_000)
    np.testing.assert_allclose(at_image.translation_m, [0.0, -0.4, 0.0], atol=1e-6)


def test_the_bag_and_its_calibration(frames: Path, tmp_path: Path) -> None:
    open_input(frames).to_bag(tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as reader:
        counts = {t.name: t.count for t in reader.info.topics}
        assert counts["/sensing/lidar/lidar_top/points"] == 2
        assert counts["/sensing/camera/cam_front/image/compressed"] == 2
        (_, _, raw), *_ = reader.messages({"/sensing/camera/cam_front/camera_info"})
        info = reader.decode(raw, "sensor_msgs/msg/CameraInfo")
        assert (info.width, info.height, info.k[0]) == (160, 90, 1000.0)
        assert info.header.frame_id == "cam_front_optical"


def test_what_is_missing_is_named(frames: Path, tmp_path: Path) -> None:
    (frames / "front1.jpg").unlink()
    assert any("1 images" in note for note in open_input(frames).notes)
    (frames / "sweep1.pcd.bin").unlink()
    with pytest.raises(InputError, match=r"sweep1\.pcd\.bin"):
        open_input(frames).to_bag(tmp_path / "out.mcap")
    (frames / "drive.info.json").write_text('{"data_list": []}')
    with pytest.raises(InputError, match=r"metainfo\.categories"):
        open_input(frames)
