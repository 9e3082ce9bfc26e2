"""Waiting for the answers to one step of a drive. No ROS here: messages come in, a thread waits."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

# An answer belongs to a step if its stamp is this near: sensors' clocks may be off a little.
NEAR_NS: Final = 30_000_000

_SILENT_STEP_S: Final = 0.1


class Lockstep:
    """One thread waits, others bring objects and commands. looped: a step is answered by objects and a command.

    late: steps whose answer did not come in time.
    """

    def __init__(self, *, looped: bool, timeout_s: float) -> None:
        self._looped, self._timeout_s = looped, timeout_s
        self._change = threading.Condition()
        self._objects: Any = None
        self._objects_ns = self._command_ns = 0
        self.wanted: Any = None
        self.late = 0
        self.closed = False

    def objects(self, stamp_ns: int, message: Any) -> None:
        """Objects have come."""
        with self._change:
            self._objects_ns, self._objects = stamp_ns, message
            self._change.notify_all()

    def command(self, stamp_ns: int, command: Any) -> None:
        """A command has come; it holds from the next step on."""
        with self._change:
            self._command_ns, self.wanted = stamp_ns, command
            self._change.notify_all()

    def close(self) -> None:
        """Whoever waits goes on at once."""
        with self._change:
            self.closed = True
            self._change.notify_all()

    def wait_for(self, stamp_ns: int, measured: bool) -> bool:
        """Until the step of `stamp_ns` is answered; False if that took too long (counted in `late`).

        measured: a sweep went out. Without one no objects are due, and time goes on as it does in a vehicle: nodes tell
        a silent sensor by it.
        """
        began = time.monotonic()
        with self._change:
            done = self._change.wait_for(
                lambda: self.closed or self._answered(stamp_ns, measured), self._timeout_s
            )
            if not done:
                self.late += 1
        if not measured:
            self.wait_until(began + _SILENT_STEP_S)
        return done

    def wait_until(self, monotonic_s: float) -> None:
        """Until a time, or until closed."""
        with self._change:
            self._change.wait_for(lambda: self.closed, max(0.0, monotonic_s - time.monotonic()))

    def take_objects(self) -> Any:
        """The objects that came since the last call; None if none did."""
        with self._change:
            message, self._objects = self._objects, None
            return message

    def _answered(self, stamp_ns: int, measured: bool) -> bool:
        # The first commands come once perception works: until then objects alone are an answer.
        commanded = not self._looped or self.wanted is None or self._command_ns >= stamp_ns - NEAR_NS
        return commanded and (not measured or self._objects_ns >= stamp_ns - NEAR_NS)
