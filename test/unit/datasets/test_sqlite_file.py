"""Reading rosbag2's sqlite3 files, whole and damaged."""

from __future__ import annotations

import sqlite3
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


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
def test_a_truncated_file_gives_what_is_readable_or_a_clear_error(db3: Path, share: float) -> None:
    whole = db3.read_bytes()
    db3.write_bytes(whole[: round(len(whole) * share)])
    try:
        with BagReader(db3) as reader:
            assert len(list(reader.messages())) == reader.info.count < 41
            assert "damaged" in reader.info.notes[0]
    except InputError as error:
        assert "drive.db3" in str(error)  # noqa: PT017  both outcomes are right; neither is a crash


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
