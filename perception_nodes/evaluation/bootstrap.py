"""Intervals by resampling: how far a figure could be from its value had other moments, or other drives, been recorded.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile intervals); Politis and Romano, 1992
(circular block bootstrap). Whole blocks of successive frames are drawn, because boxes of one object in successive
frames are no independent evidence; with five scenes or more whole scenes are drawn instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

from .detection.curves import MIN_PRECISION, MIN_RECALL, RECALLS

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RESAMPLES = 500
CONFIDENCE = 0.95
BLOCK_S = 1.0
MIN_SCENES = 5
# Fewer blocks than this say nothing about how blocks differ.
MIN_BLOCKS = 4


@dataclass(frozen=True, eq=False)
class Resampling:
    """How often each of F frames was drawn in each of R resamples: weights (R, F); `unit` says what was drawn."""

    weights: F64
    unit: str

    def interval(self, values: F64) -> tuple[float, float]:
        """Percentile interval of a figure's R values; NaN if it is defined in less than half of the resamples."""
        known = values[np.isfinite(values)]
        if not len(values) or 2 * len(known) < len(values):
            return float("nan"), float("nan")
        low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)


def resample_frames(
    stamps_ns: Sequence[int], rng: np.random.Generator, resamples: int = RESAMPLES, block_s: float = BLOCK_S
) -> Resampling:
    """Draw blocks of successive frames, about `block_s` long, with replacement, as many frames as there are.

    The recording is closed to a ring, so that each frame is drawn equally often. Of recordings shorter than four
    blocks the blocks are a quarter. Less than four frames give no resamples, so that no interval is defined.
    Raises InputError on stamps that do not increase.
    """
    count = len(stamps_ns)
    steps = np.diff(np.asarray(stamps_ns, np.int64))
    if (steps <= 0).any():
        raise InputError("bootstrap: wanted increasing stamps")
    if count < MIN_BLOCKS:
        return Resampling(np.zeros((0, count)), f"nothing: {count} frames are too few")
    block = int(np.clip(round(block_s * 1e9 / float(np.median(steps))), 1, count // MIN_BLOCKS))
    blocks = -(-count // block)
    start = rng.integers(0, count, (resamples, blocks))
    frames = ((start[:, :, None] + np.arange(block)) % count).reshape(resamples, -1)[:, :count]
    return Resampling(_counted(frames, count), f"blocks of {block} of {count} frames")


def resample_scenes(scene: I64, rng: np.random.Generator, resamples: int = RESAMPLES) -> Resampling:
    """Draw whole scenes with replacement; `scene` (F,) numbers the scene of each frame from 0.

    Raises InputError with fewer than five scenes: resample frames then.
    """
    count = int(scene.max()) + 1 if len(scene) else 0
    if count < MIN_SCENES:
        raise InputError(f"bootstrap: wanted {MIN_SCENES} scenes or more, got {count}")
    drawn = _counted(rng.integers(0, count, (resamples, count)), count)
    return Resampling(drawn[:, scene], f"{count} scenes")


def ratio_values(resampling: Resampling, numerator: F64, denominator: F64) -> F64:
    """(R,) sum of `numerator` (F,) over sum of `denominator` (F,); NaN where the latter is 0."""
    over = resampling.weights @ np.asarray(denominator, np.float64)
    out: F64 = np.divide(
        resampling.weights @ np.asarray(numerator, np.float64),
        over,
        out=np.full(len(over), np.nan),
        where=over != 0,
    )
    return out


def ap_values(
    resampling: Resampling, hit: npt.NDArray[np.bool_], frame: I64, num_truth: F64, chunk: int = 64
) -> F64:
    """(R,) nuScenes AP; hit, frame (P,) of the predictions by falling score, num_truth (F,) true boxes a frame.

    A box found or missed once stays so in each resample, because matching never crosses frames; frames drawn n times
    count n times at the same score. NaN without truth.
    """
    out = np.full(len(resampling.weights), np.nan)
    total = resampling.weights @ np.asarray(num_truth, np.float64)
    first = round(100 * MIN_RECALL) + 1
    for low in range(0, len(out), chunk):
        weight = resampling.weights[low : low + chunk][:, frame]
        found = np.cumsum(weight * hit, axis=1)
        seen = np.cumsum(weight, axis=1)
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        for k in range(len(weight)):
            if total[low + k] == 0:
                continue
            at = np.interp(RECALLS, found[k] / total[low + k], precision[k], right=0) if len(frame) else 0.0
            above = np.maximum(np.broadcast_to(at, RECALLS.shape)[first:] - MIN_PRECISION, 0)
            out[low + k] = above.mean() / (1 - MIN_PRECISION)
    return out


def jackknife_intervals(
    count: int, figures: Callable[[npt.NDArray[np.bool_]], F64], values: F64, blocks: int = 10
) -> tuple[F64, F64]:
    """Ends (K,) of the intervals of figures that cannot be summed over frames (HOTA, IDF1): -+ 1.96 standard errors.

    The standard errors come from leaving out one of `blocks` equal spans of the recording at a time (delete-a-group
    jackknife); `figures` takes a mask (F,) of the frames that are kept and gives (K,). NaN with fewer than four blocks
    of frames, and where a figure is undefined without one of the blocks.
    """
    values = np.asarray(values, np.float64)
    blocks = min(blocks, count)
    if blocks < MIN_BLOCKS:
        return np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    span = np.arange(count) * blocks // count
    left_out = np.array([figures(span != k) for k in range(blocks)], np.float64)
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt((blocks - 1) / blocks * spread)
    return values - 1.96 * error, values + 1.96 * error


def _counted(drawn: I64, count: int) -> F64:
    """(R, count) how often each number occurs in each row of `drawn` (R, K)."""
    rows = np.repeat(np.arange(len(drawn)), drawn.shape[1])
    flat = np.bincount(rows * count + drawn.ravel(), minlength=len(drawn) * count)
    return flat.reshape(len(drawn), count).astype(np.float64)
