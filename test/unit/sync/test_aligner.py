"""The synchroniser on arrivals small enough to follow by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest

from perception_nodes.datatypes import (
    ConfigurationError,
    Drop,
    DropReason,
    FrameSet,
    Modality,
    SensorSpec,
    Trigger,
)
from perception_nodes.sync import Aligner, AlignerConfig

MS = 1_000_000


def spec(name: str, rate_hz: float = 10.0, **more: object) -> SensorSpec:
    return SensorSpec(name, Modality.CAMERA, f"/{name}", rate_hz=rate_hz, **more)  # type: ignore[arg-type]


def run(aligner: Aligner, arrivals: list[tuple[str, float, float]]) -> tuple[list[FrameSet], list[Drop]]:
    """(sensor, stamp ms, arrival ms) in order of arrival, polled every 5 ms; 1 s is added to every time."""
    sets, drops, now = [], [], 1000.0
    for sensor, stamp, arrival in arrivals:
        outputs = []
        while now < 1000 + arrival:
            outputs.append(aligner.poll(round(now * MS)))
            now += 5
        outputs.append(aligner.add(sensor, round((1000 + stamp) * MS), round((1000 + arrival) * MS)))
        for output in outputs:
            sets += output.frame_sets
            drops += output.drops
    return sets, drops


def two(**config: float) -> Aligner:
    return Aligner(AlignerConfig(**config), (spec("camera"), spec("lidar")), "lidar")  # type: ignore[arg-type]


def test_set_closes_as_soon_as_all_are_there() -> None:
    sets, drops = run(
        two(), [("camera", -50, 10), ("lidar", 0, 20), ("camera", 50, 110), ("lidar", 100, 120)]
    )
    assert [(s.complete, s.trigger) for s in sets] == [(True, Trigger.ALL_ARRIVED)] * 2
    assert sets[0].sensors == ("lidar", "camera")
    assert [s.stamp_of("camera") for s in sets] == [950 * MS, 1050 * MS]
    assert drops == []


def test_missing_sensor_times_out_into_a_partial_set() -> None:
    sets, _ = run(
        two(timeout_s=0.03), [("camera", 0, 1), ("lidar", 0, 2), ("lidar", 100, 102), ("lidar", 200, 202)]
    )
    assert [(s.complete, s.trigger) for s in sets] == [(True, Trigger.ALL_ARRIVED), (False, Trigger.TIMEOUT)]
    assert sets[1].stamp_of("camera") is None


def test_slowed_waits_in_the_time_of_the_recording() -> None:
    sensors = [spec("lidar"), spec("camera")]
    for factor in (1.0, 4.0):
        aligner = Aligner(AlignerConfig(timeout_s=0.06).slowed(factor), sensors, "lidar")
        sets, _ = run(aligner, [("lidar", 0, 0)])
        assert not sets
        assert not aligner.poll(round((1.0 + factor * 0.06) * 1e9) - 1_000_000).frame_sets
        (frame,) = aligner.poll(round((1.0 + factor * 0.06) * 1e9) + 1_000_000).frame_sets
        assert not frame.complete
    longest = AlignerConfig().slowed(1e4)
    assert (longest.timeout_s, longest.silence_periods) == (5.0, 100.0)
    assert AlignerConfig().slowed(4.0).silence_periods == 4 * AlignerConfig().silence_periods


def test_next_reference_closes_the_set_before() -> None:
    arrivals = [("camera", 0, 1), ("lidar", 0, 2), ("lidar", 100, 102), ("lidar", 110, 103)]
    sets, _ = run(two(), arrivals)
    assert sets[1].trigger == Trigger.NEXT_REFERENCE


def test_late_message_is_stale_with_its_age() -> None:
    arrivals = [("camera", 0, 1), ("lidar", 0, 2), ("lidar", 100, 102), ("camera", 100, 190)]
    _, drops = run(two(), arrivals)
    assert [(d.reason, d.topic, d.age_s) for d in drops] == [(DropReason.STALE, "/camera", 0.0)]


def test_repeated_and_older_stamps_are_out_of_order() -> None:
    _, drops = run(two(), [("camera", 0, 1), ("camera", 0, 2), ("camera", -100, 3)])
    assert [d.reason for d in drops] == [DropReason.OUT_OF_ORDER] * 2


def test_fast_camera_gives_one_image_a_sweep_and_a_reason_for_the_others() -> None:
    aligner = Aligner(AlignerConfig(), (spec("camera", 30.0), spec("lidar")), "lidar")
    arrivals = sorted(
        [("camera", 33.333 * k, 33.333 * k + 5) for k in range(30)]
        + [("lidar", 100.0 * k, 100 * k + 6) for k in range(10)],
        key=lambda a: a[2],
    )
    sets, drops = run(aligner, arrivals)
    assert [s.stamp_of("camera") is not None for s in sets] == [True] * 10
    assert {d.reason for d in drops} == {DropReason.NO_MATCH}
    assert len(drops) + 10 + aligner.waiting == 30


def test_slow_sensor_is_not_waited_for_between_its_messages() -> None:
    aligner = Aligner(AlignerConfig(), (spec("camera", 1.0), spec("lidar")), "lidar")
    arrivals = [("camera", -50.0, 1.0)] + [("lidar", 100.0 * k, 100 * k + 2) for k in range(5)]
    sets, _ = run(aligner, arrivals)
    assert [s.trigger for s in sets] == [Trigger.ALL_ARRIVED] * 5
    assert all(s.complete for s in sets)


def test_offset_is_estimated() -> None:
    aligner = two()
    arrivals = [
        a
        for k in range(20)
        for a in (("camera", 100.0 * k - 37, 100.0 * k), ("lidar", 100.0 * k, 100.0 * k + 1))
    ]
    sets, _ = run(aligner, arrivals)
    status = {s.name: s for s in aligner.status(3000 * MS)}
    assert status["camera"].estimated_offset_s == pytest.approx(-0.037)
    assert sets[-1].residual_s[1] == pytest.approx(0.0)


def test_frames_go_on_without_the_reference() -> None:
    arrivals = [
        a for k in range(6) for a in (("camera", 100.0 * k, 100.0 * k), ("lidar", 100.0 * k, 100.0 * k + 1))
    ]
    arrivals += [("camera", 100.0 * k, 100.0 * k) for k in range(6, 20)]
    sets, _ = run(two(), arrivals)
    lonely = [s for s in sets if s.stamp_of("lidar") is None]
    assert len(lonely) >= 10
    assert all(not s.complete and s.stamp_of("camera") for s in lonely)


def test_reference_jumping_back_starts_anew() -> None:
    arrivals = [
        ("camera", 5000, 1),
        ("camera", 5100, 2),
        ("lidar", 5000, 3),
        ("lidar", 0, 50),
        ("camera", 0, 51),
    ]
    sets, drops = run(two(), arrivals)
    assert [d.reason for d in drops] == [DropReason.TIME_JUMP]
    assert sets[-1].stamp_ns == (1000 * MS, 1000 * MS)


def test_overflow_drops_the_oldest() -> None:
    aligner = two(queue_size=2)
    _, drops = run(aligner, [("camera", 10.0 * k, k) for k in range(4)])
    assert [(d.reason, d.stamp_ns) for d in drops] == [
        (DropReason.QUEUE_OVERFLOW, 1000 * MS),
        (DropReason.QUEUE_OVERFLOW, 1010 * MS),
    ]


def test_flush_accounts_for_what_is_waiting() -> None:
    aligner = two()
    run(aligner, [("camera", 0, 1), ("camera", 100, 101), ("lidar", 100, 102), ("camera", 200, 201)])
    drops = aligner.flush(2000 * MS).drops
    assert [d.reason for d in drops] == [DropReason.SHUTDOWN]
    assert all(s.received == s.used + s.dropped for s in aligner.status(2000 * MS))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no sensor 'radar'"):
        two().add("radar", 0, 0)
    with pytest.raises(ConfigurationError, match="reference 'radar'"):
        Aligner(AlignerConfig(), (spec("camera"),), "radar")


@pytest.mark.parametrize("sensor", ["lidar", "camera"])
def test_a_stamp_that_was_never_set_is_dropped_and_changes_nothing(sensor: str) -> None:
    aligner = two()
    run(aligner, [("camera", -50, 10), ("lidar", 0, 20)])
    (drop,) = aligner.add(sensor, 0, 1_060 * MS).drops
    assert (drop.reason, drop.stamp_ns) == (DropReason.MALFORMED, 0)
    sets, drops = run(aligner, [("camera", 50, 110), ("lidar", 100, 120)])
    assert ([s.reference_ns for s in sets], drops) == ([1100 * MS], [])
    assert sum(s.dropped for s in aligner.status(0)) == 1


def test_without_the_reference_frames_keep_the_pace_of_the_others() -> None:
    """The other sensor's stamps lie just before those that the reference would have: no frame waits for the next."""
    arrivals = [("camera", -5, 10), ("lidar", 0, 20)]
    arrivals += [("camera", 100 * k - 5, 100 * k + 10) for k in range(1, 12)]
    sets, _ = run(two(), arrivals)
    late = [s.received_ns[1] for s in sets if s.stamp_of("lidar") is None]
    stamps = [s.stamp_of("camera") for s in sets if s.stamp_of("lidar") is None]
    assert len(stamps) >= 6
    assert {(b - a) // MS for a, b in pairwise(stamps)} == {100}
    assert all(s.reference_ns == s.stamp_of("camera") for s in sets if s.stamp_of("lidar") is None)
    assert late
