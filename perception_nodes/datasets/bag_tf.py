"""Transforms of a bag: the static ones in one message, those that a rig adds, and those that odometry implies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from perception_nodes.datatypes import MalformedMessage, Rig
from perception_nodes.geometry import Transform

from .bag import BagReader
from .messages import TF, stamp_ns, tf_message
from .rigs import rig_mounts
from .typestore import encode, message_class

TF_TOPIC: Final = "/tf"
TF_STATIC_TOPIC: Final = "/tf_static"
_LOOK_NS: Final = 5_000_000_000


def static_transforms(reader: BagReader) -> dict[str, Any]:
    """The last geometry_msgs/TransformStamped on /tf_static for each child frame."""
    out: dict[str, Any] = {}
    for message in _decoded(reader, TF_STATIC_TOPIC):
        out.update({t.child_frame_id: t for t in message.transforms})
    return out


def dynamic_links(reader: BagReader) -> set[tuple[str, str]]:
    """(parent, child) pairs on /tf in the first 5 s after its first message."""
    links: set[tuple[str, str]] = set()
    for message in _decoded(reader, TF_TOPIC, limit_ns=_LOOK_NS):
        links |= {(t.header.frame_id.lstrip("/"), t.child_frame_id.lstrip("/")) for t in message.transforms}
    return links


def unmounted(reader: BagReader, rig: Rig) -> tuple[str, ...]:
    """Sensors of the rig whose frame is not connected with the base frame, neither by the bag nor by the rig."""
    parent = {child: top for top, child in dynamic_links(reader)}
    static = static_transforms(reader).values()
    parent |= {t.child_frame_id.lstrip("/"): t.header.frame_id.lstrip("/") for t in static}
    parent |= {frame: rig.base_frame for frame in rig_mounts(rig) if frame not in parent}

    def root(frame: str) -> str:
        seen = {frame}
        while frame in parent and parent[frame] not in seen:
            frame = parent[frame]
            seen.add(frame)
        return frame

    return tuple(s.name for s in rig.sensors if s.frame and root(s.frame) != root(rig.base_frame))


def merged_static(reader: BagReader, rig: Rig | None) -> bytes | None:
    """One /tf_static message with all static transforms of the bag and the mounts that only the rig knows.

    One, because the latched topic keeps only the last message for those who come late. None if there are none.
    """
    transforms = static_transforms(reader)
    if rig is not None:
        known = set(transforms) | {child for _, child in dynamic_links(reader)}
        mounts = [(reader.info.start_ns, rig.base_frame, frame, t) for frame, t in rig_mounts(rig).items()]
        added = tf_message(m for m in mounts if m[2] not in known).transforms
        transforms.update({t.child_frame_id: t for t in added})
    if not transforms:
        return None
    return encode(message_class(TF)(transforms=list(transforms.values())), TF)


def needs_odometry(reader: BagReader, rig: Rig | None) -> str:
    """The odometry topic from which odom <- base_link is to be made, "" if the bag has it on /tf or has none."""
    if rig is None or not rig.odometry_topic or reader.info.topic(rig.odometry_topic) is None:
        return ""
    return "" if any(child == rig.base_frame for _, child in dynamic_links(reader)) else rig.odometry_topic


def with_odometry(
    stream: Iterator[tuple[str, int, bytes]], reader: BagReader, rig: Rig, topic: str
) -> Iterator[tuple[str, int, bytes]]:
    """The stream with a /tf message (odom <- base_link) before each message of the odometry topic.

    The frames are the rig's, whatever the odometry calls them. Odometry that cannot be decoded gives no transform.
    """
    info = reader.info.topic(topic)
    typename = info.typename if info else ""
    for name, time_ns, raw in stream:
        if name == topic:
            made = _transform_of(reader, raw, typename, rig)
            if made is not None:
                yield TF_TOPIC, time_ns, made
        yield name, time_ns, raw


def _transform_of(reader: BagReader, raw: bytes, typename: str, rig: Rig) -> bytes | None:
    try:
        odometry = reader.decode(raw, typename)
        p, q = odometry.pose.pose.position, odometry.pose.pose.orientation
        pose = Transform.from_quaternion((p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
    except MalformedMessage:
        return None
    return encode(tf_message([(stamp_ns(odometry), rig.odom_frame, rig.base_frame, pose)]), TF)


def _decoded(reader: BagReader, topic: str, limit_ns: int | None = None) -> Iterator[Any]:
    """Readable TFMessages on a topic, up to `limit_ns` after the first."""
    first: int | None = None
    for _, time_ns, raw in reader.messages({topic}):
        first = time_ns if first is None else first
        if limit_ns is not None and time_ns - first > limit_ns:
            return
        try:
            yield reader.decode(raw, TF)
        except MalformedMessage:
            continue  # Counted by whoever plays or copies it.
