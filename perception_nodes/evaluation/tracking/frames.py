"""Frames of similarities between truth and predictions, and the numbering of tracks over a recording.

A frame is (truth ids (N,), prediction ids (M,), similarity (N, M) in 0..1, 0 = cannot be a pair).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
SimilarityFrame = tuple[I64, I64, F64]

EPS = float(np.finfo(np.float64).eps)


def numbered(frames: Sequence[SimilarityFrame]) -> tuple[list[SimilarityFrame], int, int]:
    """The frames with ids renumbered from 0, and how many there are."""
    truth_ids = np.unique(np.concatenate([f[0] for f in frames])) if frames else np.zeros(0, np.int64)
    our_ids = np.unique(np.concatenate([f[1] for f in frames])) if frames else np.zeros(0, np.int64)
    out = [
        (np.searchsorted(truth_ids, t).astype(np.int64), np.searchsorted(our_ids, p).astype(np.int64), s)
        for t, p, s in frames
    ]
    return out, len(truth_ids), len(our_ids)


def counts(frames: Sequence[SimilarityFrame], n: int, m: int) -> tuple[F64, F64]:
    """How many boxes each of the n true and m predicted tracks has."""
    truth, ours = np.zeros(n), np.zeros(m)
    for t, p, _ in frames:
        truth[t] += 1
        ours[p] += 1
    return truth, ours
