"""Nanoseconds of every kind of time that ROS code hands around."""

from typing import Any


def time_ns(time: Any) -> int:
    """Nanoseconds of a message stamp (`sec`, `nanosec`) or of an rclpy `Time`.

    Raises:
        TypeError: neither.
    """
    try:
        return int(time.sec) * 1_000_000_000 + int(time.nanosec)
    except AttributeError:
        nanoseconds = getattr(time, "nanoseconds", None)
    if nanoseconds is None:
        raise TypeError(f"time must have sec and nanosec, or nanoseconds; got {type(time).__name__}")
    return int(nanoseconds)


def duration_ns(duration: Any) -> int:
    """Nanoseconds of a message duration (`sec`, `nanosec`) or of an rclpy `Duration`.

    Raises:
        TypeError: neither.
    """
    try:
        return time_ns(duration)
    except TypeError as error:
        raise TypeError(str(error).replace("time", "duration", 1)) from None
