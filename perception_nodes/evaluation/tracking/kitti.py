"""KITTI 3D multi-object tracking: sAMOTA, AMOTA, AMOTP and the CLEAR scores at the best threshold.

Source: Weng et al., AB3DMOT, IROS 2020 (measures and protocol), on the rules of the KITTI tracking development kit;
definitions only. One class at a time:

- Truth is of the class and its neighbours (Van, sitting persons). Truth that is more occluded or truncated than the
  limits, or a neighbour, is neutral: neither missed nor asked for. But a match with it counts as a hit in tp, recall,
  precision and MOTP, as in the kit.
- Per frame: pairs overlap by at least `min_overlap`; as many pairs as possible, then the greatest sum of overlaps.
- A result without a partner is no false alarm if it is low in the image, of a neighbouring class, or more than half of
  its image box lies on a DontCare area.
- A track's score is the mean over its boxes. Thresholds: track scores of the hits at 40 recalls
  (`recall_thresholds`); at each one the tracks below it are taken away whole and the frames are matched anew.
- MOTA_r = 1 - (fp + fn + switches) / n; sMOTA_r = max(0, 1 - (fp + fn + switches - (1 - r) n) / (r n)), at most 1, with
  n the truth boxes that are not neutral. AMOTA, sAMOTA, AMOTP: sums over the recalls reached, divided by 40.

`published` repeats three side effects of the evaluator behind the published tables (AB3DMOT commit 7e3fec2): (1) the
mean score of a track is taken again from its own means in every pass, and rounding can push a track below the
threshold that it has set; (2) a result that was matched in any pass is a false alarm when it is alone in a later one,
even if it would be excused; (3) the labels say `Person` and the evaluator looks for `Person_sitting`, so results on
sitting persons are false alarms. `clean` is the protocol without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.evaluation.kitti_objects import recall_thresholds

from .kitti_table import KittiTrackingConfig, Sequences, Table, build_table

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

STEPS: Final = 40
_PAIR: Final = 1000.0  # more than any sum of overlaps in a frame: the number of pairs comes first


@dataclass(frozen=True)
class KittiTrackingPoint:
    """Scores with the tracks whose mean score is at least `threshold`; shares 0..1, NaN where not defined.

    wanted_recall: the recall that the threshold stands for (NaN for the best point); recall, precision: with neutral
    hits, as in the kit; mostly_tracked, partly_tracked, mostly_lost: shares of the truth tracks that are not neutral.
    """

    threshold: float
    wanted_recall: float
    smota: float
    mota: float
    motp: float
    mostly_tracked: float
    partly_tracked: float
    mostly_lost: float
    id_switches: int
    fragments: int
    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def recall(self) -> float:
        """Hits by hits and misses; 0 without hits."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def precision(self) -> float:
        """Hits by hits and false alarms; 0 without hits."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; 0 without hits."""
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


@dataclass(frozen=True)
class KittiTracking:
    """One class. samota, amota, amotp 0..1; best: the point of the greatest MOTA; curve: a point a recall reached.

    All tracks count in `best` where no MOTA is above 0. num_truth: boxes that are not neutral; without any the
    averages are NaN.
    """

    label: str
    mode: str
    frames: int
    num_truth: int
    num_truth_tracks: int
    num_result_tracks: int
    samota: float
    amota: float
    amotp: float
    best: KittiTrackingPoint
    curve: tuple[KittiTrackingPoint, ...]


def kitti_tracking(
    truth: Sequences, results: Sequences, label: str, config: KittiTrackingConfig | None = None
) -> KittiTracking:
    """Score the tracks of one class ("Car", "Pedestrian", "Cyclist") over all sequences.

    truth, results: the frames of each sequence by its name; the shorter of two is filled up with empty frames.
    Raises InputError on different sequences, an id twice in a frame, and results without a score or an id.
    """
    config = config or KittiTrackingConfig()
    return score_table(build_table(truth, results, label, config), label, config.mode)


def score_table(table: Table, label: str, mode: str) -> KittiTracking:
    """As `kitti_tracking`, of frames that have been compared already."""
    state = _State(table, mode)
    first = _run(state, -np.inf, np.nan)
    hits = table.result_track[state.matched[state.matched >= 0]]
    scored = recall_thresholds(state.score[hits], max(first.true_positives + first.false_negatives, 1), STEPS)
    # The first threshold stands for recall 0.
    curve = [_run(state, t, r) for t, r in zip(scored[0][1:], scored[1][1:], strict=True)]
    chosen = max(curve, key=lambda p: p.mota, default=first)
    best = _run(state, chosen.threshold if chosen.mota > 0 else -np.inf, np.nan)

    def mean(values: list[float]) -> float:
        return sum(values) / STEPS if table.num_truth else float("nan")

    return KittiTracking(
        label=label,
        mode=mode,
        frames=table.frames,
        num_truth=table.num_truth,
        num_truth_tracks=len(table.track_start) - 1,
        num_result_tracks=len(table.boxes_of_track),
        samota=mean([p.smota for p in curve]),
        amota=mean([p.mota for p in curve]),
        amotp=mean([p.motp for p in curve]),
        best=best,
        curve=tuple(curve),
    )


class _State:
    """What a pass leaves behind: scores of the tracks, partners of the truth, who was ever matched, solved frames."""

    def __init__(self, table: Table, mode: str) -> None:
        self.table = table
        self.published = mode == "published"
        self.score = _track_means(table.result_track, table.result_score, len(table.boxes_of_track))
        self.matched = np.full(len(table.neutral), -1, np.int64)
        self.ever_matched = np.zeros(len(table.result_track), bool)
        self.solved: dict[bytes, I64] = {}
        self.passes = 0


def _run(state: _State, threshold: float, wanted_recall: float) -> KittiTrackingPoint:
    """One pass over all frames with the tracks at or above the threshold."""
    table = state.table
    if state.published and state.passes:
        state.score = _mean_of_copies(state.score, table.boxes_of_track)
    state.passes += 1
    kept = (state.score >= threshold)[table.result_track]
    pairs = _match(state, kept)
    state.matched = np.full(len(table.neutral), -1, np.int64)
    state.matched[table.pair_truth[pairs]] = table.pair_result[pairs]
    matched = np.zeros(len(kept), bool)
    matched[table.pair_result[pairs]] = True
    state.ever_matched |= matched
    seen = state.ever_matched if state.published else matched
    hits = len(pairs)
    false_alarms = int(kept.sum()) - hits - int((kept & table.excused & ~seen).sum())
    misses = int(((state.matched < 0) & ~table.neutral).sum())
    followed = np.append(table.result_track, -1)[state.matched]
    in_order = table.track_order
    story = _stories(followed[in_order], table.neutral[in_order], table.track_start)
    n = float(table.num_truth) if table.num_truth else float("nan")
    errors = false_alarms + misses + int(story[0])
    tracks = max(int(story[2:].sum()), 1)
    return KittiTrackingPoint(
        threshold=float(threshold),
        wanted_recall=float(wanted_recall),
        smota=float(np.clip(1 - (errors - (1 - wanted_recall) * n) / (wanted_recall * n), 0.0, 1.0)),
        mota=1 - errors / n,
        motp=float(table.pair_overlap[pairs].sum()) / hits if hits else 0.0,
        mostly_tracked=float(story[2]) / tracks,
        partly_tracked=float(story[3]) / tracks,
        mostly_lost=float(story[4]) / tracks,
        id_switches=int(story[0]),
        fragments=int(story[1]),
        true_positives=hits,
        false_positives=false_alarms,
        false_negatives=misses,
    )


def _match(state: _State, kept: Bool) -> I64:
    """Indices of the pairs that are matched, among those whose result is kept."""
    table = state.table
    left = np.flatnonzero(kept[table.pair_result])
    of_truth = np.bincount(table.pair_truth[left], minlength=len(table.neutral))
    of_result = np.bincount(table.pair_result[left], minlength=len(kept))
    alone = (of_truth[table.pair_truth[left]] == 1) & (of_result[table.pair_result[left]] == 1)
    rest = left[~alone]
    # Pairs without a rival are settled; of the others each frame is solved once for each set of kept results.
    ends = np.flatnonzero(np.diff(table.pair_frame[rest])) + 1
    parts = [left[alone]]
    for group in np.split(rest, ends):
        key = group.tobytes()
        if key not in state.solved:
            state.solved[key] = _assign(table, group)
        parts.append(state.solved[key])
    return np.concatenate(parts)


def _assign(table: Table, group: I64) -> I64:
    """Those pairs of a frame that are chosen: as many as possible, then the greatest sum of overlaps."""
    from scipy.optimize import linear_sum_assignment

    truth, row = np.unique(table.pair_truth[group], return_inverse=True)
    result, col = np.unique(table.pair_result[group], return_inverse=True)
    gain = np.zeros((len(truth), len(result)))
    index = np.full(gain.shape, -1, np.int64)
    gain[row, col] = _PAIR + table.pair_overlap[group]
    index[row, col] = group
    chosen: I64 = index[linear_sum_assignment(gain, maximize=True)]
    return chosen[chosen >= 0]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _track_means(track: Any, score: Any, count: int) -> Any:
    """Mean score of each track, summed in the order of time: another order would round differently."""
    total, boxes = np.zeros(count), np.zeros(count)
    for r in range(len(track)):
        total[track[r]] += score[r]
        boxes[track[r]] += 1
    return total / boxes


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _mean_of_copies(score: Any, boxes: Any) -> Any:
    """Mean of as many copies of a track's score as it has boxes, with the rounding of adding one after the other."""
    out = np.zeros(len(score))
    for k in range(len(score)):
        for _ in range(boxes[k]):
            out[k] += score[k]
        out[k] /= boxes[k]
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _stories(followed: Any, neutral: Any, start: Any) -> Any:
    """Switches, fragments, truth tracks mostly tracked, partly tracked, mostly lost (> 0.8, else, < 0.2).

    followed: result track of each truth box in the order of `start`, -1 none. As in the kit: a fragment is a change of
    the partner (or a gap before it) that lasts into the next frame, or that happens in the last frame.
    """
    out = np.zeros(5, np.int64)
    for t in range(len(start) - 1):
        f, skip = followed[start[t] : start[t + 1]], neutral[start[t] : start[t + 1]]
        if skip.all():
            continue
        if (f == -1).all():
            out[4] += 1
            continue
        last, n, tracked = f[0], len(f), 1 if f[0] >= 0 else 0
        for k in range(1, n):
            if skip[k]:
                last = -1
                continue
            found, changed = f[k] != -1, f[k - 1] != f[k]
            out[0] += last != f[k] and last != -1 and found and f[k - 1] != -1
            out[1] += k < n - 1 and changed and last != -1 and found and f[min(k + 1, n - 1)] != -1
            if found:
                tracked += 1
                last = f[k]
        out[1] += n > 1 and f[n - 2] != f[n - 1] and last != -1 and f[n - 1] != -1 and not skip[n - 1]
        share = tracked / (n - skip.sum())
        out[2 if share > 0.8 else 4 if share < 0.2 else 3] += 1
    return out
