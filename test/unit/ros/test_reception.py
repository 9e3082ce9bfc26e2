"""What a receiver concludes from messages and from silence, with times given by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from perception_nodes.datatypes import ConfigurationError, Mode
from perception_nodes.ros.reception import Reception, ReceptionConfig, ReceptionStatus

MS = 1_000_000
STEP = 100 * MS


class Stream:
    """A publisher at 10 Hz and its receiver; the clock of the stamps runs 7 s ahead of the monotonic one."""

    def __init__(self, config: ReceptionConfig | None = None) -> None:
        self.reception = Reception(config or ReceptionConfig(), 0)
        self.sequence = 0

    def send(self, at_ms: int, **changes: Any) -> bool:
        values = {"session_id": 1, "sequence": self.sequence, "mode": Mode.NOMINAL, "valid": True}
        values |= {"stamp_ns": at_ms * MS + 7_000 * MS, "now_ns": at_ms * MS, **changes}
        self.sequence = int(values["sequence"]) + 1
        return self.reception.receive(**values)

    def at(self, ms: int) -> ReceptionStatus:
        return self.reception.status(ms * MS, ms * MS + 7_000 * MS)


@pytest.fixture
def stream() -> Stream:
    out = Stream()
    for k in range(20):
        out.send(100 * k)
    return out


def test_a_steady_stream_is_well(stream: Stream) -> None:
    status = stream.at(1950)
    assert status.alive and status.freq_ok and status.fresh and status.valid and not status.late
    assert (status.mode, status.lost, status.session_id) == (Mode.NOMINAL, 0, 1)
    assert (status.silence_s, status.age_s, status.rate_hz) == pytest.approx((0.05, 0.05, 10.0))


@pytest.mark.parametrize(
    ("silent_ms", "late", "mode", "alive"),
    [
        (149, False, Mode.NOMINAL, True),
        (151, True, Mode.NOMINAL, True),
        (199, True, Mode.NOMINAL, True),
        (200, True, Mode.DEGRADED, True),
        (499, True, Mode.DEGRADED, True),
        (500, True, Mode.FAULT, False),
    ],
)
def test_silence(stream: Stream, silent_ms: int, late: bool, mode: Mode, alive: bool) -> None:
    status = stream.at(1900 + silent_ms)
    assert (status.late, status.mode, status.alive) == (late, mode, alive)
    assert (status.freq_ok, status.valid) == (not late, alive)


def test_limits_follow_the_rate() -> None:
    slow = Stream(ReceptionConfig(rate_hz=2.0))
    slow.send(0)
    assert [slow.at(ms).mode for ms in (999, 1000, 2500)] == [Mode.NOMINAL, Mode.DEGRADED, Mode.FAULT]


def test_it_recovers_with_the_next_message(stream: Stream) -> None:
    assert stream.at(3000).mode == Mode.FAULT
    stream.send(3000)
    assert stream.at(3010).mode == Mode.NOMINAL and stream.at(3010).alive


@pytest.mark.parametrize("mode", [Mode.DEGRADED, Mode.BLIND, Mode.FAULT])
def test_the_publishers_word_is_taken(stream: Stream, mode: Mode) -> None:
    stream.send(2000, mode=mode, valid=False)
    status = stream.at(2010)
    assert (status.mode, status.valid, status.alive) == (mode, False, True)


def test_blind_is_not_made_better_by_silence(stream: Stream) -> None:
    stream.send(2000, mode=Mode.BLIND)
    assert stream.at(2300).mode == Mode.BLIND
    assert stream.at(2600).mode == Mode.FAULT


def test_gaps_are_lost_messages(stream: Stream) -> None:
    stream.send(2000, sequence=23)
    assert stream.at(2000).lost == 3
    stream.send(2100, sequence=25)
    assert stream.at(2100).lost == 4


def test_a_repeated_or_older_message_is_no_loss(stream: Stream) -> None:
    for sequence in (19, 5, 20):
        stream.send(2000, sequence=sequence)
    assert stream.at(2000).lost == 0


def test_joining_late_is_no_loss() -> None:
    late = Stream()
    assert late.send(0, sequence=1000)
    assert late.at(0).lost == 0


def test_a_new_session_starts_over(stream: Stream) -> None:
    assert not stream.send(2000, sequence=30)
    assert stream.send(2100, session_id=2, sequence=0)
    assert (stream.at(2100).lost, stream.at(2100).session_id) == (0, 2)
    assert not stream.send(2200, session_id=2, sequence=1)
    assert stream.at(2200).lost == 0


@pytest.mark.parametrize(("age_ms", "fresh"), [(0, True), (299, True), (301, False), (-301, False)])
def test_fresh_is_by_the_stamp(stream: Stream, age_ms: int, fresh: bool) -> None:
    stream.send(2000, stamp_ns=(9_000 - age_ms) * MS)
    assert stream.at(2000).fresh is fresh


def test_half_the_rate_is_not_ok() -> None:
    slow = Stream(ReceptionConfig(late_periods=3.0, degraded_periods=4.0))
    for k in range(20):
        slow.send(200 * k)
    status = slow.at(3850)
    assert status.alive and not status.late and not status.freq_ok
    assert status.rate_hz == pytest.approx(5.0)


def test_a_publisher_that_hangs_is_not_alive(stream: Stream) -> None:
    stream.reception.liveliness(0)
    assert stream.at(
        2040
    ).alive  # not overdue yet: the lease of a slow publisher ends before its next message
    status = stream.at(2200)
    assert (status.alive, status.valid, status.mode) == (False, False, Mode.DEGRADED)
    stream.reception.liveliness(1)
    assert stream.at(2200).alive
    stream.reception.liveliness(0)
    stream.send(2200)
    assert stream.at(2390).alive


def test_before_the_first_message() -> None:
    status = Stream().at(9_999)
    assert not (status.alive or status.freq_ok or status.fresh or status.valid)
    assert status.mode == Mode.STARTING and math.isnan(status.age_s)
    assert Stream().at(10_000).mode == Mode.FAULT


@pytest.mark.parametrize("wrong", [{"rate_hz": 0.0}, {"late_periods": 3.0}, {"fault_periods": 1.5}])
def test_impossible_limits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="ReceptionConfig"):
        ReceptionConfig(**wrong)
