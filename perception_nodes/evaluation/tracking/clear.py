"""CLEAR: MOTA, MOTP and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import EPS, F64, SimilarityFrame


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


@dataclass(frozen=True, eq=False)
class ClearFrames:
    """The counts of CLEAR frame by frame, (F,) each; similarity: sum over the pairs."""

    true_positives: F64
    false_positives: F64
    false_negatives: F64
    id_switches: F64
    similarity: F64
    fragments: int


def clear(frames: Sequence[SimilarityFrame], threshold: float) -> Clear:
    """Match frame by frame: first who was matched in the frame before, then the greatest sum of similarities.

    A switch is a true object whose match is another than its last one, however long ago; a fragment is a true object
    found again after it was lost.
    """
    by_frame = clear_frames(frames, threshold)
    tp, fp, fn, switches = (
        int(by_frame.true_positives.sum()),
        int(by_frame.false_positives.sum()),
        int(by_frame.false_negatives.sum()),
        int(by_frame.id_switches.sum()),
    )
    mota = 1 - (fn + fp + switches) / (tp + fn) if tp + fn else float("nan")
    motp = float(by_frame.similarity.sum()) / tp if tp else float("nan")
    return Clear(mota, motp, tp, fp, fn, switches, by_frame.fragments)


def clear_frames(frames: Sequence[SimilarityFrame], threshold: float) -> ClearFrames:
    """What `clear` counts, before it is summed."""
    last: dict[int, int] = {}
    previous: dict[int, int] = {}
    starts: dict[int, int] = {}
    counts = np.zeros((5, len(frames)))
    for k, (truth, ours, similarity) in enumerate(frames):
        kept = np.where(similarity < threshold - EPS, 0.0, similarity)
        stays = np.array([[previous.get(int(t)) == int(p) for p in ours] for t in truth], bool).reshape(
            kept.shape
        )
        rows, cols = linear_sum_assignment(-(kept + 1000.0 * (stays & (kept > 0))))
        good = kept[rows, cols] > EPS
        pairs = {int(truth[r]): int(ours[c]) for r, c in zip(rows[good], cols[good], strict=True)}
        switches = sum(t in last and last[t] != p for t, p in pairs.items())
        for t in pairs:
            starts[t] = starts.get(t, 0) + (t not in previous)
        last.update(pairs)
        previous = pairs
        found = len(pairs)
        total = float(kept[rows, cols][good].sum())
        counts[:, k] = found, len(ours) - found, len(truth) - found, switches, total
    return ClearFrames(*counts, fragments=sum(count - 1 for count in starts.values()))
