"""`perception tune`: seeded, honest about the sequence that is left out, and what is changed is what is set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from perception_nodes.assessment.inputs.kitti import read_kitti_tracking
from perception_nodes.assessment.tracks.ablation import ROWS, ablation
from perception_nodes.assessment.tracks.command import TrackOptions
from perception_nodes.assessment.tracks.config import CLASSES, class_config
from perception_nodes.assessment.tracks.kitti import result_lines
from perception_nodes.assessment.tracks.tune import (
    RANKING,
    SUPPORT,
    TRACKER,
    Trial,
    _tuned,
    applied,
    published,
    tune,
)
from perception_nodes.assessment.tracks.tune_inputs import TuneOptions
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation import kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.evaluation.tracking.kitti import score_table
from perception_nodes.evaluation.tracking.kitti_table import KittiTrackingConfig, build_table, joined

QUIET = Console(quiet=True)
PUBLISHED = KittiTrackingConfig(mode="published")


def options(sequence, **changes):
    track = TrackOptions("kitti", sequence, Path())
    return TuneOptions(sequence / "label_02", track, "Car", **{"trials": 3, "rankings": 3} | changes)


def test_the_same_seed_gives_the_same_answer_and_never_a_worse_one(sequence):
    first, second = tune(options(sequence), QUIET), tune(options(sequence), QUIET)
    assert first.changes == second.changes
    assert first.best.samota + first.best.best.mota >= first.present.samota + first.present.best.mota
    assert set(first.chosen) == {"0002", "0003"}


def test_the_honest_figure_uses_what_is_best_on_the_others(sequence):
    # Each setting is perfect on one sequence and finds nothing on the other: chosen by the others it finds nothing.
    truth = {n: read_kitti_tracking(sequence / "label_02" / f"{n}.txt") for n in ("0002", "0003")}
    perfect = {n: [replace(f, score=np.ones(1)) for f in frames] for n, frames in truth.items()}
    nothing = [KittiObjects.empty()] * 30
    trials = [
        Trial(class_config("Car"), {}, {n: perfect[n] if n == good else nothing for n in truth}, 0.5,
              {n: float(n != good) for n in truth}) for good in truth
    ]  # fmt: skip
    tuned = _tuned(trials, truth, "Car")
    assert (tuned.best.best.true_positives, tuned.honest.best.true_positives) == (30, 0)


@pytest.mark.parametrize("name", sorted(TRACKER | RANKING | SUPPORT))
def test_every_value_that_is_searched_can_be_set(name):
    for value in (TRACKER | RANKING | SUPPORT)[name]:
        config = applied(class_config("Car"), {name: value})
        assert getattr(config.tracker if name in TRACKER else config, name) == value


def test_the_table_of_several_sequences_is_their_common_one(sequence):
    truth = {n: read_kitti_tracking(sequence / "label_02" / f"{n}.txt") for n in ("0002", "0003")}
    rng = np.random.default_rng(2)
    results = {}
    for name, frames in truth.items():
        results[name] = [
            KittiObjects.of(["Car"], f.bbox_px, f.hwl_m, np.add(f.bottom_m, [0, 0, 2 * rng.random()]),
                            score=rng.random(1), track_id=[k // 9]) for k, f in enumerate(frames)
        ]  # fmt: skip
    parts = [build_table({n: truth[n]}, {n: results[n]}, "Car", KittiTrackingConfig()) for n in truth]
    assert repr(score_table(joined(parts), "Car", "clean")) == repr(kitti_tracking(truth, results, "Car"))


def test_the_ablation_switches_something_off_in_each_row(sequence):
    rows = ablation(options(sequence), QUIET)
    assert set(ROWS) <= set(rows)
    assert rows["nothing written while coasting"].best.false_negatives == 4
    assert rows["all"].best.false_negatives == 0


def test_one_sequence_is_not_enough(sequence):
    (sequence / "label_02" / "0003.txt").unlink()
    with pytest.raises(InputError, match="at least two sequences"):
        tune(options(sequence), QUIET)


@pytest.mark.parametrize("name", ["trials", "rankings"])
def test_nothing_to_try_is_refused(sequence, name):
    with pytest.raises(ConfigurationError, match=name):
        options(sequence, **{name: 0})


def test_every_class_has_parameters_and_another_has_none():
    assert set(CLASSES) == {"Car", "Pedestrian", "Cyclist"}
    with pytest.raises(ConfigurationError, match="class 'Tram'"):
        class_config("Tram")


def test_the_published_definition_takes_the_scores_that_are_written(sequence):
    # Its evaluator averages a track's scores again and again: the last bits decide which tracks it loses.
    truth = {"0002": read_kitti_tracking(sequence / "label_02" / "0002.txt")}
    rng = np.random.default_rng(1)
    found = {"0002": [replace(f, score=rng.random(1), track_id=np.full(1, k // 3))
                      for k, f in enumerate(truth["0002"])]}  # fmt: skip
    path = sequence / "found.txt"
    path.write_text("\n".join(result_lines(found["0002"])) + "\n")
    read = kitti_tracking(truth, {"0002": read_kitti_tracking(path)}, "Car", PUBLISHED)
    assert repr(published(truth, found, "Car")) == repr(read)
