"""Whether covariances mean what they say: errors measured in units of their own standard deviations.

NEES = e' P^-1 e of an error e with covariance P is chi-square distributed with n degrees of freedom if P is right; NIS
is the same of innovations and their covariance. Sources: Bar-Shalom, Li and Kirubarajan, Estimation with Applications
to Tracking and Navigation, 2001, section 5.4; Clopper and Pearson, Biometrika 1934 (intervals of coverage).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import wrap_angle

from .proportions import Share, chi_square_quantile

F64 = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

LEVELS = (0.50, 0.90, 0.95, 0.99)
_TAIL = 0.025
# Of a correlation matrix, in which an independent dimension has 1.
_SYMMETRY, _LEAST_EIGENVALUE = 1e-6, 1e-12


@dataclass(frozen=True)
class Coverage:
    """How many errors lie within the region that should hold `level` of them."""

    level: float
    share: Share

    @property
    def consistent(self) -> bool:
        """Whether the level lies in the interval of the share; False without errors."""
        low, high = self.share.interval
        return low <= self.level <= high


@dataclass(frozen=True, eq=False)
class ErrorConsistency:
    """Normalised squared errors of N estimates with n dimensions.

    squared (N,) NaN where it could not be formed: of `not_finite` because error or covariance is not finite, of
    `not_positive_definite` because the covariance is not symmetric and positive definite. mean: of the others; low,
    high: where it lies in 95 of 100 cases if the covariances are right and the errors independent (errors of
    successive frames are not: take one per track, or wider bounds). coverage: of the ellipsoid of each level, over all
    dimensions together; per_dimension: the same of each dimension alone, [dimension][level].
    """

    dimensions: int
    squared: F64
    not_finite: int
    not_positive_definite: int
    mean: float
    low: float
    high: float
    coverage: tuple[Coverage, ...]
    per_dimension: tuple[tuple[Coverage, ...], ...]

    @property
    def count(self) -> int:
        """How many errors could be judged."""
        return len(self.squared) - self.not_finite - self.not_positive_definite

    @property
    def verdict(self) -> str:
        """consistent; optimistic: covariances too small; pessimistic: too large; unknown: nothing to judge."""
        if not self.count:
            return "unknown"
        if self.mean > self.high:
            return "optimistic"
        return "pessimistic" if self.mean < self.low else "consistent"


@dataclass(frozen=True, eq=False)
class RunConsistency:
    """Mean over runs at each of T steps: mean, low, high (T,); runs (T,) how many could be judged at each."""

    mean: F64
    low: F64
    high: F64
    runs: npt.NDArray[np.int64]
    not_finite: int
    not_positive_definite: int

    @property
    def inside(self) -> Share:
        """Steps whose mean lies within the bounds: about 95 of 100 if the covariances are right."""
        judged = self.runs > 0
        hits = judged & (self.low <= self.mean) & (self.mean <= self.high)
        return Share(int(hits.sum()), int(judged.sum()))


def nees(
    error: npt.ArrayLike, covariance: npt.ArrayLike, angle_columns: Sequence[int] = ()
) -> ErrorConsistency:
    """Consistency of errors (N, n), estimate minus truth, with their covariances (N, n, n).

    The columns that are angles, rad, are wrapped to [-pi, pi) before the product. Raises InputError on shapes that do
    not fit and columns that do not exist; values that are not finite are counted.
    """
    e, p = _checked(error, covariance, angle_columns)
    squared, finite, definite = _squared(e, p)
    used = finite & definite
    n, count = e.shape[1], int(used.sum())
    mean = float(squared[used].mean()) if count else float("nan")
    low, high = _bounds(np.array([count]), n)
    joint = _coverage(squared[used], n)
    alone = [_coverage(e[used, k] ** 2 / p[used, k, k], 1) for k in range(n)]
    return ErrorConsistency(
        n,
        squared,
        int((~finite).sum()),
        int((finite & ~definite).sum()),
        mean,
        float(low[0]),
        float(high[0]),
        joint,
        tuple(alone),
    )


def nis(
    innovation: npt.ArrayLike, covariance: npt.ArrayLike, angle_columns: Sequence[int] = ()
) -> ErrorConsistency:
    """Consistency of innovations (N, m), measured minus predicted, with S = H P H' + R (N, m, m): no truth needed."""
    return nees(innovation, covariance, angle_columns)


def nees_over_runs(
    error: npt.ArrayLike, covariance: npt.ArrayLike, angle_columns: Sequence[int] = ()
) -> RunConsistency:
    """Mean over R independent runs at each of T steps: error (R, T, n), covariance (R, T, n, n)."""
    e, p = np.asarray(error, np.float64), np.asarray(covariance, np.float64)
    if e.ndim != 3 or p.shape != (*e.shape, e.shape[2]):
        raise InputError(f"NEES over runs: wanted (R, T, n) and (R, T, n, n), got {e.shape} and {p.shape}")
    r, t, n = e.shape
    flat, p = _checked(e.reshape(-1, n), p.reshape(-1, n, n), angle_columns)
    squared, finite, definite = _squared(flat, p)
    used = (finite & definite).reshape(r, t)
    runs = used.sum(axis=0)
    total = np.where(used, squared.reshape(r, t), 0.0).sum(axis=0)
    mean = np.divide(total, runs, out=np.full(t, np.nan), where=runs > 0)
    low, high = _bounds(runs, n)
    return RunConsistency(
        mean, low, high, runs.astype(np.int64), int((~finite).sum()), int((finite & ~definite).sum())
    )


def _checked(
    error: npt.ArrayLike, covariance: npt.ArrayLike, angle_columns: Sequence[int]
) -> tuple[F64, F64]:
    e, p = np.array(error, np.float64), np.asarray(covariance, np.float64)
    if e.ndim != 2 or e.shape[1] < 1 or p.shape != (*e.shape, e.shape[1]):
        raise InputError(f"NEES: wanted errors (N, n) and covariances (N, n, n), got {e.shape} and {p.shape}")
    columns = list(angle_columns)
    if any(not 0 <= c < e.shape[1] for c in columns):
        raise InputError(f"NEES: angle columns: wanted 0 ... {e.shape[1] - 1}, got {columns}")
    known = np.isfinite(e).all(axis=1)
    for c in columns:
        e[known, c] = wrap_angle(e[known, c])
    return e, p


def _squared(e: F64, p: F64) -> tuple[F64, BoolArray, BoolArray]:
    """e' P^-1 e (N,), and for which rows everything is finite and P symmetric and positive definite."""
    finite = np.asarray(np.isfinite(e).all(axis=1) & np.isfinite(p).all(axis=(1, 2)))
    variance = np.diagonal(p, axis1=1, axis2=2)
    candidate = finite & (variance > 0).all(axis=1)
    # Judged as correlations, so that it does not matter that metres and radians have variances of unlike size.
    sigma = np.sqrt(variance[candidate])
    correlation = p[candidate] / (sigma[:, :, None] * sigma[:, None, :])
    symmetric = (np.abs(correlation - correlation.transpose(0, 2, 1)) <= _SYMMETRY).all(axis=(1, 2))
    good = symmetric & (np.linalg.eigvalsh(correlation)[:, 0] > _LEAST_EIGENVALUE)
    definite = np.zeros(len(e), bool)
    definite[candidate] = good
    scaled = e[definite] / sigma[good]
    out = np.full(len(e), np.nan)
    out[definite] = (scaled * np.linalg.solve(correlation[good], scaled[..., None])[..., 0]).sum(axis=1)
    return out, finite, definite


def _bounds(count: npt.NDArray[np.int64], n: int) -> tuple[F64, F64]:
    """chi2_{count n}[0.025, 0.975] / count, NaN where count is 0."""
    some = np.maximum(count, 1)
    low, high = (np.asarray(chi_square_quantile(q, some * n)) / some for q in (_TAIL, 1 - _TAIL))
    return np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def _coverage(squared: F64, n: int) -> tuple[Coverage, ...]:
    limits = chi_square_quantile(np.array(LEVELS), n)
    return tuple(
        Coverage(level, Share(int((squared <= limit).sum()), len(squared)))
        for level, limit in zip(LEVELS, limits, strict=True)
    )
