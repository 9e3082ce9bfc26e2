"""Offline (`--smooth`): tracks with what came later, for auto-labels. One way for all layouts.

The causal tracker says which detections belong together. Here pieces of broken tracks are linked; every object gets one
size, and its detections, laid into that size by the sides that are seen, a path smoothed with what came later; between
its first and its last detection it has a box in every frame. What is known later holds before: an object that exists
has existed since it was first seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import VEHICLES, Detections3D, Tracks, TrackState
from perception_nodes.geometry import Transform, wrap_angle
from perception_nodes.tracking.measurement import accepted, prepare
from perception_nodes.tracking.smoothing import SmoothingNoise, mean_heading, placed, smoothed_path, stands

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]
_ACCELERATION_MPS2: Final = 4.0
_SPEED_MPS: Final = 20.0
_LINK_SEEN: Final = 5
_LINK_M: Final = 0.3
# Of the error of a whole box, what is new in each frame.
_NEW_SHARE: Final = 0.5
_ARRAYS: Final = tuple(
    f.name for f in fields(Tracks) if f.name not in ("stamp_ns", "frame_id", "measurements")
)


@dataclass(frozen=True)
class SmoothConfig:
    """link_s, link_m: longest gap and largest miss of the extrapolation at which two tracks are one; fill_s: longest
    gap that is filled; still_m: an object whose path is shorter stands still (0: the frame itself drifts); whole_boxes:
    the detector guesses at whole objects, and their size is the median of the boxes; else it fits boxes to what is
    seen: the size is what the track has in the end, and the sides that are seen stay where they are.

    Of vehicles it is enough for a link that one of the two was seen five times; others have to be confirmed, and miss
    by no more than 0.3 m and what they may accelerate meanwhile. (What is taken for a walker in error flickers: linked,
    posts and bushes would be walkers for long.)
    """

    link_s: float = 1.5
    fill_s: float = 1.5
    link_m: float = 2.0
    still_m: float = 0.8
    whole_boxes: bool = False


class Frame(NamedTuple):
    """One step of the tracker: what it was given and the live tracks after it, both in a frame that should stand."""

    tracks: Tracks
    detections: Detections3D
    odom_from_base: Transform


class _Rows(NamedTuple):
    """All tracks of all frames (N,): the frame's number, and the row of their detection in `measured`, -1 without."""

    columns: Columns
    frame: I64
    detection: I64
    measured: npt.NDArray[Any]
    time_s: F64  # of each frame


class _Piece(NamedTuple):
    """One track: its rows in the order of time, those of them that have a detection, its smoothed path there."""

    rows: I64
    seen: I64
    path_m: F64
    velocity_mps: F64


def smoothed(frames: Sequence[Frame], config: SmoothConfig | None = None) -> list[Tracks]:
    """The live tracks of the same frames with what came later. Covariances stay those of the causal tracks."""
    config = config or SmoothConfig()
    if not any(len(f.tracks) for f in frames):
        return [f.tracks for f in frames]
    rows = _rows(frames)
    chains = _linked(rows, _pieces(rows, config), config)
    parts = [_one(rows, chain, config) for chain in chains]
    at = np.concatenate([p[0] for p in parts])
    columns = {name: np.concatenate([p[1][name] for p in parts]) for name in _ARRAYS}
    source = np.concatenate([p[2] for p in parts])
    order = np.lexsort((columns["id"], at))
    edge = np.searchsorted(at[order], np.arange(len(frames) + 1))
    first = np.cumsum([0, *(len(f.tracks) for f in frames)])
    out = []
    for k, frame in enumerate(frames):
        here = order[edge[k] : edge[k + 1]]
        sources = tuple(
            frame.tracks.measurements[i - first[k]] if i >= 0 else () for i in source[here].tolist()
        )
        arrays: dict[str, Any] = {name: values[here] for name, values in columns.items()}
        out.append(replace(frame.tracks, measurements=sources, **arrays))
    return out


def _rows(frames: Sequence[Frame]) -> _Rows:
    columns = {n: np.concatenate([getattr(f.tracks, n) for f in frames]) for n in _ARRAYS}
    detection, measured, count = [], [], 0
    for frame in frames:
        good = accepted(frame.detections)[0]
        row_of = {number: count + i for i, number in enumerate(good.detection_id.tolist())}
        detection += [row_of[m[0].detection_id] if m else -1 for m in frame.tracks.measurements]
        measured.append(prepare(good, frame.odom_from_base.translation_m[:2]).rows)
        count += len(good)
    return _Rows(
        columns,
        np.repeat(np.arange(len(frames)), [len(f.tracks) for f in frames]),
        np.array(detection, np.int64),
        np.concatenate(measured),
        np.array([f.tracks.stamp_ns - frames[0].tracks.stamp_ns for f in frames]) * 1e-9,
    )


def _pieces(rows: _Rows, config: SmoothConfig) -> list[_Piece]:
    """The causal tracks in the order of their first detections."""
    order = np.argsort(rows.columns["id"], kind="stable")
    edges = np.flatnonzero(np.diff(rows.columns["id"][order])) + 1
    pieces = [_piece(rows, part, config) for part in np.split(order, edges)]
    return sorted(pieces, key=lambda p: (rows.frame[p.seen[0]], p.seen[0]))


def _piece(rows: _Rows, index: I64, config: SmoothConfig) -> _Piece:
    seen = index[rows.detection[index] >= 0]
    center, std = _placed(rows, seen, _size(rows, seen, config), config)
    return _Piece(index, seen, *_path(rows.time_s[rows.frame[seen]], center, np.ones(len(seen), bool), std))


def _size(rows: _Rows, seen: I64, config: SmoothConfig) -> F64:
    """(3,) of the whole object."""
    if config.whole_boxes:
        return np.asarray(np.median(rows.measured["lwh_m"][rows.detection[seen]], axis=0), np.float64)
    return np.asarray(rows.columns["lwh_m"][seen[-1]], np.float64)


def _placed(rows: _Rows, seen: I64, size_m: F64, config: SmoothConfig) -> tuple[F64, F64]:
    """(K, 3) centres of the object of this size (3,) by its detections, and their std (K,)."""
    measured = rows.measured[rows.detection[seen]]
    if not config.whole_boxes:
        return placed(measured, rows.columns["yaw_rad"][seen], size_m)
    center = measured["center_m"].copy()
    center[:, 2] = measured["bottom_m"] + size_m[2] / 2
    return center, _NEW_SHARE * np.sqrt((measured["pose_cov"][:, 0, 0] + measured["pose_cov"][:, 1, 1]) / 2)


def _path(time_s: F64, center_m: F64, measured: npt.NDArray[np.bool_], std_m: F64) -> tuple[F64, F64]:
    return smoothed_path(time_s, center_m, measured, SmoothingNoise(std_m, _ACCELERATION_MPS2, _SPEED_MPS))


def _linked(rows: _Rows, pieces: Sequence[_Piece], config: SmoothConfig) -> list[list[_Piece]]:
    """Chains of pieces: one that begins where another has ended goes on with it."""
    chains: list[list[_Piece]] = []
    open_chains: list[list[_Piece]] = []
    for piece in pieces:
        start_s = rows.time_s[rows.frame[piece.seen[0]]]
        open_chains = [c for c in open_chains if start_s - _end_s(rows, c) <= config.link_s]
        misses = [_miss(rows, chain[-1], piece) for chain in open_chains]
        best = int(np.argmin(misses)) if misses else 0
        if misses and misses[best] < config.link_m:
            open_chains[best].append(piece)
        else:
            chains.append([piece])
            open_chains.append(chains[-1])
    return chains


def _end_s(rows: _Rows, chain: Sequence[_Piece]) -> float:
    return float(rows.time_s[rows.frame[chain[-1].seen[-1]]])


def _miss(rows: _Rows, one: _Piece, other: _Piece) -> float:
    """By how much the extrapolation of the one that was seen more often misses the other, m; inf: too much."""
    gap_s = rows.time_s[rows.frame[other.seen[0]]] - rows.time_s[rows.frame[one.seen[-1]]]
    if gap_s <= 0:
        return np.inf
    velocity = one.velocity_mps[-1] if len(one.seen) >= len(other.seen) else other.velocity_mps[0]
    miss_m = float(np.hypot(*(one.path_m[-1] + velocity * gap_s - other.path_m[0])[:2]))
    longer = one.seen if len(one.seen) >= len(other.seen) else other.seen
    if int(rows.columns["label"][longer[-1]]) in VEHICLES:
        return miss_m if len(longer) >= _LINK_SEEN else np.inf
    sure = _confirmed(rows, one.seen) and _confirmed(rows, other.seen)
    return miss_m if sure and miss_m < _LINK_M + 0.5 * _ACCELERATION_MPS2 * gap_s**2 else np.inf


def _confirmed(rows: _Rows, seen: I64) -> bool:
    return bool((rows.columns["state"][seen] == int(TrackState.CONFIRMED)).any())


def _one(rows: _Rows, chain: Sequence[_Piece], config: SmoothConfig) -> tuple[I64, Columns, I64]:
    """One object: the frames of its boxes, their columns, and the row of the detection of each, -1 without."""
    known = [p.rows[rows.frame[p.rows] < rows.frame[q.rows[0]]] for p, q in pairwise(chain)]
    index = np.concatenate([*known, chain[-1].rows])
    seen = np.concatenate([p.seen for p in chain])
    at = np.arange(rows.frame[index[0]], rows.frame[index[-1]] + 1)
    take = index[np.searchsorted(rows.frame[index], at, side="right") - 1]
    measured = np.isin(at, rows.frame[seen])
    columns = {name: values[take] for name, values in rows.columns.items()}
    size = _size(rows, seen, config)
    columns |= _pose(rows, at, seen, size, config)
    columns["lwh_m"] = np.repeat(size[None], len(at), axis=0)
    columns["id"] = np.full(len(at), rows.columns["id"][index[0]])
    columns |= _belief(rows, at, seen, measured, columns)
    kept = _near(rows.time_s[at], rows.time_s[rows.frame[seen]], config.fill_s)
    return at[kept], {name: v[kept] for name, v in columns.items()}, np.where(measured, take, -1)[kept]


def _near(time_s: F64, seen_s: F64, fill_s: float) -> npt.NDArray[np.bool_]:
    """(N,) not in a gap between two detections that is longer than this."""
    after = np.searchsorted(seen_s, time_s, side="left")
    gap_s = np.append(seen_s, -np.inf)[after] - np.append(seen_s, np.inf)[np.maximum(after - 1, 0)]
    return np.asarray(gap_s <= fill_s + 1e-6, bool)


def _pose(rows: _Rows, at: I64, seen: I64, size_m: F64, config: SmoothConfig) -> Columns:
    """Where it is at the frames `at`, and how it moves."""
    place, std = _placed(rows, seen, size_m, config)
    measured = np.isin(at, rows.frame[seen])
    center, spread = np.zeros((len(at), 3)), np.ones(len(at))
    center[measured], spread[measured] = place, std
    path, velocity = _path(rows.time_s[at], center, measured, spread)
    yaw = rows.columns["yaw_rad"][seen]
    if stands(path[measured], config.still_m):
        path = np.repeat(np.median(place, axis=0)[None], len(at), axis=0)
        velocity, turned = np.zeros_like(path), np.full(len(at), mean_heading(yaw, np.ones(len(seen))))
    else:
        turned = np.interp(rows.time_s[at], rows.time_s[rows.frame[seen]], np.unwrap(yaw))
    return {
        "center_m": path,
        "velocity_mps": velocity[:, :2].copy(),
        "yaw_rad": np.asarray(wrap_angle(turned), np.float64),
    }


def _belief(rows: _Rows, at: I64, seen: I64, measured: npt.NDArray[np.bool_], columns: Columns) -> Columns:
    """State, existence, ages: a box between two detections is as old as the time to the nearer one."""
    seen_s, time_s = rows.time_s[rows.frame[seen]], rows.time_s[at]
    last = np.searchsorted(seen_s, time_s, side="right") - 1
    after = np.append(seen_s, np.inf)[last + 1]
    unseen_s = np.where(measured, 0.0, np.minimum(time_s - seen_s[last], after - time_s))
    existence = columns["existence_probability"].copy()
    inside = at <= rows.frame[seen[-1]]
    existence[inside] = np.maximum.accumulate(existence[inside][::-1])[::-1]
    confirmed = _confirmed(rows, seen)
    state = np.where(measured, int(TrackState.CONFIRMED), int(TrackState.COASTING))
    return {
        "state": state.astype(np.uint8)
        if confirmed
        else np.full(len(at), int(TrackState.TENTATIVE), np.uint8),
        "existence_probability": existence,
        "time_since_update_s": unseen_s,
        "age_s": time_s - time_s[0],
    }
