"""Reading the little that is needed of serialised messages without decoding them."""

from __future__ import annotations

import struct

from perception_nodes.datatypes import MalformedMessage


def header_stamp_ns(raw: bytes) -> int:
    """Stamp of a message whose first field is a std_msgs/Header, from its CDR bytes.

    Raises MalformedMessage if there are too few bytes.
    """
    if len(raw) < 12:
        raise MalformedMessage(f"a message of {len(raw)} bytes has no header")
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
