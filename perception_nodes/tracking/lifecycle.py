"""Birth, confirmation, end and merging of tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import EndReason
from perception_nodes.geometry import Transform, iou_bev

from . import classes
from .axis import votes
from .classes import agreement
from .config import TrackerConfig
from .existence import in_view
from .measurement import Measurements
from .store import AX, AY, VELOCITY, VX, VY, YAW, YAW_RATE, TrackStore

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
B = npt.NDArray[np.bool_]

_OCCLUDED = 0.5
_RELATED = 0.6
_PASSING_MPS = 1.0
_UNKNOWN_EGO_STD_MPS = 10.0
_TRUSTED_HITS = 4
_NEIGHBOURS = 5


@dataclass(frozen=True)
class Ends:
    """(N,) end reason of every track (NONE: it lives) and the id into which it was merged (0: not merged)."""

    reason: npt.NDArray[np.uint8]
    merged_into: npt.NDArray[np.uint64]


def born(
    tracks: TrackStore, measured: Measurements, index: I64, ids: npt.NDArray[np.uint64], config: TrackerConfig
) -> TrackStore:
    """New tentative tracks from the measurements `index` (K,); `tracks`: those that there are."""
    new = TrackStore.empty(len(index))
    label = measured.probabilities[index].argmax(axis=1)
    new.id = ids
    new.class_sum = measured.probabilities[index] * measured.class_weight[index, None]
    new.static_log_odds[:] = np.log((1 - config.moving_prior) / config.moving_prior)
    new.mean[:, [0, 1, 2]] = measured.pose[index]
    new.cov[:, :3, :3] = measured.pose_cov[index]
    new.cov[:, [VX, VY], [VX, VY]] = (classes.SPEED_STD_MPS[label] ** 2)[:, None]
    new.cov[:, YAW_RATE, YAW_RATE] = classes.YAW_RATE_STD_RPS[label] ** 2
    new.cov[:, [AX, AY], [AX, AY]] = (classes.ACCELERATION_STD_MPS2[label] ** 2)[:, None]
    seen = measured.has_velocity[index]
    new.mean[seen, 3:5] = measured.velocity[index[seen]]
    new.cov[seen, 3:5, 3:5] = measured.velocity_cov[index[seen]]
    if not config.world_fixed:
        _move_with_the_others(new, tracks)
    new.yaw_known = measured.detections.orientation[index] != 0
    new.cov[~new.yaw_known, YAW, YAW] = np.pi**2 / 3
    new.static_mean, new.static_cov = new.mean[:, :3].copy(), new.cov[:, :3, :3].copy()
    new.bottom_m, new.bottom_var = measured.bottom_m[index].copy(), measured.bottom_var[index].copy()
    new.size_m = measured.size_m[index].copy()
    # Smaller than its class is: probably only a part of it has been seen.
    lack = np.maximum(classes.SIZE_M[label] - new.size_m, 0.0)
    new.size_var = measured.size_var[index] + (lack / 2) ** 2
    new.quality, new.quality_weight[:] = measured.quality[index].copy(), 1.0
    odds = config.birth_existence / (1 - config.birth_existence) * new.quality / (1 - new.quality)
    new.presence = np.minimum(odds / (1 + odds), config.existence_max)
    new.axis_log = votes(measured, measured.pose[:, 2])[index]
    new.hits[:] = 1
    stamp = measured.detections.stamp_ns
    new.born_ns[:], new.updated_ns[:] = stamp, stamp
    new.visibility[:] = 1.0
    new.source_mask = measured.detections.source_mask[index].copy()
    new.source_mask_history = new.source_mask.copy()
    return new


def _move_with_the_others(new: TrackStore, tracks: TrackStore) -> None:
    """Seen from a vehicle that moves all things move alike: start with the median velocity of the nearest tracks."""
    new.static_log_odds[:], new.moving[:] = -5.0, True
    new.cov[:, [VX, VY], [VX, VY]] = np.maximum(new.cov[:, [VX, VY], [VX, VY]], _UNKNOWN_EGO_STD_MPS**2)
    old = np.flatnonzero(tracks.hits >= _TRUSTED_HITS)
    if len(old) == 0 or len(new) == 0:
        return
    distance = np.linalg.norm(new.mean[:, None, :2] - tracks.mean[None, old, :2], axis=2)
    nearest = old[np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS]]
    new.mean[:, VELOCITY] = np.median(tracks.mean[nearest][..., VELOCITY], axis=1)
    new.cov[:, [VX, VY], [VX, VY]] = (classes.SPEED_STD_MPS[new.label] ** 2)[:, None]


def may_begin(tracks: TrackStore, measured: Measurements, free: I64, config: TrackerConfig) -> I64:
    """Those of the unassigned measurements `free` that are strong enough and not a part of a tracked object."""
    free = free[measured.quality[free] >= config.low_score]
    if len(tracks) == 0 or len(free) == 0:
        return free
    d = measured.detections
    known = tracks.confirmed
    inner = (d.center_m[free], d.lwh_m[free], d.yaw_rad[free])
    outer = (tracks.center_m[known], tracks.size_m[known], tracks.yaw_rad[known])
    covered = _overlap_area(inner, outer) / (inner[1][:, 0] * inner[1][:, 1])[:, None]
    related = agreement(measured.probabilities[free], tracks.class_probabilities[known]) > _RELATED
    return np.asarray(free[~((covered > config.birth_overlap) & related).any(axis=1)])


def confirm(tracks: TrackStore, config: TrackerConfig) -> None:
    """Promote tentative tracks that have been seen often enough, in place."""
    seen = (tracks.hits >= config.confirm_hits) & (tracks.presence >= config.confirm_existence)
    tracks.confirmed |= seen & (tracks.quality >= config.confirm_quality)


def ends(tracks: TrackStore, stamp_ns: int, odom_from_base: Transform, config: TrackerConfig) -> Ends:
    """Which tracks end now, and why."""
    age_s = (stamp_ns - tracks.updated_ns) * 1e-9
    occluded = tracks.visibility < _OCCLUDED
    limit = np.where(occluded, config.coast_occluded_s, config.coast_visible_s)
    # Nothing is remembered for longer than it has been seen.
    seen_s = (tracks.updated_ns - tracks.born_ns) * 1e-9
    limit = np.minimum(limit, config.coast_per_seen * seen_s + 0.15)
    reason = np.zeros(len(tracks), np.uint8)
    reason[tracks.presence < config.delete_existence] = int(EndReason.LOW_EXISTENCE)
    reason[(age_s > limit) & ~occluded] = int(EndReason.MISSED)
    reason[(age_s > limit) & occluded] = int(EndReason.OCCLUDED_TIMEOUT)
    reason[~tracks.confirmed & (tracks.misses >= config.tentative_misses)] = int(EndReason.MISSED)
    reason[~in_view(tracks, odom_from_base, config) & (tracks.misses > 0)] = int(EndReason.LEFT_FOV)
    merged_into = _merged(tracks, reason == 0, config)
    reason[merged_into > 0] = int(EndReason.MERGED)
    return Ends(reason, merged_into)


def _merged(tracks: TrackStore, alive: B, config: TrackerConfig) -> npt.NDArray[np.uint64]:
    """(N,) id of the track that each track is a duplicate of, or 0. The longer-lived of a pair stays."""
    into = np.zeros(len(tracks), np.uint64)
    rank = np.where(tracks.confirmed, 1e6, 0.0) + tracks.hits - 10.0 * tracks.misses + tracks.quality
    velocity = np.where(tracks.moving[:, None], tracks.mean[:, VELOCITY], 0.0)
    seen = tracks.confirmed & (tracks.misses == 0)
    for i, j in _duplicates(tracks, config):
        if not (alive[i] and alive[j]) or into[i] or into[j]:
            continue
        # Two that are both seen and pass each other are two.
        if seen[i] and seen[j] and np.hypot(*(velocity[i] - velocity[j])) > _PASSING_MPS:
            continue
        loser, winner = (j, i) if rank[i] >= rank[j] else (i, j)
        into[loser] = tracks.id[winner]
    return into


def _duplicates(tracks: TrackStore, config: TrackerConfig) -> I64:
    """(K, 2) pairs of like tracks on one place, most overlapping first, so that the order of rows decides nothing."""
    # More than half of a rectangle in a convex shape: its centre lies in the shape (a line through it halves it).
    reach = np.hypot(tracks.size_m[:, 0], tracks.size_m[:, 1]) / 2
    d = tracks.position_m[:, None] - tracks.position_m[None]
    near = np.hypot(d[..., 0], d[..., 1]) <= np.maximum(reach[:, None], reach[None])
    rows = np.flatnonzero(near.sum(axis=1) > 1)
    if len(rows) == 0:
        return np.zeros((0, 2), np.int64)
    box = (tracks.center_m[rows], tracks.size_m[rows], tracks.yaw_rad[rows])
    area = box[1][:, 0] * box[1][:, 1]
    share = _overlap_area(box, box) / np.minimum(area[:, None], area[None])
    probabilities = tracks.class_probabilities[rows]
    close = np.triu(
        (share > config.merge_overlap) & (agreement(probabilities, probabilities) > _RELATED), k=1
    )
    pairs = rows[np.argwhere(close)]
    return np.asarray(pairs[np.argsort(-share[close], kind="stable")])


def all_end(tracks: TrackStore, reason: EndReason) -> Ends:
    """Every track ends for the same reason."""
    return Ends(np.full(len(tracks), int(reason), np.uint8), np.zeros(len(tracks), np.uint64))


def _overlap_area(a: tuple[F64, F64, F64], b: tuple[F64, F64, F64]) -> F64:
    """(N, M) common area of footprints, m2."""
    iou = iou_bev(a, b)
    both = (a[1][:, 0] * a[1][:, 1])[:, None] + (b[1][:, 0] * b[1][:, 1])[None]
    return np.asarray(iou * both / (1 + iou))
