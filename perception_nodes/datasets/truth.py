"""True boxes of a dataset as one value per frame, in odom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, UNKNOWN, Detections3D, Orientation
from perception_nodes.geometry import wrap_angle

F64 = npt.NDArray[np.float64]
MAX_GAP_S = 0.6


@dataclass(frozen=True)
class TruthBox:
    """One true box in odom: REP-103 yaw, m, rad; `track` is any key that is stable over the drive.

    velocity_mps: where the dataset gives it; else it is found by differencing.
    """

    track: str
    label: str
    center_m: tuple[float, float, float]
    lwh_m: tuple[float, float, float]
    yaw_rad: float
    velocity_mps: tuple[float, float] | None = None


def label_index(name: str, mapping: Mapping[str, str]) -> int:
    """Index in our taxonomy of a dataset's class; what has no counterpart is `unknown`."""
    return LABEL_INDEX.get(mapping.get(name, "unknown"), UNKNOWN)


def truth_frames(
    stamps_ns: Sequence[int], boxes: Sequence[Sequence[TruthBox]], frame_id: str, mapping: Mapping[str, str]
) -> list[Detections3D]:
    """One `Detections3D` a frame; ids are numbered from 1 by first appearance, velocities by differencing."""
    ids: dict[str, int] = {}
    for box in (b for frame in boxes for b in frame):
        ids.setdefault(box.track, len(ids) + 1)
    velocities = _velocities(stamps_ns, boxes)
    return [
        _frame(stamp, frame, frame_id, mapping, ids, velocities[k])
        for k, (stamp, frame) in enumerate(zip(stamps_ns, boxes, strict=True))
    ]


def with_points(truth: Detections3D, num_points: npt.NDArray[np.int32]) -> Detections3D:
    """The same boxes with their point counts."""
    return replace(truth, num_points=num_points)


def _frame(
    stamp: int,
    boxes: Sequence[TruthBox],
    frame_id: str,
    mapping: Mapping[str, str],
    ids: Mapping[str, int],
    velocity_mps: F64,
) -> Detections3D:
    n = len(boxes)
    label = np.array([label_index(b.label, mapping) for b in boxes], np.uint8)
    probabilities = np.zeros((n, NUM_LABELS))
    probabilities[np.arange(n), label] = 1.0
    return Detections3D.of(
        stamp,
        frame_id,
        "truth",
        np.array([b.center_m for b in boxes], np.float64).reshape(n, 3),
        np.array([b.lwh_m for b in boxes], np.float64).reshape(n, 3),
        wrap_angle(np.array([b.yaw_rad for b in boxes], np.float64)),
        label=label,
        class_probabilities=probabilities,
        velocity_mps=velocity_mps,
        orientation=np.full(n, Orientation.AVAILABLE, np.uint8),
        score=np.ones(n),
        existence_probability=np.ones(n),
        detection_id=np.array([ids[b.track] for b in boxes], np.uint64),
    )


def _velocities(stamps_ns: Sequence[int], boxes: Sequence[Sequence[TruthBox]]) -> list[F64]:
    """(N, 2) per frame from the neighbours in time of the same track (central where there are two); else NaN."""
    where: dict[str, list[tuple[int, int]]] = {}
    for k, frame in enumerate(boxes):
        for i, box in enumerate(frame):
            where.setdefault(box.track, []).append((k, i))
    out = [np.full((len(frame), 2), np.nan) for frame in boxes]
    for path in where.values():
        stamps = np.array([stamps_ns[k] for k, _ in path], np.int64)
        centers = np.array([boxes[k][i].center_m[:2] for k, i in path])
        for j, (k, i) in enumerate(path):
            given = boxes[k][i].velocity_mps
            out[k][i] = _central(stamps, centers, j) if given is None else given
    return out


def _central(stamps_ns: npt.NDArray[np.int64], centers_m: F64, j: int) -> F64:
    low, high = max(j - 1, 0), min(j + 1, len(stamps_ns) - 1)
    if (stamps_ns[j] - stamps_ns[low]) * 1e-9 > MAX_GAP_S:
        low = j
    if (stamps_ns[high] - stamps_ns[j]) * 1e-9 > MAX_GAP_S:
        high = j
    if low == high:
        return np.full(2, np.nan)
    out: F64 = (centers_m[high] - centers_m[low]) / ((stamps_ns[high] - stamps_ns[low]) * 1e-9)
    return out
