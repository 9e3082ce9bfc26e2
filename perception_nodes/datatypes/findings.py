"""What the doctor says: one finding, how bad it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad a finding is."""

    OK = 0
    NOTE = 1
    WARN = 2
    ERROR = 3


@dataclass(frozen=True)
class Finding:
    """subject: the thing; what: what was seen; remedy: what to do, empty when nothing needs doing."""

    level: Level
    subject: str
    what: str
    remedy: str = ""
