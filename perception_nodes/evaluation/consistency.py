"""What users of tracks complain about, counted: objects that flicker, split, merge, turn around, jump, or drive off
while parked. Each as events in 1000 object-seconds, with the count and the exposure.

Definitions are our own (the list follows wishes of users of driving stacks); all look at published tracks: frames of
BoxFrame in the order of time whose `id` is the track's. Intervals of rates: Garwood, Biometrika 1936.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import wrap_angle

from .association import check_frames, check_paired, follow
from .boxes import BoxFrame
from .columns import Columns
from .proportions import EventRate

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
InView = Callable[[BoxFrame], BoolArray]


@dataclass(frozen=True)
class ConsistencyConfig:
    """Thresholds: range_m and margin_m of the default field of view; heading_flip_rad and jump_mps2 between frames;
    max_gap_s: frames further apart are not compared; distance_m: a track nearer follows a true object; resting_mps:
    a true object slower than this rests; moving_mps: a track faster than this moves; footprint_m: by how much
    footprints are widened on each side before it is asked whose centre lies in them.
    """

    range_m: float = 50.0
    margin_m: float = 5.0
    heading_flip_rad: float = np.pi / 2
    jump_mps2: float = 5.0
    max_gap_s: float = 0.5
    distance_m: float = 2.0
    resting_mps: float = 0.2
    moving_mps: float = 0.5
    footprint_m: float = 0.25

    def __post_init__(self) -> None:
        if not (self.range_m > self.margin_m >= 0 and self.max_gap_s > 0 and self.distance_m > 0):
            raise InputError(
                f"ConsistencyConfig: wanted range_m > margin_m >= 0, gap and distance > 0: {self}"
            )


@dataclass(frozen=True)
class TrackConsistency:
    """From the tracks alone. Exposures: box-seconds inside the field of view (appearances, disappearances, gaps);
    seconds between consecutive boxes of a track (heading flips, velocity jumps).
    """

    appearances: EventRate
    disappearances: EventRate
    gaps: EventRate
    heading_flips: EventRate
    velocity_jumps: EventRate


@dataclass(frozen=True)
class TruthConsistency:
    """Against truth. Exposures: seconds of true objects in view (losses), and of all true objects (splits, merges;
    switches, swaps); seconds of followed true objects at rest (moving_at_rest, lasting moving_at_rest_s in all).
    """

    losses: EventRate
    splits: EventRate
    switches: EventRate
    merges: EventRate
    swaps: EventRate
    moving_at_rest: EventRate
    moving_at_rest_s: float


def within_range(range_m: float, margin_m: float) -> InView:
    """Field of view: so far from the ego that a box is inside by more than the margin. Everything is in view where the
    ego is unknown.
    """
    return lambda frame: frame.range_m < range_m - margin_m


def track_consistency(
    frames: Sequence[BoxFrame], config: ConsistencyConfig | None = None, in_view: InView | None = None
) -> TrackConsistency:
    """Flicker, heading flips and velocity jumps; needs no truth.

    appearance: a track's first box, not in the first frame, is in view; disappearance: its last box, not in the last
    frame, is in view; gap: it is absent in one or more frames and comes back, last box before the gap in view. Objects
    do appear, from behind others: compare figures of one recording, not with 0. heading flip: the yaw changes by more
    than `heading_flip_rad` from a frame to the next; velocity jump: |dv| / dt exceeds `jump_mps2` (unknown values are
    neither event nor exposure). Raises InputError on stamps that do not increase.
    """
    config = config or ConsistencyConfig()
    check_frames("tracks", frames)
    columns, time, lasts = _columns(frames)
    view = _viewed(frames, in_view or within_range(config.range_m, config.margin_m))
    before, after = _successors(columns)
    step = columns.frame[after] - columns.frame[before]
    first, last = np.ones(len(columns), bool), np.ones(len(columns), bool)
    first[after], last[before] = False, False
    born = first & (columns.frame > 0) & view
    died = last & (columns.frame < len(frames) - 1) & view
    seen_s = float(lasts[columns.frame][view].sum())
    dt = (time[columns.frame[after]] - time[columns.frame[before]]) if len(before) else np.zeros(0)
    near = (step == 1) & (dt <= config.max_gap_s)
    a, b, dt = before[near], after[near], dt[near]
    turn = np.abs(wrap_angle(columns.yaw_rad[b] - columns.yaw_rad[a]))
    jump = np.linalg.norm(columns.velocity_mps[b] - columns.velocity_mps[a], axis=1) / dt
    return TrackConsistency(
        appearances=EventRate(int(born.sum()), seen_s),
        disappearances=EventRate(int(died.sum()), seen_s),
        gaps=EventRate(int((view[before] & (step > 1)).sum()), seen_s),
        heading_flips=_rate(turn > config.heading_flip_rad, dt, turn),
        velocity_jumps=_rate(jump > config.jump_mps2, dt, jump),
    )


def truth_consistency(
    truth: Sequence[BoxFrame],
    tracks: Sequence[BoxFrame],
    config: ConsistencyConfig | None = None,
    in_view: InView | None = None,
) -> TruthConsistency:
    """Losses, splits, merges and resting objects that move; frames are paired, of any label.

    A track follows a true object by the assignment of `association.follow` (closest, keeping what was). loss: an
    object in view that was followed in the last frame and is not now; switch (split in turn): followed by another
    track than the last one that did; swap (merge in turn): a track follows another object than its last one; split (at
    once): the centres of two or more tracks come to lie in one true footprint; merge (at once): the centres of two or
    more true objects come to lie in one track's footprint; moving_at_rest: a track that follows an object at rest
    begins to report more than `moving_mps`. States count when they begin, not in every frame in which they last.
    """
    config = config or ConsistencyConfig()
    check_paired(truth, tracks)
    in_view = in_view or within_range(config.range_m, config.margin_m)
    columns, _, lasts = _columns(truth)
    counts = _Counter(config)
    for k, (true, ours) in enumerate(zip(truth, tracks, strict=True)):
        counts.crowding(true, ours)
        counts.view_s += float(lasts[k]) * int(in_view(true).sum())
    moving_s = rest_s = 0.0
    for k, pairs in enumerate(follow(truth, tracks, config.distance_m)):
        counts.identity(truth[k], pairs, in_view(truth[k]))
        rest, moving = counts.resting(truth[k], tracks[k], pairs)
        rest_s, moving_s = rest_s + rest * float(lasts[k]), moving_s + moving * float(lasts[k])
    all_s = float(lasts[columns.frame].sum())
    return TruthConsistency(
        losses=EventRate(counts.losses, counts.view_s),
        splits=EventRate(counts.splits, all_s),
        switches=EventRate(counts.switches, all_s),
        merges=EventRate(counts.merges, all_s),
        swaps=EventRate(counts.swaps, all_s),
        moving_at_rest=EventRate(counts.moving, rest_s),
        moving_at_rest_s=moving_s,
    )


class _Counter:
    """Events so far, and what the last frame was like."""

    def __init__(self, config: ConsistencyConfig) -> None:
        self.config = config
        self.losses = self.splits = self.merges = self.switches = self.swaps = self.moving = 0
        self.view_s = 0.0
        self._split: set[int] = set()
        self._merged: set[int] = set()
        self._moving: set[int] = set()
        self._pairs: dict[int, int] = {}
        self._track_of: dict[int, int] = {}
        self._object_of: dict[int, int] = {}

    def crowding(self, truth: BoxFrame, tracks: BoxFrame) -> None:
        """Splits and merges at once."""
        split = _crowded(truth, tracks, self.config.footprint_m)
        merged = _crowded(tracks, truth, self.config.footprint_m)
        self.splits += len(split - self._split)
        self.merges += len(merged - self._merged)
        self._split, self._merged = split, merged

    def identity(self, truth: BoxFrame, pairs: dict[int, int], view: BoolArray) -> None:
        """Losses, switches and swaps."""
        seen = set(truth.id[view].tolist())
        self.losses += sum(t in seen and t not in pairs for t in self._pairs)
        self.switches += sum(self._track_of.get(t, p) != p for t, p in pairs.items())
        self.swaps += sum(self._object_of.get(p, t) != t for t, p in pairs.items())
        self._pairs = pairs
        self._track_of.update(pairs)
        self._object_of.update({p: t for t, p in pairs.items()})

    def resting(self, truth: BoxFrame, tracks: BoxFrame, pairs: dict[int, int]) -> tuple[int, int]:
        """How many followed objects rest, and how many of these move as their tracks have it."""
        speed = dict(zip(truth.id.tolist(), np.linalg.norm(truth.velocity_mps, axis=1), strict=True))
        ours = dict(zip(tracks.id.tolist(), np.linalg.norm(tracks.velocity_mps, axis=1), strict=True))
        at_rest = {
            t for t, p in pairs.items() if speed[t] < self.config.resting_mps and not np.isnan(ours[p])
        }
        moving = {t for t in at_rest if ours[pairs[t]] > self.config.moving_mps}
        self.moving += len(moving - self._moving)
        self._moving = moving
        return len(at_rest), len(moving)


def _crowded(owners: BoxFrame, others: BoxFrame, margin_m: float) -> set[int]:
    """Ids of the owners in whose footprint, widened by the margin, two or more centres of others lie."""
    offset = others.center_m[None, :, :2] - owners.center_m[:, None, :2]
    c, s = np.cos(owners.yaw_rad)[:, None], np.sin(owners.yaw_rad)[:, None]
    along, across = c * offset[..., 0] + s * offset[..., 1], c * offset[..., 1] - s * offset[..., 0]
    half = owners.lwh_m / 2 + margin_m
    inside = (np.abs(along) <= half[:, None, 0]) & (np.abs(across) <= half[:, None, 1])
    return set(owners.id[inside.sum(axis=1) > 1].tolist())


def _columns(frames: Sequence[BoxFrame]) -> tuple[Columns, F64, F64]:
    """All boxes; the time of each frame, s from the first; for how long each frame stands, s (the last: as the median;
    a single one: 0).
    """
    stamps = np.array([f.stamp_ns for f in frames], np.int64)
    time = (stamps - stamps[0]) * 1e-9 if len(stamps) else np.zeros(0)
    step = np.diff(time)
    lasts = np.append(step, np.median(step) if len(step) else 0.0)[: len(time)]
    return Columns.of(frames), time, lasts


def _viewed(frames: Sequence[BoxFrame], in_view: InView) -> BoolArray:
    return np.concatenate([np.zeros(0, bool), *(np.asarray(in_view(f), bool) for f in frames)])


def _successors(columns: Columns) -> tuple[I64, I64]:
    """Positions of boxes and of the next box of the same id."""
    order = np.lexsort((columns.frame, columns.id))
    same = columns.id[order][1:] == columns.id[order][:-1]
    return order[:-1][same].astype(np.int64), order[1:][same].astype(np.int64)


def _rate(event: BoolArray, dt_s: F64, value: F64) -> EventRate:
    return EventRate(int(event.sum()), float(dt_s[~np.isnan(value)].sum()))
