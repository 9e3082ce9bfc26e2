"""Whom the player waits for, as the recorder counts them."""

from __future__ import annotations

import time

import rclpy
from std_msgs.msg import String

from perception_nodes.ros import qos
from perception_nodes.ros.recorder import Recorder


def test_only_those_who_hear_a_bag_are_waited_for(domain_id: int) -> None:
    """What nodes publish latched is recorded latched: the same topic of a bag may not be, and would never match."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    node = rclpy.create_node("fused", context=context)
    node.create_publisher(String, "/perception/state", qos.latched())
    for topic in ("/points", "/tf"):
        node.create_subscription(String, topic, print, 1)
    try:
        with Recorder(lambda *_: None, ("/perception/", "/tf"), domain_id=domain_id) as recorder:
            end = time.monotonic() + 20
            while not recorder.hears("/perception/state") or "/tf" not in recorder.listeners(["fused"]):
                assert time.monotonic() < end, recorder.listeners(["fused"])
                time.sleep(0.05)
            found = recorder.listeners(["fused"])
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    # Of /tf one will be the recorder's.
    assert found == {"/points": 1, "/tf": 2}
