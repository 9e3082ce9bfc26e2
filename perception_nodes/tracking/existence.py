"""Is it there? Detection probability from range and occlusion, and the Bernoulli filter on top."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import Transform, corners_bev, wrap_angle

from .config import TrackerConfig
from .store import TrackStore

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_STEPS = (np.arange(7) + 0.5) / 7
_QUALITY_MEMORY = 30.0
_LOWEST_DETECTION_PROBABILITY = 0.02


def visible_share(
    center_m: F64, lwh_m: F64, yaw_rad: F64, sensor_m: F64, blocks: npt.NDArray[np.bool_]
) -> F64:
    """(N,) share of each box that no nearer box (of those that `blocks`) hides from the sensor at `sensor_m` (3,).

    Mean over some bearings across the box of the part of its height above the shadow of the nearer boxes. A box
    that contains the sensor hides nothing.
    """
    n = len(center_m)
    if n == 0:
        return np.zeros(0)
    d = corners_bev(center_m, lwh_m, yaw_rad) - sensor_m[:2]
    middle = np.arctan2(center_m[:, 1] - sensor_m[1], center_m[:, 0] - sensor_m[0])
    offset = wrap_angle(np.arctan2(d[..., 1], d[..., 0]) - middle[:, None])
    low, high = offset.min(axis=1), offset.max(axis=1)
    near = np.maximum(np.linalg.norm(d, axis=2).min(axis=1), 0.1)
    reach = np.linalg.norm(center_m[:, :2] - sensor_m[:2], axis=1)
    bearing = middle[:, None] + low[:, None] + (high - low)[:, None] * _STEPS
    covers = _covers(bearing, middle, low, high)
    hides = (
        (near[None] + 0.5 < reach[:, None]) & (reach[None] < reach[:, None]) & (blocks & (high - low < np.pi))
    )
    # Height of the shadow of box j at the distance of box i, seen from the sensor over j's roof.
    roof = center_m[:, 2] + lwh_m[:, 2] / 2
    shadow = sensor_m[2] + (roof - sensor_m[2])[None] * (reach[:, None] / near[None])
    above = np.clip((roof[:, None] - shadow) / lwh_m[:, 2][:, None], 0.0, 1.0)
    visible = np.where(covers & hides[:, :, None], above[:, :, None], 1.0).min(axis=1)
    return np.asarray(visible.mean(axis=1))


def _covers(bearing: F64, middle: F64, low: F64, high: F64) -> npt.NDArray[np.bool_]:
    """(N, N, B) whether bearing b of box i falls on box j."""
    relative = wrap_angle(bearing[:, None, :] - middle[None, :, None])
    return np.asarray((relative > low[None, :, None]) & (relative < high[None, :, None]))


def detection_probability(tracks: TrackStore, odom_from_base: Transform, config: TrackerConfig) -> F64:
    """(N,) probability that each track is detected now; sets `tracks.visibility`."""
    above_base = np.array([[0.0, 0.0, config.sensor_height_m]])
    sensor = np.asarray(odom_from_base.apply(above_base)[0], np.float64)
    blocks = tracks.confirmed & (tracks.presence > 0.5)
    tracks.visibility = visible_share(tracks.center_m, tracks.size_m, tracks.yaw_rad, sensor, blocks)
    range_m = np.linalg.norm(tracks.position_m - sensor[:2], axis=1)
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


def average_quality(tracks: TrackStore, index: I64, value: F64, weight: F64) -> None:
    """Take values (K,) with weights (K,) into the running mean of the tracks `index`, in place."""
    total = np.minimum(tracks.quality_weight[index], _QUALITY_MEMORY) + weight
    tracks.quality[index] += (value - tracks.quality[index]) * weight / total
    tracks.quality_weight[index] = total


def published_existence(tracks: TrackStore, stamp_ns: int, config: TrackerConfig) -> F64:
    """Presence, fading while nothing confirms it, times the belief that what is tracked is an object at all.

    That belief is the mean quality of the detections: clutter that stays (a wall, a bush) is detected in every
    frame, successive frames are not independent evidence, so that the quality enters as a mean, not as a product.
    """
    logit = np.log(tracks.quality / (1 - tracks.quality)) * config.quality_weight / 3.0
    faded = np.exp(-(stamp_ns - tracks.updated_ns) * 1e-9 / config.fade_time_s)
    return np.asarray(tracks.presence * faded / (1 + np.exp(-logit)))
