"""A bench for nodes as processes: feeds them and keeps what they say, over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from tf2_msgs.msg import TFMessage

from perception_nodes import msg
from perception_nodes.datatypes import Modality, Rig, SensorSpec, save_rig
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.graph import NodeSpec
from perception_nodes.ros.runner import GraphRunner

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
TIMEOUT_S = 500.0  # for what hangs: nothing else is timed, the processes share the machine with others

_HEARS_SENSORS = ("sync", "lidar_detector", "camera_detector", "fusion", "map_elements")


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
        self.infos = self.node.create_publisher(CameraInfo, "/camera_info", 10)
        self.points = self.node.create_publisher(PointCloud2, "/points", 10)
        self.clock = self.node.create_publisher(Clock, "/clock", 10)
        self.tf = self.node.create_publisher(TFMessage, "/tf", 10)

    def _hear(self, message: Any) -> None:
        self.health.setdefault(message.node, []).append(message)

    def _state(self, message: Any) -> None:
        self.states.append((time.monotonic(), message))

    def launch(self, *specs: NodeSpec) -> GraphRunner:
        """Start processes without waiting; `log_dir` of each is named after the first."""
        runner = GraphRunner(specs, self.folder / f"log_{specs[0].name}")
        self.runners.append(runner)
        runner.start()
        return runner

    def spec(self, name: str, **parameters: Any) -> NodeSpec:
        """Inputs are reliable from the start: what comes while a node subscribes anew is lost."""
        known = {"rig": str(self.rig)} | ({"reliable_inputs": "true"} if name in _HEARS_SENSORS else {})
        return NodeSpec(name, name, {**known, **parameters})

    def start(self, name: str, **parameters: Any) -> GraphRunner:
        """Start a node and wait until it is at work."""
        runner = self.launch(self.spec(name, **parameters))
        self.at_work(name)
        return runner

    def at_work(self, *names: str) -> None:
        """Wait until nodes are active and would be heard by every subscription of the bench.

        What a node publishes before it knows a subscription is lost to it. Nodes learn of subscriptions in the order in
        which these were made: a heartbeat on a new one says that they know those before it.
        """
        self._heard_from(names, active=True)

    def known_to(self, *names: str) -> None:
        """Wait until nodes, active or not, know every subscription of the bench."""
        self._heard_from(names, active=False)

    def _heard_from(self, names: tuple[str, ...], *, active: bool) -> None:
        heard: dict[str, Any] = {}

        def hear(message: Any) -> None:
            heard[message.node] = message

        probe = self.node.create_subscription(msg.PerceptionHealth, "/perception/health", hear, 100)
        self.until(lambda: all((h := heard.get(f"/{n}")) and (h.active or not active) for n in names))
        self.until(lambda: all((h := self.last(n)) and (h.active or not active) for n in names))
        self.node.destroy_subscription(probe)

    def change(self, node: str, transition: int) -> bool:
        """Ask for a transition of lifecycle_msgs."""
        client = self.node.create_client(ChangeState, f"/{node}/change_state")
        self.until(client.service_is_ready)
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.until(future.done)
        self.node.destroy_client(client)
        return bool(future.result().success)

    def keep(self, kind: Any, topic: str, profile: Any = 100) -> list[Any]:
        """Subscribe; the messages come into the list."""
        out: list[Any] = []
        self.node.create_subscription(kind, topic, out.append, profile)
        return out

    def ready(self, publisher: Any, count: int = 1) -> None:
        """Wait until a publisher has its subscribers."""
        self.until(lambda: publisher.get_subscription_count() >= count)

    def pose(self, stamp_ns: int, x_m: float = 0.0) -> None:
        """Publish odom <- base_link."""
        message = TFMessage()
        item = TransformStamped(header=to_msg.header(stamp_ns, "odom"), child_frame_id="base_link")
        item.transform.translation.x = x_m
        message.transforms = [item]
        self.tf.publish(message)

    def picture_info(self, k: int) -> None:
        """Publish the camera's CameraInfo as of the k-th sweep."""
        message = CameraInfo()
        message.header.frame_id = "camera"
        self.stamp(message.header.stamp, k)
        self.infos.publish(message)

    def last(self, name: str) -> Any:
        said = self.health.get(f"/{name}")
        return said[-1] if said else None

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            self.executor.spin_once(timeout_sec=0.05)

    def cloud(self, k: int, names: str = "xyz", count: int = 400) -> None:
        """Publish a cloud of up to 400 points of ground as the k-th sweep; `names` are its fields."""
        side = np.linspace(-20, 20, 20, dtype=np.float32)
        x, y = np.meshgrid(side, side)
        data = np.stack([x.ravel(), y.ravel(), np.zeros(400, np.float32)], axis=1)[:count]
        fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(names)]
        message = PointCloud2(height=1, width=count, fields=fields, point_step=12, row_step=12 * count)
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
