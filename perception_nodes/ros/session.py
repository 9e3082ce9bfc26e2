"""A node's session: from its start, or from a jump of the clock, to the next jump."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Session:
    """`number` is in every output and heartbeat; counts, sequences and ids belong to one session."""

    def __init__(self) -> None:
        self.number = secrets.randbits(64)
        self._lock = threading.Lock()

    def begin(self, restart: Callable[[], None]) -> None:
        """Another session: `restart` sets to zero what belongs to one."""
        with self._lock:
            self.number = secrets.randbits(64)
            restart()

    @contextmanager
    def lasting(self, number: int) -> Iterator[bool]:
        """Whether session `number` still goes on; if so, it does not end within.

        For threads that note what they have done with a message: of a session that has ended nothing is counted.
        """
        with self._lock:
            yield number == self.number
