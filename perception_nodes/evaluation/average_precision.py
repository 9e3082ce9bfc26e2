"""Detection scores of the nuScenes benchmark.

Source: nuscenes-devkit 1.2.0, eval/detection/algo.py (definition only). Predictions of one class over the whole
recording take, in the order of their scores, the nearest true box of their frame that is still free; a pair is a hit
below the match distance. Precision is read at 101 recalls; recall and precision below 0.1 do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from .boxes import BoxFrame, center_distance

F64 = npt.NDArray[np.float64]
_RECALLS = np.linspace(0, 1, 101)
_FIRST = 11


@dataclass(frozen=True, eq=False)
class Matches:
    """Predictions by falling score: hit (P,), score (P,), frame, truth row and prediction row (P,), -1 none."""

    hit: npt.NDArray[np.bool_]
    score: F64
    frame: npt.NDArray[np.int64]
    truth_row: npt.NDArray[np.int64]
    prediction_row: npt.NDArray[np.int64]
    num_truth: int

    @property
    def recall(self) -> F64:
        """(P,) recall when the predictions up to each are kept."""
        return np.asarray(np.cumsum(self.hit) / max(self.num_truth, 1), np.float64)

    @property
    def precision(self) -> F64:
        """(P,) precision when the predictions up to each are kept."""
        return np.asarray(np.cumsum(self.hit) / np.arange(1, len(self.hit) + 1), np.float64)


def match_by_score(truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], distance_m: float) -> Matches:
    """Greedy matching of one class; frames are already paired. Equal scores: the earlier frame and row first."""
    score = np.concatenate([p.score for p in predictions]) if predictions else np.zeros(0)
    frame = np.repeat(np.arange(len(predictions)), [len(p) for p in predictions])
    row = np.concatenate([np.arange(len(p)) for p in predictions]) if predictions else np.zeros(0, np.int64)
    order = np.argsort(-score, kind="stable")
    distances = [center_distance(p, t) for p, t in zip(predictions, truth, strict=True)]
    truth_row = np.full(len(order), -1, np.int64)
    for k, index in enumerate(order):
        d = distances[frame[index]]
        if d.shape[1] == 0:
            continue
        j = int(np.argmin(d[row[index]]))
        if d[row[index], j] < distance_m:
            truth_row[k] = j
            d[:, j] = np.inf
    total = sum(len(t) for t in truth)
    return Matches(truth_row >= 0, score[order], frame[order], truth_row, row[order].astype(np.int64), total)


def average_precision(matches: Matches) -> float:
    """AP of the nuScenes benchmark: mean over recalls above 0.1 of precision above 0.1; 0 without a hit."""
    if not matches.num_truth or not matches.hit.any():
        return 0.0
    precision = np.interp(_RECALLS, matches.recall, matches.precision, right=0)
    return float(np.maximum(precision[_FIRST:] - 0.1, 0).mean() / 0.9)


def mean_error(matches: Matches, error: F64) -> float:
    """A true-positive error of the benchmark: `error` (P,) of each prediction (of hits; NaN does not count).

    Running mean over the hits by falling score, read at the scores of the recalls from 0.11 to the highest reached;
    1 if that is below 0.11.
    """
    hit = matches.hit
    if not hit.any():
        return 1.0
    confidence = np.interp(_RECALLS, matches.recall, matches.score, right=0)
    reached = np.flatnonzero(confidence)
    last = int(reached[-1]) if len(reached) else 0
    if last < _FIRST:
        return 1.0
    running = _running_mean(error[hit])
    at_recall = np.interp(confidence[::-1], matches.score[hit][::-1], running[::-1])[::-1]
    return float(np.mean(at_recall[_FIRST : last + 1]))


def hit_errors(
    truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], matches: Matches
) -> dict[str, F64]:
    """(P,) per error, NaN where there is no hit: translation m, scale 1 - IoU when aligned, orientation
    rad, velocity m/s.
    """
    out = {
        name: np.full(len(matches.hit), np.nan)
        for name in ("translation", "scale", "orientation", "velocity")
    }
    for k in np.flatnonzero(matches.hit):
        f, i, j = matches.frame[k], matches.truth_row[k], matches.prediction_row[k]
        t, p = truth[f], predictions[f]
        out["translation"][k] = np.linalg.norm(t.center_m[i, :2] - p.center_m[j, :2])
        inter = np.minimum(t.lwh_m[i], p.lwh_m[j]).prod()
        out["scale"][k] = 1 - inter / (t.lwh_m[i].prod() + p.lwh_m[j].prod() - inter)
        out["orientation"][k] = abs(wrap_angle(t.yaw_rad[i] - p.yaw_rad[j]))
        out["velocity"][k] = np.linalg.norm(t.velocity_mps[i] - p.velocity_mps[j])
    return out


def _running_mean(values: F64) -> F64:
    """Mean of the values so far; NaN are left out, 1 while there is none (0 where all are: as in the source)."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    count = np.cumsum(known)
    total = np.nancumsum(values)
    out: F64 = np.divide(total, count, out=np.zeros_like(total), where=count != 0)
    return out
