"""The multi-object tracker: its step is the sentence predict, associate, correct, end, begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    Detections3D,
    EndReason,
    OutOfOrder,
    SourceMeasurement,
    Tracks,
    TrackState,
)
from perception_nodes.datatypes.existence import ExistenceCalibration, is_tentative
from perception_nodes.geometry import Transform

from . import lifecycle, motion
from .association import Assignment, associate, no_pairs
from .birth import born, may_begin
from .config import TrackerConfig
from .correction import correct
from .existence import look
from .history import History, Moment
from .looks import Look, all_around
from .measurement import Measurements, accepted, prepare
from .output import states, to_tracks
from .store import TrackStore

I64 = npt.NDArray[np.int64]
B = npt.NDArray[np.bool_]


class MultiObjectTracker:
    """Tracks of objects in the frame of the detections (odom), one `step` for each set of detections.

    `rejected` counts detections that could not be used, by reason; `last_rejected` those of the last step.
    Ids start at 1 and are never used again, not even after `reset`. `calibration`: of the published existence for the
    detections that come; None: what the filter believes is published as it is.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.calibration: ExistenceCalibration | None = None
        self.rejected: Counter[str] = Counter()
        self.last_rejected: Counter[str] = Counter()
        self._all_around = (all_around(self.config),)
        self._now = self.config
        self._tracks = TrackStore.empty()
        self._stamp_ns: int | None = None
        self._frame_id = "odom"
        self._next_id = 1
        self._history = History(self.config.late_window_s)

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def stamp_ns(self) -> int | None:
        """Stamp of the last step; None before the first."""
        return self._stamp_ns

    @property
    def calibration_id(self) -> str:
        """Of the existence that is published; empty: it is no probability."""
        return "" if self.calibration is None or not self._now.world_fixed else self.calibration.id

    def step(
        self, detections: Detections3D, odom_from_base: Transform, looks: Sequence[Look] | None = None
    ) -> Tracks:
        """The tracks at `detections.stamp_ns`: all that live, and those that ended in this step (once).

        detections: in odom; odom_from_base: where the vehicle is, for occlusion and field of view; looks: which
        detectors have looked for this step. What none of them had in view has not been missed, and without any the
        step is a prediction. None: one that sees all around, as the parameters say.
        Detections of an earlier stamp within `late_window_s` are put where they belong and what came after them is
        applied again; the tracks are then those at the last stamp. Raises OutOfOrder if the stamp is not later than
        that of the last step and not within the window; nothing is changed then.
        """
        late = self._history.reaches(detections.stamp_ns)
        if not late:
            self._elapsed_s(detections.stamp_ns)
        good, self.last_rejected = accepted(detections)
        self.rejected += self.last_rejected
        measured = prepare(good, odom_from_base.translation_m[:2])
        seeing = self._all_around if looks is None else tuple(looks)
        moment = Moment(self._tracks, self._stamp_ns, measured, odom_from_base, seeing)
        return self._shown(self._step_late(moment) if late else self._step_now(moment))

    def _shown(self, tracks: Tracks) -> Tracks:
        """With the calibrated existence, which is of tracks in a frame that stands."""
        if self.calibration is None or not self.calibration_id:
            return tracks
        existence = self.calibration.probability(
            tracks.label, is_tentative(tracks), tracks.existence_probability
        )
        return replace(tracks, existence_probability=existence)

    def _step_late(self, late: Moment) -> Tracks:
        shown, now_ns = self._tracks, self._stamp_ns
        later = self._history.rewind(late.stamp_ns)
        self._tracks, self._stamp_ns = self._history.without_ended(later[0].before), later[0].before_ns
        self._step_now(late, replay=True)
        gone: dict[int, tuple[int, int]] = {}
        for moment in later:
            last = moment is later[-1]
            out = self._step_now(moment, replay=True)
            if not last:
                gone |= _ended(out)
        still = set(out.id.tolist())
        rows = np.array([i for i, k in enumerate(shown.id.tolist()) if k not in still], np.int64)
        self._history.end(shown.id[rows].tolist() + list(_ended(out)), out.stamp_ns)
        return _joined(self._gone(shown.select(rows), gone, now_ns or 0), out)

    def _gone(self, tracks: TrackStore, gone: dict[int, tuple[int, int]], stamp_ns: int) -> Tracks:
        """Tracks that have ended while a late measurement was taken up, for the one time that this is said."""
        why = [gone.get(k, (int(EndReason.MISSED), 0)) for k in tracks.id.tolist()]
        known = {
            "end_reason": np.array([w[0] for w in why], np.uint8),
            "merged_into": np.array([w[1] for w in why], np.uint64),
            "measurements": ((),) * len(tracks),
        }
        state = np.full(len(tracks), int(TrackState.DELETED), np.uint8)
        return to_tracks(tracks, stamp_ns, self._frame_id, state, self._now, **known)

    def _step_now(self, moment: Moment, replay: bool = False) -> Tracks:
        measured, odom_from_base = moment.measured, moment.odom_from_base
        if self.config.late_window_s > 0:
            self._history.remember(replace(moment, before=self._tracks.copy(), before_ns=self._stamp_ns))
        detections = measured.detections
        dt_s = self._elapsed_s(detections.stamp_ns)
        self._stamp_ns, self._frame_id = detections.stamp_ns, detections.frame_id
        self._now = self._config_of(detections.frame_id)
        tracks, config = self._tracks, self._now
        if dt_s > config.max_gap_s:
            pairs, ended = no_pairs(), lifecycle.all_end(tracks, EndReason.RESET)
        else:
            motion.predict(tracks, dt_s, config)
            look(tracks, moment.looks, odom_from_base, detections.stamp_ns)
            pairs = associate(tracks, measured, config)
            fits = correct(tracks, pairs.track, measured, pairs.detection, config)
            pairs = replace(pairs, mahalanobis2=fits)
            ended = lifecycle.ends(tracks, detections.stamp_ns, odom_from_base, config)
        begun = self._begin(pairs, measured, ended)
        out = self._publish(detections.stamp_ns, ended, self._provenance(pairs, begun, measured))
        if self.config.late_window_s > 0 and not replay:
            self._history.end(list(_ended(out)), out.stamp_ns)
        return out

    def _config_of(self, frame_id: str) -> TrackerConfig:
        """Detections in the vehicle's own frame mean that nothing is fixed to the world."""
        fixed = self.config.world_fixed and frame_id != self.config.vehicle_frame
        return self._now if fixed == self._now.world_fixed else replace(self.config, world_fixed=fixed)

    def predict(self, stamp_ns: int) -> Tracks:
        """The live tracks predicted to `stamp_ns` without changing the tracker.

        Raises OutOfOrder if the stamp is earlier than the last step's.
        """
        if self._stamp_ns is None:
            return Tracks.empty(stamp_ns, self._frame_id)
        if stamp_ns < self._stamp_ns:
            raise OutOfOrder(f"tracker: predict to {stamp_ns} ns: wanted at least {self._stamp_ns} ns")
        copy = self._tracks.copy()
        motion.predict(copy, (stamp_ns - self._stamp_ns) * 1e-9, self.config)
        state = states(copy, stamp_ns, False, self.config)
        return self._shown(to_tracks(copy, stamp_ns, self._frame_id, state, self._now))

    def reset(self) -> Tracks:
        """End all tracks (RESET) and forget the time; ids go on counting."""
        n = len(self._tracks)
        state = np.full(n, int(TrackState.DELETED), np.uint8)
        reason = np.full(n, int(EndReason.RESET), np.uint8)
        stamp_ns = self._stamp_ns or 0
        ended = to_tracks(self._tracks, stamp_ns, self._frame_id, state, self.config, end_reason=reason)
        self._tracks, self._stamp_ns = TrackStore.empty(), None
        self._history.clear()
        return self._shown(ended)

    def _elapsed_s(self, stamp_ns: int) -> float:
        if self._stamp_ns is None:
            return 0.0
        if stamp_ns <= self._stamp_ns:
            raise OutOfOrder(f"tracker: stamp {stamp_ns} ns: wanted later than {self._stamp_ns} ns")
        return (stamp_ns - self._stamp_ns) * 1e-9

    def _begin(self, pairs: Assignment, measured: Measurements, ended: lifecycle.Ends) -> I64:
        """Start tracks from detections that belong to none that lives on; returns those detections."""
        free = _others(len(measured), pairs.detection)
        if len(free) == 0:
            return free
        free = may_begin(self._tracks, ended.reason, measured, free, self.config)
        if len(free) == 0:
            return free
        ids = np.array(self._history.ids(measured.detections, free, self._next_id), np.uint64)
        self._next_id = max(self._next_id, int(ids.max(initial=0)) + 1)
        self._tracks.extend(born(self._tracks, measured, free, ids, self._now))
        return free

    def _provenance(
        self, pairs: Assignment, begun: I64, measured: Measurements
    ) -> tuple[tuple[SourceMeasurement, ...], ...]:
        sources: list[tuple[SourceMeasurement, ...]] = [()] * len(self._tracks)
        first_new = len(self._tracks) - len(begun)
        rows = [*pairs.track.tolist(), *range(first_new, len(self._tracks))]
        picks = [*pairs.detection.tolist(), *begun.tolist()]
        fits = [*pairs.mahalanobis2.tolist(), *([0.0] * len(begun))]
        d = measured.detections
        for row, pick, fit in zip(rows, picks, fits, strict=True):
            source = SourceMeasurement(
                d.source, int(d.detection_id[pick]), d.stamp_ns, float(d.score[pick]), fit
            )
            sources[row] = (source,)
        return tuple(sources)

    def _publish(
        self, stamp_ns: int, ended: lifecycle.Ends, sources: tuple[tuple[SourceMeasurement, ...], ...]
    ) -> Tracks:
        tracks = self._tracks
        new = len(tracks) - len(ended.reason)
        reason = np.concatenate([ended.reason, np.zeros(new, np.uint8)])
        merged = np.concatenate([ended.merged_into, np.zeros(new, np.uint64)])
        state = states(tracks, stamp_ns, True, self.config)
        state[reason > 0] = int(TrackState.DELETED)
        known = {"end_reason": reason, "merged_into": merged, "measurements": sources}
        out = to_tracks(tracks, stamp_ns, self._frame_id, state, self._now, **known)
        tracks.keep(reason == 0)
        return out


def _others(count: int, index: I64) -> I64:
    """The numbers below `count` that are not in `index`."""
    rest = np.ones(count, bool)
    rest[index] = False
    return np.flatnonzero(rest)


def _ended(tracks: Tracks) -> dict[int, tuple[int, int]]:
    """Id -> (reason, id into which it was merged) of those that end."""
    rows = np.flatnonzero(tracks.state == int(TrackState.DELETED))
    return {int(tracks.id[i]): (int(tracks.end_reason[i]), int(tracks.merged_into[i])) for i in rows.tolist()}


def _joined(ended: Tracks, tracks: Tracks) -> Tracks:
    """All of both, under the stamp of the second."""
    if len(ended) == 0:
        return tracks
    arrays: dict[str, Any] = {
        f.name: np.concatenate([getattr(ended, f.name), getattr(tracks, f.name)])
        for f in fields(Tracks)
        if f.name not in ("stamp_ns", "frame_id", "measurements")
    }
    return replace(tracks, measurements=(*ended.measurements, *tracks.measurements), **arrays)
