"""The receiver's helper: objects, and whether they may be relied upon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node

from perception_nodes import msg
from perception_nodes.datatypes import Mode

from . import qos
from .convert.point_cloud import stamp_ns
from .reception import Reception, ReceptionConfig, ReceptionStatus

_WATCH_S = 0.02


class PerceptionSubscriber:
    """Subscribes to an output with a `FrameInfo` and judges it by the contracts of docs/interfaces.md.

    on_message(message, status) is called for each message; on_change(status) when alive, freq_ok, fresh, valid or
    mode has changed, by silence too. Both run in the executor of `node`. Changes are logged by `node`.
    """

    def __init__(
        self,
        node: Node,
        on_message: Callable[[Any, ReceptionStatus], None] | None = None,
        *,
        topic: str = "/perception/objects",
        message_type: Any = msg.TrackedObjectArray,
        config: ReceptionConfig | None = None,
        on_change: Callable[[ReceptionStatus], None] | None = None,
    ) -> None:
        self.message: Any = None
        self.topic = topic
        self._node = node
        self._on_message, self._on_change = on_message, on_change
        self._reception = Reception(config or ReceptionConfig(), time.monotonic_ns())
        self._known = _judgement(self.status)
        profile = qos.objects()
        events = SubscriptionEventCallbacks(
            liveliness=self._liveliness, incompatible_qos=lambda info: self._incompatible(profile, info)
        )
        self._subscription = node.create_subscription(
            message_type, topic, self._receive, profile, event_callbacks=events
        )
        # A clock that no pause of /clock stops: silence must be noticed.
        self._timer = node.create_timer(_WATCH_S, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def status(self) -> ReceptionStatus:
        """State now."""
        return self._reception.status(time.monotonic_ns(), int(self._node.get_clock().now().nanoseconds))

    @property
    def objects(self) -> list[Any]:
        """Confirmed and coasting objects of the newest message. Empty means free only where the mode is NOMINAL."""
        wanted = (msg.TrackedObject.STATE_CONFIRMED, msg.TrackedObject.STATE_COASTING)
        return [o for o in self.message.objects if o.state in wanted] if self.message is not None else []

    @property
    def alive(self) -> bool:
        """Messages come, and the publisher asserts its liveliness."""
        return self.status.alive

    @property
    def freq_ok(self) -> bool:
        """No message is overdue, and the promised rate is kept."""
        return self.status.freq_ok

    @property
    def fresh(self) -> bool:
        """The newest content is not too old."""
        return self.status.fresh

    @property
    def valid(self) -> bool:
        """Alive, and the publisher says that the content may be used."""
        return self.status.valid

    @property
    def mode(self) -> Mode:
        """What the publisher says, or worse by silence."""
        return self.status.mode

    @property
    def lost(self) -> int:
        """Messages missing in this session, by gaps in the sequence."""
        return self.status.lost

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _receive(self, message: Any) -> None:
        info = message.info
        self._reception.receive(
            int(info.session_id),
            int(info.sequence),
            Mode(int(info.mode)),
            bool(info.valid),
            stamp_ns(message.header),
            time.monotonic_ns(),
        )
        self.message = message
        self._watch()
        if self._on_message is not None:
            self._on_message(message, self.status)

    def _watch(self) -> None:
        status = self.status
        judgement = _judgement(status)
        if judgement == self._known:
            return
        before, self._known = self._known, judgement
        text = f"{self.topic}: {describe(status)}"
        if status.mode == Mode.FAULT:
            self._node.get_logger().error(text)
        elif before[0] != Mode.STARTING and (judgement > before or status.late):
            self._node.get_logger().warning(text)
        else:
            self._node.get_logger().info(text)
        if self._on_change is not None:
            self._on_change(status)

    def _liveliness(self, info: Any) -> None:
        self._reception.liveliness(int(info.alive_count))
        self._watch()

    def _incompatible(self, wanted: Any, info: Any) -> None:
        offered = [qos.describe(p.qos_profile) for p in self._node.get_publishers_info_by_topic(self.topic)]
        self._node.get_logger().error(
            f"{self.topic}: QoS does not match ({info.last_policy_kind}): wanted {qos.describe(wanted)}; "
            f"offered {offered or 'unknown'}"
        )


def describe(status: ReceptionStatus) -> str:
    """One line for the log."""
    flags = ("alive", "freq_ok", "fresh", "valid")
    words = [name if getattr(status, name) else f"not {name}" for name in flags]
    return f"{status.mode.name}: {', '.join(words)}; silent {status.silence_s:.2f} s, lost {status.lost}"


def _judgement(status: ReceptionStatus) -> tuple[int, bool, bool, bool, bool]:
    """What counts as a change; greater is worse."""
    return (int(status.mode), not status.alive, not status.valid, not status.fresh, not status.freq_ok)
