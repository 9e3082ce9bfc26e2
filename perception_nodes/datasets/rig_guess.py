"""A rig from what a bag contains: names from topics, modality from types, frames and rates from messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import InputError, MalformedMessage, Modality, Rig, SensorSpec

from .bag import BagReader
from .bag_info import TopicInfo
from .bag_tf import dynamic_links, static_transforms
from .messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, ODOMETRY, POINT_CLOUD, stamp_ns
from .rigs import known_rig, rig_names

_MODALITY: Final = {POINT_CLOUD: Modality.LIDAR, IMAGE: Modality.CAMERA, COMPRESSED_IMAGE: Modality.CAMERA}
_GENERIC_PARTS: Final = frozenset(
    ("sensing", "sensors", "sensor", "lidar", "lidars", "camera", "cameras", "radar", "points", "points_raw", "image",
     "image_raw", "image_rect", "image_color", "image_rect_color", "compressed", "cloud", "pointcloud", "point_cloud",
     "pointcloud_raw", "points2", "data", "rgb", "color", "velodyne_points")
)  # fmt: skip
_BASE_FRAMES: Final = ("base_link", "base_footprint", "ego_vehicle", "imu_link", "base")
_ODOM_FRAMES: Final = ("odom", "map", "world", "local", "global")
_NOT_A_SENSOR: Final = (
    "ground",
    "cluster",
    "map",
    "marker",
    "debug",
    "filtered",
    "cropped",
    "concatenated",
    "depth",
)


@dataclass(frozen=True)
class Guess:
    """A guessed rig and why each part of it is what it is."""

    rig: Rig
    reasons: tuple[str, ...]


def guess_rig(reader: BagReader) -> Guess:
    """The known rig whose topics the bag has, else one built from the bag; raises InputError without any sensor."""
    known = _known(reader)
    if known is not None:
        return known
    reasons: list[str] = []
    topics = [t for t in reader.info.topics if t.typename in _MODALITY and t.count]
    found = [_spec(reader, t) for t in _choose(topics, reasons)]
    sensors = _unique_names(sorted((s for s in found if s is not None), key=lambda s: s.modality))
    if not sensors:
        raise InputError(f"{reader.path}: none of {[t.name for t in topics]} can be decoded")
    lidars = [s for s in sensors if s.modality == Modality.LIDAR]
    odometry = next((t.name for t in reader.info.topics if t.typename == ODOMETRY and t.count), "")
    alone = [] if odometry else lidars  # odometry is that of a base frame, not of a lidar
    base, odom = _frames(reader, reasons) or _lone_frame(alone, reasons)
    reference = max(lidars or sensors, key=lambda s: reader_count(reader, s.topic)).name
    reasons += [
        f"{s.name}: {s.modality.name.lower()} on {s.topic}, frame {s.frame!r}, {s.rate_hz:g} Hz"
        for s in sensors
    ]
    rig = Rig("guessed", reference, tuple(sensors), base_frame=base, odom_frame=odom, odometry_topic=odometry)
    return Guess(rig, (f"rig guessed from the topics; reference {reference}", *reasons))


def reader_count(reader: BagReader, topic: str) -> int:
    """Messages on a topic."""
    info = reader.info.topic(topic)
    return info.count if info else 0


def _known(reader: BagReader) -> Guess | None:
    """The rig of the package of which the bag has most sensors: all required lidars, and more than half in all."""
    rigs = [known_rig(name) for name in rig_names()]
    best: tuple[SensorSpec, ...] = ()
    found: Rig | None = None
    for rig in rigs:
        present = tuple(s for s in rig.sensors if _delivers(reader, s))
        lidars = all(s in present for s in rig.of(Modality.LIDAR) if s.required)
        if lidars and 2 * len(present) > len(rig.sensors) and len(present) > len(best):
            found, best = rig, present
    if found is None:
        return None
    reasons = [f"the bag has the topics of the rig {found.name!r}"]
    if missing := [s.name for s in found.sensors if s not in best]:
        reasons.append(f"without {', '.join(missing)}: not in the bag, or at less than half the rate")
    odometry = found.odometry_topic if reader_count(reader, found.odometry_topic) else ""
    return Guess(replace(found, sensors=best, odometry_topic=odometry), tuple(reasons))


def _delivers(reader: BagReader, spec: SensorSpec) -> bool:
    """Whether the bag has the sensor's topic, in its frame, at no less than half its rate (a short bag: at all)."""
    topic = reader.info.topic(spec.topic)
    if topic is None or topic.count + 1 < 0.5 * spec.rate_hz * reader.info.duration_s:
        return False
    first = next(_decoded(reader, topic), None)
    return first is not None and spec.frame in ("", _frame_of(first))


def _frame_of(message: Any) -> str:
    return str(message.header.frame_id).lstrip("/")


def _choose(topics: list[TopicInfo], reasons: list[str]) -> list[TopicInfo]:
    """Leave out processed clouds and second encodings of one camera."""
    out = []
    for topic in topics:
        words = topic.name.lower()
        if any(w in words for w in _NOT_A_SENSOR) and len(topics) > 1:
            reasons.append(f"{topic.name}: looks processed, not used")
        elif topic.typename == IMAGE and any(
            _stem(o.name) == _stem(topic.name) for o in topics if o is not topic
        ):
            reasons.append(f"{topic.name}: the compressed topic of the same camera is used instead")
        else:
            out.append(topic)
    return out


def _stem(topic: str) -> str:
    """Topic of a camera without its encoding: /cam/image_raw/compressed and /cam/image_raw are one."""
    return topic.removesuffix("/compressed").removesuffix("/image")


def _spec(reader: BagReader, topic: TopicInfo) -> SensorSpec | None:
    """A sensor from its first readable message; None if none is readable."""
    first = next(_decoded(reader, topic), None)
    if first is None:
        return None
    modality = _MODALITY[topic.typename]
    name = _name(topic.name, modality)
    info = _info_topic(reader, topic.name) if modality == Modality.CAMERA else ""
    frame = _frame_of(first)
    return SensorSpec(
        name, modality, topic.name, info_topic=info, frame=frame, rate_hz=_rate_hz(reader, topic)
    )


def _decoded(reader: BagReader, topic: TopicInfo) -> Iterator[Any]:
    for _, _, raw in reader.messages({topic.name}):
        try:
            yield reader.decode(raw, topic.typename)
        except MalformedMessage:
            continue  # Whoever plays it counts it.


def _name(topic: str, modality: Modality) -> str:
    """The telling parts of a topic: /sensing/lidar/top/points -> top, /velodyne_points -> velodyne."""
    parts = [p for p in topic.strip("/").split("/") if p.lower() not in _GENERIC_PARTS]
    if not parts and "velodyne" in topic:
        parts = ["velodyne"]
    return "_".join(parts) or modality.name.lower()


def _unique_names(sensors: list[SensorSpec]) -> list[SensorSpec]:
    taken: dict[str, int] = {}
    out = []
    for spec in sensors:
        count = taken.get(spec.name, 0)
        taken[spec.name] = count + 1
        out.append(replace(spec, name=f"{spec.name}_{count + 1}") if count else spec)
    return out


def _info_topic(reader: BagReader, topic: str) -> str:
    """The CameraInfo topic beside an image topic: the longest common path wins; "" if none shares any."""
    parts = topic.strip("/").split("/")
    best, best_score = "", 0
    for other in reader.info.topics:
        if other.typename != CAMERA_INFO or not other.count:
            continue
        theirs = other.name.strip("/").split("/")
        score = next(
            (i for i, (a, b) in enumerate(zip(parts, theirs, strict=False)) if a != b),
            min(len(parts), len(theirs)),
        )
        if score > best_score:
            best, best_score = other.name, score
    return best


def _rate_hz(reader: BagReader, topic: TopicInfo) -> float:
    """From the median distance of the first header stamps (log times where they do not increase)."""
    logged: list[int] = []
    stamped: list[int] = []
    for _, time_ns, raw in reader.messages({topic.name}):
        try:
            stamped.append(stamp_ns(reader.decode(raw, topic.typename)))
        except MalformedMessage:
            continue
        logged.append(time_ns)
        if len(logged) == 11:
            break
    for stamps in (stamped, logged):
        steps = np.diff(np.array(stamps, np.int64))
        if len(steps) and np.median(steps) > 0:
            return float(round(1e9 / float(np.median(steps)), 1)) or 0.1
    return 10.0


def _frames(reader: BagReader, reasons: list[str]) -> tuple[str, str] | None:
    """Base and odom frame from the transforms: a link to a frame that carries sensors; None without transforms."""
    links = dynamic_links(reader)
    children = {child for _, child in links}
    parents = {t.header.frame_id.lstrip("/") for t in static_transforms(reader).values()}
    candidates = [f for f in _BASE_FRAMES if f in children] + [f for f in _BASE_FRAMES if f in parents]
    base = next(iter([*candidates, *sorted(children & parents)]), "")
    if not base:
        return None
    over = sorted(parent for parent, child in links if child == base)
    odom = next((f for f in _ODOM_FRAMES if f in over), over[0] if over else "odom")
    if (base, odom) != ("base_link", "odom"):
        reasons.append(f"frames: base {base!r}, odom {odom!r}, from /tf and /tf_static")
    return base, odom


def _lone_frame(lidars: list[SensorSpec], reasons: list[str]) -> tuple[str, str]:
    """Without any transform to a base frame, the first lidar's frame serves as one: what it sees needs no mount."""
    if not lidars or not lidars[0].frame:
        return "base_link", "odom"
    frame = lidars[0].frame
    reasons.append(f"no transforms in the bag: the frame {frame!r} of {lidars[0].name} is taken as the base")
    return frame, "odom"
