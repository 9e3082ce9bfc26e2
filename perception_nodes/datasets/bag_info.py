"""What a bag contains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .qos import is_latched


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a bag: `qos` is rosbag2's YAML ("" = not stored), `schema` the type's text ("" = not stored)."""

    name: str
    typename: str
    count: int
    qos: str = ""
    schema: str = ""

    @property
    def latched(self) -> bool:
        """Whether late subscribers are to get the last messages (transient local)."""
        return self.name == "/tf_static" or is_latched(self.qos)


@dataclass(frozen=True)
class BagInfo:
    """Times are log times, ns; `notes` are sentences for people (what was left out, assumed or salvaged)."""

    path: Path
    start_ns: int
    end_ns: int
    topics: tuple[TopicInfo, ...]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Messages in all."""
        return sum(topic.count for topic in self.topics)

    @property
    def duration_s(self) -> float:
        """Between the first and the last message."""
        return (self.end_ns - self.start_ns) * 1e-9

    def topic(self, name: str) -> TopicInfo | None:
        """A topic by name, None if the bag has none."""
        return next((t for t in self.topics if t.name == name), None)
