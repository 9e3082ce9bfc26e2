"""How far two curves are apart. 0 = the same; docs/likeness.md has the definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .curves import Curve, Form

F64 = npt.NDArray[np.float64]


def distance(curve: Curve, real: F64, simulated: F64) -> F64:
    """(R,) for curves (R, B) each; NaN where no bin has evidence on both sides.

    Histograms: Jensen-Shannon distance with base 2, 0..1 (Endres and Schindelin 2003). Shares: mean absolute
    difference over the bins. Means and rms: mean absolute log ratio as a relative difference (0.5 = by a half).
    """
    if curve.form is Form.HISTOGRAM:
        return _jensen_shannon(real, simulated)
    if curve.form is Form.SHARE:
        return _mean_known(np.abs(simulated - real))
    return np.asarray(np.expm1(_mean_known(np.abs(_log_ratio(real, simulated)))))


def shift(curve: Curve, real: F64, simulated: F64) -> F64:
    """(R,) which way: simulated minus real. Histograms: difference of the means in units of the axis (NaN for
    categories); shares: mean difference; means and rms: geometric mean of the ratios - 1.
    """
    if curve.form is Form.HISTOGRAM:
        if curve.names:
            return np.full(len(real), np.nan)
        return np.asarray((simulated - real) @ curve.middles())
    if curve.form is Form.SHARE:
        return _mean_known(simulated - real)
    return np.asarray(np.expm1(_mean_known(_log_ratio(real, simulated))))


def _jensen_shannon(p: F64, q: F64) -> F64:
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0.0)))


def _relative_entropy(p: F64, q: F64) -> F64:
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.where(p == 0, 0.0, p * np.log2(p / q))
    return np.asarray(terms.sum(axis=-1))


def _log_ratio(real: F64, simulated: F64) -> F64:
    both = (real > 0) & (simulated > 0)
    return np.log(np.where(both, simulated, np.nan) / np.where(both, real, np.nan))


def _mean_known(values: F64) -> F64:
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
