"""The story of one true object: what each stage made of it, frame by frame, and why it was lost."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, EndReason, InputError, TrackState
from perception_nodes.evaluation import BoxFrame, center_distance
from perception_nodes.evaluation.diagnosis import Cause, DiagnosedError, Diagnosis, Kind, hidden_share
from perception_nodes.evaluation.diagnosis.assign import greedy_pairs

from .diagnosing import diagnose_recording
from .messages import TrackFrame
from .recording import FUSION, Recording

F64 = npt.NDArray[np.float64]

_WORLD = (Cause.OCCLUDED, Cause.TOO_FEW_POINTS, Cause.OUT_OF_RANGE, Cause.UNEXPLAINED)
SEEN, UNSEEN, NO_FRAME = "seen", "-", "no message"


@dataclass(frozen=True)
class Moment:
    """One frame: where the object was (xy_m, fixed frame; range_m NaN unknown) and what came of it.

    points: lidar points on it, None not counted; hidden: share 0..1 or NaN; stages: source -> "seen", "seen as truck",
    "merged into 7", "-" or "no message"; score: of its detection in the last stage, NaN without
    one; track: what the tracker made of it; track_id, track_xy_m: None without one;
    published: a track of the right class that consumers are given; why: why it was not, or what is wrong with it.
    """

    stamp_ns: int
    time_s: float
    xy_m: tuple[float, float]
    range_m: float
    points: int | None
    hidden: float
    stages: dict[str, str]
    score: float
    track: str
    track_id: int | None
    track_xy_m: tuple[float, float] | None
    published: bool
    why: str


@dataclass(frozen=True)
class Run:
    """Successive moments of which stages, track and reason are the same, in the order of time."""

    moments: tuple[Moment, ...]

    @property
    def first(self) -> Moment:
        """Where it begins."""
        return self.moments[0]

    @property
    def last(self) -> Moment:
        """Where it ends."""
        return self.moments[-1]


@dataclass(frozen=True)
class Followed:
    """How well one true object was followed: frames, share seen by any detector and share published, 0..1.

    ids: its tracks in the order of their coming; lost: times that it was published and then was not; main_cause: of
    the frames in which it was missed, None if there are none.
    """

    truth_id: int
    label: str
    frames: int
    start_s: float
    end_s: float
    range_m: tuple[float, float]
    points: int | None
    published: float
    ids: tuple[int, ...]
    lost: int
    main_cause: Cause | None


@dataclass(frozen=True)
class Story:
    """What happened to one true object."""

    truth_id: int
    label: str
    sources: tuple[str, ...]
    moments: tuple[Moment, ...]
    runs: tuple[Run, ...]
    events: tuple[tuple[float, str], ...]
    followed: Followed


def explain(recording: Recording, truth_id: int, diagnosis: Diagnosis | None = None) -> Story:
    """The story of the true object `truth_id`. Raises InputError if there is no truth, or no such object."""
    diagnosis = diagnosis or diagnose_recording(recording)
    known = sorted({int(i) for f in recording.truth for i in f.id})
    if truth_id not in known:
        near = min(known, key=lambda i: abs(i - truth_id)) if known else None
        raise InputError(f"no true object {truth_id}: wanted an id of --list, e.g. {near}")
    teller = _Teller(recording, diagnosis)
    moments = tuple(teller.moment(f, truth_id) for f in recording.truth if truth_id in f.id)
    label = next(LABELS[f.label[f.id == truth_id][0]] for f in recording.truth if truth_id in f.id)
    return Story(
        truth_id=truth_id,
        label=label,
        sources=teller.sources,
        moments=moments,
        runs=_runs(moments),
        events=_events(recording, moments),
        followed=next(f for f in how_followed(recording, diagnosis) if f.truth_id == truth_id),
    )


def how_followed(recording: Recording, diagnosis: Diagnosis | None = None) -> tuple[Followed, ...]:
    """Every true object, those that were followed worst first; objects that never had a lidar point come last."""
    diagnosis = diagnosis or diagnose_recording(recording)
    missed: dict[int, list[DiagnosedError]] = {}
    for error in diagnosis.errors:
        if error.kind is Kind.MISS and error.truth_id is not None:
            missed.setdefault(error.truth_id, []).append(error)
    paths: dict[int, list[tuple[BoxFrame, int]]] = {}
    for frame in recording.truth:
        for k, i in enumerate(frame.id.tolist()):
            paths.setdefault(i, []).append((frame, k))
    finder = _Finder(recording, diagnosis)
    start_ns = recording.truth[0].stamp_ns if recording.truth else 0
    out = [_followed(i, path, missed.get(i, []), finder, start_ns) for i, path in paths.items()]
    return tuple(sorted(out, key=lambda f: (f.points == 0, f.published, -(f.points or 0))))


def _followed(
    truth_id: int,
    path: list[tuple[BoxFrame, int]],
    missed: list[DiagnosedError],
    finder: _Finder,
    start_ns: int,
) -> Followed:
    ids = [finder.track_of(f.stamp_ns, truth_id) for f, _ in path]
    found = [i is not None for i in ids]
    points = [int(f.num_points[k]) for f, k in path]
    ranges = [float(f.range_m[k]) for f, k in path]
    causes = Counter(e.cause for e in missed)
    return Followed(
        truth_id=truth_id,
        label=LABELS[path[0][0].label[path[0][1]]],
        frames=len(path),
        start_s=(path[0][0].stamp_ns - start_ns) * 1e-9,
        end_s=(path[-1][0].stamp_ns - start_ns) * 1e-9,
        range_m=(min(ranges), max(ranges)),
        points=max(points) if max(points) >= 0 else None,
        published=float(np.mean(found)),
        ids=tuple(dict.fromkeys(i for i in ids if i is not None)),
        lost=sum(a and not b for a, b in itertools.pairwise(found)),
        main_cause=causes.most_common(1)[0][0] if causes else None,
    )


class _Finder:
    """Which published track found which true object: what the diagnosis matched."""

    def __init__(self, recording: Recording, diagnosis: Diagnosis) -> None:
        from .diagnosing import recording_rows

        rows = recording_rows(recording, diagnosis).objects
        keys = zip(rows["stamp_ns"].tolist(), rows["truth_id"].tolist(), strict=True)
        self._track = dict(zip(keys, rows["track_id"].tolist(), strict=True))

    def track_of(self, stamp_ns: int, truth_id: int) -> int | None:
        """Id of the track, None if it was missed."""
        found = self._track.get((stamp_ns, truth_id))
        return None if found is None else int(found)


class _Teller:
    """Looks up, for one true object in one frame, what every stage made of it."""

    def __init__(self, recording: Recording, diagnosis: Diagnosis) -> None:
        self._recording = recording
        self._config = diagnosis.config
        self._diagnosis = diagnosis
        self._finder = _Finder(recording, diagnosis)
        self._errors = {
            (e.stamp_ns, e.truth_id): e for e in diagnosis.errors if e.kind is not Kind.FALSE_ALARM
        }
        fused = [FUSION] if FUSION in recording.detections else []
        self.sources = (*(s for s in recording.detections if s != FUSION), *fused)
        self._tolerance = round(diagnosis.config.stamp_tolerance_s * 1e9)
        self._start_ns = recording.truth[0].stamp_ns

    def moment(self, truth: BoxFrame, truth_id: int) -> Moment:
        """What happened to the object in this frame."""
        k = int(np.flatnonzero(truth.id == truth_id)[0])
        found_as = {s: self._detected(self._recording.detections[s], truth, k) for s in self.sources}
        stages = {source: words for source, (words, _) in found_as.items()}
        track, row = self._tracked(truth, k)
        found = self._finder.track_of(truth.stamp_ns, truth_id)
        boxes = track.boxes if track is not None else None
        state = TrackState(int(track.state[row])) if track is not None and row >= 0 else None
        points = int(truth.num_points[k])
        return Moment(
            stamp_ns=truth.stamp_ns,
            time_s=(truth.stamp_ns - self._start_ns) * 1e-9,
            xy_m=(float(truth.center_m[k, 0]), float(truth.center_m[k, 1])),
            range_m=float(truth.range_m[k]) if truth.ego_xy_m is not None else float("nan"),
            points=points if points >= 0 else None,
            hidden=float(hidden_share(truth)[k]),
            stages=stages,
            score=found_as[self.sources[-1]][1] if self.sources else float("nan"),
            track=_track_words(track, row, int(truth.label[k]))
            if row >= 0
            else self._neighbour(track, truth, k),
            track_id=int(boxes.id[row]) if boxes is not None and row >= 0 else None,
            track_xy_m=_xy(boxes, row) if boxes is not None and row >= 0 else None,
            published=found is not None,
            why=self._why((truth.stamp_ns, truth_id), stages, state, found is not None),
        )

    def _detected(self, frames: Sequence[BoxFrame], truth: BoxFrame, k: int) -> tuple[str, float]:
        """In words what a detector made of it, and the score it gave."""
        nothing = float("nan")
        frame = _nearest(frames, truth.stamp_ns, self._tolerance)
        if frame is None:
            return NO_FRAME, nothing
        partner = _partners(truth, frame, self._config.match_distance_m)
        if partner[k] >= 0:
            label = int(frame.label[partner[k]])
            words = SEEN if label == truth.label[k] else f"{SEEN} as {LABELS[label]}"
            return words, float(frame.score[partner[k]])
        for j in np.flatnonzero(_covers(frame, truth.center_m[k])):
            owner = np.flatnonzero(partner == j)
            if len(owner):
                return f"merged into {truth.id[owner[0]]}", nothing
        return UNSEEN, nothing

    def _tracked(self, truth: BoxFrame, k: int) -> tuple[TrackFrame | None, int]:
        """The track that the diagnosis gave to the object, else the nearest that is nobody's; row -1 none."""
        stamps = [f.boxes for f in self._recording.track_frames]
        boxes = _nearest(stamps, truth.stamp_ns, self._tolerance)
        if boxes is None:
            return None, -1
        frame = next(f for f in self._recording.track_frames if f.boxes is boxes)
        found = self._finder.track_of(truth.stamp_ns, int(truth.id[k]))
        if found is not None:
            return frame, int(np.flatnonzero(boxes.id == found)[0])
        taken = {self._finder.track_of(truth.stamp_ns, int(i)) for i in truth.id}
        free = ~np.isin(boxes.id, [t for t in taken if t is not None])
        free &= frame.state != TrackState.DELETED
        near = np.where(free, np.hypot(*(boxes.center_m[:, :2] - truth.center_m[k, :2]).T), np.inf)
        row = int(near.argmin()) if len(near) else -1
        return frame, row if row >= 0 and near[row] < self._config.match_distance_m else -1

    def _neighbour(self, track: TrackFrame | None, truth: BoxFrame, k: int) -> str:
        """In words: nothing is near, or a track that follows another object."""
        if track is None:
            return NO_FRAME
        step = track.boxes.center_m[:, :2] - truth.center_m[k, :2]
        near = set(track.boxes.id[np.hypot(*step.T) < self._config.match_distance_m].tolist())
        for other in truth.id.tolist():
            found = self._finder.track_of(truth.stamp_ns, other)
            if found in near:
                return f"{found} follows {other}"
        return UNSEEN

    def _why(
        self, key: tuple[int, int], stages: dict[str, str], state: TrackState | None, published: bool
    ) -> str:
        error = self._errors.get(key)
        if error is None:
            return ""
        if error.outage is not None:
            outage = self._diagnosis.outages[error.outage]
            return f"{error.cause.value}: {outage.sensor} {outage.reason}".strip()
        if error.cause is Cause.CLASS:
            return f"class: called {error.predicted_label}"
        if published:
            return f"imprecise: {error.cause.value}"
        return _lost(error.cause, stages, state)


def _lost(cause: Cause, stages: dict[str, str], state: TrackState | None) -> str:
    """A cause that lies in the world, with where the object was lost: it may have been seen all the same."""
    if cause not in _WORLD:
        return cause.value
    if state is TrackState.TENTATIVE:
        return "below threshold: track not confirmed"
    merged = [words for words in stages.values() if words.startswith("merged")]
    if merged:
        return merged[0]
    seen = any(words.startswith(SEEN) for words in stages.values())
    if seen:
        return "no track" if cause is Cause.UNEXPLAINED else f"no track ({cause.value})"
    return f"not seen: {cause.value}"


def _nearest(frames: Sequence[BoxFrame], stamp_ns: int, tolerance_ns: int) -> BoxFrame | None:
    if not frames:
        return None
    stamps = np.array([f.stamp_ns for f in frames], np.int64)
    k = int(np.abs(stamps - stamp_ns).argmin())
    return frames[k] if abs(int(stamps[k]) - stamp_ns) <= tolerance_ns else None


def _partners(truth: BoxFrame, ours: BoxFrame, limit_m: float) -> npt.NDArray[np.int64]:
    """(N,) box of each true one, nearest pairs first and each once, -1 none."""
    distance = center_distance(truth, ours)
    out = np.full(len(truth), -1, np.int64)
    for r, c in greedy_pairs(np.where(distance < limit_m, distance, np.inf)):
        out[r] = c
    return out


def _covers(frame: BoxFrame, point_m: F64) -> npt.NDArray[np.bool_]:
    step = point_m[:2] - frame.center_m[:, :2]
    cos, sin = np.cos(frame.yaw_rad), np.sin(frame.yaw_rad)
    along = np.abs(step[:, 0] * cos + step[:, 1] * sin)
    across = np.abs(step[:, 1] * cos - step[:, 0] * sin)
    return np.asarray((along <= frame.lwh_m[:, 0] / 2) & (across <= frame.lwh_m[:, 1] / 2))


def _track_words(frame: TrackFrame | None, row: int, label: int) -> str:
    assert frame is not None  # row >= 0
    state = TrackState(int(frame.state[row]))
    text = f"{frame.boxes.id[row]} {state.name.lower()}"
    named = int(frame.boxes.label[row])
    if named != label:
        text += f" as {LABELS[named]}"
    return f"{text} (not published)" if state is TrackState.TENTATIVE else text


def _xy(boxes: BoxFrame, row: int) -> tuple[float, float]:
    return float(boxes.center_m[row, 0]), float(boxes.center_m[row, 1])


def _runs(moments: Sequence[Moment]) -> tuple[Run, ...]:
    out: list[list[Moment]] = []
    for moment in moments:
        if out and _key(out[-1][-1]) == _key(moment):
            out[-1].append(moment)
        else:
            out.append([moment])
    return tuple(Run(tuple(group)) for group in out)


def _key(moment: Moment) -> tuple[object, ...]:
    return (tuple(moment.stages.items()), moment.track, moment.why)


def _events(recording: Recording, moments: Sequence[Moment]) -> tuple[tuple[float, str], ...]:
    """When tracks came and went."""
    out: list[tuple[float, str]] = []
    last: int | None = None
    for moment in moments:
        if moment.track_id is not None and moment.track_id != last:
            change = f"track {moment.track_id} takes over from {last}" if last is not None else ""
            out.append((moment.time_s, change or f"track {moment.track_id} begins"))
            last = moment.track_id
    ids = {m.track_id for m in moments if m.track_id is not None}
    start_ns = moments[0].stamp_ns - round(moments[0].time_s * 1e9) if moments else 0
    for frame in recording.track_frames:
        for row in np.flatnonzero(frame.state == TrackState.DELETED):
            if int(frame.boxes.id[row]) in ids:
                reason = EndReason(int(frame.end_reason[row])).name.lower().replace("_", " ")
                time_s = (frame.boxes.stamp_ns - start_ns) * 1e-9
                out.append((time_s, f"track {frame.boxes.id[row]} ended: {reason}"))
    return tuple(sorted(out))
