"""The base of every node: lifecycle, accounting, errors, health, time jumps. Node files hold only what they are for.

This is the one place that catches `PerceptionError`: the message is dropped, counted, published as a DropEvent and
logged. Anything else is a bug and ends the node with its traceback.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy

from perception_nodes import msg
from perception_nodes.datatypes import (
    Drop,
    DropReason,
    FrameInfo,
    LatencyTrace,
    Modality,
    Mode,
    PerceptionError,
    Rig,
    SensorStatus,
    load_rig,
)
from perception_nodes.datatypes.errors import ConfigurationError
from perception_nodes.geometry.compilation import announced

from . import qos
from .accounts import Account
from .convert import from_msg, to_msg
from .heartbeat import NodeState, Vitals, diagnostics_message, health_message
from .parameters import config_hash, declare, declare_reliability, unknown
from .raw import header_stamp_ns
from .reliability import FollowingInput
from .session import Session

_HOST = socket.gethostname()
_BACK = Duration(nanoseconds=-1_000_000)
_FORWARD = Duration(seconds=2)
_FAREWELL = Duration(seconds=1)  # on a busy machine; else they have it at once
_PLAYBACK_RATE = {
    "help": "recorded seconds per second: below 1 what is waited for comes as much later by the wall",
    "low": 0.01,
    "high": 100.0,
}


class PerceptionNode(LifecycleNode):
    """Subclasses implement `setup` (parameters, models, outputs), `start` (inputs) and, with state, `reset`.

    output_rate_hz: what the node promises; NaN for nodes that only answer. With `autostart` the node configures and
    activates itself; else a lifecycle manager does.
    """

    output_rate_hz = float("nan")
    model_id = ""
    model_hash = ""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.accounts: dict[str, Account] = {}
        self.vitals = Vitals()
        self.session = Session()
        self.faults: set[str] = set()
        self._notices: set[str] = set()  # said with the faults; the node works none the worse
        self._following: list[FollowingInput] = []
        self._kept: set[Any] = set()  # subscriptions and timers from before it was activated
        self.active = False
        self._sequences: Counter[str] = Counter()
        self._drop_totals: Counter[tuple[str, DropReason]] = Counter()
        self._health_sequence = 0
        self._after_jump = False
        self._ros_ns_before = 0
        self._config_hash = ""
        self.wall = Clock(clock_type=ClockType.STEADY_TIME)
        autostart = bool(declare(self, "autostart", True, {"help": "configure and activate at start"}))
        self.reliable_inputs = declare_reliability(self)
        self.slowness = max(1.0, 1.0 / float(declare(self, "playback_rate", 1.0, _PLAYBACK_RATE)))
        rig = str(declare(self, "rig", "", {"help": "rig file: sensors, topics, frames"}))
        if not rig:
            raise ConfigurationError(f"{name}: parameter rig: wanted the path of a rig file, got none")
        self.rig: Rig = load_rig(Path(rig))
        self._health = self.create_publisher(msg.PerceptionHealth, "/perception/health", qos.health())
        self._drops = self.create_publisher(msg.DropEvent, "/perception/drops", qos.events())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.events())
        self._beat = self.create_timer(0.1, self._heartbeat, clock=self.wall)
        self._slow_beat = self.create_timer(1.0, self._diagnose, clock=self.wall)
        threshold = JumpThreshold(min_forward=_FORWARD, min_backward=_BACK, on_clock_change=False)
        self._jump_handle = self.get_clock().create_jump_callback(
            threshold, pre_callback=self._before_jump, post_callback=self._on_jump
        )
        if autostart:
            self._autostart = self.create_timer(0.0, self._start_alone, clock=self.wall)

    # ------------------------------------------------------------------ to be implemented
    def setup(self) -> None:
        """Declare parameters, load and warm models, create outputs. Raises PerceptionError if that is impossible."""

    def start(self) -> None:
        """Create inputs and timers: from now on messages come."""

    def reset(self) -> None:
        """Forget all state: the clock has jumped. Waiting messages are to be dropped as TIME_JUMP."""

    def drain(self) -> None:
        """Drop what is waiting as SHUTDOWN; stop threads."""

    def mode(self) -> Mode:
        """State of the node by its inputs; nodes with a sharper view override it."""
        if self.active and self._after_jump:
            return Mode.FAULT
        if not self.active or self.vitals.last_output_stamp_ns == 0:
            return Mode.STARTING
        return self.input_mode()

    def input_mode(self) -> Mode:
        """What the inputs allow for, whether or not there has been an output: the mode of what is made of them."""
        promised = [a for a in self.accounts.values() if a.expected_rate_hz > 0]
        now = self.ros_ns(), time.monotonic_ns()
        lost = [a for a in promised if not a.available or a.blind or a.stale(*now)]
        if promised and len(lost) == len(promised):
            return Mode.BLIND
        return Mode.DEGRADED if lost or self.faults else Mode.NOMINAL

    # ------------------------------------------------------------------ lifecycle
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            with announced(self.get_logger().info):
                self.setup()
        except PerceptionError as error:
            self.get_logger().error(f"cannot be configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self._config_hash = config_hash(self)
        self._tell_unknown_parameters()
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        if self._kept:  # activated before: nothing of that time counts
            self.reset()
            self.session.begin(self._restart)
        self._kept = {*self.subscriptions, *self.timers}
        self.active = True
        self.start()
        self._heartbeat()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.finish()
        # What `start` has made, and followed inputs have made since: it will be made again.
        self._following.clear()
        for subscription in set(self.subscriptions) - self._kept:
            self.destroy_subscription(subscription)
        for timer in set(self.timers) - self._kept:
            self.destroy_timer(timer)
        return super().on_deactivate(state)

    def finish(self) -> None:
        """Stop taking messages, account for those waiting, send the last counts."""
        if self.active:
            self.active = False
            self.drain()
            self._heartbeat()
            # The process may end right after: let what has been said arrive.
            for publisher in (self._drops, self._health):
                publisher.wait_for_all_acked(_FAREWELL)

    def _start_alone(self) -> None:
        self._autostart.cancel()
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()
            return
        raise ConfigurationError(f"{self.get_name()}: could not be configured; the reason is above")

    def _tell_unknown_parameters(self) -> None:
        """No error: a parameter file for all nodes (`/**`) rightly holds what some of them do not have."""
        for name, sentence in unknown(self).items():
            self.get_logger().warning(sentence)
            self._notices.add(f"PARAMETER.{name.upper()}.UNKNOWN")

    # ------------------------------------------------------------------ inputs
    def add_account(
        self, name: str, topic: str, modality: Modality = Modality.UNKNOWN, rate_hz: float = float("nan")
    ) -> Account:
        """Accounting for one input."""
        self.accounts[name] = Account(name, topic, modality, rate_hz)
        return self.accounts[name]

    def listen(
        self,
        account: Account,
        message_type: Any,
        profile: QoSProfile,
        handle: Callable[[Any, int], None],
        *,
        raw: bool = False,
    ) -> None:
        """Subscribe; `handle(message, received_monotonic_ns)` marks the message as used, keeps it, or raises.

        raw: the message comes as bytes (for those who need no more than its stamp). A best-effort `profile` follows
        what the publishers offer, unless the parameter reliable_inputs says otherwise.
        """

        def receive(message: Any) -> None:
            received_ns = time.monotonic_ns()
            stamp_ns = header_stamp_ns(message) if raw else from_msg.stamp_ns(message.header)
            account.note(stamp_ns, received_ns)
            if not self.active:
                self.drop(account, stamp_ns, DropReason.NOT_ACTIVE, "the node is not active")
                return
            with self.guarded(account, stamp_ns):
                handle(message, received_ns)

        def make(fitting: QoSProfile, changed: Callable[[], None] | None = None) -> Any:
            def matched(info: Any) -> None:
                account.publishers = int(info.current_count)
                if changed is not None:
                    changed()

            def incompatible(info: Any) -> None:
                if changed is not None:
                    changed()
                else:
                    self._incompatible(account.topic, fitting, info)

            events = SubscriptionEventCallbacks(incompatible_qos=incompatible, matched=matched)
            return self.create_subscription(
                message_type, account.topic, receive, fitting, event_callbacks=events, raw=raw
            )

        if self.reliable_inputs is None and profile.reliability == ReliabilityPolicy.BEST_EFFORT:
            self._following.append(FollowingInput(self, account.topic, profile, make))
        else:
            make(profile)

    @contextmanager
    def guarded(self, account: Account, stamp_ns: int) -> Iterator[None]:
        """Turn a PerceptionError into a counted drop of one message of `account`."""
        try:
            yield
        except PerceptionError as error:
            self.drop(account, stamp_ns, error.reason, str(error))

    def drop(
        self,
        account: Account,
        stamp_ns: int,
        reason: DropReason,
        detail: str,
        age_s: float = float("nan"),
        limit_s: float = float("nan"),
    ) -> None:
        """One message of `account` is not used, for a reason."""
        account.count(dropped=1)
        self.report_drop(Drop(stamp_ns, "", account.topic, reason, age_s, limit_s, detail))

    def report_drop(self, drop: Drop, count: int = 1) -> None:
        """Publish a drop that is already counted and log it, at most once in 2 s for a topic."""
        key = (drop.topic, drop.reason)
        self._drop_totals[key] += count
        self._drops.publish(to_msg.drop_event(drop, self.get_fully_qualified_name(), self._drop_totals[key]))
        if drop.reason not in (DropReason.SHUTDOWN, DropReason.NO_MATCH):
            text = f"dropped {drop.topic} at {drop.stamp_ns} ns: {drop.reason.name}: {drop.detail}"
            self.get_logger().warning(text, throttle_duration_sec=2.0)

    def _incompatible(self, topic: str, profile: QoSProfile, info: Any) -> None:
        offered = [qos.describe(p.qos_profile) for p in self.get_publishers_info_by_topic(topic)]
        policy = info.last_policy_kind
        self.get_logger().error(
            f"{topic}: QoS does not match ({policy}): wanted {qos.describe(profile)}; offered {offered or 'unknown'}"
        )
        self.faults.add("QOS." + topic.strip("/").replace("/", "_").upper())

    # ------------------------------------------------------------------ outputs
    def add_output(self, message_type: Any, topic: str, profile: QoSProfile) -> Any:
        """A publisher that says so when a subscriber asks for more than it offers."""

        def warn(_info: Any) -> None:
            wanted = [qos.describe(p.qos_profile) for p in self.get_subscriptions_info_by_topic(topic)]
            self.get_logger().error(
                f"{topic}: QoS does not match: offered {qos.describe(profile)}; wanted {wanted}"
            )

        events = PublisherEventCallbacks(incompatible_qos=warn)
        return self.create_publisher(message_type, topic, profile, event_callbacks=events)

    def frame_info(
        self,
        topic: str,
        latency: LatencyTrace,
        sensors: tuple[SensorStatus, ...],
        mode: Mode | None = None,
        degraded_mask: int = 0,
        coverage: float = float("nan"),
        invalid_reason: str = "",
    ) -> FrameInfo:
        """FrameInfo of the next message on `topic`."""
        sequence = self._sequences[topic]
        self._sequences[topic] += 1
        return FrameInfo(
            session_id=self.session.number,
            sequence=sequence,
            mode=Mode.NOMINAL if mode is None else mode,
            latency=latency,
            valid=not invalid_reason,
            invalid_reason=invalid_reason,
            degraded_mask=degraded_mask,
            model_id=self.model_id,
            model_hash=self.model_hash,
            config_hash=self._config_hash,
            coverage_fraction=coverage,
            sensors=sensors,
        )

    def trace(self, sensor_stamps_ns: list[int], start_ns: int) -> LatencyTrace:
        """A trace whose first stage is this node, from `start_ns` (monotonic) until now."""
        known = [s for s in sensor_stamps_ns if s] or [0]
        first = LatencyTrace("monotonic", _HOST, min(known), max(known))
        return first.extended(self.get_name(), start_ns, time.monotonic_ns())

    def extend(self, trace: LatencyTrace, start_ns: int) -> LatencyTrace:
        """`trace` with this node as the next stage."""
        return trace.extended(self.get_name(), start_ns, time.monotonic_ns())

    def sent(self, stamp_ns: int, start_ns: int) -> None:
        """Note that an output has been published, for rate and latency."""
        self.vitals.output(stamp_ns, (time.monotonic_ns() - start_ns) * 1e-6)
        self._after_jump = False

    # ------------------------------------------------------------------ time and health
    def wait_ns(self, duration_s: float) -> int:
        """How long to wait by the wall for what comes within a duration of sensor time."""
        return round(duration_s * self.slowness * 1e9)

    def ros_ns(self) -> int:
        """ROS time now, ns."""
        return int(self.get_clock().now().nanoseconds)

    def sensor_status(self) -> tuple[SensorStatus, ...]:
        """State of the inputs, in the order in which they were added."""
        ros_ns, wall_ns = self.ros_ns(), time.monotonic_ns()
        return tuple(a.status(ros_ns, wall_ns) for a in self.accounts.values())

    def _before_jump(self) -> None:
        self._ros_ns_before = self.ros_ns()

    def _on_jump(self, jump: TimeJump) -> None:
        # The first message on /clock is a start, not a jump.
        if self._ros_ns_before == 0 or not any(a.received for a in self.accounts.values()):
            return
        delta_s = jump.delta.nanoseconds * 1e-9
        self.get_logger().warning(
            f"the clock jumped by {delta_s:+.3f} s: state is reset, a new session begins"
        )
        self.reset()
        self.session.begin(self._restart)
        self._after_jump = True

    def _restart(self) -> None:
        self._sequences.clear()
        self.vitals.last_output_stamp_ns = 0
        for account in self.accounts.values():
            account.restart()

    def _fault_codes(self) -> list[str]:
        name = self.get_name().upper()
        wall_ns, ros_ns = time.monotonic_ns(), self.ros_ns()
        stale = [a for a in self.accounts.values() if a.stale(ros_ns, wall_ns)]
        codes = {f"{name}.{a.name.upper()}.STALE" for a in stale}
        codes |= {f"{name}.{a.name.upper()}.NOT_AVAILABLE" for a in self.accounts.values() if not a.available}
        codes |= {f"{name}.{a.name.upper()}.BLIND" for a in self.accounts.values() if a.blind}
        return sorted(codes | {f"{name}.{f}" for f in self.faults | self._notices})

    def _health_now(self) -> Any:
        self._health_sequence += 1
        state = NodeState(
            self.get_fully_qualified_name(),
            self.session.number,
            self._health_sequence,
            self.get_clock().now().to_msg(),
            self.mode(),
            self._fault_codes(),
            self.output_rate_hz,
            sum(self._drop_totals.values()),
            self.active,
        )
        return health_message(state, self.vitals, self.sensor_status())

    def _heartbeat(self) -> None:
        for item in self._following:
            item.follow()
        self.vitals.sample()
        self._health.publish(self._health_now())

    def _diagnose(self) -> None:
        self._diagnostics.publish(diagnostics_message(self._health_now(), _HOST))
