"""Reading rosbag2's sqlite3 files, whole and damaged."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datatypes import InputError, MalformedMessage

MakeBag = Callable[..., Path]


def write_db3(path: Path, source: Path) -> None:
    """The messages of a bag in the schema of rosbag2_storage_sqlite3, written last to first."""
    db = sqlite3.connect(path)
    db.execute(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, "
        "offered_qos_profiles TEXT)"
    )
    db.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
    )
    db.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
    with BagReader(source) as reader:
        ids = {}
        for key, topic in enumerate(reader.info.topics, 1):
            ids[topic.name] = key
            db.execute(
                "INSERT INTO topics VALUES(?, ?, ?, 'cdr', ?)", (key, topic.name, topic.typename, topic.qos)
            )
        for name, time_ns, raw in reversed(list(reader.messages())):
            db.execute(
                "INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)", (ids[name], time_ns, raw)
            )
    db.commit()
    db.close()


@pytest.fixture
def db3(make_bag: MakeBag, tmp_path: Path) -> Path:
    path = tmp_path / "drive.db3"
    write_db3(path, make_bag())
    return path


def test_the_same_as_the_mcap(db3: Path, make_bag: MakeBag) -> None:
    with BagReader(db3) as reader, BagReader(make_bag()) as mcap:
        assert [(t.name, t.typename, t.count) for t in reader.info.topics] == [
            (t.name, t.typename, t.count) for t in mcap.info.topics
        ]
        assert sorted(reader.messages()) == sorted(mcap.messages())
        times = [t for _, t, _ in reader.messages()]
        assert times == sorted(times)
        start = reader.info.start_ns
        assert len(list(reader.messages({"/tf"}, start + 100_000_000, start + 300_000_000))) == 3


def test_latched_topics_are_recognised(db3: Path) -> None:
    with BagReader(db3) as reader:
        assert [t.name for t in reader.info.topics if t.latched] == ["/tf_static"]


def test_a_folder_with_metadata(db3: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    db3.rename(folder / "bag_0.db3")
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  relative_file_paths: [bag_0.db3, bag_1.db3]\n  compression_mode: ''\n"
    )
    with BagReader(folder) as reader:
        assert reader.info.count == 41
        assert "bag_1.db3" in reader.info.notes[0]


def test_a_folder_with_a_spoilt_metadata_is_read_anyway(db3: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    db3.rename(folder / "bag_0.db3")
    (folder / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    with BagReader(folder) as reader:
        assert reader.info.count == 41
        assert "metadata.yaml cannot be used" in reader.info.notes[0]


def test_a_file_compressed_as_a_whole(db3: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    (folder / "bag_0.db3.zstd").write_bytes(zstandard.ZstdCompressor().compress(db3.read_bytes()))
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  relative_file_paths: [bag_0.db3.zstd]\n  compression_mode: FILE\n"
    )
    with BagReader(folder) as reader:
        assert reader.info.count == 41


def test_messages_compressed_one_by_one(db3: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    with BagReader(db3) as reader:
        wanted = list(reader.messages())
    db = sqlite3.connect(db3)
    packer = zstandard.ZstdCompressor()
    for key, data in list(db.execute("SELECT id, data FROM messages")):
        db.execute("UPDATE messages SET data = ? WHERE id = ?", (packer.compress(data), key))
    db.commit()
    db.close()
    db3.rename(folder / "bag_0.db3")
    (folder / "metadata.yaml").write_text(
        "rosbag2_bagfile_information:\n  relative_file_paths: [bag_0.db3]\n  compression_mode: MESSAGE\n"
    )
    with BagReader(folder) as reader:
        assert sorted(reader.messages()) == sorted(wanted)


@pytest.fixture
def long_db3(db3: Path) -> Path:
    """With 60 messages of 20 kB more, in the order of their times, as a recorder writes them."""
    db = sqlite3.connect(db3)
    db.execute("INSERT INTO topics VALUES(98, '/big', 'std_msgs/msg/String', 'cdr', '')")
    for k in range(60):
        row = (98, 1_800_000_000_000_000_000 + k, bytes([k]) * 20_000)
        db.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(?, ?, ?)", row)
    db.commit()
    db.close()
    return db3


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_of_a_file_that_was_cut_off_the_messages_before_the_cut_are_read(
    long_db3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with BagReader(long_db3) as reader:
        wanted = list(reader.messages())
    whole = long_db3.read_bytes()
    long_db3.write_bytes(whole[: round(len(whole) * share)])
    with BagReader(long_db3) as reader:
        read = list(reader.messages())
        assert len(read) == reader.info.count
        assert (share - 0.15) * len(wanted) < len(read) < len(wanted)
        assert set(read) < set(wanted)
        assert re.search(r"cut off: \d+ of \d+ pages are missing", reader.info.notes[0])
        assert not list(folder.iterdir())


def test_a_file_cut_off_without_its_list_of_topics_is_an_error(db3: Path) -> None:
    db3.write_bytes(db3.read_bytes()[:4096])
    with pytest.raises(InputError, match=r"drive\.db3: not a readable rosbag2 database"):
        BagReader(db3)


def test_no_room_for_the_copy_of_a_file_that_was_cut_off_is_said(
    db3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db3.write_bytes(db3.read_bytes()[:-8192])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(InputError, match=r"cut off.*wanted \d+ bytes in .* got 5"):
        BagReader(db3)


def test_damage_in_the_middle_is_said(db3: Path) -> None:
    whole = bytearray(db3.read_bytes())
    page = 4096
    assert len(whole) >= 4 * page
    whole[-2 * page :] = b"\xab" * (2 * page)
    db3.write_bytes(bytes(whole))
    try:
        with BagReader(db3) as reader:
            read = list(reader.messages())
            assert len(read) == reader.info.count < 41
            assert "damaged" in reader.info.notes[0]
    except InputError as error:
        assert "database" in str(error)  # noqa: PT017


def test_not_a_bag_database(tmp_path: Path) -> None:
    other = tmp_path / "other.db3"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE people(name TEXT)")
    db.commit()
    db.close()
    with pytest.raises(InputError, match="no table 'topics'"):
        open_input(other)
    (tmp_path / "text.db3").write_text("hello, I am a text and no data base")
    with pytest.raises(InputError, match="not a sqlite3 file"):
        open_input(tmp_path / "text.db3")


def test_ros1_bags_are_sent_to_the_converter(tmp_path: Path) -> None:
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(InputError, match="rosbags-convert"):
        open_input(tmp_path / "old.bag")


def test_an_unknown_type_is_counted_and_cannot_be_decoded(db3: Path) -> None:
    db = sqlite3.connect(db3)
    db.execute("INSERT INTO topics VALUES(99, '/secret', 'acme_msgs/msg/Secret', 'cdr', '')")
    db.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(99, 1700000000000000001, x'00010000')")
    db.commit()
    db.close()
    source = open_input(db3)
    assert any("acme_msgs/msg/Secret" in note for note in source.notes)
    with BagReader(db3) as reader:
        assert not reader.knows("acme_msgs/msg/Secret")
        with pytest.raises(MalformedMessage, match="acme_msgs"):
            reader.decode(b"\x00\x01\x00\x00", "acme_msgs/msg/Secret")
        with pytest.raises(MalformedMessage, match="3 bytes are not a"):
            reader.decode(b"\x00\x01\x00", "sensor_msgs/msg/PointCloud2")
