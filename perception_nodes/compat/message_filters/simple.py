"""The base of all filters, the filter that subscribes, and filters in a row."""

from collections.abc import Callable
from typing import Any

import rclpy.logging
from rclpy.clock import ROSClock
from rclpy.node import Node
from rclpy.time import Time


class SimpleFilter:
    """Has callbacks and calls them with its output."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802
        """Call `cb` with the output, followed by `args`; gives the key in `callbacks`."""
        key = max(self.callbacks, default=-1) + 1
        self.callbacks[key] = (cb, args)
        return key

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Give the output to all callbacks, which may register more."""
        for callback, args in tuple(self.callbacks.values()):
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """Subscribes to a topic and passes the messages on; keyword arguments as `Node.create_subscription`."""

    def __init__(self, node: Node, msg_type: Any, topic: str, qos_profile: Any = 10, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        self.sub = node.create_subscription(msg_type, topic, self.callback, qos_profile, **kwargs)

    def callback(self, msg: Any) -> None:
        """Pass a message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802
        """The topic as it was given."""
        return self.topic

    def __getattr__(self, key: str) -> Any:
        """What is not the filter's is the subscription's."""
        if key == "sub":
            raise AttributeError(key)  # asked for before __init__ has made it
        return getattr(self.sub, key)


class Chain(SimpleFilter):
    """Filters in a row: what goes into the chain goes into the first, what the last gives the chain gives.

    The filters must have `add`.
    """

    def __init__(self, message_filter: SimpleFilter | None = None) -> None:
        super().__init__()
        self._filters: dict[int, Any] = {}
        self.incoming_connection: int | None = None
        if message_filter is not None:
            self.connectInput(message_filter)

    def connectInput(self, message_filter: SimpleFilter) -> None:  # noqa: N802
        """Take what the filter gives.

        Raises:
            RuntimeError: the chain has an input already.
        """
        if self.incoming_connection is not None:
            raise RuntimeError("Chain: already connected")
        self.incoming_connection = message_filter.registerCallback(self.add)

    def addFilter(self, message_filter: SimpleFilter) -> int:  # noqa: N802
        """Put a filter at the end; gives its index."""
        index = len(self._filters)
        self._filters[index] = message_filter
        message_filter.registerCallback(self._pass_on, index)
        return index

    def _pass_on(self, *msg_and_index: Any) -> None:
        *msg, index = msg_and_index
        following = self._filters.get(index + 1)
        if following is None:
            self.signalMessage(*msg)
        else:
            following.add(*msg)

    def getFilter(self, index: int) -> Any:  # noqa: N802
        """The filter at an index.

        Raises:
            KeyError: there is none.
        """
        return self._filters[index]

    def add(self, msg: Any) -> None:
        """Put a message in."""
        if self._filters:
            self._filters[0].add(msg)
        else:
            self.signalMessage(msg)


def stamp_of(msg: Any, *, allow_headerless: bool, use_arrival: bool = False) -> Time | None:
    """The stamp of a message, or the ROS time now where that is asked for or allowed; None (and a warning) else."""
    if use_arrival:
        return ROSClock().now()
    stamp = getattr(getattr(msg, "header", None), "stamp", None)
    if stamp is not None:
        return stamp if hasattr(stamp, "nanoseconds") else Time.from_msg(stamp)
    if allow_headerless:
        return ROSClock().now()
    rclpy.logging.get_logger("message_filters").warning(
        f"{type(msg).__name__} has no header.stamp and is ignored; allow_headerless=True takes its arrival time"
    )
    return None
