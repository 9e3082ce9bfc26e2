"""Joins detection messages by the stamps of a FrameSet, with a time limit; every message is used or dropped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perception_nodes.datatypes import (
    DropReason,
    FrameSet,
    Modality,
    PerceptionError,
    SensorStatus,
    TransformUnavailable,
)

from .convert import from_msg
from .convert.statuses import sensor_statuses
from .node import PerceptionNode

Fuse = Callable[[FrameSet, tuple[SensorStatus, ...], dict[str, Any], int], None]

_KEPT = 20
_FORGOTTEN_S = 1.0
_TRANSFORM_PATIENCE_S = 0.2


@dataclass(frozen=True)
class _Waiting:
    frame_set: FrameSet
    sensors: tuple[SensorStatus, ...]
    received_ns: int


class Joiner:
    """`fuse` is called once for each frame set, in order, as soon as all that is expected has come or time is up.

    Expected are the detections of sensors whose detector has spoken within the last second.
    """

    def __init__(self, node: PerceptionNode, wait_s: float, lidar_wait_s: float, fuse: Fuse) -> None:
        self._node = node
        self._wait_ns, self._lidar_wait_ns = node.wait_ns(wait_s), node.wait_ns(lidar_wait_s)
        self._fuse = fuse
        self._half_period_ns = round(0.5e9 / node.rig.sensor(node.rig.reference).rate_hz)
        self._sets: deque[_Waiting] = deque()
        self._messages: dict[str, deque[tuple[int, Any]]] = {}
        self._heard_ns: dict[str, int] = {}

    def handler(self, source: str) -> Callable[[Any, int], None]:
        """Callback for the detections of "lidar" or of a camera."""
        self._messages[source] = deque()

        def handle(message: Any, received_ns: int) -> None:
            queue = self._messages[source]
            self._heard_ns[source] = received_ns
            queue.append((from_msg.stamp_ns(message.header), message))
            if len(queue) > _KEPT:
                self._drop(
                    source,
                    queue.popleft()[0],
                    DropReason.QUEUE_OVERFLOW,
                    f"more than {_KEPT} wait for a frame set",
                )
            self.poll()

        return handle

    def frame_set(self, message: Any, received_ns: int) -> None:
        """Callback for frame sets."""
        value = from_msg.frame_set(message)
        self._sets.append(_Waiting(value, sensor_statuses(message.info.sensors), received_ns))
        self.poll()

    def poll(self) -> None:
        """Fuse every set, in order, that is complete or out of time."""
        while self._sets and self._node.active:
            waiting = self._sets[0]
            found = self._found(waiting.frame_set)
            now_ns = time.monotonic_ns()
            if not self._due(waiting, found, now_ns):
                return
            try:
                self._fuse(
                    waiting.frame_set,
                    waiting.sensors,
                    {k: m for k, (_, m) in found.items()},
                    waiting.received_ns,
                )
            except TransformUnavailable as error:
                if now_ns - waiting.received_ns < self._node.wait_ns(_TRANSFORM_PATIENCE_S):
                    return
                self._finish(found, error)
            except PerceptionError as error:
                self._finish(found, error)
            else:
                self._finish(found, None)

    def clear(self, reason: DropReason) -> None:
        """Drop everything that waits."""
        detail = "waiting when the node stopped or was reset"
        while self._sets:
            self._drop("frame_set", self._sets.popleft().frame_set.reference_ns, reason, detail)
        for source, queue in self._messages.items():
            while queue:
                self._drop(source, queue.popleft()[0], reason, detail)

    def _wanted(self, frame_set: FrameSet) -> dict[str, int]:
        """Stamp of the detection message of each source that belongs to the set."""
        present = {n: t for n, t in zip(frame_set.sensors, frame_set.stamp_ns, strict=True) if t}
        wanted = {name: stamp for name, stamp in present.items() if name in self._messages}
        lidars = [present[s.name] for s in self._node.rig.of(Modality.LIDAR) if s.name in present]
        if lidars:
            wanted["lidar"] = frame_set.stamp_ns[0] or lidars[0]
        return wanted

    def _found(self, frame_set: FrameSet) -> dict[str, tuple[int, Any]]:
        wanted = self._wanted(frame_set)
        at = {k: self._match(k, stamp) for k, stamp in wanted.items()}
        return {k: message for k, message in at.items() if message is not None}

    def _match(self, source: str, stamp_ns: int) -> tuple[int, Any] | None:
        """The message of exactly that stamp; of lidars the nearest within half a period.

        The synchroniser and the lidar's detector choose their stamps apart: when the reference is lost, or its clouds
        cannot be read, they need not be equal.
        """
        queue = self._messages[source]
        exact = next((m for m in queue if m[0] == stamp_ns), None)
        if exact is not None or source != "lidar" or not queue:
            return exact
        nearest = min(queue, key=lambda m: abs(m[0] - stamp_ns))
        return nearest if abs(nearest[0] - stamp_ns) < self._half_period_ns else None

    def _due(self, waiting: _Waiting, found: dict[str, Any], now_ns: int) -> bool:
        """All that is expected has come, or has been waited for long enough (for the lidar longer)."""
        missing = self._missing(waiting.frame_set, found, now_ns)
        limit_ns = self._lidar_wait_ns if "lidar" in missing else self._wait_ns
        return not missing or now_ns - waiting.received_ns >= limit_ns

    def _missing(self, frame_set: FrameSet, found: dict[str, Any], now_ns: int) -> set[str]:
        """Sources that have not come but whose detector has spoken lately (the lidar's may still be starting)."""
        silent = {s for s, t in self._heard_ns.items() if now_ns - t >= self._node.wait_ns(_FORGOTTEN_S)}
        unheard = set(self._messages) - set(self._heard_ns) - {"lidar"}
        return set(self._wanted(frame_set)) - set(found) - silent - unheard

    def _finish(self, found: dict[str, tuple[int, Any]], error: PerceptionError | None) -> None:
        """Account for the set at the front, for what it used, and for what is now too old for any set."""
        waiting = self._sets.popleft()
        accounts = self._node.accounts
        stamp_ns = waiting.frame_set.reference_ns
        if error is None:
            accounts["frame_set"].count(used=1)
        else:
            self._drop("frame_set", stamp_ns, error.reason, str(error))
        for source, match in found.items():
            self._messages[source].remove(match)
            if error is None:
                accounts[source].count(used=1)
            else:
                self._drop(source, match[0], error.reason, str(error))
        for source, stamp in self._wanted(waiting.frame_set).items():
            queue = self._messages[source]
            while queue and queue[0][0] <= stamp:
                self._drop(source, queue.popleft()[0], DropReason.NO_MATCH, "no frame set named it in time")

    def _drop(self, source: str, stamp_ns: int, reason: DropReason, detail: str) -> None:
        self._node.drop(self._node.accounts[source], stamp_ns, reason, detail)
