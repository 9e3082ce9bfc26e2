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
    assign = _greedy if config.association == "greedy" else _assign
    first_t, first_d = assign(cost, np.arange(len(tracks)), np.flatnonzero(good))
    if good.all():
        return Assignment(first_t, first_d, distance2[first_t, first_d])
    left = np.ones(len(tracks), bool)
    left[first_t] = False
    second_t, second_d = assign(cost, np.flatnonzero(left), np.flatnonzero(~good))
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


def _greedy(cost: F64, tracks: I64, detections: I64) -> tuple[I64, I64]:
    """The cheapest pair first, then the cheapest of what is left; of equal ones that of the first track."""
    part = cost[tracks[:, None], detections]
    left_t, left_d = np.ones(len(tracks), bool), np.ones(len(detections), bool)
    pairs = []
    for k in np.argsort(part, axis=None, kind="stable").tolist():
        i, j = divmod(k, len(detections))
        if part[i, j] >= _MISS_COST:
            break
        if left_t[i] and left_d[j]:
            pairs.append((tracks[i], detections[j]))
            left_t[i] = left_d[j] = False
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    return rows, columns


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
    if c.generalised_overlap:
        overlap = generalised(overlap, union, hull_area((x, y, yaw), t.size_m, m))
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


@compiled
def generalised(overlap: float, union: float, hull: float) -> float:
    """Generalised IoU brought to 0..1 (Rezatofighi et al., CVPR 2019): also says how far apart boxes are that do not
    touch. hull: area of the convex hull of both.
    """
    return 0.5 * (1 + overlap - (hull - union) / hull) if hull > 0 else 0.0


@compiled
def hull_area(pose: Any, size_m: Any, m: Any) -> float:
    """Area of the convex hull of the footprints of a box at a pose (x, y, yaw) and of a measured box, m2."""
    corners = np.empty((8, 2))
    for k, length, width, yaw in ((0, size_m[0], size_m[1], pose[2]), (4, m.lwh_m[0], m.lwh_m[1], m.pose[2])):
        cos, sin = np.cos(yaw) / 2, np.sin(yaw) / 2
        x, y = (m.pose[0] - pose[0], m.pose[1] - pose[1]) if k else (0.0, 0.0)
        for i, a, b in ((0, 1, 1), (1, -1, 1), (2, -1, -1), (3, 1, -1)):
            corners[k + i, 0] = x + a * length * cos - b * width * sin
            corners[k + i, 1] = y + a * length * sin + b * width * cos
    first = 0
    for i in range(8):
        if corners[i, 0] < corners[first, 0]:
            first = i
    # Around the hull (Jarvis): the next corner has all others on its left.
    area, at = 0.0, first
    for _ in range(8):
        new = -1
        for i in range(8):
            if corners[i, 0] == corners[at, 0] and corners[i, 1] == corners[at, 1]:
                continue
            turn = 0.0 if new < 0 else _turn(corners[at], corners[new], corners[i])
            if new < 0 or turn < 0 or (turn == 0 and _farther(corners[at], corners[new], corners[i])):
                new = i
        if new < 0:
            return 0.0
        area += corners[at, 0] * corners[new, 1] - corners[new, 0] * corners[at, 1]
        at = new
        if corners[at, 0] == corners[first, 0] and corners[at, 1] == corners[first, 1]:
            break
    return float(0.5 * area)


@compiled
def _turn(a: Any, b: Any, c: Any) -> float:
    """Above 0: c lies to the left of the way from a to b."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


@compiled
def _farther(a: Any, b: Any, c: Any) -> bool:
    """Whether c is farther from a than b."""
    return bool((c[0] - a[0]) ** 2 + (c[1] - a[1]) ** 2 > (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2)
