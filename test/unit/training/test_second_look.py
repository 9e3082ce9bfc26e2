"""Weights of the second look: their signs, what they do to boxes of a street made by hand, and the files written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datasets.rigs import find_rig
from perception_nodes.datatypes import CAR, PEDESTRIAN, InputError
from perception_nodes.detection.learned_choice import SHIPPED
from perception_nodes.detection.learned_decode import DecodedBoxes
from perception_nodes.detection.runtime import OnnxModel
from perception_nodes.detection.second_look import COLUMNS, EITHER, FOR, SecondLook
from perception_nodes.resources import resource_path
from perception_nodes.simulation.iterator import Drives
from perception_nodes.training import second_look
from perception_nodes.training.detector import beams_of, looked_again
from perception_nodes.training.export import rewrite_metadata
from perception_nodes.training.second_look import Samples, add_second_look, fit_weights, samples
from perception_nodes.training.store import StoredFrame

from .streets import frame, store

TABLE = {"id": "isotonic-before", "score": [0.0, 1.0], "probability": [0.0, 0.5]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The shipped model under another calibration."""
    path = tmp_path / "hand.onnx"
    rewrite_metadata(resource_path(SHIPPED), path, {"calibration": TABLE, "second_look": None})
    return path


def found(rng: np.random.Generator, of: StoredFrame, score: float = 0.4) -> DecodedBoxes:
    """Every true box, and as many of the same sizes where there is only road, all of one score."""
    true = of.boxes
    n = len(true)
    nowhere = true["center_m"] + [0.0, 60.0, 0.0]
    center = np.concatenate([true["center_m"], nowhere]).astype(float)
    label = np.tile(true["label"], 2).astype(np.uint8)
    return DecodedBoxes(
        center, np.tile(true["lwh_m"], (2, 1)).astype(float), np.tile(true["yaw_rad"], 2).astype(float), np.ones(2 * n),
        np.zeros((2 * n, 2)), label, np.eye(11)[label], np.full(2 * n, score) + rng.uniform(0, 0.01, 2 * n),
        np.zeros((2 * n, 5)),
    )  # fmt: skip


def test_true_boxes_come_to_score_above_road(rng: np.random.Generator) -> None:
    streets = [frame(rng, k) for k in range(12)]
    pairs = [(f, found(rng, f)) for f in streets]
    weights = {name: fit_weights(name, samples(name, pairs)) for name in COLUMNS}
    other = frame(rng, 99)
    boxes = SecondLook(weights)(found(rng, other), beams_of(other))
    there = boxes.center_m[:, 1] < 25
    for label in (CAR, PEDESTRIAN):
        of = boxes.label == label
        assert boxes.score[of & there].min() > boxes.score[of & ~there].max() + 0.1


@pytest.mark.parametrize("name", list(COLUMNS))
def test_no_weight_has_a_sign_that_physics_forbids(rng: np.random.Generator, name: str) -> None:
    columns = rng.random((500, len(COLUMNS[name])))
    target = (columns.sum(axis=1) + rng.normal(0, 1, 500) > columns.sum(axis=1).mean()).astype(float)
    for one in (target, 1.0 - target):  # every column speaks for it; then every one against
        weights = fit_weights(name, Samples(columns, np.zeros(500), one))
        assert all(weights[n] >= 0 for n in FOR)
        assert all(weights[n] <= 0 for n in COLUMNS[name] if n not in (*FOR, *EITHER))
        sign = 1 if one is target else -1
        assert all(sign * weights[n] > 0 for n in EITHER)


def test_a_box_at_a_thing_of_two_points_is_no_sample(rng: np.random.Generator) -> None:
    one = frame(rng)
    boxes = found(rng, one)
    cars = int((one.boxes["label"] == CAR).sum())
    assert len(samples("car", [(one, boxes)]).target) == 2 * cars
    one.boxes["num_points"][:] = 2
    of = samples("car", [(one, boxes)])
    assert len(of.target) == cars
    assert (of.target == 0).all()


def test_files_carry_the_weights_and_another_table(
    rng: np.random.Generator, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store(tmp_path / "frames", rng, frames=4)
    monkeypatch.setattr(second_look, "make_shard", lambda *_: made)
    looked = tmp_path / "looked"
    second = add_second_look(model, [find_rig("vlp16")], 4, Drives(), looked, tmp_path, Console(quiet=True))
    about = OnnxModel(looked / "hand.onnx").metadata
    assert about["second_look"]["weights"] == second.weights
    assert about["second_look"]["frames"] == 2
    assert about["calibration"]["id"] != TABLE["id"]
    # Where the network is trained on, its boxes are calibrated as they will be looked at.
    one = frame(rng)
    boxes = found(rng, one)
    again = looked_again(lambda _: boxes, about)(one)
    assert not np.allclose(np.sort(again.score), np.sort(boxes.score))
    assert looked_again(lambda _: boxes, {})(one) is boxes


def test_the_model_itself_is_not_written_over(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="holds the model itself"):
        add_second_look(model, [find_rig("vlp16")], 1, Drives(), tmp_path, tmp_path / "d", Console())
