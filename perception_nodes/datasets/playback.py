"""Playing a bag against a clock: which message is due when. ROS-free; a node gives it somewhere to publish."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from perception_nodes.datatypes import InputError, Rig, check_ranges, param

from .bag import BagReader
from .bag_info import TopicInfo
from .bag_tf import TF_STATIC_TOPIC, TF_TOPIC, merged_static, needs_odometry, with_odometry
from .messages import TF
from .read_ahead import Item, ReadAhead

_PRIME_TIMEOUT_S: Final = 5.0
_LEAD_NS: Final = 20_000_000


@dataclass(frozen=True)
class PlayerConfig:
    """How a bag is played."""

    rate: float = param(1.0, "recorded seconds per wall second", low=0.01, high=100.0)
    start_s: float = param(0.0, "skip so much of the beginning", low=0.0)
    duration_s: float = param(0.0, "play so much, recorded seconds; 0 = to the end", low=0.0)
    loop: bool = param(False, "start over at the end (the clock jumps back)")
    truth: bool = param(True, "publish /truth/* as well")
    topics: tuple[str, ...] = param((), "play only these topics, transforms included; empty = all")
    wait_for: tuple[str, ...] = param((), "topics that must have a subscriber before playing starts")
    subscribers: tuple[str, ...] = param((), "topic=number: subscribers to wait for, where it is played")
    wait_timeout_s: float = param(
        30.0, "give up when those who are waited for are not there by then", low=0.0
    )
    clock_hz: float = param(20.0, "rate of /clock between messages", low=1.0, high=1000.0)
    read_ahead_mb: float = param(24.0, "messages read ahead of time", low=1.0, high=4096.0)

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Timeline:
    """wall_ns(stamp) = wall_start_ns + (stamp - stamp_start_ns) / rate."""

    stamp_start_ns: int
    wall_start_ns: int
    rate: float

    def wall_ns(self, stamp_ns: int) -> int:
        """CLOCK_MONOTONIC at which a stamp is due."""
        return self.wall_start_ns + round((stamp_ns - self.stamp_start_ns) / self.rate)

    def stamp_ns(self, wall_ns: int) -> int:
        """Recorded time at a wall time."""
        return self.stamp_start_ns + round((wall_ns - self.wall_start_ns) * self.rate)


class Sink(Protocol):
    """Where a player publishes."""

    def clock(self, stamp_ns: int) -> None:
        """Publish /clock."""

    def publish(self, topic: str, raw: bytes) -> bool:
        """Publish CDR bytes; False if that is not possible (counted as skipped)."""

    def state(self, timeline: Timeline, loop: int, finished: bool) -> None:
        """Publish the state of playing."""


class Player:
    """Plays a bag once or in a loop; /tf_static is published whole at the start (`static`), not played.

    published, skipped: messages by topic; late_s: how late the newest were published; fresh: (stamp_ns, late_s) of the
    newest, for a consumer in another thread; stopped: set by `stop`.
    """

    def __init__(self, reader: BagReader, config: PlayerConfig, rig: Rig | None = None) -> None:
        self.config = config
        self._reader = reader
        self._rig = rig
        self._odometry = needs_odometry(reader, rig)
        info = reader.info
        self.topics = self._choose(info.topics)
        self.static = merged_static(reader, rig)
        self.start_ns = info.start_ns + round(config.start_s * 1e9)
        self.end_ns = info.end_ns
        if config.duration_s:
            self.end_ns = min(info.end_ns, self.start_ns + round(config.duration_s * 1e9))
        if not info.count or self.start_ns > info.end_ns:
            what = f"it ends after {info.duration_s:.2f} s" if info.count else "it holds no messages"
            raise InputError(f"{info.path}: nothing to play from {config.start_s} s on: {what}")
        self.published = dict.fromkeys(self.topics, 0)
        self.skipped = dict.fromkeys(self.topics, 0)
        self.late_s: deque[float] = deque(maxlen=100_000)
        self.fresh: deque[tuple[int, float]] = deque(maxlen=1000)
        self.stopped = threading.Event()

    def stop(self) -> None:
        """End `play` soon (from any thread)."""
        self.stopped.set()

    def play(self, sink: Sink) -> None:
        """Publish everything; returns at the end, or after `stop`."""
        loop = 0
        while True:
            timeline = self._play_once(sink, loop)
            if self.stopped.is_set() or not self.config.loop:
                sink.state(timeline, loop, not self.stopped.is_set())
                return
            loop += 1

    def lateness_ms(self) -> tuple[float, float, float]:
        """How late messages were published: median, 99th percentile, maximum; NaN before the first."""
        if not self.late_s:
            return float("nan"), float("nan"), float("nan")
        p50, p99, high = np.percentile(np.array(self.late_s) * 1e3, (50, 99, 100))
        return float(p50), float(p99), float(high)

    def _choose(self, topics: tuple[TopicInfo, ...]) -> dict[str, TopicInfo]:
        """Topics to play; /tf_static is not among them (it is published whole at the start)."""
        wanted = tuple(filter(None, self.config.topics))
        absent = sorted(set(wanted) - {t.name for t in topics})
        if absent:
            raise InputError(f"{self._reader.path}: no topic {absent}: it has {[t.name for t in topics]}")
        chosen = {t.name: t for t in topics if not wanted or t.name in wanted}
        chosen.pop(TF_STATIC_TOPIC, None)
        if not self.config.truth:
            chosen = {name: t for name, t in chosen.items() if not name.startswith("/truth")}
        if self._odometry:
            chosen.setdefault(TF_TOPIC, TopicInfo(TF_TOPIC, TF, 0))
        return chosen

    def _stream(self) -> Iterator[Item]:
        names = {name for name, t in self.topics.items() if t.count}
        stream = self._reader.messages(names | ({self._odometry} - {""}), self.start_ns, self.end_ns)
        if not self._odometry or self._rig is None:
            return stream
        made = with_odometry(stream, self._reader, self._rig, self._odometry)
        return (item for item in made if item[0] in self.topics)

    def _play_once(self, sink: Sink, loop: int) -> Timeline:
        with ReadAhead(self._stream, int(self.config.read_ahead_mb * 1e6)) as items:
            items.prime(_PRIME_TIMEOUT_S)
            timeline = Timeline(self.start_ns, time.monotonic_ns() + _LEAD_NS, self.config.rate)
            sink.clock(self.start_ns)
            sink.state(timeline, loop, False)
            clock_ns = self.start_ns
            for topic, time_ns, raw in items:
                clock_ns = self._wait(sink, timeline, clock_ns, time_ns)
                if self.stopped.is_set():
                    break
                if clock_ns < time_ns:
                    sink.clock(time_ns)
                    clock_ns = time_ns
                self._publish(sink, timeline, topic, time_ns, raw)
            return timeline

    def _publish(self, sink: Sink, timeline: Timeline, topic: str, time_ns: int, raw: bytes) -> None:
        late_s = (time.monotonic_ns() - timeline.wall_ns(time_ns)) * 1e-9
        self.late_s.append(late_s)
        self.fresh.append((time_ns, late_s))
        done = sink.publish(topic, raw)
        counts = self.published if done else self.skipped
        counts[topic] += 1

    def _wait(self, sink: Sink, timeline: Timeline, clock_ns: int, due_ns: int) -> int:
        """Until a stamp is due, with /clock ticks on the way; the last clock published."""
        step_ns = max(1, round(1e9 / self.config.clock_hz * timeline.rate))
        while not self.stopped.is_set():
            target_ns = min(due_ns, clock_ns + step_ns)
            left_s = (timeline.wall_ns(target_ns) - time.monotonic_ns()) * 1e-9
            if left_s > 0 and self.stopped.wait(left_s):
                break
            if target_ns >= due_ns:
                break
            # When late, the ticks that are already past are left out.
            clock_ns = max(target_ns, min(timeline.stamp_ns(time.monotonic_ns()), due_ns - 1))
            sink.clock(clock_ns)
        return clock_ns
