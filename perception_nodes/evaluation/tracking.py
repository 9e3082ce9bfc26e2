"""Scores of tracking on similarity matrices: CLEAR (MOTA), identity (IDF1), HOTA.

A frame is (truth ids (N,), prediction ids (M,), similarity (N, M) in 0..1, 0 = cannot be a pair).

Sources: Bernardin and Stiefelhagen, EURASIP JIVP 2008 (CLEAR); Ristani et al., ECCVW 2016 (IDF1); Luiten et al., IJCV
2021 (HOTA); details as TrackEval 1.3.0 has them, whose values are matched to 1e-6 by a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
SimilarityFrame = tuple[I64, I64, F64]

_EPS = float(np.finfo(np.float64).eps)
ALPHAS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True)
class Clear:
    """CLEAR scores; `mota` is NaN without truth, `motp` (mean similarity of the pairs) without a pair."""

    mota: float
    motp: float
    true_positives: int
    false_positives: int
    false_negatives: int
    id_switches: int
    fragments: int

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


@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each the mean over the 19 similarity thresholds 0.05 ... 0.95."""

    hota: float
    det_a: float
    ass_a: float
    det_re: float
    det_pr: float
    ass_re: float
    ass_pr: float
    loc_a: float


def clear(frames: Sequence[SimilarityFrame], threshold: float) -> Clear:
    """Match frame by frame: first who was matched in the frame before, then the greatest sum of similarities.

    A switch is a true object whose match is another than its last one, however long ago; a fragment is a true object
    found again after it was lost.
    """
    last: dict[int, int] = {}
    previous: dict[int, int] = {}
    starts: dict[int, int] = {}
    tp = fp = fn = switches = 0
    total = 0.0
    for truth, ours, similarity in frames:
        kept = np.where(similarity < threshold - _EPS, 0.0, similarity)
        stays = np.array([[previous.get(int(t)) == int(p) for p in ours] for t in truth], bool).reshape(
            kept.shape
        )
        rows, cols = linear_sum_assignment(-(kept + 1000.0 * (stays & (kept > 0))))
        good = kept[rows, cols] > _EPS
        pairs = {int(truth[r]): int(ours[c]) for r, c in zip(rows[good], cols[good], strict=True)}
        switches += sum(t in last and last[t] != p for t, p in pairs.items())
        for t in pairs:
            starts[t] = starts.get(t, 0) + (t not in previous)
        last.update(pairs)
        previous = pairs
        tp, fp, fn = tp + len(pairs), fp + len(ours) - len(pairs), fn + len(truth) - len(pairs)
        total += float(kept[rows, cols][good].sum())
    mota = 1 - (fn + fp + switches) / (tp + fn) if tp + fn else float("nan")
    motp = total / tp if tp else float("nan")
    fragments = sum(count - 1 for count in starts.values())
    return Clear(mota, motp, tp, fp, fn, switches, fragments)


def idf1(frames: Sequence[SimilarityFrame], threshold: float) -> float:
    """2 IDTP / (2 IDTP + IDFP + IDFN) of the best assignment of whole tracks; NaN if there is nothing at all."""
    frames, n, m = _numbered(frames)
    together = np.zeros((n, m))
    for truth, ours, similarity in frames:
        together[np.ix_(truth, ours)] += similarity >= threshold
    count_truth, count_ours = _counts(frames, n, m)
    if count_truth.sum() + count_ours.sum() == 0:
        return float("nan")
    rows, cols = linear_sum_assignment(-together)
    hits = together[rows, cols].sum()
    return float(2 * hits / (count_truth.sum() + count_ours.sum()))


def hota(frames: Sequence[SimilarityFrame]) -> Hota:
    """HOTA over all thresholds; one matching a frame, weighted by how well the two tracks fit overall."""
    frames, n, m = _numbered(frames)
    count_truth, count_ours = _counts(frames, n, m)
    if not count_truth.sum() or not count_ours.sum():
        value = float("nan") if not count_truth.sum() and not count_ours.sum() else 0.0
        return Hota(*([value] * 8))
    alignment = _alignment(frames, count_truth, count_ours)
    together = np.zeros((len(ALPHAS), n, m))
    located = np.zeros(len(ALPHAS))
    for truth, ours, similarity in frames:
        rows, cols = linear_sum_assignment(-alignment[np.ix_(truth, ours)] * similarity)
        values = similarity[rows, cols]
        for a, alpha in enumerate(ALPHAS):
            good = values >= alpha - _EPS
            together[a, truth[rows[good]], ours[cols[good]]] += 1
            located[a] += values[good].sum()
    tp = together.sum(axis=(1, 2))
    positive = np.maximum(tp, 1.0)
    union = np.maximum(count_truth[:, None] + count_ours[None] - together, 1.0)
    ass_a = (together * together / union).sum(axis=(1, 2)) / positive
    ass_re = (together * together / np.maximum(count_truth, 1.0)[:, None]).sum(axis=(1, 2)) / positive
    ass_pr = (together * together / np.maximum(count_ours, 1.0)[None]).sum(axis=(1, 2)) / positive
    det_re, det_pr = tp / count_truth.sum(), tp / count_ours.sum()
    det_a = tp / (count_truth.sum() + count_ours.sum() - tp)
    loc_a = np.where(tp > 0, located / positive, 1.0)
    parts = (np.sqrt(det_a * ass_a), det_a, ass_a, det_re, det_pr, ass_re, ass_pr, loc_a)
    return Hota(*(float(part.mean()) for part in parts))


def _alignment(frames: Sequence[SimilarityFrame], count_truth: F64, count_ours: F64) -> F64:
    """(n, m) how well two tracks fit over the whole recording, 0..1."""
    potential = np.zeros((len(count_truth), len(count_ours)))
    for truth, ours, similarity in frames:
        share = similarity.sum(axis=0)[None] + similarity.sum(axis=1)[:, None] - similarity
        potential[np.ix_(truth, ours)] += np.divide(
            similarity, share, out=np.zeros_like(share), where=share > _EPS
        )
    out: F64 = potential / (count_truth[:, None] + count_ours[None] - potential)
    return out


def _numbered(frames: Sequence[SimilarityFrame]) -> tuple[list[SimilarityFrame], int, int]:
    """The frames with ids renumbered from 0, and how many there are."""
    truth_ids = np.unique(np.concatenate([f[0] for f in frames])) if frames else np.zeros(0, np.int64)
    our_ids = np.unique(np.concatenate([f[1] for f in frames])) if frames else np.zeros(0, np.int64)
    out = [
        (np.searchsorted(truth_ids, t).astype(np.int64), np.searchsorted(our_ids, p).astype(np.int64), s)
        for t, p, s in frames
    ]
    return out, len(truth_ids), len(our_ids)


def _counts(frames: Sequence[SimilarityFrame], n: int, m: int) -> tuple[F64, F64]:
    truth, ours = np.zeros(n), np.zeros(m)
    for t, p, _ in frames:
        truth[t] += 1
        ours[p] += 1
    return truth, ours
