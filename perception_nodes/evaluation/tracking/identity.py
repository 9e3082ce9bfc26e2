"""Identity scores: IDF1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import SimilarityFrame, counts, numbered


def idf1(frames: Sequence[SimilarityFrame], threshold: float) -> float:
    """2 IDTP / (2 IDTP + IDFP + IDFN) of the best assignment of whole tracks; NaN if there is nothing at all."""
    frames, n, m = numbered(frames)
    together = np.zeros((n, m))
    for truth, ours, similarity in frames:
        together[np.ix_(truth, ours)] += similarity >= threshold
    count_truth, count_ours = counts(frames, n, m)
    if count_truth.sum() + count_ours.sum() == 0:
        return float("nan")
    rows, cols = linear_sum_assignment(-together)
    hits = together[rows, cols].sum()
    return float(2 * hits / (count_truth.sum() + count_ours.sum()))
