"""What every kind of input offers, and how a dataset becomes a bag."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perception_nodes.datatypes import Rig
from perception_nodes.geometry import Transform

from .bag_info import BagInfo
from .bag_writer import bag_in_the_making
from .messages import TF, tf_message
from .poses import PoseTrack

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Event:
    """One message to come: `build()` makes it when it is written, so that only one sweep is in memory."""

    stamp_ns: int
    topic: str
    build: Callable[[], Any]


class Input(ABC):
    """A drive that can be played.

    kind: one word for people; rig: its sensors and topics; has_ego_motion: whether odom <- base_link is known;
    has_truth: whether it holds true boxes; notes: what was assumed or left out, one sentence each.
    """

    kind: str
    path: Path
    rig: Rig
    has_ego_motion: bool
    has_truth: bool
    notes: tuple[str, ...]

    @abstractmethod
    def to_bag(self, out: Path, progress: Progress | None = None, compression: str = "none") -> BagInfo:
        """Write an .mcap at `out` (played as it is); `progress(done, total)` is called after every message."""

    @property
    def playable(self) -> Path | None:
        """The bag itself where it can be played without conversion, else None."""
        return None


class SequenceInput(Input):
    """A dataset folder: a pose track, static mounts, and a list of sensor messages.

    dataset_rig: topics and frames that the bag gets, whatever rig the graph is then run with.
    """

    dataset_rig: Rig

    @abstractmethod
    def topics(self) -> dict[str, str]:
        """Message type of each sensor and truth topic."""

    @abstractmethod
    def events(self) -> list[Event]:
        """All sensor and truth messages, in any order."""

    @abstractmethod
    def mounts(self) -> dict[str, Transform]:
        """base_from_sensor of each sensor frame."""

    @abstractmethod
    def poses(self) -> PoseTrack | None:
        """odom_from_base over time, None where it is unknown."""

    def moving_mounts(self) -> list[tuple[int, str, Transform]]:
        """(stamp_ns, frame, base_from_sensor) of sensors whose mount differs from frame to frame."""
        return []

    def to_bag(self, out: Path, progress: Progress | None = None, compression: str = "none") -> BagInfo:
        """Write an .mcap at `out`; log times are the header stamps."""
        with bag_in_the_making(out, compression) as writer:
            writer.declare("/tf_static", TF, latched=True)
            for topic, typename in self.topics().items():
                writer.declare(topic, typename)
            events = sorted(self._all_events(), key=lambda e: (e.stamp_ns, _rank(e.topic)))
            types = {**self.topics(), "/tf": TF, "/tf_static": TF}
            for done, event in enumerate(events, 1):
                writer.write(event.topic, event.build(), types[event.topic], event.stamp_ns)
                if progress is not None:
                    progress(done, len(events))
            info = writer.info(self.notes)
        return replace(info, path=out)

    def _all_events(self) -> Iterator[Event]:
        events = self.events()
        poses = self.poses()
        base, odom = self.dataset_rig.base_frame, self.dataset_rig.odom_frame
        stamps = [e.stamp_ns for e in events]
        first_ns = min(stamps)
        if poses is not None:
            track = poses.densified(earliest_ns=first_ns)
            first_ns = min(first_ns, track.stamps_ns[0])
            for stamp, pose in zip(track.stamps_ns, track.odom_from_base, strict=True):
                yield Event(stamp, "/tf", _tf_builder([(stamp, odom, base, pose)]))
        mounts = [(first_ns, base, frame, mount) for frame, mount in self.mounts().items()]
        yield Event(first_ns, "/tf_static", _tf_builder(mounts))
        for stamp, frame, mount in self.moving_mounts():
            yield Event(stamp, "/tf", _tf_builder([(stamp, base, frame, mount)]))
        yield from events


def _tf_builder(items: list[tuple[int, str, str, Transform]]) -> Callable[[], Any]:
    return lambda: tf_message(items)


def _rank(topic: str) -> int:
    """Transforms go first among messages of one stamp, truth last."""
    return 0 if topic.startswith("/tf") else 2 if topic.startswith("/truth") else 1
