"""Says that kernels are being compiled, so that the first call after an installation is no riddle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from numba.core import event

SENTENCE: Final = (
    "compiling kernels: only now, after an installation or an update; some 25 s of one core for the tracker"
)


class _Once(event.Listener):  # type: ignore[misc]
    """Numba starts no such event for what it finds on disk."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._told = False

    def on_start(self, event: Any) -> None:
        if not self._told:
            self._told = True
            self._tell(SENTENCE)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


@contextmanager
def announced(tell: Callable[[str], object]) -> Iterator[None]:
    """Calls `tell` with a sentence, once, if a kernel has to be compiled meanwhile."""
    with event.install_listener("numba:compile", _Once(tell)):
        yield
