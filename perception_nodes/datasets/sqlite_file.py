"""One rosbag2 .db3 (sqlite3) file: messages in order of time, also where the file is damaged."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError

from .bag_info import TopicInfo

MAGIC: Final = b"SQLite format 3\x00"
# Rows of a damaged page may hold anything.
_WHOLE: Final = "typeof(topic_id) = 'integer' AND typeof(timestamp) = 'integer' AND typeof(data) = 'blob'"
# Where the header says how many pages the database has.
_COUNT_AT: Final = 28
# Larger files are not read twice: their damage is found when it is played.
_CHECK_BYTES: Final = 256_000_000


class SqliteFile:
    """Index of one file; `notes` say in sentences what was damaged and how much could be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise InputError(f"{path}: not a sqlite3 file: it does not begin with 'SQLite format 3'")
        self._cut = _missing_pages(path)
        self._db = _open_shortened(path) if self._cut else _connect(path)
        self._damaged = False
        # (time, row id, topic id) of every readable row, only where the file is damaged.
        self._rows: list[tuple[int, int, int]] = []
        try:
            self._topics = self._read_topics()
            self._counts, self.start_ns, self.end_ns = self._count()
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            self._db.close()
            raise InputError(f"{path}: not a readable rosbag2 database: {error}") from error

    def topics(self) -> list[TopicInfo]:
        """One entry a topic."""
        return [
            TopicInfo(name, typename, self._counts.get(key, 0), qos, schema)
            for key, (name, typename, qos, schema) in self._topics.items()
        ]

    def messages(
        self, topics: Collection[str] | None, start_ns: int, end_ns: int
    ) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time, CDR bytes) with start_ns <= log time <= end_ns, in order of log time."""
        wanted = {key: t[0] for key, t in self._topics.items() if topics is None or t[0] in topics}
        if self._damaged:
            yield from self._salvaged(wanted, start_ns, end_ns)
            return
        marks = ",".join("?" * len(wanted))
        query = (
            "SELECT topic_id, timestamp, data FROM messages WHERE timestamp BETWEEN ? AND ? "
            f"AND topic_id IN ({marks}) AND {_WHOLE} ORDER BY timestamp, id"
        )
        try:
            for topic, time_ns, data in self._db.execute(query, (start_ns, end_ns, *wanted)):
                yield wanted[topic], int(time_ns), bytes(data)
        except sqlite3.DatabaseError as error:
            self.notes.append(f"{self.path.name} is damaged ({error}): the messages after that were not read")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read_topics(self) -> dict[int, tuple[str, str, str, str]]:
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(topics)")}
        if not columns:
            raise sqlite3.DatabaseError("it has no table 'topics'")
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        rows = list(self._db.execute(f"SELECT id, name, type, {qos} FROM topics"))
        schemas: dict[str, str] = {}
        if list(self._db.execute("PRAGMA table_info(message_definitions)")):
            query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            schemas = {
                name: text for name, encoding, text in self._db.execute(query) if encoding == "ros2msg"
            }
        return {int(k): (name, kind, profile or "", schemas.get(kind, "")) for k, name, kind, profile in rows}

    def _count(self) -> tuple[dict[int, int], int, int]:
        if self._cut:
            return self._salvage(f"cut off: {self._cut} are missing at its end")
        try:
            query = (
                "SELECT topic_id, COUNT(*), MIN(timestamp), MAX(timestamp) FROM messages "
                f"WHERE {_WHOLE} GROUP BY topic_id"
            )
            rows = list(self._db.execute(query))
            if self.path.stat().st_size < _CHECK_BYTES:
                self._check()
        except sqlite3.DatabaseError as error:
            return self._salvage(str(error))
        if not rows:
            return {}, 0, 0
        counts = {int(topic): int(count) for topic, count, _, _ in rows}
        return counts, min(int(r[2]) for r in rows), max(int(r[3]) for r in rows)

    def _check(self) -> None:
        """Raise DatabaseError if the file is damaged: most damage shows only when everything is read."""
        (word,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if word != "ok":
            raise sqlite3.DatabaseError(str(word).strip().splitlines()[-1])

    def _salvage(self, error: str) -> tuple[dict[int, int], int, int]:
        """Go through the rows in the order they were written, up to the first that cannot be read."""
        self._damaged = True
        try:
            query = f"SELECT rowid, topic_id, timestamp, data FROM messages WHERE {_WHOLE}"
            for row, topic, time_ns, _ in self._db.execute(query):
                self._rows.append((int(time_ns), int(row), int(topic)))
        except sqlite3.DatabaseError:
            pass  # The rows before the damage are what there is; the note below says so.
        self._rows.sort()
        count = len(self._rows)
        self.notes.append(f"{self.path.name} is damaged ({error}): {count} messages can be read")
        counts: dict[int, int] = {}
        for _, _, topic in self._rows:
            counts[topic] = counts.get(topic, 0) + 1
        if not self._rows:
            return counts, 0, 0
        return counts, self._rows[0][0], self._rows[-1][0]

    def _salvaged(
        self, wanted: dict[int, str], start_ns: int, end_ns: int
    ) -> Iterator[tuple[str, int, bytes]]:
        for time_ns, row, topic in self._rows:
            if topic in wanted and start_ns <= time_ns <= end_ns:
                (data,) = self._db.execute("SELECT data FROM messages WHERE rowid = ?", (row,)).fetchone()
                yield wanted[topic], time_ns, bytes(data)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _size_in_pages(head: bytes) -> tuple[int, int]:
    """Page size in bytes and size of the database in pages (0: not said) from the first 100 bytes.

    Reference: sqlite.org/fileformat2.html, section 1.3.
    """
    (page,) = struct.unpack_from(">H", head, 16)
    (count,) = struct.unpack_from(">I", head, _COUNT_AT)
    return (65536 if page == 1 else int(page)), int(count)


def _missing_pages(path: Path) -> str:
    """How much of a file that was cut off is missing, as text; empty where it is whole."""
    with path.open("rb") as stream:
        head = stream.read(100)
    if len(head) < 100:
        return ""  # sqlite says what it thinks of that
    page, count = _size_in_pages(head)
    held = path.stat().st_size // max(page, 1)
    return f"{count - held} of {count} pages" if held < count else ""


def _open_shortened(path: Path) -> sqlite3.Connection:
    """Open a copy whose header says how many pages there are: sqlite refuses a file that is shorter than that.

    Raises InputError if there is no room for the copy, which nobody sees: its name is gone before this returns.
    """
    size = path.stat().st_size
    with tempfile.TemporaryDirectory(prefix="perception_bag_") as folder:
        free = shutil.disk_usage(folder).free
        if free < size:
            raise InputError(
                f"{path}: it is cut off, and reading it takes a copy: wanted {size} bytes in "
                f"{tempfile.gettempdir()} (TMPDIR names another place), got {free}"
            )
        copy = Path(folder) / "cut.db3"
        shutil.copyfile(path, copy)
        with copy.open("r+b") as stream:
            page, _ = _size_in_pages(stream.read(100))
            stream.seek(_COUNT_AT)
            stream.write(struct.pack(">I", size // page))
        return _connect(copy)
