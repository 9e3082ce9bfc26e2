"""The exact boxes of one stamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D
from perception_nodes.geometry import wrap_angle

from .sensors.lidar import LidarSweep
from .sensors.moment import Moment

REPORTED_RANGE_M: Final = 120.0


def true_objects(stamp_ns: int, moment: Moment, frame_id: str, sweeps: Sequence[LidarSweep]) -> Detections3D:
    """Actors within 120 m of the vehicle at the end of the moment, odom.

    detection_id: id of the actor; num_points: returns from it in all sweeps; visibility: share of the pulses aimed at
    it that returned from it, NaN if none was.
    """
    states, ego = moment.span[1], np.asarray(moment.ego[1].pose[:2])
    distance = np.hypot(*(states.pose[:, :2] - ego).T)
    near = np.flatnonzero(states.present & (distance < REPORTED_RANGE_M))
    hits, aimed = np.zeros(len(states), np.int64), np.zeros(len(states), np.int64)
    for sweep in sweeps:
        hits += sweep.hits
        aimed += sweep.aimed
    lwh = np.array([a.lwh_m for a in moment.assets]).reshape(-1, 3)[states.asset[near]]
    label = np.array([LABEL_INDEX[a.label] for a in moment.assets], np.uint8)[states.asset[near]]
    probabilities = np.zeros((len(near), NUM_LABELS))
    probabilities[np.arange(len(near)), label] = 1.0
    seen = np.where(aimed[near] > 0, hits[near] / np.maximum(aimed[near], 1), np.nan)
    center = states.pose[near, :3].copy()
    center[:, 2] += lwh[:, 2] / 2
    return Detections3D.of(
        stamp_ns,
        frame_id,
        "truth",
        center,
        lwh,
        wrap_angle(states.pose[near, 3]),
        velocity_mps=states.velocity_mps[near],
        label=label,
        class_probabilities=probabilities,
        num_points=hits[near].astype(np.int32),
        visibility=np.minimum(seen, 1.0),
        detection_id=states.id[near].astype(np.uint64),
    )
