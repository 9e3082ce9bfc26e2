"""HOTA and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import EPS, F64, SimilarityFrame, counts, numbered

ALPHAS = np.arange(0.05, 0.99, 0.05)


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


def hota(frames: Sequence[SimilarityFrame]) -> Hota:
    """HOTA over all thresholds; one matching a frame, weighted by how well the two tracks fit overall."""
    frames, n, m = numbered(frames)
    count_truth, count_ours = counts(frames, n, m)
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
            good = values >= alpha - EPS
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
            similarity, share, out=np.zeros_like(share), where=share > EPS
        )
    out: F64 = potential / (count_truth[:, None] + count_ours[None] - potential)
    return out
