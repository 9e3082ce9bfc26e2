"""Reading rosbag2 bags (mcap or sqlite3) without ROS."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml
import zstandard
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import TypesysError, get_types_from_msg

from perception_nodes.datatypes import InputError, MalformedMessage

from .bag_info import BagInfo, TopicInfo
from .mcap_file import McapFile
from .sqlite_file import SqliteFile
from .typestore import deserialize, new_typestore, typestore

_SUFFIXES: Final = (".mcap", ".db3")
_END: Final = 2**63 - 1


class BagReader:
    """Topics and messages of a bag: a folder with metadata.yaml, a folder of .mcap or .db3 files, or one such file.

    Raises InputError if it is none of these, or if nothing in it is readable. What was damaged but partly read is
    said in `info.notes`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._notes: list[str] = []
        self._message_compression = False
        self._store = typestore()
        self._files: list[McapFile | SqliteFile] = []
        try:
            for file in self._storage_files(path):
                self._files.append(McapFile(file) if file.suffix == ".mcap" else SqliteFile(file))
        except BaseException:
            self.close()
            raise
        self._topics = _merge([t for f in self._files for t in f.topics()])
        self._known = {t.typename: self._register(t) for t in self._topics.values()}

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files; remove what was unpacked."""
        for file in self._files:
            file.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def info(self) -> BagInfo:
        """Topics, counts, times, and what was damaged."""
        held = [f for f in self._files if f.end_ns]
        start = min((f.start_ns for f in held), default=0)
        end = max((f.end_ns for f in held), default=0)
        notes = (*self._notes, *(n for f in self._files for n in f.notes))
        return BagInfo(self.path, start, end, tuple(self._topics.values()), notes)

    def knows(self, typename: str) -> bool:
        """Whether messages of this type can be decoded (known, or defined by the bag)."""
        return self._known.get(typename, typename in self._store.fielddefs)

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int = 0, end_ns: int = _END
    ) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time, CDR bytes) with start_ns <= log time <= end_ns, in order of log time."""
        streams = [f.messages(topics, start_ns, end_ns) for f in self._files]
        merged = streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda m: m[1])
        if not self._message_compression:
            yield from merged
            return
        for topic, time_ns, raw in merged:
            try:
                message = zstandard.ZstdDecompressor().decompress(raw)
            except zstandard.ZstdError as error:
                note = (
                    f"{topic}: the message at {time_ns} ns cannot be decompressed ({error}) and was left out"
                )
                if note not in self._notes:
                    self._notes.append(note)
                continue
            yield topic, time_ns, message

    def decode(self, raw: bytes, typename: str) -> Any:
        """The message in CDR bytes; raises MalformedMessage if the type is unknown or the bytes do not fit it."""
        if not self.knows(typename):
            raise MalformedMessage(f"type {typename!r}: not known, and the bag holds no definition of it")
        try:
            return deserialize(self._store, raw, typename)
        except Exception as error:  # The decoder raises whatever its generated code trips over.
            raise MalformedMessage(f"{len(raw)} bytes are not a {typename}: {error!r}") from error

    def readable(self, topic: str, start_ns: int = 0, end_ns: int = _END) -> Iterator[tuple[int, Any]]:
        """(log time, message) of one topic; what cannot be decoded is left out: whoever plays it counts it."""
        info = self.info.topic(topic)
        if info is None:
            return
        for _, time_ns, raw in self.messages([topic], start_ns, end_ns):
            try:
                message = self.decode(raw, info.typename)
            except MalformedMessage:
                continue
            yield time_ns, message

    def schema(self, typename: str) -> str:
        """Text of a type with all that it contains; raises MalformedMessage if it is not known."""
        stored = next((t.schema for t in self._topics.values() if t.typename == typename and t.schema), "")
        if stored:
            return stored
        if not self.knows(typename):
            raise MalformedMessage(f"type {typename!r}: not known, and the bag holds no definition of it")
        return self._store.generate_msgdef(typename, ros_version=2)[0]

    def _register(self, topic: TopicInfo) -> bool:
        """Teach a store of our own a type that the bag defines; whether it is known now."""
        if topic.typename in self._store.fielddefs:
            return True
        if not topic.schema or not topic.typename:
            return False
        try:
            found: Typesdict = get_types_from_msg(topic.schema, topic.typename)
            if self._store is typestore():
                self._store = new_typestore()
            self._store.register({k: v for k, v in found.items() if k not in self._store.fielddefs})
        except (TypesysError, KeyError, ValueError) as error:
            self._notes.append(f"type {topic.typename}: its definition in the bag cannot be used: {error}")
            return False
        return True

    def _storage_files(self, path: Path) -> list[Path]:
        if path.is_file():
            return [self._unpacked(path)]
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        described = self._described(path)
        if described is not None:
            return described
        found = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES)
        if not found:
            raise InputError(f"{path}: not a bag: wanted metadata.yaml, .mcap or .db3 files in it")
        self._notes.append(f"{path.name} has no metadata.yaml: reading {', '.join(p.name for p in found)}")
        return found

    def _described(self, path: Path) -> list[Path] | None:
        """Files that metadata.yaml names, None if there is no usable metadata.yaml."""
        try:
            data = yaml.safe_load((path / "metadata.yaml").read_text())
            described = data["rosbag2_bagfile_information"]
            names = [Path(str(n)).name for n in described["relative_file_paths"]]
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
            self._notes.append(f"metadata.yaml cannot be used ({type(error).__name__}: {error})")
            return None
        self._message_compression = str(described.get("compression_mode", "")).upper() == "MESSAGE"
        present = [path / n for n in names if (path / n).is_file()]
        missing = [n for n in names if not (path / n).is_file()]
        if missing:
            self._notes.append(f"metadata.yaml names files that are missing: {', '.join(missing)}")
        return [self._unpacked(p) for p in present] if present else None

    def _unpacked(self, path: Path) -> Path:
        """The file itself, or its content where the whole file is compressed with zstd."""
        if path.suffix in _SUFFIXES:
            return path
        if path.suffix == ".bag":
            raise InputError(
                f"{path}: a ROS 1 bag: convert it first with `rosbags-convert --src {path.name} --dst OUT`"
            )
        if path.suffix != ".zstd" or Path(path.stem).suffix not in _SUFFIXES:
            raise InputError(f"{path}: not a bag file: wanted .mcap or .db3")
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="perception_bag_")
        out = Path(self._temporary.name) / path.stem
        try:
            with path.open("rb") as source, out.open("wb") as target:
                zstandard.ZstdDecompressor().copy_stream(source, target)
        except zstandard.ZstdError as error:
            raise InputError(f"{path}: cannot be decompressed: {error}") from error
        return out


def _merge(topics: list[TopicInfo]) -> dict[str, TopicInfo]:
    """One entry a topic over all files and channels, counts summed."""
    out: dict[str, TopicInfo] = {}
    for topic in topics:
        seen = out.get(topic.name, replace(topic, count=0))
        schema, qos = seen.schema or topic.schema, seen.qos or topic.qos
        out[topic.name] = replace(seen, count=seen.count + topic.count, schema=schema, qos=qos)
    return dict(sorted(out.items()))
