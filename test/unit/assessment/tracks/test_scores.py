"""`perception tune scores`: what was drawn is found, and what the benchmark does not judge says nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.tracks.command import TrackOptions
from perception_nodes.assessment.tracks.config import class_config
from perception_nodes.assessment.tracks.scores import (
    Meaning,
    Samples,
    fit_scores,
    judged,
    scores_and_tell,
    surprise,
)
from perception_nodes.assessment.tracks.tune_inputs import TuneOptions
from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.kitti_objects import KittiObjects

DRAWN = Meaning(even=3.0, slope=0.8, per_m=0.05)


def drawn(count=20_000, meaning=DRAWN):
    rng = np.random.default_rng(4)
    score, range_m = rng.uniform(-2, 6, count), rng.uniform(0, 70, count)
    odds = meaning.slope * (score + meaning.per_m * range_m - meaning.even)
    return Samples(score, range_m, rng.random(count) < 1 / (1 + np.exp(-odds)))


def test_the_fit_finds_what_was_drawn():
    half = len(drawn().true) // 2
    parts = [Samples(*(v[:half] for v in drawn())), Samples(*(v[half:] for v in drawn()))]
    np.testing.assert_allclose(fit_scores(parts), DRAWN, rtol=0.06)


def test_without_range_it_is_not_used():
    plain = drawn(meaning=DRAWN._replace(per_m=0.0))
    found = fit_scores([plain], with_range=False)
    assert found.per_m == 0.0
    np.testing.assert_allclose(found[:2], DRAWN[:2], rtol=0.06)


def test_the_surprise_by_hand():
    certain = Samples(np.array([3.0, 3.0]), np.zeros(2), np.array([True, False]))
    assert surprise(certain, Meaning(3.0, 1.0, 0.0)) == pytest.approx(2 * np.log(2))
    assert surprise(certain, Meaning(2.0, 1.0, 0.0)) == pytest.approx(
        np.log1p(np.exp(-1)) + np.log1p(np.exp(1))
    )


def test_scores_that_mean_nothing_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="a higher score does not mean"):
        fit_scores([Samples(rng.random(500), np.zeros(500), np.arange(500) > 250)._replace(
            score=np.linspace(1, 0, 500))])  # fmt: skip
    with pytest.raises(InputError, match="true and false"):
        fit_scores([Samples(np.ones(3), np.ones(3), np.ones(3, bool))])


def objects(kinds, x, **known):
    n = len(kinds)
    box = np.tile([500.0, 150.0, 600.0, 250.0], (n, 1))
    place = np.column_stack([x, np.full(n, 1.6), np.full(n, 20.0)])
    return KittiObjects.of(kinds, box, np.tile([1.5, 1.6, 4.0], (n, 1)), place, **known)


def test_which_detections_are_true_false_or_not_judged():
    # On a car; on a hardly visible car; on a van; on nothing; on nothing and too low in the image to count.
    truth = objects(["Car", "Car", "Van"], [0.0, 10.0, 20.0], track_id=[1, 2, 3], occluded=[0, 3, 0])
    seen = objects(["Car"] * 5, [0.2, 10.2, 20.2, 30.0, 40.0], score=[5.0, 4.0, 3.0, 2.0, 1.0])
    seen.bbox_px[4] = (500, 150, 600, 170)
    found = judged([truth], [seen], "Car")
    assert dict(zip(found.score.tolist(), found.true.tolist(), strict=True)) == {
        5.0: True,
        4.0: True,
        2.0: False,
    }
    np.testing.assert_allclose(found.range_m, np.hypot([0.2, 10.2, 30.0], 20.0))


def test_the_command_tells_the_fit_and_what_it_does(sequence):
    for path in (sequence / "det3d_Car").iterdir():
        # False alarms that are too low in the image would not be judged.
        path.write_text(path.read_text().replace(",0,0,9,9,", ",500,150,600,250,"))
    console = Console(width=200, file=io.StringIO())
    options = TuneOptions(sequence / "label_02", TrackOptions("kitti", sequence, Path()), "Car")
    out = scores_and_tell(options, console)
    assert console.file.getvalue().count("tracked, each sequence with the fit of the others: 100.00") == 2
    assert set(out) == {"score", "score and range"}
    assert out["score"].per_m == 0.0
    config = out["score and range"].applied(class_config("Car"))
    assert (config.score_even, config.score_slope) == out["score and range"][:2]
