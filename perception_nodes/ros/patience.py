"""How long a heartbeat may be away before its node counts as lost, judged by somebody who may be late too."""

from __future__ import annotations

from collections import deque


class Patience:
    """`checked` is called at every check; the limit grows by how late the checks of the last `limit_ns` were.

    On a machine without CPU to spare the watcher itself is held up, and heartbeats lie unread: its own lateness is
    the measure of that. Without the allowance every hiccup of the machine is a false alarm; with it a quiet machine
    keeps the short limit. The allowance ends `limit_ns` after the last late check, so a dead node is found however
    long the machine stood still.
    """

    def __init__(self, limit_ns: int, period_ns: int) -> None:
        self._limit_ns = limit_ns
        self._period_ns = period_ns
        self._checked_ns: int | None = None
        self._late: deque[tuple[int, int]] = deque()

    def checked(self, now_ns: int) -> int:
        """A check takes place now; the limit for it, ns."""
        if self._checked_ns is not None:
            late_ns = now_ns - self._checked_ns - self._period_ns
            if late_ns > 0:
                self._late.append((now_ns, late_ns))
        self._checked_ns = now_ns
        while self._late and now_ns - self._late[0][0] > self._limit_ns:
            self._late.popleft()
        return self._limit_ns + max((late_ns for _, late_ns in self._late), default=0)
