"""Accounting of one input of a node: received = used + dropped + waiting, at all times."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.datatypes import Modality, Qualifier, SensorReason, SensorStatus

_STALE_PERIODS = 2.5
_STALE_MIN_S = 0.25
_WALL_STALE_S = 2.0


@dataclass
class Account:
    """Counters and times of one input. `expected_rate_hz` NaN: no promise, never stale.

    blind: messages come, but there is next to nothing in them (set by who looks into them).
    """

    name: str
    topic: str
    modality: Modality = Modality.UNKNOWN
    expected_rate_hz: float = float("nan")
    received: int = 0
    used: int = 0
    dropped: int = 0
    last_stamp_ns: int = 0
    last_wall_ns: int = 0
    publishers: int = 0
    available: bool = True
    unavailable_reason: SensorReason = SensorReason.INTERNAL
    blind: bool = False
    _stamps: deque[int] = field(default_factory=lambda: deque(maxlen=20))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def waiting(self) -> int:
        """Messages that are neither used nor dropped yet."""
        return self.received - self.used - self.dropped

    def count(self, *, used: int = 0, dropped: int = 0) -> None:
        """Messages have been used or dropped; may be called from any thread."""
        with self._lock:
            self.used += used
            self.dropped += dropped

    def note(self, stamp_ns: int, wall_ns: int, count: int = 1) -> None:
        """A message has been received; count: of those in it, where they are accounted for one by one."""
        self.received += count
        self.last_stamp_ns, self.last_wall_ns = stamp_ns, wall_ns
        self._stamps.append(stamp_ns)

    @property
    def rate_hz(self) -> float:
        """Rate by stamps over the last messages, NaN before the second."""
        steps = np.diff(np.array(self._stamps)) * 1e-9
        steps = steps[steps > 0]
        return float(1.0 / np.median(steps)) if len(steps) else float("nan")

    def stale(self, ros_ns: int, wall_ns: int) -> bool:
        """Whether the input has fallen silent. ROS time decides; if the clock stands still, the wall does."""
        if not self.received or not self.expected_rate_hz > 0:
            return False
        limit_s = max(_STALE_MIN_S, _STALE_PERIODS / self.expected_rate_hz)
        wall_s = (wall_ns - self.last_wall_ns) * 1e-9
        return (ros_ns - self.last_stamp_ns) * 1e-9 > limit_s + 0.1 or wall_s > max(
            _WALL_STALE_S, 2 * limit_s
        )

    def status(self, ros_ns: int, wall_ns: int) -> SensorStatus:
        """As published in health messages."""
        qualifier, reason = Qualifier.AVAILABLE, SensorReason.NORMAL
        if not self.available:
            qualifier, reason = Qualifier.NOT_AVAILABLE, self.unavailable_reason
        elif not self.received and not self.last_stamp_ns:
            # A publisher is there (or not yet): whoever starts a recording waits for that.
            reason = SensorReason.INPUT_MISSING if self.publishers else SensorReason.STARTING
            qualifier = Qualifier.UNKNOWN
        elif self.stale(ros_ns, wall_ns):
            qualifier, reason = Qualifier.NOT_AVAILABLE, SensorReason.STALE
        elif self.blind:
            qualifier, reason = Qualifier.BLINDNESS, SensorReason.BLOCKED
        return SensorStatus(
            name=self.name,
            modality=self.modality,
            qualifier=qualifier,
            reason=reason,
            measurement_time_ns=self.last_stamp_ns,
            age_s=(ros_ns - self.last_stamp_ns) * 1e-9 if self.received else float("nan"),
            rate_hz=self.rate_hz,
            expected_rate_hz=self.expected_rate_hz,
            received=self.received,
            used=self.used,
            dropped=self.dropped,
        )

    def restart(self) -> None:
        """A new session begins: counters and rates start over."""
        self.received = self.used = self.dropped = 0
        self.last_stamp_ns = 0
        self.blind = False
        self._stamps.clear()
