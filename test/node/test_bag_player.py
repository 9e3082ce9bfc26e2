"""The player as a process, seen by subscribers over DDS."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.messages import POINT_CLOUD, TF, point_cloud, tf_message
from perception_nodes.datatypes import Modality, Rig, SensorSpec, save_rig
from perception_nodes.geometry import Transform
from perception_nodes.msg import PerceptionHealth, PlaybackState

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
COUNT = 8
RELIABLE = QoSProfile(depth=20)
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Eight clouds of 1.2 MB and poses; mounts are only in the rig; one topic of a type that is not installed."""
    with BagWriter(tmp_path / "drive.mcap") as writer:
        writer.declare("/secret", "acme_msgs/msg/Secret", schema="uint8 x")
        for k in range(COUNT):
            at = START_NS + k * STEP_NS
            writer.write("/tf", tf_message([(at, "odom", "base_link", Transform.identity())]), TF, at)
            cloud = point_cloud(at, "lidar", np.full((100_000, 3), k, np.float32), {})
            writer.write("/points", cloud, POINT_CLOUD, at)
            writer.write_raw("/secret", b"\x00\x01\x00\x00\x05", at)
    mount = {"mount_xyz_m": (1.0, 0.0, 2.0), "mount_rpy_rad": (0.0, 0.0, 0.0)}
    sensor = SensorSpec("lidar", Modality.LIDAR, "/points", frame="lidar", **mount)
    save_rig(Rig("test", "lidar", (sensor,)), tmp_path / "rig.yaml")
    return tmp_path / "drive.mcap"


class Listener:
    """Subscribers of everything that the player publishes."""

    def __init__(self, domain_id: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.clouds: list[tuple[PointCloud2, int]] = []
        self.clocks: list[int] = []
        self.states: list[PlaybackState] = []
        self.static: list[TFMessage] = []
        self.health: list[PerceptionHealth] = []
        create = self.node.create_subscription
        create(PlaybackState, "/perception/playback", self.states.append, LATCHED)
        create(TFMessage, "/tf_static", self.static.append, LATCHED)
        create(PerceptionHealth, "/perception/health", self.health.append, 10)
        create(Clock, "/clock", lambda m: self.clocks.append(m.clock.sec * 10**9 + m.clock.nanosec), 1000)

    def take_clouds(self, profile: QoSProfile = RELIABLE) -> None:
        def take(message: PointCloud2) -> None:
            self.clouds.append((message, time.monotonic_ns()))

        self.node.create_subscription(PointCloud2, "/points", take, profile)

    def until(self, condition: Callable[[], Any], timeout_s: float = 120.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def listener(domain_id: int) -> Iterator[Listener]:
    out = Listener(domain_id)
    yield out
    out.close()


@pytest.fixture
def start(drive: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the player with `name=value` parameters; what still runs at the end is ended."""
    running: list[subprocess.Popen[str]] = []

    def run(**parameters: str) -> subprocess.Popen[str]:
        values = {"bag": str(drive), "rig": str(drive.parent / "rig.yaml"), **parameters}
        command = [sys.executable, "-m", "perception_nodes.nodes.bag_player", "--ros-args"]
        for name, value in values.items():
            command += ["-p", f"{name}:={value}"]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_plays_the_bag_and_ends(start: Callable[..., Any], listener: Listener) -> None:
    listener.take_clouds()
    process = start(wait_for="[lidars]", rate="2.0")
    listener.until(lambda: listener.states and listener.states[-1].finished)
    listener.until(lambda: len(listener.clouds) == COUNT)
    assert [m.header.stamp.nanosec for m, _ in listener.clouds] == [k * STEP_NS for k in range(COUNT)]
    assert [np.frombuffer(m.data, np.float32)[0] for m, _ in listener.clouds] == list(range(COUNT))
    last = listener.states[-1]
    counts = dict(zip(last.topics, last.published, strict=True))
    skipped = dict(zip(last.topics, last.skipped, strict=True))
    assert (counts["/points"], counts["/tf"], counts["/secret"], skipped["/secret"]) == (
        COUNT,
        COUNT,
        0,
        COUNT,
    )
    # On a busy machine the newest times go first, and some of them are all that comes.
    assert listener.clocks == sorted(listener.clocks)
    assert all(START_NS <= at <= START_NS + COUNT * STEP_NS for at in listener.clocks) and listener.clocks
    assert process.wait(120) == 0
    assert "acme_msgs/msg/Secret is not installed" in process.stderr.read()


def test_no_message_comes_before_it_is_due(start: Callable[..., Any], listener: Listener) -> None:
    listener.take_clouds()
    start(wait_for="[/points]", rate="2.0", start_s="0.2", duration_s="0.3")
    listener.until(lambda: listener.states and listener.states[-1].finished and len(listener.clouds) == 4)
    state = listener.states[-1]
    assert state.stamp_start_ns == START_NS + 2 * STEP_NS
    for message, received_ns in listener.clouds:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        assert received_ns >= state.wall_start_ns + (stamp - state.stamp_start_ns) / state.rate


def test_mounts_of_the_rig_are_latched(start: Callable[..., Any], listener: Listener) -> None:
    start(start_s="0.3", loop="true", rate="4.0")
    listener.until(lambda: listener.static)
    (link,) = listener.static[-1].transforms
    assert (link.header.frame_id, link.child_frame_id, link.transform.translation.z) == (
        "base_link",
        "lidar",
        2.0,
    )


def jumped_back(clocks: list[int]) -> bool:
    return any(b < a for a, b in itertools.pairwise(clocks))


def test_loops_jump_back_and_a_signal_ends_it_with_the_counts(
    start: Callable[..., Any], listener: Listener
) -> None:
    listener.take_clouds(BEST_EFFORT)  # such a subscriber is served too, though it may miss some
    process = start(loop="true", rate="8.0")
    listener.until(lambda: listener.states and listener.states[-1].loop >= 2 and jumped_back(listener.clocks))
    listener.until(lambda: listener.clouds)
    process.send_signal(signal.SIGINT)
    listener.until(lambda: process.poll() is not None)
    assert process.returncode == 0
    counts = dict(zip(listener.states[-1].topics, listener.states[-1].published, strict=True))
    assert counts["/points"] >= 2 * COUNT
    assert not listener.states[-1].finished


def test_sends_its_health(start: Callable[..., Any], listener: Listener) -> None:
    start(loop="true")
    listener.until(lambda: any(h.node == "/bag_player" and h.mode == h.MODE_NOMINAL for h in listener.health))


def test_gives_up_when_nobody_listens(start: Callable[..., Any]) -> None:
    process = start(wait_for="[/points]", wait_timeout_s="0.2")
    assert process.wait(120) == 2
    assert "too few subscribers within 0.2 s: {'/points': '0 of 1'}" in process.stderr.read()


def test_waits_until_all_are_connected_who_are_to_hear_it(
    start: Callable[..., Any], listener: Listener
) -> None:
    listener.take_clouds()
    start(subscribers="[/points=2, /clock=1, /not_played=9]", rate="4.0")
    listener.until(lambda: sum(h.active for h in listener.health) > 20)  # two seconds
    assert not listener.clouds
    listener.take_clouds()
    listener.until(lambda: listener.states and listener.states[-1].finished)
    listener.until(lambda: len(listener.clouds) == 2 * COUNT)


def test_plays_without_who_does_not_come(start: Callable[..., Any], listener: Listener) -> None:
    listener.take_clouds()
    process = start(wait_for="[/points]", subscribers="[/points=2]", wait_timeout_s="15.0", rate="4.0")
    listener.until(lambda: len(listener.clouds) == COUNT)
    assert process.wait(120) == 0
    said = process.stderr.read()
    assert "too few subscribers within 15 s: {'/points': '1 of 2'}" in said
    assert "played without them" in said


@pytest.mark.parametrize("text", ["/points", "/points=many"])
def test_says_what_is_no_number_of_subscribers(start: Callable[..., Any], text: str) -> None:
    process = start(subscribers=f"[{text}]")
    assert process.wait(120) == 2
    assert f"wanted topic=number, got '{text}'" in process.stderr.read()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"bag": "/nowhere.mcap"}, "/nowhere.mcap"),
        ({"wait_for": "[/points_of_another]"}, "/points_of_another"),
        ({"start_s": "60.0"}, "nothing to play"),
    ],
)
def test_says_what_cannot_be_played(start: Callable[..., Any], parameters: dict[str, str], said: str) -> None:
    process = start(**parameters)
    assert process.wait(120) == 2
    assert said in process.stderr.read()
