"""The nodes as processes, fed and watched over DDS."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2, PointField
from tf2_msgs.msg import TFMessage

from perception_nodes import msg
from perception_nodes.datatypes import Modality, Rig, SensorSpec, save_rig
from perception_nodes.ros.graph import NodeSpec
from perception_nodes.ros.runner import GraphRunner

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TIMEOUT_S = 120.0  # with nothing compiled yet


class Bench:
    """Publishes sensor messages, keeps what the nodes say."""

    def __init__(self, domain_id: int, folder: Path) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.folder = folder
        self.rig = folder / "rig.yaml"
        lidar = SensorSpec("lidar", Modality.LIDAR, "/points", frame="base_link")
        camera = SensorSpec("camera", Modality.CAMERA, "/image/compressed", info_topic="/camera_info")
        save_rig(Rig("test", "lidar", (lidar, camera)), self.rig)
        self.runners: list[GraphRunner] = []
        self.health: dict[str, list[Any]] = {}
        self.drops: list[Any] = []
        self.states: list[Any] = []
        self.detections: list[Any] = []
        create = self.node.create_subscription
        create(msg.PerceptionHealth, "/perception/health", self._hear, 100)
        create(msg.DropEvent, "/perception/drops", self.drops.append, 100)
        create(msg.PerceptionState, "/perception/state", self._state, LATCHED)
        create(msg.Detection3DArray, "/perception/detection/lidar/lidar", self.detections.append, 10)
        self.points = self.node.create_publisher(PointCloud2, "/points", 10)
        self.clock = self.node.create_publisher(Clock, "/clock", 10)
        self.tf = self.node.create_publisher(TFMessage, "/tf", 10)

    def _hear(self, message: Any) -> None:
        self.health.setdefault(message.node, []).append(message)

    def _state(self, message: Any) -> None:
        self.states.append((time.monotonic(), message))

    def start(self, name: str, **parameters: Any) -> GraphRunner:
        spec = NodeSpec(name, name, {"rig": str(self.rig), **parameters})
        runner = GraphRunner([spec], self.folder / f"log_{name}")
        self.runners.append(runner)
        runner.start()
        self.until(lambda: self.last(name) is not None and self.last(name).active)
        return runner

    def last(self, name: str) -> Any:
        said = self.health.get(f"/{name}")
        return said[-1] if said else None

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            self.executor.spin_once(timeout_sec=0.05)

    def cloud(self, k: int, names: str = "xyz") -> None:
        """Publish a cloud of 400 points of ground as the k-th sweep; `names` are its fields."""
        side = np.linspace(-20, 20, 20, dtype=np.float32)
        x, y = np.meshgrid(side, side)
        data = np.stack([x.ravel(), y.ravel(), np.zeros(400, np.float32)], axis=1)
        fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(names)]
        message = PointCloud2(height=1, width=400, fields=fields, point_step=12, row_step=4800)
        message.data = data.tobytes()
        message.header.frame_id = "base_link"
        self.stamp(message.header.stamp, k)
        self.points.publish(message)

    def time(self, k: int) -> None:
        message = Clock()
        self.stamp(message.clock, k)
        self.clock.publish(message)

    @staticmethod
    def stamp(target: Any, k: int) -> None:
        target.sec, target.nanosec = divmod(START_NS + k * STEP_NS, 10**9)

    def close(self) -> None:
        for runner in self.runners:
            runner.stop()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def bench(domain_id: int, tmp_path: Path) -> Iterator[Bench]:
    out = Bench(domain_id, tmp_path)
    yield out
    out.close()


def test_a_bad_cloud_is_dropped_and_the_next_good_one_used(bench: Bench) -> None:
    runner = bench.start("lidar_detector", tracking_frame="base_link")
    bench.until(bench.points.get_subscription_count)
    bench.cloud(0, names="abc")
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_MALFORMED
    assert bench.drops[0].topic == "/points"
    bench.cloud(1)
    bench.until(lambda: bench.detections)
    found = bench.detections[0]
    assert (found.header.frame_id, found.header.stamp.nanosec) == ("base_link", STEP_NS)
    runner_status = runner.stop()
    bench.until(lambda: not bench.last("lidar_detector").active)
    said = bench.last("lidar_detector")
    assert (said.received, said.used, said.dropped) == (2, 1, 1)
    assert runner_status == {"lidar_detector": 0}


def test_missing_transforms_are_counted_drops(bench: Bench) -> None:
    bench.start("lidar_detector", tracking_frame="odom")
    bench.until(bench.points.get_subscription_count)
    bench.cloud(0)
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_NO_TRANSFORM
    assert "odom" in bench.drops[0].detail
    assert not bench.detections


def test_a_jump_of_the_clock_begins_a_new_session(bench: Bench) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", use_sim_time=True)
    bench.until(lambda: bench.points.get_subscription_count() and bench.clock.get_subscription_count())
    bench.time(100)
    bench.cloud(100)
    bench.until(lambda: bench.detections)
    bench.time(101)
    before = bench.last("lidar_detector").session_id
    bench.time(10)
    bench.until(lambda: bench.last("lidar_detector").session_id != before)
    assert bench.last("lidar_detector").mode == msg.PerceptionHealth.MODE_FAULT
    bench.cloud(10)
    bench.until(lambda: len(bench.detections) == 2)
    info = bench.detections[1].info
    assert (info.sequence, info.session_id) == (0, bench.last("lidar_detector").session_id)
    bench.until(lambda: bench.last("lidar_detector").mode == msg.PerceptionHealth.MODE_NOMINAL)


def test_cameras_without_a_model_are_not_available(bench: Bench) -> None:
    bench.start("camera_detector")
    bench.until(lambda: bench.last("camera_detector").sensors)
    (status,) = bench.last("camera_detector").sensors
    assert status.qualifier == msg.SensorStatus.QUALIFIER_NOT_AVAILABLE
    assert bench.last("camera_detector").mode == msg.PerceptionHealth.MODE_BLIND


def test_the_supervisor_sees_a_killed_node(bench: Bench) -> None:
    bench.start("supervisor", nodes=["lidar_detector"])
    runner = bench.start("lidar_detector", tracking_frame="base_link")
    bench.until(lambda: bench.states and np.isfinite(bench.states[-1][1].node_age_s).all())
    killed_s = time.monotonic()
    os.kill(runner.pids["lidar_detector"], signal.SIGKILL)
    bench.until(lambda: "NODE.LIDAR_DETECTOR.LOST" in bench.states[-1][1].active_faults)
    noticed_s = bench.states[-1][0] - killed_s
    print(f"noticed after {noticed_s * 1e3:.0f} ms")
    assert bench.states[-1][1].mode == msg.PerceptionState.MODE_FAULT
    assert noticed_s < 1.0
