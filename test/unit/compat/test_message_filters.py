"""Filters, the cache, the chain and the synchronisers."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from builtin_interfaces.msg import Time as TimeMsg
from message_filters import (
    ApproximateTimeSynchronizer,
    Cache,
    SimpleFilter,
    TimeSynchronizer,
)
from rclpy.clock import ClockType
from rclpy.time import Time


def message(seconds: float, name: str = "") -> Any:
    nanoseconds = round(seconds * 1e9)
    stamp = TimeMsg(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), name=name)


def ros_time(seconds: float) -> Time:
    return Time(seconds=seconds, clock_type=ClockType.ROS_TIME)


class Collector:
    """Keeps the sets that a synchroniser gives."""

    def __init__(self, synchronizer: SimpleFilter) -> None:
        self.sets: list[tuple[Any, ...]] = []
        synchronizer.registerCallback(lambda *messages: self.sets.append(messages))


def test_callbacks_get_the_output_and_their_own_arguments() -> None:
    source = SimpleFilter()
    calls: list[Any] = []
    keys = [source.registerCallback(lambda *args: calls.append(args), extra) for extra in ("a", "b")]
    source.signalMessage(1, 2)
    assert calls == [(1, 2, "a"), (1, 2, "b")]
    del source.callbacks[keys[1]]
    source.signalMessage(3)
    assert calls[2:] == [(3, "a")]


@pytest.mark.usefixtures("drop_ins_only")
def test_a_removed_callback_does_not_make_another_one_vanish() -> None:
    source = SimpleFilter()
    first = source.registerCallback(print)
    second = source.registerCallback(print)
    del source.callbacks[first]
    assert source.registerCallback(print) != second
    assert len(source.callbacks) == 2


def test_equal_stamps_are_joined_in_any_order() -> None:
    sources = [SimpleFilter() for _ in range(3)]
    synchronizer = TimeSynchronizer(sources, 10)
    collector = Collector(synchronizer)
    for source, order in zip(sources, ((0, 1, 2), (2, 0, 1), (1, 2, 0)), strict=True):
        for seconds in order:
            source.signalMessage(message(seconds))
    assert sorted(messages[0].header.stamp.sec for messages in collector.sets) == [0, 1, 2]
    assert all(len({m.header.stamp.sec for m in messages}) == 1 for messages in collector.sets)
    assert synchronizer.queues == [{}, {}, {}]


def test_a_full_queue_drops_the_oldest_stamp() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    synchronizer = TimeSynchronizer([left, right], 2)
    collector = Collector(synchronizer)
    for seconds in (1, 2, 3):
        left.signalMessage(message(seconds))
    assert list(synchronizer.queues[0]) == [2_000_000_000, 3_000_000_000]
    right.signalMessage(message(1))
    right.signalMessage(message(3))
    assert [messages[0].header.stamp.sec for messages in collector.sets] == [3]


def test_near_stamps_are_joined_far_ones_wait() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    collector = Collector(ApproximateTimeSynchronizer([left, right], 10, 0.1))
    left.signalMessage(message(1.0))
    right.signalMessage(message(1.2))
    assert collector.sets == []
    right.signalMessage(message(1.05))
    left.signalMessage(message(1.15))
    assert [m.header.stamp.nanosec for m in collector.sets[0]] == [0, 50_000_000]
    assert [m.header.stamp.nanosec for m in collector.sets[1]] == [150_000_000, 200_000_000]


def test_the_nearest_is_taken() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    collector = Collector(ApproximateTimeSynchronizer([left, right], 10, 0.5))
    for seconds in (0.9, 1.02, 1.3):
        left.signalMessage(message(seconds))
    right.signalMessage(message(1.0))
    assert [m.header.stamp.nanosec for m in collector.sets[0]] == [20_000_000, 0]


def test_both_sides_of_a_stamp_are_not_joined_when_too_far_from_each_other() -> None:
    sources = [SimpleFilter() for _ in range(3)]
    collector = Collector(ApproximateTimeSynchronizer(sources, 10, 0.1))
    sources[0].signalMessage(message(0.93))
    sources[1].signalMessage(message(1.07))
    sources[2].signalMessage(message(1.0))
    assert collector.sets == []
    sources[1].signalMessage(message(1.02))
    assert len(collector.sets) == 1


@pytest.mark.usefixtures("drop_ins_only")
def test_the_slop_is_included() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    collector = Collector(ApproximateTimeSynchronizer([left, right], 10, 0.0))
    left.signalMessage(message(1.0))
    right.signalMessage(message(1.0))
    assert len(collector.sets) == 1


@pytest.mark.usefixtures("drop_ins_only")
def test_a_callback_may_raise_and_may_feed_the_synchroniser() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    synchronizer = ApproximateTimeSynchronizer([left, right], 10, 0.1)
    collector = Collector(synchronizer)

    def feed_then_fail(first: Any, _second: Any) -> None:
        if first.header.stamp.sec == 1:
            left.signalMessage(message(2))
            right.signalMessage(message(2))
            raise ValueError("user's fault")

    synchronizer.registerCallback(feed_then_fail)
    left.signalMessage(message(1))
    with pytest.raises(ValueError, match="user's fault"):
        right.signalMessage(message(1))
    left.signalMessage(message(3))
    right.signalMessage(message(3))
    assert [messages[0].header.stamp.sec for messages in collector.sets] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_messages_without_a_stamp_are_ignored_unless_allowed() -> None:
    for allowed, expected in ((False, 0), (True, 1)):
        left, right = SimpleFilter(), SimpleFilter()
        collector = Collector(ApproximateTimeSynchronizer([left, right], 10, 60.0, allow_headerless=allowed))
        left.signalMessage(SimpleNamespace())
        right.signalMessage(SimpleNamespace(header=SimpleNamespace(frame_id="no stamp")))
        assert len(collector.sets) == expected


@pytest.mark.usefixtures("drop_ins_only")
def test_exact_times_need_a_stamp() -> None:
    source = SimpleFilter()
    TimeSynchronizer([source], 10)
    with pytest.raises(ValueError, match=r"SimpleNamespace has no header\.stamp"):
        source.signalMessage(SimpleNamespace())


@pytest.mark.usefixtures("drop_ins_only")
def test_arrival_may_count_instead_of_the_stamp() -> None:
    left, right = SimpleFilter(), SimpleFilter()
    collector = Collector(ApproximateTimeSynchronizer([left, right], 10, 60.0, sync_arrival_time=True))
    left.signalMessage(message(1))
    right.signalMessage(message(1_000_000))
    assert len(collector.sets) == 1


def test_the_cache_keeps_the_last() -> None:
    source = SimpleFilter()
    cache = Cache(source, 3)
    passed: list[Any] = []
    cache.registerCallback(passed.append)
    assert cache.getLast() is None
    assert cache.getOldestTime() is None
    assert cache.getElemAfterTime(ros_time(0)) is None
    messages = [message(seconds) for seconds in (1, 2, 3, 4)]
    for one in messages:
        source.signalMessage(one)
    assert passed == messages
    assert cache.getInterval(ros_time(1), ros_time(3)) == messages[1:3]
    assert cache.getElemBeforeTime(ros_time(3.5)) is messages[2]
    assert cache.getElemBeforeTime(ros_time(1.5)) is None
    assert cache.getElemAfterTime(ros_time(2.5)) is messages[2]
    assert cache.getLast() is messages[3]
    assert (cache.getOldestTime(), cache.getLastestTime()) == (ros_time(2), ros_time(4))
    with pytest.raises(AssertionError):
        cache.getInterval(ros_time(3), ros_time(1))


@pytest.mark.usefixtures("drop_ins_only")
def test_a_chain_passes_messages_through_its_filters() -> None:
    from message_filters import Chain

    source = SimpleFilter()
    chain = Chain(source)
    passed: list[Any] = []
    chain.registerCallback(passed.append)
    source.signalMessage(message(1, "no filters yet"))
    caches = [Cache(None, 5) for _ in range(3)]
    assert [chain.addFilter(cache) for cache in caches] == [0, 1, 2]
    assert chain.getFilter(1) is caches[1]
    with pytest.raises(KeyError):
        chain.getFilter(3)
    with pytest.raises(RuntimeError, match="already connected"):
        chain.connectInput(SimpleFilter())
    source.signalMessage(message(2))
    chain.add(message(3))
    assert [m.header.stamp.sec for m in passed] == [1, 2, 3]
    assert [len(cache.cache_msgs) for cache in caches] == [2, 2, 2]


@pytest.mark.usefixtures("drop_ins_only")
def test_the_set_found_is_the_best_of_all_combinations() -> None:
    import random

    from message_filters.synchronizers import nearest_set

    rng = random.Random(4)
    found_one = 0
    for _ in range(400):
        queues = [{rng.randrange(40): None for _ in range(rng.randrange(1, 5))} for _ in range(3)]
        stamp, slop = rng.randrange(40), rng.randrange(15)
        feasible = [
            stamps
            for stamps in itertools.product(*queues)
            if max(*stamps, stamp) - min(*stamps, stamp) <= slop
        ]
        found = nearest_set(stamp, queues, slop)
        if not feasible:
            assert found is None
            continue
        found_one += 1
        assert found is not None
        assert tuple(found) in feasible
        assert sum(abs(t - stamp) for t in found) == min(sum(abs(t - stamp) for t in f) for f in feasible)
    assert found_one > 50
