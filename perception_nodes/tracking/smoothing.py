"""Offline: objects with what came later (Rauch, Tung, Striebel, AIAA Journal 3(8), 1965)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from .compiled import compiled
from .shape import align, anchored

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
# What stands does not get farther than this from where it stands, m.
_STILL_WITHIN_M = 2.0


@dataclass(frozen=True)
class SmoothingNoise:
    """Stds: of a measured position (one, or (N,)), of the acceleration between measurements, of the first speed."""

    position_m: float | F64
    acceleration_mps2: float
    speed_mps: float


def smoothed_path(time_s: F64, position_m: F64, measured: B, noise: SmoothingNoise) -> tuple[F64, F64]:
    """(N, 3) positions and velocities, of a constant-velocity model for each axis of the frame of `position_m`.

    Rows that are not `measured` are bridged; the first one is taken as measured. All axes have the same gains.
    """
    mean = np.zeros((len(time_s), 2, 3))
    var = np.broadcast_to(np.square(noise.position_m), len(time_s)).astype(np.float64)
    _smooth(time_s, position_m, measured, var, noise.acceleration_mps2**2, noise.speed_mps**2, mean)
    return mean[:, 0], mean[:, 1]


@compiled
def _smooth(
    time_s: Any, position: Any, measured: Any, var: Any, q: float, speed_var: float, mean: Any
) -> None:
    """Forward filter and backward pass in place of `mean` (N, 2, 3); covariances as (place, both, speed)."""
    n = len(time_s)
    cov, ahead, spread = np.zeros((n, 3)), np.zeros((n, 2, 3)), np.zeros((n, 3))
    a, b, c = var[0], 0.0, speed_var
    for k in range(n):
        if k:
            dt = time_s[k] - time_s[k - 1]
            a, b, c = (
                a + 2 * dt * b + dt * dt * c + q * dt**4 / 4,
                b + dt * c + q * dt**3 / 2,
                c + q * dt * dt,
            )
            spread[k, 0], spread[k, 1], spread[k, 2] = a, b, c
            for j in range(3):
                ahead[k, 0, j] = mean[k - 1, 0, j] + dt * mean[k - 1, 1, j]
                ahead[k, 1, j] = mean[k - 1, 1, j]
        gain, turn = (a / (a + var[k]), b / (a + var[k])) if measured[k] and k else (0.0, 0.0)
        for j in range(3):
            off = position[k, j] - ahead[k, 0, j] if measured[k] and k else 0.0
            mean[k, 0, j], mean[k, 1, j] = ahead[k, 0, j] + gain * off, ahead[k, 1, j] + turn * off
            if k == 0:
                mean[k, 0, j] = position[k, j]
        a, b, c = (1 - gain) * a, (1 - gain) * b, c - turn * b
        cov[k, 0], cov[k, 1], cov[k, 2] = a, b, c
    for k in range(n - 2, -1, -1):
        dt = time_s[k + 1] - time_s[k]
        a, b, c = spread[k + 1]
        det = a * c - b * b
        # cov F' times the inverse of the predicted covariance.
        p, r = cov[k, 0] + dt * cov[k, 1], cov[k, 1] + dt * cov[k, 2]
        g00, g01 = (p * c - cov[k, 1] * b) / det, (cov[k, 1] * a - p * b) / det
        g10, g11 = (r * c - cov[k, 2] * b) / det, (cov[k, 2] * a - r * b) / det
        for j in range(3):
            x, v = mean[k + 1, 0, j] - ahead[k + 1, 0, j], mean[k + 1, 1, j] - ahead[k + 1, 1, j]
            mean[k, 0, j] += g00 * x + g01 * v
            mean[k, 1, j] += g10 * x + g11 * v


def stands(path_m: F64, still_m: float) -> bool:
    """Whether what has this smoothed path (N, 3) has not moved: its ends are nearer than `still_m`."""
    ends = float(np.linalg.norm(path_m[-1] - path_m[0]))
    return ends < still_m and float(np.ptp(path_m[:, :2], axis=0).max()) < _STILL_WITHIN_M


def placed(rows: npt.NDArray[Any], yaw_rad: F64, lwh_m: F64) -> tuple[F64, F64]:
    """(N, 3) centres of a box of one size (3,) and given yaws (N,) that shares the seen sides with each measured one,
    and their std (N,) in the plane. rows: those of `Measurements`.
    """
    center, std = np.zeros((len(rows), 3)), np.zeros(len(rows))
    _place(rows, yaw_rad, lwh_m, center, std)
    return center, std


@compiled
def _place(rows: Any, yaw: Any, lwh: Any, center: Any, std: Any) -> None:
    for i in range(len(rows)):
        at = anchored(rows[i], align(rows[i], yaw[i]), lwh[0], lwh[1])
        center[i, 0], center[i, 1], center[i, 2] = at.x, at.y, rows[i].bottom_m + lwh[2] / 2
        std[i] = np.sqrt((at.cov[0] + at.cov[2]) / 2)


def mean_heading(yaw_rad: F64, weight: F64) -> float:
    """Mean of the axis, then the end of it that most boxes call the front."""
    axis = 0.5 * np.arctan2((weight * np.sin(2 * yaw_rad)).sum(), (weight * np.cos(2 * yaw_rad)).sum())
    ahead = (weight * np.cos(yaw_rad - axis)).sum()
    return float(wrap_angle(axis if ahead >= 0 else axis + np.pi))


def weighted_median(values: F64, weight: F64) -> float:
    """The value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
