"""Polylines: length, resampling, distance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def arc_length(points_m: F64) -> F64:
    """(N,) distance along the line (N, D) from its first point, m."""
    steps = np.linalg.norm(np.diff(points_m, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def resample(points_m: F64, spacing_m: float) -> F64:
    """The line (N, D) with points at equal steps of at most `spacing_m`; the ends are kept."""
    s = arc_length(points_m)
    if s[-1] <= 0:
        return points_m[:1].copy()
    at = np.linspace(0.0, s[-1], max(2, int(np.ceil(s[-1] / spacing_m)) + 1))
    return np.stack([np.interp(at, s, points_m[:, k]) for k in range(points_m.shape[1])], axis=1)


def distance_to_polyline(points_m: F64, line_m: F64) -> F64:
    """(N,) smallest distance of points (N, 2) to the line (M, 2), m."""
    if len(line_m) == 1:
        return np.asarray(np.linalg.norm(points_m - line_m[0], axis=1))
    a, d = line_m[:-1], np.diff(line_m, axis=0)
    length2 = np.maximum((d**2).sum(axis=1), 1e-18)
    t = np.clip(((points_m[:, None] - a) * d).sum(axis=-1) / length2, 0.0, 1.0)
    return np.asarray(np.linalg.norm(points_m[:, None] - (a + t[..., None] * d), axis=-1).min(axis=1))
