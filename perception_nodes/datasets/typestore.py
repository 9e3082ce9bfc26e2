"""Message types without ROS: the common ones from `rosbags`, ours parsed from `msg/*.msg`."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from perception_nodes.resources import PACKAGE, resource_path

# Bytes of the encapsulation header before the content.
_HEADER: Final = 4


def new_typestore() -> Typestore:
    """A fresh store with the messages of ROS 2 Kilted and of this package (types of a bag may be added to it)."""
    store = get_typestore(Stores.ROS2_KILTED)
    for path in sorted(resource_path("msg").glob("*.msg")):
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
    return deserialize(typestore(), raw, typename)


def deserialize(store: Typestore, raw: bytes | memoryview, typename: str) -> Any:
    """Decode with a given store.

    rmw_fastrtps sizes its buffer as if every empty sequence of 8-byte values had to be aligned, so that unused bytes
    are left behind a message; `rosbags` refuses more than 3. If what was read fills its own length exactly, it was
    read right and the rest is such a gap.
    """
    try:
        return store.deserialize_cdr(raw, typename)
    except SerdeError as error:
        if "size mismatch" not in str(error):
            raise
        definition = store.get_msgdef(typename)
        read = definition.deserialize_cdr_le if raw[1] else definition.deserialize_cdr_be
        message, end = read(memoryview(raw)[_HEADER:], 0, definition.cls, store)
        unused = len(raw) - _HEADER - end
        if unused % 4 or len(store.serialize_cdr(message, typename)) != end + _HEADER:
            raise
        return message
