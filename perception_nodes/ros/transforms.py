"""tf2 as `geometry.Transform`: always at a stamp, never the latest."""

from __future__ import annotations

from typing import Any

import rclpy.time
from rclpy.duration import Duration

from perception_nodes import compat
from perception_nodes.datatypes import TransformUnavailable
from perception_nodes.geometry import Transform

from .convert import from_msg

compat.install()

import tf2_ros  # noqa: E402 - the drop-ins must be on the path first


class TransformStore:
    """A tf2 buffer. With a node it listens to /tf and /tf_static; without, messages are added by hand."""

    def __init__(self, node: Any = None, cache_s: float = 10.0) -> None:
        self.buffer = tf2_ros.Buffer(cache_time=Duration(nanoseconds=round(cache_s * 1e9)))
        self._listener = (
            tf2_ros.TransformListener(self.buffer, node, spin_thread=False) if node is not None else None
        )

    def add(self, message: Any, *, static: bool) -> None:
        """Add a tf2_msgs/TFMessage."""
        for item in message.transforms:
            if static:
                self.buffer.set_transform_static(item, "")
            else:
                self.buffer.set_transform(item, "")

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform:
        """target_from_source at a stamp; raises TransformUnavailable with tf2's reason if there is none (yet).

        With a node to be called in the thread of its executor only.
        """
        if target == source:
            return Transform.identity()
        stamp = rclpy.time.Time(nanoseconds=stamp_ns)
        if self._listener is not None and not self.buffer.can_transform(target, source, stamp):
            self._read_waiting(self._listener)
        try:
            found = self.buffer.lookup_transform(target, source, stamp)
        except tf2_ros.TransformException as error:
            raise TransformUnavailable(
                f"no transform {target} <- {source} at {stamp_ns} ns: {error}"
            ) from error
        return from_msg.transform(found.transform)

    def _read_waiting(self, listener: Any) -> None:
        """Read what has come on /tf and /tf_static but is still in the executor's queue.

        A sweep overtakes transforms there: of clouds only the newest two are kept, and they are handed out at the turn
        of those that they have replaced. On a machine without CPU to spare the transforms came seconds later.
        """
        for subscription, static in ((listener.tf_static_sub, True), (listener.tf_sub, False)):
            with subscription.handle:
                while (taken := subscription.handle.take_message(subscription.msg_type, False)) is not None:
                    self.add(taken[0], static=static)

    def clear(self) -> None:
        """Forget everything that moves (after a jump of the clock)."""
        self.buffer.clear()
