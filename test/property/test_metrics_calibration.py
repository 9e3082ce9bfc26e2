"""Calibration and covariances: permutation, perfect calibration, coverage of generated errors, rotation, units."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes import evaluation as ev

seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 30), st.integers(0, 200))
def test_ece_is_bounded_and_order_does_not_matter(seed: int, bins: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    score, hit = rng.random(n), rng.random(n) < 0.5
    order = rng.permutation(n)
    one, two = ev.reliability(score, hit, bins), ev.reliability(score[order], hit[order], bins)
    np.testing.assert_allclose([one.ece, one.largest_gap], [two.ece, two.largest_gap], atol=1e-12)
    np.testing.assert_array_equal(one.count, two.count)
    assert one.total == n
    if n:
        assert abs(hit.mean() - score.mean()) - 1e-12 <= one.ece <= one.largest_gap + 1e-12 <= 1 + 1e-9
        full = one.count > 0
        assert ((one.low <= one.accuracy) & (one.accuracy <= one.high))[full].all()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_perfect_calibration_has_no_error_but_chance(seed: int) -> None:
    """With outcomes drawn from the scores the expected |gap| of a bin is below 0.5 / sqrt(count)."""
    rng = np.random.default_rng(seed)
    score = rng.random(40_000)
    hit = rng.random(40_000) < score
    diagram = ev.reliability(score, hit)
    limit = float((np.sqrt(diagram.count) * 0.5).sum() / diagram.total)
    assert diagram.ece < 1.5 * limit < 0.02
    skewed = ev.reliability(score**2, hit)
    assert skewed.ece > 0.1  # the mean of u - u^2 is 1/6


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(2, 5), st.integers(1, 60))
def test_binary_and_two_classes_agree(seed: int, classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    p, label = rng.dirichlet(np.ones(classes), n), rng.integers(0, classes, n)
    many = ev.classification_calibration(p, label)
    names = rng.permutation(classes)
    renamed = ev.classification_calibration(p[:, np.argsort(names)], names[label])
    np.testing.assert_allclose(
        [many.ece, many.brier, many.nll], [renamed.ece, renamed.brier, renamed.nll], rtol=1e-9
    )
    of_first = np.column_stack([p[:, 0], 1 - p[:, 0]])
    two, binary = (
        ev.classification_calibration(of_first, (label != 0).astype(np.int64)),
        ev.binary_calibration(p[:, 0], label == 0),
    )
    np.testing.assert_allclose([two.brier, two.nll], [2 * binary.brier, binary.nll], rtol=1e-9)


def gaussian_errors(rng: np.random.Generator, n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    root = rng.normal(size=(count, n, n)) + 0.5 * np.eye(n)
    covariance = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(n)
    chol = np.linalg.cholesky(covariance)
    return np.einsum("kij,kj->ki", chol, rng.normal(size=(count, n))), covariance


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 6))
def test_errors_drawn_from_their_covariances_are_covered(seed: int, n: int) -> None:
    e, p = gaussian_errors(np.random.default_rng(seed), n, 2000)
    result = ev.nees(e, p)
    # Five standard deviations: the property must hold for any seed.
    assert abs(result.mean - n) < 5 * np.sqrt(2 * n / 2000)
    for coverage in [*result.coverage, *(c for row in result.per_dimension for c in row)]:
        spread = np.sqrt(coverage.level * (1 - coverage.level) / 2000)
        assert abs(coverage.share.value - coverage.level) < 5 * spread


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 5))
def test_nees_does_not_depend_on_axes_or_units(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    e, p = gaussian_errors(rng, n, 20)
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0] @ np.diag(rng.uniform(0.1, 10, n))
    turned = ev.nees(e @ turn.T, turn @ p @ turn.T)
    np.testing.assert_allclose(turned.squared, ev.nees(e, p).squared, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(-3, 3))
def test_whole_turns_of_an_angle_do_not_matter(seed: int, turns: int) -> None:
    e, p = gaussian_errors(np.random.default_rng(seed), 3, 20)
    shifted = e + np.array([0, 0, 2 * np.pi * turns])
    one, two = ev.nees(e, p, angle_columns=[2]), ev.nees(shifted, p, angle_columns=[2])
    np.testing.assert_allclose(one.squared, two.squared, rtol=1e-6, atol=1e-9)


def test_the_bounds_hold_19_of_20_means() -> None:
    rng = np.random.default_rng(7)
    e, p = gaussian_errors(rng, 3, 40 * 1000)
    result = ev.nees_over_runs(e.reshape(40, 1000, 3), p.reshape(40, 1000, 3, 3))
    assert 0.93 < result.inside.value < 0.97
