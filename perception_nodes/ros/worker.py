"""One worker thread with a mailbox of depth one: the newest job wins, the replaced one is handed back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Worker(Generic[Job]):
    """`run(job)` is called in the thread. Whatever it raises is kept in `failure` and ends the thread."""

    def __init__(self, name: str, run: Callable[[Job], None]) -> None:
        self._run = run
        self._job: Job | None = None
        self._wake = threading.Condition()
        self._stop = False
        self.failure: BaseException | None = None
        self._name = name
        self._thread = self._started()

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
        thread.start()
        return thread

    def submit(self, job: Job) -> Job | None:
        """Put a job into the mailbox; the job that it replaces, if any. A worker that was stopped works again."""
        if self._stop and not self._thread.is_alive():
            self._stop = False
            self._thread = self._started()
        with self._wake:
            replaced, self._job = self._job, job
            self._wake.notify()
        return replaced

    def take_back(self) -> Job | None:
        """The job that waits, if any: it will not be done."""
        with self._wake:
            left, self._job = self._job, None
        return left

    def stop(self, timeout_s: float = 1.5) -> Job | None:
        """End the thread after the job it is at; the job that was still waiting, if any."""
        with self._wake:
            self._stop = True
            left, self._job = self._job, None
            self._wake.notify()
        self._thread.join(timeout_s)
        return left

    def _loop(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stop or self._job is not None)
                if self._stop:
                    return
                job, self._job = self._job, None
            try:
                self._run(job)  # type: ignore[arg-type]
            except BaseException as error:  # noqa: BLE001 - raised again in the node's own thread
                self.failure = error
                return
