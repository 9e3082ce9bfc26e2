"""HOTA and its parts. Source: Luiten et al., IJCV 2021; details as TrackEval 1.3.0 has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import EPS, F64, I64, Recording, SimilarityFrame, numbered

ALPHAS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True, eq=False)
class HotaCurves:
    """(19,) each: the scores at the similarity thresholds `alpha` 0.05 ... 0.95, and the counts behind them."""

    alpha: F64
    hota: F64
    det_a: F64
    ass_a: F64
    det_re: F64
    det_pr: F64
    ass_re: F64
    ass_pr: F64
    loc_a: F64
    true_positives: I64
    false_positives: I64
    false_negatives: I64


@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each the mean over the 19 similarity thresholds of `curves`."""

    hota: float
    det_a: float
    ass_a: float
    det_re: float
    det_pr: float
    ass_re: float
    ass_pr: float
    loc_a: float
    curves: HotaCurves


def hota(frames: Sequence[SimilarityFrame]) -> Hota:
    """HOTA over all thresholds; one matching a frame, weighted by how well the two tracks fit overall.

    DetA = TP / (TP + FN + FP); AssA = mean over the TPs of (boxes that both tracks share) / (boxes of either);
    HOTA = sqrt(DetA AssA); LocA = mean similarity of the TPs, 1 without any. With truth or predictions only, the other
    scores are 0; with neither, all are NaN. Raises InputError for frames that do not fit together.
    """
    recording = numbered(frames)
    tp, located, association = _matches(recording)
    fn, fp = recording.num_truth - tp, recording.num_ours - tp
    nothing = recording.num_truth + recording.num_ours == 0
    det_a = tp / np.maximum(tp + fn + fp, 1)
    ass_a, ass_re, ass_pr = association / np.maximum(tp, 1)
    loc_a = np.where(tp > 0, located / np.maximum(tp, 1), 1.0)
    det_re, det_pr = tp / max(recording.num_truth, 1), tp / max(recording.num_ours, 1)
    parts = np.stack([np.sqrt(det_a * ass_a), det_a, ass_a, det_re, det_pr, ass_re, ass_pr, loc_a])
    if nothing:
        parts[:] = np.nan
    return _named(parts, tp, fp, fn)


def _named(parts: F64, tp: I64, fp: I64, fn: I64) -> Hota:
    """`parts` (8, 19) in the order of the fields."""
    whole, det_a, ass_a, det_re, det_pr, ass_re, ass_pr, loc_a = parts
    curves = HotaCurves(ALPHAS.copy(), whole, det_a, ass_a, det_re, det_pr, ass_re, ass_pr, loc_a, tp, fp, fn)
    mean = [float(part.mean()) for part in parts]
    return Hota(mean[0], mean[1], mean[2], mean[3], mean[4], mean[5], mean[6], mean[7], curves)


def _matches(recording: Recording) -> tuple[I64, F64, F64]:
    """TP (19,), sum of their similarities (19,), sums of A, its recall and its precision over the TPs (3, 19)."""
    alignment = _alignment(recording)
    m = len(recording.our_count)
    pairs, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    for truth, ours, similarity in recording.frames:
        if len(truth) and len(ours):
            rows, cols = linear_sum_assignment(
                alignment[truth[:, None], ours[None]] * similarity, maximize=True
            )
            pairs.append(truth[rows] * m + ours[cols])
            values.append(similarity[rows, cols])
    flat = np.concatenate(values)
    # How many of the rising thresholds a pair meets: it is a TP at exactly the first `level` ones.
    level = np.searchsorted(ALPHAS - EPS, flat, side="right")
    steps = len(ALPHAS) + 1
    which, row = np.unique(np.concatenate(pairs), return_inverse=True)
    exact = np.bincount(row * steps + level, minlength=len(which) * steps).reshape(len(which), steps)
    count = np.cumsum(exact[:, ::-1], axis=1)[:, ::-1][:, 1:]
    located = np.cumsum(np.bincount(level, flat, minlength=steps)[::-1])[::-1][1:]
    of_truth, of_ours = recording.truth_count[which // max(m, 1)], recording.our_count[which % max(m, 1)]
    squared = (count * count).astype(np.float64)
    association = np.stack(
        [
            (squared / (of_truth[:, None] + of_ours[:, None] - count)).sum(axis=0),
            (squared / of_truth[:, None]).sum(axis=0),
            (squared / of_ours[:, None]).sum(axis=0),
        ]
    )
    return np.asarray(count.sum(axis=0), np.int64), np.asarray(located), association


def _alignment(recording: Recording) -> F64:
    """(n, m) how well two tracks fit over the whole recording, 0..1."""
    potential = np.zeros((len(recording.truth_count), len(recording.our_count)))
    for truth, ours, similarity in recording.frames:
        share = similarity.sum(axis=0)[None] + similarity.sum(axis=1)[:, None] - similarity
        potential[truth[:, None], ours[None]] += np.divide(
            similarity, share, out=np.zeros_like(share), where=share > EPS
        )
    out: F64 = potential / (recording.truth_count[:, None] + recording.our_count[None] - potential)
    return out
