"""Beyond hits and misses: do scores hold, is what matters seen, are tracks steady, are covariances right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, LABELS, UNKNOWN
from perception_nodes.evaluation import (
    BoxFrame,
    EvaluationConfig,
    Matches,
    MovingBoxes,
    Paired,
    Reliability,
    SafetyConfig,
    detection_calibration,
    existence_reliability,
    match_by_score,
    nees,
    risk_ranked_recall,
    safety_rows,
    support_errors,
    track_consistency,
    truth_consistency,
    ttc_weighted_recall,
)
from perception_nodes.evaluation.association import pair_nearest
from perception_nodes.evaluation.bootstrap import Resampling, jackknife_intervals
from perception_nodes.evaluation.run import class_frames, class_groups
from perception_nodes.geometry import wrap_angle

from .figures import JACKKNIFE, NONE, Figure, RatioSample, of_rate, of_share, plain, sampled, spread
from .recording import Recording

F64 = npt.NDArray[np.float64]
_TURN_S: Final = 0.05
_RULE: Final = "centre distance"
Parts = tuple[list[Figure], dict[str, Any]]


def calibration(paired: Paired, config: EvaluationConfig, resampling: Resampling) -> Parts:
    """Whether the scores are probabilities: of the detections of each class, and of existence."""
    figures: list[Figure] = []
    curves: dict[str, Any] = {}
    for name, labels in class_groups(paired).items():
        truth, ours = class_frames(paired, labels, config)
        matched = match_by_score(truth, ours, config.match_distance_m)
        if not len(matched.hit):
            continue
        found = detection_calibration(matched.score, matched.hit, _RULE, config.match_distance_m)
        total = found.diagram.total
        figures.append(_ece(f"calibration.{name}.d_ece", matched, found.d_ece, len(truth), config))
        squared = np.bincount(matched.frame, (matched.score - matched.hit) ** 2, minlength=len(truth)).astype(
            np.float64
        )
        count = np.bincount(matched.frame, minlength=len(truth)).astype(np.float64)
        brier = RatioSample(squared, count)
        value = float(squared.sum() / count.sum())
        figures.append(
            sampled(f"calibration.{name}.brier", brier, value, (total, "predictions"), resampling, -1)
        )
        curves[name] = _diagram(found.diagram)
    truth, ours = class_frames(paired, frozenset(range(len(LABELS))), config)
    # Truth has objects of classes: of what is called unknown it cannot say whether something stands there.
    ours = tuple(frame.select(frame.label != UNKNOWN) for frame in ours)
    existence = existence_reliability(truth, ours, config.match_distance_m)
    figures += _existence(truth, ours, config, (existence.boxes, existence.tracks))
    for of, diagram in (("boxes", existence.boxes), ("tracks", existence.tracks)):
        curves[f"existence of {of}"] = _diagram(diagram)
    return figures, curves


def _existence(
    truth: Sequence[BoxFrame],
    ours: Sequence[BoxFrame],
    config: EvaluationConfig,
    found: tuple[Reliability, Reliability],
) -> list[Figure]:
    """ECE of the existence of boxes and of tracks; no sums over frames: jackknife."""

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        left = np.flatnonzero(keep).tolist()
        one = existence_reliability(
            [truth[k] for k in left], [ours[k] for k in left], config.match_distance_m
        )
        return np.array([one.boxes.ece, one.tracks.ece])

    lows, highs = jackknife_intervals(len(truth), without, np.array([d.ece for d in found]))
    out = []
    for of, diagram, low, high in zip(("boxes", "tracks"), found, lows, highs, strict=True):
        ends = spread(max(float(low), 0.0), min(float(high), 1.0))
        method = JACKKNIFE if np.isfinite(ends[0]) else NONE
        name = f"calibration.existence.{of}.ece"
        out.append(Figure(name, diagram.ece, diagram.total, f"predicted {of}", -1, "", *ends, method))
    return out


def _ece(name: str, matched: Matches, value: float, frames: int, config: EvaluationConfig) -> Figure:
    """D-ECE, which is no sum over frames: jackknife."""

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        left = keep[matched.frame]
        limit = config.match_distance_m
        found = detection_calibration(matched.score[left], matched.hit[left], _RULE, limit)
        return np.array([found.d_ece])

    lows, highs = jackknife_intervals(frames, without, np.array([value]))
    low, high = spread(max(float(lows[0]), 0.0), min(float(highs[0]), 1.0))
    method = JACKKNIFE if np.isfinite(low) else NONE
    return Figure(name, value, len(matched.hit), "predictions", -1, "", low, high, method)


def _diagram(diagram: Reliability) -> dict[str, Any]:
    names = ("edges", "count", "confidence", "accuracy", "low", "high")
    out: dict[str, Any] = plain({n: getattr(diagram, n) for n in names})
    return out


def safety(
    paired: Paired, recording: Recording | None, config: EvaluationConfig, resampling: Resampling
) -> list[Figure]:
    """Recall that counts what the vehicle is about to meet, of truth that is asked for; nothing without its path."""
    asked, ours = class_frames(paired, frozenset(range(len(LABELS))), config)
    return _safety(replace(paired, truth=asked, predictions=ours), recording, resampling)


def _safety(paired: Paired, recording: Recording | None, resampling: Resampling) -> list[Figure]:
    ego = _ego_boxes(paired, recording)
    if ego is None:
        return []
    config = SafetyConfig()
    rows = safety_rows(paired.truth, paired.predictions, ego, config)
    weighted = ttc_weighted_recall(rows)
    known = rows.rank > 0
    frames = len(paired.truth)
    weight = np.where(known, rows.weight, 0.0)
    sample = RatioSample(
        _summed(rows.frame, weight * rows.found, frames),
        _summed(rows.frame, weight, frames),
    )
    count = (weighted.all.plain.total, "true boxes of known motion")
    out = [sampled("safety.ttc_weighted_recall", sample, weighted.all.weighted, count, resampling, 1)]
    for part in weighted.by_class:
        mine = np.where(rows.label == LABEL_INDEX[part.name], weight, 0.0)
        found, all_of = (_summed(rows.frame, w, frames) for w in (mine * rows.found, mine))
        count = (part.plain.total, "true boxes of known motion")
        name = f"safety.ttc_weighted_recall.{part.name}"
        out.append(sampled(name, RatioSample(found, all_of), part.weighted, count, resampling, 1))
    ranks = risk_ranked_recall(rows).ranks
    out += [of_share(f"safety.recall.{p.name}", p.plain, "true boxes of this risk", 1) for p in ranks]
    errors = support_errors(paired.truth, paired.predictions, config)
    count = (len(errors.error_m), "objects found")
    counts = np.bincount(errors.frame, minlength=frames).astype(np.float64)
    bias = RatioSample(_summed(errors.frame, errors.error_m, frames), counts)
    out.append(sampled("safety.support_distance_bias_m", bias, errors.bias_m, count, resampling, 0, "m"))
    name = "safety.support_distance_p95_too_far_m"

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        return np.array([replace(errors, error_m=errors.error_m[keep[errors.frame]]).p95_too_far_m])

    lows, highs = jackknife_intervals(frames, without, np.array([errors.p95_too_far_m]))
    ends = spread(max(float(lows[0]), 0.0), float(highs[0]))
    method = JACKKNIFE if np.isfinite(ends[0]) else NONE
    out.append(Figure(name, errors.p95_too_far_m, *count, -1, "m", *ends, method))
    return out


def _summed(frame: npt.NDArray[np.int64], values: npt.NDArray[Any], frames: int) -> F64:
    """(F,) sum of the values of each frame."""
    return np.bincount(frame, values, minlength=frames).astype(np.float64)


def _ego_boxes(paired: Paired, recording: Recording | None) -> MovingBoxes | None:
    """The vehicle as a rectangle per truth frame: centre, heading and speed from its poses."""
    if recording is None or not paired.truth:
        return None
    stamps = [f.stamp_ns for f in paired.truth]
    poses = [recording.ego.at(s) for s in stamps]
    if any(p is None for p in poses):
        return None
    step = round(_TURN_S * 1e9)
    velocity, xy, yaw = [], [], []
    for stamp, pose in zip(stamps, poses, strict=True):
        assert pose is not None
        ends = [(s, recording.ego.at(s)) for s in (stamp - step, stamp, stamp + step)]
        known = [(s, p.translation_m[:2]) for s, p in ends if p is not None]
        span = (known[-1][0] - known[0][0]) * 1e-9
        velocity.append((known[-1][1] - known[0][1]) / span if span > 0 else np.zeros(2))
        ahead = np.array([recording.rig.base_to_center_m, 0.0, 0.0])
        xy.append(np.asarray(pose.apply(ahead[None]))[0, :2])
        yaw.append(pose.yaw_rad)
    size = np.tile(recording.rig.vehicle_lwh_m[:2], (len(stamps), 1))
    return MovingBoxes(np.array(xy), size.astype(np.float64), np.array(yaw), np.array(velocity))


def consistency(paired: Paired, tracks: tuple[BoxFrame, ...]) -> list[Figure]:
    """Flicker, splits, heading flips and what rests but moves, per 1000 object-seconds."""
    own = track_consistency(tracks)
    ours = tuple(
        replace(p, ego_xy_m=t.ego_xy_m) for t, p in zip(paired.truth, paired.predictions, strict=True)
    )
    both = truth_consistency(paired.truth, ours)
    alone = ("appearances", "disappearances", "gaps", "heading_flips", "velocity_jumps")
    against = ("losses", "splits", "switches", "merges", "swaps", "moving_at_rest")
    out = [of_rate(f"consistency.{name}", getattr(own, name)) for name in alone]
    return out + [of_rate(f"consistency.{name}", getattr(both, name)) for name in against]


def covariances(
    paired: Paired, recording: Recording | None, config: EvaluationConfig, resampling: Resampling
) -> Iterator[Figure]:
    """NEES and coverage of the tracks' position and heading, of the pairs nearest to each other."""
    if recording is None:
        return
    frames = {f.boxes.stamp_ns: f for f in recording.track_frames}
    errors, spreads, of_frame = [], [], []
    for number, (true, ours) in enumerate(zip(paired.truth, paired.predictions, strict=True)):
        frame = frames.get(ours.stamp_ns)
        if frame is None or not len(ours):
            continue
        rows, columns = pair_nearest(true, ours, config.match_distance_m)
        place = {int(i): k for k, i in enumerate(frame.boxes.id.tolist())}
        k = np.array([place[int(i)] for i in ours.id[columns]], np.int64)
        step = ours.center_m[columns, :2] - true.center_m[rows, :2]
        turn = wrap_angle(ours.yaw_rad[columns] - true.yaw_rad[rows])
        errors.append(np.column_stack([step, turn]))
        of_frame.append(np.full(len(turn), number))
        spreads.append(frame.covariance[k][:, :3, :3])
    if not errors or not sum(len(e) for e in errors):
        return
    for name, columns_of in (("position", (0, 1)), ("pose", (0, 1, 2))):
        index = np.array(columns_of)
        found = nees(
            np.concatenate(errors)[:, index],
            np.concatenate(spreads)[:, index[:, None], index[None]],
            (2,) if 2 in columns_of else (),
        )
        of = f"pairs; a right covariance gives {len(index)}"
        known = np.isfinite(found.squared)
        frame_of, total = np.concatenate(of_frame)[known], len(paired.truth)
        sums = _summed(frame_of, found.squared[known], total)
        sample = RatioSample(sums, _summed(frame_of, np.ones(len(frame_of)), total))
        count = (found.count, of)
        yield sampled(f"covariance.{name}.nees", sample, found.mean, count, resampling, 0)
        for level in found.coverage:
            of = f"pairs; wanted {level.level:g}"
            yield of_share(f"covariance.{name}.coverage.{level.level:g}", level.share, of, 0)
