"""End and merging of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import EndReason
from perception_nodes.geometry import Transform
from perception_nodes.geometry.boxes import overlap_area

from .algebra import insert
from .classes import agreement
from .compiled import compiled
from .config import TrackerConfig
from .existence import in_view
from .store import VX, VY, TrackStore, pose_of

_OCCLUDED = 0.5
_RELATED = 0.6
_PASSING_MPS = 1.0
# In one step; the others are merged in the next ones.
_MOST_PAIRS = 64
_LOW_EXISTENCE: Final = int(EndReason.LOW_EXISTENCE)
_MISSED: Final = int(EndReason.MISSED)
_OCCLUDED_TIMEOUT: Final = int(EndReason.OCCLUDED_TIMEOUT)
_LEFT_FOV: Final = int(EndReason.LEFT_FOV)
_MERGED: Final = int(EndReason.MERGED)


@dataclass(frozen=True)
class Ends:
    """(N,) end reason of every track (NONE: it lives) and the id into which it was merged (0: not merged)."""

    reason: npt.NDArray[np.uint8]
    merged_into: npt.NDArray[np.uint64]


def ends(tracks: TrackStore, stamp_ns: int, odom_from_base: Transform, config: TrackerConfig) -> Ends:
    """Which tracks end now, and why."""
    out = all_end(tracks, EndReason.NONE)
    if len(tracks):
        x, y = odom_from_base.translation_m[:2].tolist()
        base = (x, y, odom_from_base.yaw_rad)
        _ends(tracks.rows, (stamp_ns, base), config.numbers, out.reason, out.merged_into)
    return out


def all_end(tracks: TrackStore, reason: EndReason) -> Ends:
    """Every track ends for the same reason."""
    return Ends(np.full(len(tracks), int(reason), np.uint8), np.zeros(len(tracks), np.uint64))


@compiled
def _ends(tracks: Any, now: Any, c: Any, reason: Any, merged_into: Any) -> None:
    stamp_ns, base = now
    for i in range(len(tracks)):
        reason[i] = _end(tracks[i], stamp_ns, base, c)
    _merge(tracks, stamp_ns, reason, c, merged_into)


@compiled
def _end(t: Any, stamp_ns: int, base: Any, c: Any) -> int:
    age_s, watched_s = (stamp_ns - t.updated_ns) * 1e-9, (stamp_ns - t.watched_ns) * 1e-9
    occluded = t.visibility < _OCCLUDED
    # Nothing is remembered for longer than it has been seen; what is new waits for the next look at it.
    remembered_s = c.coast_per_seen * ((t.updated_ns - t.born_ns) * 1e-9) + 0.15
    if t.detectable == 0.0 and not t.confirmed:
        remembered_s = c.coast_occluded_s
    if age_s > 0.0 and not in_view(t, base, c):
        return _LEFT_FOV
    if not t.confirmed and t.misses >= c.tentative_misses:
        return _MISSED
    if not occluded and watched_s > min(c.coast_visible_s, remembered_s):
        return _MISSED
    if age_s > (min(c.coast_occluded_s, remembered_s) if occluded else remembered_s):
        return _OCCLUDED_TIMEOUT
    return _LOW_EXISTENCE if t.presence < c.delete_existence else 0


@compiled
def _merge(tracks: Any, stamp_ns: int, reason: Any, c: Any, into: Any) -> None:
    """Of duplicates the longer-lived stays; most overlapping first, so that the order of rows decides nothing."""
    share, rows = np.full(_MOST_PAIRS, np.inf), np.zeros(_MOST_PAIRS, np.int64)
    _find_duplicates(tracks, reason, c, share, rows)
    for k in range(_MOST_PAIRS):
        if share[k] == np.inf:
            break
        i, j = rows[k] // len(tracks), rows[k] % len(tracks)
        a, b = tracks[i], tracks[j]
        if into[i] > 0 or into[j] > 0:
            continue
        # Two that are both seen and pass each other are two.
        seen = a.confirmed and b.confirmed and a.updated_ns == stamp_ns and b.updated_ns == stamp_ns
        if seen and _speed_between(a, b) > _PASSING_MPS:
            continue
        loser, winner = (j, i) if _rank(a) >= _rank(b) else (i, j)
        into[loser] = tracks[winner].id
        reason[loser] = _MERGED


@compiled
def _rank(t: Any) -> float:
    return float((1e6 if t.confirmed else 0.0) + t.hits - 10.0 * t.misses + t.quality)


@compiled
def _speed_between(a: Any, b: Any) -> float:
    ax, ay = (a.mean[VX], a.mean[VY]) if a.moving else (0.0, 0.0)
    bx, by = (b.mean[VX], b.mean[VY]) if b.moving else (0.0, 0.0)
    return float(np.hypot(ax - bx, ay - by))


@compiled
def _find_duplicates(tracks: Any, reason: Any, c: Any, share: Any, rows: Any) -> None:
    """Pairs of like tracks on one place that both live, as first row times N plus second, with minus the share of the
    smaller footprint that both have; into what holds the most overlapping ones, in order.
    """
    n = len(tracks)
    poses, reach = np.zeros((n, 3)), np.zeros(n)
    for i in range(n):
        poses[i, 0], poses[i, 1], poses[i, 2] = pose_of(tracks[i])
        reach[i] = np.hypot(tracks[i].size_m[0], tracks[i].size_m[1]) / 2
    buffers = (np.empty(16), np.empty(16), np.empty(16), np.empty(16))
    for i in range(n):
        for j in range(i + 1, n):
            # More than half of a rectangle in a convex shape: its centre lies in it (a line through it halves it).
            dx, dy = poses[j, 0] - poses[i, 0], poses[j, 1] - poses[i, 1]
            far = max(reach[i], reach[j])
            if dx * dx + dy * dy > far * far or reason[i] != 0 or reason[j] != 0:
                continue
            common = _common_share(tracks[i], tracks[j], poses[i], poses[j], buffers)
            alike = agreement(tracks[i].class_sum, tracks[j].class_sum, c)
            if common > c.merge_overlap and alike > _RELATED:
                insert(share, rows, -common, i * n + j)


@compiled
def _common_share(a: Any, b: Any, pose_a: Any, pose_b: Any, buffers: Any) -> float:
    half_a, half_b = (0.5 * a.size_m[0], 0.5 * a.size_m[1]), (0.5 * b.size_m[0], 0.5 * b.size_m[1])
    dx, dy, turn = pose_b[0] - pose_a[0], pose_b[1] - pose_a[1], pose_b[2] - pose_a[2]
    cos, sin = np.cos(pose_a[2]), np.sin(pose_a[2])
    offset = (dx * cos + dy * sin, dy * cos - dx * sin)
    area = overlap_area(half_a, half_b, offset, (np.cos(turn), np.sin(turn)), buffers)
    return float(area / (4 * min(half_a[0] * half_a[1], half_b[0] * half_b[1])))
