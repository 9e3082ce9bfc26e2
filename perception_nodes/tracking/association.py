"""Which detection belongs to which track: gated global assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from perception_nodes.geometry.boxes import overlap_area

from .algebra import mahalanobis2
from .classes import agreement
from .compiled import compiled
from .config import TrackerConfig
from .measurement import Measurements
from .motion import position_cov
from .shape import align, anchored
from .store import TrackStore, pose_of

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
    good = measured.rows["quality"] >= config.low_score
    first_t, first_d = _assign(cost, np.arange(len(tracks)), np.flatnonzero(good))
    if good.all():
        return Assignment(first_t, first_d, distance2[first_t, first_d])
    left = np.ones(len(tracks), bool)
    left[first_t] = False
    second_t, second_d = _assign(cost, np.flatnonzero(left), np.flatnonzero(~good))
    track, detection = np.concatenate([first_t, second_t]), np.concatenate([first_d, second_d])
    return Assignment(track, detection, distance2[track, detection])


def _assign(cost: F64, tracks: I64, detections: I64) -> tuple[I64, I64]:
    """Cheapest assignment in which leaving a pair out costs `_MISS_COST`."""
    if len(tracks) == 0 or len(detections) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    part = np.minimum(cost[tracks[:, None], detections], _MISS_COST)
    rows, columns = linear_sum_assignment(part)
    real = part[rows, columns] < _MISS_COST
    return tracks[rows[real]], detections[columns[real]]


def pair_costs(tracks: TrackStore, measured: Measurements, config: TrackerConfig) -> tuple[F64, F64]:
    """(N, M) cost of each pair (`inf` outside the gate) and its squared Mahalanobis distance (`inf` if far away)."""
    cost, distance2 = (np.full((len(tracks), len(measured)), np.inf) for _ in range(2))
    _pair_costs(tracks.rows, measured.rows, config.numbers, cost, distance2)
    return cost, distance2


@compiled
def _pair_costs(tracks: Any, measured: Any, c: Any, cost: Any, distance2: Any) -> None:
    buffers = (np.empty(16), np.empty(16), np.empty(16), np.empty(16))
    for i in range(len(tracks)):
        t = tracks[i]
        x, y, _ = pose_of(t)
        reach = 3 * np.sqrt(t.cov[0, 0] + t.cov[1, 1]) + t.size_m[0] / 2
        for j in range(len(measured)):
            m = measured[j]
            dx, dy = x - m.pose[0], y - m.pose[1]
            spread = 3 * np.sqrt(m.pose_cov[0, 0] + m.pose_cov[1, 1]) + m.lwh_m[0] / 2
            limit = c.gate_distance_m + reach + spread
            if dx * dx + dy * dy <= limit * limit:
                cost[i, j], distance2[i, j] = _pair_cost(t, m, c, buffers)


@compiled
def _pair_cost(t: Any, m: Any, c: Any, buffers: Any) -> Any:
    """Cost and squared Mahalanobis distance of one pair."""
    x, y, yaw = pose_of(t)
    placed = anchored(m, align(m, yaw), t.size_m[0], t.size_m[1])
    moving, static = position_cov(t.cov, 1.0, c), position_cov(t.static_cov, 1.0, c)
    a, b, d = placed.cov
    d2 = min(
        mahalanobis2(
            placed.x - t.mean[0], placed.y - t.mean[1], (moving[0] + a, moving[1] + b, moving[2] + d)
        ),
        mahalanobis2(
            placed.x - t.static_mean[0],
            placed.y - t.static_mean[1],
            (static[0] + a, static[1] + b, static[2] + d),
        ),
    )
    distance = np.sqrt((placed.x - x) ** 2 + (placed.y - y) ** 2)
    spread = np.sqrt(a + d + min(moving[0], static[0]) + min(moving[2], static[2]))
    if not (d2 <= c.gate_mahalanobis2 and distance <= c.gate_distance_m + 3 * spread):
        return np.inf, d2
    shared = shared_area((x, y, yaw), t.size_m, m, buffers)
    union = t.size_m[0] * t.size_m[1] + m.lwh_m[0] * m.lwh_m[1] - shared
    overlap = shared / union if union > 0 else 0.0
    alike = agreement(t.class_sum, m.class_probabilities, c)
    total = c.weight_mahalanobis + c.weight_overlap + c.weight_distance
    pair = c.weight_mahalanobis * d2 / c.gate_mahalanobis2
    pair += c.weight_overlap * (1 - overlap) + c.weight_distance * min(distance / c.gate_distance_m, 1.0)
    return pair / total - c.weight_class * np.log(alike), d2


@compiled
def shared_area(pose: Any, size_m: Any, m: Any, buffers: Any) -> float:
    """Common area of the footprints of a box at a pose (x, y, yaw) and of a measured box, m2."""
    x, y, yaw = pose
    half_a = (0.5 * size_m[0], 0.5 * size_m[1])
    half_b = (0.5 * m.lwh_m[0], 0.5 * m.lwh_m[1])
    # Differences first: at map coordinates of 1e6 m an area of absolute corners would lose its digits.
    dx, dy, turn = m.pose[0] - x, m.pose[1] - y, m.pose[2] - yaw
    reach = np.hypot(half_a[0], half_a[1]) + np.hypot(half_b[0], half_b[1])
    if dx * dx + dy * dy >= reach * reach:
        return 0.0
    c, s = np.cos(yaw), np.sin(yaw)
    offset = (dx * c + dy * s, dy * c - dx * s)
    return float(overlap_area(half_a, half_b, offset, (np.cos(turn), np.sin(turn)), buffers))
