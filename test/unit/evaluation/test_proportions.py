"""Intervals of shares and rates against their defining equations and published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import EventRate, Share, clopper_pearson_interval, wilson_interval


def test_wilson_ends_solve_the_score_equation() -> None:
    low, high = wilson_interval([0, 3, 10], 10)
    for k, ends in zip((0, 3, 10), zip(low, high, strict=True), strict=True):
        for p in ends:  # |k/n - p| = z sqrt(p (1 - p) / n)
            assert abs(k / 10 - p) == pytest.approx(1.959964 * np.sqrt(p * (1 - p) / 10), abs=1e-6)
    assert (low[0], high[2]) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (250, 1000)])
def test_clopper_pearson_is_what_scipy_calls_exact(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert Share(k, n).interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_has_no_interval() -> None:
    assert np.isnan([*wilson_interval(0, 0), *clopper_pearson_interval(0, 0), Share(0, 0).value]).all()
    assert np.isnan([EventRate(0, 0.0).per_1000_s, *EventRate(0, 0.0).interval_per_1000_s]).all()


def test_rate_with_the_exact_poisson_interval() -> None:
    rate = EventRate(3, 500.0)
    low, high = rate.interval_per_1000_s
    assert rate.per_1000_s == 6.0
    assert stats.poisson.sf(2, low / 2) == pytest.approx(0.025)
    assert stats.poisson.cdf(3, high / 2) == pytest.approx(0.025)
    assert EventRate(0, 500.0).interval_per_1000_s == pytest.approx((0.0, -np.log(0.025) * 2))


@pytest.mark.parametrize(("k", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    for interval in (wilson_interval, clopper_pearson_interval):
        with pytest.raises(InputError, match="interval of a share"):
            interval(k, n, confidence)
