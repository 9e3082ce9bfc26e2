"""Maps of the network to boxes, on maps made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import CAR, LABEL_INDEX, PEDESTRIAN, ModelError
from perception_nodes.detection.learned_config import DecodeConfig
from perception_nodes.detection.learned_decode import BOX_CHANNELS, BOX_ROWS, _suppress, decode
from perception_nodes.geometry import iou_bev

N, CELL_M = 32, 0.8


def empty() -> tuple[np.ndarray, np.ndarray]:
    return np.full((10, N, N), -9.0, np.float32), np.zeros((BOX_CHANNELS, N, N), np.float32)


def put(
    maps: tuple[np.ndarray, np.ndarray], i: int, j: int, *, label: int = CAR, logit: float = 3.0,
    size: tuple[float, ...] = (4.5, 1.8, 1.5), yaw: float = 0.0, quality: float = 9.0,
) -> None:  # fmt: skip
    classes, boxes = maps
    classes[label, i, j] = logit
    box = np.zeros(BOX_CHANNELS)
    box[0:2], box[2], box[3:6] = (0.1, -0.2), 0.75, np.log(size)
    box[6:8], box[8] = (np.cos(2 * yaw), np.sin(2 * yaw)), 5.0 if np.cos(yaw) > 0 else -5.0
    box[11], box[12:17] = quality, np.log([0.1, 0.2, 0.3, 0.4, 0.05])
    boxes[:, i, j] = box


@pytest.mark.parametrize("yaw", [0.0, 0.7, -1.2, 2.5, -3.0])
def test_one_box_comes_back_as_it_was_put(yaw: float) -> None:
    maps = empty()
    put(maps, 20, 10, yaw=yaw)
    found = decode(*maps, CELL_M, DecodeConfig(quality_share=0.0))
    assert len(found) == 1
    np.testing.assert_allclose(
        found.center_m[0], [(20.5 - 16) * 0.8 + 0.1, (10.5 - 16) * 0.8 - 0.2, 0.75], atol=1e-5
    )
    np.testing.assert_allclose(found.lwh_m[0], [4.5, 1.8, 1.5], rtol=1e-5)
    assert found.yaw_rad[0] == pytest.approx(yaw, abs=1e-5)
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(-3.0)), abs=1e-6)
    np.testing.assert_allclose(found.std[0], [0.1, 0.2, 0.3, 0.4, 0.05], rtol=1e-5)


def test_only_peaks_count_and_of_equal_neighbours_one() -> None:
    maps = empty()
    put(maps, 5, 5, logit=2.0)
    put(maps, 5, 6, logit=1.5)
    put(maps, 20, 20, logit=2.0)
    put(maps, 20, 21, logit=2.0)
    assert len(decode(*maps, CELL_M, DecodeConfig())) == 2


def test_of_overlapping_boxes_of_one_kind_the_better_stays() -> None:
    maps = empty()
    put(maps, 10, 10, logit=1.0)
    put(maps, 12, 10, logit=3.0, label=LABEL_INDEX["truck"])
    put(maps, 25, 25, logit=0.5)
    found = decode(*maps, CELL_M, DecodeConfig())
    assert found.label.tolist() == [LABEL_INDEX["truck"], CAR]


def test_what_stays_is_what_overlaps_no_better_box_that_stays(rng: np.random.Generator) -> None:
    n = 200
    center, size = rng.uniform(-15, 15, (n, 3)), rng.uniform(0.5, 5.0, (n, 3))
    yaw, kind = rng.uniform(-np.pi, np.pi, n), rng.integers(0, 2, n)
    overlap = iou_bev((center, size, yaw), (center, size, yaw))
    limit = np.where(kind[:, None] == kind[None], 0.15, 0.4)
    wanted: list[int] = []
    for k in range(n):
        if not (overlap[wanted, k] > limit[wanted, k]).any():
            wanted.append(k)
    assert 20 < len(wanted) < n - 20
    keep = np.ones(n, np.bool_)
    _suppress(np.column_stack([center[:, :2], size[:, :2], yaw]), kind, 0.15, 0.4, keep)
    np.testing.assert_array_equal(np.flatnonzero(keep), wanted)


def test_a_person_beside_a_car_stays() -> None:
    maps = empty()
    put(maps, 10, 10)
    put(maps, 12, 11, label=PEDESTRIAN, size=(0.6, 0.6, 1.7), logit=1.0)
    assert sorted(decode(*maps, CELL_M, DecodeConfig()).label.tolist()) == [CAR, PEDESTRIAN]


def test_quality_lowers_the_score() -> None:
    maps = empty()
    put(maps, 10, 10, quality=0.0)
    half = decode(*maps, CELL_M, DecodeConfig(quality_share=0.5)).score[0]
    assert half == pytest.approx((1 / (1 + np.exp(-3.0))) ** 0.5 * 0.5**0.5, abs=1e-6)


def test_probabilities_are_of_the_named_classes() -> None:
    maps = empty()
    put(maps, 10, 10)
    maps[0][LABEL_INDEX["truck"], 10, 10] = 2.0
    found = decode(*maps, CELL_M, DecodeConfig())
    assert found.probabilities.sum() == pytest.approx(len(found))
    assert found.probabilities[0].argmax() == CAR
    assert found.probabilities[0, -1] == 0.0


def test_limits_and_scores_below_them() -> None:
    maps = empty()
    for k in range(6):
        put(maps, 3 + 4 * k, 16, logit=float(k) - 2, size=(1.0, 1.0, 1.0))
    found = decode(*maps, CELL_M, DecodeConfig(max_detections=3, min_score=0.0))
    assert len(found) == 3
    assert (np.diff(found.score) <= 0).all()
    assert len(decode(*maps, CELL_M, DecodeConfig(min_score=0.9, quality_share=0.0))) == 1
    assert len(decode(*maps, CELL_M, DecodeConfig(min_score=1.0))) == 0


def test_answers_that_are_not_finite_are_no_boxes() -> None:
    maps = empty()
    put(maps, 10, 10)
    put(maps, 20, 20)
    maps[1][3, 10, 10] = np.nan
    maps[0][CAR, 25, 25] = np.nan
    assert len(decode(*maps, CELL_M, DecodeConfig())) == 1


def test_maps_of_another_shape() -> None:
    classes, boxes = empty()
    with pytest.raises(ModelError, match="wanted maps of shapes"):
        decode(classes[:9], boxes, CELL_M, DecodeConfig())
    with pytest.raises(ModelError, match="wanted maps of shapes"):
        decode(classes, boxes[:, :16], CELL_M, DecodeConfig())


def test_rows_follow_each_other() -> None:
    ends = [0, *(high for _, high in BOX_ROWS.values())]
    assert [low for low, _ in BOX_ROWS.values()] == ends[:-1]
    assert ends[-1] == BOX_CHANNELS
