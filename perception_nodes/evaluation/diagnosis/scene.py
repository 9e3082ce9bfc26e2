"""Truth and predictions of a recording side by side, matched; what all parts of the diagnosis look at."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import NUM_LABELS, UNKNOWN, InputError
from perception_nodes.evaluation.boxes import BoxFrame, pair_by_stamp
from perception_nodes.evaluation.columns import Columns
from perception_nodes.evaluation.detection.matching import match_in_order

from .causes import DiagnosisConfig
from .occlusion import hidden_share

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scene:
    """F paired frames with T true boxes and P predictions in one fixed frame.

    stamp_ns (F,); truth_range_m (T,), prediction_range_m (P,); hidden (T,) share 0..1 or NaN; truth_scored (T,),
    prediction_scored (P,): counts for AP; found_by (T,) prediction or -1 and finds (P,) true box or -1, at the match
    distance; ego_xy_m (F, 2) NaN unknown; predicted (F,): a prediction frame existed.
    """

    stamp_ns: I64
    ego_xy_m: F64
    truth: Columns
    predictions: Columns
    truth_range_m: F64
    prediction_range_m: F64
    hidden: F64
    truth_scored: Mask
    prediction_scored: Mask
    found_by: I64
    finds: I64
    missing_frames: int
    config: DiagnosisConfig

    def frames(self) -> zip[tuple[slice, slice]]:
        """For each frame its true boxes and its predictions."""
        pairs = []
        for columns in (self.truth, self.predictions):
            first = columns.first
            pairs.append([slice(int(a), int(b)) for a, b in itertools.pairwise(first)])
        return zip(*pairs, strict=True)


def build_scene(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    config: DiagnosisConfig,
    hidden: Sequence[F64] | None = None,
) -> Scene:
    """Pair by stamp, match, and work out ranges and occlusion; `hidden`: per truth frame (N,), instead of ours."""
    if hidden is not None and [len(h) for h in hidden] != [len(f) for f in truth]:
        raise InputError("hidden: wanted one value for each true box of each frame")
    tolerance = round(config.stamp_tolerance_s * 1e9)
    paired = pair_by_stamp(truth, predictions, tolerance)
    shares = [hidden_share(f) for f in truth] if hidden is None else list(hidden)
    by_stamp = {f.stamp_ns: h for f, h in zip(truth, shares, strict=True)}
    ours = [_scored_as_one(f, config.min_score) for f in paired.predictions]
    true, given = Columns.of(paired.truth), Columns.of(ours)
    ego = np.array([np.full(2, np.nan) if f.ego_xy_m is None else f.ego_xy_m for f in paired.truth])
    ego = ego.reshape(len(paired.truth), 2)
    ranges = [_ranges(c, ego) for c in (true, given)]
    finds = match_labels(true, given, config.match_distance_m)
    found_by = inverse(finds, len(true))
    of_truth = (ranges[0] <= config.scored_range_m) & (true.label != UNKNOWN)
    of_truth &= (true.num_points < 0) | (true.num_points >= config.scored_points)
    of_ours = (ranges[1] <= config.scored_range_m) & (given.label != UNKNOWN)
    # A prediction of a true box that is not asked for is neither right nor wrong.
    of_ours &= (finds < 0) | of_truth[finds] if len(true) else True
    return Scene(
        stamp_ns=np.array([f.stamp_ns for f in paired.truth], np.int64),
        ego_xy_m=ego,
        truth=true,
        predictions=given,
        truth_range_m=ranges[0],
        prediction_range_m=ranges[1],
        hidden=np.concatenate([by_stamp[f.stamp_ns] for f in paired.truth] or [np.zeros(0)]),
        truth_scored=of_truth,
        prediction_scored=of_ours,
        found_by=found_by,
        finds=finds,
        missing_frames=paired.missing,
        config=config,
    )


def match_labels(truth: Columns, predictions: Columns, distance_m: float) -> I64:
    """(P,) true box that each prediction finds, -1 none: class by class, by falling score (see `match_in_order`)."""
    out = np.full(len(predictions), -1, np.int64)
    for label in range(NUM_LABELS):
        of_truth, of_ours = (np.flatnonzero(c.label == label) for c in (truth, predictions))
        if label == UNKNOWN or not len(of_truth) or not len(of_ours):
            continue
        order = np.argsort(-predictions.score[of_ours], kind="stable")
        true, ours = truth.select(truth.label == label), predictions.select(predictions.label == label)
        partner = match_in_order(true, ours, order, (distance_m,))[0]
        out[of_ours[order]] = np.where(partner >= 0, of_truth[partner], -1)
    return out


def inverse(finds: I64, size: int) -> I64:
    """(size,) who finds each: the index in `finds`, -1 nobody."""
    out = np.full(size, -1, np.int64)
    hit = np.flatnonzero(finds >= 0)
    out[finds[hit]] = hit
    return out


def _scored_as_one(frame: BoxFrame, min_score: float) -> BoxFrame:
    filled = dataclasses.replace(frame, score=np.where(np.isnan(frame.score), 1.0, frame.score))
    return filled.select(filled.score >= min_score)


def _ranges(boxes: Columns, ego_xy_m: F64) -> F64:
    away = np.linalg.norm(boxes.center_m[:, :2] - ego_xy_m[boxes.frame], axis=1)
    return np.where(np.isnan(away), 0.0, away)
