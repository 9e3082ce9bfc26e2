"""Records a graph's outputs: every topic below given prefixes, as serialised bytes, in ROS time.

The recorder is a participant of its own inside the process that asked for the run; it also keeps the few figures that
a progress line needs. It decodes nothing but health, state, playback and the object arrays.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from .raw import header_stamp_ns

# topic, type, ROS time of receipt in ns, serialised message
Sink = Callable[[str, str, int, bytes], None]

_DEPTH = 1000
_DISCOVERY_PERIOD_S = 0.1
_LOOK_NS = 500_000_000
_LOOK_S = 0.2
_AT_ONCE = 3
_DECODED = {
    "perception_nodes/msg/PerceptionHealth": "health",
    "perception_nodes/msg/PlaybackState": "playback",
    "perception_nodes/msg/TrackedObjectArray": "objects",
}


def message_class(type_name: str) -> Any | None:
    """The class of `package/msg/Name`, None if that package is not installed."""
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except ModuleNotFoundError:
        return None


class Recorder:
    """Subscribes to every topic under `prefixes` as it appears and hands each message to `sink`.

    ROS time of receipt comes from the wall clock through the newest PlaybackState, so that it is exact to the
    microsecond and not to the tick of /clock; until one has come, messages are held back. Without any player (`live`)
    it is the system time.
    """

    def __init__(
        self, sink: Sink, prefixes: Sequence[str], *, live: bool = False, domain_id: int | None = None
    ) -> None:
        self._sink = sink
        self._prefixes = tuple(prefixes)
        self._live = live
        self._playback: Any = None
        self._held: deque[tuple[str, str, int, bytes]] = deque()
        self._lock = threading.Lock()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self._node = rclpy.create_node("recorder", context=self._context, start_parameter_services=False)
        self._executor = EventsExecutor(context=self._context)
        self._closing = threading.Event()
        self._executor.add_node(self._node)
        self._node.create_timer(_DISCOVERY_PERIOD_S, self._discover)
        self._subscribed: dict[str, str] = {}
        self._matched: set[str] = set()
        self.unknown_types: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.health: dict[str, Any] = {}
        self._decoded_ns = 0
        self.last_objects: Any = None
        self.latency_s: list[float] = []
        self.last_output_ns = 0
        self._thread = threading.Thread(target=self._spin, name="recorder", daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def playback(self) -> Any:
        """The newest PlaybackState message, None before the player has started."""
        return self._playback

    def publishers_of(self, topic: str) -> int:
        """How many publishers of a topic are visible now."""
        return len(self._node.get_publishers_info_by_topic(topic))

    def listeners(self, nodes: Sequence[str]) -> dict[str, int]:
        """How many subscriptions these nodes have, and the recorder will have, on each topic.

        Not of what is recorded already: who hears the nodes' own outputs need not be able to hear a bag's.
        """
        found: Counter[str] = Counter()
        for topic, _ in self._node.get_topic_names_and_types():
            if topic in self._subscribed:
                continue
            theirs = [s for s in self._node.get_subscriptions_info_by_topic(topic) if s.node_name in nodes]
            found[topic] = len(theirs) + topic.startswith(self._prefixes)
        return {topic: number for topic, number in found.items() if number}

    def is_active(self, node: str) -> bool:
        """Whether a node's newest heartbeat says that it has been activated."""
        message = self.health.get(f"/{node}")
        return message is not None and bool(message.active)

    def inputs_matched(self, nodes: Sequence[str]) -> bool:
        """Whether every input of these nodes has received something or at least found a publisher."""
        messages = [self.health.get(f"/{name}") for name in nodes]
        return all(
            m is not None and all(s.reason != m.sensors[0].REASON_STARTING for s in m.sensors)
            for m in messages
        )

    def hears(self, topic: str) -> bool:
        """Whether this topic, and every other that has been found, is connected: nothing of it will be missed."""
        return topic in self._matched and set(self._subscribed) <= self._matched

    def change_state(self, node: str, transition: int, timeout_s: float, alive: Callable[[], bool]) -> bool:
        """Ask a lifecycle node for a transition (lifecycle_msgs/Transition); False if it does not come about.

        Waits twice `timeout_s` at most, for the node to be there (as long as it is `alive`) and for its answer.
        """
        client: Any = self._node.create_client(ChangeState, f"/{node}/change_state")
        end = time.monotonic() + timeout_s
        while not client.wait_for_service(timeout_sec=_LOOK_S):
            if time.monotonic() > end or not alive():
                return False
        done = threading.Event()
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        future.add_done_callback(lambda _: done.set())
        result: Any = future.result() if done.wait(timeout_s) else None
        return result is not None and bool(result.success)

    def close(self) -> None:
        """Stop listening and hand over what is still held back. May be called twice."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5.0)
        self._executor.shutdown(timeout_sec=2.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        with self._lock:
            self._release(None)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while not self._closing.is_set():
                self._executor.spin_once(timeout_sec=0.1)

    def _discover(self) -> None:
        """Subscribe to topics that have appeared since the last look."""
        for topic, types in self._node.get_topic_names_and_types():
            if (
                topic in self._subscribed
                or topic in self.unknown_types
                or not topic.startswith(self._prefixes)
            ):
                continue
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            cls = message_class(types[0])
            if cls is None:
                self.unknown_types[topic] = types[0]
                continue
            self._subscribe(topic, types[0], cls, publishers)

    def _subscribe(self, topic: str, type_name: str, cls: Any, publishers: Sequence[Any]) -> None:
        reliable = all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
        latched = all(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers)
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        kind = _DECODED.get(type_name, "")

        def receive(raw: bytes) -> None:
            self._receive(topic, type_name, cls, kind, raw)

        def matched(info: Any) -> None:
            if info.current_count:
                self._matched.add(topic)

        events = SubscriptionEventCallbacks(matched=matched)
        self._node.create_subscription(cls, topic, receive, qos, raw=True, event_callbacks=events)
        self._subscribed[topic] = type_name

    def _receive(self, topic: str, type_name: str, cls: Any, kind: str, raw: bytes) -> None:
        now_ns = time.monotonic_ns()
        self.counts[topic] += 1
        with self._lock:
            if kind == "playback":
                self._playback = deserialize_message(raw, cls)
            elif kind == "health" and self._playback is None:
                # Only the start needs to know how the nodes are; decoding a hundred heartbeats a second costs CPU.
                message: Any = deserialize_message(raw, cls)
                self.health[message.node] = message
            self._held.append((topic, type_name, now_ns, raw))
            if kind == "objects":
                self._note_objects(cls, raw, now_ns)
            if self._live or self._playback is not None:
                self._release()

    def _note_objects(self, cls: Any, raw: bytes, now_ns: int) -> None:
        """Latency of every message, content of two a second."""
        if now_ns - self._decoded_ns > _LOOK_NS:
            self._decoded_ns = now_ns
            self.last_objects = deserialize_message(raw, cls)
        self.last_output_ns = now_ns
        if self._playback is not None:
            late_ns = self._ros_time(now_ns) - header_stamp_ns(raw)
            self.latency_s.append(late_ns * 1e-9 / self._playback.rate)

    def _release(self, limit: int | None = _AT_ONCE) -> None:
        """Hand over what is held, oldest first: a little at a time, because it piles up until playing starts, and
        that is when the nodes need the CPU.
        """
        for _ in range(len(self._held) if limit is None else min(limit, len(self._held))):
            topic, type_name, wall_ns, raw = self._held.popleft()
            self._sink(topic, type_name, self._ros_time(wall_ns), raw)

    def _ros_time(self, wall_ns: int) -> int:
        if self._playback is None:
            return time.time_ns() - (time.monotonic_ns() - wall_ns)
        elapsed = (wall_ns - int(self._playback.wall_start_ns)) * float(self._playback.rate)
        return max(0, int(self._playback.stamp_start_ns) + int(elapsed))


CONFIGURE = int(Transition.TRANSITION_CONFIGURE)
ACTIVATE = int(Transition.TRANSITION_ACTIVATE)
