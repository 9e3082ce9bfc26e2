"""CLEAR: MOTA, MOTP and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from .frames import EPS, SimilarityFrame


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
        kept = np.where(similarity < threshold - EPS, 0.0, similarity)
        stays = np.array([[previous.get(int(t)) == int(p) for p in ours] for t in truth], bool).reshape(
            kept.shape
        )
        rows, cols = linear_sum_assignment(-(kept + 1000.0 * (stays & (kept > 0))))
        good = kept[rows, cols] > EPS
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
