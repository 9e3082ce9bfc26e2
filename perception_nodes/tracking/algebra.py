"""Small algebra of one track at a time, for the kernels: angles, matrices of two and eight rows, the Kalman update."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled


@compiled
def wrap(angle_rad: float) -> float:
    """Angle in [-pi, pi)."""
    return (angle_rad + np.pi) % (2 * np.pi) - np.pi


@compiled
def clip(value: float, low: float, high: float) -> float:
    """The value, but not below `low` and not above `high`."""
    return min(max(value, low), high)


@compiled
def copy(target: Any, source: Any, n: int) -> None:
    """The first n numbers of a vector."""
    for i in range(n):
        target[i] = source[i]


@compiled
def copy_square(target: Any, source: Any, n: int) -> None:
    """The first n rows and columns of a matrix."""
    for i in range(n):
        for j in range(n):
            target[i, j] = source[i, j]


@compiled
def largest(values: Any) -> int:
    """Index of the first of the largest values (N,)."""
    best = 0
    for k in range(1, len(values)):
        if values[k] > values[best]:
            best = k
    return best


@compiled
def insert(values: Any, rows: Any, value: float, row: int) -> None:
    """Put a value with its row into what is sorted by value, smallest first; the largest drops out. Equal ones stay
    in the order in which they come.
    """
    at = len(values)
    while at > 0 and values[at - 1] > value:
        if at < len(values):
            values[at], rows[at] = values[at - 1], rows[at - 1]
        at -= 1
    if at < len(values):
        values[at], rows[at] = value, row


@compiled
def mahalanobis2(x: float, y: float, cov: Any) -> float:
    """Squared Mahalanobis distance of (x, y) under a covariance (xx, xy, yy)."""
    a, b, d = cov
    return float((d * x * x - 2 * b * x * y + a * y * y) / (a * d - b * b))


@compiled
def log_likelihood(x: float, y: float, cov: Any) -> float:
    """Log density of (x, y) under a zero-mean Gaussian of covariance (xx, xy, yy), up to a constant."""
    a, b, d = cov
    return float(-0.5 * (mahalanobis2(x, y, cov) + np.log(a * d - b * b)))


@compiled
def sandwich(left: Any, cov: Any, added: Any) -> None:
    """cov = left cov left' + added, (n, n) each, kept symmetric; in place."""
    n = len(cov)
    half, whole = np.zeros((n, n)), added.copy()
    for i in range(n):
        for k in range(n):
            if left[i, k] != 0.0:
                for j in range(n):
                    half[i, j] += left[i, k] * cov[k, j]
    for i in range(n):
        for j in range(n):
            for k in range(n):
                whole[i, j] += half[i, k] * left[j, k]
    for i in range(n):
        for j in range(n):
            cov[i, j] = 0.5 * (whole[i, j] + whole[j, i])


@compiled
def inverse(matrix: Any) -> Any:
    """Inverse of a symmetric positive definite matrix (n, n), by Gauss and Jordan."""
    n = len(matrix)
    work, out = matrix.copy(), np.eye(n)
    for i in range(n):
        pivot = 1.0 / work[i, i]
        for j in range(n):
            work[i, j] *= pivot
            out[i, j] *= pivot
        for k in range(n):
            if k != i:
                factor = work[k, i]
                for j in range(n):
                    work[k, j] -= factor * work[i, j]
                    out[k, j] -= factor * out[i, j]
    return out


@compiled
def update(mean: Any, cov: Any, model: Any, innovation: Any, noise: Any) -> None:
    """Kalman update of one state (n,) with covariance (n, n), in place.

    innovation (k,) of the model H (k, n) with noise R (k, k). Joseph form, so that the covariance stays symmetric and
    positive definite.
    """
    n, k = len(mean), len(innovation)
    gain = _gain(cov, model, noise)
    keep = np.eye(n)
    for i in range(n):
        for a in range(k):
            mean[i] += gain[i, a] * innovation[a]
            for j in range(n):
                keep[i, j] -= gain[i, a] * model[a, j]
    sandwich(keep, cov, product(product(gain, noise), gain.T))


@compiled
def product(left: Any, right: Any) -> Any:
    """(n, m) product of matrices (n, k), (k, m)."""
    out = np.zeros((left.shape[0], right.shape[1]))
    for i in range(out.shape[0]):
        for a in range(left.shape[1]):
            if left[i, a] != 0.0:
                for j in range(out.shape[1]):
                    out[i, j] += left[i, a] * right[a, j]
    return out


@compiled
def _gain(cov: Any, model: Any, noise: Any) -> Any:
    """(n, k) P H' (H P H' + R)^-1."""
    cross = product(model, cov)
    spread = product(cross, model.T)
    for a in range(len(spread)):
        for b in range(len(spread)):
            spread[a, b] += noise[a, b]
    return product(cross.T, inverse(spread))
