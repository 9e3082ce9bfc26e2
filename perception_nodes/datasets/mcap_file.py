"""One .mcap file: messages in order of log time, also where the file is cut off, has no summary, or has bad chunks."""

from __future__ import annotations

import heapq
import io
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from mcap.records import Channel, Schema
from mcap.summary import Summary

from perception_nodes.datatypes import InputError

from .bag_info import TopicInfo

MAGIC: Final = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 3, 4, 5, 6, 15
_RECORD: Final = struct.Struct("<BQ")
_MESSAGE_HEAD: Final = struct.Struct("<HIQQ")
_CHUNK_HEAD: Final = struct.Struct("<QQQII")
# What damaged bytes make the decompressors and the record readers raise.
_DAMAGE: Final = (
    OSError,
    MemoryError,
    OverflowError,
    struct.error,
    ValueError,
    EOFError,
    RuntimeError,
    zstandard.ZstdError,
    McapError,
    IndexError,
)


@dataclass(frozen=True)
class _Block:
    """Where messages lie: a chunk record, or a run of bare message records (`chunked` False).

    channels: ids of the channels in it, empty = not known.
    """

    start_ns: int
    end_ns: int
    offset: int
    length: int
    chunked: bool
    channels: frozenset[int] = frozenset()


class McapFile:
    """Index of one file; `notes` say in sentences what was damaged and how much could be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._stream: IO[bytes] = path.open("rb")
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: dict[int, int] = {}
        self._blocks: list[_Block] = []
        try:
            self._read_index()
        except BaseException:
            self._stream.close()
            raise
        self._blocks.sort(key=lambda b: b.start_ns)

    @property
    def start_ns(self) -> int:
        """Log time of the first message, 0 if there is none."""
        return min((b.start_ns for b in self._blocks), default=0)

    @property
    def end_ns(self) -> int:
        """Log time of the last message, 0 if there is none."""
        return max((b.end_ns for b in self._blocks), default=0)

    def topics(self) -> list[TopicInfo]:
        """One entry a channel (a topic may have several)."""
        out = []
        for key, channel in self._channels.items():
            schema = self._schemas.get(channel.schema_id)
            text = schema.data.decode(errors="replace") if schema and schema.encoding == "ros2msg" else ""
            typename = schema.name if schema else ""
            qos = channel.metadata.get("offered_qos_profiles", "")
            out.append(TopicInfo(channel.topic, typename, self._counts.get(key, 0), qos, text))
        return out

    def messages(
        self, topics: Collection[str] | None, start_ns: int, end_ns: int
    ) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time, CDR bytes) with start_ns <= log time <= end_ns, in order of log time."""
        heap: list[tuple[int, int, int, bytes]] = []
        wanted = {k: c.topic for k, c in self._channels.items() if topics is None or c.topic in topics}
        for order, block in enumerate(self._blocks):
            other = block.channels and not block.channels & wanted.keys()
            if other or block.end_ns < start_ns or block.start_ns > end_ns:
                continue
            while heap and heap[0][0] < block.start_ns:
                yield _emit(heap, wanted)
            for place, (channel, time_ns, raw) in enumerate(self._read_block(block)):
                if channel in wanted and start_ns <= time_ns <= end_ns:
                    heapq.heappush(heap, (time_ns, order << 32 | place, channel, raw))
        while heap:
            yield _emit(heap, wanted)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _read_index(self) -> None:
        if self._stream.read(len(MAGIC)) != MAGIC:
            magic = MAGIC.hex(" ")
            raise InputError(f"{self.path}: not an mcap file: it does not begin with the bytes {magic}")
        summary = self._summary()
        if summary is None:
            self._scan()
        else:
            self._use(summary)

    def _summary(self) -> Summary | None:
        """The summary section if it is there and complete."""
        try:
            self._stream.seek(0)
            summary = SeekingReader(self._stream).get_summary()
        except _DAMAGE:
            return None
        if summary is None or summary.statistics is None:
            return None
        size = self.path.stat().st_size
        if any(c.chunk_start_offset + c.chunk_length > size for c in summary.chunk_indexes):
            return None
        indexed = summary.chunk_indexes or not summary.statistics.message_count
        known = set(summary.statistics.channel_message_counts) <= set(summary.channels)
        return summary if indexed and known else None

    def _use(self, summary: Summary) -> None:
        self._schemas, self._channels = dict(summary.schemas), dict(summary.channels)
        if summary.statistics is not None:
            self._counts = dict(summary.statistics.channel_message_counts)
        for chunk in summary.chunk_indexes:
            if chunk.message_start_time or chunk.message_end_time:
                times = chunk.message_start_time, chunk.message_end_time
                channels = frozenset(chunk.message_index_offsets)
                place = chunk.chunk_start_offset, chunk.chunk_length
                self._blocks.append(_Block(*times, *place, True, channels))

    def _scan(self) -> None:
        """Build the index by reading the whole file, up to where it is cut off."""
        size = self.path.stat().st_size
        offset = len(MAGIC)
        complete = False
        while offset + _RECORD.size <= size:
            self._stream.seek(offset)
            opcode, length = _RECORD.unpack(self._stream.read(_RECORD.size))
            if offset + _RECORD.size + length > size:
                break
            complete = opcode == _DATA_END
            if complete:
                break
            if opcode in (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK):
                self._scan_record(opcode, offset, _RECORD.size + length)
            offset += _RECORD.size + length
        state = "has no summary" if complete else f"is cut off after {offset} of {size} bytes"
        count = sum(self._counts.values())
        self.notes.append(f"{self.path.name} {state}: read {count} messages by going through the file")

    def _scan_record(self, opcode: int, offset: int, length: int) -> None:
        self._stream.seek(offset)
        data = self._stream.read(length)
        if opcode != _CHUNK:
            self._learn(data, offset)
            return
        try:
            content = _chunk_content(data)
            found = [(channel, time_ns) for channel, time_ns, _ in self._walk(content, count=True)]
        except _DAMAGE as error:
            self.notes.append(
                f"{self.path.name}: the chunk at byte {offset} is damaged ({error}) and was left out"
            )
            return
        if found:
            times = [time_ns for _, time_ns in found]
            channels = frozenset(channel for channel, _ in found)
            self._blocks.append(_Block(min(times), max(times), offset, length, True, channels))

    def _learn(self, data: bytes, offset: int) -> None:
        """A bare record outside chunks."""
        for _, time_ns, _ in self._walk(data, count=True):
            last = self._blocks[-1] if self._blocks else None
            if last and not last.chunked and last.offset + last.length == offset and last.length < 1 << 22:
                start, end = min(last.start_ns, time_ns), max(last.end_ns, time_ns)
                self._blocks[-1] = _Block(start, end, last.offset, last.length + len(data), False)
            else:
                self._blocks.append(_Block(time_ns, time_ns, offset, len(data), False))

    def _read_block(self, block: _Block) -> list[tuple[int, int, bytes]]:
        self._stream.seek(block.offset)
        data = self._stream.read(block.length)
        try:
            return list(self._walk(_chunk_content(data) if block.chunked else data))
        except _DAMAGE as error:
            note = f"{self.path.name}: the chunk at byte {block.offset} is damaged ({error}) and was left out"
            if note not in self.notes:
                self.notes.append(note)
            return []

    def _walk(self, data: bytes, count: bool = False) -> Iterator[tuple[int, int, bytes]]:
        """(channel id, log time, bytes) of the messages in a run of records; schemas and channels are noted."""
        at, size = 0, len(data)
        while at + _RECORD.size <= size:
            opcode, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if at + length > size:
                raise EOFError(f"a record of {length} bytes in a block with {size - at} left")
            if opcode == _MESSAGE:
                channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(data, at)
                if count:
                    self._counts[channel] = self._counts.get(channel, 0) + 1
                yield channel, time_ns, data[at + _MESSAGE_HEAD.size : at + length]
            elif opcode == _SCHEMA:
                schema = Schema.read(_stream_of(data[at : at + length]))
                self._schemas.setdefault(schema.id, schema)
            elif opcode == _CHANNEL:
                found = Channel.read(_stream_of(data[at : at + length]))
                self._channels.setdefault(found.id, found)
            at += length


def _emit(heap: list[tuple[int, int, int, bytes]], topics: dict[int, str]) -> tuple[str, int, bytes]:
    time_ns, _, channel, raw = heapq.heappop(heap)
    return topics[channel], time_ns, raw


def _stream_of(data: bytes) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(data))


def _chunk_content(record: bytes) -> bytes:
    """Decompressed records of a chunk record; raises one of `_DAMAGE` if its checksum is wrong."""
    _, _, size, crc, name_length = _CHUNK_HEAD.unpack_from(record, _RECORD.size)
    at = _RECORD.size + _CHUNK_HEAD.size
    compression = record[at : at + name_length].decode()
    (length,) = struct.unpack_from("<Q", record, at + name_length)
    data = record[at + name_length + 8 : at + name_length + 8 + length]
    if compression == "zstd":
        data = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    elif compression == "lz4":
        data = lz4.frame.decompress(data)
    elif compression:
        raise ValueError(f"compression {compression!r}: wanted zstd, lz4 or none")
    if len(data) != size or (crc and zlib.crc32(data) != crc):
        raise ValueError("its checksum does not match its content")
    return data
