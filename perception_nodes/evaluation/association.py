"""One-to-one pairs of true boxes and tracks, frame by frame, for measures that are not about a score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

from .boxes import BoxFrame, center_distance

I64 = npt.NDArray[np.int64]

# More than any sum of distances within a gate: as many pairs as possible come first, then kept ones, then short ones.
_PAIR, _KEPT = 1e8, 1e4


def check_frames(name: str, frames: Sequence[BoxFrame]) -> None:
    """Raise InputError if the stamps do not increase strictly."""
    for before, after in pairwise(frames):
        if after.stamp_ns <= before.stamp_ns:
            raise InputError(
                f"{name}: wanted increasing stamps, got {after.stamp_ns} after {before.stamp_ns}"
            )


def check_paired(truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame]) -> None:
    """Raise InputError unless there are as many frames of both, each in the order of time."""
    if len(truth) != len(predictions):
        raise InputError(
            f"wanted paired frames, got {len(truth)} of truth and {len(predictions)} of predictions"
        )
    check_frames("truth", truth)


def pair_nearest(
    truth: BoxFrame,
    predictions: BoxFrame,
    distance_m: float,
    previous: Mapping[int, int] | None = None,
    same_label: bool = False,
) -> tuple[I64, I64]:
    """Rows of truth and predictions that belong together, (K,) each: closer than `distance_m` seen from above.

    As many pairs as possible, then as many of `previous` (truth id -> track id) as possible, then the least sum of
    distances. (Kuhn, Naval Research Logistics 1955, as scipy solves it.)
    """
    from scipy.optimize import linear_sum_assignment

    distance = center_distance(truth, predictions)
    allowed = distance < distance_m
    if same_label:
        allowed &= truth.label[:, None] == predictions.label[None]
    kept = np.array([(previous or {}).get(int(t), -1) for t in truth.id], np.int64)
    has = np.array([int(t) in (previous or {}) for t in truth.id], bool)
    bonus = _KEPT * (has[:, None] & (kept[:, None] == predictions.id[None]))
    rows, cols = linear_sum_assignment(np.where(allowed, distance - _PAIR - bonus, 0.0))
    good = allowed[rows, cols]
    return rows[good].astype(np.int64), cols[good].astype(np.int64)


def follow(
    truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], distance_m: float
) -> Iterator[dict[int, int]]:
    """For each frame, which track (id) follows which true object (id); a pair that was stays together if it can.

    An object's last track counts as its own through a gap.
    """
    last: dict[int, int] = {}
    for true, ours in zip(truth, predictions, strict=True):
        rows, cols = pair_nearest(true, ours, distance_m, last)
        pairs = dict(zip(true.id[rows].tolist(), ours.id[cols].tolist(), strict=True))
        taken = set(pairs.values())
        last = {t: p for t, p in last.items() if p not in taken} | pairs
        yield pairs
