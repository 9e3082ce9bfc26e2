"""The player against a sink that only writes down what it gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perception_nodes.datasets import BagReader, Player, PlayerConfig, Timeline
from perception_nodes.datasets.read_ahead import ReadAhead
from perception_nodes.datatypes import ConfigurationError, InputError

MakeBag = Callable[..., Path]
FAST = 50.0
LIDAR = "/sensing/lidar/top/points"


class Notebook:
    """A sink."""

    def __init__(self, refuse: str = "", stop_after: int = 0) -> None:
        self.clocks: list[int] = []
        self.messages: list[tuple[str, int]] = []  # topic and the last clock before it
        self.states: list[tuple[Timeline, int, bool]] = []
        self.refuse = refuse
        self.stop_after = stop_after
        self.player: Player | None = None

    def clock(self, stamp_ns: int) -> None:
        self.clocks.append(stamp_ns)

    def publish(self, topic: str, raw: bytes) -> bool:
        assert raw
        self.messages.append((topic, self.clocks[-1]))
        if self.player is not None and len(self.messages) >= self.stop_after > 0:
            self.player.stop()
        return topic != self.refuse

    def state(self, timeline: Timeline, loop: int, finished: bool) -> None:
        self.states.append((timeline, loop, finished))


def play(path: Path, sink: Notebook, **options: object) -> Player:
    with BagReader(path) as reader:
        player = Player(reader, PlayerConfig(**{"rate": FAST, **options}))
        sink.player = player
        player.play(sink)
    return player


def test_everything_is_published_in_order_with_the_clock_just_before(make_bag: MakeBag) -> None:
    sink = Notebook()
    path = make_bag()
    player = play(path, sink)
    with BagReader(path) as reader:
        wanted = [(topic, time_ns) for topic, time_ns, _ in reader.messages() if topic != "/tf_static"]
    assert sink.messages == wanted
    assert sink.clocks == sorted(sink.clocks)
    assert player.published[LIDAR] == 10
    assert player.late_s
    assert min(player.late_s) >= 0


def test_clock_ticks_between_messages(make_bag: MakeBag) -> None:
    sink = Notebook()
    play(make_bag(), sink, clock_hz=1000.0, rate=1.0)
    # 900 ticks if none is late, and one clock a stamp: on a busy machine many are late.
    stamps = {time_ns for _, time_ns in sink.messages}
    assert len(set(sink.clocks) - stamps) >= 3


def test_static_transforms_come_whole_whatever_part_is_played(make_bag: MakeBag) -> None:
    with BagReader(make_bag()) as reader:
        player = Player(reader, PlayerConfig(start_s=0.5))
        (link,) = reader.decode(player.static, "tf2_msgs/msg/TFMessage").transforms
        assert link.child_frame_id == "lidar_top"
        assert "/tf_static" not in player.topics


def test_start_duration_and_topics(make_bag: MakeBag) -> None:
    sink = Notebook()
    play(make_bag(), sink, start_s=0.2, duration_s=0.3, topics=(LIDAR,))
    assert [topic for topic, _ in sink.messages] == [LIDAR] * 4  # 0.2, 0.3, 0.4, 0.5


def test_states_tell_how_to_map_stamps_to_the_wall_clock(make_bag: MakeBag) -> None:
    sink = Notebook()
    play(make_bag(), sink, start_s=0.2)
    (first, _, begun), (last, _, ended) = sink.states
    assert (begun, ended) == (False, True)
    assert first == last
    assert first.stamp_start_ns == sink.messages[0][1]
    assert first.wall_ns(first.stamp_start_ns + 50_000_000) == first.wall_start_ns + 1_000_000
    assert first.stamp_ns(first.wall_start_ns + 1_000_000) == first.stamp_start_ns + 50_000_000


def test_loops_jump_back_and_are_counted(make_bag: MakeBag) -> None:
    sink = Notebook(stop_after=40 * 3)
    play(make_bag(), sink, loop=True)
    assert [(loop, finished) for _, loop, finished in sink.states] == [
        (0, False),
        (1, False),
        (2, False),
        (2, False),  # stopped, not finished
    ]
    jumps = sum(b < a for a, b in zip(sink.clocks, sink.clocks[1:], strict=False))
    assert jumps == 2
    assert len(sink.messages) == 40 * 3


def test_what_cannot_be_published_is_counted(make_bag: MakeBag) -> None:
    player = play(make_bag(), Notebook(refuse=LIDAR))
    assert (player.published[LIDAR], player.skipped[LIDAR]) == (0, 10)
    assert (player.published["/tf"], player.skipped["/tf"]) == (10, 0)


def test_transforms_from_odometry(make_bag: MakeBag) -> None:
    path = make_bag(odom=True, tf=False)
    from perception_nodes.datasets import open_input

    rig = open_input(path).rig
    sink = Notebook()
    with BagReader(path) as reader:
        Player(reader, PlayerConfig(rate=FAST), rig).play(sink)
    assert [t for t, _ in sink.messages].count("/tf") == 10
    assert sink.messages[0][0] == "/tf"


@pytest.mark.parametrize(
    ("options", "match"), [({"start_s": 99.0}, "ends after 0.90 s"), ({"topics": ("/x",)}, "no topic")]
)
def test_nothing_to_play(make_bag: MakeBag, options: dict[str, object], match: str) -> None:
    with BagReader(make_bag()) as reader, pytest.raises(InputError, match=match):
        Player(reader, PlayerConfig(**options))


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"PlayerConfig\.rate"):
        PlayerConfig(rate=0.0)


def test_read_ahead_hands_on_everything_and_keeps_its_limit() -> None:
    produced = 0

    def stream() -> Iterator[tuple[str, int, bytes]]:
        nonlocal produced
        for k in range(50):
            produced += 1
            yield "/x", k, bytes(100)

    with ReadAhead(stream, 1000) as items:
        items.prime(5.0)
        assert 5 <= produced <= 12  # ten fit, one waits at the door
        assert [k for _, k, _ in items] == list(range(50))


def test_read_ahead_raises_what_its_stream_raises() -> None:
    def stream() -> Iterator[tuple[str, int, bytes]]:
        yield "/x", 0, b"a"
        raise InputError("spoilt")

    with ReadAhead(stream, 1000) as items, pytest.raises(InputError, match="spoilt"):
        list(items)


def test_read_ahead_can_be_left_early() -> None:
    before = set(threading.enumerate())
    with ReadAhead(lambda: iter([("/x", k, bytes(600)) for k in range(100)]), 1000) as items:
        next(iter(items))
    assert not set(threading.enumerate()) - before
