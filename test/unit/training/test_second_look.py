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
from perception_nodes.training.second_look import Samples, add_second_look, fit_scores, fit_weights, samples
from perception_nodes.training.store import StoredFrame

from .streets import frame, store

TABLE = {"id": "isotonic-before", "score": [0.0, 1.0], "probability": [0.0, 0.5]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The shipped model under another calibration."""
    path = tmp_path / "hand.onnx"
    rewrite_metadata(resource_path(SHIPPED["small"]), path, {"calibration": TABLE, "second_look": None})
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
    assert about["from"][-1]["calibration"] == TABLE["id"]
    card = (looked / "hand.md").read_text()
    assert "on 2 simulated frames of rigs vlp16" in card and "on 2 frames of other streets" in card
    assert about["calibration"]["id"] in card and about["second_look"]["id"] in card
    # Where the network is trained on, its boxes are calibrated as they will be looked at.
    one = frame(rng)
    boxes = found(rng, one)
    again = looked_again(lambda _: boxes, about)(one)
    assert not np.allclose(np.sort(again.score), np.sort(boxes.score))
    assert looked_again(lambda _: boxes, {})(one) is boxes


def test_the_table_sees_no_score_of_a_look_that_was_fitted_on_its_frame(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six streets: three looks, of all and of every second one; a frame of the table is of none of its look's."""
    pairs = [(f, found(rng, f)) for f in (frame(rng, k) for k in range(6))]
    fitted: list[list[int]] = []
    tables: list[int] = []
    fit, table = second_look.fit_second_look, second_look.calibration

    def look(of: second_look.Looked) -> dict[str, object]:
        fitted.append([f.street - 7 for f, _ in of])
        return fit(of)

    def looked(second: SecondLook, of: second_look.Looked) -> object:
        assert not {f.street - 7 for f, _ in of} & set(fitted[-1])
        return whole(second, of)

    def kept(truth: list[object], boxes: list[object]) -> dict[str, object]:
        tables.append(len(boxes))
        return table(truth, boxes)  # type: ignore[arg-type]

    whole = second_look.both
    monkeypatch.setattr(second_look, "fit_second_look", look)
    monkeypatch.setattr(second_look, "both", looked)
    monkeypatch.setattr(second_look, "calibration", kept)
    about, said = fit_scores(pairs)
    assert fitted == [[1, 3, 5], [0, 2, 4], [0, 1, 2, 3, 4, 5]]
    assert tables == [6] and said["boxes"] == sum(len(b.score) for _, b in pairs)
    assert about["frames"] == 6


def test_frames_of_one_street_are_too_few(rng: np.random.Generator) -> None:
    one = frame(rng)
    with pytest.raises(InputError, match="at least 2 streets, got 1"):
        fit_scores([(one, found(rng, one))] * 3)


def test_the_model_itself_is_not_written_over(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="holds the model itself"):
        add_second_look(model, [find_rig("vlp16")], 1, Drives(), tmp_path, tmp_path / "d", Console())
