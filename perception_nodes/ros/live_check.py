"""Checks of the graph that is running now on this host and domain."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.serialization import deserialize_message

from perception_nodes.datatypes import DropReason, Finding, Level, Mode

from . import transport
from .recorder import message_class

_STAMPED = ("sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry")
_DISCOVERY_S = 1.0
_OLD_S = 0.5


class _Listener:
    """Counts messages and stamps for a while."""

    def __init__(self) -> None:
        transport.configure()
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("doctor", context=self.context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.stamps: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.health: dict[str, Any] = {}
        self.drops: dict[tuple[str, str, str], int] = defaultdict(int)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.05)

    def listen(self, topic: str, type_name: str) -> None:
        cls = message_class(type_name)
        if cls is None:
            return
        qos = QoSProfile(
            depth=50, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
        )
        self.node.create_subscription(
            cls, topic, lambda raw: self._note(topic, type_name, cls, raw), qos, raw=True
        )

    def _note(self, topic: str, type_name: str, cls: Any, raw: bytes) -> None:
        message = deserialize_message(raw, cls)
        if type_name == "perception_nodes/msg/PerceptionHealth":
            self.health[str(message.node)] = message
        elif type_name == "perception_nodes/msg/DropEvent":
            reason = DropReason(int(message.reason)).name
            self.drops[(str(message.node), str(message.topic), reason)] += 1
        else:
            stamp = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
            self.stamps[topic].append((time.time(), stamp))

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def check_graph(seconds: float = 3.0) -> Iterator[Finding]:
    """Listen for `seconds`: QoS of both ends of every topic, rates and ages of stamps, health of nodes, drops."""
    listener = _Listener()
    try:
        listener.spin(_DISCOVERY_S)
        topics = dict(listener.node.get_topic_names_and_types())
        nodes = [n for n in listener.node.get_node_names() if n != "doctor"]
        if not nodes:
            what = "no other node is visible on this host and domain"
            yield Finding(Level.WARN, "graph", what, "start it, or set ROS_DOMAIN_ID to its domain")
            return
        yield Finding(Level.OK, "graph", f"{len(nodes)} nodes: {', '.join(sorted(nodes))}")
        for topic in topics:
            yield from _check_qos(listener.node, topic)
        for topic, types in topics.items():
            if types[0] in _STAMPED or types[0] in (
                "perception_nodes/msg/PerceptionHealth",
                "perception_nodes/msg/DropEvent",
                "perception_nodes/msg/TrackedObjectArray",
            ):
                listener.listen(topic, types[0])
        listener.spin(seconds)
        yield from _stamps(listener, sim_time="/clock" in topics)
        yield from _health(listener)
    finally:
        listener.close()


def _check_qos(node: Any, topic: str) -> Iterator[Finding]:
    for publisher in node.get_publishers_info_by_topic(topic):
        for subscription in node.get_subscriptions_info_by_topic(topic):
            verdict, reason = qos_check_compatible(publisher.qos_profile, subscription.qos_profile)
            if verdict == QoSCompatibility.ERROR:
                what = f"{publisher.node_name} cannot reach {subscription.node_name}: {reason.strip()}"
                yield Finding(Level.ERROR, topic, what, "ask for no more than the publisher offers")


def _stamps(listener: _Listener, sim_time: bool) -> Iterator[Finding]:
    for topic, pairs in sorted(listener.stamps.items()):
        times = np.array(pairs)
        backwards = int((np.diff(times[:, 1]) < 0).sum())
        if backwards:
            yield Finding(
                Level.ERROR, topic, f"stamps run backwards {backwards} times", "check the driver's clock"
            )
        if len(times) > 1:
            rate = (len(times) - 1) / max(times[-1, 0] - times[0, 0], 1e-9)
            yield Finding(Level.OK, topic, f"{rate:.1f} Hz")
        age = float(np.median(times[:, 0] - times[:, 1]))
        if not sim_time and abs(age) > _OLD_S:
            what = f"stamps are {age:+.2f} s from this computer's clock"
            yield Finding(
                Level.WARN, topic, what, "synchronise the clocks, or set use_sim_time with a /clock"
            )


def _health(listener: _Listener) -> Iterator[Finding]:
    for name, message in sorted(listener.health.items()):
        mode = Mode(int(message.mode))
        level = {Mode.NOMINAL: Level.OK, Mode.STARTING: Level.NOTE, Mode.DEGRADED: Level.WARN}.get(
            mode, Level.ERROR
        )
        faults = ", ".join(message.active_faults)
        what = f"{mode.name}, p95 {message.latency_p95_ms:.0f} ms, {message.cpu_percent:.0f} % CPU"
        yield Finding(level, name, what + (f": {faults}" if faults else ""))
    for (node, topic, reason), count in sorted(listener.drops.items()):
        yield Finding(
            Level.WARN,
            node,
            f"dropped {count} messages of {topic}: {reason}",
            "see detail on /perception/drops",
        )
