"""`perception tune scores`: what a detector's score means, fitted by logistic regression over score and range.

log odds of being true = slope (score + per_m range - even). True is what overlaps a labelled object of the class
enough, however occluded; detections on neighbouring classes, and those that the benchmark excuses, say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.evaluation.tracking.kitti_table import KittiTrackingConfig, build_table

from .config import TrackConfig, class_config
from .kitti import results
from .tune import figures
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

F64 = npt.NDArray[np.float64]
_STEPS: Final = 50
# Of a normal prior on the slopes (inverse variance): a fit of few detections stays finite.
_RIDGE: Final = 1.0


class Samples(NamedTuple):
    """Detections with what is known of them: score and range_m (N,), true (N,)."""

    score: F64
    range_m: F64
    true: npt.NDArray[np.bool_]


class Meaning(NamedTuple):
    """What is fitted; the fields of `TrackConfig` with `score_` before their names."""

    even: float
    slope: float
    per_m: float

    def applied(self, config: TrackConfig) -> TrackConfig:
        """The configuration with these numbers."""
        return replace(config, score_even=self.even, score_slope=self.slope, score_per_m=self.per_m)


def judged(truth: Sequence[KittiObjects], frames: Sequence[KittiObjects], label: str) -> Samples:
    """The detections of one sequence that can be called true or false."""
    numbered = [
        replace(f, track_id=np.arange(len(f)), type=np.array([label] * len(f), np.str_)) for f in frames
    ]
    plain = [
        replace(f, occluded=np.zeros_like(f.occluded), truncated=np.zeros_like(f.truncated)) for f in truth
    ]
    table = build_table({"": plain}, {"": numbered}, label, KittiTrackingConfig())
    true, known = np.zeros((2, len(table.result_track)), bool)
    known |= ~table.excused
    known[table.pair_result] = False
    hits = table.pair_result[~table.neutral[table.pair_truth]]
    true[hits] = known[hits] = True
    range_m = np.concatenate([np.hypot(f.bottom_m[:, 0], f.bottom_m[:, 2]) for f in frames])
    return Samples(table.result_score[known], range_m[known], true[known])


def fit_scores(samples: Sequence[Samples], with_range: bool = True) -> Meaning:
    """Most likely numbers. Raises InputError where nothing is true, or nothing false, or scores say nothing."""
    score, range_m, true = (np.concatenate(part) for part in zip(*samples, strict=True))
    if true.all() or not true.any():
        raise InputError(
            f"scores: wanted true and false detections, got {int(true.sum())} true of {len(true)}: "
            "leave the class out, or name more --sequences"
        )
    columns = [np.ones(len(true)), score, *([range_m / 10.0] if with_range else [])]
    known, weights = np.column_stack(columns), np.zeros(len(columns))
    ridge = np.diag([1e-6] + [_RIDGE] * (len(columns) - 1))
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(known @ weights, -30.0, 30.0)))
        curved = known.T @ (known * (p * (1 - p))[:, None]) + ridge
        step = np.linalg.solve(curved, known.T @ (true - p) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    bias, slope = float(weights[0]), float(weights[1])
    if slope <= 0.01:
        raise InputError(f"scores: a higher score does not mean more true detections: slope {slope:.3f}")
    return Meaning(-bias / slope, slope, float(weights[2]) / 10.0 / slope if with_range else 0.0)


def surprise(samples: Samples, meaning: Meaning) -> float:
    """Sum over the detections of -ln(probability of what they are)."""
    odds = meaning.slope * (samples.score + meaning.per_m * samples.range_m - meaning.even)
    return float(np.logaddexp(0.0, np.where(samples.true, -odds, odds)).sum())


def scores_and_tell(options: TuneOptions, console: Console) -> Mapping[str, Meaning]:
    """Fit on all sequences and on all but each one, with and without range; print both, and how each sequence is
    tracked with the meaning that the others give.
    """
    truth, inputs = read_inputs(options)
    samples = {n: judged(truth[n], inputs[n]["frames"], options.label) for n in truth}
    count = sum(len(s.true) for s in samples.values())
    out: dict[str, Meaning] = {}
    for name, with_range in (("score", False), ("score and range", True)):
        others = {n: fit_scores([s for m, s in samples.items() if m != n], with_range) for n in samples}
        left_out = sum(surprise(samples[n], others[n]) for n in samples) / count
        out[name] = fit_scores(list(samples.values()), with_range)
        numbers = ", ".join(f"{k} {v:.3f}" for k, v in out[name]._asdict().items())
        console.print(f"{options.label}, {name}: {numbers}; left out {left_out:.4f} nats", highlight=False)
        found = _tracked(options.label, inputs, others)
        row = " ".join(figures(kitti_tracking(truth, found, options.label)))
        console.print(f"  tracked, each sequence with the fit of the others: {row}", highlight=False)
    return out


def _tracked(label: str, inputs: Mapping[str, Mapping[str, object]], fits: Mapping[str, Meaning]) -> Truth:
    out: Truth = {}
    for name, one in inputs.items():
        config = fits[name].applied(class_config(label))
        out[name] = results(passed(label, config, one), label, config)
    return out
