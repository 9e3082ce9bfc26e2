"""tf2_ros and message_filters over real DDS: the drop-ins, or a real installation where there is one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perception_nodes import compat

rclpy = pytest.importorskip("rclpy")
PROVIDERS = compat.install()

import message_filters  # noqa: E402
import tf2_ros  # noqa: E402
from geometry_msgs.msg import PointStamped, TransformStamped  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.duration import Duration  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402

DEADLINE_S = 120.0
LATEST = Time()

drop_ins_only = pytest.mark.skipif("installed" in PROVIDERS.values(), reason="a real tf2 is installed")


class Graph:
    """Nodes of one context, spun together until a condition holds."""

    def __init__(self, domain_id: int) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Node] = []

    def node(self, name: str, **options: Any) -> Node:
        node = rclpy.create_node(name, context=self.context, **options)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def spin_until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end_s, "the condition did not come true in time"
            self.executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def graph(domain_id: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Graph]:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    graph = Graph(domain_id)
    yield graph
    graph.close()


def transform(parent: str, child: str, seconds: float, x: float) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = Time(nanoseconds=round(seconds * 1e9)).to_msg()
    message.transform.translation.x = x
    return message


def test_what_is_broadcast_is_found(graph: Graph) -> None:
    broadcaster = tf2_ros.TransformBroadcaster(graph.node("broadcaster"))
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, graph.node("listener"))
    graph.spin_until(lambda: broadcaster.pub_tf.get_subscription_count() == 1)
    broadcaster.sendTransform(transform("odom", "base", 1.0, 2.0))
    broadcaster.sendTransform([transform("odom", "base", 2.0, 4.0), transform("base", "lidar", 1.5, 1.0)])
    graph.spin_until(lambda: buffer.can_transform("base", "lidar", LATEST))
    found = buffer.lookup_transform("odom", "lidar", Time(seconds=1.5))
    assert found.transform.translation.x == 4.0
    with pytest.raises(tf2_ros.ExtrapolationException, match="into the future"):
        buffer.lookup_transform("odom", "base", Time(seconds=2.5))
    listener.unregister()


def test_static_transforms_reach_who_comes_late(graph: Graph) -> None:
    broadcaster = tf2_ros.StaticTransformBroadcaster(graph.node("broadcaster"))
    broadcaster.sendTransform(transform("base", "lidar", 0.0, 1.0))
    broadcaster.sendTransform([transform("base", "camera", 0.0, 2.0), transform("base", "radar", 0.0, 3.0)])
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, graph.node("listener"))
    graph.spin_until(lambda: buffer.can_transform("lidar", "camera", LATEST))
    for child, x in (("lidar", 1.0), ("camera", 2.0), ("radar", 3.0)):
        assert buffer.lookup_transform("base", child, Time(seconds=9)).transform.translation.x == x
    listener.unregister()


@drop_ins_only
def test_a_static_transform_may_be_replaced(graph: Graph) -> None:
    broadcaster = tf2_ros.StaticTransformBroadcaster(graph.node("broadcaster"))
    broadcaster.sendTransform([transform("base", "lidar", 0.0, 1.0), transform("base", "camera", 0.0, 2.0)])
    broadcaster.sendTransform(transform("base", "lidar", 0.0, 3.0))
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, graph.node("listener"))

    def replaced() -> bool:
        found = buffer.can_transform("lidar", "camera", LATEST)
        return found and buffer.lookup_transform("base", "lidar", LATEST).transform.translation.x == 3.0

    graph.spin_until(replaced)
    listener.unregister()


@drop_ins_only
def test_a_callback_may_wait_for_a_transform(graph: Graph) -> None:
    """The callback blocks the only executor of its node; the listener's own thread must bring the transform."""
    broadcaster = tf2_ros.TransformBroadcaster(graph.node("broadcaster"))
    node = graph.node("consumer")
    buffer = tf2_ros.Buffer(node=node)
    listener = tf2_ros.TransformListener(buffer, node, spin_thread=True)
    graph.spin_until(lambda: broadcaster.pub_tf.get_subscription_count() == 1)
    found: list[float] = []

    def look_up() -> None:
        timer.cancel()
        broadcaster.sendTransform(transform("odom", "base", 1.0, 5.0))
        stamped = buffer.lookup_transform("odom", "base", Time(seconds=1), Duration(seconds=DEADLINE_S))
        found.append(stamped.transform.translation.x)

    timer = node.create_timer(0.001, look_up)
    graph.spin_until(lambda: bool(found))
    assert found == [5.0]
    listener.unregister()


@drop_ins_only
def test_the_thread_of_a_listener_ends(graph: Graph) -> None:
    node = graph.node("consumer")
    before = set(threading.enumerate())
    listeners = [tf2_ros.TransformListener(tf2_ros.Buffer(), node, spin_thread=True) for _ in range(2)]
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    listeners[0].unregister()
    assert sum(thread.is_alive() for thread in threads) == 1
    rclpy.shutdown(context=graph.context)
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


@drop_ins_only
@pytest.mark.parametrize("ending", ["", "rclpy.shutdown()", "node.destroy_node(); rclpy.shutdown()"])
def test_a_process_that_forgets_its_listener_exits_cleanly(
    ending: str, domain_id: int, tmp_path: Path
) -> None:
    script = f"""
from perception_nodes import compat
compat.install()
import rclpy, tf2_ros
rclpy.init()
node = rclpy.create_node("forgetful")
buffer = tf2_ros.Buffer(node=node)
listener = tf2_ros.TransformListener(buffer, node, spin_thread=True)
rclpy.spin_once(node, timeout_sec=0.2)
{ending}
"""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain_id),
        "ROS_LOG_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, timeout=DEADLINE_S, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


@drop_ins_only
def test_remappings_of_the_node_count_in_the_thread_too(graph: Graph) -> None:
    broadcaster_node = graph.node("broadcaster", cli_args=["--ros-args", "-r", "/tf:=/robot/tf"])
    broadcaster = tf2_ros.TransformBroadcaster(broadcaster_node)
    node = graph.node("consumer", cli_args=["--ros-args", "-r", "/tf:=/robot/tf"])
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node, spin_thread=True)
    graph.spin_until(lambda: broadcaster.pub_tf.get_subscription_count() == 1)
    broadcaster.sendTransform(transform("odom", "base", 1.0, 5.0))
    assert buffer.can_transform("odom", "base", Time(seconds=1), Duration(seconds=DEADLINE_S))
    listener.unregister()


def test_a_jump_of_the_clock_clears_what_moves(graph: Graph) -> None:
    use_sim_time = Parameter("use_sim_time", value=True)
    node = graph.node("consumer", parameter_overrides=[use_sim_time])
    buffer = tf2_ros.Buffer(node=node)
    clock = graph.node("player").create_publisher(Clock, "/clock", 10)

    def tick(seconds: int) -> None:
        def told() -> bool:
            clock.publish(
                Clock(clock=Time(seconds=seconds).to_msg())
            )  # again and again: /clock is best effort
            return node.get_clock().now().nanoseconds == seconds * 10**9

        graph.spin_until(told)

    graph.spin_until(lambda: clock.get_subscription_count() == 1)
    tick(100)
    buffer.set_transform(transform("odom", "base", 100.0, 1.0), "test")
    buffer.set_transform_static(transform("base", "lidar", 0.0, 1.0), "test")
    tick(101)
    assert buffer.can_transform("odom", "lidar", LATEST)
    tick(50)
    assert not buffer.can_transform("odom", "base", Time(seconds=100))
    assert buffer.can_transform("base", "lidar", LATEST)
    buffer.set_transform(transform("odom", "base", 50.0, 1.0), "test")
    assert buffer.can_transform("odom", "lidar", LATEST)


def test_topics_are_joined_by_their_stamps(graph: Graph) -> None:
    source, sink = graph.node("source"), graph.node("sink")
    topics = ("left", "right")
    publishers = [source.create_publisher(PointStamped, topic, 10) for topic in topics]
    subscribers = [message_filters.Subscriber(sink, PointStamped, topic, qos_profile=10) for topic in topics]
    assert [subscriber.getTopic() for subscriber in subscribers] == ["left", "right"]
    assert subscribers[0].topic_name == "/left"
    sets: list[tuple[float, float]] = []
    synchronizer = message_filters.ApproximateTimeSynchronizer(subscribers, 10, 0.05)
    synchronizer.registerCallback(lambda left, right: sets.append((left.point.x, right.point.x)))
    graph.spin_until(lambda: all(publisher.get_subscription_count() == 1 for publisher in publishers))
    for offset, publisher in zip((0.0, 0.02), publishers, strict=True):
        for seconds in (1.0, 2.0, 3.0):
            point = PointStamped()
            point.header.stamp = Time(nanoseconds=round((seconds + offset) * 1e9)).to_msg()
            point.point.x = seconds
            publisher.publish(point)
    graph.spin_until(lambda: len(sets) == 3)
    assert sorted(sets) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
