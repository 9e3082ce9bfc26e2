"""Offline: a path smoothed with what came later (Rauch, Tung, Striebel, AIAA Journal 3(8), 1965)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SmoothingNoise:
    """Standard deviations: of a measured position, of the acceleration between measurements, of the first speed."""

    position_m: float
    acceleration_mps2: float
    speed_mps: float


def smoothed_path(
    time_s: F64, position_m: F64, measured: npt.NDArray[np.bool_], noise: SmoothingNoise
) -> tuple[F64, F64]:
    """(N, 3) positions and velocities, of a constant-velocity model for each axis of the frame of `position_m`.

    Rows that are not `measured` are bridged; the first one is taken as measured. All axes have the same gains.
    """
    n = len(time_s)
    mean, cov = np.zeros((n, 2, 3)), np.zeros((n, 2, 2))
    ahead, spread, step = np.zeros((n, 2, 3)), np.zeros((n, 2, 2)), np.zeros((n, 2, 2))
    x, p = np.stack([position_m[0], np.zeros(3)]), np.diag([noise.position_m**2, noise.speed_mps**2])
    for k in range(n):
        if k:
            dt = time_s[k] - time_s[k - 1]
            f = np.array([[1.0, dt], [0.0, 1.0]])
            q = noise.acceleration_mps2**2 * np.array([[dt**4 / 4, dt**3 / 2], [dt**3 / 2, dt**2]])
            x, p = f @ x, f @ p @ f.T + q
            step[k], ahead[k], spread[k] = f, x, p
            if measured[k]:
                gain = p[:, :1] / (p[0, 0] + noise.position_m**2)
                x, p = x + gain * (position_m[k] - x[0]), p - gain @ p[:1]
        mean[k], cov[k] = x, p
    for k in range(n - 2, -1, -1):
        back = cov[k] @ step[k + 1].T @ np.linalg.inv(spread[k + 1])
        mean[k] = mean[k] + back @ (mean[k + 1] - ahead[k + 1])
    return mean[:, 0], mean[:, 1]
