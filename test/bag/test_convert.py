"""Real recordings to bags: what must be true of the result whatever the code that made it."""

from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform, corners_bev, iou_bev, points_in_boxes

CAR_POINT = 13  # class of a point in PandaSet's semantic labels


def columns(cloud: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Columns of a PointCloud2 of float32 fields, by their offsets."""
    rows = cloud.data.reshape(-1, cloud.point_step)
    return {f.name: rows[:, f.offset : f.offset + 4].copy().view(np.float32)[:, 0] for f in cloud.fields}


def transform(message: Any) -> Transform:
    t, r = message.transform.translation, message.transform.rotation
    return Transform.from_quaternion((t.x, t.y, t.z), (r.x, r.y, r.z, r.w))


def stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


class Bag:
    """All messages of a bag, decoded, by topic."""

    def __init__(self, path: Path) -> None:
        self.by_topic: dict[str, list[Any]] = {}
        with BagReader(path) as reader:
            types = {t.name: t.typename for t in reader.info.topics}
            for topic, time_ns, raw in reader.messages():
                message = reader.decode(raw, types[topic])
                self.by_topic.setdefault(topic, []).append(message)
                if hasattr(message, "header"):
                    assert stamp_ns(message) == time_ns
        links = [t for m in self.by_topic.get("/tf", []) for t in m.transforms]
        self.odom = {stamp_ns(t): transform(t) for t in links if t.child_frame_id == "base_link"}
        self.mounts = {
            t.child_frame_id: transform(t) for m in self.by_topic["/tf_static"] for t in m.transforms
        }

    def in_odom(self, cloud: Any) -> np.ndarray[Any, Any]:
        c = columns(cloud)
        xyz = np.stack([c["x"], c["y"], c["z"]], axis=1).astype(np.float64)
        return self.odom[stamp_ns(cloud)].apply(self.mounts[cloud.header.frame_id].apply(xyz))


def boxes(truth: Any, label: str = "") -> tuple[Any, Any, Any]:
    kept = [d for d in truth.detections if label in ("", d.label)]
    center = np.array([[d.x, d.y, d.z] for d in kept], np.float64).reshape(-1, 3)
    lwh = np.array([[d.length, d.width, d.height] for d in kept], np.float64).reshape(-1, 3)
    return center, lwh, np.array([d.yaw for d in kept], np.float64)


@pytest.fixture(scope="module")
def pandaset(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bag:
    path = tmp_path_factory.mktemp("pandaset") / "drive.mcap"
    open_input(shared_data / "pandaset_002").to_bag(path)
    return Bag(path)


def test_pandaset_has_all_messages(pandaset: Bag) -> None:
    counts = {topic: len(messages) for topic, messages in pandaset.by_topic.items()}
    for topic in ("lidar/pandar64/points", "lidar/pandar_gt/points", "camera/front_camera/image/compressed"):
        assert counts[f"/sensing/{topic}"] == 50
    assert counts["/truth/objects"] == 50
    assert counts["/sensing/camera/left_camera/camera_info"] == 5


def test_pandaset_stamps(pandaset: Bag) -> None:
    """The sweep's stamp is its end: no point of the turning lidar is measured more than 2 ms after it."""
    images = pandaset.by_topic["/sensing/camera/front_camera/image/compressed"]
    for cloud, image in zip(pandaset.by_topic["/sensing/lidar/pandar64/points"], images, strict=True):
        time_s = columns(cloud)["time"]
        assert -0.105 < time_s.min() < -0.095
        assert abs(time_s.max()) < 0.002
        assert 0.045 < (stamp_ns(cloud) - stamp_ns(image)) * 1e-9 < 0.055
        assert min(pandaset.odom) <= stamp_ns(image) <= max(pandaset.odom)


def test_points_labelled_as_cars_lie_in_boxes_of_vehicles(pandaset: Bag, shared_data: Path) -> None:
    """The point-wise labels of the dataset are not used by the converter."""
    k = 30
    stream = io.BytesIO(
        lzma.decompress((shared_data / "pandaset_002" / "lidar" / f"{k:02d}.bin.xz").read_bytes())
    )
    _, _, sensor, _, kind = (np.load(stream) for _ in range(5))
    for lidar, number in (("pandar64", 0), ("pandar_gt", 1)):
        cloud = pandaset.by_topic[f"/sensing/lidar/{lidar}/points"][k]
        cars = pandaset.in_odom(cloud)[kind[sensor == number] == CAR_POINT]
        center, lwh, yaw = boxes(pandaset.by_topic["/truth/objects"][k])
        # One at a time: a point in two boxes would count twice.
        inside = np.array([points_in_boxes(p[None], center, lwh, yaw, 0.1).any() for p in cars[::20]])
        assert inside.mean() > 0.9


def test_pandaset_truth_has_no_duplicates(pandaset: Bag) -> None:
    for truth in pandaset.by_topic["/truth/objects"][::10]:
        ids = [d.detection_id for d in truth.detections]
        assert len(set(ids)) == len(ids)
        cars = boxes(truth, "car")
        overlap = iou_bev(cars, cars) - np.eye(len(cars[0]))
        assert overlap.max() < 0.3


def test_parked_cars_stand_and_keep_their_id(pandaset: Bag) -> None:
    truths = pandaset.by_topic["/truth/objects"]
    first = {d.detection_id: d for d in truths[0].detections if d.label == "car"}
    last = {d.detection_id: d for d in truths[-1].detections if d.label == "car"}
    both = [(first[i], last[i]) for i in first.keys() & last.keys()]
    standing = [np.hypot(a.x - b.x, a.y - b.y) < 0.5 for a, b in both]
    assert sum(standing) >= 20
    for (a, _), still in zip(both, standing, strict=True):
        if still:
            assert np.hypot(a.vx, a.vy) < 1.0


def test_moving_cars_head_where_they_go(pandaset: Bag) -> None:
    truth = pandaset.by_topic["/truth/objects"][25]
    moving = [d for d in truth.detections if d.label in ("car", "truck") and np.hypot(d.vx, d.vy) > 3.0]
    assert len(moving) >= 3
    for d in moving:
        assert np.cos(d.yaw - np.arctan2(d.vy, d.vx)) > 0.97
        assert d.length > d.width


def test_num_points_agree_with_a_polygon_test(pandaset: Bag) -> None:
    """Counted a second way: inside the footprint by its four edges and between bottom and top."""
    truth = pandaset.by_topic["/truth/objects"][0]
    clouds = [pandaset.by_topic[f"/sensing/lidar/{n}/points"][0] for n in ("pandar64", "pandar_gt")]
    xyz = np.vstack([pandaset.in_odom(c) for c in clouds])
    center, lwh, yaw = boxes(truth)
    for d, footprint in list(zip(truth.detections, corners_bev(center, lwh, yaw), strict=True))[::9]:
        edges = zip(footprint, np.roll(footprint, -1, axis=0) - footprint, strict=True)
        side = np.stack([e[0] * (xyz[:, 1] - p[1]) - e[1] * (xyz[:, 0] - p[0]) for p, e in edges])
        inside = (side >= 0).all(axis=0) & (np.abs(xyz[:, 2] - d.z) <= d.height / 2)
        # float32 coordinates in the message move points on a face
        assert abs(int(inside.sum()) - d.num_points) <= 2 + 0.02 * d.num_points


def test_kitti_objects_hold_points_and_lie_on_the_road(shared_data: Path, tmp_path: Path) -> None:
    open_input(shared_data / "kitti_object").to_bag(tmp_path / "out.mcap")
    bag = Bag(tmp_path / "out.mcap")
    cars = [d for t in bag.by_topic["/truth/objects"] for d in t.detections if d.label == "car"]
    near = [d for d in cars if np.hypot(d.x, d.y) < 30]
    assert len(near) >= 8
    assert np.median([d.num_points for d in near]) > 100
    # base_link is on the road below the lidar: the bottoms of the boxes are near z = 0.
    assert abs(np.median([d.z - d.height / 2 for d in near])) < 0.3


def test_kitti_sequence_without_motion_says_so(shared_data: Path, tmp_path: Path) -> None:
    source = open_input(shared_data / "kitti_raw_0926_camlidar")
    assert not source.has_ego_motion
    source.to_bag(tmp_path / "out.mcap")
    bag = Bag(tmp_path / "out.mcap")
    assert not bag.odom
    cloud = bag.by_topic["/sensing/lidar/velodyne/points"][5]
    c = columns(cloud)
    assert -0.1 <= c["time"].min() < -0.09
    assert c["time"].max() <= 0.0
    assert 0.0 <= c["intensity"].min() <= c["intensity"].max() <= 1.0


def test_nuscenes_point_counts_agree_with_the_dataset(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "nuscenes_demo_frame"
    open_input(folder).to_bag(tmp_path / "out.mcap")
    (truth,) = Bag(tmp_path / "out.mcap").by_topic["/truth/objects"]
    frame = json.loads(next(folder.glob("*.info.json")).read_text())["data_list"][0]
    theirs = np.array([i["num_lidar_pts"] for i in frame["instances"]])
    ours = np.array([d.num_points for d in truth.detections])
    assert len(ours) == len(theirs) == 69
    # Theirs counts in boxes that lean with the lidar, ours in upright ones.
    assert np.abs(ours - theirs).mean() < 0.6
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99


@pytest.mark.parametrize("name", ["vlp16", "vlp32"])
def test_packet_bags_are_refused_with_what_they_hold(shared_data: Path, name: str) -> None:
    (bag,) = (p for p in (shared_data / "nebula_velodyne_bags" / name).iterdir() if p.is_dir())
    with pytest.raises(
        InputError, match=r"no sensor_msgs/PointCloud2.*velodyne_msgs/msg/VelodyneScan, [45]\)"
    ):
        open_input(bag)


def convert(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perception_nodes.cli.main", "convert", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_command_converts_and_refuses(shared_data: Path, tmp_path: Path) -> None:
    source, out = str(shared_data / "kitti_raw_0926_camlidar"), tmp_path / "out.mcap"
    done = convert(source, "--output", str(out))
    assert done.returncode == 0, done.stderr
    assert "16 /sensing/lidar/velodyne/points" in done.stdout
    again = convert(source, "--output", str(out))
    assert again.returncode == 2
    assert "--force" in again.stderr
    copied = convert(str(out), "--output", str(tmp_path / "copy.mcap"), "--compression", "lz4")
    assert copied.returncode == 0, copied.stderr
    with BagReader(out) as a, BagReader(tmp_path / "copy.mcap") as b:
        topic = {"/sensing/lidar/velodyne/points"}
        assert list(a.messages(topic)) == list(b.messages(topic))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere", "--output", "x.mcap"], "no such file or folder"),
        (["/nowhere", "--output", "x.bag"], "ends in .mcap"),
        (["/nowhere", "--output", "x.mcap", "--rig", "nothing"], "pandaset"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = convert(*[str(tmp_path / a) if a.startswith("x.") else a for a in arguments])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
