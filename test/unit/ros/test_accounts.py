"""Accounting of an input: counts, rate by stamps, staleness, what health says."""

from __future__ import annotations

import math
import threading

import pytest

from perception_nodes.datatypes import Qualifier, SensorReason
from perception_nodes.ros.accounts import Account

MS = 1_000_000
SECOND = 1000 * MS
START = 1_700_000_000 * SECOND


def heard(count: int = 10, rate_hz: float = 10.0, period_ms: int = 100) -> Account:
    """An input that has received `count` messages, on a wall clock that began with 0."""
    account = Account("top", "/points", expected_rate_hz=rate_hz)
    for k in range(count):
        account.note(START + k * period_ms * MS, k * period_ms * MS)
    return account


def test_received_is_used_dropped_or_waiting() -> None:
    account = heard(5)
    account.count(used=2, dropped=1)
    assert (account.received, account.used, account.dropped, account.waiting) == (5, 2, 1, 2)


def test_counts_from_many_threads_agree() -> None:
    account = heard(0)
    threads = [
        threading.Thread(target=lambda: [account.count(used=1, dropped=1) for _ in range(2000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (account.used, account.dropped) == (16_000, 16_000)


@pytest.mark.parametrize("period_ms", [50, 100, 250])
def test_the_rate_is_that_of_the_stamps(period_ms: int) -> None:
    assert heard(8, period_ms=period_ms).rate_hz == pytest.approx(1000 / period_ms)


def test_one_gap_or_repeated_stamps_do_not_move_the_rate() -> None:
    account = heard(4)
    for _ in range(5):
        account.note(START + 300 * MS, 0)
    account.note(START + 5 * SECOND, 0)
    assert account.rate_hz == pytest.approx(10)


@pytest.mark.parametrize("count", [0, 1])
def test_no_rate_before_the_second_message(count: int) -> None:
    assert math.isnan(heard(count).rate_hz)


@pytest.mark.parametrize(
    ("rate_hz", "ros_ms", "wall_ms", "stale"),
    [
        (10.0, 340, 340, False),  # 0.25 s and 0.1 s
        (10.0, 360, 360, True),
        (2.0, 1340, 1340, False),  # 2.5 periods and 0.1 s
        (2.0, 1360, 1360, True),
        (10.0, 0, 1990, False),  # the clock stands still
        (10.0, 0, 2010, True),
        (0.5, 0, 9990, False),
        (0.5, 0, 10010, True),
        (float("nan"), 99_000, 99_000, False),
    ],
)
def test_stale(rate_hz: float, ros_ms: int, wall_ms: int, stale: bool) -> None:
    account = heard(1, rate_hz)
    assert account.stale(START + ros_ms * MS, wall_ms * MS) == stale


def test_what_has_never_been_heard_is_not_stale() -> None:
    assert not heard(0).stale(START, 99 * SECOND)


@pytest.mark.parametrize(
    ("received", "publishers", "qualifier", "reason"),
    [
        (0, 0, Qualifier.UNKNOWN, SensorReason.STARTING),
        (0, 1, Qualifier.UNKNOWN, SensorReason.INPUT_MISSING),
        (10, 1, Qualifier.AVAILABLE, SensorReason.NORMAL),
        (1, 1, Qualifier.NOT_AVAILABLE, SensorReason.STALE),
    ],
)
def test_status(received: int, publishers: int, qualifier: Qualifier, reason: SensorReason) -> None:
    account = heard(received)
    account.publishers = publishers
    status = account.status(START + 1000 * MS, 1000 * MS)
    assert (status.qualifier, status.reason, status.received) == (qualifier, reason, received)
    assert status.age_s == pytest.approx(1.0 - (received - 1) / 10) if received else math.isnan(status.age_s)


def test_what_is_not_available_says_why_first() -> None:
    account = heard(1)
    account.available, account.unavailable_reason = False, SensorReason.INTERNAL
    status = account.status(START + SECOND, SECOND)
    assert (status.qualifier, status.reason) == (Qualifier.NOT_AVAILABLE, SensorReason.INTERNAL)


def test_a_new_session_starts_over() -> None:
    account = heard(9)
    account.count(used=3, dropped=2)
    account.restart()
    assert (account.received, account.used, account.dropped, account.waiting) == (0, 0, 0, 0)
    assert math.isnan(account.rate_hz)
    assert not account.stale(START + 99 * SECOND, 99 * SECOND)


def test_an_input_that_shows_nothing_is_blind_until_it_falls_silent_or_starts_over() -> None:
    account = heard(10)
    account.blind = True
    status = account.status(START + 900 * MS, 900 * MS)
    assert (status.qualifier, status.reason) == (Qualifier.BLINDNESS, SensorReason.BLOCKED)
    assert account.status(START + 9 * SECOND, 9 * SECOND).reason == SensorReason.STALE
    account.restart()
    assert not account.blind


def test_messages_without_a_stamp_are_stale_and_not_missing() -> None:
    account = Account("top", "/points", expected_rate_hz=10.0)
    account.note(0, 0)
    assert account.status(START, 0).reason == SensorReason.STALE
