"""Intervals: equal to the plain figure without resampling, as wide as theory says, and blocks of frames."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import bootstrap as bs

SEED = 5
STAMPS = [k * 100_000_000 for k in range(100)]


def once(frames: int) -> bs.Resampling:
    return bs.Resampling(np.ones((1, frames)), "each frame once")


def matches(frames: int = 40) -> ev.Matches:
    rng = np.random.default_rng(SEED)
    score = np.sort(rng.random(200))[::-1]
    hit = rng.random(200) < score
    return ev.Matches(hit, score, rng.integers(0, frames, 200), np.zeros(200, int), np.zeros(200, int), 150)


def test_each_frame_once_gives_the_plain_ap() -> None:
    m = matches()
    truth = np.zeros(40)
    truth[:15] = 10
    assert bs.ap_values(once(40), m.hit, m.frame, truth)[0] == pytest.approx(
        ev.average_precision(m), abs=1e-12
    )


def test_a_frame_drawn_twice_counts_twice() -> None:
    m = matches(frames=2)
    truth = np.array([70.0, 80.0])
    doubled = bs.Resampling(np.array([[2.0, 0.0]]), "")
    alone = m.frame == 0
    expected = bs.ap_values(once(1), m.hit[alone], np.zeros(alone.sum(), int), truth[:1])
    assert bs.ap_values(doubled, m.hit, m.frame, truth) == pytest.approx(expected)


def test_no_truth_is_undefined_and_no_hit_is_zero() -> None:
    none, frame = np.zeros(3, bool), np.zeros(3, int)
    assert np.isnan(bs.ap_values(once(1), none, frame, np.zeros(1)))[0]
    assert bs.ap_values(once(1), none, frame, np.ones(1))[0] == 0.0
    assert bs.ap_values(once(1), none[:0], frame[:0], np.ones(1))[0] == 0.0


def test_ratio_interval_of_independent_frames_is_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(SEED)
    hits = rng.binomial(10, 0.7, 400).astype(float)
    drawn = bs.resample_frames([k * 10**9 for k in range(400)], rng)
    low, high = drawn.interval(bs.ratio_values(drawn, hits, np.full(400, 10.0)))
    theory = 2 * 1.96 * np.sqrt(0.7 * 0.3 / 4000)
    assert low < hits.mean() / 10 < high
    assert high - low == pytest.approx(theory, rel=0.2)


def test_blocks_are_drawn_whole_and_each_frame_equally_often() -> None:
    drawn = bs.resample_frames(STAMPS, np.random.default_rng(SEED), resamples=2000)
    assert drawn.unit == "blocks of 10 of 100 frames"
    assert (drawn.weights.sum(axis=1) == 100).all()
    assert drawn.weights.mean(axis=0) == pytest.approx(np.ones(100), abs=0.15)
    steps = np.abs(np.diff(drawn.weights, axis=1)).sum(axis=1)
    assert steps.max() <= 2 * 10 + 1


def test_the_same_seed_gives_the_same_interval() -> None:
    one, two = (bs.resample_frames(STAMPS, np.random.default_rng(SEED)).weights for _ in range(2))
    assert (one == two).all()


def test_too_few_frames_give_no_interval() -> None:
    drawn = bs.resample_frames(STAMPS[:3], np.random.default_rng(SEED))
    assert np.isnan(drawn.interval(bs.ratio_values(drawn, np.ones(3), np.ones(3)))).all()


def test_unordered_stamps_and_few_scenes_are_refused() -> None:
    rng = np.random.default_rng(SEED)
    with pytest.raises(InputError, match="increasing"):
        bs.resample_frames([0, 2, 1, 3], rng)
    with pytest.raises(InputError, match="5 scenes or more, got 2"):
        bs.resample_scenes(np.array([0, 1, 1]), rng)


def test_scenes_are_drawn_whole() -> None:
    scene = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6])
    drawn = bs.resample_scenes(scene, np.random.default_rng(SEED), resamples=50)
    for k in range(6):
        assert (np.ptp(drawn.weights[:, scene == k], axis=1) == 0).all()
    assert drawn.weights[:, [0, 1, 3, 6, 10, 15]].sum(axis=1) == pytest.approx(np.full(50, 6.0))


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(SEED).normal(0, 1, 1000)
    mean = values.mean(keepdims=True)
    low, high = bs.jackknife_intervals(1000, lambda keep: values[keep].mean(keepdims=True), mean, 1000)
    assert (high - low)[0] / 2 == pytest.approx(1.96 * values.std(ddof=1) / np.sqrt(1000), rel=1e-6)


def test_jackknife_without_enough_is_undefined() -> None:
    one = np.ones(1)
    assert np.isnan(bs.jackknife_intervals(3, lambda _: one, one)).all()
    assert np.isnan(
        bs.jackknife_intervals(50, lambda keep: one / float(keep[0]) if keep[0] else one * np.nan, one)
    ).all()
