"""Intervals of the figures of a slice: whole objects are drawn anew.

Source: Efron, Annals of Statistics 1979; groups: Davison and Hinkley, Bootstrap Methods and their Application, 1997,
section 3.8. The interval is the percentile one. Differs from `evaluation.bootstrap`, which draws blocks of frames and
so says what other moments would have given: a slice is often few objects seen for long, and what would differ in
another recording are the objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

F64 = npt.NDArray[np.float64]

RESAMPLES = 1000
_BATCH = 100


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; NaN where there is nothing to divide by, the bounds also with a single group."""

    value: float
    low: float
    high: float
    groups: int


def ratio_interval(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    group: npt.ArrayLike,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """sum(numerator) / sum(denominator) over (N,) samples, each belonging to `group` (N,), which are drawn anew.

    A recall takes hits and ones, a mean takes values and ones. The same seed gives the same interval. Raises InputError
    for other shapes, values that are not finite, or a confidence outside 0..1.
    """
    top, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    names = np.asarray(group)
    if not top.ndim == below.ndim == names.ndim == 1 or not len(top) == len(below) == len(names):
        raise InputError(f"bootstrap: wanted three (N,), got {top.shape}, {below.shape} and {names.shape}")
    if not (np.isfinite(top).all() and np.isfinite(below).all()):
        raise InputError("bootstrap: a sample is not finite")
    if not 0 < confidence < 1:
        raise InputError(f"bootstrap: wanted a confidence between 0 and 1, got {confidence}")
    _, which = np.unique(names, return_inverse=True)
    tops = np.asarray(np.bincount(which, top), np.float64)
    belows = np.asarray(np.bincount(which, below), np.float64)
    total = belows.sum()
    value = float(tops.sum() / total) if total > 0 else float("nan")
    if len(tops) < 2 or not total > 0:
        return Interval(value, float("nan"), float("nan"), len(tops))
    low, high = np.nanquantile(_drawn(tops, belows, seed), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), len(tops))


def _drawn(tops: F64, belows: F64, seed: int) -> F64:
    """(RESAMPLES,) the ratio of so many draws of as many groups, NaN where a draw has nothing to divide by."""
    rng = np.random.default_rng(seed)
    out = np.empty(RESAMPLES)
    for k in range(0, RESAMPLES, _BATCH):
        picked = rng.integers(0, len(tops), (_BATCH, len(tops)))
        below = belows[picked].sum(axis=1)
        out[k : k + _BATCH] = np.divide(
            tops[picked].sum(axis=1), below, out=np.full(_BATCH, np.nan), where=below > 0
        )
    return out
