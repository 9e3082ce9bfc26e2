"""Messages to values: one place to look for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABEL_INDEX,
    NUM_LABELS,
    UNKNOWN,
    Detections2D,
    Detections3D,
    FrameSet,
    LatencyTrace,
    MalformedMessage,
    Trigger,
)
from perception_nodes.geometry import Transform

from .images import camera_model, image
from .point_cloud import point_cloud, stamp_ns

__all__ = [
    "camera_model",
    "detections_2d",
    "detections_3d",
    "frame_set",
    "image",
    "latency",
    "point_cloud",
    "stamp_ns",
    "transform",
]

_PLANAR = np.array([0, 1, 3])


def transform(message: Any) -> Transform:
    """geometry_msgs/Transform (or Pose) as parent_from_child; raises MalformedMessage for an impossible rotation."""
    v = message.translation if hasattr(message, "translation") else message.position
    q = message.rotation if hasattr(message, "rotation") else message.orientation
    return Transform.from_quaternion((v.x, v.y, v.z), (q.x, q.y, q.z, q.w))


def latency(message: Any) -> LatencyTrace:
    """LatencyTrace."""
    return LatencyTrace(
        clock=str(message.clock),
        host=str(message.host),
        sensor_time_oldest_ns=int(message.sensor_time_oldest_ns),
        sensor_time_newest_ns=int(message.sensor_time_newest_ns),
        stage=tuple(str(s) for s in message.stage),
        start_ns=tuple(int(v) for v in message.start_ns),
        end_ns=tuple(int(v) for v in message.end_ns),
    )


def frame_set(message: Any) -> FrameSet:
    """FrameSet."""
    return FrameSet(
        sequence=int(message.sequence),
        reference_ns=stamp_ns(message.header),
        sensors=tuple(str(s) for s in message.sensors),
        stamp_ns=tuple(int(v) for v in message.stamp_ns),
        residual_s=tuple(float(v) for v in message.residual_s),
        complete=bool(message.complete),
        trigger=Trigger(int(message.trigger)),
    )


def detections_3d(message: Any) -> Detections3D:
    """Detection3DArray; raises MalformedMessage for a covariance or probabilities of impossible length."""
    items = message.detections

    def column(*names: str) -> npt.NDArray[np.float64]:
        values = [[getattr(d, n) for n in names] for d in items]
        return np.array(values, np.float64).reshape(len(items), len(names))

    rows = column(
        "x",
        "y",
        "z",
        "length",
        "width",
        "height",
        "yaw",
        "vx",
        "vy",
        "score",
        "existence_probability",
        "visibility",
    )
    return Detections3D(
        stamp_ns=stamp_ns(message.header),
        frame_id=str(message.header.frame_id),
        source=str(message.source),
        center_m=rows[:, 0:3],
        lwh_m=rows[:, 3:6],
        yaw_rad=rows[:, 6],
        orientation=np.array([d.orientation_availability for d in items], np.uint8),
        velocity_mps=rows[:, 7:9],
        label=np.array([LABEL_INDEX.get(str(d.label), UNKNOWN) for d in items], np.uint8),
        class_probabilities=_probabilities(items),
        score=rows[:, 9],
        existence_probability=rows[:, 10],
        covariance=_covariances(items),
        num_points=np.array([d.num_points for d in items], np.int32),
        visibility=rows[:, 11],
        source_mask=np.array([d.source_mask for d in items], np.uint8),
        detection_id=np.array([d.detection_id for d in items], np.uint64),
    )


def detections_2d(message: Any) -> Detections2D:
    """Detection2DArray."""
    items = message.detections
    edges = [[d.x_min, d.y_min, d.x_max, d.y_max] for d in items]
    rest = np.array([[d.score, d.depth, d.depth_std] for d in items], np.float64).reshape(len(items), 3)
    return Detections2D(
        stamp_ns=stamp_ns(message.header),
        frame_id=str(message.header.frame_id),
        source=str(message.source),
        width_px=int(message.width),
        height_px=int(message.height),
        box_px=np.array(edges, np.float64).reshape(len(items), 4),
        label=np.array([LABEL_INDEX.get(str(d.label), UNKNOWN) for d in items], np.uint8),
        class_probabilities=_probabilities(items),
        score=rest[:, 0],
        depth_m=rest[:, 1],
        depth_std_m=rest[:, 2],
        detection_id=np.array([d.detection_id for d in items], np.uint64),
    )


def _probabilities(items: Any) -> npt.NDArray[np.float64]:
    out = np.zeros((len(items), NUM_LABELS))
    for row, item in zip(out, items, strict=True):
        if len(item.class_probabilities) == NUM_LABELS:
            row[:] = item.class_probabilities
        elif len(item.class_probabilities) == 0:
            row[LABEL_INDEX.get(str(item.label), UNKNOWN)] = 1.0
        else:
            got = len(item.class_probabilities)
            raise MalformedMessage(
                f"detection {item.detection_id}: {got} class probabilities: wanted {NUM_LABELS} or none"
            )
    return out


def _covariances(items: Any) -> npt.NDArray[np.float64]:
    """(N, 9, 9) from upper triangles of 9 x 9 (45 values), of x, y, yaw (6), or none."""
    out = np.full((len(items), 9, 9), np.nan)
    upper = {45: np.triu_indices(9), 6: tuple(_PLANAR[k] for k in np.triu_indices(3))}
    for matrix, item in zip(out, items, strict=True):
        values = np.asarray(item.covariance, np.float64)
        if not len(values):
            continue
        if len(values) not in upper:
            raise MalformedMessage(
                f"detection {item.detection_id}: covariance of {len(values)} values: wanted 45, 6 or 0"
            )
        rows, columns = upper[len(values)]
        matrix[rows, columns] = values
        matrix[columns, rows] = values
    return out
