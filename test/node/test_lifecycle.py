"""Nodes that a lifecycle manager deactivates and activates again."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle_msgs.msg import Transition

from perception_nodes import msg


def again(bench: Any, node: str) -> None:
    """Deactivate and activate."""
    assert bench.change(node, Transition.TRANSITION_DEACTIVATE)
    bench.until(lambda: not bench.last(node).active)
    bench.until(lambda: bench.points.get_subscription_count() == 0)
    assert bench.change(node, Transition.TRANSITION_ACTIVATE)
    bench.until(lambda: bench.last(node).active)


def test_a_lidar_detector_activated_again_takes_each_cloud_once(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link")
    bench.ready(bench.points)
    bench.cloud(1)
    bench.until(lambda: len(bench.detections) == 1)
    session = bench.last("lidar_detector").session_id
    again(bench, "lidar_detector")
    bench.until(lambda: bench.points.get_subscription_count() == 1)
    for k in (2, 3):
        bench.cloud(k)
        bench.until(lambda k=k: len(bench.detections) == k)
    bench.until(lambda: bench.last("lidar_detector").used == 2)
    health = bench.last("lidar_detector")
    assert (health.received, health.dropped) == (2, 0)
    assert health.session_id != session
    assert [int(d.info.sequence) for d in bench.detections] == [0, 0, 1]


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("sync", "/points"),
        ("camera_detector", "/camera_info"),
        ("fusion", "/perception/sync/frame_set"),
        ("tracker", "/perception/fusion/objects"),
        ("map_elements", "/points"),
    ],
)
def test_activated_again_a_node_has_each_input_once(bench: Any, name: str, topic: str) -> None:
    def count() -> int:
        return len(bench.node.get_subscriptions_info_by_topic(topic))

    bench.start(name)
    bench.until(lambda: count() == 1)
    for _ in range(2):
        again(bench, name)
    sequence = bench.last(name).sequence
    bench.until(lambda: bench.last(name).sequence > sequence + 3)
    bench.until(lambda: count() == 1)  # who has gone is forgotten with a delay
    assert bench.last(name).mode != msg.PerceptionHealth.MODE_FAULT
