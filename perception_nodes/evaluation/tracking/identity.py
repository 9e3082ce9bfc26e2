"""Identity scores: IDF1, IDP, IDR. Source: Ristani et al., ECCVW 2016."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import SimilarityFrame, numbered


@dataclass(frozen=True)
class Identity:
    """Boxes on the right track (idtp) under the best assignment of whole tracks, and those that are not.

    Shares are NaN where their denominator is 0: idf1 with nothing at all, idp without predictions, idr without truth.
    """

    idtp: int
    idfp: int
    idfn: int

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFP + IDFN)."""
        total = 2 * self.idtp + self.idfp + self.idfn
        return 2 * self.idtp / total if total else float("nan")

    @property
    def idp(self) -> float:
        """Share of the predictions on the right track."""
        total = self.idtp + self.idfp
        return self.idtp / total if total else float("nan")

    @property
    def idr(self) -> float:
        """Share of the true boxes with the right track."""
        total = self.idtp + self.idfn
        return self.idtp / total if total else float("nan")


def identity(frames: Sequence[SimilarityFrame], threshold: float) -> Identity:
    """The assignment of whole tracks with the most boxes whose similarity is at least `threshold`.

    Raises InputError for frames that do not fit together.
    """
    recording = numbered(frames)
    n, m = len(recording.truth_count), len(recording.our_count)
    pairs = []
    for truth, ours, similarity in recording.frames:
        rows, cols = np.nonzero(similarity >= threshold)
        pairs.append(truth[rows] * m + ours[cols])
    flat = np.concatenate([*pairs, np.zeros(0, np.int64)])
    together = np.bincount(flat, minlength=n * m).reshape(n, m)
    rows, cols = linear_sum_assignment(together, maximize=True)
    hits = int(together[rows, cols].sum())
    return Identity(hits, recording.num_ours - hits, recording.num_truth - hits)


def idf1(frames: Sequence[SimilarityFrame], threshold: float) -> float:
    """2 IDTP / (2 IDTP + IDFP + IDFN) of the best assignment of whole tracks; NaN if there is nothing at all."""
    return identity(frames, threshold).idf1
