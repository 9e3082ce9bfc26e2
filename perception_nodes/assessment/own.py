"""Figures of the `own` protocol (`evaluation.run`) with their intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation import (
    BoxFrame,
    EvaluationConfig,
    Matches,
    Paired,
    hit_errors,
    hota,
    idf1,
    match_by_score,
    mean_error,
)
from perception_nodes.evaluation.bootstrap import Resampling, jackknife_intervals
from perception_nodes.evaluation.run import (
    AP_DISTANCES_M,
    ClassScores,
    class_frames,
    class_groups,
    class_scores,
    similarities,
)
from perception_nodes.evaluation.tracking import clear_frames

from .figures import JACKKNIFE, NONE, ApSample, Figure, RatioSample, sampled, spread

F64 = npt.NDArray[np.float64]
Frames = tuple[BoxFrame, ...]

_ANY: Final = 1e-9
# Name, unit, 1 where higher is better.
_WHOLE: Final = (
    ("hota", "", 1),
    ("det_a", "", 1),
    ("ass_a", "", 1),
    ("idf1", "", 1),
    ("translation_error_m", "m", -1),
    ("scale_error", "", -1),
    ("orientation_error_rad", "rad", -1),
    ("velocity_error_mps", "m/s", -1),
)


def own_figures(
    paired: Paired, config: EvaluationConfig, resampling: Resampling
) -> tuple[list[Figure], dict[str, Any]]:
    """All figures of each class that occurs, and its precision-recall curves by match distance."""
    figures: list[Figure] = []
    curves: dict[str, Any] = {}
    for name, labels in class_groups(paired).items():
        truth, ours = class_frames(paired, labels, config)
        scores = class_scores(truth, ours, config)
        if not scores.num_truth and not scores.num_predictions:
            continue
        matches = {d: match_by_score(truth, ours, d) for d in AP_DISTANCES_M}
        figures += _figures(f"own.{name}", truth, ours, scores, matches, config, resampling)
        curves[name] = {f"{d:g}": precision_recall(m) for d, m in matches.items()}
    return figures, curves


def precision_recall(matches: Matches, points: int = 200) -> dict[str, Any]:
    """Recall, precision and score when the predictions down to a score are kept; thinned to `points`."""
    # Among equal scores there is no order: only the last of them is a point of the curve.
    last = np.flatnonzero(np.diff(matches.score, append=-np.inf) != 0)
    picked = last[np.unique(np.linspace(0, len(last) - 1, min(points, len(last))).round().astype(int))]
    columns = {
        "recall": matches.recall[picked] if matches.num_truth else np.full(len(picked), np.nan),
        "precision": matches.precision[picked],
        "score": matches.score[picked],
    }
    rounded = {k: np.round(v, 5).tolist() for k, v in columns.items()}
    return {**rounded, "num_truth": matches.num_truth, "num_predictions": len(matches.hit)}


def _figures(
    path: str,
    truth: Frames,
    ours: Frames,
    scores: ClassScores,
    matches: dict[float, Matches],
    config: EvaluationConfig,
    resampling: Resampling,
) -> Iterator[Figure]:
    num_truth = np.array([len(f) for f in truth], np.float64)
    count = (scores.num_truth, "true boxes")
    for d, m in matches.items():
        key = f"{d:g}"
        yield sampled(
            f"{path}.ap.{key}", ApSample(m.hit, m.frame, num_truth), scores.ap[key], count, resampling, 1
        )
    yield from _clear_figures(path, truth, ours, scores, config, resampling)
    yield from _whole_figures(path, truth, ours, scores, config)
    yield Figure(f"{path}.fragments", float(scores.fragments), scores.num_truth, "true boxes", -1)


def _clear_figures(
    path: str,
    truth: Frames,
    ours: Frames,
    scores: ClassScores,
    config: EvaluationConfig,
    resampling: Resampling,
) -> Iterator[Figure]:
    by_frame = clear_frames(similarities(truth, ours, config.match_distance_m), _ANY)
    tp, fp, fn = by_frame.true_positives, by_frame.false_positives, by_frame.false_negatives
    boxes = (scores.num_truth, "true boxes")
    table = (
        ("recall", RatioSample(tp, tp + fn), scores.recall, boxes, 1, ""),
        (
            "precision",
            RatioSample(tp, tp + fp),
            scores.precision,
            (scores.num_predictions, "predictions"),
            1,
            "",
        ),
        ("mota", RatioSample(fp + fn + by_frame.id_switches, tp + fn, 1.0, -1.0), scores.mota, boxes, 1, ""),
        (
            "mean_distance_m",
            RatioSample(by_frame.similarity, tp, config.match_distance_m, -config.match_distance_m),
            scores.mean_distance_m,
            (int(tp.sum()), "pairs"),
            -1,
            "m",
        ),
    )
    frames = float(len(truth))
    for name, counts in (
        ("id_switches", by_frame.id_switches),
        ("false_positives", fp),
        ("false_negatives", fn),
    ):
        # The mean of a frame times the frames: what a recording of this length would have counted.
        total = RatioSample(counts, np.ones(len(truth)), 0.0, frames)
        yield sampled(f"{path}.{name}", total, float(getattr(scores, name)), boxes, resampling, -1)
    for name, sample, value, count, better, unit in table:
        yield sampled(f"{path}.{name}", sample, value, count, resampling, better, unit)


def _whole_figures(
    path: str, truth: Frames, ours: Frames, scores: ClassScores, config: EvaluationConfig
) -> Iterator[Figure]:
    """What belongs to whole tracks or to a curve, and so cannot be summed over frames: jackknife."""

    def figures(keep: npt.NDArray[np.bool_]) -> F64:
        kept = [tuple(f for f, k in zip(side, keep, strict=True) if k) for side in (truth, ours)]
        return _whole(kept[0], kept[1], config)

    values = np.array([getattr(scores, name) for name, _, _ in _WHOLE], np.float64)
    lows, highs = jackknife_intervals(len(truth), figures, values)
    for (name, unit, better), value, low, high in zip(_WHOLE, values, lows, highs, strict=True):
        ends = spread(max(float(low), 0.0), min(float(high), 1.0) if not unit else float(high))
        method = JACKKNIFE if np.isfinite(ends[0]) else NONE
        yield Figure(
            f"{path}.{name}", float(value), scores.num_truth, "true boxes", better, unit, *ends, method
        )


def _whole(truth: Frames, ours: Frames, config: EvaluationConfig) -> F64:
    frames = similarities(truth, ours, config.match_distance_m)
    whole = hota(frames)
    matched = match_by_score(truth, ours, config.match_distance_m)
    errors = hit_errors(truth, ours, matched)
    picked = [mean_error(matched, errors[e]) for e in ("translation", "scale", "orientation", "velocity")]
    return np.array([whole.hota, whole.det_a, whole.ass_a, idf1(frames, _ANY), *picked])
