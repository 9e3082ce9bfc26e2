"""Made-up KITTI drives in each layout, with every number worked out by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datasets.kitti_calibration import read_calibration
from perception_nodes.datasets.kitti_motion import oxts_track, point_times
from perception_nodes.datatypes import LABEL_INDEX, InputError
from perception_nodes.geometry import Transform

# Camera 0 sits at the lidar, looks along its x axis and is not rotated by the rectification; camera 2 lies 0.06 m to
# the left of it (P2[0, 3] / f = 0.06). The IMU lies 0.8 m behind and 0.8 m below the lidar.
F = 700.0
P2 = f"{F} 0 600 {F * 0.06} 0 {F} 180 0 0 0 1 0"
TR = "0 -1 0 0  0 0 -1 0  1 0 0 0"
IMU = "1 0 0 -0.8  0 1 0 0  0 0 1 -0.8"
EYE = "1 0 0 0 1 0 0 0 1"
CALIBRATION = f"P2: {P2}\nR0_rect: {EYE}\nTr_velo_to_cam: {TR}\nTr_imu_to_velo: {IMU}\n"
# 20 m ahead, 3 m to the left; bottom of the box 1.7 m below the camera; the heading (ry = -pi/2) is straight ahead.
CAR = "Car 0 0 0 0 0 0 0 1.5 1.8 4.2 -3.0 1.7 20.0 -1.5707963"


def write_sweep(path: Path, points: list[list[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.array(points, np.float32).tofile(path)


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((370, 1220, 3), np.uint8))


@pytest.fixture
def tracking(tmp_path: Path) -> Path:
    """Sequence 0007 of the tracking benchmark: two sweeps, images, labels, and poses 1 m apart (10 m/s)."""
    root = tmp_path / "training"
    for k in range(2):
        write_sweep(
            root / "velodyne" / "0007" / f"{k:06d}.bin", [[21.9, 3.0, -1.0, 0.5], [5.0, -5.0, 0.0, 0.1]]
        )
        write_image(root / "image_02" / "0007" / f"{k:06d}.png")
    for folder in ("calib", "label_02", "oxts"):
        (root / folder).mkdir()
    (root / "calib" / "0007.txt").write_text(CALIBRATION.replace("R0_rect:", "R_rect"))
    (root / "label_02" / "0007.txt").write_text(
        f"0 4 {CAR}\n0 -1 DontCare -1 -1 -10 0 0 0 0 -1 -1 -1 0 0 0 0\n1 4 {CAR}\n"
    )
    degree_m = np.radians(6378137.0)  # eastwards at the equator
    lines = [f"0.0 {k / degree_m:.12f} 100.0 0 0 0 0 0 0" for k in range(2)]
    (root / "oxts" / "0007.txt").write_text("\n".join(lines) + "\n")
    return root


def test_truth_of_a_tracking_sequence(tracking: Path) -> None:
    source = open_input(tracking)
    assert source.has_ego_motion
    assert source.has_truth
    first, second = source.truth(0), source.truth(1)
    # base_link lies 1.73 m below the lidar; odom is base_link at the first pose. The box keeps its place relative to
    # a car that drives 10 m/s, so it does 10 m/s too and is 0.5 m further on when the sweep ends (0.05 s later).
    np.testing.assert_allclose(first.center_m[0], [20.0 + 0.5, 3.0, 1.73 - 1.7 + 0.75], atol=1e-3)
    np.testing.assert_allclose(second.center_m[0], [21.0 + 0.5, 3.0, 1.73 - 1.7 + 0.75], atol=1e-3)
    np.testing.assert_allclose(first.velocity_mps[0], [10.0, 0.0], atol=1e-2)
    np.testing.assert_allclose(first.lwh_m[0], [4.2, 1.8, 1.5])
    assert first.yaw_rad[0] == pytest.approx(0.0, abs=1e-6)
    assert first.label.tolist() == [LABEL_INDEX["car"]]
    # The point lies at the front end of the box, 0.2 m inside, as both were half a sweep before the stamp.
    assert first.num_points.tolist() == [1]


def test_stamps_and_mounts(tracking: Path, tmp_path: Path) -> None:
    source = open_input(tracking / "velodyne" / "0007")
    source.to_bag(tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as reader:
        times = {t.name: [time_ns for _, time_ns, _ in reader.messages({t.name})] for t in reader.info.topics}
    sweeps, images = (
        times["/sensing/lidar/velodyne/points"],
        times["/sensing/camera/image_02/image/compressed"],
    )
    assert [b - a for a, b in zip(images, sweeps, strict=True)] == [50_000_000, 50_000_000]
    # Camera 2 is 0.06 m to the left of camera 0, which stands in the lidar, 1.73 m above base_link.
    mounted = source.mounts()["image_02_optical"]
    np.testing.assert_allclose(mounted.translation_m, [0.0, 0.06, 1.73], atol=1e-9)
    np.testing.assert_allclose(mounted.rotate(np.array([[0.0, 0.0, 1.0]]))[0], [1.0, 0.0, 0.0], atol=1e-9)


def test_images_go_into_the_bag_as_they_are(tracking: Path, tmp_path: Path) -> None:
    open_input(tracking).to_bag(tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as reader:
        (_, _, raw), *_ = reader.messages({"/sensing/camera/image_02/image/compressed"})
        message = reader.decode(raw, "sensor_msgs/msg/CompressedImage")
        assert message.data.tobytes() == (tracking / "image_02" / "0007" / "000000.png").read_bytes()
        assert message.format == "png"
        (_, _, raw), *_ = reader.messages({"/sensing/camera/image_02/camera_info"})
        info = reader.decode(raw, "sensor_msgs/msg/CameraInfo")
        assert (info.width, info.height) == (1220, 370)
        assert info.k.tolist() == [F, 0, 600, 0, F, 180, 0, 0, 1]


def test_several_sequences_are_named(tracking: Path) -> None:
    write_sweep(tracking / "velodyne" / "0008" / "000000.bin", [[1.0, 0.0, 0.0, 0.0]])
    with pytest.raises(InputError, match=r"several sequences.*velodyne/0007"):
        open_input(tracking)


def test_point_times_follow_the_clockwise_scanner() -> None:
    # Backwards-left is the beginning of the sweep, left a quarter, ahead a half, right three quarters.
    xyz = np.array(
        [[-1.0, 1e-6, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [-1.0, -1e-6, 0.0]],
        np.float32,
    )
    np.testing.assert_allclose(point_times(xyz), [-0.1, -0.075, -0.05, -0.025, 0.0], atol=1e-6)


def test_oxts_go_north_and_turn() -> None:
    degree_m = np.radians(6378137.0)
    rows = [[0.0, 0.0, 50.0, 0.0, 0.0, 0.0], [2.0 / degree_m, 0.0, 51.0, 0.0, 0.0, np.pi / 2]]
    track = oxts_track(rows, (1, 2), Transform.identity())
    np.testing.assert_allclose(track.odom_from_base[1].translation_m, [0.0, 2.0, 1.0], atol=1e-5)
    assert track.odom_from_base[1].yaw_rad == pytest.approx(np.pi / 2)


def test_raw_layout_uses_the_recorded_stamps(tmp_path: Path) -> None:
    date = tmp_path / "2011_09_26"
    drive = date / "2011_09_26_drive_0001_sync"
    for k in range(2):
        write_sweep(drive / "velodyne_points" / "data" / f"{k:010d}.bin", [[1.0, 0.0, 0.0, 0.0]])
    (drive / "velodyne_points" / "timestamps_end.txt").write_text(
        "2011-09-26 13:02:25.951199337\n2011-09-26 13:02:26.054519049\n"
    )
    (date / "calib_velo_to_cam.txt").write_text(
        "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
    )
    (date / "calib_cam_to_cam.txt").write_text(f"S_02: 1 2\nR_rect_00: {EYE}\nP_rect_02: {P2}\n")
    source = open_input(drive)
    assert source.kind == "kitti"
    cloud = source.cloud(1)
    assert cloud.stamp_ns == 1317042146_054519049  # 13:02:26 UTC
    assert not source.has_ego_motion
    np.testing.assert_allclose(read_calibration(date).p2[0, 3], F * 0.06)


def test_object_layout_has_a_mount_a_frame_and_truth_in_base_link(tmp_path: Path) -> None:
    root = tmp_path / "object"
    for name in ("000003", "000010"):
        write_sweep(root / "velodyne" / f"{name}.bin", [[20.0, 3.0, -1.0, 0.5]])
        write_image(root / "image_2" / f"{name}.png")
        (root / "calib").mkdir(exist_ok=True)
        (root / "label_2").mkdir(exist_ok=True)
        (root / "calib" / f"{name}.txt").write_text(CALIBRATION)
        (root / "label_2" / f"{name}.txt").write_text(CAR + "\n")
    source = open_input(root)
    truth = source.truth(1)
    assert truth.frame_id == "base_link"
    np.testing.assert_allclose(truth.center_m[0], [20.0, 3.0, 0.78], atol=1e-6)
    assert truth.num_points.tolist() == [1]
    assert source.truth(0).detection_id.tolist() != truth.detection_id.tolist()
    assert len(source.moving_mounts()) == 2
    assert "image_02_optical" not in source.mounts()


def test_sweeps_alone_are_enough(tmp_path: Path) -> None:
    write_sweep(tmp_path / "velodyne" / "000000.bin", [[1.0, 2.0, 3.0, 0.4]])
    write_image(tmp_path / "image_02" / "000000.png")
    source = open_input(tmp_path)
    assert [s.name for s in source.rig.sensors] == ["velodyne"]
    assert any("no calibration" in note for note in source.notes)
    assert source.cloud(0).intensity.tolist() == [pytest.approx(0.4)]


def test_spoilt_files_are_named(tmp_path: Path, tracking: Path) -> None:
    (tracking / "velodyne" / "0007" / "000001.bin").write_bytes(b"12345678")
    with pytest.raises(InputError, match=r"000001\.bin: not a KITTI sweep"):
        open_input(tracking).to_bag(tmp_path / "out.mcap")
    (tracking / "calib" / "0007.txt").write_text(f"P2: {P2}\n")
    with pytest.raises(InputError, match="R0_rect or R_rect"):
        open_input(tracking)
    (tracking / "calib" / "0007.txt").write_text("P2: 1 2 3\n")
    with pytest.raises(InputError, match="wanted 12 numbers, got 3"):
        open_input(tracking)
