"""GOSPA by hand, and against every possible assignment."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import ConfigurationError, InputError


def test_parts_by_hand() -> None:
    # One pair 1 m apart, one true object and no partner within 4 m, two false alarms; c^p / 2 = 8.
    distance = np.array([[1.0, 9.0, 9.0], [9.0, 5.0, 6.0]])
    got = ev.gospa(distance, ev.GospaConfig(p=2.0, c_m=4.0))
    assert (got.localization, got.missed, got.false) == (1.0, 8.0, 16.0)
    assert (got.num_pairs, got.num_missed, got.num_false) == (1, 1, 2)
    assert got.gospa_m == pytest.approx(5.0)


@pytest.mark.parametrize(("n", "m", "value"), [(0, 0, 0.0), (1, 0, 2**0.5), (0, 2, 2.0)])
def test_nothing_on_one_side(n: int, m: int, value: float) -> None:
    assert ev.gospa(np.zeros((n, m)), ev.GospaConfig(p=2.0, c_m=2.0)).gospa_m == pytest.approx(value)


def best_by_trying(distance: np.ndarray, p: float, c: float) -> float:
    n, m = distance.shape
    values = []
    for k in range(min(n, m) + 1):
        for rows in combinations(range(n), k):
            for cols in permutations(range(m), k):
                pairs = sum(distance[i, j] ** p for i, j in zip(rows, cols, strict=True))
                values.append(pairs + c**p / 2 * (n + m - 2 * k))
    return min(values) ** (1 / p)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_equals_the_best_of_all_assignments(rng: np.random.Generator, p: float) -> None:
    for _ in range(20):
        distance = rng.uniform(0, 4, rng.integers(0, 5, 2))
        got = ev.gospa(distance, ev.GospaConfig(p=p, c_m=2.0))
        assert got.gospa_m == pytest.approx(best_by_trying(distance, p, 2.0))
        assert got.gospa_m**p == pytest.approx(got.localization + got.missed + got.false)


def test_run_is_the_mean_of_its_frames() -> None:
    run = ev.gospa_run([np.array([[1.0]]), np.zeros((1, 0))], ev.GospaConfig(p=2.0, c_m=2.0))
    assert run.mean_m == pytest.approx((1 + 2**0.5) / 2)
    assert (run.localization, run.missed, run.false) == (0.5, 1.0, 0.0)
    assert np.isnan(ev.gospa_run([]).mean_m)


@pytest.mark.parametrize("bad", [np.array([[np.nan]]), np.array([[-1.0]]), np.zeros(3)])
def test_bad_distances(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="distance_m: wanted"):
        ev.gospa(bad)


@pytest.mark.parametrize(("p", "c", "name"), [(0.5, 2.0, "p"), (2.0, 0.0, "c_m"), (np.inf, 2.0, "p")])
def test_bad_configuration(p: float, c: float, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: wanted"):
        ev.GospaConfig(p, c)
