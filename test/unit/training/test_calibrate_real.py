"""Calibration by the user's own boxes: measured half against half, and kept in copies of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import CAR, InputError
from perception_nodes.detection.learned_choice import SHIPPED
from perception_nodes.detection.learned_config import RuntimeConfig
from perception_nodes.detection.runtime import OnnxModel, int8_path
from perception_nodes.evaluation import BoxFrame
from perception_nodes.resources import resource_path
from perception_nodes.training.calibrate_real import Boxes, calibrate, fit
from perception_nodes.training.config import file_digest
from perception_nodes.training.copies import write_copies


def frame(xy: np.ndarray, score: np.ndarray) -> BoxFrame:
    n = len(xy)
    return BoxFrame(
        0, np.arange(n), np.full(n, CAR), score, np.column_stack([xy, np.zeros(n)]), np.ones((n, 3)), np.zeros(n),
        np.zeros((n, 2)), np.full(n, 9), np.zeros(2),
    )  # fmt: skip


def recording(rng: np.random.Generator, frames: int) -> Boxes:
    """Ten boxes a frame, 10 m apart; one of score s is there with probability s squared."""
    true, found = [], []
    place = np.column_stack([10.0 * np.arange(10), np.zeros(10)])
    for _ in range(frames):
        score = rng.random(10)
        there = rng.random(10) < score**2
        true.append(frame(place[there], np.full(int(there.sum()), np.nan)))
        found.append(frame(place, score))
    return true, found


def test_the_error_falls_on_what_was_not_fitted_on(rng: np.random.Generator) -> None:
    table, error = fit([recording(rng, 300), recording(rng, 301)], {})
    assert error.boxes == 3000
    assert table["boxes"] == 6010
    assert error.before == pytest.approx(1 / 6, abs=0.03)  # mean of s - s squared
    assert error.after < 0.05
    at = np.interp([0.3, 0.6, 0.9], table["score"], table["probability"])
    np.testing.assert_allclose(at, [0.09, 0.36, 0.81], atol=0.06)
    _, again = fit([recording(rng, 300)], table)
    assert again.before < 0.05


def test_too_few_boxes(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="50 boxes in the first halves: wanted at least 100"):
        fit([recording(rng, 10)], {})


def test_copies_say_what_was_done_to_which_file_and_nothing_else_changes(tmp_path: Path) -> None:
    model = resource_path(SHIPPED["small"])
    table = {"id": "isotonic-mine", "boxes": 9, "score": [0.0, 1.0], "probability": [0.0, 0.3]}
    write_copies(model, tmp_path / "out", {"calibration": table}, "Mine", [])
    one = RuntimeConfig(threads=1, precision="fp32", probe_runs=1)
    for file in (model, int8_path(model)):
        old, new = OnnxModel(file, one), OnnxModel(tmp_path / "out" / file.name, one)
        said = dict(new.metadata)
        *older, begun = said.pop("from")
        assert older == old.metadata["from"]
        assert (begun["digest"], begun["calibration"]) == (
            file_digest(file),
            old.metadata["calibration"]["id"],
        )
        assert (said.pop("done"), said.pop("calibration")) == ("Mine", table)
        assert {**said, "commit": ""} == {
            k: v for k, v in {**old.metadata, "commit": ""}.items() if k in said
        }
        raster = np.random.default_rng(0).random(old.input_shape).astype(np.float32)
        for a, b in zip(old.run(raster), new.run(raster), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_card_has_the_new_ids_the_chain_of_files_and_the_old_card(tmp_path: Path) -> None:
    model = resource_path(SHIPPED["small"])
    old = OnnxModel(model, RuntimeConfig(threads=1, precision="fp32", probe_runs=1)).metadata
    for number, folder in enumerate(("one", "two")):
        table = {"id": f"isotonic-{folder}", "boxes": 9, "score": [0.0, 1.0], "probability": [0.0, 0.3]}
        write_copies(model, tmp_path / folder, {"calibration": table}, f"Done {folder}", ["0.030 before"])
        text = (tmp_path / folder / "lidar_small.md").read_text()
        head, before = text.split("What follows is the card", 1)
        assert f"| calibration | isotonic-{folder}, 9 boxes |" in head and "0.030 before" in head
        assert head.count("| made from |") == len(old["from"]) + number + 1
        assert file_digest(model) in head
        assert ("\nDone one." in before) == ("made so: Done one" in head) == (number == 1)
        assert old["calibration"]["id"] in head and "AP (mean of" in before
        model = tmp_path / folder / "lidar_small.onnx"
    assert text.startswith("# lidar_small\n") and "\n# " not in text


def test_the_model_itself_is_not_written_over(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    with pytest.raises(InputError, match="another --output"):
        calibrate(model, (tmp_path,), tmp_path, Console(quiet=True))
