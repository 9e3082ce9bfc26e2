"""Frames of similarities between truth and predictions, checked, and with tracks numbered over the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
SimilarityFrame = tuple[I64, I64, F64]
"""Truth ids (N,), prediction ids (M,), similarity (N, M) in 0..1 with 0 = cannot be a pair."""

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Recording:
    """Frames in order, ids replaced by 0 ... n-1 (truth) and 0 ... m-1 (predictions).

    truth_count (n,), our_count (m,): boxes of each track.
    """

    frames: tuple[SimilarityFrame, ...]
    truth_count: F64
    our_count: F64

    @property
    def num_truth(self) -> int:
        """True boxes in all frames."""
        return int(self.truth_count.sum())

    @property
    def num_ours(self) -> int:
        """Predicted boxes in all frames."""
        return int(self.our_count.sum())


def numbered(frames: Sequence[SimilarityFrame]) -> Recording:
    """The frames with dense ids.

    Raises InputError for a shape that does not fit, an id twice in a frame, or a similarity that is not in 0..1.
    """
    for k, frame in enumerate(frames):
        _check(k, frame)
    truth, truth_count = _dense([f[0] for f in frames])
    ours, our_count = _dense([f[1] for f in frames])
    similarity = [np.asarray(f[2], np.float64) for f in frames]
    return Recording(tuple(zip(truth, ours, similarity, strict=True)), truth_count, our_count)


def _check(index: int, frame: SimilarityFrame) -> None:
    truth, ours, similarity = frame
    if np.shape(similarity) != (len(truth), len(ours)):
        raise InputError(
            f"frame {index}: similarity: wanted shape {(len(truth), len(ours))}, got {np.shape(similarity)}"
        )
    for name, ids in (("truth", truth), ("predictions", ours)):
        if len(set(np.asarray(ids).tolist())) != len(ids):
            raise InputError(f"frame {index}: {name}: an id occurs twice: {np.sort(ids).tolist()}")
    if np.size(similarity) and not (np.min(similarity) >= -EPS and np.max(similarity) <= 1 + 1e-9):
        raise InputError(
            f"frame {index}: similarity: wanted 0..1, got {np.min(similarity):g}..{np.max(similarity):g}"
        )


def _dense(ids: list[I64]) -> tuple[list[I64], F64]:
    if not ids:
        return [], np.zeros(0)
    flat = np.concatenate([np.asarray(i, np.int64).reshape(-1) for i in ids])
    names, index = np.unique(flat, return_inverse=True)
    parts = np.split(index.astype(np.int64), np.cumsum([len(i) for i in ids])[:-1])
    return parts, np.bincount(index, minlength=len(names)).astype(np.float64)
