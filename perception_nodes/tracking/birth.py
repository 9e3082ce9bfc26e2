"""New tracks: which detections may begin one, and what is believed of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .algebra import copy, copy_square, insert
from .association import shared_area
from .axis import vote
from .classes import agreement
from .compiled import compiled
from .config import TrackerConfig
from .measurement import Measurements
from .motion import acceleration_cov
from .store import AX, AY, VX, VY, YAW, YAW_RATE, TrackStore, label_of, pose_of

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_RELATED = 0.6
_OTHER_AXIS = 0.1
_UNKNOWN_EGO_STD_MPS = 10.0
_TRUSTED_HITS = 4
_NEIGHBOURS = 5


def may_begin(tracks: TrackStore, ended: U8, measured: Measurements, free: I64, config: TrackerConfig) -> I64:
    """Those of the unassigned measurements `free` that are strong enough and not a part of a tracked object.

    ended (N,): not 0 for tracks that end now.
    """
    free = free[measured.rows["quality"][free] >= config.low_score]
    if len(tracks) == 0 or len(free) == 0:
        return free
    covered = np.zeros(len(free), bool)
    _covered(tracks.rows, ended, measured.rows[free], config.numbers, covered)
    return np.asarray(free[~covered])


@compiled
def _covered(tracks: Any, ended: Any, measured: Any, c: Any, out: Any) -> None:
    buffers = (np.empty(16), np.empty(16), np.empty(16), np.empty(16))
    for k in range(len(measured)):
        m = measured[k]
        for i in range(len(tracks)):
            t = tracks[i]
            if ended[i] or not t.confirmed:
                continue
            share = shared_area(pose_of(t), t.size_m, m, buffers) / (m.lwh_m[0] * m.lwh_m[1])
            if share > c.birth_overlap:
                alike = agreement(m.class_probabilities, t.class_sum, c)
                out[k] = out[k] or alike > _RELATED


def born(
    tracks: TrackStore, measured: Measurements, index: I64, ids: npt.NDArray[np.uint64], config: TrackerConfig
) -> TrackStore:
    """New tentative tracks from the measurements `index` (K,); `tracks`: those that there are."""
    new = TrackStore.empty(len(index))
    new.id = ids
    _born(new.rows, measured.rows[index], tracks.rows, measured.detections.stamp_ns, config.numbers)
    return new


@compiled
def _born(new: Any, measured: Any, tracks: Any, stamp_ns: int, c: Any) -> None:
    for k in range(len(new)):
        t, m = new[k], measured[k]
        for a in range(len(t.class_sum)):
            t.class_sum[a] = m.class_probabilities[a] * m.class_weight
        label = label_of(t)
        t.static_log_odds = np.log((1 - c.moving_prior) / c.moving_prior) - c.moving_more[label]
        _begin_motion(t, m, label, c)
        if not c.world_fixed:
            _move_with_the_others(t, tracks, c.speed_std_mps[label])
        t.yaw_known = m.orientation != 0
        if not t.yaw_known:
            t.cov[YAW, YAW] = np.pi**2 / 3
        copy(t.static_mean[:], t.mean[:], 3)
        copy_square(t.static_cov[:], t.cov[:], 3)
        t.gain[0] = t.gain[1] = 1.0
        t.bottom_m, t.bottom_var = m.bottom_m, m.bottom_var
        for a in range(3):
            # Smaller than its class is: probably only a part of it has been seen.
            lack = max(c.class_size_m[label, a] - m.lwh_m[a], 0.0)
            t.size_m[a], t.size_var[a] = m.lwh_m[a], m.size_var[a] + (lack / 2) ** 2
        copy(t.sided[:], m.sided[:], 2)
        t.quality, t.quality_weight = m.quality, 1.0
        odds = c.birth_existence / (1 - c.birth_existence) * m.quality / (1 - m.quality)
        t.presence = min(odds / (1 + odds), c.existence_max)
        vote(m, m.pose[2], t.axis_log)
        t.hits, t.visibility = 1, 1.0
        t.born_ns = t.updated_ns = t.looked_ns = t.watched_ns = stamp_ns
        t.source_mask, t.source_mask_history = m.source_mask, m.source_mask


@compiled
def _begin_motion(t: Any, m: Any, label: int, c: Any) -> None:
    copy(t.mean[:], m.pose[:], 3)
    copy_square(t.cov[:], m.pose_cov[:], 3)
    t.cov[VX, VX] = t.cov[VY, VY] = c.speed_std_mps[label] ** 2
    if c.world_fixed and c.steered[label] and m.orientation != 0:
        _drive_along(t, m, c.speed_std_mps[label])
    t.cov[YAW_RATE, YAW_RATE] = c.yaw_rate_std_rps[label] ** 2
    t.cov[AX, AX], t.cov[AX, AY], t.cov[AY, AY] = acceleration_cov(label, m.pose[2], m.orientation != 0, c)
    t.cov[AY, AX] = t.cov[AX, AY]
    if m.has_velocity:
        t.mean[VX], t.mean[VY] = m.velocity_mps[0], m.velocity_mps[1]
        copy_square(t.cov[VX:, VX:], m.velocity_cov[:], 2)


@compiled
def _drive_along(t: Any, m: Any, speed_std_mps: float) -> None:
    """Vehicles drive along their box; some of the speed may be across, because the box may have taken the wrong side
    for the long one. A track that may go anywhere at once is drawn to the next wall.
    """
    along = speed_std_mps**2
    across = along * _OTHER_AXIS
    cos, sin = np.cos(m.pose[2]), np.sin(m.pose[2])
    t.cov[VX, VX] = cos * cos * along + sin * sin * across
    t.cov[VY, VY] = sin * sin * along + cos * cos * across
    t.cov[VX, VY] = t.cov[VY, VX] = cos * sin * (along - across)


@compiled
def _move_with_the_others(t: Any, tracks: Any, speed_std_mps: float) -> None:
    """Seen from a vehicle that moves all things move alike: start with the median velocity of the nearest tracks."""
    t.static_log_odds, t.moving = -5.0, True
    near = np.full(_NEIGHBOURS, np.inf)
    rows = np.zeros(_NEIGHBOURS, np.int64)
    count = 0
    for i in range(len(tracks)):
        if tracks[i].hits >= _TRUSTED_HITS:
            count = min(count + 1, _NEIGHBOURS)
            insert(near, rows, np.hypot(t.mean[0] - tracks[i].mean[0], t.mean[1] - tracks[i].mean[1]), i)
    for k in (VX, VY):
        if count == 0:
            t.cov[k, k] = max(t.cov[k, k], _UNKNOWN_EGO_STD_MPS**2)
            continue
        values, spare = np.full(_NEIGHBOURS, np.inf), np.zeros(_NEIGHBOURS, np.int64)
        for i in range(count):
            insert(values, spare, tracks[rows[i]].mean[k], i)
        t.mean[k] = 0.5 * (values[(count - 1) // 2] + values[count // 2])
        t.cov[k, k] = speed_std_mps**2
