"""The buffer: waiting, futures, message transforms, time jumps."""

import threading
from typing import Any

import pytest
import tf2_ros
from geometry_msgs.msg import PointStamped
from rclpy.duration import Duration
from rclpy.time import Time

LONG = Duration(seconds=30)
SHORT = Duration(nanoseconds=20_000_000)
ONE = Time(seconds=1)


@pytest.fixture
def buffer() -> tf2_ros.Buffer:
    return tf2_ros.Buffer()


def in_thread(function: Any) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.usefixtures("drop_ins_only")
def test_a_lookup_waits_for_the_transform(
    buffer: tf2_ros.Buffer, make_transform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = threading.Event()
    original = buffer._changed.wait

    def announce(timeout: float) -> bool:
        waiting.set()
        return original(timeout)

    monkeypatch.setattr(buffer._changed, "wait", announce)
    thread, results = in_thread(lambda: buffer.lookup_transform("a", "b", ONE, LONG))
    assert waiting.wait(10.0)
    assert results == []
    buffer.set_transform(make_transform("a", "unrelated"), "test")
    buffer.set_transform(make_transform("a", "b"), "test")
    thread.join(10.0)
    assert [result.child_frame_id for result in results] == ["b"]


def test_waiting_ends_with_the_reason(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    with pytest.raises(tf2_ros.LookupException, match="does not exist"):
        buffer.lookup_transform("a", "b", ONE, SHORT)
    buffer.set_transform(make_transform("a", "b"), "test")
    assert buffer.can_transform("a", "b", ONE, LONG)
    assert not buffer.can_transform("a", "b", Time(seconds=2), SHORT)
    possible, reason = buffer.can_transform("a", "b", Time(seconds=2), SHORT, return_debug_tuple=True)
    assert not possible
    assert "extrapolation" in reason


def test_full_lookups_wait_too(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    buffer.set_transform(make_transform("odom", "base", 1.0), "test")
    two = Time(seconds=2)
    query = ("base", two, "base", ONE, "odom")
    assert not buffer.can_transform_full(*query, SHORT)
    thread, results = in_thread(lambda: buffer.lookup_transform_full(*query, LONG))
    buffer.set_transform(make_transform("odom", "base", 2.0, (3, 0, 0)), "test")
    thread.join(10.0)
    assert [result.transform.translation.x for result in results] == [-3.0]
    assert buffer.can_transform_full(*query)


def test_a_future_is_done_when_the_transform_is_known(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    future = buffer.wait_for_transform_async("a", "b", ONE)
    buffer.set_transform(make_transform("a", "other"), "test")
    assert not future.done()
    buffer.set_transform_static(make_transform("a", "b", 1.0, (2, 0, 0)), "test")
    assert future.done()
    assert future.result().transform.translation.x == 2.0
    assert buffer.wait_for_transform_async("a", "b", ONE).done()
    assert buffer.wait_for_transform_full_async("a", ONE, "b", ONE, "a").done()


@pytest.mark.usefixtures("drop_ins_only")
def test_what_a_future_calls_may_use_the_buffer(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    first = buffer.wait_for_transform_async("a", "b", ONE)
    second = buffer.wait_for_transform_async("a", "c", ONE)

    def set_other_from_another_thread(_: Any) -> None:
        thread, _ = in_thread(lambda: buffer.set_transform(make_transform("a", "c"), "test"))
        thread.join(10.0)
        assert not thread.is_alive()

    first.add_done_callback(set_other_from_another_thread)
    buffer.set_transform(make_transform("a", "b"), "test")
    assert first.done()
    assert second.done()


@pytest.mark.usefixtures("drop_ins_only")
def test_a_cancelled_future_is_forgotten(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    future = buffer.wait_for_transform_async("a", "b", ONE)
    future.cancel()
    assert buffer._pending == []
    buffer.set_transform(make_transform("a", "b"), "test")
    assert future.cancelled()


def test_a_jump_back_forgets_what_moves(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    buffer.set_transform(make_transform("odom", "base", 5.0), "test")
    buffer.set_transform_static(make_transform("base", "lidar"), "test")
    buffer.time_jump_callback(None)
    assert not buffer.can_transform("odom", "base", Time(seconds=5))
    assert buffer.can_transform("base", "lidar", ONE)
    buffer.set_transform(make_transform("odom", "base", 1.0), "test")
    assert buffer.can_transform("odom", "lidar", ONE)


def test_only_registered_types_are_transformed(buffer: tf2_ros.Buffer, make_transform: Any) -> None:
    buffer.set_transform_static(make_transform("a", "b"), "test")

    class Unknown:
        pass

    with pytest.raises(tf2_ros.TypeException):
        buffer.transform(Unknown(), "a")
    tf2_ros.TransformRegistration().add(Unknown, lambda _, transform: transform.child_frame_id)
    unknown = tf2_ros.Stamped(Unknown(), ONE.to_msg(), "b")
    assert buffer.transform(unknown, "a") == "b"
    assert buffer.transform_full(unknown, "a", ONE, "a") == "b"


def test_conversion_goes_by_way_of_the_message() -> None:
    class Metres:
        value = 2.0

    class Feet:
        def __init__(self, value: float) -> None:
            self.value = value

    conversions = tf2_ros.ConvertRegistration()
    conversions.add_to_msg(Metres, lambda metres: metres.value)
    conversions.add_from_msg(Feet, lambda message: Feet(message / 0.3048))
    assert tf2_ros.convert(Metres(), Feet).value == pytest.approx(6.5617, abs=1e-4)
    conversions.add_convert((Metres, Feet), lambda _: Feet(-1.0))
    assert tf2_ros.convert(Metres(), Feet).value == -1.0
    with pytest.raises(tf2_ros.TypeException):
        tf2_ros.convert(Feet(1.0), Metres)
    point = PointStamped()
    same = tf2_ros.convert(point, PointStamped)
    assert same == point
    assert same is not point


@pytest.mark.usefixtures("drop_ins_only")
def test_an_interface_without_lookups_says_so() -> None:
    interface = tf2_ros.BufferInterface()
    for call in (
        lambda: interface.lookup_transform("a", "b", ONE),
        lambda: interface.lookup_transform_full("a", ONE, "b", ONE, "c"),
        lambda: interface.can_transform("a", "b", ONE),
        lambda: interface.can_transform_full("a", ONE, "b", ONE, "c"),
    ):
        with pytest.raises(tf2_ros.NotImplementedException, match="not implemented"):
            call()
