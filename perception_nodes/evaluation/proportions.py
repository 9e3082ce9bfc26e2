"""Intervals of a share, and of a rate of events: how far a count can be from the truth by chance.

Sources: Wilson, JASA 1927; Clopper and Pearson, Biometrika 1934; Garwood, Biometrika 1936; compared in Brown, Cai and
DasGupta, Statistical Science 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """`hits` of `total`, with the exact (Clopper-Pearson) 95 % interval; NaN where total is 0."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """hits / total."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end."""
        low, high = clopper_pearson_interval(self.hits, self.total)
        return float(low), float(high)


@dataclass(frozen=True)
class EventRate:
    """`count` events in `exposure_s` object-seconds; NaN without exposure."""

    count: int
    exposure_s: float

    @property
    def per_1000_s(self) -> float:
        """Events in 1000 object-seconds."""
        return 1000 * self.count / self.exposure_s if self.exposure_s > 0 else float("nan")

    @property
    def interval_per_1000_s(self) -> tuple[float, float]:
        """Exact (Garwood) 95 % interval of the rate, for events that come independently of each other."""
        if self.exposure_s <= 0:
            return float("nan"), float("nan")
        scale = 1000 / self.exposure_s / 2
        low = chi_square_quantile(0.025, 2 * self.count) if self.count else 0.0
        return scale * float(low), scale * float(chi_square_quantile(0.975, 2 * self.count + 2))


def wilson_interval(hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95) -> tuple[F64, F64]:
    """Ends of the Wilson score interval of hits / total, element by element; NaN where total is 0.

    `hits` may be a sum of values between 0 and 1: their variance is at most that of 0 and 1, so the interval is wide
    enough.
    """
    from scipy.special import ndtri

    k, n = _checked(hits, total, confidence)
    z2 = float(ndtri(0.5 + confidence / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def clopper_pearson_interval(
    hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95
) -> tuple[F64, F64]:
    """Ends of the exact interval of a binomial share, element by element; NaN where total is 0."""
    from scipy.special import betaincinv

    k, n = _checked(hits, total, confidence)
    tail = (1 - confidence) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail), 1.0)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def chi_square_quantile(probability: npt.ArrayLike, degrees: npt.ArrayLike) -> F64:
    """Below it lies `probability` of a chi-square distribution with `degrees` degrees of freedom."""
    from scipy.special import gammaincinv

    return 2 * np.asarray(gammaincinv(np.asarray(degrees, np.float64) / 2, probability), np.float64)


def _checked(hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float) -> tuple[F64, F64]:
    k, n = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(total, np.float64))
    if not ((k >= 0) & (k <= n)).all():
        raise InputError(f"interval of a share: wanted 0 <= hits <= total, got {k.tolist()} of {n.tolist()}")
    if not 0 < confidence < 1:
        raise InputError(f"interval of a share: confidence: wanted between 0 and 1, got {confidence}")
    return k, n
