"""A bag as an input: what it is taken for, what is refused, what is copied."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from perception_nodes.datasets import (
    BagReader,
    BagWriter,
    PlayerConfig,
    guess_rig,
    known_rig,
    open_input,
    rig_names,
)
from perception_nodes.datasets.messages import (
    COMPRESSED_IMAGE,
    IMAGE,
    POINT_CLOUD,
    TF,
    compressed_image,
    header,
    point_cloud,
    tf_message,
)
from perception_nodes.datasets.typestore import message_class
from perception_nodes.datatypes import ConfigurationError, InputError, Modality
from perception_nodes.geometry import Transform

MakeBag = Callable[..., Path]


def test_a_rig_is_guessed_from_topics_types_and_messages(make_bag: MakeBag) -> None:
    source = open_input(make_bag())
    rig = source.rig
    lidar, camera = rig.of(Modality.LIDAR)[0], rig.of(Modality.CAMERA)[0]
    assert (lidar.name, lidar.topic, lidar.frame, lidar.rate_hz) == (
        "top",
        "/sensing/lidar/top/points",
        "lidar_top",
        10.0,
    )
    assert (camera.name, camera.topic) == ("front", "/front/image_raw/compressed")
    assert camera.info_topic == "/front/camera_info"
    assert camera.frame == "front_optical"
    assert (rig.reference, rig.base_frame, rig.odom_frame) == ("top", "base_link", "odom")
    assert source.has_ego_motion
    assert not source.has_truth
    assert any("guessed" in note for note in source.notes)


def test_unusual_frames_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        link = Transform.from_xyz_rpy((1.0, 0.0, 2.0), (0.0, 0.0, 0.0))
        writer.write("/tf_static", tf_message([(1, "vehicle", "lidar", link)]), TF, 1)
        writer.write("/tf", tf_message([(1, "earth", "vehicle", link)]), TF, 1)
        cloud = point_cloud(1, "lidar", np.zeros((1, 3), np.float32), {})
        writer.write("/velodyne_points", cloud, POINT_CLOUD, 1)
    rig = open_input(path).rig
    assert (rig.base_frame, rig.odom_frame, rig.sensors[0].name) == ("vehicle", "earth", "velodyne")


def test_a_lidar_alone_is_its_own_base(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        writer.write(
            "/points_raw", point_cloud(1, "velodyne", np.zeros((1, 3), np.float32), {}), POINT_CLOUD, 1
        )
    source = open_input(path)
    assert source.rig.base_frame == "velodyne"
    assert not source.has_ego_motion
    assert not any("no transform to" in note for note in source.notes)


def test_a_clock_of_its_own_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        since_power_on = point_cloud(5_000_000_000, "l", np.zeros((1, 3), np.float32), {})
        writer.write("/lidar/top/points", since_power_on, POINT_CLOUD, 1_700_000_000_000_000_000)
        writer.write("/lidar/rear/points", since_power_on, POINT_CLOUD, 5_100_000_000)
    (note,) = (n for n in open_input(path).notes if "header stamp" in n)
    assert note.startswith("top: recorded 1699999995.0 s after")


def test_clouds_that_cannot_be_decoded_are_no_crash(make_bag: MakeBag, tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        writer.declare("/points", POINT_CLOUD)
        writer.write_raw("/points", b"\x00\x01\x00\x00spoilt", 1)
    with pytest.raises(InputError, match="can be decoded"):
        open_input(path)


def test_sensors_without_a_mount_are_named(make_bag: MakeBag) -> None:
    notes = open_input(make_bag()).notes
    assert any(note.startswith("no transform to front:") for note in notes)
    notes = open_input(make_bag("b.mcap", static=False)).notes
    assert any(note.startswith("no transform to top, front:") for note in notes)


def test_a_known_rig_is_recognised_without_the_sensors_that_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        for lidar in ("pandar64", "pandar_gt"):
            cloud = point_cloud(1, lidar, np.zeros((1, 3), np.float32), {})
            writer.write(f"/sensing/lidar/{lidar}/points", cloud, POINT_CLOUD, 1)
    with BagReader(path) as reader:
        guess = guess_rig(reader)
    assert guess.rig.name == "pandaset"
    assert [s.name for s in guess.rig.sensors] == ["pandar64", "pandar_gt"]
    assert any("front_camera" in reason for reason in guess.reasons)


def test_a_known_topic_in_another_frame_is_not_that_of_the_rig(make_bag: MakeBag) -> None:
    demo = known_rig("demo").sensors[0]
    source = open_input(make_bag())
    assert source.rig.sensors[0].topic == demo.topic
    assert source.rig.name == "guessed"


def test_a_sensor_at_a_tenth_of_its_rate_is_not_that_of_the_rig(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as writer:
        for k in range(50):
            cloud = point_cloud(k * 100_000_000, "pandar64", np.zeros((1, 3), np.float32), {})
            writer.write("/sensing/lidar/pandar64/points", cloud, POINT_CLOUD, k * 100_000_000)
            if k % 10 == 0:
                writer.write("/sensing/lidar/pandar_gt/points", cloud, POINT_CLOUD, k * 100_000_000)
            image = compressed_image(k * 100_000_000, "front_camera_optical", b"x", "jpeg")
            writer.write(
                "/sensing/camera/front_camera/image/compressed", image, COMPRESSED_IMAGE, k * 100_000_000
            )
    rig = open_input(path).rig
    assert rig.name == "pandaset"
    assert [s.name for s in rig.sensors] == ["pandar64", "front_camera"]


def test_processed_clouds_and_second_encodings_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    image = message_class(IMAGE)(
        header=header(1, "cam"),
        height=1,
        width=1,
        encoding="mono8",
        is_bigendian=0,
        step=1,
        data=np.zeros(1, np.uint8),
    )
    with BagWriter(path) as writer:
        cloud = point_cloud(1, "l", np.zeros((1, 3), np.float32), {})
        for topic in ("/lidar/points", "/lidar/ground_points"):
            writer.write(topic, cloud, POINT_CLOUD, 1)
        writer.write("/cam/image", image, IMAGE, 1)
        writer.write("/cam/depth/image", image, IMAGE, 1)
    rig = open_input(path).rig
    assert {s.topic for s in rig.sensors} == {"/lidar/points", "/cam/image"}


def test_odometry_stands_in_for_missing_transforms(make_bag: MakeBag, tmp_path: Path) -> None:
    source = open_input(make_bag(odom=True, tf=False))
    assert source.rig.odometry_topic == "/vehicle/odometry"
    assert "odom -> base_link is made from /vehicle/odometry" in source.notes
    assert source.has_ego_motion
    info = source.to_bag(tmp_path / "out.mcap")
    assert info.topic("/tf").count == 10
    with BagReader(tmp_path / "out.mcap") as reader:
        for k, (_, _, raw) in enumerate(reader.messages({"/tf"})):
            (link,) = reader.decode(raw, TF).transforms
            assert (link.header.frame_id, link.child_frame_id) == ("odom", "base_link")
            assert link.transform.translation.x == k


def test_odometry_is_not_doubled(make_bag: MakeBag, tmp_path: Path) -> None:
    plain = open_input(make_bag(odom=True, tf=True))
    source = open_input(plain.path, replace(plain.rig, odometry_topic="/vehicle/odometry"))
    assert not any("is made from" in note for note in source.notes)
    assert source.to_bag(tmp_path / "out.mcap").topic("/tf").count == 10


def test_without_any_motion_it_says_so(make_bag: MakeBag) -> None:
    source = open_input(make_bag(tf=False))
    assert not source.has_ego_motion
    assert any("no ego motion" in note for note in source.notes)


def test_mounts_of_the_rig_are_added_where_the_bag_has_none(make_bag: MakeBag, tmp_path: Path) -> None:
    path = make_bag(static=False)
    rig = open_input(path).rig
    lidar = replace(rig.sensors[0], mount_xyz_m=(0.5, 0.0, 2.0), mount_rpy_rad=(0.0, 0.0, 0.0))
    rig = replace(rig, sensors=(lidar,), reference=lidar.name)
    open_input(path, rig).to_bag(tmp_path / "out.mcap")
    with BagReader(tmp_path / "out.mcap") as reader:
        ((_, _, raw),) = reader.messages({"/tf_static"})
        (link,) = reader.decode(raw, TF).transforms
        assert (link.header.frame_id, link.child_frame_id) == ("base_link", "lidar_top")
        assert link.transform.translation.z == 2.0
        assert reader.info.topic("/front/camera_info") is None


def test_copied_messages_are_the_same_bytes(make_bag: MakeBag, tmp_path: Path) -> None:
    path = make_bag(compression="zstd")
    info = open_input(path).to_bag(tmp_path / "out.mcap", compression="lz4")
    assert info.path == tmp_path / "out.mcap"
    with BagReader(path) as before, BagReader(tmp_path / "out.mcap") as after:
        topics = {t.name for t in before.info.topics} - {"/tf_static"}
        assert list(before.messages(topics)) == list(after.messages(topics))


def test_packets_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "packets.mcap"
    with BagWriter(path) as writer:
        writer.declare("/velodyne_packets", "velodyne_msgs/msg/VelodyneScan", schema="uint8[] data")
        writer.write_raw("/velodyne_packets", b"\x00\x01\x00\x00\x00\x00\x00\x00", 5)
    with pytest.raises(
        InputError, match=r"/velodyne_packets \(velodyne_msgs/msg/VelodyneScan, 1\)"
    ) as caught:
        open_input(path)
    assert "PointCloud2" in str(caught.value)
    assert "driver" in str(caught.value)


def test_an_empty_bag_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "empty.mcap") as writer:
        writer.declare("/points", POINT_CLOUD)
    with pytest.raises(InputError, match="holds no messages"):
        open_input(tmp_path / "empty.mcap")


def test_a_rig_whose_lidars_the_bag_lacks_is_refused(
    make_bag: MakeBag, rig_of: Callable[..., object]
) -> None:
    with pytest.raises(InputError, match=r"wants \['/other'\].*/sensing/lidar/top/points"):
        open_input(make_bag(), rig_of("/other"))


@pytest.mark.parametrize("name", rig_names())
def test_every_rig_of_the_package_is_valid(name: str) -> None:
    rig = known_rig(name)
    assert rig.name == name
    assert rig.sensor(rig.reference).modality == Modality.LIDAR


def test_an_unknown_rig_name_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match="pandaset"):
        known_rig("no_such_rig")


def test_other_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_input(tmp_path / "nothing")
    with pytest.raises(InputError, match="an empty folder"):
        open_input(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"a folder with notes\.txt: wanted a rosbag2"):
        open_input(tmp_path)
    with pytest.raises(InputError, match=r"not a bag file"):
        open_input(tmp_path / "notes.txt")


def test_a_folder_above_recordings(make_bag: MakeBag, tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        folder = tmp_path / "drives" / day
        folder.mkdir(parents=True)
        make_bag().rename(folder / "drive.mcap")
        if day == "monday":
            assert open_input(tmp_path / "drives").playable == folder  # the only one
    with pytest.raises(InputError, match=r"several recordings.*: monday \(rosbag2\), tuesday \(rosbag2\)"):
        open_input(tmp_path / "drives")


def test_a_folder_with_two_datasets_names_both(tmp_path: Path) -> None:
    (tmp_path / "velodyne").mkdir()
    np.zeros(4, np.float32).tofile(tmp_path / "velodyne" / "000000.bin")
    (tmp_path / "x.info.json").write_text("{}")
    with pytest.raises(InputError, match=r"several things: KITTI sweeps, nuScenes-format"):
        open_input(tmp_path)


def test_the_example_in_the_docs_runs(
    make_bag: MakeBag, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[3] / "docs" / "inputs.md").read_text()
    lines = text.split("## Bags without ROS")[1].splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    "))
    monkeypatch.chdir(make_bag().parent)
    exec(code, {})
    assert "/tf tf2_msgs/msg/TFMessage 10" in capsys.readouterr().out


def test_the_parameters_in_the_docs_are_those_of_the_player() -> None:
    text = (Path(__file__).parents[3] / "docs" / "inputs.md").read_text()
    table = text.split("| parameter | default | |")[1].split("\n\n")[0]
    named = set(
        re.findall(
            r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
        )
    )
    assert named == {f.name for f in fields(PlayerConfig)} | {"exit_at_end"}


@pytest.mark.parametrize(
    ("sensor", "change", "text"),
    [
        ("top", {"topic": "/front/image_raw/compressed"}, "wanted sensor_msgs/msg/PointCloud2, the bag has"),
        ("front", {"topic": "/sensing/lidar/top/points"}, "wanted sensor_msgs/msg/Image or "),
        ("front", {"info_topic": "/sensing/lidar/top/points"}, "wanted sensor_msgs/msg/CameraInfo, the bag"),
    ],
)
def test_a_rig_whose_topic_is_of_another_type(
    make_bag: MakeBag, sensor: str, change: dict[str, str], text: str
) -> None:
    path = make_bag()
    rig = open_input(path).rig
    sensors = tuple(replace(s, **change) if s.name == sensor else s for s in rig.sensors)
    with pytest.raises(InputError, match=f"{sensor}: .*: {text}"):
        open_input(path, replace(rig, sensors=sensors))


def test_what_a_rig_wants_in_vain_is_noted(make_bag: MakeBag) -> None:
    path = make_bag()
    rig = open_input(path).rig
    sensors = tuple(replace(s, info_topic="/no_info") if s.name == "front" else s for s in rig.sensors)
    notes = open_input(path, replace(rig, sensors=sensors)).notes
    assert "front: the bag has no message on /no_info: is the rig the right one?" in notes


def test_a_compressed_message_that_is_damaged_is_left_out_and_named(tmp_path: Path) -> None:
    good = zstandard.ZstdCompressor().compress(b"\x00\x01\x00\x00 content")
    with BagWriter(tmp_path / "m.mcap") as writer:
        writer.declare("/tf", TF)
        for k, raw in enumerate([good, good[:9], good]):
            writer.write_raw("/tf", raw, k + 1)
    text = "{relative_file_paths: [m.mcap], compression_mode: MESSAGE, compression_format: zstd}"
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: " + text)
    with BagReader(tmp_path) as reader:
        assert [t for _, t, _ in reader.messages()] == [1, 3]
        assert any("/tf: the message at 2 ns cannot be decompressed" in n for n in reader.info.notes)


def test_metadata_that_is_no_text_is_noted(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "m.mcap") as writer:
        writer.write("/tf", tf_message([(1, "odom", "base_link", Transform.identity())]), TF, 1)
    (tmp_path / "metadata.yaml").write_bytes(b"\xff\xfe\x80")
    with BagReader(tmp_path) as reader:
        assert len(list(reader.messages())) == 1
        assert any("metadata.yaml cannot be used" in n for n in reader.info.notes)
