"""Is it there? Detection probability from range and occlusion, and the Bernoulli filter on top."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.geometry import Transform, corners_bev, wrap_angle

from .config import TrackerConfig
from .store import TrackStore

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

BEARINGS = 7
_QUALITY_MEMORY = 30.0
_LOWEST_DETECTION_PROBABILITY = 0.02


def visible_share(
    center_m: F64, lwh_m: F64, yaw_rad: F64, sensor_m: F64, blocks: npt.NDArray[np.bool_]
) -> F64:
    """(N,) share of each box that no nearer box (of those that `blocks`) hides from the sensor at `sensor_m` (3,).

    Mean over some bearings across the box of the part of its height above the shadow of the nearer boxes. A box
    that contains the sensor hides nothing.
    """
    out = np.ones(len(center_m))
    if len(center_m) == 0:
        return out
    d = corners_bev(center_m, lwh_m, yaw_rad) - sensor_m[:2]
    middle = np.arctan2(center_m[:, 1] - sensor_m[1], center_m[:, 0] - sensor_m[0])
    offset = wrap_angle(np.arctan2(d[..., 1], d[..., 0]) - middle[:, None])
    low, high = offset.min(axis=1), offset.max(axis=1)
    near = np.maximum(np.linalg.norm(d, axis=2).min(axis=1), 0.1)
    reach = np.linalg.norm(center_m[:, :2] - sensor_m[:2], axis=1)
    roof = center_m[:, 2] + lwh_m[:, 2] / 2 - sensor_m[2]
    view = np.column_stack([middle, low, high, near, reach, roof, lwh_m[:, 2]])
    _visible(view, np.asarray(blocks & (high - low < np.pi)), out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _visible(view: Any, blocks: Any, out: Any) -> None:
    """Rows of view: bearing of the centre, lowest and highest bearing relative to it, nearest corner, distance of the
    centre, height of the roof over the sensor, height of the box.
    """
    visible = np.ones(BEARINGS)
    for i in range(len(view)):
        middle, low, high, _, reach, roof, height = view[i]
        visible[:] = 1.0
        for j in range(len(view)):
            if not blocks[j] or view[j, 3] + 0.5 >= reach or view[j, 4] >= reach:
                continue
            apart = (middle - view[j, 0] + np.pi) % (2 * np.pi) - np.pi
            # The shadow of box j at the distance of box i, seen over j's roof.
            above = max(0.0, min(1.0, (roof - view[j, 5] * reach / view[j, 3]) / height))
            for k in range(BEARINGS):
                relative = apart + low + (high - low) * (k + 0.5) / BEARINGS
                if view[j, 1] < relative < view[j, 2]:
                    visible[k] = min(visible[k], above)
        out[i] = visible.sum() / BEARINGS


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
