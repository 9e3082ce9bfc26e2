"""Publishing a bag with rclpy: QoS, /clock, PlaybackState."""

from __future__ import annotations

import importlib
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from perception_nodes.msg import PlaybackState


def message_class(type_name: str) -> Any | None:
    """The class of `package/msg/Name`, None if that package is not installed or has no such message."""
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except ModuleNotFoundError:
        return None


def playback_qos(latched: bool, topic: str = "") -> QoSProfile:
    """Reliable, so that reliable and best-effort subscribers both match; deeper for /tf."""
    depth = 1 if latched else 100 if topic == "/tf" else 5
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability)


class ClockPublisher:
    """/clock with one message that is filled again and again."""

    def __init__(self, node: Node) -> None:
        self.publisher = node.create_publisher(Clock, "/clock", playback_qos(latched=False))
        self._message = Clock()

    def publish(self, stamp_ns: int) -> None:
        """Publish a time."""
        self._message.clock.sec, self._message.clock.nanosec = divmod(int(stamp_ns), 1_000_000_000)
        self.publisher.publish(self._message)


def playback_state(player: Any, timeline: Any, loop: int, finished: bool) -> Any:
    """perception_nodes/PlaybackState from a `datasets.Player` and its `Timeline`."""
    message = PlaybackState()
    sec, nanosec = divmod(timeline.stamp_start_ns, 1_000_000_000)
    message.header.stamp = Time(sec=sec, nanosec=nanosec)
    message.stamp_start_ns = timeline.stamp_start_ns
    message.stamp_end_ns = player.end_ns
    message.wall_start_ns = timeline.wall_start_ns
    message.rate = float(timeline.rate)
    message.loop = loop
    message.finished = finished
    message.topics = list(player.topics)
    message.published = [player.published[t] for t in player.topics]
    message.skipped = [player.skipped[t] for t in player.topics]
    return message
