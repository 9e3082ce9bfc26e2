"""What happened during a run, and stopping it from the keyboard."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

Stop = Callable[[], bool]


@dataclass
class RunLog:
    """What happened while the graph ran."""

    interrupted: bool = False
    ready_s: float = float("nan")
    died: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown_types: dict[str, str] = field(default_factory=dict)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within it, SIGINT and SIGTERM only set the flag that the yielded function returns."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
