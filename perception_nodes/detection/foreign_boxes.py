"""Boxes of foreign models: suppression of those that overlap, and the detections that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    NUM_LABELS,
    TWO_WHEELERS,
    VEHICLES,
    Detections3D,
    Orientation,
    PointCloud,
    SourceMask,
)
from perception_nodes.geometry import iou_bev, points_in_boxes

from .learned_config import DecodeConfig

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ForeignBoxes:
    """N boxes by falling score, base frame; probabilities (N, 11); front (N,) whether the yaw's sign can be trusted."""

    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    label: npt.NDArray[np.uint8]
    score: F64
    probabilities: F64
    front: npt.NDArray[np.bool_]

    def pick(self, rows: npt.NDArray[np.bool_]) -> ForeignBoxes:
        """Those of a mask (N,)."""
        return ForeignBoxes(*(value[rows] for value in vars(self).values()))


def sigmoid(x: npt.NDArray[np.floating]) -> F64:
    """Logits to probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x.astype(np.float64), -60.0, 60.0))))


def shares(scores: F64, labels: tuple[int, ...]) -> tuple[npt.NDArray[np.uint8], F64]:
    """Label (N,) of the best of (N, K) class scores, and (N, 11) probabilities of the taxonomy."""
    probabilities = np.zeros((len(scores), NUM_LABELS))
    np.add.at(probabilities.T, np.array(labels), scores.T)
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), 1e-12)
    best = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    return np.array(labels, np.uint8)[best], probabilities


def apart(found: ForeignBoxes, config: DecodeConfig) -> ForeignBoxes:
    """The finite ones without those that overlap a better one, whatever their classes."""
    numbers = np.column_stack([found.center_m, found.lwh_m, found.yaw_rad])
    found = found.pick(np.asarray(np.isfinite(numbers).all(axis=1)))
    keep = np.ones(len(found.score), bool)
    if len(keep):
        box = (found.center_m, found.lwh_m, found.yaw_rad)
        clash = np.triu(iou_bev(box, box) > config.overlap, 1)
        for k in range(len(keep)):
            if keep[k]:
                keep &= ~clash[k]
    keep[np.flatnonzero(keep)[config.max_detections :]] = False
    return found.pick(keep)


def detections(cloud: PointCloud, found: ForeignBoxes) -> Detections3D:
    """As messages have them; existence, velocity and covariance are not known."""
    n = len(found.score)
    counts = points_in_boxes(cloud.xyz_m, found.center_m, found.lwh_m, found.yaw_rad, 0.1)
    # Of what is neither a vehicle nor a two-wheeler nobody asks for the front.
    unknown = np.isin(found.label, list(VEHICLES | TWO_WHEELERS)) & ~found.front
    orientation = np.where(unknown, Orientation.SIGN_UNKNOWN, Orientation.AVAILABLE).astype(np.uint8)
    return Detections3D.of(
        cloud.stamp_ns, cloud.frame_id, "lidar", found.center_m, found.lwh_m, found.yaw_rad, orientation=orientation,
        label=found.label, class_probabilities=found.probabilities, score=found.score, num_points=counts,
        source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
    )  # fmt: skip
