"""A simulated drive in a bag: what sensors sent, when, and truth that fits it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.datasets import BagReader, find_rig
from perception_nodes.datatypes import Rig
from perception_nodes.geometry import Transform, interpolate
from perception_nodes.ros.convert import from_msg
from perception_nodes.runs import RunOptions, run_and_report
from perception_nodes.runs.sim_bag import simulate_to_bag
from perception_nodes.runs.simulate import fault
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.sensor_truth import seen_truth
from perception_nodes.simulation.simulation import SimFrame, Simulation

SENSORS = ("top", "radar_front")
NS = 1_000_000_000


def simulation(rig: Rig | None = None, *faults: str, sensors: tuple[str, ...] = SENSORS) -> Simulation:
    scenario = replace(
        find_scenario("straight_traffic"), duration_s=0.5, faults=tuple(fault(f) for f in faults)
    )
    return Simulation(scenario, rig or find_rig("default"), 3, sensors=sensors)


class Recorded:
    """All messages of a bag, decoded, with their log times."""

    def __init__(self, path: Path) -> None:
        self.logged: dict[str, list[tuple[int, Any]]] = {}
        with BagReader(path) as reader:
            self.info = reader.info
            types = {t.name: t.typename for t in reader.info.topics}
            for topic, log_ns, raw in reader.messages():
                self.logged.setdefault(topic, []).append((log_ns, reader.decode(raw, types[topic])))

    def __getitem__(self, topic: str) -> list[Any]:
        return [message for _, message in self.logged[topic]]

    def stamps_ns(self, topic: str) -> list[int]:
        return [from_msg.stamp_ns(m.header) for m in self[topic]]


def recorded(path: Path, rig: Rig | None = None, *faults: str) -> Recorded:
    simulate_to_bag(simulation(rig, *faults), path)
    return Recorded(path)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return recorded(tmp_path_factory.mktemp("sim") / "a.mcap")


@pytest.fixture(scope="module")
def frames() -> list[SimFrame]:
    return list(simulation().frames())


def columns(message: Any) -> np.ndarray[Any, Any]:
    kinds = {2: "u1", 4: "u2", 6: "u4", 7: "f4"}
    dtype = np.dtype([(f.name, kinds[f.datatype]) for f in message.fields])
    assert dtype.itemsize == message.point_step
    return np.frombuffer(message.data.tobytes(), dtype)


def test_every_topic_has_its_messages(bag: Recorded) -> None:
    counts = {topic: len(messages) for topic, messages in bag.logged.items()}
    once = {"/tf_static": 1, "/truth/map_elements": 1, "/tf": 26}
    each = ("/sensing/lidar/top/points", "/sensing/radar/radar_front/points", "/truth/objects")
    truth = [f"/truth/{s}/{w}" for s in ("lidar/top", "radar/radar_front") for w in ("objects", "points")]
    assert counts == {**once, **dict.fromkeys([*each, *truth], 5)}
    latched = {t.name for t in bag.info.topics if t.latched}
    assert latched == {"/tf_static", "/truth/map_elements"}


def test_what_was_measured_is_in_the_bag(bag: Recorded, frames: list[SimFrame]) -> None:
    for frame, cloud, echoes in zip(
        frames, bag["/sensing/lidar/top/points"], bag["/sensing/radar/radar_front/points"], strict=True
    ):
        sweep, got = frame.lidars["top"].cloud, from_msg.point_cloud(cloud)
        assert (got.stamp_ns, got.frame_id) == (frame.stamp_ns, "top")
        np.testing.assert_array_equal(got.xyz_m, sweep.xyz_m)
        for name in ("intensity", "ring", "time_s"):
            np.testing.assert_array_equal(getattr(got, name), getattr(sweep, name))
        scan, rows = frame.radars["radar_front"].scan, columns(echoes)
        np.testing.assert_array_equal(rows["radial_speed"], scan.radial_speed_mps)
        np.testing.assert_array_equal(rows["rcs"], scan.rcs_dbsm)


def test_the_vehicle_is_where_it_was(bag: Recorded, frames: list[SimFrame]) -> None:
    poses = {
        from_msg.stamp_ns(t.header): from_msg.transform(t.transform) for m in bag["/tf"] for t in m.transforms
    }
    stamps = sorted(poses)
    assert set(np.diff(stamps)) == {NS // 50}
    for frame in frames:
        np.testing.assert_allclose(poses[frame.stamp_ns].matrix, frame.odom_from_base.matrix, atol=1e-9)
    middle = interpolate(frames[0].odom_from_base, frames[1].odom_from_base, 0.4)
    np.testing.assert_allclose(poses[frames[0].stamp_ns + 40_000_000].matrix, middle.matrix, atol=1e-9)
    assert np.linalg.norm(poses[stamps[-1]].translation_m - poses[stamps[0]].translation_m) > 1.0


def test_mounts_are_those_of_the_rig(bag: Recorded) -> None:
    (message,) = bag["/tf_static"]
    mounts = {t.child_frame_id: from_msg.transform(t.transform) for t in message.transforms}
    assert set(mounts) == set(SENSORS)
    np.testing.assert_allclose(mounts["top"].translation_m, [1.2, 0.0, 1.85])


def test_points_of_an_instance_lie_in_its_box(bag: Recorded, frames: list[SimFrame]) -> None:
    """In odom at each point's own time, with the box moved back to that time; pulses on edges fall between things."""
    points = from_msg.point_cloud(bag["/sensing/lidar/top/points"][2])
    rows, boxes = columns(bag["/truth/lidar/top/points"][2]), from_msg.detections_3d(bag["/truth/objects"][2])
    ends = frames[1].odom_from_base, frames[2].odom_from_base
    mount = Transform.from_xyz_rpy((1.2, 0.0, 1.85), (0.0, 0.0, 0.0))
    inside = []
    for k, number in enumerate(boxes.detection_id):
        for i in np.flatnonzero(rows["instance"] == number)[::10]:
            time_s, xyz = float(points.time_s[i]), points.xyz_m[i : i + 1].astype(float)
            centre = boxes.center_m[k] + np.append(boxes.velocity_mps[k], 0.0) * time_s
            odom_from_box = Transform.from_xyz_rpy(centre, (0.0, 0.0, boxes.yaw_rad[k]))
            odom_from_lidar = interpolate(*ends, 1 + time_s / 0.1) @ mount
            local = (odom_from_box.inverse() @ odom_from_lidar).apply(xyz)[0]
            inside.append((np.abs(local) < boxes.lwh_m[k] / 2 + 0.15).all())
    assert len(inside) > 100
    assert np.mean(inside) > 0.97


@pytest.mark.parametrize("sensor", ["lidar/top", "radar/radar_front"])
def test_counts_are_those_of_the_labelled_points(bag: Recorded, sensor: str) -> None:
    """Of what is in /truth/objects: what is farther than 120 m may be met by a pulse too."""
    each = (bag[f"/truth/{sensor}/objects"], bag[f"/truth/{sensor}/points"], bag["/truth/objects"])
    for objects, points, everything in zip(*each, strict=True):
        near = {d.detection_id for d in everything.detections}
        numbers, counts = np.unique(columns(points)["instance"], return_counts=True)
        found = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        said = {d.detection_id: d.num_points for d in objects.detections}
        assert {k: v for k, v in said.items() if v} == {k: v for k, v in found.items() if k in near}
        assert len(found) > 3
        assert objects.source == f"truth/{sensor.split('/')[1]}"
        assert sensor.startswith("lidar") or min(said.values()) > 0


def test_labels_of_points(bag: Recorded, frames: list[SimFrame]) -> None:
    rows, owner = columns(bag["/truth/lidar/top/points"][0]), frames[0].lidars["top"].owner
    np.testing.assert_array_equal(rows["label"] == 255, owner == -1)
    np.testing.assert_array_equal(rows["label"] == 254, owner == -2)
    boxes = from_msg.detections_3d(bag["/truth/objects"][0])
    label = dict(zip(boxes.detection_id.tolist(), boxes.label.tolist(), strict=True))
    of_actors = rows[(rows["instance"] > 0) & np.isin(rows["instance"], list(label))]
    assert len(of_actors) > 500
    assert all(label[int(r["instance"])] == r["label"] for r in of_actors)


def test_pictures_and_their_truth(tmp_path: Path) -> None:
    drive = simulation(sensors=("front",))
    simulate_to_bag(drive, tmp_path / "p.mcap", truth_images=True)
    got, frame = Recorded(tmp_path / "p.mcap"), next(iter(simulation(sensors=("front",)).frames()))
    camera, base = frame.cameras["front"], "/truth/camera/front"
    picture, info = got["/sensing/camera/front/image"][0], got["/sensing/camera/front/camera_info"][0]
    np.testing.assert_array_equal(from_msg.image(picture).bgr, camera.image.bgr)
    assert from_msg.camera_model(info) == drive.cameras["front"]
    pixels = {n: got[f"{base}/{n}"][0].data.tobytes() for n in ("depth", "label", "instance")}
    assert pixels["depth"] == camera.depth_m.tobytes()
    assert pixels["label"] == camera.label.tobytes()
    number = np.frombuffer(pixels["instance"], np.uint16).reshape(camera.instance.shape)
    boxes = from_msg.detections_2d(got[f"{base}/boxes"][0])
    assert set(np.unique(number)) - {0} == set(boxes.detection_id.tolist())
    for k, (x, y, x2, y2) in enumerate(boxes.box_px.astype(int)):
        rows, columns_ = np.nonzero(number == boxes.detection_id[k])
        assert x <= columns_.min() and columns_.max() < x2 and y <= rows.min() and rows.max() < y2


def test_what_moves_the_vehicle_is_in_the_bag(tmp_path: Path) -> None:
    drive = simulation(sensors=("inertial",))
    simulate_to_bag(drive, tmp_path / "i.mcap")
    got = Recorded(tmp_path / "i.mcap")
    assert len(got["/sensing/imu"]) == len(got["/vehicle/odometry"]) == 50
    assert got.stamps_ns("/sensing/imu") == [log for log, _ in got.logged["/sensing/imu"]]
    assert np.mean([m.linear_acceleration.z for m in got["/sensing/imu"]]) == pytest.approx(9.8, abs=0.5)
    last, end = got["/vehicle/odometry"][-1], drive.traffic.ego
    assert last.twist.twist.linear.x == pytest.approx(end.speed_mps, rel=0.05)
    assert last.pose.pose.position.x == pytest.approx(end.pose[0], abs=0.2)
    assert (last.header.frame_id, last.child_frame_id) == ("odom", "base_link")


def test_perception_runs_on_it(bag: Recorded, tmp_path: Path) -> None:
    """Offline, with a rig that has radars and cameras too."""
    options = RunOptions(bag.info.path, tmp_path / "out", rig="default", offline=True)
    run_and_report(options, Console(file=io.StringIO()))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"]["object_messages"] == 5
    assert (tmp_path / "out" / "truth.jsonl").read_text().count("\n") > 100


def test_a_camera_detector_finds_what_the_pictures_show(tmp_path: Path, shared_data: Path) -> None:
    """Trained on photographs, asked about pictures of the simulator: its boxes are around what is there."""
    simulate_to_bag(simulation(sensors=("top", "front")), tmp_path / "p.mcap")
    model = shared_data / "weights" / "yolox_nano.onnx"
    options = RunOptions(
        tmp_path / "p.mcap", tmp_path / "out", rig="default", camera_model=model, offline=True
    )
    run_and_report(options, Console(file=io.StringIO()))
    recordings = (tmp_path / "out" / "outputs.mcap", tmp_path / "p.mcap")
    topics = ("/perception/detection/camera/front", "/truth/camera/front/boxes")
    found, truth = (
        {(d := from_msg.detections_2d(m)).stamp_ns: d.box_px for m in Recorded(path)[topic]}
        for path, topic in zip(recordings, topics, strict=True)
    )
    assert set(found) == set(truth)
    best = np.concatenate([_overlap(found[t], truth[t]).max(axis=1) for t in found])
    assert len(best) >= 10 and np.mean(best > 0.6) > 0.7


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union of boxes x0, y0, x1, y1."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0.0), axis=2)
    area = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (one, other)]
    return both / (area[0][:, None] + area[1] - both)


def test_the_same_drive_gives_the_same_bytes(bag: Recorded, tmp_path: Path) -> None:
    simulate_to_bag(simulation(), tmp_path / "again.mcap")
    assert (tmp_path / "again.mcap").read_bytes() == bag.info.path.read_bytes()


def test_faults_show_in_what_is_sent_and_not_in_the_truth(tmp_path: Path) -> None:
    broken = recorded(tmp_path / "b.mcap", None, "radar_front:off:0.15", "top:delayed:0.15:1:delay_s=0.07")
    assert len(broken["/sensing/radar/radar_front/points"]) == 1
    assert len(broken["/truth/radar/radar_front/points"]) == 5
    sent = [log - stamp for (log, _), stamp in zip(
        broken.logged["/sensing/lidar/top/points"], broken.stamps_ns("/sensing/lidar/top/points"), strict=True
    )]  # fmt: skip
    assert sent == [0, *[70_000_000] * 3]  # the last one would come after the end
    logs = [log for messages in broken.logged.values() for log, _ in messages]
    assert broken.info.end_ns == max(logs)


def test_a_clock_that_is_wrong_stamps_wrongly(tmp_path: Path, bag: Recorded) -> None:
    rig = find_rig("default")
    late = replace(rig.sensor("top"), model={**rig.sensor("top").model, "clock_s": 0.03})
    rig = replace(rig, sensors=tuple(late if s.name == "top" else s for s in rig.sensors))
    shifted = recorded(tmp_path / "c.mcap", rig)
    topic = "/sensing/lidar/top/points"
    assert shifted.stamps_ns(topic) == [s + 30_000_000 for s in bag.stamps_ns(topic)]
    assert shifted.stamps_ns("/truth/objects") == bag.stamps_ns("/truth/objects")
    assert [log for log, _ in shifted.logged[topic]] == [log for log, _ in bag.logged[topic]]


def test_an_error_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = simulation(sensors=("top",))
    monkeypatch.setattr(drive, "tick", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate_to_bag(drive, tmp_path / "a.mcap")
    assert list(tmp_path.iterdir()) == []


def test_counts_find_their_actor_whatever_the_order_of_ids():
    truth = simulation(sensors=("top",)).tick().truth
    few = truth.select(np.arange(3))
    ids = few.detection_id.astype(np.int64)
    actors = np.array([ids[2], ids[0] + 10_000, ids[1], ids[0]])
    hits = np.array([20, 99, 10, 5])
    there = seen_truth(few, actors, "top", (hits, 2 * hits))
    assert there.detection_id.tolist() == ids.tolist()
    assert there.num_points.tolist() == [5, 10, 20]
