"""The messages that every dataset of sweeps and pictures has, made when they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception_nodes.datatypes import Detections3D, PointCloud
from perception_nodes.datatypes.topics import TRUTH_TOPIC
from perception_nodes.geometry import CameraModel

from .image_size import image_format
from .inputs import Event
from .messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    camera_info,
    compressed_image,
    point_cloud,
    truth_message,
)


def cloud_event(stamp_ns: int, topic: str, read: Callable[[], PointCloud]) -> Event:
    """A sweep with the columns that it has."""

    def build() -> Any:
        cloud = read()
        columns = {"intensity": cloud.intensity, "ring": cloud.ring, "time": cloud.time_s}
        known = {name: column for name, column in columns.items() if column is not None}
        return point_cloud(cloud.stamp_ns, cloud.frame_id, cloud.xyz_m, known)

    return Event(stamp_ns, topic, build)


def truth_event(stamp_ns: int, read: Callable[[], Detections3D]) -> Event:
    """The true boxes of a sweep."""
    return Event(stamp_ns, TRUTH_TOPIC, lambda: truth_message(read()))


def camera_topics(name: str) -> dict[str, str]:
    """Message types of a camera's topics."""
    return {
        f"/sensing/camera/{name}/image/compressed": COMPRESSED_IMAGE,
        f"/sensing/camera/{name}/camera_info": CAMERA_INFO,
    }


def camera_events(name: str, stamp_ns: int, image: Path, model: CameraModel) -> list[Event]:
    """A picture as its file holds it, and its calibration, in the frame `<name>_optical`."""
    frame = f"{name}_optical"
    image_topic, info_topic = camera_topics(name)

    def picture() -> Any:
        return compressed_image(stamp_ns, frame, image.read_bytes(), image_format(image))

    return [
        Event(stamp_ns, image_topic, picture),
        Event(stamp_ns, info_topic, lambda: camera_info(stamp_ns, frame, model)),
    ]
