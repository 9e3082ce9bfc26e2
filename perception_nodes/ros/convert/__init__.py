"""Messages to values and back. Reads attributes, so it takes live messages and those decoded from bags alike."""

from . import from_msg, to_msg

__all__ = ["from_msg", "to_msg"]
