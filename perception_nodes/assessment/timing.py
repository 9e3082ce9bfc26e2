"""What of the tracks was there in time: streaming figures, and how soon a new object was reported."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS
from perception_nodes.evaluation import (
    EvaluationConfig,
    Output,
    Paired,
    ReactionTimes,
    Streamed,
    average_precision,
    match_by_score,
    reaction_times,
    stream,
)
from perception_nodes.evaluation.bootstrap import CONFIDENCE, Resampling
from perception_nodes.evaluation.run import class_frames, class_groups

from .figures import EXACT, NONE, ApSample, Figure, RatioSample, sampled
from .recording import Recording

F64 = npt.NDArray[np.float64]


def timing(
    paired: Paired, recording: Recording | None, config: EvaluationConfig, resampling: Resampling
) -> list[Figure]:
    """Streaming AP and recall by class, age of what is known, reaction times; nothing without times of publication."""
    if recording is None or not recording.outputs or not paired.truth:
        return []
    outputs = [_in_wall_time(o, recording.rate) for o in recording.outputs]
    streamed = stream(paired.truth, outputs)
    everything = Paired(paired.truth, paired.predictions, 0, 0)
    asked, _ = class_frames(everything, frozenset(range(len(LABELS))), config)
    reactions = reaction_times(asked, outputs, max(config.min_points, 1), config.match_distance_m)
    return [
        *_of_classes(streamed.paired, config, resampling),
        *_of_frames(streamed, resampling),
        *_of_reactions(reactions),
    ]


def _in_wall_time(output: Output, rate: float) -> Output:
    """Played at another rate, the computing took `rate` times its time of the recording's clock."""
    stamp = output.boxes.stamp_ns
    return Output(stamp + round((output.published_ns - stamp) / rate), output.boxes)


def _of_classes(paired: Paired, config: EvaluationConfig, resampling: Resampling) -> list[Figure]:
    out = []
    for name, labels in class_groups(paired).items():
        truth, ours = class_frames(paired, labels, config)
        found = match_by_score(truth, ours, config.match_distance_m)
        if not found.num_truth:
            continue
        asked = np.array([len(f) for f in truth], np.float64)
        hits = np.bincount(found.frame[found.hit], minlength=len(truth)).astype(np.float64)
        count = (found.num_truth, "true boxes")
        ap = ApSample(found.hit, found.frame, asked)
        recall = RatioSample(hits, asked)
        out.append(sampled(f"streaming.{name}.ap", ap, average_precision(found), count, resampling, 1))
        value = float(hits.sum() / asked.sum())
        out.append(sampled(f"streaming.{name}.recall", recall, value, count, resampling, 1))
    return out


def _of_frames(streamed: Streamed, resampling: Resampling) -> list[Figure]:
    known = streamed.output >= 0
    frames = len(known)
    ones, has = np.ones(frames), known.astype(np.float64)
    age = RatioSample(np.where(known, streamed.age_s, 0.0), has)
    old = RatioSample(np.where(known, streamed.mismatch_frames, 0.0), has)
    in_time = RatioSample(streamed.in_time.astype(np.float64), ones)
    mean_age_s = float(streamed.age_s[known].mean()) if known.any() else math.nan
    with_output = (int(known.sum()), "frames with an output")
    late = streamed.mean_mismatch_frames
    all_of = (frames, "frames of truth")
    return [
        sampled("streaming.in_time_share", in_time, streamed.in_time_share, all_of, resampling, 1),
        sampled("streaming.age_s", age, mean_age_s, with_output, resampling, -1, "s"),
        sampled("streaming.mismatch_frames", old, late, with_output, resampling, -1, "frames"),
        Figure("streaming.frames_without_output", streamed.misses, *all_of, -1),
    ]


def _of_reactions(found: ReactionTimes) -> list[Figure]:
    times_s = found.time_s[~found.from_start]
    of = "true objects that came to be seen"
    out = []
    for percent, value_s in ((50, found.p50_s), (95, found.p95_s)):
        low, high = percentile_interval(times_s, percent / 100)
        method = EXACT if math.isfinite(low) else NONE
        name = f"reaction_time.p{percent}_s"
        out.append(Figure(name, value_s, len(times_s), of, -1, "s", low, high, method))
    return [*out, Figure("reaction_time.never", int(np.isinf(times_s).sum()), len(times_s), of, -1)]


def percentile_interval(values: F64, share: float) -> tuple[float, float]:
    """Between which order statistics the percentile of the population lies (binomial); NaN if an end is not known."""
    from scipy.stats import binom

    count = len(values)
    if not count:
        return math.nan, math.nan
    tail = (1 - CONFIDENCE) / 2
    first = int(binom.ppf(tail, count, share))
    last = int(binom.ppf(1 - tail, count, share)) + 1
    if first < 1 or last > count:
        return math.nan, math.nan
    ordered = np.sort(values)
    low, high = float(ordered[first - 1]), float(ordered[last - 1])
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (math.nan, math.nan)
