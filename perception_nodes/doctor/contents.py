"""Checks of what is in the messages: can a node read them at all?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from perception_nodes.datasets import BagReader
from perception_nodes.datatypes import (
    Finding,
    Image,
    Level,
    Modality,
    PerceptionError,
    PointCloud,
    SensorSpec,
)
from perception_nodes.ros.convert import from_msg

_LOOKED_AT = 50
_REMEDY = "they will be dropped: MALFORMED; mend the driver, or leave the sensor out of the rig"


def check_contents(reader: BagReader, spec: SensorSpec) -> Iterator[Finding]:
    """Unreadable, empty and nameless ones among the first 50 messages of a sensor."""
    errors, empty, nameless, seen = [], 0, 0, 0
    for _, message in islice(reader.readable(spec.topic), _LOOKED_AT):
        seen += 1
        try:
            value = _value(spec, message)
        except PerceptionError as error:
            errors.append(str(error))
            continue
        empty += isinstance(value, PointCloud) and not len(value)
        nameless += not value.frame_id
    if not seen and spec.info_topic:  # else the check of its stamps has said so
        what = f"no message on {spec.topic} that can be decoded"
        yield Finding(
            Level.ERROR if spec.required else Level.WARN, spec.name, what, "check the topic in the rig"
        )
    of = f"of the first {seen} messages"
    if errors:
        yield Finding(Level.ERROR, spec.name, f"{len(errors)} {of} cannot be read: {errors[0]}", _REMEDY)
    if empty:
        what = f"{empty} {of} have no point with finite x, y, z"
        yield Finding(Level.WARN, spec.name, what, "is the sensor covered, or its driver without data?")
    if nameless:
        what = f"{nameless} {of} have no frame_id"
        yield Finding(
            Level.ERROR, spec.name, what, "they will be dropped: NO_TRANSFORM; set it in the driver"
        )


def _value(spec: SensorSpec, message: object) -> PointCloud | Image:
    return from_msg.image(message) if spec.modality == Modality.CAMERA else from_msg.point_cloud(message)
