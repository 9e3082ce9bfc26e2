"""Transforms that have arrived, and an executor that has not come to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from tf2_msgs.msg import TFMessage

from perception_nodes.datatypes import TransformUnavailable
from perception_nodes.geometry import Transform
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.transforms import TransformStore

DEADLINE_S = 60.0
STEP_NS = 100_000_000


class Listening:
    """A store of a node whose executor turns only when asked to, and who publishes for it."""

    def __init__(self, domain_id: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("listening", context=self.context)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.tf = self.node.create_publisher(TFMessage, "/tf", 100)
        self.static = self.node.create_publisher(TFMessage, "/tf_static", latched)
        self.store = TransformStore(self.node)
        self.executor = EventsExecutor(context=self.context)
        self.executor.add_node(self.node)
        until(lambda: self.tf.get_subscription_count() and self.static.get_subscription_count())

    def publish(self, parent: str, child: str, k: int, x_m: float) -> None:
        item = TransformStamped(header=to_msg.header(k * STEP_NS, parent), child_frame_id=child)
        item.transform.translation.x = x_m
        (self.tf if parent == "odom" else self.static).publish(TFMessage(transforms=[item]))

    def found(self, target: str, source: str, k: int) -> Transform | None:
        try:
            return self.store.lookup(target, source, k * STEP_NS)
        except TransformUnavailable:
            return None

    def turned(self) -> bool:
        self.executor.spin_once(timeout_sec=0.05)
        return True

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


@pytest.fixture
def listening(domain_id: int) -> Iterator[Listening]:
    out = Listening(domain_id)
    yield out
    out.close()


def test_what_has_arrived_is_found_before_the_executor_comes_to_it(listening: Listening) -> None:
    listening.publish("base_link", "lidar", 0, 1.0)
    for k in range(1, 30):
        listening.publish("odom", "base_link", k, float(k))
    until(lambda: listening.found("odom", "lidar", 29))
    for k in range(1, 30):
        found = listening.found("odom", "lidar", k)
        assert found is not None and found.translation_m[0] == k + 1.0
    assert listening.found("odom", "lidar", 30) is None


def test_the_executor_goes_on_after_the_store_has_taken_its_messages(listening: Listening) -> None:
    listening.publish("odom", "base_link", 1, 1.0)
    until(lambda: listening.found("odom", "base_link", 1))
    listening.publish("odom", "base_link", 2, 2.0)
    second = Time(nanoseconds=2 * STEP_NS)
    until(lambda: listening.turned() and listening.store.buffer.can_transform("odom", "base_link", second))
