"""NEES and NIS on hand-worked cases, against explicit inverses and scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError


def test_by_hand() -> None:
    result = ev.nees([[1.0, 2.0], [0.0, 3.0]], [np.diag([1.0, 4.0]), [[2.0, 1.0], [1.0, 2.0]]])
    # Second: inverse of [[2, 1], [1, 2]] is [[2, -1], [-1, 2]] / 3.
    np.testing.assert_allclose(result.squared, [2.0, 6.0])
    assert (result.mean, result.count, result.dimensions) == (4.0, 2, 2)
    expected = stats.chi2(4).ppf([0.025, 0.975]) / 2
    assert (result.low, result.high) == pytest.approx(tuple(expected))
    assert result.verdict == "consistent"


def test_against_the_explicit_inverse(rng: np.random.Generator) -> None:
    root = rng.normal(size=(200, 4, 4))
    p = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(4)
    e = rng.normal(size=(200, 4))
    expected = [float(x @ np.linalg.inv(c) @ x) for x, c in zip(e, p, strict=True)]
    np.testing.assert_allclose(ev.nis(e, p).squared, expected, rtol=1e-9)


def test_angles_are_wrapped_and_the_input_is_left_alone() -> None:
    e = np.array([[0.1, 2 * np.pi - 0.2]])
    result = ev.nees(e, np.eye(2)[None], angle_columns=[1])
    assert result.squared[0] == pytest.approx(0.01 + 0.04)
    assert e[0, 1] == 2 * np.pi - 0.2
    assert ev.nees(e, np.eye(2)[None]).squared[0] > 30


def test_invalid_covariances_are_counted() -> None:
    good = np.eye(2)
    rows = [
        ([1.0, 1.0], good),
        ([np.nan, 1.0], good),
        ([1.0, 1.0], [[np.inf, 0], [0, 1]]),
        ([1.0, 1.0], [[1, 2], [2, 1]]),  # indefinite
        ([1.0, 1.0], [[1, 1], [1, 1]]),  # singular
        ([1.0, 1.0], [[-1, 0], [0, 1]]),
        ([1.0, 1.0], [[1, 0.5], [0, 1]]),  # not symmetric
        ([1.0, 1.0], np.zeros((2, 2))),
    ]
    result = ev.nees([e for e, _ in rows], [p for _, p in rows])
    assert (result.not_finite, result.not_positive_definite, result.count) == (2, 5, 1)
    np.testing.assert_array_equal(np.isnan(result.squared), [False] + [True] * 7)
    assert result.mean == 2.0


def test_unlike_units_do_not_matter() -> None:
    p = np.diag([1e6, 1e-10])
    assert ev.nees([[1e3, 1e-5]], [p]).squared[0] == pytest.approx(2.0)


def test_nothing_to_judge() -> None:
    result = ev.nees(np.zeros((0, 3)), np.zeros((0, 3, 3)))
    assert result.verdict == "unknown" and np.isnan([result.mean, result.low, result.high]).all()
    assert not result.coverage[0].consistent


def test_coverage_by_hand() -> None:
    # One dimension, sigma 1: the intervals of 50, 90, 95 and 99 % end at 0.674, 1.645, 1.960 and 2.576.
    result = ev.nees([[0.6], [-1.6], [1.9], [-2.5], [3.0]], np.ones((5, 1, 1)))
    assert [c.share.hits for c in result.coverage] == [1, 2, 3, 4]
    assert [c.share.hits for c in result.per_dimension[0]] == [1, 2, 3, 4]
    # Two: the ellipse of 50 % has the squared radius 1.386, that of 90 % 4.605.
    two = ev.nees([[1.17, 0.0], [1.18, 0.0], [0.0, 2.14]], np.tile(np.eye(2), (3, 1, 1)))
    assert [c.share.hits for c in two.coverage][:2] == [1, 3]
    assert [c.share.hits for c in two.per_dimension[1]] == [2, 2, 2, 3]


def test_too_small_covariances_are_optimistic(rng: np.random.Generator) -> None:
    e = rng.normal(size=(2000, 3))
    verdicts = [ev.nees(e, np.tile(s * np.eye(3), (2000, 1, 1))).verdict for s in (0.5, 2.0)]
    assert verdicts == ["optimistic", "pessimistic"]


def test_over_runs() -> None:
    error = np.array([[[1.0], [2.0]], [[3.0], [np.nan]]])
    result = ev.nees_over_runs(error, np.ones((2, 2, 1, 1)))
    np.testing.assert_allclose(result.mean, [5.0, 4.0])
    np.testing.assert_array_equal(result.runs, [2, 1])
    np.testing.assert_allclose(result.high, [stats.chi2(2).ppf(0.975) / 2, stats.chi2(1).ppf(0.975)])
    assert (result.not_finite, result.inside.hits, result.inside.total) == (1, 1, 2)


@pytest.mark.parametrize(
    ("error", "covariance", "angles", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2, 2)), (), r"got \(2, 3\) and \(2, 2, 2\)"),
        (np.zeros(3), np.zeros((3, 3)), (), "wanted errors"),
        (np.zeros((1, 2)), np.zeros((1, 2, 2)), (2,), "angle columns: wanted 0 ... 1"),
    ],
)
def test_bad_shapes(error: np.ndarray, covariance: np.ndarray, angles: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ev.nees(error, covariance, angles)


def test_bad_shapes_of_runs() -> None:
    with pytest.raises(InputError, match="over runs"):
        ev.nees_over_runs(np.zeros((2, 3)), np.zeros((2, 3, 3)))
