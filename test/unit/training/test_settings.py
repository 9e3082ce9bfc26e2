"""Settings of a training run: given one by one, written down, asked for again by a run that goes on."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.training.config import LossConfig, TrainConfig, fine_tuning, unusual, with_settings
from perception_nodes.training.run_file import RUN, check_same


def test_settings_are_changed_by_name_and_nothing_else_is() -> None:
    config = with_settings(
        fine_tuning(TrainConfig(steps=7)), ["loss.direction:=0.6", "learning_rate:=5e-4", "augment.paste:=3"]
    )
    before = fine_tuning(TrainConfig(steps=7))
    wanted = replace(
        before,
        learning_rate=5e-4,
        loss=replace(before.loss, direction=0.6),
        augment=replace(before.augment, paste=3),
    )
    assert config == wanted
    assert isinstance(config.augment.paste, int)
    assert with_settings(before, []) == before
    # The last of a name.
    assert with_settings(before, ["min_points:=4", "min_points:=5"]).min_points == 5


@pytest.mark.parametrize(
    ("setting", "words"),
    [("loss.dirction:=0.6", r"--set loss.dirction:=0.6: wanted name:=value, the name one of .*loss.direction"),
     ("loss.direction=0.6", "wanted name:=value"), ("loss:=1", "wanted name:=value"), ("", "wanted name:=value"),
     ("steps:=5", "wanted name:=value"), ("loss.direction:=much", "much: wanted a number"),
     ("loss.direction:=nan", "nan: wanted a number"), ("loss.direction:=inf", "inf: wanted a number"),
     ("loss.direction:=-1", "direction = -1.0: wanted a value in"),
     ("augment.paste:=1.5", "1.5: wanted a whole number"), ("min_points:=1" + 309 * "0", "wanted a whole number")],
)  # fmt: skip
def test_settings_that_are_none(setting: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        with_settings(TrainConfig(), [setting])


def test_what_is_unusual_is_said() -> None:
    assert unusual(TrainConfig(steps=3, seed=1, evaluate_every=7)) == ""
    assert (
        unusual(with_settings(TrainConfig(), ["loss.direction:=0.6", "average:=0.99"]))
        == "average 0.99, loss.direction 0.6"
    )


def test_a_run_goes_on_with_the_settings_that_it_was_begun_with(tmp_path: Path) -> None:
    config = TrainConfig(loss=LossConfig(direction=0.6))
    known = {"config": dataclasses.asdict(config), "budget_s": 0.0, "streets": 3}
    (tmp_path / RUN).write_text(json.dumps(known))
    check_same(tmp_path, {"streets": 3}, config)
    with pytest.raises(ConfigurationError, match=r"begun with: loss\.direction: 0\.6, got 1\.0"):
        check_same(tmp_path, {"streets": 3}, TrainConfig())
    with pytest.raises(ConfigurationError, match="begun with: steps: 5000, got 9"):
        check_same(tmp_path, {"streets": 3}, replace(config, steps=9))
    # What a budget decides is not compared.
    (tmp_path / RUN).write_text(json.dumps({**known, "budget_s": 60.0}))
    check_same(tmp_path, {"streets": 3}, replace(config, steps=9))
