"""The second look: a box laid against its points, what beams say of it, and what that does to the scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, ModelError
from perception_nodes.detection.alignment import align
from perception_nodes.detection.beams import (
    EVIDENCE,
    Beams,
    _count,
    _cross,
    _meet,
    _nine_in_ten,
    count_points,
    evidence,
    sort_beams,
    window,
)
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_decode import DecodedBoxes
from perception_nodes.detection.learned_points import PreparedPoints
from perception_nodes.detection.second_look import COLUMNS, SecondLook, log_odds, look
from perception_nodes.geometry import points_in_boxes

from .learned_model import ABOUT, write_model
from .test_learned import FAST, ORIGIN, cloud

HEIGHT = np.array([1.8])
CAR_BOX = np.array([[12.0, 3.0, 0.75, 4.4, 1.8, 1.5, 0.3]])


def points(xyh: np.ndarray) -> PreparedPoints:
    n = len(xyh)
    return PreparedPoints(
        xyh.astype(np.float32), np.full(n, 0.5, np.float32), np.zeros(n, np.uint8), np.zeros((1, 2))
    )


def on_car(rng: np.random.Generator, box: np.ndarray = CAR_BOX[0], count: int = 200) -> np.ndarray:
    """(count, 3) points on the two sides of a box that the sensor in the origin sees."""
    c, s = np.cos(box[6]), np.sin(box[6])
    to_sensor = np.array([-box[0] * c - box[1] * s, box[0] * s - box[1] * c])
    uv = rng.uniform(-0.5, 0.5, (count, 2)) * box[3:5]
    axis = rng.integers(0, 2, count)
    uv[np.arange(count), axis] = (np.sign(to_sensor) * box[3:5] / 2)[axis]
    height = rng.uniform(0.3, 1.2, count)
    return np.column_stack([box[0] + uv @ [c, -s], box[1] + uv @ [s, c], height])


def beyond(rng: np.random.Generator, height: float) -> np.ndarray:
    """(500, 3) points on a wall behind the car's place, met by beams that cross the place."""
    angle = rng.uniform(0.05, 0.45, 500)
    return np.column_stack([17.0 * np.cos(angle), 17.0 * np.sin(angle), np.full(500, height)])


def decoded(box: np.ndarray, label: str, score: float) -> DecodedBoxes:
    probabilities = np.zeros((1, 11))
    probabilities[0, LABEL_INDEX[label]] = 1.0
    return DecodedBoxes(
        box[:, :3], box[:, 3:6], box[:, 6], np.ones(1), np.zeros((1, 2)), np.array([LABEL_INDEX[label]], np.uint8),
        probabilities, np.array([score]), np.zeros((1, 5)),
    )  # fmt: skip


def of(seen: np.ndarray, name: str) -> float:
    return float(seen[0, EVIDENCE.index(name)])


def weights(**changed: float) -> dict[str, float]:
    return {**dict.fromkeys(("bias", *COLUMNS["car"]), 0.0), **changed}


@pytest.mark.parametrize("turn", [0.2, -0.25])
def test_a_box_is_turned_to_the_sides_and_shifted_across(rng: np.random.Generator, turn: float) -> None:
    beams = sort_beams(points(on_car(rng)), HEIGHT)
    guess = CAR_BOX.copy()
    guess[0, 6] += turn
    guess[0, :2] += 0.3 * np.array([-np.sin(0.3), np.cos(0.3)])
    found = align(beams, guess)[0]
    assert abs(found[6] - 0.3) < 0.06
    off = found[:2] - CAR_BOX[0, :2]
    assert abs(off @ [-np.sin(0.3), np.cos(0.3)]) < 0.2  # 0.3 m before
    np.testing.assert_array_equal(found[2:6], CAR_BOX[0, 2:6])


def test_a_box_of_few_points_stays(rng: np.random.Generator) -> None:
    guess = CAR_BOX + np.array([0.2, 0.2, 0, 0, 0, 0, 0.2])
    beams = sort_beams(points(on_car(rng, count=6)), HEIGHT)
    np.testing.assert_array_equal(align(beams, guess), guess)


def test_sides_stop_beams_and_what_is_not_there_lets_them_through(rng: np.random.Generator) -> None:
    there = evidence(sort_beams(points(on_car(rng, count=2000)), HEIGHT), CAR_BOX)
    assert of(there, "points") == 2000
    assert of(there, "hit") >= 14
    assert of(there, "free") == 0
    empty = evidence(sort_beams(points(beyond(rng, 0.3)), HEIGHT), CAR_BOX)
    assert of(empty, "points") == 0
    assert of(empty, "passed") > 100
    assert of(empty, "free") >= 14
    assert of(empty, "hit") == 0
    # Beams over it say nothing.
    over = evidence(sort_beams(points(beyond(rng, 4.0)), HEIGHT), CAR_BOX)
    assert of(over, "passed") == of(over, "free") == 0


def test_points_in_boxes_are_counted_as_one_by_one(rng: np.random.Generator) -> None:
    xyh = rng.uniform([-20, -20, 0], [20, 20, 3], (20000, 3))
    n = 60
    boxes = np.column_stack([
        rng.uniform(-18, 18, (n, 2)), np.full(n, 1.0), rng.uniform(0.5, 6, (n, 2)), np.full(n, 1.5),
        rng.uniform(-4, 4, n),
    ])  # fmt: skip
    boxes[0, :2] = 0.1  # about the sensor
    sweep = points(xyh)
    wanted = points_in_boxes(sweep.xyh_m, boxes[:, :3], boxes[:, 3:6], boxes[:, 6], 0.1)
    assert wanted.min() > 0
    np.testing.assert_array_equal(count_points(sort_beams(sweep, HEIGHT), boxes, 0.1), wanted)


def all_evidence(beams: Beams, boxes: np.ndarray) -> np.ndarray:
    """As `evidence`, but each beam in the direction of a box is asked what it says of it."""
    out = np.zeros((len(boxes), len(EVIDENCE)))
    out[:, [EVIDENCE.index(n) for n in ("bottom", "range", "front", "left")]] = 1e9
    out[:, [EVIDENCE.index(n) for n in ("rear", "right")]] = -1e9
    for box, row in zip(boxes, out, strict=True):
        half, heights = box[3:5] / 2 + 0.1, np.zeros(32)
        turned = np.array([[np.cos(box[6]), -np.sin(box[6])], [np.sin(box[6]), np.cos(box[6])]])
        for k, origin in enumerate(beams.origins_m):
            row[-1] = min(row[-1], np.hypot(*(origin[:2] - box[:2])))
            middle, least, most = window(box, origin, half)
            if most - least >= 4.0:
                continue
            sensor = (*((origin[:2] - box[:2]) @ turned), origin[2])
            sectors = np.zeros((16, 3))
            for x, y, h, turn, _ in beams.points[beams.start[k * 720] : beams.start[k * 720 + 720]].astype(
                float
            ):
                away = (turn - middle + 2.0) % 4.0 - 2.0
                bins = np.floor(np.array([away, least, most]) * 180.0 + middle * 180.0)
                if bins[1] <= bins[0] <= bins[2]:
                    point = (*((np.array([x, y]) - box[:2]) @ turned), h)
                    _meet(point, box, half, row, heights)
                    sector = int((away - least) / (most - least) * 16)
                    if 0 <= sector < 16:
                        _cross(point, sensor, box, half, row, sectors[sector])
            _count(sectors, row)
        row[EVIDENCE.index("most")] = _nine_in_ten(heights)
    return out


def test_beams_that_are_passed_over_would_have_said_nothing(rng: np.random.Generator) -> None:
    n = 4000
    bearing, reach = rng.uniform(-np.pi, np.pi, n), rng.uniform(2.0, 30.0, n)
    height = np.where(rng.random(n) < 0.5, rng.normal(0.0, 0.1, n), rng.uniform(0.0, 3.0, n))
    xyh = np.column_stack([reach * np.cos(bearing), reach * np.sin(bearing), height]).astype(np.float32)
    source, origins = rng.integers(0, 2, n).astype(np.uint8), np.array([[0.0, 0.0], [1.5, -0.7]])
    sweep = PreparedPoints(xyh, np.full(n, 0.5, np.float32), source, origins)
    beams = sort_beams(sweep, np.array([1.9, 0.6]))
    at = rng.uniform(3.0, 25.0, 24) * np.exp(1j * rng.uniform(-np.pi, np.pi, 24))
    size = rng.uniform([0.5, 0.5, 0.8], [6.0, 2.5, 3.0], (24, 3))
    boxes = np.column_stack([at.real, at.imag, size[:, 2] / 2, size, rng.uniform(-np.pi, np.pi, 24)])
    wanted = all_evidence(beams, boxes)
    assert (
        wanted[:, [EVIDENCE.index(k) for k in ("stopped", "passed", "hidden", "above")]].max(axis=0) > 0
    ).all()
    np.testing.assert_allclose(evidence(beams, boxes), wanted, rtol=1e-9, atol=1e-9)


def test_what_stands_before_hides(rng: np.random.Generator) -> None:
    angle = rng.uniform(0.0, 0.6, 500)
    wall = np.column_stack([6.0 * np.cos(angle), 6.0 * np.sin(angle), rng.uniform(0.6, 2.0, 500)])
    seen = evidence(sort_beams(points(wall), HEIGHT), CAR_BOX)
    assert of(seen, "hidden") >= 14
    assert of(seen, "stopped") == 0


def test_evidence_turns_with_the_scene(rng: np.random.Generator) -> None:
    xyh = np.concatenate([on_car(rng), beyond(rng, 0.5)])
    first = evidence(sort_beams(points(xyh), HEIGHT), CAR_BOX)
    # Bins and sectors are equal steps on a square: by quarters nothing changes but rounding at their borders.
    for quarters in (1, 2, 3):
        a = quarters * np.pi / 2
        turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        box = CAR_BOX.copy()
        box[0, :2] = box[0, :2] @ turn
        box[0, 6] += a
        turned = np.column_stack([xyh[:, :2] @ turn, xyh[:, 2]])
        second = evidence(sort_beams(points(turned), HEIGHT), box)
        np.testing.assert_allclose(second, first, rtol=0.02, atol=1.0)


def test_weights_add_to_the_log_odds(rng: np.random.Generator) -> None:
    sweep = sort_beams(points(on_car(rng, count=1000)), HEIGHT)
    found = decoded(CAR_BOX, "car", 0.4)
    _, columns = look(found, sweep)
    assert columns["hit"][0] > 0.5
    second = SecondLook({"car": weights(bias=0.7, hit=2.0, range=-1.0)})
    wanted = np.log(0.4 / 0.6) + 0.7 + 2.0 * columns["hit"] - columns["range"]
    np.testing.assert_allclose(log_odds(second(found, sweep).score), wanted, atol=1e-9)
    # A class without weights keeps its score.
    other = second(decoded(CAR_BOX, "bicycle", 0.4), sweep)
    np.testing.assert_allclose(other.score, 0.4)


def test_boxes_come_by_falling_score_and_without_any_nothing_comes(rng: np.random.Generator) -> None:
    sweep = sort_beams(points(on_car(rng, count=400)), HEIGHT)
    nowhere = CAR_BOX + np.array([15.0, 9.0, 0, 0, 0, 0, 0])
    one, two = decoded(nowhere, "car", 0.6), decoded(CAR_BOX, "car", 0.4)
    both = DecodedBoxes(**{k: np.concatenate([v, vars(two)[k]]) for k, v in vars(one).items()})
    found = SecondLook({"car": weights(hit=3.0)})(both, sweep)
    assert found.score[0] > 0.6 > found.score[1] - 1e-9
    assert abs(found.center_m[0, 0] - 12.0) < 0.5
    none = DecodedBoxes(**{k: v[:0] for k, v in vars(one).items()})
    assert len(SecondLook({"car": weights()})(none, sweep)) == 0


def test_a_model_that_brings_weights_is_looked_at_again(rng: np.random.Generator, tmp_path: Path) -> None:
    plain = LearnedLidarDetector(write_model(tmp_path / "plain.onnx"), FAST)
    about = {**ABOUT, "second_look": {"weights": {"car": weights(bias=-1.0)}}}
    looked = LearnedLidarDetector(write_model(tmp_path / "looked.onnx", about), FAST)
    sweep = cloud(rng)
    before, after = (d.detect(sweep, ORIGIN).detections.score for d in (plain, looked))
    assert len(before) >= 1
    np.testing.assert_allclose(np.sort(log_odds(after)), np.sort(log_odds(before)) - 1.0, atol=1e-6)


def test_a_score_stays_a_score_however_far_the_sensor(rng: np.random.Generator, tmp_path: Path) -> None:
    about = {**ABOUT, "second_look": {"weights": {"car": weights(range=-1.0)}}}
    detector = LearnedLidarDetector(write_model(tmp_path / "m.onnx", about), FAST)
    score = detector.detect(cloud(rng), ORIGIN + np.array([1e6, 0.0, 0.0])).detections.score
    assert len(score) >= 1
    assert ((score >= 0.0) & (score < 1e-3)).all()


@pytest.mark.parametrize(
    "kept",
    [{"weights": {"car": {"bias": 1.0}}}, {"weights": {"boat": weights()}}, {"weights": 3}, {}],
    ids=["columns", "class", "shape", "none"],
)
def test_weights_of_another_version_are_refused(tmp_path: Path, kept: object) -> None:
    path = write_model(tmp_path / "m.onnx", json.dumps({**ABOUT, "second_look": kept}))
    with pytest.raises(ModelError, match=r"m\.onnx: second look"):
        LearnedLidarDetector(path, FAST)
