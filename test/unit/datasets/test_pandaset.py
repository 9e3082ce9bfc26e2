"""A made-up PandaSet sequence of two sweeps, with every number worked out by hand."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datasets.pandaset_files import read_classes
from perception_nodes.datatypes import LABEL_INDEX, InputError

# Lidar-pose axes: x right, y forward, z up. One point 10 m ahead and 2 m to the right, 1 m up, seen by lidar 0;
# three of lidar 1 at 20 m ahead.
POINTS = np.array([[2.0, 10.0, 1.0], [0.0, 20.0, 0.0], [0.0, 20.0, 0.4], [0.0, 20.4, 0.4]])
SENSOR = np.array([0, 1, 1, 1], np.uint8)
STAMPS = [1557539956.5, 1557539956.6]


def _xz(path: Path) -> None:
    ticks = np.round(POINTS / 0.008).astype(np.int16).T
    buffer = io.BytesIO()
    np.save(buffer, np.diff(ticks, axis=1, prepend=np.int16(0)).astype(np.int16))
    for column in (
        np.array([7, 8, 9, 10], np.uint8),
        SENSOR,
        np.array([-500, 0, 0, 0], np.int16),
        np.zeros(4, np.uint8),
    ):
        np.save(buffer, column)
    path.write_bytes(lzma.compress(buffer.getvalue()))


def _pose(x: float, y: float) -> dict[str, dict[str, float]]:
    return {"position": {"x": x, "y": y, "z": 0.0}, "heading": {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}}


def _cuboid(frame: int, uuid: str, y: float, sibling: str = "-", sensor: int = -1) -> dict[str, object]:
    return {
        "frame": frame,
        "uuid": uuid,
        "label": "Pickup Truck",
        "yaw": 0.0,
        "position.x": 0.0,
        "position.y": y,
        "position.z": 0.2,
        "dimensions.x": 2.0,
        "dimensions.y": 5.0,
        "dimensions.z": 1.5,
        "cuboids.sibling_id": sibling,
        "cuboids.sensor_id": sensor,
    }


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    root = tmp_path / "seq"
    (root / "lidar").mkdir(parents=True)
    for k in range(2):
        _xz(root / "lidar" / f"{k:02d}.bin.xz")
    (root / "lidar" / "timestamps.json").write_text(json.dumps(STAMPS))
    # The world's axes are those of the lidar pose; the car drives 0.5 m forward (+y).
    (root / "lidar" / "poses.json").write_text(json.dumps([_pose(0.0, 0.0), _pose(0.0, 0.5)]))
    rows = [
        _cuboid(0, "a", 20.0, "b", 0),
        _cuboid(0, "b", 20.1, "a", 1),
        _cuboid(1, "b", 21.5, "-", 1),  # from here on only the second lidar sees it
        _cuboid(1, "lonely", -40.0),
    ]
    with gzip.open(root / "cuboids.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    return root


def test_clouds_are_in_their_sensors_frames(sequence: Path) -> None:
    source = open_input(sequence)
    cloud = source.cloud(0, "pandar64")
    mounted = source.mounts()["pandar64"]
    # REP-103: 10 m ahead is x, 2 m to the right is y = -2.
    np.testing.assert_allclose(mounted.apply(cloud.xyz_m.astype(float)), [[10.0, -2.0, 1.0]], atol=2e-3)
    assert cloud.intensity.tolist() == [7.0]
    np.testing.assert_allclose(cloud.time_s, [-0.05])
    assert len(source.cloud(0, "pandar_gt")) == 3


def test_truth_has_one_box_an_object_with_one_id(sequence: Path) -> None:
    source = open_input(sequence)
    first, second = source.truth(0), source.truth(1)
    assert len(first) == 1
    assert len(second) == 2
    # The length axis lies along the world's +y, and both ids are one track.
    assert first.yaw_rad[0] == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(first.lwh_m[0], [5.0, 2.0, 1.5])
    np.testing.assert_allclose(first.center_m[0], [0.0, 20.0, 0.2])
    moved = second.detection_id.tolist().index(first.detection_id[0])
    assert first.label[0] == LABEL_INDEX["truck"]
    np.testing.assert_allclose(first.velocity_mps[0], [0.0, 15.0], atol=1e-6)
    assert np.isnan(second.velocity_mps[1 - moved]).all()
    # In the first sweep the three points at y = 20 lie in the box; in the second they are seen 0.5 m further on.
    assert first.num_points.tolist() == [3]
    assert second.num_points[moved] == 3
    assert second.num_points[1 - moved] == 0


def test_the_bag(sequence: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    info = open_input(sequence).to_bag(tmp_path / "out.mcap", lambda done, total: calls.append((done, total)))
    assert calls[-1] == (info.count, info.count)
    with BagReader(tmp_path / "out.mcap") as reader:
        counts = {t.name: t.count for t in reader.info.topics}
        assert counts == {
            "/tf": 3,  # 20 Hz between two poses 0.1 s apart
            "/tf_static": 1,
            "/sensing/lidar/pandar64/points": 2,
            "/sensing/lidar/pandar_gt/points": 2,
            "/truth/objects": 2,
        }
        for topic, time_ns, raw in reader.messages():
            if topic not in ("/tf", "/tf_static"):
                stamp = reader.decode(raw, reader.info.topic(topic).typename).header.stamp
                assert stamp.sec * 10**9 + stamp.nanosec == time_ns
        last = [topic for topic, time_ns, _ in reader.messages() if time_ns == reader.info.end_ns]
        assert (last[0], last[-1]) == ("/tf", "/truth/objects")
        poses = [
            reader.decode(raw, "tf2_msgs/msg/TFMessage").transforms[0]
            for _, _, raw in reader.messages({"/tf"})
        ]
        assert [p.transform.translation.y for p in poses] == pytest.approx([0.0, 0.25, 0.5])
        # base_link looks along the world's +y.
        assert poses[0].transform.rotation.z == pytest.approx(np.sqrt(0.5))
    assert not list(tmp_path.glob("*.part"))


def test_a_missing_sweep_is_named(sequence: Path) -> None:
    (sequence / "lidar" / "01.bin.xz").unlink()
    with pytest.raises(InputError, match=r"01\.bin\.xz"):
        open_input(sequence)


def test_a_spoilt_sweep_leaves_no_bag(sequence: Path, tmp_path: Path) -> None:
    (sequence / "lidar" / "01.bin.xz").write_bytes(b"spoilt")
    with pytest.raises(InputError, match="not a packed PandaSet sweep"):
        open_input(sequence).to_bag(tmp_path / "out.mcap")
    assert not list(tmp_path.glob("out.mcap*"))


def test_spoilt_poses_are_named(sequence: Path) -> None:
    (sequence / "lidar" / "poses.json").write_text("[{")
    with pytest.raises(InputError, match=r"poses\.json"):
        open_input(sequence)


@pytest.fixture
def official(sequence: Path) -> Path:
    """The same sequence named as it is distributed; what the pickles hold is made by the test."""
    for k in range(2):
        (sequence / "lidar" / f"{k:02d}.bin.xz").rename(sequence / "lidar" / f"{k:02d}.pkl.gz")
    (sequence / "cuboids.jsonl.gz").unlink()
    return sequence


def test_the_official_layout_wants_pandas(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        open_input(official).to_bag(tmp_path / "out.mcap")


def test_official_sweeps_are_in_the_world_frame(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second sweep is taken 0.5 m further along +y, so its points lie there in the world.
    world = POINTS + np.array([0.0, 0.5, 0.0])
    table = {
        **dict(zip("xyz", world.T, strict=True)),
        "i": np.arange(4),
        "t": np.full(4, STAMPS[1] - 0.05),
        "d": SENSOR,
    }
    pandas = SimpleNamespace(read_pickle=lambda _: table)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    source = open_input(official)
    cloud = source.cloud(1, "pandar64")
    found = source.mounts()["pandar64"].apply(cloud.xyz_m.astype(float))
    np.testing.assert_allclose(found, [[10.0, -2.0, 1.0]], atol=1e-5)
    np.testing.assert_allclose(cloud.time_s, [-0.05], atol=1e-6)


def test_a_rig_that_does_not_fit_is_refused(sequence: Path, rig_of: Callable[..., object]) -> None:
    from perception_nodes.datatypes import ConfigurationError

    with pytest.raises(ConfigurationError, match="/nowhere"):
        open_input(sequence, rig_of("/nowhere"))
    assert open_input(sequence, rig_of("/sensing/lidar/pandar64/points")).rig.name == "mine"


def test_classes_go_with_the_points_of_each_lidar(sequence: Path) -> None:
    classes, sensor = read_classes(sequence, 1)
    assert classes.tolist() == [0, 0, 0, 0] and sensor.tolist() == SENSOR.tolist()
    path = sequence / "lidar" / "01.bin.xz"
    path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes())[:-150]))
    with pytest.raises(InputError, match=r"01\.bin\.xz: no semantic classes"):
        read_classes(sequence, 1)


def test_classes_of_the_official_layout(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"class": np.array([7, 13, 13, 41]), "d": SENSOR}
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(read_pickle=lambda _: table))
    classes, sensor = read_classes(official, 0)
    assert classes.tolist() == [7, 13, 13, 41] and sensor.tolist() == SENSOR.tolist()
