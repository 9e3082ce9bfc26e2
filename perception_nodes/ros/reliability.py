"""Sensor inputs that ask for what their publishers offer.

Best effort hears every publisher, but of a driver with the default transport it loses each message above 0.5 MB
(measured: docs/architecture.md); reliable hears only those that offer it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

Make = Callable[[QoSProfile, Callable[[], None]], Any]

_RELIABLE = ReliabilityPolicy.RELIABLE
_BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT


def fitting(offered: Iterable[ReliabilityPolicy], now: ReliabilityPolicy) -> ReliabilityPolicy:
    """Reliable if all publishers offer it, best effort if one does not; `now` while there are none."""
    policies = set(offered)
    if not policies:
        return now
    return _RELIABLE if policies == {_RELIABLE} else _BEST_EFFORT


class FollowingInput:
    """A subscription that is made again when the publishers of its topic ask for another reliability.

    make(profile, changed) subscribes. `changed` may be called from a callback of the subscription itself, `follow`
    may not: it destroys it. What is published while it is made anew (some ms) is lost.
    """

    def __init__(self, node: Node, topic: str, profile: QoSProfile, make: Make) -> None:
        self._node = node
        self._topic = topic
        self._profile = profile
        self._make = make
        self._changed = False
        # Publishers that are known already need no second subscription.
        profile.reliability = self._fitting()
        self._subscription = make(profile, self.changed)

    def changed(self) -> None:
        """A publisher has come, gone, or does not match."""
        self._changed = True

    def follow(self) -> None:
        """Ask for something else if the publishers want it."""
        if not self._changed:
            return
        self._changed = False
        wanted = self._fitting()
        if wanted == self._profile.reliability:
            return
        self._node.get_logger().info(f"{self._topic}: its publishers want {wanted.name}: subscribing anew")
        self._node.destroy_subscription(self._subscription)
        self._profile.reliability = wanted
        self._subscription = self._make(self._profile, self.changed)

    def _fitting(self) -> ReliabilityPolicy:
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        return fitting((p.qos_profile.reliability for p in publishers), self._profile.reliability)
