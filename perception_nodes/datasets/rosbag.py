"""A rosbag2 as an input: which of its topics are sensors, on which rig, and copying what the graph needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from perception_nodes.datatypes import InputError, MalformedMessage, Modality, Rig
from perception_nodes.datatypes.topics import TRUTH_TOPIC

from .bag import BagReader
from .bag_info import BagInfo
from .bag_tf import (
    TF_STATIC_TOPIC,
    TF_TOPIC,
    dynamic_links,
    merged_static,
    needs_odometry,
    unmounted,
    with_odometry,
)
from .bag_writer import bag_in_the_making
from .inputs import Input, Progress
from .messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD, TF, stamp_ns
from .rig_guess import Guess, guess_rig

SENSOR_TYPES: Final = (POINT_CLOUD, COMPRESSED_IMAGE, IMAGE)
_TRUTH_PREFIX: Final = "/truth/"
_CLOCK_LIMIT_S: Final = 1.0


class RosbagInput(Input):
    """A bag with at least one PointCloud2, Image or CompressedImage topic.

    Raises InputError that names what the bag holds where it has none of these.
    """

    kind = "rosbag2"

    def __init__(self, path: Path, rig: Rig | None = None) -> None:
        self.path = path
        with BagReader(path) as reader:
            self.info = reader.info
            check_bag(self.info)
            guess = guess_rig(reader) if rig is None else Guess(rig, ())
            self.rig = guess.rig
            self._check_rig(rig)
            self._odometry = needs_odometry(reader, self.rig)
            self.has_ego_motion = bool(self._odometry) or self._is_posed(reader)
            loose = unmounted(reader, self.rig)
            clocks = tuple(_clock_notes(reader, self.rig))
            unknown = sorted(t.typename for t in self.info.topics if not reader.knows(t.typename))
        self.has_truth = any(t.name == TRUTH_TOPIC and t.count for t in self.info.topics)
        self.notes = (
            *self.info.notes,
            *guess.reasons,
            *self._motion_notes(),
            *_silent_notes(self.info, self.rig),
            *_loose_notes(loose),
            *clocks,
            *_unknown_notes(unknown),
        )

    @property
    def playable(self) -> Path:
        """The bag itself: the player publishes its stored bytes."""
        return self.path

    def to_bag(self, out: Path, progress: Progress | None = None, compression: str = "none") -> BagInfo:
        """Copy sensors, transforms, odometry and truth to one .mcap; other topics are left out and named."""
        with BagReader(self.path) as reader, bag_in_the_making(out, compression) as writer:
            kept = self._kept()
            for topic in self.info.topics:
                if topic.name in kept:
                    schema = reader.schema(topic.typename)
                    writer.declare(
                        topic.name,
                        topic.typename,
                        latched=topic.latched,
                        qos=topic.qos or None,
                        schema=schema,
                    )
            static = merged_static(reader, self.rig)
            if static is not None:
                writer.declare(TF_STATIC_TOPIC, TF, latched=True)
                writer.write_raw(TF_STATIC_TOPIC, static, self.info.start_ns)
            total = sum(t.count for t in self.info.topics if t.name in kept and t.name != TF_STATIC_TOPIC)
            writer.declare(TF_TOPIC, TF)
            for done, (topic_name, time_ns, raw) in enumerate(
                self._stream(reader, kept - {TF_STATIC_TOPIC}), 1
            ):
                writer.write_raw(topic_name, raw, time_ns)
                if progress is not None:
                    progress(min(done, total), total)
            left = sorted({t.name for t in self.info.topics} - kept)
            info = writer.info((*reader.info.notes, *((f"left out: {', '.join(left)}",) if left else ())))
        return replace(info, path=out)

    def _stream(self, reader: BagReader, kept: set[str]) -> Iterator[tuple[str, int, bytes]]:
        stream = reader.messages(kept)
        return with_odometry(stream, reader, self.rig, self._odometry) if self._odometry else stream

    def _kept(self) -> set[str]:
        wanted = {TF_TOPIC, TF_STATIC_TOPIC, self.rig.odometry_topic}
        wanted |= {t for s in self.rig.sensors for t in (s.topic, s.info_topic)}
        return {t.name for t in self.info.topics if t.name in wanted or t.name.startswith(_TRUTH_PREFIX)}

    def _check_rig(self, given: Rig | None) -> None:
        if given is None:
            return
        _check_types(given, self.info)
        present = {t.name for t in self.info.topics if t.count}
        lidars = [s.topic for s in given.of(Modality.LIDAR)]
        if lidars and not present & set(lidars):
            raise InputError(
                f"{self.path}: rig {given.name!r} wants {lidars}, the bag has: {describe(self.info)}"
            )

    def _is_posed(self, reader: BagReader) -> bool:
        return any(child == self.rig.base_frame for _, child in dynamic_links(reader))

    def _motion_notes(self) -> tuple[str, ...]:
        if not self.has_ego_motion:
            base = self.rig.base_frame
            return (
                f"no ego motion: neither /tf to {base!r} nor nav_msgs/Odometry; tracks will be relative to {base}",
            )
        if self._odometry:
            return (f"{self.rig.odom_frame} -> {self.rig.base_frame} is made from {self._odometry}",)
        return ()


def check_bag(info: BagInfo) -> None:
    """Raise InputError saying what a bag holds and what is wanted, unless it has readable sensor messages."""
    if not info.topics or not info.count:
        damaged = f" ({'; '.join(info.notes)})" if info.notes else ""
        raise InputError(f"{info.path}: the bag holds no messages{damaged}")
    if not any(t.typename in SENSOR_TYPES and t.count for t in info.topics):
        wanted = "sensor_msgs/PointCloud2 (or Image, CompressedImage)"
        raise InputError(f"{info.path}: no {wanted} in this bag. It has: {describe(info)}.{_remedy(info)}")


def describe(info: BagInfo) -> str:
    """The topics of a bag in a sentence: name (type, count)."""
    return ", ".join(f"{t.name} ({t.typename}, {t.count})" for t in info.topics)


def _remedy(info: BagInfo) -> str:
    packets = [t.name for t in info.topics if "packet" in t.name.lower() or t.typename.endswith("Scan")]
    if not packets:
        return ""
    return (
        f" {', '.join(packets)} looks like raw packets of a lidar: run the lidar's driver on the bag and record the "
        "PointCloud2 that it publishes"
    )


def _clock_notes(reader: BagReader, rig: Rig) -> Iterator[str]:
    """Sensors whose first message is stamped more than a second from the time at which it was recorded."""
    for spec in rig.sensors:
        topic = reader.info.topic(spec.topic)
        for _, time_ns, raw in reader.messages({spec.topic}):
            try:
                message = reader.decode(raw, topic.typename if topic else "")
            except MalformedMessage:
                continue  # The node that gets it counts it.
            lag_s = (time_ns - stamp_ns(message)) * 1e-9
            if abs(lag_s) > _CLOCK_LIMIT_S:
                yield (
                    f"{spec.name}: recorded {lag_s:.1f} s after its header stamp: its clock is not the recorder's, and "
                    "all its messages may be dropped as stale"
                )
            break


def _check_types(rig: Rig, info: BagInfo) -> None:
    """Raise InputError if a topic of the rig has a type that its sensor cannot have."""
    types = {t.name: t.typename for t in info.topics}
    for spec in rig.sensors:
        kinds = (POINT_CLOUD,) if spec.modality == Modality.LIDAR else (IMAGE, COMPRESSED_IMAGE)
        for topic, wanted in ((spec.topic, kinds), (spec.info_topic, (CAMERA_INFO,))):
            if (
                topic in types
                and spec.modality in (Modality.LIDAR, Modality.CAMERA)
                and types[topic] not in wanted
            ):
                raise InputError(
                    f"rig {rig.name!r}, {spec.name}: {topic}: wanted {' or '.join(wanted)}, the bag has {types[topic]}"
                )


def _silent_notes(info: BagInfo, rig: Rig) -> Iterator[str]:
    """Sensors of the rig that the bag has nothing of, or no calibration."""
    present = {t.name for t in info.topics if t.count}
    for spec in rig.sensors:
        for topic in (spec.topic, spec.info_topic):
            if topic and topic not in present:
                yield f"{spec.name}: the bag has no message on {topic}: is the rig the right one?"


def _loose_notes(sensors: tuple[str, ...]) -> tuple[str, ...]:
    if not sensors:
        return ()
    names = ", ".join(sensors)
    return (
        f"no transform to {names}: its messages will be dropped unless a rig file gives mount_xyz_m, mount_rpy_rad",
    )


def _unknown_notes(types: list[str]) -> tuple[str, ...]:
    return (f"types that cannot be decoded here: {', '.join(types)}",) if types else ()
