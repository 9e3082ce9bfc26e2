"""COCO AP of image boxes: cases by hand and errors; test/oracle compares with pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.detection.coco import CocoImage, coco_detection

SIDE = 50.0  # of a box: medium


def image(truth_x: list[float], ours_x: list[float], scores: list[float], **columns: Any) -> CocoImage:
    """Squares at these x."""
    truth, ours = ([[x, 0, x + SIDE, SIDE] for x in xs] for xs in (truth_x, ours_x))
    return CocoImage(
        truth_px=np.array(truth, np.float64).reshape(-1, 4),
        truth_label=np.ones(len(truth), np.int64),
        box_px=np.array(ours, np.float64).reshape(-1, 4),
        label=np.ones(len(ours), np.int64),
        score=np.array(scores, np.float64),
        **columns,
    )


def ap(*images: CocoImage, **what: Any) -> float:
    return coco_detection(images).average_precision(**what)


def test_perfect_and_nothing() -> None:
    found = coco_detection([image([0, 100], [0, 100], [0.9, 0.8])])
    summary = found.summary()
    for name in ("AP", "AP50", "AP75", "AP_medium", "AR10", "AR100", "AR_medium"):
        assert summary[name] == pytest.approx(1.0), name
    assert summary["AR1"] == 0.5
    assert np.isnan(summary["AP_small"]) and np.isnan(summary["AR_large"])
    assert ap(image([0, 100], [], [])) == 0.0
    assert np.isnan(ap(image([], [0], [0.9])))
    assert np.isnan(coco_detection([]).average_precision())


def test_overlap_by_hand() -> None:
    """Shifted by 12 of 50: IoU 38 / 62 = 0.613, a hit at 0.5, 0.55 and 0.6 only."""
    shifted = image([0], [12.0], [0.9])
    assert ap(shifted, overlap=0.5) == pytest.approx(1.0) and ap(shifted, overlap=0.75) == 0.0
    assert ap(shifted) == pytest.approx(0.3)


def test_a_false_alarm_above_a_hit_by_hand() -> None:
    """Precision 1 up to recall 0.5 (51 recalls), then 2 / 3."""
    found = image([0, 100], [0, 300, 100], [0.9, 0.8, 0.7])
    assert ap(found, overlap=0.5) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_duplicate_lowers_precision_and_not_recall() -> None:
    found = coco_detection([image([0, 100], [0, 0, 100], [0.9, 0.8, 0.7])])
    assert found.summary()["AR100"] == 1.0
    assert found.average_precision() < 1.0


def test_a_crowd_is_neutral_and_is_taken_often() -> None:
    """Two small boxes wholly within the crowd: their IoU with it is low, their share of it is 1."""
    crowd = image([0, 200], [0], [0.5], crowd=np.array([False, True]))
    inside = np.array([[0, 0, 50, 50], [200, 0, 210, 10], [215, 0, 225, 10]], np.float64)
    busy = CocoImage(
        crowd.truth_px,
        crowd.truth_label,
        inside,
        np.ones(3, np.int64),
        np.array([0.5, 0.9, 0.8]),
        crowd.crowd,
    )
    assert ap(busy) == pytest.approx(1.0)
    alone = CocoImage(
        crowd.truth_px, crowd.truth_label, inside, np.ones(3, np.int64), np.array([0.5, 0.9, 0.8])
    )
    assert ap(alone) < 0.5


def test_ordinary_truth_comes_before_a_crowd_that_covers_more() -> None:
    both = image([10, 0], [0], [0.9], crowd=np.array([False, True]))
    assert ap(both, overlap=0.5) == pytest.approx(1.0)


def test_false_alarms_of_another_size_do_not_count() -> None:
    truth = np.array([[0, 0, 20, 20]], np.float64)
    ours = np.array([[0, 0, 20, 20], [100, 0, 150, 50]], np.float64)
    found = CocoImage(truth, np.ones(1, np.int64), ours, np.ones(2, np.int64), np.array([0.5, 0.9]))
    assert ap(found, size="small") == pytest.approx(1.0)
    assert ap(found) == pytest.approx(0.5)


def test_only_the_surest_hundred_of_an_image_count() -> None:
    for alarms, expected in ((99, 0.01), (100, 0.0)):
        scores = np.linspace(0.9, 0.1, alarms + 1).tolist()
        assert ap(image([0], [1000.0] * alarms + [0.0], scores)) == pytest.approx(expected)


def test_sizes_go_by_the_given_area() -> None:
    small = image([0], [0], [0.9], area_px2=np.array([900.0]))
    assert ap(small, size="small") == pytest.approx(1.0)
    assert np.isnan(ap(small, size="medium"))


def test_classes_are_kept_apart_and_averaged() -> None:
    both = CocoImage(
        np.array([[0, 0, 50, 50], [100, 0, 150, 50]], np.float64),
        np.array([1, 2]),
        np.array([[0, 0, 50, 50], [100, 0, 150, 50]], np.float64),
        np.array([1, 1]),
        np.array([0.9, 0.8]),
    )
    found = coco_detection([both])
    assert found.labels == (1, 2) and found.num_truth == (1, 1)
    assert found.average_precision(label=1) == pytest.approx(1.0) and found.average_precision(label=2) == 0.0
    assert found.average_precision() == pytest.approx(0.5)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="score: wanted shape"):
        image([0], [0], [0.9, 0.8])
    with pytest.raises(InputError, match="score: a value is not finite"):
        image([0], [0], [np.nan])
    with pytest.raises(InputError, match="crowd: wanted shape"):
        image([0], [0], [0.9], crowd=np.zeros(2, bool))
