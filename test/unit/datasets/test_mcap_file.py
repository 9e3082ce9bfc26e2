"""Reading mcap: order, ranges, and everything that can be broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mcap.writer import CompressionType, Writer

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.datatypes import InputError

MakeBag = Callable[..., Path]
_DATA_END = b"\x0f\x04\x00\x00\x00\x00\x00\x00\x00"  # opcode and length; 4 bytes of checksum follow
LIDAR = "/sensing/lidar/top/points"


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_all_messages_in_order_of_time(make_bag: MakeBag, compression: str) -> None:
    with BagReader(make_bag(compression=compression)) as reader:
        messages = list(reader.messages())
        assert len(messages) == reader.info.count == 1 + 4 * 10
        times = [time_ns for _, time_ns, _ in messages]
        assert times == sorted(times)
        assert reader.info.duration_s == pytest.approx(0.9)
        clouds = [
            reader.decode(raw, "sensor_msgs/msg/PointCloud2") for topic, _, raw in messages if topic == LIDAR
        ]
        assert [int(c.data.view("<f4")[3]) for c in clouds] == list(range(10))


def test_topics_and_times_select(make_bag: MakeBag) -> None:
    with BagReader(make_bag()) as reader:
        start = reader.info.start_ns
        found = list(reader.messages({LIDAR}, start + 200_000_000, start + 400_000_000))
        assert [(topic, (t - start) // 100_000_000) for topic, t, _ in found] == [
            (LIDAR, k) for k in (2, 3, 4)
        ]


def _write_mixed(path: Path, *, chunked: bool, chunk_size: int = 1 << 20) -> None:
    """Ten messages, not in order of time: 3 2 1 0, 7 6 5 4, 9 8."""
    writer = Writer(str(path), compression=CompressionType.NONE, use_chunking=chunked, chunk_size=chunk_size)
    writer.start(profile="ros2")
    schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
    channel = writer.register_channel("/words", "cdr", schema)
    for time_ns in (3, 2, 1, 0, 7, 6, 5, 4, 9, 8):
        writer.add_message(
            channel, 1000 + time_ns, b"\x00\x01\x00\x00" + bytes([time_ns]) * 40, 1000 + time_ns
        )
    writer.finish()


@pytest.mark.parametrize(("chunked", "chunk_size"), [(True, 150), (True, 1 << 20), (False, 0)])
def test_messages_stored_out_of_order_come_in_order(tmp_path: Path, chunked: bool, chunk_size: int) -> None:
    path = tmp_path / "mixed.mcap"
    _write_mixed(path, chunked=chunked, chunk_size=chunk_size)
    with BagReader(path) as reader:
        assert [t - 1000 for _, t, _ in reader.messages()] == list(range(10))
        assert reader.info.topic("/words").count == 10


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_file_cut_off_is_read_up_to_the_cut(tmp_path: Path, share: float) -> None:
    source, cut = tmp_path / "small.mcap", tmp_path / "cut.mcap"
    _write_mixed(source, chunked=True, chunk_size=150)
    whole = source.read_bytes()
    # Small chunks, so that several are complete before the cut, which lies before the end of the data.
    cut.write_bytes(whole[: round(whole.rfind(_DATA_END) * share)])
    with BagReader(cut) as reader:
        read = list(reader.messages())
        assert len(read) == reader.info.count <= 10
        assert "cut off" in reader.info.notes[0]
        assert f"read {len(read)} messages" in reader.info.notes[0]
        assert len(read) >= round(10 * share) - 4


def test_a_file_without_summary_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "no_summary.mcap"
    _write_mixed(path, chunked=True, chunk_size=150)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rfind(_DATA_END) + 13])
    with BagReader(path) as reader:
        assert len(list(reader.messages())) == 10
        assert "has no summary" in reader.info.notes[0]


def test_a_damaged_chunk_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "mixed.mcap"
    _write_mixed(path, chunked=True, chunk_size=150)
    whole = bytearray(path.read_bytes())
    place = whole.find(bytes([6]) * 40)
    whole[place] ^= 0xFF
    path.write_bytes(bytes(whole))
    with BagReader(path) as reader:
        read = [t - 1000 for _, t, _ in reader.messages()]
        assert 0 < len(read) < 10
        assert 6 not in read
        assert any("damaged" in note for note in reader.info.notes)


@pytest.mark.parametrize("content", [b"", b"hello, this is no bag at all", b"\x89MCAP0\r\n"])
def test_no_bag_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not an mcap file|holds no messages"):
        open_input(path)


def test_random_damage_never_ends_in_anything_but_an_input_error(tmp_path: Path) -> None:
    """Every byte of the record headers of a small file, one at a time."""
    path = tmp_path / "mixed.mcap"
    _write_mixed(path, chunked=True, chunk_size=150)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 0x55
        path.write_bytes(bytes(broken))
        try:
            with BagReader(path) as reader:
                assert len(list(reader.messages())) <= 10
        except InputError:
            continue
