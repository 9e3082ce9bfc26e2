"""Offline: tracks with what came later. Broken tracks are linked, short gaps filled, positions smoothed.

Fixed-interval smoothing (Rauch, Tung, Striebel, AIAA Journal 3(8), 1965) of a constant-velocity model for each axis of
the frame that the boxes are in; sizes are the median over the track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation.kitti_objects import KittiObjects, join
from perception_nodes.geometry import wrap_angle
from perception_nodes.tracking.smoothing import SmoothingNoise, smoothed_path

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_NOISE: Final = SmoothingNoise(position_m=0.15, acceleration_mps2=4.0, speed_mps=20.0)
_PERIOD_S: Final = 0.1


@dataclass(frozen=True)
class SmoothConfig:
    """link_s, link_m: longest gap and largest miss of the extrapolation at which two tracks are one; fill_s: longest
    gap that is filled.
    """

    link_s: float = 1.5
    link_m: float = 2.0
    fill_s: float = 1.5


def smoothed(frames: Sequence[KittiObjects], config: SmoothConfig | None = None) -> list[KittiObjects]:
    """The same frames with every track linked, filled and smoothed; not causal."""
    config = config or SmoothConfig()
    if not any(len(f) for f in frames):
        return list(frames)
    rows, frame = join(frames), np.repeat(np.arange(len(frames)), [len(f) for f in frames])
    rows = replace(rows, track_id=_linked(rows, frame, config))
    parts = [_smooth_one(rows.select(m), frame[m], config) for m in _members(rows.track_id)]
    out, at = join([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    order = np.lexsort((out.track_id, at))
    out, at = out.select(order), at[order]
    edge = np.searchsorted(at, np.arange(len(frames) + 1))
    return [out.select(np.arange(edge[i], edge[i + 1])) for i in range(len(frames))]


def _members(ids: I64) -> list[I64]:
    return [np.flatnonzero(ids == i) for i in np.unique(ids)]


def _linked(rows: KittiObjects, frame: I64, config: SmoothConfig) -> I64:
    """(N,) ids in which a track that begins where another one has ended goes on under its id."""
    ids = rows.track_id.copy()
    spans = [(frame[m[0]], frame[m[-1]], m) for m in _members(ids)]
    ended: list[tuple[int, F64, F64, int]] = []
    for first, _, m in sorted(spans, key=lambda s: (s[0], s[2][0])):
        start = rows.bottom_m[m[0]]
        best, cost = None, config.link_m
        for k, (last, position, velocity, _) in enumerate(ended):
            gap_s = (first - last) * _PERIOD_S
            if 0 < gap_s <= config.link_s:
                miss = float(np.linalg.norm((position + velocity * gap_s - start)[[0, 2]]))
                best, cost = (k, miss) if miss < cost else (best, cost)
        number = int(ids[m[0]])
        if best is not None:
            number = ended.pop(best)[3]
            ids[m] = number
        ended.append((int(frame[m[-1]]), rows.bottom_m[m[-1]], _last_velocity(rows, frame, m), number))
    return ids


def _last_velocity(rows: KittiObjects, frame: I64, m: I64) -> F64:
    """(3,) m/s over the last half second of a track."""
    k = max(len(m) - 6, 0)
    elapsed = (frame[m[-1]] - frame[m[k]]) * _PERIOD_S
    return np.zeros(3) if elapsed == 0 else (rows.bottom_m[m[-1]] - rows.bottom_m[m[k]]) / elapsed


def _smooth_one(track: KittiObjects, frame: I64, config: SmoothConfig) -> tuple[KittiObjects, I64]:
    """One track: frames in between added where the gap is short, positions smoothed, one size."""
    gap = np.diff(frame)
    short = (gap > 1) & (gap * _PERIOD_S <= config.fill_s)
    added = [np.arange(a + 1, b) for a, b in zip(frame[:-1][short], frame[1:][short], strict=True)]
    at = np.sort(np.concatenate([frame, *added])).astype(np.int64)
    nearest = np.searchsorted(frame, at, side="right") - 1
    measured = frame[nearest] == at
    out = track.select(nearest)
    time_s = np.asarray(at * _PERIOD_S, np.float64)
    position, _ = smoothed_path(time_s, track.bottom_m[nearest], measured, _NOISE)
    yaw = np.interp(at, frame, np.unwrap(track.rotation_y_rad))
    box = np.stack([np.interp(at, frame, track.bbox_px[:, k]) for k in range(4)], axis=1)
    changed = {"bottom_m": position, "rotation_y_rad": np.asarray(wrap_angle(yaw)), "bbox_px": box}
    alpha = np.asarray(wrap_angle(yaw - np.arctan2(position[:, 0], position[:, 2])))
    size = np.broadcast_to(np.median(track.hwl_m, axis=0), out.hwl_m.shape).copy()
    return replace(out, alpha_rad=alpha, hwl_m=size, **changed), at
