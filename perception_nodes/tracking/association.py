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
    left = np.ones(len(tracks), bool)
    left[first_t] = False
    second_t, second_d = _assign(cost, np.flatnonzero(left), np.flatnonzero(~good))
    track, detection = np.concatenate([first_t, second_t]), np.concatenate([first_d, second_d])
    return Assignment(track, detection, distance2[track, detection])


def pair_costs(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> tuple[F64, F64]:
    """(N, M) cost of each pair (`inf` outside the gate) and its squared Mahalanobis distance (`inf` if far away)."""
    shape = (len(tracks), len(measured))
    cost, distance2 = np.full(shape, np.inf), np.full(shape, np.inf)
    row, column = _near(tracks, measured, config)
    if len(row) == 0:
        return cost, distance2
    center, noise, cov = _anchored_pairs(tracks, measured, row, column, config)
    d2 = np.minimum(
        mahalanobis2(center - tracks.mean[row, POSITION], cov[:, 0] + noise),
        mahalanobis2(center - tracks.static_mean[row, :2], cov[:, 1] + noise),
    )
    distance = np.linalg.norm(center - tracks.position_m[row], axis=1)
    spread = np.sqrt(np.trace(noise, axis1=1, axis2=2) + np.trace(cov.min(axis=1), axis1=1, axis2=2))
    inside = (d2 <= config.gate_mahalanobis2) & (distance <= config.gate_distance_m + 3 * spread)
    boxes = (tracks.center_m, tracks.size_m, tracks.yaw_rad)
    overlap = iou_bev(boxes, (measured.detections.center_m, measured.size_m, measured.pose[:, 2]))[
        row, column
    ]
    alike = agreement(tracks.class_probabilities, measured.probabilities)[row, column]
    total = config.weight_mahalanobis + config.weight_overlap + config.weight_distance
    pair = (
        config.weight_mahalanobis * d2 / config.gate_mahalanobis2
        + config.weight_overlap * (1 - overlap)
        + config.weight_distance * np.minimum(distance / config.gate_distance_m, 1.0)
    ) / total - config.weight_class * np.log(alike)
    cost[row, column] = np.where(inside, pair, np.inf)
    distance2[row, column] = d2
    return cost, distance2


def _near(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> tuple[I64, I64]:
    """Pairs that are close enough to be looked at, row by row."""
    reach = 3 * np.sqrt(tracks.cov[:, 0, 0] + tracks.cov[:, 1, 1]) + tracks.size_m[:, 0] / 2
    spread = 3 * np.sqrt(measured.pose_cov[:, 0, 0] + measured.pose_cov[:, 1, 1]) + measured.size_m[:, 0] / 2
    position, seen = tracks.position_m, measured.pose
    dx, dy = position[:, None, 0] - seen[None, :, 0], position[:, None, 1] - seen[None, :, 1]
    limit = config.gate_distance_m + reach[:, None] + spread[None]
    row, column = np.nonzero(dx * dx + dy * dy <= limit * limit)
    return row, column


def _anchored_pairs(
    tracks: TrackStore, measured: Measurements, row: I64, column: I64, config: TrackerConfig
) -> tuple[F64, F64, F64]:
    """For pairs (K,): centre (K, 2) and its covariance (K, 2, 2) as the track would measure it, and the position
    covariances (K, 2, 2, 2) of the track's two hypotheses.
    """
    aligned = align(measured.footprints.select(column), tracks.yaw_rad[row])
    center, cov = measured.pose[column, :2], measured.pose_cov[column, :2, :2]
    center, noise = anchored(center, cov, aligned, tracks.size_m[row, :2])
    return center, noise, position_covariances(tracks, config)[row]


def _assign(cost: F64, tracks: I64, detections: I64) -> tuple[I64, I64]:
    """Cheapest assignment in which leaving a pair out costs `_MISS_COST`."""
    if len(tracks) == 0 or len(detections) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    part = np.minimum(cost[np.ix_(tracks, detections)], _MISS_COST)
    rows, columns = linear_sum_assignment(part)
    real = part[rows, columns] < _MISS_COST
    return tracks[rows[real]], detections[columns[real]]
