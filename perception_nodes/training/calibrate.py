"""From scores to probabilities: of all boxes that are given 0.8, eight in ten should be there.

Reference: B. Zadrozny and C. Elkan, KDD 2002 (isotonic regression by pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from perception_nodes.evaluation import BoxFrame
from perception_nodes.evaluation.boxes import center_distance
from perception_nodes.evaluation.calibration import binary_calibration

from .config import digest

F64 = npt.NDArray[np.float64]
_KNOTS: Final = 24
_MATCH_M: Final = 2.0


def outcomes(truth: Sequence[BoxFrame], found: Sequence[BoxFrame]) -> tuple[F64, npt.NDArray[np.bool_]]:
    """Score of each box, and whether a true object of any class lies within 2 m that no better box has taken."""
    scores, hits = [], []
    for true, ours in zip(truth, found, strict=True):
        order = np.argsort(-ours.score, kind="stable")
        apart = center_distance(ours, true)
        free = np.ones(len(true), bool)
        for row in order.tolist():
            near = np.where(free, apart[row], np.inf)
            partner = int(near.argmin()) if len(true) else -1
            hit = partner >= 0 and near[partner] < _MATCH_M
            if hit:
                free[partner] = False
            scores.append(ours.score[row])
            hits.append(hit)
    return np.array(scores, np.float64), np.array(hits, bool)


def fit_isotonic(score: F64, hit: npt.NDArray[np.bool_], knots: int = _KNOTS) -> tuple[F64, F64]:
    """Rising scores and rising probabilities, at most `knots`, to be interpolated; (0, 1) and (0, 1) without data."""
    if not len(score):
        return np.array([0.0, 1.0]), np.array([0.0, 1.0])
    order = np.argsort(score, kind="stable")
    x, y = score[order], hit[order].astype(np.float64)
    # Bins of equal count first: the steps of a handful of boxes are noise.
    parts = np.array_split(np.arange(len(x)), min(knots, len(x)))
    count = np.array([len(p) for p in parts], np.float64)
    at, rate = (np.array([v[p].mean() for p in parts]) for v in (x, y))
    fit = isotonic_regression(rate, weights=count)
    first = fit.blocks[:-1]
    at, rate = np.add.reduceat(at * count, first) / np.add.reduceat(count, first), fit.x[first]
    if len(at) == 1:
        return np.array([at[0], 1.0 + at[0]]), np.array([rate[0], rate[0]])
    return at, rate


def calibration(truth: Sequence[BoxFrame], found: Sequence[BoxFrame]) -> dict[str, Any]:
    """What a model keeps of its calibration: the table and an id that changes with it."""
    score, hit = outcomes(truth, found)
    x, y = fit_isotonic(score, hit)
    table = {"score": [round(float(v), 5) for v in x], "probability": [round(float(v), 5) for v in y]}
    return {"id": f"isotonic-{digest(table)[:8]}", "boxes": len(score), **table}


def calibration_error(score: F64, hit: npt.NDArray[np.bool_], table: Mapping[str, Any]) -> float:
    """Expected calibration error of what a table says of scores; of the scores themselves where it is empty."""
    said = np.interp(score, table["score"], table["probability"]) if table else score
    return float(binary_calibration(said, hit).ece)
