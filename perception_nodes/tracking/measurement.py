"""Detections made ready for the filter: rejected if impossible, unknown noise replaced by documented defaults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    NUM_LABELS,
    UNKNOWN,
    Detections3D,
    Drop,
    DropReason,
    Orientation,
    SourceMask,
)

from . import classes
from .algebra import clip
from .compiled import compiled

F64 = npt.NDArray[np.float64]

_MIN_SIZE_M = 0.02
_MAX_SIZE_M = 40.0
_MIN_STD = 0.02
UNKNOWN_VAR = 1e6
# Beyond them numbers are no measurements, and their squares are lost in those of others.
_MAX_POSITION_M = 1e8
_MAX_SPEED_MPS = 300.0
_MAX_VAR = 1e12
# Of correlations: single precision of messages.
_ROUNDING = 1e-4
# Of the centre's std that is assumed where none is stated, as much belongs to a seen side.
_ASSUMED_SIDE_SHARE: Final = 0.4
_LIDAR: Final = int(SourceMask.LIDAR)
_KNOWN_SIGN: Final = int(Orientation.AVAILABLE)
_NUMBERS: Final = classes.record({})

_GIVEN: Final = (
    "center_m",
    "lwh_m",
    "yaw_rad",
    "velocity_mps",
    "score",
    "existence_probability",
    "class_probabilities",
    "covariance",
    "num_points",
    "label",
    "orientation",
    "source_mask",
)
ROW: Final = np.dtype(
    [
        ("center_m", "f8", (3,)),
        ("lwh_m", "f8", (3,)),
        ("yaw_rad", "f8"),
        ("velocity_mps", "f8", (2,)),
        ("score", "f8"),
        ("existence_probability", "f8"),
        ("class_probabilities", "f8", (NUM_LABELS,)),
        ("covariance", "f8", (9, 9)),
        ("pose", "f8", (3,)),
        ("pose_cov", "f8", (3, 3)),
        ("bottom_m", "f8"),
        ("bottom_var", "f8"),
        ("size_var", "f8", (3,)),
        ("velocity_cov", "f8", (2, 2)),
        ("class_weight", "f8"),
        ("quality", "f8"),
        ("face", "f8", (2,)),
        ("sided", "f8", (2,)),
        ("side_share", "f8"),
        ("num_points", "i8"),
        ("label", "i8"),
        ("has_velocity", "?"),
        ("free", "?"),
        ("orientation", "u1"),
        ("source_mask", "u1"),
    ],
    align=True,
)
_REASONS: Final = (
    "nan_position", "nan_size", "nan_yaw", "zero_size", "huge_size", "huge_position", "huge_velocity",
    "negative_variance", "impossible_covariance", "no_such_label",
)  # fmt: skip


@dataclass(frozen=True)
class Measurements:
    """M valid detections in odom, `detections` as they came; `rows` (M,) of the type `ROW`, which has beside them

    pose (3,) x, y, yaw and pose_cov (3, 3); bottom_m, bottom_var; size_var (3,); velocity_cov (2, 2), valid where
    has_velocity; class_probabilities made whole; class_weight: how much this view says about the class; quality:
    probability that it is an object; face (2,): the side of the box that the sensor sees along its length and width,
    -1..1 (0: both or none), or as the detector states it;
    sided (2,): share of the extent's error that may be the centre's too; side_share: how little of the centre's std a
    seen side may have; free: the yaw is known up to quarter turns only.
    """

    detections: Detections3D
    rows: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.rows)


def accepted(detections: Detections3D) -> tuple[Detections3D, Counter[str]]:
    """Those that can be used, and how many cannot, by reason (one that has several counts under the first)."""
    reason = np.zeros(len(detections), np.int64)
    _judge(_copied(detections), reason)
    if not reason.any():
        return detections, Counter()
    counts = np.bincount(reason, minlength=len(_REASONS) + 1)[1:].tolist()
    why = Counter({name: count for name, count in zip(_REASONS, counts, strict=True) if count})
    return detections.select(reason == 0), why


def unusable(detections: Detections3D, rejected: Counter[str], topic: str) -> Drop:
    """What is said of a message of `topic` whose `detections` could not all be used."""
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(rejected.items()))
    detail = f"{rejected.total()} of {len(detections)} boxes cannot be: {reasons}"
    return Drop(detections.stamp_ns, detections.frame_id, topic, DropReason.MALFORMED, detail=detail)


def prepare(detections: Detections3D, sensor_xy_m: F64) -> Measurements:
    """Measurements from valid detections; `sensor_xy_m` (2,): where they were seen from, same frame."""
    rows = _copied(detections)
    _prepare(rows, float(sensor_xy_m[0]), float(sensor_xy_m[1]), _NUMBERS)
    return Measurements(detections, rows)


def _copied(detections: Detections3D) -> npt.NDArray[Any]:
    rows = np.empty(len(detections), ROW)
    for name in _GIVEN:
        rows[name] = getattr(detections, name)
    return rows


@compiled
def _judge(rows: Any, reason: Any) -> None:
    """Number (from 1) in `_REASONS` of the first reason for which each detection cannot be used, 0: it can."""
    for i in range(len(rows)):
        m = rows[i]
        x, y, z = m.center_m[0], m.center_m[1], m.center_m[2]
        long, wide, high = m.lwh_m[0], m.lwh_m[1], m.lwh_m[2]
        if not np.isfinite(x + y + z):
            reason[i] = 1
        elif not np.isfinite(long + wide + high):
            reason[i] = 2
        elif not np.isfinite(m.yaw_rad) and m.orientation != 0:
            reason[i] = 3
        elif min(long, wide, high) < _MIN_SIZE_M:
            reason[i] = 4
        elif max(long, wide, high) > _MAX_SIZE_M:
            reason[i] = 5
        elif not 0 <= m.label <= UNKNOWN:
            reason[i] = 10
        elif max(abs(x), abs(y), abs(z)) > _MAX_POSITION_M:
            reason[i] = 6
        elif max(abs(m.velocity_mps[0]), abs(m.velocity_mps[1])) > _MAX_SPEED_MPS:
            reason[i] = 7
        else:
            reason[i] = _judge_covariance(m.covariance)


@compiled
def _judge_covariance(cov: Any) -> int:
    """As `_judge`: what is stated of x, y, yaw and of the velocity can be a covariance if no eigenvalue is negative."""
    largest = 0.0
    for k in range(9):
        if cov[k, k] < 0 or np.isinf(cov[k, k]):
            return 8
        if cov[k, k] > largest:
            largest = cov[k, k]
    a, b, c = _correlation(cov, 0, 1), _correlation(cov, 0, 3), _correlation(cov, 1, 3)
    most = max(abs(a), abs(b), abs(c), abs(_correlation(cov, 7, 8)))
    determinant = 1 + 2 * a * b * c - a * a - b * b - c * c
    possible = largest <= _MAX_VAR and most <= 1 + _ROUNDING and determinant >= -2 * _ROUNDING
    return 0 if possible else 9


@compiled
def _correlation(cov: Any, a: int, b: int) -> float:
    """Of two quantities; 0 where it is not known."""
    both = cov[a, a] * cov[b, b]
    if not np.isfinite(cov[a, b] + both) or cov[a, b] == 0:
        return 0.0
    return float(cov[a, b] / np.sqrt(both))


@compiled
def _prepare(rows: Any, sensor_x: float, sensor_y: float, c: Any) -> None:
    variance = np.zeros(9)
    for i in range(len(rows)):
        m = rows[i]
        dx, dy = sensor_x - m.center_m[0], sensor_y - m.center_m[1]
        m.side_share = 1.0 if np.isfinite(m.covariance[0, 0] + m.covariance[1, 1]) else _ASSUMED_SIDE_SHARE
        stated = _states_sides(m.covariance)
        _default_variances(m, np.sqrt(dx * dx + dy * dy), c, variance)
        _fill_covariance(m, variance)
        m.pose[0], m.pose[1] = m.center_m[0], m.center_m[1]
        m.pose[2] = m.yaw_rad if np.isfinite(m.yaw_rad) else 0.0
        columns = (0, 1, 3)
        for a in range(3):
            m.size_var[a] = m.covariance[4 + a, 4 + a]
            for b in range(3):
                m.pose_cov[a, b] = m.covariance[columns[a], columns[b]]
        m.bottom_m, m.bottom_var = m.center_m[2] - m.lwh_m[2] / 2, m.covariance[2, 2]
        m.has_velocity = np.isfinite(m.velocity_mps[0] + m.velocity_mps[1])
        for a in range(2):
            for b in range(2):
                m.velocity_cov[a, b] = m.covariance[7 + a, 7 + b]
        _make_whole(m.class_probabilities)
        m.class_weight = 1.3 - m.class_probabilities[UNKNOWN]
        m.quality = _quality(m)
        m.free = m.orientation != _KNOWN_SIGN
        _see_faces(m, dx, dy)
        for a in range(2):
            if stated:
                m.face[a] = _stated_face(m, a)
            m.sided[a] = abs(m.face[a]) if stated else 1.0


@compiled
def _states_sides(cov: Any) -> bool:
    """Whether a detector says how the errors of centre and extent hang together (0: not at all; NaN: unknown)."""
    sum_of_all = cov[0, 4] + cov[1, 4] + cov[0, 5] + cov[1, 5] + cov[4, 4] + cov[5, 5]
    return bool(np.isfinite(sum_of_all) and cov[4, 4] > 0 and cov[5, 5] > 0)


@compiled
def _stated_face(m: Any, axis: int) -> float:
    """The side that stays where it is while the extent errs, from the centre's regression on the extent, which is -1/2
    for the front or left side, and 0 where both err on their own.
    """
    cos, sin, cov, k = np.cos(m.pose[2]), np.sin(m.pose[2]), m.covariance, 4 + axis
    along = cos * cov[0, k] + sin * cov[1, k] if axis == 0 else cos * cov[1, k] - sin * cov[0, k]
    return clip(-2 * along / cov[k, k], -1.0, 1.0)


@compiled
def _default_variances(m: Any, range_m: float, c: Any, out: Any) -> None:
    """(9,) variances by class; position and yaw get worse with range and with few points."""
    worse = 1.0 + range_m / 50.0
    if m.num_points > 0:
        worse += 2.0 / m.num_points
    size = c.size_measurement_std_m[m.label] * worse
    out[0] = out[1] = (c.position_std_m[m.label] * worse) ** 2
    out[2] = (c.z_std_m * worse) ** 2
    out[3] = min(c.yaw_std_rad[m.label] * worse, 1.5) ** 2
    out[4] = size**2
    out[5] = out[6] = (0.5 * size) ** 2
    out[7] = out[8] = 0.5**2


@compiled
def _fill_covariance(m: Any, default_var: Any) -> None:
    """Unknown variances are replaced by the defaults, unknown correlations by zero; an unknown yaw by a huge one."""
    cov = m.covariance
    for a in range(9):
        for b in range(9):
            # Of a finite variance and a NaN or infinite one the sum is not finite either.
            if a != b and not (np.isfinite(cov[a, a] + cov[b, b]) and np.isfinite(cov[a, b])):
                cov[a, b] = 0.0
    for a in range(9):
        cov[a, a] = max(cov[a, a] if np.isfinite(cov[a, a]) else default_var[a], _MIN_STD**2)
        if m.orientation == 0:
            cov[a, 3] = cov[3, a] = 0.0
    if m.orientation == 0:
        cov[3, 3] = UNKNOWN_VAR


@compiled
def _make_whole(p: Any) -> None:
    """Class probabilities (11,) without holes, none of them zero, of sum one; in place."""
    total = 0.0
    for k in range(len(p)):
        p[k] = (max(p[k], 0.0) if np.isfinite(p[k]) else 0.0) + 1e-9
        total += p[k]
    for k in range(len(p)):
        p[k] /= total


@compiled
def _quality(m: Any) -> float:
    """Calibrated existence where given, else a score that looks like a probability, else 0.5."""
    quality = m.score if 0.0 <= m.score <= 1.0 else 0.5
    if np.isfinite(m.existence_probability):
        quality = m.existence_probability
    return clip(quality, 0.02, 0.98)


@compiled
def _see_faces(m: Any, dx: float, dy: float) -> None:
    """+1: the sensor stands before the front / left face, -1: behind the rear / right one, 0: between them.

    (dx, dy): from the centre to the sensor. Boxes without lidar (a camera's guess of the extent) show no face: they
    are centred.
    """
    lidar = m.source_mask == 0 or (m.source_mask & _LIDAR) > 0
    cos, sin = np.cos(m.pose[2]), np.sin(m.pose[2])
    along = (dx * cos + dy * sin, dy * cos - dx * sin)
    for k in range(2):
        beyond = clip((abs(along[k]) - m.lwh_m[k] / 2) / 0.5, 0.0, 1.0)
        m.face[k] = np.sign(along[k]) * beyond if lidar else 0.0
