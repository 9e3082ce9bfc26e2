"""Message types without ROS: the common ones from `rosbags`, ours parsed from `msg/*.msg`."""

from __future__ import annotations

from functools import cache
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from .resources import PACKAGE, resource_dir


def new_typestore() -> Typestore:
    """A fresh store with the messages of ROS 2 Kilted and of this package (types of a bag may be added to it)."""
    store = get_typestore(Stores.ROS2_KILTED)
    for path in sorted(resource_dir("msg").glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(), f"{PACKAGE}/msg/{path.stem}"))
    return store


@cache
def typestore() -> Typestore:
    """The shared store; do not register anything in it."""
    return new_typestore()


@cache
def definition(typename: str) -> str:
    """Text of a message type with all that it contains, as MCAP's `ros2msg` encoding wants it."""
    return typestore().generate_msgdef(typename, ros_version=2)[0]


def message_class(typename: str) -> Any:
    """Dataclass of a message type (all fields are keyword arguments)."""
    return typestore().types[typename]


def encode(message: Any, typename: str) -> bytes:
    """CDR bytes (little endian, with the encapsulation header) as ROS 2 sends them."""
    return bytes(typestore().serialize_cdr(message, typename))


def decode(raw: bytes | memoryview, typename: str) -> Any:
    """The message in CDR bytes; its attributes are those of the ROS message (arrays are numpy arrays)."""
    return typestore().deserialize_cdr(raw, typename)
