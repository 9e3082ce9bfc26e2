"""Simulator and planner as processes: what they publish, what they wait for, and what they do without."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import Transition
from nav_msgs.msg import Odometry
from nav_msgs.msg import Path as PathMessage
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, Imu, PointCloud2

from perception_nodes import msg, srv
from perception_nodes.datasets import BagReader, find_rig
from perception_nodes.datatypes import FrameInfo, LatencyTrace, Mode, Tracks, save_rig
from perception_nodes.ros import qos
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.runs.loop_drive import lidar_rig
from perception_nodes.runs.sim_bag import simulate_to_bag
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import Simulation

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """0.8 s on an empty car park."""
    path = tmp_path / "short.yaml"
    path.write_text("purpose: a test\nmust: be short\nworld: {kind: car_park}\nduration_s: 0.8\n")
    return path


@pytest.fixture
def vehicle(bench: Any) -> Any:
    """The bench with the rig of the simulated vehicle, its lidar only."""
    save_rig(lidar_rig(find_rig("default")), bench.rig)
    return bench


def info(mode: Mode = Mode.NOMINAL) -> FrameInfo:
    return FrameInfo(1, 0, mode, LatencyTrace("", "", 0, 0))


def simulator(vehicle: Any, scenario: Path, **parameters: Any) -> tuple[Any, list[Any]]:
    """A simulator that begins when every subscription of the bench will hear it, and the clouds that it sends."""
    clouds = vehicle.keep(PointCloud2, "/sensing/lidar/top/points")
    given = {"scenario": str(scenario), "sensors": ["top"], "autostart": False, **parameters}
    runner = vehicle.launch(vehicle.spec("simulator", **given))
    assert vehicle.change("simulator", Transition.TRANSITION_CONFIGURE)
    vehicle.known_to("simulator")
    assert vehicle.change("simulator", Transition.TRANSITION_ACTIVATE)
    return runner, clouds


def answer_to_the_end(vehicle: Any, runner: Any, clouds: list[Any]) -> None:
    """Answer each step when its cloud has come, so that no step is ahead of what has been heard."""
    objects = vehicle.node.create_publisher(msg.TrackedObjectArray, "/perception/objects", qos.objects())

    def ended() -> bool:
        if clouds:
            objects.publish(to_msg.tracks(Tracks.empty(stamps(clouds)[-1], "odom"), info()))
        return runner.poll()["simulator"] is not None

    vehicle.until(ended)
    assert runner.poll()["simulator"] == 0, runner.log_tail("simulator")


def stamps(messages: list[Any]) -> list[int]:
    return [from_msg.stamp_ns(m.header) for m in messages]


def test_a_drive_is_on_topics_to_its_end(vehicle: Any, scenario: Path, tmp_path: Path) -> None:
    """Nobody answers: every step is late, which is told, and the drive goes on."""
    truth = vehicle.keep(msg.Detection3DArray, "/truth/objects")
    lines = vehicle.keep(msg.MapElementArray, "/truth/map_elements", LATCHED)
    route = vehicle.keep(PathMessage, "/navigation/route", LATCHED)
    times = vehicle.keep(Clock, "/clock")
    runner, clouds = simulator(vehicle, scenario, timeout_s=0.5, output=str(tmp_path / "drive.json"))
    vehicle.until(lambda: runner.poll()["simulator"] is not None)
    vehicle.until(lambda: len(clouds) == len(truth) == 8)
    assert runner.poll()["simulator"] == 0, runner.log_tail("simulator")
    assert stamps(clouds) == [START_NS + k * STEP_NS for k in range(1, 9)] == stamps(truth)
    assert clouds[0].header.frame_id == "top" and clouds[0].width > 5000
    assert {f.name for f in clouds[0].fields} >= {"x", "y", "z", "intensity", "ring", "time"}
    assert len(lines[0].elements) > 0 and len(route[0].poses) > 20 and len(times) >= 8
    record = json.loads((tmp_path / "drive.json").read_text())
    assert record["late_steps"] == 8 and len(record["steps"]) == 8
    assert "no answer to the step of" in runner.log_tail("simulator")


@pytest.mark.parametrize("looped", [False, True])
def test_imu_and_odometry_are_those_of_a_bag(vehicle: Any, scenario: Path, looped: bool) -> None:
    """Wheels and gyro with their drift; in the loop the exact pose instead, once a step."""
    imu, odometry = (
        vehicle.keep(kind, topic, 100)
        for kind, topic in ((Imu, "/sensing/imu"), (Odometry, "/vehicle/odometry"))
    )
    text = scenario.read_text() + "ego: {speed_mps: 5}\n"
    scenario.write_text(text)
    runner, clouds = simulator(vehicle, scenario, sensors=["top", "inertial"], timeout_s=60.0, looped=looped)
    answer_to_the_end(vehicle, runner, clouds)
    bag = Simulation(find_scenario(str(scenario)), lidar_rig(find_rig("default")), 1, sensors=["inertial"])
    frames = list(bag.frames())
    samples = [s for f in frames for s in f.inertial]
    vehicle.until(lambda: len(imu) >= len(samples) and len(odometry) >= (8 if looped else len(samples)))
    assert stamps(imu) == [s.stamp_ns for s in samples] and len(samples) == 80
    shown = np.array([[m.angular_velocity.z, m.linear_acceleration.x] for m in imu])
    given = np.array([[s.angular_velocity_rps[2], s.acceleration_mps2[0]] for s in samples])
    np.testing.assert_array_equal(shown, given)
    exact = [(f.stamp_ns, f.odom_from_base.translation_m[0], 0.0) for f in frames]
    drifted = [(s.stamp_ns, s.odom_from_base.translation_m[0], s.pose_covariance[0, 0]) for s in samples]
    wanted = exact if looped else drifted
    got = [(m.pose.pose.position.x, m.pose.covariance[0]) for m in odometry]
    assert list(zip(stamps(odometry), *zip(*got, strict=True), strict=True)) == wanted


def test_truth_of_the_sensors_is_that_of_a_bag(bench: Any, scenario: Path, tmp_path: Path) -> None:
    """Points, boxes, camera boxes and pixels of a sweep and a picture, as in the bag of the same drive."""
    rig = find_rig("default")
    save_rig(rig, bench.rig)
    scenario.write_text(scenario.read_text() + "traffic: {parked_share: 1.0}\n")
    sensors = ["top", "front", "radar_front"]
    types = {
        "/truth/lidar/top/objects": msg.Detection3DArray,
        "/truth/lidar/top/points": PointCloud2,
        "/truth/radar/radar_front/points": PointCloud2,
        "/truth/camera/front/boxes": msg.Detection2DArray,
        "/truth/camera/front/depth": Image,
        "/truth/camera/front/instance": Image,
    }
    live = {topic: bench.keep(kind, topic, 100) for topic, kind in types.items()}
    runner, clouds = simulator(bench, scenario, sensors=sensors, timeout_s=60.0)
    answer_to_the_end(bench, runner, clouds)
    assert len(clouds) == 8
    drive = Simulation(find_scenario(str(scenario)), rig, 1, sensors=sensors)
    simulate_to_bag(drive, tmp_path / "drive.mcap", truth_images=True)
    with BagReader(tmp_path / "drive.mcap") as reader:
        recorded: dict[str, list[Any]] = {topic: [] for topic in types}
        names = {t.name: t.typename for t in reader.info.topics}
        for topic, _, raw in reader.messages():
            if topic in recorded:
                recorded[topic].append(reader.decode(raw, names[topic]))
    bench.until(lambda: all(len(live[topic]) >= len(recorded[topic]) for topic in types))
    for topic, messages in live.items():
        assert stamps(messages) == stamps(recorded[topic]) and messages, topic
        for shown, wanted in zip(messages, recorded[topic], strict=True):
            if hasattr(wanted, "data"):
                assert bytes(shown.data) == bytes(wanted.data) and shown.width == wanted.width, topic
            else:
                assert [d.detection_id for d in shown.detections] == [
                    d.detection_id for d in wanted.detections
                ]
    assert any(m.detections for m in live["/truth/lidar/top/objects"])


def test_lock_step_waits_for_the_objects_of_the_step(vehicle: Any, scenario: Path) -> None:
    objects = vehicle.node.create_publisher(msg.TrackedObjectArray, "/perception/objects", qos.objects())
    _, clouds = simulator(vehicle, scenario, timeout_s=100.0)
    vehicle.ready(objects)
    for k in range(1, 4):
        vehicle.until(lambda count=k: len(clouds) == count)
        for _ in range(5):  # no further step comes by itself
            vehicle.executor.spin_once(timeout_sec=0.05)
        assert len(clouds) == k
        objects.publish(to_msg.tracks(Tracks.empty(START_NS + k * STEP_NS, "odom"), info()))
    vehicle.until(lambda: len(clouds) == 4)


def test_sensors_are_broken_and_mended_by_a_service(vehicle: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_text("purpose: a test\nmust: be long\nworld: {kind: car_park}\nduration_s: 600\n")
    times = vehicle.keep(Clock, "/clock")
    _, clouds = simulator(vehicle, long, timeout_s=0.02)
    client = vehicle.node.create_client(srv.InjectFault, "/simulator/inject_fault")
    vehicle.until(lambda: client.service_is_ready() and clouds)

    def call(**fields: Any) -> Any:
        future = client.call_async(srv.InjectFault.Request(**fields))
        vehicle.until(future.done)
        return future.result()

    wrong = call(sensor="roof", kind="off")
    assert not wrong.success and "'roof': wanted one of" in wrong.message
    assert not call(sensor="top", kind="broken").success
    silent = call(sensor="top", kind="off")
    assert silent.success
    since_ns = START_NS + round(float(re.search(r"off from ([\d.]+) s", silent.message)[1]) * 1e9)
    seen = len(times)
    vehicle.until(lambda: len(times) > seen + 10)
    assert stamps(clouds)[-1] <= since_ns + STEP_NS, "silent, while time goes on"
    assert call(sensor="top", kind="ok").success
    count = len(clouds)
    vehicle.until(lambda: len(clouds) > count + 2)


def test_an_unknown_scenario_is_refused(vehicle: Any) -> None:
    runner = vehicle.launch(vehicle.spec("simulator", scenario="cut_inn"))
    vehicle.until(lambda: runner.poll()["simulator"] is not None)
    assert runner.poll()["simulator"] == 2
    assert "did you mean 'cut_in'" in runner.complaint("simulator")


class Driver:
    """What a planner needs, published by hand: a straight route, odometry, objects, state."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        create = bench.node.create_publisher
        self.route = create(PathMessage, "/navigation/route", LATCHED)
        self.guidance = create(msg.RouteGuidance, "/navigation/guidance", qos.detections())
        self.odometry = create(Odometry, "/vehicle/odometry", qos.detections())
        self.objects = create(msg.TrackedObjectArray, "/perception/objects", qos.objects())
        self.state = create(msg.PerceptionState, "/perception/state", qos.latched())
        self.commands = bench.keep(msg.EgoCommand, "/vehicle/command")
        line = PathMessage(poses=[PoseStamped() for _ in range(200)])
        for k, pose in enumerate(line.poses):
            pose.pose.position.x = float(k)
        self.route.publish(line)
        for publisher in (self.route, self.guidance, self.odometry, self.objects, self.state):
            bench.ready(publisher)

    def step(self, k: int, mode: Mode, *, objects: bool = True, content: Mode = Mode.NOMINAL) -> Any:
        """One step at 8 m/s; the command that answers it."""
        stamp, count = START_NS + k * STEP_NS, len(self.commands)
        self.state.publish(msg.PerceptionState(mode=int(mode)))
        self.guidance.publish(msg.RouteGuidance(stop_m=np.inf, limit_mps=10.0))
        if objects:
            self.objects.publish(to_msg.tracks(Tracks.empty(stamp, "odom"), info(content)))
        for _ in range(3):
            self.bench.executor.spin_once(timeout_sec=0.02)
        here = Odometry(header=to_msg.header(stamp, "odom"))
        here.pose.pose.position.x, here.pose.pose.orientation.w = 30.0 + 0.8 * k, 1.0
        here.twist.twist.linear.x = 8.0
        self.odometry.publish(here)
        self.bench.until(lambda: len(self.commands) > count)
        return self.commands[-1]


def test_the_planner_drives_while_perception_says_that_it_works(vehicle: Any) -> None:
    # What has been sent has come: only what is not sent is late.
    vehicle.start("planner", patience_s=1.0, state_limit_s=10.0)
    driver = Driver(vehicle)
    vehicle.at_work("planner")
    first = driver.step(0, Mode.NOMINAL)
    assert first.reason == msg.EgoCommand.REASON_CRUISE and first.acceleration_mps2 > 0.5
    assert from_msg.stamp_ns(first.header) == START_NS and first.ttc_s == np.inf
    slow = driver.step(1, Mode.DEGRADED)
    assert slow.acceleration_mps2 < -0.5 and slow.reason == msg.EgoCommand.REASON_CRUISE
    for k, mode in ((2, Mode.BLIND), (3, Mode.FAULT), (4, Mode.STARTING)):
        stop = driver.step(k, mode)
        assert stop.reason == msg.EgoCommand.REASON_SAFE_STOP and stop.acceleration_mps2 == -3.0
    assert driver.step(5, Mode.NOMINAL).reason == msg.EgoCommand.REASON_CRUISE
    blind = driver.step(6, Mode.NOMINAL, content=Mode.BLIND)
    assert blind.reason == msg.EgoCommand.REASON_SAFE_STOP
    reasons = [driver.step(k, Mode.NOMINAL, objects=False).reason for k in range(7, 12)]
    assert reasons[-1] == msg.EgoCommand.REASON_SAFE_STOP, "objects are 0.5 s old"
