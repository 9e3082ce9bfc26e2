"""`perception tune choices`: a sequence is tracked with what the others choose, never with what fits itself."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from rich.console import Console

from perception_nodes.assessment.tracks import choices
from perception_nodes.assessment.tracks.choices import COASTING, PASSES, choose
from perception_nodes.assessment.tracks.command import TrackOptions
from perception_nodes.assessment.tracks.config import class_config
from perception_nodes.assessment.tracks.scores import Meaning
from perception_nodes.assessment.tracks.tune import applied
from perception_nodes.assessment.tracks.tune_inputs import TuneOptions
from perception_nodes.datatypes import InputError


@pytest.fixture
def unlike(sequence):
    """The car of the one sequence is there while nothing detects it, that of the other is not."""
    for path in (sequence / "det3d_Car").iterdir():
        # False alarms that are too low in the image would not be judged.
        path.write_text(path.read_text().replace(",0,0,9,9,", ",500,150,600,250,"))
    path = sequence / "label_02" / "0002.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if line.split()[0] not in ("12", "13")) + "\n")
    return sequence


def run(sequence, console=None):
    options = TuneOptions(sequence / "label_02", TrackOptions("kitti", sequence, Path()), "Car")
    grid = {"low_score": (0.4,)}
    writing = ({"coast_s": 0.0}, {"coast_s": 1.5, "coast_existence": 0.0})
    with patch.object(choices, "PASSES", grid), patch.object(choices, "COASTING", writing):
        return choose(options, console or Console(quiet=True))


def test_each_sequence_gets_what_is_best_for_the_other(unlike):
    out = run(unlike)
    assert out.chosen["0002"]["coast_s"] == 1.5
    assert out.chosen["0003"]["coast_s"] == 0.0
    # So the one has two boxes too many, the other two too few.
    assert (out.left_out.best.false_positives, out.left_out.best.false_negatives) == (2, 2)


def test_the_meaning_of_the_scores_is_that_of_the_others(unlike):
    asked = []

    def fit(samples):
        asked.append(len(samples))
        return Meaning(2.0, 1.0, 0.0)

    with patch.object(choices, "fit_scores", fit):
        run(unlike)
    assert asked == [1, 1]


@pytest.mark.parametrize(("even", "taken"), [(99.0, False), (2.0, True)])
def test_the_fitted_meaning_is_taken_only_where_the_others_are_better_with_it(unlike, even, taken):
    as_set = replace(class_config("Car"), score_even=99.0 if taken else 2.0)
    fit, config = Meaning(even, 1.0, 0.0), patch.object(choices, "class_config", lambda _: as_set)
    with config, patch.object(choices, "fit_scores", lambda _: fit):
        out = run(unlike)
    assert [c["fitted_scores"] for c in out.chosen.values()] == [taken, taken]


def test_how_often_each_value_is_chosen_is_told(unlike):
    console = Console(width=200, file=io.StringIO())
    run(unlike, console)
    text = console.file.getvalue()
    assert "each sequence with what the others choose" in text
    assert "coast_s: 1.5 (1 times), 0 (1 times)" in text


def test_every_value_of_the_grid_can_be_set():
    for changes in ({name: value} for name, values in PASSES.items() for value in values):
        applied(class_config("Car"), changes)
    for coasting in COASTING:
        assert applied(class_config("Car"), coasting).coast_s == coasting["coast_s"]


def test_one_sequence_cannot_choose_for_another(sequence):
    (sequence / "label_02" / "0003.txt").unlink()
    with pytest.raises(InputError, match="at least two sequences"):
        run(sequence)
