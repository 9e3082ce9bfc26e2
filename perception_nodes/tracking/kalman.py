"""Kalman algebra on batches: N filters of n states at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def update(mean: F64, cov: F64, model: F64, innovation: F64, noise: F64) -> tuple[F64, F64]:
    """Posterior of N states (N, n), (N, n, n) after innovations (N, k) of models H (N, k, n) or (k, n), R (N, k, k).

    Joseph form, so that the covariance stays symmetric and positive definite.
    """
    transpose = np.swapaxes(model, -1, -2)
    cross = cov @ transpose
    gain = np.swapaxes(np.linalg.solve(model @ cross + noise, np.swapaxes(cross, 1, 2)), 1, 2)
    keep = np.eye(mean.shape[1]) - gain @ model
    posterior = keep @ cov @ np.swapaxes(keep, 1, 2) + gain @ noise @ np.swapaxes(gain, 1, 2)
    return mean + (gain @ innovation[..., None])[..., 0], symmetric(posterior)


def symmetric(matrix: F64) -> F64:
    """The mean of a batch of matrices and their transposes."""
    return np.asarray(0.5 * (matrix + np.swapaxes(matrix, -1, -2)))


def mahalanobis2(innovation: F64, cov: F64) -> F64:
    """(...,) squared Mahalanobis distance of 2-vectors (..., 2) under covariances (..., 2, 2)."""
    a, b, d = cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]
    x, y = innovation[..., 0], innovation[..., 1]
    return np.asarray((d * x * x - 2 * b * x * y + a * y * y) / (a * d - b * b))


def log_likelihood(innovation: F64, cov: F64) -> F64:
    """(...,) log density of 2-vectors under zero-mean Gaussians, up to a constant."""
    det = cov[..., 0, 0] * cov[..., 1, 1] - cov[..., 0, 1] ** 2
    return np.asarray(-0.5 * (mahalanobis2(innovation, cov) + np.log(det)))
