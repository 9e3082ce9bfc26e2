"""The thread that a drive goes on in, while the executor takes the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable


class DriveThread:
    """Calls `run` once. What it raises is raised again by `ended`, which is asked in the executor."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._guarded, name="drive")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Until it has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def ended(self) -> bool:
        """Whether it has; raises what it ended with."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  raised again in the executor, where it ends the process
            self._failure = error
