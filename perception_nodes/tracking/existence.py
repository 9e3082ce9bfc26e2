"""Is it there? Detection probability from range and occlusion, and the Bernoulli filter on top."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import Transform, corners_bev, wrap_angle

from .config import TrackerConfig
from .store import TrackStore

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_BEARINGS = 9
_LOWEST_DETECTION_PROBABILITY = 0.02


def visible_share(
    center_m: F64, lwh_m: F64, yaw_rad: F64, sensor_xy_m: F64, blocks: npt.NDArray[np.bool_]
) -> F64:
    """(N,) share of the bearings across each box that no nearer box (of those that `blocks`) covers.

    Seen from above from one point; a box that contains the sensor blocks nothing.
    """
    n = len(center_m)
    if n == 0:
        return np.zeros(0)
    d = corners_bev(center_m, lwh_m, yaw_rad) - sensor_xy_m
    middle = np.arctan2(center_m[:, 1] - sensor_xy_m[1], center_m[:, 0] - sensor_xy_m[0])
    offset = wrap_angle(np.arctan2(d[..., 1], d[..., 0]) - middle[:, None])
    low, high = offset.min(axis=1), offset.max(axis=1)
    near = np.linalg.norm(d, axis=2).min(axis=1)
    inside = high - low > np.pi
    steps = (np.arange(_BEARINGS) + 0.5) / _BEARINGS
    bearing = middle[:, None] + low[:, None] + (high - low)[:, None] * steps
    relative = wrap_angle(bearing[:, None, :] - middle[None, :, None])
    covers = (relative > low[None, :, None]) & (relative < high[None, :, None])
    reach = np.linalg.norm(center_m[:, :2] - sensor_xy_m, axis=1)
    nearer = (near[None] + 0.5 < reach[:, None]) & (reach[None] < reach[:, None])
    usable = nearer & (blocks & ~inside)[None]
    np.fill_diagonal(usable, False)
    return np.asarray(1.0 - (covers & usable[:, :, None]).any(axis=1).mean(axis=1))


def detection_probability(tracks: TrackStore, odom_from_base: Transform, config: TrackerConfig) -> F64:
    """(N,) probability that each track is detected now; sets `tracks.visibility`."""
    sensor = odom_from_base.translation_m[:2]
    blocks = tracks.confirmed & (tracks.presence > 0.5)
    tracks.visibility = visible_share(tracks.center_m, tracks.size_m, tracks.yaw_rad, sensor, blocks)
    range_m = np.linalg.norm(tracks.position_m - sensor, axis=1)
    by_range = 0.5 ** ((range_m / config.detection_range_m) ** 2)
    probability = config.detection_probability * by_range * tracks.visibility
    return np.asarray(np.maximum(probability, _LOWEST_DETECTION_PROBABILITY))


def in_view(tracks: TrackStore, odom_from_base: Transform, config: TrackerConfig) -> npt.NDArray[np.bool_]:
    """(N,) whether the centre is within range and field of view of the vehicle."""
    d = tracks.position_m - odom_from_base.translation_m[:2]
    bearing = wrap_angle(np.arctan2(d[:, 1], d[:, 0]) - odom_from_base.yaw_rad)
    near = np.hypot(d[:, 0], d[:, 1]) <= config.max_range_m
    return np.asarray(near & (np.abs(bearing) <= config.fov_half_angle_rad))


def survive(presence: F64, dt_s: float, config: TrackerConfig) -> F64:
    """Presence after dt_s without looking."""
    return np.asarray(presence * config.survival_per_s**dt_s)


def hit(presence: F64, quality: F64, config: TrackerConfig) -> F64:
    """Presence after a detection of the given quality: odds times the likelihood ratio object / clutter.

    It has been detected, so that the occlusion that may have been presumed is not held against it.
    """
    odds = presence / (1 - presence)
    ratio = quality * config.detection_probability / ((1 - quality) * config.clutter_ratio)
    odds = odds * np.clip(ratio, 0.2, 20.0)
    return np.minimum(odds / (1 + odds), config.existence_max)


def miss(presence: F64, probability: F64) -> F64:
    """Presence after no detection where one was to be expected with the given probability (Bernoulli filter)."""
    return np.asarray(presence * (1 - probability) / (1 - presence * probability))


def published_existence(tracks: TrackStore, config: TrackerConfig) -> F64:
    """Presence times the belief that what is tracked is an object at all, from the mean quality of its detections.

    Clutter that stays (a wall, a bush) is detected in every frame: successive frames are not independent evidence,
    so that the quality enters as a mean and not as a product.
    """
    logit = np.log(tracks.quality / (1 - tracks.quality)) * config.quality_weight / 3.0
    return np.asarray(tracks.presence / (1 + np.exp(-logit)))
