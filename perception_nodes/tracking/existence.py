"""Is it there? Detection probability from view, range and occlusion, and the Bernoulli filter on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import Transform

from .algebra import clip, copy, wrap
from .compiled import compiled
from .looks import Look, eyes_of
from .store import TrackStore, pose_of

F64 = npt.NDArray[np.float64]

BEARINGS = 7
_QUALITY_MEMORY = 30.0
_LOWEST_DETECTION_PROBABILITY = 0.02


def look(
    tracks: TrackStore,
    looks: Sequence[Look],
    odom_from_base: Transform,
    stamp_ns: int,
) -> None:
    """Set `visibility` and `detectable` of every track: how likely those that look now see it; 0 if none can."""
    if len(tracks):
        _look(tracks.rows, eyes_of(looks, odom_from_base), stamp_ns)


@compiled
def _look(tracks: Any, eyes: Any, stamp_ns: int) -> None:
    n = len(tracks)
    boxes, blocks, share = np.zeros((n, 7)), np.zeros(n, np.bool_), np.ones(n)
    best, sensor_m = np.zeros(n), np.zeros(3)
    for i in range(n):
        t = tracks[i]
        x, y, yaw = pose_of(t)
        boxes[i, 0], boxes[i, 1], boxes[i, 2] = x, y, t.bottom_m + t.size_m[2] / 2
        copy(boxes[i, 3:], t.size_m[:], 3)
        boxes[i, 6] = yaw
        blocks[i] = t.confirmed and t.presence > 0.5
        t.visibility = t.detectable = 0.0
    for k in range(len(eyes)):
        e = eyes[k]
        copy(sensor_m, e.position_m, 3)
        visible_share(boxes, sensor_m, blocks, share)
        for i in range(n):
            found = _found(boxes[i], share[i], e)
            if found > 0.0:
                _watch(tracks[i], stamp_ns, e.period_s)
                tracks[i].visibility = max(tracks[i].visibility, share[i])
                best[i] = max(best[i], found)
        if k + 1 == len(eyes) or eyes[k + 1].detector != e.detector:
            for i in range(n):
                # At least one of two that miss independently finds it.
                tracks[i].detectable += best[i] - tracks[i].detectable * best[i]
                best[i] = 0.0


@compiled
def _found(box: Any, share: float, eye: Any) -> float:
    """Probability that a detector finds a box of which the share is not hidden; 0: it is not in its view."""
    dx, dy = box[0] - eye.position_m[0], box[1] - eye.position_m[1]
    range_m = np.hypot(dx, dy)
    aside = abs(wrap(np.arctan2(dy, dx) - eye.bearing_rad))
    if range_m > eye.max_range_m or aside > eye.half_angle_rad:
        return 0.0
    by_range = 0.5 ** ((range_m / eye.detection_range_m) ** 2)
    return float(max(eye.detection_probability * by_range * share, _LOWEST_DETECTION_PROBABILITY))


@compiled
def _watch(t: Any, stamp_ns: int, period_s: float) -> None:
    """It is looked at: the time before, but for one period, is not held against it if nothing looked then."""
    unwatched_s = (stamp_ns - t.looked_ns) * 1e-9 - period_s
    if unwatched_s > 0.0:
        t.watched_ns += int(unwatched_s * 1e9)
    t.looked_ns = stamp_ns


@compiled
def visible_share(boxes: Any, sensor_m: Any, blocks: Any, out: Any) -> None:
    """(N,) share of each box that no nearer box (of those that `blocks` (N,)) hides from the sensor at `sensor_m` (3,).

    boxes (N, 7): x, y, z of the centre, length, width, height, yaw. Mean over some bearings across the box of the part
    of its height above the shadow of the nearer boxes. A box that contains the sensor hides nothing.
    """
    view = np.zeros((len(boxes), 7))
    for i in range(len(boxes)):
        _view(boxes[i], sensor_m, view[i])
    visible = np.ones(BEARINGS)
    for i in range(len(view)):
        middle, low, high, _, reach, roof, height = view[i]
        for k in range(BEARINGS):
            visible[k] = 1.0
        for j in range(len(view)):
            if not blocks[j] or view[j, 3] + 0.5 >= reach or view[j, 4] >= reach:
                continue
            # A box around the sensor has no bearing.
            if view[j, 2] - view[j, 1] >= np.pi:
                continue
            apart = wrap(middle - view[j, 0])
            if apart + low >= view[j, 2] or apart + high <= view[j, 1]:
                continue
            # The shadow of box j at the distance of box i, seen over j's roof.
            above = clip((roof - view[j, 5] * reach / view[j, 3]) / height, 0.0, 1.0)
            for k in range(BEARINGS):
                relative = apart + low + (high - low) * (k + 0.5) / BEARINGS
                if view[j, 1] < relative < view[j, 2]:
                    visible[k] = min(visible[k], above)
        out[i] = visible.sum() / BEARINGS


@compiled
def _view(box: Any, sensor_m: Any, out: Any) -> None:
    """Bearing of the centre, lowest and highest bearing relative to it, nearest corner, distance of the centre, height
    of the roof over the sensor, height of the box.
    """
    x, y = box[0] - sensor_m[0], box[1] - sensor_m[1]
    cos, sin = np.cos(box[6]), np.sin(box[6])
    middle = np.arctan2(y, x)
    low, high, near = np.inf, -np.inf, np.inf
    for a, b in ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)):
        dx = x + a * box[3] * cos - b * box[4] * sin
        dy = y + a * box[3] * sin + b * box[4] * cos
        offset = wrap(np.arctan2(dy, dx) - middle)
        low, high, near = min(low, offset), max(high, offset), min(near, np.hypot(dx, dy))
    out[0], out[1], out[2], out[3], out[4] = middle, low, high, max(near, 0.1), np.hypot(x, y)
    out[5], out[6] = box[2] + box[5] / 2 - sensor_m[2], box[5]


@compiled
def in_view(t: Any, base: Any, c: Any) -> bool:
    """Whether the centre is within range and field of view of the vehicle at `base` (x, y, yaw)."""
    x, y, _ = pose_of(t)
    dx, dy = x - base[0], y - base[1]
    bearing = wrap(np.arctan2(dy, dx) - base[2])
    return bool(np.hypot(dx, dy) <= c.max_range_m and abs(bearing) <= c.fov_half_angle_rad)


@compiled
def survive(presence: float, dt_s: float, c: Any) -> float:
    """Presence after dt_s without looking."""
    return float(presence * c.survival_per_s**dt_s)


@compiled
def hit(presence: float, quality: float, c: Any) -> float:
    """Presence after a detection of the given quality: odds times the likelihood ratio object / clutter.

    It has been detected, so that the occlusion that may have been presumed is not held against it.
    """
    odds = presence / (1 - presence)
    ratio = quality * c.detection_probability / ((1 - quality) * c.clutter_ratio)
    odds = odds * clip(ratio, 0.2, 20.0)
    return float(min(odds / (1 + odds), c.existence_max))


@compiled
def miss(presence: float, probability: float) -> float:
    """Presence after no detection where one was to be expected with the given probability (Bernoulli filter)."""
    return presence * (1 - probability) / (1 - presence * probability)


@compiled
def average_quality(t: Any, value: float, weight: float) -> None:
    """Take a value with a weight into the running mean of the track, in place."""
    total = min(t.quality_weight, _QUALITY_MEMORY) + weight
    t.quality += (value - t.quality) * weight / total
    t.quality_weight = total


@compiled
def published_existence(t: Any, stamp_ns: int, c: Any) -> float:
    """Presence, fading while nothing confirms it, times the belief that what is tracked is an object at all.

    That belief is the mean quality of the detections: clutter that stays (a wall, a bush) is detected in every
    frame, successive frames are not independent evidence, so that the quality enters as a mean, not as a product.
    What it is worth as a probability depends on the detector (`calibration.py`).
    """
    logit = np.log(t.quality / (1 - t.quality)) * c.quality_weight / 3.0
    faded = np.exp(-(stamp_ns - t.updated_ns) * 1e-9 / c.fade_time_s)
    return float(t.presence * faded / (1 + np.exp(-logit)))
