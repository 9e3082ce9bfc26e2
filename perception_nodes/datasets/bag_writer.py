"""Writing mcap bags that rosbag2, Foxglove and this package's player read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from mcap.writer import CompressionType, Writer

from perception_nodes.datatypes import ConfigurationError

from .bag_info import BagInfo, TopicInfo
from .qos import profile_text
from .typestore import definition, encode

COMPRESSIONS: Final = {
    "none": CompressionType.NONE,
    "lz4": CompressionType.LZ4,
    "zstd": CompressionType.ZSTD,
}


class BagWriter:
    """Writes one .mcap. Topics are declared on first use; use as a context manager (the file is complete at exit).

    compression: "none", "lz4" or "zstd" (per chunk).
    """

    def __init__(self, path: Path, compression: str = "zstd") -> None:
        if compression not in COMPRESSIONS:
            raise ConfigurationError(f"compression {compression!r}: wanted one of {sorted(COMPRESSIONS)}")
        self.path = path
        self._stream = path.open("wb")
        self._writer = Writer(self._stream, chunk_size=4 << 20, compression=COMPRESSIONS[compression])
        self._writer.start(profile="ros2", library="perception_nodes")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, tuple[int, str]] = {}
        self._counts: dict[str, int] = {}
        self._qos: dict[str, str] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def declare(
        self,
        topic: str,
        typename: str,
        *,
        latched: bool = False,
        qos: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Make a topic known, also when no message follows.

        qos: rosbag2's YAML (default: reliable, depth 5); schema: text of a type that the typestore does not know.
        """
        if topic in self._channels:
            return
        if typename not in self._schemas:
            text = definition(typename) if schema is None else schema
            self._schemas[typename] = self._writer.register_schema(typename, "ros2msg", text.encode())
        self._qos[topic] = profile_text(latched, 100 if latched else 5) if qos is None else qos
        metadata = {"offered_qos_profiles": self._qos[topic]}
        channel = self._writer.register_channel(topic, "cdr", self._schemas[typename], metadata)
        self._channels[topic] = channel, typename
        self._counts[topic] = 0

    def write(self, topic: str, message: Any, typename: str, log_time_ns: int) -> None:
        """Encode a message and append it at `log_time_ns`."""
        self.declare(topic, typename)
        self.write_raw(topic, encode(message, typename), log_time_ns)

    def write_raw(self, topic: str, raw: bytes, log_time_ns: int) -> None:
        """Append CDR bytes as they are to a declared topic."""
        channel, _ = self._channels[topic]
        self._writer.add_message(channel, log_time_ns, raw, log_time_ns, self._counts[topic])
        self._counts[topic] += 1
        self._first_ns = log_time_ns if self._first_ns is None else min(self._first_ns, log_time_ns)
        self._last_ns = max(self._last_ns, log_time_ns)

    def close(self) -> None:
        """Write index and summary and close the file (once)."""
        if not self._stream.closed:
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._stream.close()

    def info(self, notes: tuple[str, ...] = ()) -> BagInfo:
        """What has been written so far."""
        topics = tuple(
            TopicInfo(topic, typename, self._counts[topic], self._qos[topic])
            for topic, (_, typename) in self._channels.items()
        )
        return BagInfo(self.path, self._first_ns or 0, self._last_ns, topics, notes)


@contextmanager
def bag_in_the_making(path: Path, compression: str) -> Iterator[BagWriter]:
    """A writer whose file gets its name only when it is complete; after an error nothing is left."""
    part = path.with_name(path.name + ".part")
    try:
        with BagWriter(part, compression) as writer:
            yield writer
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
