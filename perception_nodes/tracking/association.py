"""Which detection belongs to which track: gated global assignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from perception_nodes.geometry import iou_bev

from .classes import agreement
from .config import TrackerConfig
from .kalman import mahalanobis2
from .measurement import Measurements
from .motion import position_covariances
from .shape import align, anchored
from .store import POSITION, TrackStore

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_MISS_COST = 1.5


@dataclass(frozen=True)
class Assignment:
    """Pairs (track[k], detection[k]) with their squared Mahalanobis distance; indices into store and measurements."""

    track: I64
    detection: I64
    mahalanobis2: F64


def no_pairs() -> Assignment:
    """Nothing belongs to anything."""
    none = np.zeros(0, np.int64)
    return Assignment(none, none, np.zeros(0))


def associate(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> Assignment:
    """Two stages: good detections with all tracks, then the weak ones with the tracks that are left."""
    if len(tracks) == 0 or len(measured) == 0:
        return no_pairs()
    cost, distance2 = pair_costs(tracks, measured, config)
    good = measured.quality >= config.low_score
    first_t, first_d = _assign(cost, np.arange(len(tracks)), np.flatnonzero(good))
    left = np.setdiff1d(np.arange(len(tracks)), first_t)
    second_t, second_d = _assign(cost, left, np.flatnonzero(~good))
    track, detection = np.concatenate([first_t, second_t]), np.concatenate([first_d, second_d])
    return Assignment(track, detection, distance2[track, detection])


def pair_costs(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> tuple[F64, F64]:
    """(N, M) cost of each pair (`inf` outside the gate) and its squared Mahalanobis distance."""
    size, yaw, position = tracks.size_m, tracks.yaw_rad, tracks.position_m
    aligned = align(measured, yaw[:, None])
    center, noise = anchored(
        measured.pose[None, :, :2], measured.pose_cov[None, :, :2, :2], aligned, size[:, None, :2]
    )
    cov = position_covariances(tracks, config)
    to_moving = mahalanobis2(center - tracks.mean[:, None, POSITION], cov[:, None, 0] + noise)
    to_standing = mahalanobis2(center - tracks.static_mean[:, None, :2], cov[:, None, 1] + noise)
    distance2 = np.minimum(to_moving, to_standing)
    distance = np.linalg.norm(center - position[:, None], axis=-1)
    spread = np.sqrt(
        np.trace(noise, axis1=-2, axis2=-1) + np.trace(cov.min(axis=1), axis1=-2, axis2=-1)[:, None]
    )
    overlap = iou_bev(
        (tracks.center_m, size, yaw), (measured.detections.center_m, measured.size_m, measured.pose[:, 2])
    )
    total = config.weight_mahalanobis + config.weight_overlap + config.weight_distance
    cost = (
        config.weight_mahalanobis * distance2 / config.gate_mahalanobis2
        + config.weight_overlap * (1 - overlap)
        + config.weight_distance * np.minimum(distance / config.gate_distance_m, 1.0)
    ) / total
    cost -= config.weight_class * np.log(agreement(tracks.class_probabilities, measured.probabilities))
    outside = (distance2 > config.gate_mahalanobis2) | (distance > config.gate_distance_m + 3 * spread)
    return np.where(outside, np.inf, cost), distance2


def _assign(cost: F64, tracks: I64, detections: I64) -> tuple[I64, I64]:
    """Cheapest assignment in which leaving a pair out costs `_MISS_COST`."""
    if len(tracks) == 0 or len(detections) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    part = np.minimum(cost[np.ix_(tracks, detections)], _MISS_COST)
    rows, columns = linear_sum_assignment(part)
    real = part[rows, columns] < _MISS_COST
    return tracks[rows[real]], detections[columns[real]]
