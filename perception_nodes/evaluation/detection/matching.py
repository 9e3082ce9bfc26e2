"""Predictions and true boxes paired by falling score, and the errors of the pairs.

Source: the matching of the nuScenes detection benchmark (Caesar et al., CVPR 2020; nuscenes-devkit 1.2.0,
eval/detection, definition only): predictions of one class over the whole recording take, in the order of their
scores, the nearest true box of their frame that is still free; a pair is a hit below the match distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.boxes import BoxFrame
from perception_nodes.evaluation.columns import Columns

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

ERRORS = ("translation", "scale", "orientation", "velocity", "attribute")


@dataclass(frozen=True, eq=False)
class Matches:
    """Predictions by falling score: hit (P,), score (P,), frame, truth row and prediction row (P,), -1 none."""

    hit: npt.NDArray[np.bool_]
    score: F64
    frame: I64
    truth_row: I64
    prediction_row: I64
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
    if len(truth) != len(predictions):
        raise InputError(f"frames are not paired: {len(truth)} of truth, {len(predictions)} of predictions")
    true, ours = Columns.of(truth), Columns.of(predictions)
    order = np.argsort(-ours.score, kind="stable")
    return matches_of(true, ours, order, match_in_order(true, ours, order, (distance_m,))[0])


def matches_of(truth: Columns, predictions: Columns, order: I64, partner: I64) -> Matches:
    """One line of `match_in_order` with scores, frames and rows."""
    hit = partner >= 0
    truth_row = np.full(len(order), -1, np.int64)
    truth_row[hit] = truth.row[partner[hit]]
    where = (predictions.frame[order], truth_row, predictions.row[order])
    return Matches(hit, predictions.score[order], *where, len(truth))


def match_in_order(
    truth: Columns, predictions: Columns, order: I64, distances_m: Sequence[float]
) -> npt.NDArray[np.int64]:
    """(D, P) true box, as a position in `truth`, that the k-th prediction in `order` takes at each distance; -1 none.

    Among equal distances the earlier true box is taken.
    """
    out = np.full((len(distances_m), len(order)), -1, np.int64)
    limits = np.asarray(distances_m, np.float64)
    _match(order, predictions.frame, predictions.xy_m, truth.first, truth.xy_m, limits, out)
    return out


def hit_errors(
    truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], matches: Matches
) -> dict[str, F64]:
    """(P,) per error of `pair_errors`, NaN where there is no hit."""
    true, ours = Columns.of(truth), Columns.of(predictions)
    frame = matches.frame[matches.hit]
    i = true.first[frame] + matches.truth_row[matches.hit]
    j = ours.first[frame] + matches.prediction_row[matches.hit]
    out = {name: np.full(len(matches.hit), np.nan) for name in ERRORS}
    for name, values in pair_errors(true, i, ours, j).items():
        out[name][matches.hit] = values
    return out


def pair_errors(
    truth: Columns, i: I64, predictions: Columns, j: I64, yaw_period_rad: float = 2 * np.pi
) -> dict[str, F64]:
    """(K,) errors of the pairs of true boxes `i` and predictions `j`, NaN where something is unknown.

    translation m and velocity m/s seen from above; scale 1 - IoU with centres and headings made equal; orientation
    rad, the smallest turn up to the period (pi where front and back are alike); attribute 0 right or 1 wrong.
    """
    step = predictions.center_m[j, :2] - truth.center_m[i, :2]
    slip = predictions.velocity_mps[j] - truth.velocity_mps[i]
    a, b = truth.lwh_m[i], predictions.lwh_m[j]
    common = np.minimum(a, b).prod(axis=1)
    half = yaw_period_rad / 2
    turn = (truth.yaw_rad[i] - predictions.yaw_rad[j] + half) % yaw_period_rad - half
    wrong = (truth.attribute[i] != predictions.attribute[j]).astype(np.float64)
    return {
        "translation": np.asarray(np.linalg.norm(step, axis=1)),
        "scale": np.asarray(1 - common / (a.prod(axis=1) + b.prod(axis=1) - common)),
        "orientation": np.abs(turn),
        "velocity": np.asarray(np.linalg.norm(slip, axis=1)),
        "attribute": np.where(truth.attribute[i] < 0, np.nan, wrong),
    }


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _match(order: Any, frame: Any, xy: Any, first: Any, truth_xy: Any, limits: Any, out: Any) -> None:
    for d in range(len(limits)):
        taken = np.zeros(len(truth_xy), np.bool_)
        for k in range(len(order)):
            i = order[k]
            nearest = limits[d]
            for j in range(first[frame[i]], first[frame[i] + 1]):
                if taken[j]:
                    continue
                distance = np.sqrt((truth_xy[j, 0] - xy[i, 0]) ** 2 + (truth_xy[j, 1] - xy[i, 1]) ** 2)
                if distance < nearest:
                    nearest = distance
                    out[d, k] = j
            if out[d, k] >= 0:
                taken[out[d, k]] = True
