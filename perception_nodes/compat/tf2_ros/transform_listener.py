"""Feeds a buffer from /tf and /tf_static."""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage
from tf2_py import BufferCore

from .qos import TF_STATIC_TOPIC, TF_TOPIC, latched, moving

_AUTHORITY = "default_authority"


class TransformListener:
    """Subscribes to /tf and /tf_static and sets what arrives in `buffer`.

    Differs from upstream: with `spin_thread=True` the subscriptions belong to a node of the listener's own, spun by
    its own thread. Upstream's thread spins the caller's node, which stops as soon as that node is added to another
    executor, and a lookup with a timeout in a callback of that executor then waits in vain.
    """

    def __init__(  # noqa: PLR0913  (upstream's signature)
        self,
        buffer: BufferCore,
        node: Node,
        *,
        spin_thread: bool = False,
        qos: QoSProfile | int | None = None,
        static_qos: QoSProfile | int | None = None,
        tf_topic: str = TF_TOPIC,
        tf_static_topic: str = TF_STATIC_TOPIC,
    ) -> None:
        self.buffer = buffer
        self.node = node
        self.group = ReentrantCallbackGroup()
        self.executor: SingleThreadedExecutor | None = None
        self.dedicated_listener_thread: threading.Thread | None = None
        self._stop: Callable[[], object] | None = None
        self._own_node: Node | None = None
        if spin_thread:
            # The caller's remappings count, not those of a node that the caller does not know of.
            tf_topic, tf_static_topic = map(node.resolve_topic_name, (tf_topic, tf_static_topic))
            self._own_node = _quiet_node(node)
        subscriber = self._own_node or node
        self.tf_sub = subscriber.create_subscription(
            TFMessage, tf_topic, self.callback, moving() if qos is None else qos, callback_group=self.group
        )
        self.tf_static_sub = subscriber.create_subscription(
            TFMessage,
            tf_static_topic,
            self.static_callback,
            latched(depth=100) if static_qos is None else static_qos,
            callback_group=self.group,
        )
        if self._own_node is not None:
            self._start(self._own_node)

    def _start(self, own_node: Node) -> None:
        self.executor = SingleThreadedExecutor(context=own_node.context)
        self.executor.add_node(own_node)
        self.dedicated_listener_thread = threading.Thread(
            target=_spin, args=(self.executor,), name="tf_listener", daemon=True
        )
        self.dedicated_listener_thread.start()
        # Also at exit: a thread that is inside of the middleware while the interpreter goes down aborts the process.
        self._stop = weakref.finalize(self, _stop, self.executor, self.dedicated_listener_thread)

    def unregister(self) -> None:
        """Stop listening; the buffer keeps what it has."""
        if self._stop is not None:
            self._stop()
            self.executor = self.dedicated_listener_thread = self._stop = None
        subscriber = self._own_node or self.node
        for subscription in (self.tf_sub, self.tf_static_sub):
            subscriber.destroy_subscription(subscription)
        if self._own_node is not None:
            self._own_node.destroy_node()
            self._own_node = None

    def callback(self, data: TFMessage) -> None:
        """Set the moving transforms of a message."""
        for transform in data.transforms:
            self.buffer.set_transform(transform, _AUTHORITY)

    def static_callback(self, data: TFMessage) -> None:
        """Set the static transforms of a message."""
        for transform in data.transforms:
            self.buffer.set_transform_static(transform, _AUTHORITY)


def _quiet_node(owner: Node) -> Node:
    """A node in the owner's context with no interface but the subscriptions to come."""
    return rclpy.create_node(
        f"{owner.get_name()}_tf_listener",
        context=owner.context,
        namespace=owner.get_namespace(),
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )


def _spin(executor: Any) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return  # the context went down: nothing left to listen to


def _stop(executor: SingleThreadedExecutor, thread: threading.Thread) -> None:
    executor.shutdown()
    thread.join()
