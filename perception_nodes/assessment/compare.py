"""The difference of every figure to a baseline, with its interval."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perception_nodes.datatypes import InputError

from .evaluate import Evaluation
from .figures import Figure, Sample, plain, sample_of_dict

PAIRED: Final = "paired bootstrap"
UNPAIRED: Final = "intervals of both taken as independent"
ONE_SIDED: Final = "interval of this run only, as the baseline has none"
NONE: Final = "none"
_TOTALS: Final = (".id_switches", ".fragments", ".false_positives", ".false_negatives")
# Sums by frame are kept to nine digits.
_ROUNDING: Final = 1e-7


@dataclass(frozen=True, eq=False)
class Baseline:
    """Figures of an earlier run. evaluation.json has intervals and samples by frame, summary.json only values."""

    path: Path
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    samples: Mapping[str, Any]
    stamps_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """This run minus the baseline; low, high: 95 % interval (NaN: none), method: how it was made.

    verdict: better, worse, or "" where the interval holds 0, there is none, or neither direction is better.
    """

    name: str
    value: float
    baseline: float
    difference: float
    low: float
    high: float
    method: str
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """As in evaluation.json."""
        out: dict[str, Any] = plain({k: getattr(self, k) for k in self.__dataclass_fields__ if k != "name"})
        return out


def read_baseline(path: Path) -> Baseline:
    """An evaluation.json or summary.json, or a folder with one of them. Raises InputError for anything else."""
    if path.is_dir():
        inside = [path / n for n in ("evaluation.json", "summary.json") if (path / n).is_file()]
        if not inside:
            raise InputError(f"{path}: no evaluation.json and no summary.json in it")
        path = inside[0]
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from error
    if isinstance(data, dict) and isinstance(data.get("figures"), dict):
        return _of_evaluation(path, data)
    if isinstance(data, dict) and "metrics" in data:
        return _of_summary(path, data["metrics"])
    raise InputError(f"{path}: wanted an evaluation.json (`figures`) or a summary.json (`metrics`)")


def differences(evaluation: Evaluation, baseline: Baseline) -> list[Difference]:
    """Of every figure that both have. Raises InputError if they have none in common.

    Paired where both have the same frames: the same frames are drawn in each resample of both.
    """
    stamps = tuple(f.stamp_ns for f in evaluation.paired.truth)
    same = bool(stamps) and stamps == baseline.stamps_ns
    out = [
        _difference(figure, baseline, evaluation, same)
        for name, figure in evaluation.figures.items()
        if name in baseline.values
    ]
    if not out:
        raise InputError(f"{baseline.path}: no figure in common with this evaluation ({evaluation.protocol})")
    return out


def _difference(figure: Figure, baseline: Baseline, evaluation: Evaluation, same: bool) -> Difference:
    before = baseline.values[figure.name]
    step = figure.value - before
    low, high, method = _interval(figure, baseline, evaluation, same, step)
    verdict = ""
    # Totals of recordings of different length say nothing about each other.
    comparable = same or not figure.name.endswith(_TOTALS)
    if comparable and figure.better and math.isfinite(low) and (low > _ROUNDING or high < -_ROUNDING):
        verdict = "better" if (step > 0) == (figure.better > 0) else "worse"
    return Difference(figure.name, figure.value, before, step, low, high, method, verdict)


def _interval(
    figure: Figure, baseline: Baseline, evaluation: Evaluation, same: bool, step: float
) -> tuple[float, float, str]:
    theirs: Sample | None = None
    if same and figure.name in baseline.samples:
        theirs = sample_of_dict(baseline.samples[figure.name])
    if figure.sample is not None and theirs is not None:
        drawn = evaluation.resampling
        low, high = drawn.interval(figure.sample.values(drawn) - theirs.values(drawn))
        if math.isfinite(low):
            return low, high, PAIRED
    ours = (figure.value - figure.low, figure.high - figure.value)
    if not all(math.isfinite(v) for v in ours):
        return math.nan, math.nan, NONE
    if figure.name not in baseline.intervals:
        return step - ours[0], step + ours[1], ONE_SIDED
    before = baseline.values[figure.name]
    low, high = baseline.intervals[figure.name]
    return step - math.hypot(ours[0], high - before), step + math.hypot(ours[1], before - low), UNPAIRED


def _of_evaluation(path: Path, data: dict[str, Any]) -> Baseline:
    try:
        figures = data["figures"]
        values = {n: float(f["value"]) for n, f in figures.items() if f["value"] is not None}
        ends = {
            n: (float(f["low"]), float(f["high"]))
            for n, f in figures.items()
            if n in values and f["low"] is not None and f["high"] is not None
        }
        by_frame = data["by_frame"]
        return Baseline(path, values, ends, by_frame["samples"], tuple(by_frame["stamps_ns"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: wanted the layout of evaluation.json: {error!r}") from error


def _of_summary(path: Path, metrics: Any) -> Baseline:
    if not isinstance(metrics, dict) or not isinstance(metrics.get("classes"), dict):
        raise InputError(f"{path}: its `metrics` hold no scores: the run had no truth")
    values: dict[str, float] = {}
    for name, scores in metrics["classes"].items():
        for key, value in scores.items():
            for end, number in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(number, int | float):
                    values[f"own.{name}.{key}" + (f".{end}" if end else "")] = float(number)
    return Baseline(path, values, {}, {})
