"""Detections made ready for the filter: rejected if impossible, unknown noise replaced by documented defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN, Detections3D, Orientation, SourceMask

from . import classes

F64 = npt.NDArray[np.float64]

_MIN_SIZE_M = 0.02
_MAX_SIZE_M = 40.0
_MIN_STD = 0.02
UNKNOWN_VAR = 1e6


@dataclass(frozen=True)
class Footprints:
    """What `shape.py` needs of M boxes: yaw (M,), whether it is known up to quarter turns only, size, size_var, face
    (M, 2) along length and width.
    """

    yaw: F64
    free: npt.NDArray[np.bool_]
    size: F64
    size_var: F64
    face: F64

    def select(self, index: npt.NDArray[Any]) -> Footprints:
        """The boxes picked by an index."""
        return Footprints(
            self.yaw[index], self.free[index], self.size[index], self.size_var[index], self.face[index]
        )


@dataclass(frozen=True)
class Measurements:
    """M valid detections in odom.

    pose (M, 3) x, y, yaw and pose_cov (M, 3, 3); bottom_m, bottom_var (M,); size_m, size_var (M, 3);
    velocity (M, 2) with velocity_cov (M, 2, 2), valid where has_velocity; probabilities (M, 11); class_weight (M,)
    how much this view says about the class; quality (M,) probability that it is an object; face (M, 2): the side of
    the box that the sensor sees along its length and width, -1..1 (0: both or none); detections: the rows as they came.
    """

    detections: Detections3D
    pose: F64
    pose_cov: F64
    bottom_m: F64
    bottom_var: F64
    size_m: F64
    size_var: F64
    velocity: F64
    velocity_cov: F64
    has_velocity: npt.NDArray[np.bool_]
    probabilities: F64
    class_weight: F64
    quality: F64
    face: F64

    def __len__(self) -> int:
        return len(self.pose)

    @property
    def footprints(self) -> Footprints:
        """The boxes seen from above."""
        free = self.detections.orientation != int(Orientation.AVAILABLE)
        return Footprints(self.pose[:, 2], free, self.size_m[:, :2], self.size_var[:, :2], self.face)

    def select(self, index: npt.NDArray[Any]) -> Measurements:
        """The measurements picked by a mask or an index."""
        arrays = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "detections"}
        return Measurements(detections=self.detections.select(index), **arrays)


def rejections(detections: Detections3D) -> dict[str, npt.NDArray[np.bool_]]:
    """(N,) mask for each reason for which a detection cannot be used; a detection can have several."""
    center, lwh, yaw = detections.center_m, detections.lwh_m, detections.yaw_rad
    diagonal = np.diagonal(detections.covariance, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        return {
            "nan_position": ~np.isfinite(center).all(axis=1),
            "nan_size": ~np.isfinite(lwh).all(axis=1),
            "nan_yaw": ~np.isfinite(yaw) & (detections.orientation != 0),
            "zero_size": (lwh < _MIN_SIZE_M).any(axis=1),
            "huge_size": (lwh > _MAX_SIZE_M).any(axis=1),
            "negative_variance": (diagonal < 0).any(axis=1) | np.isinf(diagonal).any(axis=1),
        }


def prepare(detections: Detections3D, sensor_xy_m: F64) -> Measurements:
    """Measurements from valid detections; `sensor_xy_m` (2,): where they were seen from, same frame."""
    label = detections.label.astype(np.int64)
    defaults = _default_variances(detections, label, sensor_xy_m)
    cov = _known_or(detections.covariance, defaults)
    yaw_unknown = detections.orientation == 0
    cov[yaw_unknown, 3, :] = 0.0
    cov[yaw_unknown, :, 3] = 0.0
    cov[yaw_unknown, 3, 3] = UNKNOWN_VAR
    yaw = np.where(np.isfinite(detections.yaw_rad), detections.yaw_rad, 0.0)
    probabilities = _probabilities(detections)
    pose_index = np.array([0, 1, 3])
    has_velocity: npt.NDArray[np.bool_] = np.asarray(np.isfinite(detections.velocity_mps).all(axis=1))
    size_var = np.stack([cov[:, k, k] for k in (4, 5, 6)], axis=1)
    return Measurements(
        detections=detections,
        pose=np.column_stack([detections.center_m[:, :2], yaw]),
        pose_cov=cov[:, pose_index[:, None], pose_index],
        bottom_m=detections.center_m[:, 2] - detections.lwh_m[:, 2] / 2,
        bottom_var=cov[:, 2, 2],
        size_m=detections.lwh_m.copy(),
        size_var=size_var,
        velocity=np.where(has_velocity[:, None], detections.velocity_mps, 0.0),
        velocity_cov=cov[:, 7:, 7:],
        has_velocity=has_velocity,
        probabilities=probabilities,
        class_weight=1.3 - probabilities[:, UNKNOWN],
        quality=_quality(detections),
        face=_seen_faces(detections, yaw, sensor_xy_m),
    )


def _default_variances(detections: Detections3D, label: npt.NDArray[np.int64], sensor: F64) -> F64:
    """(N, 9) variances by class; position and yaw get worse with range and with few points."""
    range_m = np.linalg.norm(detections.center_m[:, :2] - sensor, axis=1)
    worse = (
        1.0
        + range_m / 50.0
        + np.where(detections.num_points > 0, 2.0 / np.maximum(detections.num_points, 1), 0.0)
    )
    position = classes.POSITION_STD_M[label] * worse
    size = classes.SIZE_MEASUREMENT_STD_M[label] * worse
    yaw = np.minimum(classes.YAW_STD_RAD[label] * worse, 1.5)
    ones = np.ones_like(position)
    z = classes.Z_STD_M * worse
    std = [position, position, z, yaw, size, 0.5 * size, 0.5 * size, 0.5 * ones, 0.5 * ones]
    return np.stack(std, axis=1) ** 2


def _known_or(covariance: F64, default_var: F64) -> F64:
    """The covariance with unknown variances replaced by the defaults and unknown correlations by zero."""
    out = np.where(np.isfinite(covariance), covariance, 0.0)
    diagonal = np.diagonal(covariance, axis1=1, axis2=2)
    known = np.isfinite(diagonal)
    out *= known[:, :, None] & known[:, None, :]
    k = np.arange(9)
    out[:, k, k] = np.maximum(np.where(known, diagonal, default_var), _MIN_STD**2)
    return out


def _probabilities(detections: Detections3D) -> F64:
    p = np.where(np.isfinite(detections.class_probabilities), detections.class_probabilities, 0.0)
    p = np.maximum(p, 0.0) + 1e-9
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _quality(detections: Detections3D) -> F64:
    """Calibrated existence where given, else a score that looks like a probability, else 0.5."""
    score = np.where((detections.score >= 0) & (detections.score <= 1), detections.score, 0.5)
    return np.clip(
        np.where(np.isfinite(detections.existence_probability), detections.existence_probability, score),
        0.02,
        0.98,
    )


def _seen_faces(detections: Detections3D, yaw: F64, sensor: F64) -> F64:
    """(N, 2) +1: the sensor stands before the front / left face, -1: behind the rear / right one, 0: between them.

    Boxes without lidar (a camera's guess of the extent) show no face: they are centred.
    """
    d = sensor - detections.center_m[:, :2]
    c, s = np.cos(yaw), np.sin(yaw)
    along = np.stack([d[:, 0] * c + d[:, 1] * s, d[:, 1] * c - d[:, 0] * s], axis=1)
    beyond = np.clip((np.abs(along) - detections.lwh_m[:, :2] / 2) / 0.5, 0.0, 1.0)
    mask = detections.source_mask
    lidar = (mask == 0) | ((mask & int(SourceMask.LIDAR)) > 0)
    out: npt.NDArray[Any] = np.sign(along) * beyond * lidar[:, None]
    return out
