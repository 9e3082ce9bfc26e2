"""What the network is asked for, and that the decoder gets the boxes back from it."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import CAR, PEDESTRIAN, UNKNOWN
from perception_nodes.detection.learned_config import DecodeConfig
from perception_nodes.detection.learned_decode import BOX_CHANNELS, decode
from perception_nodes.training.targets import MAX_CELLS, VALUES, make_targets

from . import streets

GRID = (64, 0.8)


def test_an_answer_as_asked_for_decodes_to_the_true_boxes(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng)
    targets = make_targets(boxes, np.full(len(boxes), 50), GRID, 3)
    logits = np.log(np.clip(targets.heat, 1e-4, 1 - 1e-4) / (1 - np.clip(targets.heat, 1e-4, 1 - 1e-4)))
    maps = np.zeros((BOX_CHANNELS, 64 * 64), np.float32)
    used = targets.weight > 0
    maps[0:8, targets.cell[used]] = targets.values[used, :8].T
    maps[8, targets.cell[used]] = 20 * targets.values[used, 8] - 10
    maps[11] = 9.0
    found = decode(logits.astype(np.float32), maps.reshape(-1, 64, 64), 0.8, DecodeConfig(min_score=0.9))
    assert len(found) == len(boxes)
    apart = np.linalg.norm(found.center_m[:, None] - boxes["center_m"][None], axis=2)
    partner = apart.argmin(axis=1)
    assert apart.min(axis=1).max() < 1e-3
    np.testing.assert_array_equal(found.label, boxes["label"][partner])
    np.testing.assert_allclose(found.lwh_m, boxes["lwh_m"][partner], rtol=1e-4)
    turn = np.abs((found.yaw_rad - boxes["yaw_rad"][partner] + np.pi) % (2 * np.pi) - np.pi)
    assert turn.max() < 1e-3


def test_every_answering_cell_points_at_its_own_box(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng, cars=1, people=0)
    targets = make_targets(boxes, np.array([50]), GRID, 3)
    used = targets.weight > 0
    middle = (np.stack([targets.cell // 64, targets.cell % 64], axis=1) + 0.5 - 32) * 0.8
    np.testing.assert_allclose(
        (middle + targets.values[:, :2])[used] - boxes["center_m"][0, :2], 0, atol=1e-4
    )
    assert sorted(targets.weight[used].tolist()) == [0.5, 0.5, 0.5, 0.5, 1.0]
    assert len(targets.weight) == MAX_CELLS


def test_objects_of_few_points_are_neither_asked_for_nor_forbidden(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng, cars=3, people=0)
    targets = make_targets(boxes, np.array([0, 2, 9]), GRID, 3)
    place = (boxes["center_m"][:, :2] / 0.8 + 32).astype(int)
    assert targets.heat[:, place[0, 0], place[0, 1]].max() == 0.0
    assert (targets.heat[:, place[1, 0], place[1, 1]] == -1.0).all()
    assert targets.heat[CAR, place[2, 0], place[2, 1]] == 1.0
    assert (targets.weight == 1.0).sum() == 1


def test_a_seen_object_beside_a_hidden_one_is_asked_for(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng, cars=2, people=0)
    boxes["center_m"][1, :2] = boxes["center_m"][0, :2] + 0.9
    targets = make_targets(boxes, np.array([40, 1]), GRID, 3)
    place = (boxes["center_m"][0, :2] / 0.8 + 32).astype(int)
    assert targets.heat[CAR, place[0], place[1]] == 1.0


def test_velocity_that_is_unknown_is_marked(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng, cars=1, people=1)
    boxes["velocity_mps"][0] = np.nan
    targets = make_targets(boxes, np.array([50, 50]), GRID, 3)
    known = {
        int(targets.label[k]): targets.values[k, VALUES.index("has_velocity")]
        for k in np.flatnonzero(targets.weight)
    }
    assert known == {CAR: 0.0, PEDESTRIAN: 1.0}
    assert np.isfinite(targets.values).all()


@pytest.mark.parametrize("count", [0, 1])
def test_no_boxes_and_boxes_outside(rng: np.random.Generator, count: int) -> None:
    boxes = streets.boxes(rng, cars=count, people=0)
    boxes["center_m"][:, 0] = 90.0
    targets = make_targets(boxes, np.full(count, 50), GRID, 3)
    assert not targets.heat.any()
    assert not targets.weight.any()


def test_what_has_no_class_is_neither_asked_for_nor_forbidden(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng, cars=2, people=0)
    boxes["label"][0] = UNKNOWN
    targets = make_targets(boxes, np.array([90, 50]), GRID, 3)
    place = (boxes["center_m"][:, :2] / 0.8 + 32).astype(int)
    assert (targets.heat[:, place[0, 0], place[0, 1]] == -1.0).all()
    assert targets.heat[CAR, place[1, 0], place[1, 1]] == 1.0
    assert (targets.label[targets.weight > 0] == CAR).all()
    assert (targets.weight == 1.0).sum() == 1
