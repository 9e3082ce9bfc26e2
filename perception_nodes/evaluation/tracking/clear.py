"""CLEAR: MOTA, MOTP and what they are made of.

Source: Bernardin and Stiefelhagen, EURASIP JIVP 2008. The paper leaves three things open, and the two common tools
decide them differently; a convention names the tool whose figures come out.

trackeval (1.3.0): a pair is carried on from the frame before (frames without truth or without predictions do not
count as one); a fragment is an object found again after a frame in which it was lost or absent; mostly tracked are
objects with more than 80 % of their boxes found.
motmetrics (1.4.0): a pair is carried on from the last match, however long ago; a fragment is an object found again
after a frame in which it was lost; mostly tracked begins at 80 %.
In both: a switch is a match with another track than the object's last one; mostly lost is below 20 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.datatypes import InputError

from .frames import EPS, F64, I64, Recording, SimilarityFrame, numbered

Convention = Literal["trackeval", "motmetrics"]

_CARRIED = 1000.0  # outweighs any sum of similarities in a frame; trackeval's value


@dataclass(frozen=True)
class Clear:
    """CLEAR scores; `mota` and `moda` are NaN without truth, `motp` (mean similarity of the pairs) without a pair.

    mostly_tracked, partly_tracked, mostly_lost: true objects found in > 80 %, 20 ... 80 %, < 20 % of their frames.
    """

    mota: float
    motp: float
    true_positives: int
    false_positives: int
    false_negatives: int
    id_switches: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int

    @property
    def moda(self) -> float:
        """1 - (FN + FP) / truth: MOTA without the switches."""
        total = self.true_positives + self.false_negatives
        return 1 - (self.false_negatives + self.false_positives) / total if total else float("nan")

    @property
    def recall(self) -> float:
        """Share of the true boxes that were found; NaN without truth."""
        total = self.true_positives + self.false_negatives
        return self.true_positives / total if total else float("nan")

    @property
    def precision(self) -> float:
        """Share of the predictions that were right; NaN without predictions."""
        total = self.true_positives + self.false_positives
        return self.true_positives / total if total else float("nan")


@dataclass(frozen=True, eq=False)
class ClearFrames:
    """What `clear` counts, frame by frame, (F,) each; similarity: sum over the pairs."""

    true_positives: F64
    false_positives: F64
    false_negatives: F64
    id_switches: F64
    similarity: F64


class _Account:
    """Who was matched with whom so far, by dense id; -1 nobody."""

    def __init__(self, num_tracks: int) -> None:
        self.last = np.full(num_tracks, -1)
        self.previous = np.full(num_tracks, -1)
        self.state = np.full(num_tracks, -1)  # 1 found, 0 lost after it was found, -1 not found yet
        self.found = np.zeros(num_tracks)
        self.pairs = self.switches = self.fragments = 0
        self.similarity = 0.0

    def add(self, truth: I64, ours: I64, similarity: F64) -> None:
        """The pairs of one frame, equally long."""
        before = self.last[truth]
        self.switches += int(((before >= 0) & (before != ours)).sum())
        self.last[truth] = ours
        self.found[truth] += 1
        self.pairs += len(truth)
        self.similarity += float(similarity.sum())


def clear(frames: Sequence[SimilarityFrame], threshold: float, convention: Convention = "trackeval") -> Clear:
    """CLEAR scores where pairs need a similarity of at least `threshold`.

    Frame by frame, in time order: who was matched before is matched again if that is still possible, the others by
    the greatest sum of similarities (motmetrics: first as many pairs as possible).

    Raises InputError for frames that do not fit together, or an unknown convention.
    """
    if convention not in get_args(Convention):
        raise InputError(f"convention: wanted one of {get_args(Convention)}, got {convention!r}")
    recording = numbered(frames)
    account = _Account(len(recording.truth_count))
    step = _trackeval if convention == "trackeval" else _motmetrics
    for truth, ours, similarity in recording.frames:
        step(account, truth, ours, similarity, threshold)
    return _summary(recording, account, convention)


def clear_frames(frames: Sequence[SimilarityFrame], threshold: float) -> ClearFrames:
    """The counts of `clear` (convention trackeval) before they are summed, for intervals by resampling frames."""
    recording = numbered(frames)
    account = _Account(len(recording.truth_count))
    totals = np.zeros((len(recording.frames) + 1, 3))
    for k, (truth, ours, similarity) in enumerate(recording.frames, start=1):
        _trackeval(account, truth, ours, similarity, threshold)
        totals[k] = account.pairs, account.switches, account.similarity
    pairs, switches, total = np.diff(totals, axis=0).T
    num_ours = np.array([len(f[1]) for f in recording.frames], np.float64)
    num_truth = np.array([len(f[0]) for f in recording.frames], np.float64)
    return ClearFrames(pairs, num_ours - pairs, num_truth - pairs, switches, total)


def _trackeval(account: _Account, truth: I64, ours: I64, similarity: F64, threshold: float) -> None:
    if not len(truth) or not len(ours):
        return
    score = _CARRIED * (account.previous[truth][:, None] == ours[None]) + similarity
    score[similarity < threshold - EPS] = 0.0
    rows, cols = linear_sum_assignment(score, maximize=True)
    good = score[rows, cols] > EPS
    rows, cols = rows[good], cols[good]
    again = account.previous[truth[rows]] < 0
    account.fragments += int((again & (account.last[truth[rows]] >= 0)).sum())
    account.add(truth[rows], ours[cols], similarity[rows, cols])
    account.previous[:] = -1
    account.previous[truth[rows]] = ours[cols]


def _motmetrics(account: _Account, truth: I64, ours: I64, similarity: F64, threshold: float) -> None:
    possible = similarity >= threshold
    stays = (account.last[truth][:, None] == ours[None]) & possible
    # Two objects may have had one track: the first one keeps it.
    stays &= np.cumsum(stays, axis=0) == 1
    free = ~stays.any(axis=1)[:, None] & ~stays.any(axis=0)[None]
    count = 1.0 + min(possible.shape)
    rows, cols = linear_sum_assignment(np.where(possible & free, count + similarity, 0.0), maximize=True)
    good = (possible & free)[rows, cols]
    kept = np.nonzero(stays)
    rows, cols = np.concatenate([kept[0], rows[good]]), np.concatenate([kept[1], cols[good]])
    found = np.zeros(len(truth), bool)
    found[rows] = True
    account.fragments += int((account.state[truth[found]] == 0).sum())
    account.add(truth[rows], ours[cols], similarity[rows, cols])
    account.state[truth[found]] = 1
    lost = truth[~found]
    account.state[lost[account.state[lost] == 1]] = 0


def _summary(recording: Recording, account: _Account, convention: Convention) -> Clear:
    tp = account.pairs
    fp, fn = recording.num_ours - tp, recording.num_truth - tp
    share = account.found / recording.truth_count
    mostly = int((share > 0.8).sum() if convention == "trackeval" else (share >= 0.8).sum())
    lost = int((share < 0.2).sum())
    return Clear(
        mota=1 - (fn + fp + account.switches) / (tp + fn) if tp + fn else float("nan"),
        motp=account.similarity / tp if tp else float("nan"),
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        id_switches=account.switches,
        fragments=account.fragments,
        mostly_tracked=mostly,
        partly_tracked=len(share) - mostly - lost,
        mostly_lost=lost,
    )
