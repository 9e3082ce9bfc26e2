"""Which misses belong to a time in which inputs were missing or dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .causes import Outage
from .scene import Scene

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SILENCE = "all inputs"


def silent_spells(scene: Scene) -> tuple[Outage, ...]:
    """Runs of frames without any prediction between frames that have some, where truth was found before or after."""
    empty = np.bincount(scene.predictions.frame, minlength=len(scene.stamp_ns)) == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty.astype(np.int8), [0]])))
    if empty.all():
        return ()
    return tuple(
        Outage(SILENCE, int(scene.stamp_ns[a]), int(scene.stamp_ns[b - 1]), reason="no predictions at all")
        for a, b in zip(edges[::2], edges[1::2], strict=True)
        if b - a >= scene.config.silent_frames
    )


def misses_by_outage(scene: Scene, outages: Sequence[Outage]) -> tuple[I64, Mask]:
    """(T,) outage of each miss that one explains, -1 none; and (len(outages),) whether each was felt at all.

    The outages of one sensor and sort explain misses if recall, over the objects that are found at another time, is
    lower in them by `recall_drop`. They explain the misses of those objects, also those that follow without a match in
    between for up to `recovery_s` (a tracker has to start anew).
    """
    out = np.full(len(scene.truth), -1, np.int64)
    felt = np.zeros(len(outages), bool)
    at = scene.stamp_ns[scene.truth.frame]
    for name in dict.fromkeys((o.sensor, o.dropped) for o in outages):
        group = [k for k, o in enumerate(outages) if (o.sensor, o.dropped) == name]
        inside = np.full(len(at), -1, np.int64)
        for k in group:
            inside[_during(scene, outages[k])] = k
        known = np.isin(scene.truth.id, scene.truth.id[(inside < 0) & (scene.found_by >= 0)])
        if not _recall_falls(scene, known, inside >= 0):
            continue
        hit = known & (inside >= 0) & (scene.found_by < 0)
        felt[np.unique(inside[hit])] = True
        free = out < 0
        out[hit & free] = inside[hit & free]
        after = _recovery(scene, known, inside)
        out[(after >= 0) & (out < 0)] = after[(after >= 0) & (out < 0)]
    return out, felt


def _during(scene: Scene, outage: Outage) -> Mask:
    """(T,) in the outage; none of a short one before anything was found: a tracker that starts looks the same."""
    frames = (scene.stamp_ns >= outage.start_ns) & (scene.stamp_ns <= outage.end_ns)
    found = scene.truth.frame[scene.found_by >= 0]
    first = scene.stamp_ns[found.min()] if len(found) else outage.end_ns
    if outage.start_ns <= first and frames.sum() < scene.config.silent_frames:
        return np.zeros(len(scene.truth), bool)
    return np.asarray(frames[scene.truth.frame])


def _recall_falls(scene: Scene, known: Mask, inside: Mask) -> bool:
    found = scene.found_by >= 0
    if not (known & inside).any() or not (known & ~inside).any():
        return False
    return bool(found[known & ~inside].mean() - found[known & inside].mean() > scene.config.recall_drop)


def _recovery(scene: Scene, known: Mask, inside: I64) -> I64:
    """(T,) the outage just before each miss that still follows from it, -1 none."""
    out = np.full(len(known), -1, np.int64)
    at = scene.stamp_ns[scene.truth.frame]
    limit_ns = scene.config.recovery_s * 1e9
    for who in np.unique(scene.truth.id[known & (inside >= 0)]):
        last, ended_ns = -1, 0
        for i in np.flatnonzero(scene.truth.id == who):
            if scene.found_by[i] >= 0:
                last = -1
            elif inside[i] >= 0:
                last, ended_ns = int(inside[i]), int(at[i])
            elif last >= 0 and at[i] - ended_ns <= limit_ns:
                out[i] = last
    return out
