"""Who is matched to whom, frame by frame, at many score thresholds: the inner loop of the nuScenes tracking benchmark.

Source: Bernardin and Stiefelhagen, EURASIP JIVP 2008 (CLEAR MOT), in the form of nuscenes-devkit 1.2.0 with
motmetrics 1.4.0 (definitions only). Assignment: shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .nuscenes_tracks import TrackBoxes

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

COUNTS = (
    "frames",
    "matches",
    "switches",
    "misses",
    "false_positives",
    "distance_m",
    "fragments",
    "tracked",
    "mostly_tracked",
    "mostly_lost",
    "frames_to_first",
    "frames_of_gap",
)


@dataclass(frozen=True, eq=False)
class Encounters:
    """One class, ready for the loop: boxes by frame, and per true box the predictions inside the gate.

    first and first_prediction (F + 1,) bound the boxes of each frame; pair_first (B + 1,) the pairs of each true box;
    pair (K,) is the prediction and pair_m (K,) its distance.
    """

    first: I64
    track: I64
    first_prediction: I64
    prediction_track: I64
    score: F64
    pair_first: I64
    pair: I64
    pair_m: F64

    @property
    def num_tracks(self) -> int:
        """How many true objects there are."""
        return int(self.track.max(initial=-1)) + 1


def encounters(truth: TrackBoxes, predictions: TrackBoxes, num_frames: int, gate_m: float) -> Encounters:
    """Find all pairs of one frame that are nearer than the gate; distances of the centres seen from above."""
    frames = np.arange(num_frames + 1)
    first = np.searchsorted(truth.frame, frames).astype(np.int64)
    first_prediction = np.searchsorted(predictions.frame, frames).astype(np.int64)
    a, b = np.ascontiguousarray(truth.xy_m), np.ascontiguousarray(predictions.xy_m)
    pair_first = np.zeros(len(truth) + 1, np.int64)
    pair, pair_m = _gated(truth.frame, a, first_prediction, b, gate_m, pair_first)
    track, other = _dense(truth.track), _dense(predictions.track)
    return Encounters(first, track, first_prediction, other, predictions.score, pair_first, pair, pair_m)


def count_events(of: Encounters, thresholds: F64) -> tuple[dict[str, F64], npt.NDArray[np.bool_]]:
    """The counts of `COUNTS`, (K,) each, with predictions below each threshold left out, and which predictions (B,)
    were matched (without a switch) at the last threshold.

    In a frame an object keeps its last partner, however long ago, if that is inside the gate and free; the others get
    as many partners as can be at the least sum of distances. A partner other than the last one is a switch, not a
    match. Frames with neither truth nor predictions do not count, not even as time.
    """
    out = np.zeros((len(thresholds), len(COUNTS)))
    matched = np.zeros(len(of.score), np.bool_)
    boxes = (of.first, of.track, of.first_prediction, of.prediction_track, of.score)
    _count(boxes, (of.pair_first, of.pair, of.pair_m), thresholds, of.num_tracks, out, matched)
    return {name: out[:, k] for k, name in enumerate(COUNTS)}, matched


def _dense(track: I64) -> I64:
    return np.unique(track, return_inverse=True)[1].astype(np.int64)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gated(frame: Any, xy: Any, first: Any, other_xy: Any, gate: float, pair_first: Any) -> Any:
    """Predictions nearer than the gate and their distances, by true box; fills `pair_first`."""
    room = 0
    for i in range(len(frame)):
        room += first[frame[i] + 1] - first[frame[i]]
    pair, distance = np.empty(room, np.int64), np.empty(room, np.float64)
    n = 0
    for i in range(len(frame)):
        for j in range(first[frame[i]], first[frame[i] + 1]):
            d = np.sqrt((xy[i, 0] - other_xy[j, 0]) ** 2 + (xy[i, 1] - other_xy[j, 1]) ** 2)
            if d < gate:
                pair[n], distance[n] = j, d
                n += 1
        pair_first[i + 1] = n
    return pair[:n].copy(), distance[:n].copy()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(boxes: Any, pairs: Any, thresholds: Any, num_tracks: int, out: Any, matched: Any) -> None:
    first, _, first_p, _, score = boxes
    for k in range(len(thresholds)):
        last = np.full(num_tracks, -1, np.int64)  # prediction track of the last match
        # per object: frames of first and last sight, of the last match (-1 none), sightings, matches, longest gap
        life = np.full((num_tracks, 6), -1, np.int64)
        life[:, 3:] = 0
        matched[:] = False
        clock = -1
        for f in range(len(first) - 1):
            kept = 0
            for j in range(first_p[f], first_p[f + 1]):
                kept += score[j] >= thresholds[k]
            if kept == 0 and first[f] == first[f + 1]:
                continue
            clock += 1
            partner = _partners(boxes, pairs, f, thresholds[k], last)
            found = _frame(partner, boxes, pairs, (f, clock), (last, life, matched), out[k])
            out[k, 4] += kept - found
        out[k, 0] = clock + 1
        _lives(life, out[k])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _partners(boxes: Any, pairs: Any, f: int, threshold: float, last: Any) -> Any:
    """(N,) pair (position in the list of pairs) of each true box of frame f, -1 none."""
    first, track, first_p, track_p, score = boxes
    pair_first, pair, _ = pairs
    low, low_p = first[f], first_p[f]
    n, m = first[f + 1] - low, first_p[f + 1] - low_p
    partner = np.full(n, -1, np.int64)
    taken = np.zeros(m, np.bool_)
    for j in range(m):
        taken[j] = score[low_p + j] < threshold
    for i in range(n):
        for q in range(pair_first[low + i], pair_first[low + i + 1]):
            if track_p[pair[q]] == last[track[low + i]] and not taken[pair[q] - low_p]:
                partner[i] = q
                taken[pair[q] - low_p] = True
    row, column = np.full(n, -1, np.int64), np.full(m, -1, np.int64)
    rows = columns = 0
    for i in range(n):
        if partner[i] >= 0:
            continue
        for q in range(pair_first[low + i], pair_first[low + i + 1]):
            j = pair[q] - low_p
            if taken[j]:
                continue
            if row[i] < 0:
                row[i] = rows
                rows += 1
            if column[j] < 0:
                column[j] = columns
                columns += 1
    if rows:
        _assign_rest((row, column), pairs, (low, low_p), (rows, columns), taken, partner)
    return partner


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _assign_rest(places: Any, pairs: Any, at: Any, shape: Any, taken: Any, partner: Any) -> None:
    """Fill `partner` for the true boxes that have a row: most pairs first, then least sum of distances."""
    row, _ = places
    where, cost = _costs(places, pairs, at, shape, taken)
    pick = np.full(shape[0], -1, np.int64)
    if shape[0] <= shape[1]:
        pick[:] = _assignment(cost)
    else:
        pick[_assignment(cost.T.copy())] = np.arange(shape[1])
    for i in range(len(row)):
        if row[i] >= 0 and pick[row[i]] >= 0:
            partner[i] = where[row[i], pick[row[i]]]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _costs(places: Any, pairs: Any, at: Any, shape: Any, taken: Any) -> Any:
    """The pair at each place of the matrix, -1 none, and what it costs."""
    row, column = places
    low, low_p = at
    pair_first, pair, pair_m = pairs
    where = np.full(shape, -1, np.int64)
    cost = np.full(shape, np.inf)
    largest = 0.0
    for i in range(len(row)):
        if row[i] < 0:
            continue
        for q in range(pair_first[low + i], pair_first[low + i + 1]):
            j = pair[q] - low_p
            if not taken[j]:
                where[row[i], column[j]] = q
                cost[row[i], column[j]] = pair_m[q]
                largest = max(largest, pair_m[q])
    # So dear that one pair more is always cheaper than any choice of the others.
    dear = (2.0 * min(shape[0], shape[1]) + 1.0) * (largest + 1.0)
    return where, np.minimum(cost, dear)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _assignment(cost: Any) -> Any:
    """(N,) column of each row at the least sum of costs (N, M), N <= M: a shortest augmenting path for each row."""
    n, m = cost.shape
    u, v = np.zeros(n), np.zeros(m)
    row_of, out = np.full(m, -1, np.int64), np.full(n, -1, np.int64)
    for start in range(n):
        reach, via = np.full(m, np.inf), np.full(m, -1, np.int64)
        done = np.zeros(m, np.bool_)
        i, base, end = start, 0.0, -1
        while end < 0:
            nearest, j1 = np.inf, -1
            for j in range(m):
                if done[j]:
                    continue
                length = base + cost[i, j] - u[i] - v[j]
                if length < reach[j]:
                    reach[j], via[j] = length, i
                if reach[j] < nearest:
                    nearest, j1 = reach[j], j
            base = nearest
            done[j1] = True
            if row_of[j1] < 0:
                end = j1
            else:
                i = row_of[j1]
        u[start] += base
        for j in range(m):
            if done[j] and j != end:
                u[row_of[j]] += base - reach[j]
                v[j] -= base - reach[j]
        j = end
        while j >= 0:
            i = via[j]
            row_of[j] = i
            j, out[i] = out[i], j
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _frame(partner: Any, boxes: Any, pairs: Any, at: Any, state: Any, count: Any) -> int:
    """Book one frame into `state` and `count`; returns how many true boxes have a partner."""
    first, track, _, track_p, _ = boxes
    f, clock = at
    last, life, matched = state
    found = 0
    for i in range(len(partner)):
        t = track[first[f] + i]
        of = life[t]
        if of[0] < 0:
            of[0] = clock
        of[3] += 1
        if partner[i] < 0:
            count[3] += 1
            of[1] = clock
            continue
        j = pairs[1][partner[i]]
        if last[t] >= 0 and last[t] != track_p[j]:
            count[2] += 1
        else:
            count[1] += 1
            matched[j] = True
        last[t] = track_p[j]
        found += 1
        count[5] += pairs[2][partner[i]]
        # Seen since its last match and not matched then: its track was interrupted.
        if of[2] >= 0 and of[1] > of[2]:
            count[6] += 1
        of[5] = max(of[5], clock - of[2] - 1 if of[2] >= 0 else clock - of[0])
        if of[4] == 0:
            count[10] += clock - of[0]
        of[1] = of[2] = clock
        of[4] += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _lives(life: Any, count: Any) -> None:
    """Book what is known of an object only at its end."""
    for t in range(len(life)):
        share = life[t, 4] / life[t, 3]
        count[8] += share >= 0.8
        count[9] += share < 0.2
        if life[t, 4] > 0:
            count[7] += 1
            count[11] += max(life[t, 5], life[t, 1] - life[t, 2])
