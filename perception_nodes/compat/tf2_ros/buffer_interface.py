"""Transforming whole messages: which function transforms or converts which type."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from std_msgs.msg import Header

NO_WAIT = Duration()


class TypeException(Exception):  # noqa: N818  (upstream's name)
    """No function is registered for a type."""

    def __init__(self, errstr: str) -> None:
        super().__init__(errstr)
        self.errstr = errstr


class NotImplementedException(NotImplementedError):
    """A subclass of `BufferInterface` lacks a lookup."""

    def __init__(self, errstr: str = "CanTransform or LookupTransform not implemented") -> None:
        super().__init__(errstr)
        self.errstr = errstr


class TransformRegistration:
    """Type of a stamped message -> function (message, TransformStamped) -> message. One table for the process."""

    _transforms: ClassVar[dict[type, Callable[[Any, TransformStamped], Any]]] = {}

    def add(self, key: type, callback: Callable[[Any, TransformStamped], Any]) -> None:
        """Register the function for a type."""
        self._transforms[key] = callback

    def get(self, key: type) -> Callable[[Any, TransformStamped], Any]:
        """The function for a type.

        Raises:
            TypeException: none is registered.
        """
        return _registered(self._transforms, key, "transforming", key)

    def print_me(self) -> None:
        """Not supported."""
        raise NotImplementedError("tf2_ros.TransformRegistration.print_me is not part of the drop-in")


class ConvertRegistration:
    """Functions between types and their messages. One table for the process."""

    _to_msg: ClassVar[dict[type, Callable[[Any], Any]]] = {}
    _from_msg: ClassVar[dict[type, Callable[[Any], Any]]] = {}
    _convert: ClassVar[dict[tuple[type, type], Callable[[Any], Any]]] = {}

    def add_from_msg(self, key: type, callback: Callable[[Any], Any]) -> None:
        """Register message -> `key`."""
        self._from_msg[key] = callback

    def add_to_msg(self, key: type, callback: Callable[[Any], Any]) -> None:
        """Register `key` -> message."""
        self._to_msg[key] = callback

    def add_convert(self, key: tuple[type, type], callback: Callable[[Any], Any]) -> None:
        """Register a direct conversion (from, to)."""
        self._convert[key] = callback

    def get_from_msg(self, key: type) -> Callable[[Any], Any]:
        """Message -> `key`.

        Raises:
            TypeException: none is registered.
        """
        return _registered(self._from_msg, key, "conversion from its message to", key)

    def get_to_msg(self, key: type) -> Callable[[Any], Any]:
        """`key` -> message.

        Raises:
            TypeException: none is registered.
        """
        return _registered(self._to_msg, key, "conversion to a message of", key)

    def get_convert(self, key: tuple[type, type]) -> Callable[[Any], Any]:
        """The direct conversion (from, to).

        Raises:
            TypeException: none is registered.
        """
        return _registered(self._convert, key, f"conversion to {key[1].__name__} of", key[0])


class BufferInterface:
    """What can look up transforms can transform messages."""

    def __init__(self) -> None:
        self.registration = TransformRegistration()

    def transform(
        self,
        object_stamped: Any,
        target_frame: str,
        timeout: Duration = NO_WAIT,
        new_type: type | None = None,
    ) -> Any:
        """The message in the target frame at its own stamp, converted to `new_type` if that is given.

        Raises:
            TypeException: no function is registered for the type (import tf2_geometry_msgs or tf2_sensor_msgs).
            TransformException: the lookup failed.
        """
        do_transform = self.registration.get(type(object_stamped))
        header = object_stamped.header
        transform = self.lookup_transform(target_frame, header.frame_id, header.stamp, timeout)
        return _converted(do_transform(object_stamped, transform), new_type)

    def transform_full(
        self,
        object_stamped: Any,
        target_frame: str,
        target_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
        new_type: type | None = None,
    ) -> Any:
        """The message in the target frame at `target_time`, carried over by `fixed_frame`.

        Raises:
            TypeException: no function is registered for the type.
            TransformException: the lookup failed.
        """
        do_transform = self.registration.get(type(object_stamped))
        header = object_stamped.header
        transform = self.lookup_transform_full(
            target_frame, target_time, header.frame_id, header.stamp, fixed_frame, timeout
        )
        return _converted(do_transform(object_stamped, transform), new_type)

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration = NO_WAIT
    ) -> TransformStamped:
        """target_from_source at a time."""
        raise NotImplementedException

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
    ) -> TransformStamped:
        """Target at one time from source at another."""
        raise NotImplementedException

    def can_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration = NO_WAIT
    ) -> bool | tuple[bool, str]:
        """Whether `lookup_transform` would succeed."""
        raise NotImplementedException

    def can_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
    ) -> bool | tuple[bool, str]:
        """Whether `lookup_transform_full` would succeed."""
        raise NotImplementedException


def Stamped(obj: Any, stamp: Time, frame_id: str) -> Any:  # noqa: N802
    """The object, given a header."""
    obj.header = Header(frame_id=frame_id, stamp=stamp)
    return obj


def convert(a: Any, b_type: type) -> Any:
    """`a` as a `b_type`: directly, or a copy if it is one already, or by way of its message.

    Raises:
        TypeException: no way is registered.
    """
    conversions = ConvertRegistration()
    try:
        return conversions.get_convert((type(a), b_type))(a)
    except TypeException:
        if type(a) is b_type:
            return deepcopy(a)
    return conversions.get_from_msg(b_type)(conversions.get_to_msg(type(a))(a))


def _converted(result: Any, new_type: type | None) -> Any:
    return result if new_type is None else convert(result, new_type)


def _registered(
    table: dict[Any, Callable[..., Any]], key: Any, action: str, subject: type
) -> Callable[..., Any]:
    try:
        return table[key]
    except KeyError:
        raise TypeException(f"Type {subject.__name__}: no function for {action} it is registered") from None
