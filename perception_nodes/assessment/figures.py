"""A figure with its count and interval, and what is needed by frame to draw resamples of it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.bootstrap import Resampling, ap_values, ratio_values
from perception_nodes.evaluation.proportions import EventRate, Share

F64 = npt.NDArray[np.float64]

BOOTSTRAP = "bootstrap"
JACKKNIFE = "jackknife"
EXACT = "exact"
NONE = "none"


@dataclass(frozen=True, eq=False)
class RatioSample:
    """numerator and denominator (F,) by frame; the figure is offset + scale * sum / sum."""

    numerator: F64
    denominator: F64
    offset: float = 0.0
    scale: float = 1.0

    def values(self, resampling: Resampling) -> F64:
        """(R,) the figure in each resample."""
        return self.offset + self.scale * ratio_values(resampling, self.numerator, self.denominator)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "numerator": _short(self.numerator),
            "denominator": _short(self.denominator),
            "offset": self.offset,
            "scale": self.scale,
        }


@dataclass(frozen=True, eq=False)
class ApSample:
    """Predictions by falling score: hit, frame (P,); num_truth (F,)."""

    hit: npt.NDArray[np.bool_]
    frame: npt.NDArray[np.int64]
    num_truth: F64

    def values(self, resampling: Resampling) -> F64:
        """(R,) AP in each resample."""
        return ap_values(resampling, self.hit, self.frame, self.num_truth)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "hit": self.hit.astype(int).tolist(),
            "frame": self.frame.tolist(),
            "num_truth": _short(self.num_truth),
        }


Sample = RatioSample | ApSample


@dataclass(frozen=True, eq=False)
class Figure:
    """One number. count: how many things it is made of, `of` says what; better: 1 higher, -1 lower, 0 neither.

    low, high: 95 % interval, NaN where there is none; method: how the interval was made. sample: by frame, to draw
    resamples again (paired with those of a baseline).
    """

    name: str
    value: float
    count: int
    of: str
    better: int = 0
    unit: str = ""
    low: float = math.nan
    high: float = math.nan
    method: str = NONE
    sample: Sample | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in evaluation.json; what is not defined is None."""
        return {
            "value": plain(self.value),
            "low": plain(self.low),
            "high": plain(self.high),
            "method": self.method,
            "count": self.count,
            "of": self.of,
            "better": {1: "higher", -1: "lower", 0: None}[self.better],
            "unit": self.unit,
        }


def sampled(
    name: str,
    sample: Sample,
    value: float,
    count: tuple[int, str],
    resampling: Resampling,
    better: int,
    unit: str = "",
) -> Figure:
    """A figure whose interval comes from resampling."""
    low, high = spread(*resampling.interval(sample.values(resampling)))
    method = BOOTSTRAP if math.isfinite(low) else NONE
    return Figure(name, value, *count, better, unit, low, high, method, sample)


def spread(low: float, high: float) -> tuple[float, float]:
    """The interval, or none where every resample gave the same: of what never or always happened it says nothing."""
    return (low, high) if high > low else (math.nan, math.nan)


def of_share(name: str, share: Share, of: str, better: int) -> Figure:
    """A share with its exact binomial interval."""
    return Figure(name, share.value, share.total, of, better, "", *share.interval, EXACT)


def of_rate(name: str, rate: EventRate) -> Figure:
    """Events in 1000 object-seconds, with the exact interval of a Poisson rate; fewer are better."""
    low, high = rate.interval_per_1000_s
    return Figure(
        name, rate.per_1000_s, rate.count, "events", -1, "per 1000 object-seconds", low, high, EXACT
    )


def sample_of_dict(data: Mapping[str, Any]) -> Sample:
    """What `to_dict` of a sample has written. Raises InputError for anything else."""
    try:
        if "hit" in data:
            hit, frame = np.array(data["hit"], bool), np.array(data["frame"], np.int64)
            return ApSample(hit, frame, np.array(data["num_truth"], np.float64))
        above, below = (np.array(data[key], np.float64) for key in ("numerator", "denominator"))
        return RatioSample(above, below, float(data["offset"]), float(data["scale"]))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"evaluation.json: a sample by frame is damaged: {error!r}") from error


def plain(value: Any) -> Any:
    """Values as JSON has them: numpy scalars and arrays as Python's, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(values: F64) -> list[float]:
    """Sums by frame to nine digits; whole numbers without a point."""
    return [int(v) if v == int(v) else float(f"{v:.9g}") for v in values.tolist()]
