"""A worker's mailbox of one, its end, its failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from perception_nodes.ros.worker import Worker

TIMEOUT_S = 60.0


class Gate:
    """A job that tells when it has begun and waits to be let through."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.done: list[int] = []

    def run(self, job: int) -> None:
        self.begun.set()
        assert self.open.wait(TIMEOUT_S)
        self.done.append(job)

    def busy(self) -> Worker[int]:
        """A worker in the midst of job 0."""
        worker = Worker("gate", self.run)
        assert worker.submit(0) is None
        assert self.begun.wait(TIMEOUT_S)
        return worker


def until(condition: Callable[[], bool]) -> None:
    for _ in range(int(TIMEOUT_S / 0.01)):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("the condition did not come true")


def test_the_newest_job_replaces_the_one_that_waits() -> None:
    gate = Gate()
    worker = gate.busy()
    assert worker.submit(1) is None
    assert worker.submit(2) == 1
    gate.open.set()
    until(lambda: gate.done == [0, 2])
    assert worker.stop() is None


def test_what_waits_can_be_taken_back_and_the_worker_goes_on() -> None:
    gate = Gate()
    worker = gate.busy()
    worker.submit(1)
    assert worker.take_back() == 1
    assert worker.take_back() is None
    gate.open.set()
    until(lambda: gate.done == [0])
    worker.submit(2)
    until(lambda: gate.done == [0, 2])
    assert worker.stop() is None


def test_stopping_hands_back_what_waits_and_ends_the_job_at_hand() -> None:
    gate = Gate()
    worker = gate.busy()
    worker.submit(1)
    threading.Timer(0.1, gate.open.set).start()
    assert worker.stop(TIMEOUT_S) == 1
    assert gate.done == [0]


def test_stopping_waits_no_longer_than_asked() -> None:
    gate = Gate()
    worker = gate.busy()
    asked_s = time.monotonic()
    assert worker.stop(timeout_s=0.01) is None
    assert time.monotonic() - asked_s < 1.0  # the default is 1.5 s
    assert gate.done == []
    gate.open.set()


def test_an_idle_worker_stops() -> None:
    assert Worker[int]("idle", lambda _: None).stop(TIMEOUT_S) is None


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3)])
def test_a_failure_is_kept_and_ends_the_thread(error: BaseException) -> None:
    def fail(_job: int) -> None:
        raise error

    before = threading.active_count()
    worker = Worker("fails", fail)
    assert worker.failure is None
    worker.submit(1)
    until(lambda: worker.failure is error)
    until(lambda: threading.active_count() == before)
    assert worker.submit(2) is None
    assert worker.stop() == 2


def test_a_worker_that_was_stopped_works_again() -> None:
    gate = Gate()
    gate.open.set()
    worker = Worker("gate", gate.run)
    worker.stop(TIMEOUT_S)
    worker.submit(7)
    until(lambda: gate.done == [7])
    worker.stop(TIMEOUT_S)
