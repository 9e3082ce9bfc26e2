"""The thread of a drive: what it ends with comes out where it is asked."""

from __future__ import annotations

import threading
from typing import NoReturn

import pytest

from perception_nodes.datatypes import PerceptionError
from perception_nodes.ros.simulator_thread import DriveThread


def test_a_drive_goes_on_until_it_ends() -> None:
    go = threading.Event()
    thread = DriveThread(lambda: _wait(go))
    thread.join()  # not begun yet: nothing to wait for
    thread.start()
    assert not thread.ended()
    go.set()
    thread.join()
    assert thread.ended()


def test_what_ends_a_drive_is_raised_to_who_asks() -> None:
    def fail() -> NoReturn:
        raise PerceptionError("the road is gone")

    thread = DriveThread(fail)
    thread.start()
    thread.join()
    with pytest.raises(PerceptionError, match="the road is gone"):
        thread.ended()


def _wait(event: threading.Event) -> None:
    assert event.wait(5.0)
