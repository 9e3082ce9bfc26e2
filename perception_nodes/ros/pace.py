"""Outputs at a constant rate: the stamp of the next one where the input does not come."""

from __future__ import annotations

import time

_LATE = 1.5


class Pace:
    """Of outputs that are a period apart; by the wall `slowness` times as far, for a recording played slowly."""

    def __init__(self, period_ns: int, slowness: float = 1.0) -> None:
        self._period_ns, self._slowness = period_ns, slowness
        self._last: tuple[int, int] | None = None  # stamp and monotonic time

    def sent(self, stamp_ns: int) -> None:
        """An output of this stamp has just been sent."""
        self._last = stamp_ns, time.monotonic_ns()

    def reset(self) -> None:
        """Nothing is missing before the next output."""
        self._last = None

    def missing(self, ros_ns: int) -> int | None:
        """Stamp of the output that has not come in time; `ros_ns`: the time now.

        ROS time must have gone on as well as the wall: while playing is paused or over, nothing is missing.
        """
        if self._last is None:
            return None
        stamp_ns, sent_ns = self._last
        waited_ns = min((time.monotonic_ns() - sent_ns) / self._slowness, ros_ns - stamp_ns)
        return stamp_ns + self._period_ns if waited_ns >= _LATE * self._period_ns else None
