"""Curves over recall, and the figures that the nuScenes detection benchmark reads from them.

Source: nuscenes-devkit 1.2.0, eval/detection/algo.py (definition only). Everything is read at 101 recalls; recall and
precision below a minimum (0.1) do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .matching import Matches

F64 = npt.NDArray[np.float64]

RECALLS = np.linspace(0, 1, 101)
MIN_RECALL = MIN_PRECISION = 0.1


@dataclass(frozen=True, eq=False)
class PrecisionCurve:
    """precision (101,) and confidence (101,), the score of the prediction at which `recall` (101,) is reached.

    Both are 0 beyond the highest recall reached; without truth or without a hit everywhere.
    """

    recall: F64
    precision: F64
    confidence: F64

    @property
    def last(self) -> int:
        """Position of the highest recall reached (0 without a hit)."""
        reached = np.flatnonzero(self.confidence)
        return int(reached[-1]) if len(reached) else 0

    def average_precision(
        self, min_recall: float = MIN_RECALL, min_precision: float = MIN_PRECISION
    ) -> float:
        """Mean over the recalls above the least one of the precision above the least one, scaled to 0 ... 1."""
        above = np.maximum(self.precision[_first(min_recall) :] - min_precision, 0)
        return float(above.mean()) / (1.0 - min_precision)

    def mean_error(self, error: F64, min_recall: float = MIN_RECALL) -> float:
        """Mean of an error (101,) from the least recall that counts to the highest reached; 1 if that is lower."""
        first = _first(min_recall)
        return float(np.mean(error[first : self.last + 1])) if self.last >= first else 1.0


def precision_curve(matches: Matches) -> PrecisionCurve:
    """Precision and confidence of the matches at the 101 recalls, interpolated linearly and not made monotonic."""
    if not matches.num_truth or not matches.hit.any():
        return PrecisionCurve(RECALLS, np.zeros(len(RECALLS)), np.zeros(len(RECALLS)))
    recall = matches.recall
    precision = np.interp(RECALLS, recall, matches.precision, right=0)
    return PrecisionCurve(RECALLS, precision, np.interp(RECALLS, recall, matches.score, right=0))


def error_curve(matches: Matches, curve: PrecisionCurve, error: F64) -> F64:
    """(101,) mean of `error` (H,) of the hits with at least the confidence of each recall; ones without a hit."""
    if not len(error):
        return np.ones(len(RECALLS))
    running = _running_mean(error)
    at_recall = np.interp(curve.confidence[::-1], matches.score[matches.hit][::-1], running[::-1])
    return np.asarray(at_recall[::-1], np.float64)


def average_precision(matches: Matches) -> float:
    """AP of the nuScenes benchmark: mean over recalls above 0.1 of precision above 0.1; 0 without a hit."""
    return precision_curve(matches).average_precision()


def mean_error(matches: Matches, error: F64) -> float:
    """A true-positive error of the benchmark: `error` (P,) of each prediction (of hits; NaN does not count).

    Running mean over the hits by falling score, read at the scores of the recalls from 0.11 to the highest reached;
    1 if that is below 0.11.
    """
    curve = precision_curve(matches)
    return curve.mean_error(error_curve(matches, curve, error[matches.hit]))


def _first(min_recall: float) -> int:
    return round(100 * min_recall) + 1


def _running_mean(values: F64) -> F64:
    """Mean of the values so far; NaN are left out, 1 if all are, else 0 while there is none (as in the source)."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    count = np.cumsum(known)
    total = np.nancumsum(values)
    out: F64 = np.divide(total, count, out=np.zeros_like(total), where=count != 0)
    return out
