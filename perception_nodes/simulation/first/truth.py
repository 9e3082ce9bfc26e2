"""The exact boxes of one stamp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D
from perception_nodes.geometry import wrap_angle

from .assets import Asset
from .lidar import Sweep

F64 = npt.NDArray[np.float64]
REPORTED_RANGE_M = 100.0


def true_objects(sweep: Sweep, assets: Sequence[Asset], poses: F64, z_m: F64, ego_xy_m: F64) -> Detections3D:
    """Objects within 100 m of the ego in odom.

    Ids count from 1; visibility is the share of the pulses aimed at an object that returned from it, NaN if none was.
    """
    near = np.flatnonzero(np.hypot(*(poses[:, :2] - ego_xy_m).T) < REPORTED_RANGE_M)
    lwh = np.array([assets[k].lwh_m for k in near.tolist()]).reshape(-1, 3)
    label = np.array([LABEL_INDEX[assets[k].label] for k in near.tolist()], np.uint8)
    probabilities = np.zeros((len(near), NUM_LABELS))
    probabilities[np.arange(len(near)), label] = 1.0
    x, y, yaw, speed = poses[near].T
    aimed = sweep.aimed[near]
    seen = np.where(aimed > 0, sweep.hits[near] / np.maximum(aimed, 1), np.nan)
    return Detections3D.of(
        sweep.cloud.stamp_ns,
        "odom",
        "truth",
        np.stack([x, y, z_m[near] + lwh[:, 2] / 2], axis=1),
        lwh,
        wrap_angle(yaw),
        velocity_mps=np.stack([speed * np.cos(yaw), speed * np.sin(yaw)], axis=1),
        label=label,
        class_probabilities=probabilities,
        num_points=sweep.hits[near],
        visibility=seen,
        detection_id=(near + 1).astype(np.uint64),
    )
