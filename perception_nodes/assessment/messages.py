"""Recorded messages as the values of a `Recording`. Takes messages decoded from a bag as well as live ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABEL_INDEX,
    UNKNOWN,
    Drop,
    DropReason,
    ElementType,
    LatencyTrace,
    Mode,
    SensorStatus,
    TrackState,
)
from perception_nodes.evaluation import BoxFrame
from perception_nodes.ros.convert import from_msg
from perception_nodes.ros.convert.statuses import sensor_statuses

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_STATE_SIZE = 8
_BOX = ("x", "y", "z", "length", "width", "height", "yaw", "vx", "vy")


@dataclass(frozen=True, eq=False)
class TrackFrame:
    """All N tracks of one message, those that are not published too: boxes in the fixed frame, scored by existence.

    state, end_reason, motion_state (N,) as `TrackState`, `EndReason`, `MotionState`; covariance (N, 8, 8) of x, y,
    yaw, vx, vy, yaw_rate, ax, ay, NaN unknown; age_s, time_since_update_s (N,); source_mask (N,) of the last update;
    measurements: for each track (sensor or "", detection_id, stamp_ns) of what updated it in this frame.
    """

    boxes: BoxFrame
    state: I64
    end_reason: I64
    motion_state: I64
    covariance: F64
    age_s: F64
    time_since_update_s: F64
    source_mask: I64
    measurements: tuple[tuple[tuple[str, int, int], ...], ...]

    @property
    def shown(self) -> npt.NDArray[np.bool_]:
        """(N,) confirmed or coasting: what may be acted upon."""
        return np.isin(self.state, (TrackState.CONFIRMED, TrackState.COASTING))

    @property
    def published(self) -> BoxFrame:
        """The boxes that may be acted upon."""
        return self.boxes.select(self.shown)


@dataclass(frozen=True)
class Publication:
    """One object message: the stamp it is valid for, when it was received (ROS time), what it says of itself."""

    stamp_ns: int
    received_ns: int
    mode: Mode
    valid: bool
    latency: LatencyTrace

    @property
    def delay_s(self) -> float:
        """Recorded seconds from the stamp to the receipt; divide by the rate of playing for wall time."""
        return (self.received_ns - self.stamp_ns) * 1e-9


@dataclass(frozen=True)
class DropRecord:
    """A message that was not used: which node dropped it, when (ROS time), and what was dropped why."""

    node: str
    received_ns: int
    drop: Drop


@dataclass(frozen=True)
class Heartbeat:
    """What a node (or, as "supervisor/state", the whole graph) said of itself at one time (ROS time)."""

    node: str
    received_ns: int
    mode: Mode
    faults: tuple[str, ...]
    sensors: tuple[SensorStatus, ...]


@dataclass(frozen=True, eq=False)
class MapLine:
    """One map element: points_m (N, 3) in the fixed frame; score its existence probability, NaN for truth."""

    id: int
    type: ElementType
    subtype: str
    score: float
    closed: bool
    points_m: F64


@dataclass(frozen=True, eq=False)
class MapFrame:
    """The map elements of one message; rectangle_m (4, 2) within which absence means absence, None nowhere yet."""

    stamp_ns: int
    lines: tuple[MapLine, ...]
    rectangle_m: F64 | None


def track_frame(message: Any) -> TrackFrame:
    """A TrackedObjectArray."""
    items = message.objects
    rows = _columns(items, *_BOX, "existence_probability", "age_s", "time_since_update_s")
    boxes = BoxFrame(
        from_msg.stamp_ns(message.header),
        *_names(items, "id"),
        rows[:, 9],
        rows[:, 0:3],
        rows[:, 3:6],
        rows[:, 6],
        rows[:, 7:9],
        np.full(len(items), -1, np.int64),
    )
    whole = [_whole(items, name) for name in ("state", "end_reason", "motion_state", "source_mask")]
    sensors = [str(s.name) for s in message.info.sensors]
    return TrackFrame(
        boxes=boxes,
        state=whole[0],
        end_reason=whole[1],
        motion_state=whole[2],
        covariance=_covariances(items),
        age_s=rows[:, 10],
        time_since_update_s=rows[:, 11],
        source_mask=whole[3],
        measurements=tuple(tuple(_measurement(m, sensors) for m in item.measurements) for item in items),
    )


def detection_frame(message: Any) -> BoxFrame:
    """A Detection3DArray, still in the frame of its header; of a truth topic the id is the object's."""
    items = message.detections
    rows = _columns(items, *_BOX, "score")
    return BoxFrame(
        from_msg.stamp_ns(message.header),
        *_names(items, "detection_id"),
        rows[:, 9],
        rows[:, 0:3],
        rows[:, 3:6],
        rows[:, 6],
        rows[:, 7:9],
        _whole(items, "num_points"),
    )


def publication(message: Any, received_ns: int) -> Publication:
    """What a TrackedObjectArray says of itself."""
    info = message.info
    trace = from_msg.latency(info.latency)
    return Publication(
        from_msg.stamp_ns(message.header), received_ns, Mode(int(info.mode)), bool(info.valid), trace
    )


def drop_record(message: Any, received_ns: int) -> DropRecord:
    """A DropEvent."""
    drop = Drop(
        from_msg.stamp_ns(message.header),
        str(message.header.frame_id),
        str(message.topic),
        DropReason(int(message.reason)),
        float(message.age_s),
        float(message.limit_s),
        str(message.detail),
    )
    return DropRecord(str(message.node).lstrip("/"), received_ns, drop)


def heartbeat(message: Any, received_ns: int) -> Heartbeat:
    """A PerceptionHealth or a PerceptionState."""
    node = str(message.node).lstrip("/") if hasattr(message, "node") else "supervisor/state"
    faults = tuple(str(f) for f in message.active_faults)
    return Heartbeat(node, received_ns, Mode(int(message.mode)), faults, sensor_statuses(message.sensors))


def map_frame(message: Any) -> MapFrame:
    """A MapElementArray."""
    corners = np.asarray(message.valid_rectangle, np.float64)
    lines = tuple(
        MapLine(
            int(item.id),
            ElementType(int(item.type)),
            str(item.subtype),
            float(item.existence_probability),
            bool(item.closed),
            np.asarray(item.points, np.float64).reshape(-1, 3),
        )
        for item in message.elements
    )
    rectangle = corners.reshape(4, 2) if len(corners) == _STATE_SIZE else None
    return MapFrame(from_msg.stamp_ns(message.header), lines, rectangle)


def _measurement(message: Any, sensors: list[str]) -> tuple[str, int, int]:
    index = int(message.sensor_index)
    name = sensors[index] if index < len(sensors) else ""
    return name, int(message.detection_id), int(message.stamp_ns)


def _names(items: Any, identity: str) -> tuple[I64, I64]:
    """Ids and labels; a label outside the taxonomy is `unknown`, as for every consumer of the messages."""
    label = [LABEL_INDEX.get(str(item.label), UNKNOWN) for item in items]
    return _whole(items, identity), np.array(label, np.int64)


def _whole(items: Any, name: str) -> I64:
    return np.array([int(getattr(item, name)) for item in items], np.int64)


def _columns(items: Any, *names: str) -> F64:
    values = [[getattr(item, name) for name in names] for item in items]
    return np.array(values, np.float64).reshape(len(items), len(names))


def _covariances(items: Any) -> F64:
    """(N, 8, 8) from upper triangles; NaN where there is none."""
    out = np.full((len(items), _STATE_SIZE, _STATE_SIZE), np.nan)
    rows, columns = np.triu_indices(_STATE_SIZE)
    for matrix, item in zip(out, items, strict=True):
        values = np.asarray(item.covariance, np.float64)
        if len(values) == len(rows):
            matrix[rows, columns] = values
            matrix[columns, rows] = values
    return out
