"""Messages of perception, odometry and route as what the reference planner takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABEL_INDEX,
    UNKNOWN,
    ElementType,
    MapElement,
    MapElements,
    TrackState,
)

from .convert import from_msg

F64 = npt.NDArray[np.float64]
_COLUMNS = (
    "x", "y", "yaw", "length", "width", "z", "height", "vx", "vy", "yaw_rate", "existence_probability", "age_s",
)  # fmt: skip
_THERE = (int(TrackState.TENTATIVE), int(TrackState.CONFIRMED), int(TrackState.COASTING))


def object_columns(message: Any) -> dict[str, Any]:
    """Of the living objects of a TrackedObjectArray: the columns of `planning.Obstacles`."""
    there = [o for o in message.objects if o.state in _THERE]
    rows = np.array([[getattr(o, name) for name in _COLUMNS] for o in there], np.float64)
    rows = rows.reshape(len(there), len(_COLUMNS))
    return {
        "stamp_ns": from_msg.stamp_ns(message.header),
        "id": np.array([o.id for o in there], np.uint64),
        "label": np.array([LABEL_INDEX.get(str(o.label), UNKNOWN) for o in there], np.uint8),
        "box": rows[:, :5].copy(),
        "low_m": rows[:, 5] - 0.5 * rows[:, 6],
        "high_m": rows[:, 5] + 0.5 * rows[:, 6],
        "velocity_mps": rows[:, 7:9].copy(),
        "yaw_rate_rps": rows[:, 9].copy(),
        "existence": rows[:, 10].copy(),
        "age_s": rows[:, 11].copy(),
        "tentative": np.array([o.state == TrackState.TENTATIVE for o in there], bool),
        "velocity_std_mps": np.array([_velocity_std(o.covariance) for o in there], np.float64),
    }


def _velocity_std(covariance: Any) -> float:
    """The larger of both axes; vx and vy are the 4th and 5th of the 8 of the upper triangle."""
    return float(np.sqrt(max(float(covariance[21]), float(covariance[26]), 0.0)))


def map_elements(message: Any) -> MapElements:
    """MapElementArray: geometry and types, which is what a planner looks at."""
    elements = tuple(_element(e) for e in message.elements if len(e.points) >= 3)
    return MapElements(from_msg.stamp_ns(message.header), str(message.header.frame_id), elements)


def _element(message: Any) -> MapElement:
    points = np.asarray(message.points, np.float64).reshape(-1, 3)
    probabilities = np.asarray(message.type_probabilities, np.float64)
    if len(probabilities) != len(ElementType):
        probabilities = np.full(len(ElementType), 1.0 / len(ElementType))
    return MapElement(
        int(message.id),
        ElementType(int(message.type)),
        points,
        _column(message.lateral_std, len(points)),
        _column(message.confidence, len(points)),
        probabilities,
        float(message.existence_probability),
        closed=bool(message.closed),
        subtype=str(message.subtype),
    )


def _column(values: Any, count: int) -> F64:
    """A column that a message may leave out."""
    given = np.asarray(values, np.float64)
    return given if len(given) == count else np.full(count, np.nan)


def route_points(message: Any) -> F64:
    """(K, 2) of a nav_msgs/Path, without points that come twice in a row."""
    xy = np.array([[p.pose.position.x, p.pose.position.y] for p in message.poses], np.float64).reshape(-1, 2)
    apart = (
        np.concatenate([[True], np.hypot(*np.diff(xy, axis=0).T) > 1e-6]) if len(xy) else np.zeros(0, bool)
    )
    return np.asarray(xy[apart])


def odometry_columns(message: Any) -> dict[str, Any]:
    """Of a nav_msgs/Odometry: the columns of `planning.EgoMotion`."""
    pose = from_msg.transform(message.pose.pose)
    x, y, z = (float(v) for v in pose.translation_m)
    return {
        "stamp_ns": from_msg.stamp_ns(message.header),
        "x_m": x,
        "y_m": y,
        "z_m": z,
        "yaw_rad": pose.yaw_rad,
        "speed_mps": float(message.twist.twist.linear.x),
    }
