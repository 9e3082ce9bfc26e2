"""Average precision of polylines by Chamfer distance.

Source: the MapTR benchmark (hustvl/MapTR, map_utils/mean_ap.py, tpfp.py, tpfp_chamfer.py; definition only).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import arc_length

from .bands import band_pieces, bands_touch

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
NUM_POINTS = 100
BAND_HALF_WIDTH_M = 2.0
# Score of a pair whose bands do not touch; the score of all others is minus their distance.
_NO_PAIR = -100.0
MapFrame = tuple[Sequence[F64], Sequence[F64], F64]
"""True lines (N, 2 or 3), predicted lines (M, 2 or 3), m in one frame, and the scores of the latter."""


@dataclass(frozen=True, eq=False)
class ChamferCurve:
    """One class at one threshold: predictions by falling score, (P,) each; recall is NaN without truth.

    precision: of all predictions down to here, not made monotone; ap: area under the monotone curve, NaN without truth.
    """

    threshold_m: float
    num_truth: int
    score: F64
    recall: F64
    precision: F64
    ap: float


def chamfer_distance(a_m: F64, b_m: F64) -> float:
    """Mean of the two directed mean nearest distances of two point sets (N, 2), (M, 2), m."""
    d = cdist(a_m, b_m)
    return float(0.5 * (d.min(axis=1).mean() + d.min(axis=0).mean()))


def resample_count(line_m: F64, count: int = NUM_POINTS) -> F64:
    """(count, D) points at equal steps of arc length, both ends kept."""
    s = arc_length(line_m)
    at = np.linspace(0.0, s[-1], count)
    return np.stack([np.interp(at, s, line_m[:, k]) for k in range(line_m.shape[1])], axis=1)


def chamfer_ap(frames: Sequence[MapFrame], threshold_m: float) -> float:
    """AP of one class at one threshold; see `chamfer_curves`."""
    return chamfer_curves(frames, [threshold_m])[0].ap


def chamfer_curves(frames: Sequence[MapFrame], thresholds_m: Sequence[float]) -> tuple[ChamferCurve, ...]:
    """Precision, recall and AP of one class at each threshold.

    All lines are resampled to 100 points, seen from above; predictions with less than two points are left out. Each
    prediction goes for one true line only, the nearest of those whose 4 m wide flat-ended band touches its own; it is
    a hit if their Chamfer distance is at most the threshold and no prediction of a higher score in the frame has the
    line yet. In a frame without truth all predictions are false alarms.

    Raises InputError for lines that are not (N, 2 or 3) and finite, true ones of less than two points, scores that are
    not as many as the lines or NaN, and thresholds that are not above 0.
    """
    wrong = [t for t in thresholds_m if not t > 0]
    if wrong:
        raise InputError(f"threshold_m: wanted above 0, got {wrong[0]}")
    choices = [_choices(k, frame) for k, frame in enumerate(frames)]
    num_truth = sum(len(frame[0]) for frame in frames)
    score = np.concatenate([np.zeros(0), *(c[0] for c in choices)])
    order = np.argsort(-score, kind="stable")
    out = []
    for threshold in thresholds_m:
        hit = np.concatenate([np.zeros(0, bool), *(_hits(c[1], c[2], threshold) for c in choices)])[order]
        out.append(_curve(float(threshold), num_truth, score[order], hit))
    return tuple(out)


def _curve(threshold_m: float, num_truth: int, score: F64, hit: npt.NDArray[np.bool_]) -> ChamferCurve:
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    if not num_truth:
        unknown = np.full(len(hit), np.nan)
        return ChamferCurve(threshold_m, 0, score, unknown, precision, float("nan"))
    recall = np.cumsum(hit) / num_truth
    monotone = np.maximum.accumulate(np.append(precision, 0.0)[::-1])[::-1]
    ap = float((np.diff(recall, prepend=0.0) * monotone[:-1]).sum())
    return ChamferCurve(threshold_m, num_truth, score, recall, precision, ap)


def _choices(index: int, frame: MapFrame) -> tuple[F64, I64, F64]:
    """Of the usable predictions by falling score: the score, the true line each goes for, and its distance, m."""
    truth, ours, score = frame
    score = np.asarray(score, np.float64)
    _check(index, truth, ours, score)
    usable = np.array([k for k, line in enumerate(ours) if len(line) >= 2], np.int64)
    order = usable[np.argsort(-score[usable], kind="stable")]
    if not len(truth) or not len(order):
        return score[order], np.zeros(len(order), np.int64), np.full(len(order), np.inf)
    lines, true_lines = (
        [resample_count(line[:, :2]) for line in side] for side in (_picked(ours, order), truth)
    )
    bands, true_bands = ([band_pieces(x, BAND_HALF_WIDTH_M) for x in side] for side in (lines, true_lines))
    value = np.full((len(lines), len(true_lines)), _NO_PAIR)
    for i, j in np.ndindex(value.shape):
        if bands_touch(bands[i], true_bands[j]):
            value[i, j] = -chamfer_distance(lines[i], true_lines[j])
    best = value.argmax(axis=1)
    return score[order], best.astype(np.int64), -value[np.arange(len(best)), best]


def _picked(lines: Sequence[F64], order: I64) -> list[F64]:
    return [lines[k] for k in order]


def _check(index: int, truth: Sequence[F64], ours: Sequence[F64], score: F64) -> None:
    if score.shape != (len(ours),):
        raise InputError(f"frame {index}: scores: wanted {len(ours)}, as many as lines, got {score.shape}")
    if np.isnan(score).any():
        raise InputError(f"frame {index}: a score is NaN, which cannot be ranked")
    for name, lines in (("truth", truth), ("predictions", ours)):
        for k, line in enumerate(lines):
            if np.ndim(line) != 2 or np.shape(line)[1] not in (2, 3) or not np.isfinite(line).all():
                raise InputError(
                    f"frame {index}: {name}: line {k}: wanted finite points (N, 2) or (N, 3), got {np.shape(line)}"
                )
            if name == "truth" and len(line) < 2:
                raise InputError(
                    f"frame {index}: truth: line {k}: wanted two points or more, got {len(line)}"
                )


def _hits(best: I64, distance_m: F64, threshold_m: float) -> npt.NDArray[np.bool_]:
    """(P,) the first prediction near enough of each true line."""
    out = np.zeros(len(best), bool)
    near = np.flatnonzero(distance_m <= threshold_m)
    _, first = np.unique(best[near], return_index=True)
    out[near[first]] = True
    return out
