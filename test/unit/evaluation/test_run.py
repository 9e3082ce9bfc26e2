"""Scores of whole runs on hand-worked cases, pairing by stamp, and the reader's errors."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import CAR, LABEL_INDEX, InputError

TRUCK = LABEL_INDEX["truck"]
STEP_NS = 100_000_000


def frame(
    k: int, xy: list[tuple[float, float]], ids: list[int], label: int = CAR, points: int = 100
) -> ev.BoxFrame:
    n = len(xy)
    center = np.column_stack([np.array(xy, float).reshape(n, 2), np.zeros(n)])
    return ev.BoxFrame(
        stamp_ns=k * STEP_NS,
        id=np.array(ids, np.int64),
        label=np.full(n, label),
        score=np.full(n, 0.9),
        center_m=center,
        lwh_m=np.tile([4.5, 1.9, 1.6], (n, 1)),
        yaw_rad=np.zeros(n),
        velocity_mps=np.zeros((n, 2)),
        num_points=np.full(n, points),
        ego_xy_m=np.zeros(2),
    )


def two_cars(k: int, ids: tuple[int, int] = (1, 2), shift: float = 0.0) -> ev.BoxFrame:
    return frame(k, [(10.0, shift), (20.0, shift)], list(ids))


def test_perfect_predictions_score_one() -> None:
    truth = [two_cars(k) for k in range(10)]
    car = ev.evaluate_run(truth, truth).classes["car"]
    values = (car.ap["2"], car.recall, car.precision, car.mota, car.hota, car.idf1)
    assert values == pytest.approx([1.0] * 6)
    assert (car.id_switches, car.translation_error_m, car.num_truth, car.num_truth_tracks) == (0, 0.0, 20, 2)


def test_no_predictions_score_zero() -> None:
    truth = [two_cars(k) for k in range(10)]
    scores = ev.evaluate_run([], truth)
    car = scores.classes["car"]
    assert (car.ap["2"], car.recall, car.mota, car.hota, car.idf1) == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert scores.frames_without_prediction == 10
    assert np.isnan(car.precision) and scores.to_dict()["classes"]["car"]["precision"] is None


def test_swapped_ids_are_two_switches() -> None:
    truth = [two_cars(k) for k in range(10)]
    ours = [two_cars(k, (7, 8) if k < 5 else (8, 7)) for k in range(10)]
    car = ev.evaluate_run(ours, truth).classes["car"]
    assert car.id_switches == 2
    assert car.mota == pytest.approx(1 - 2 / 20)
    assert car.idf1 == pytest.approx(0.5)
    # Both assignments of tracks share 5 of 15 frames: AssA = 1/3 at every threshold, DetA = 1.
    assert car.hota == pytest.approx(np.sqrt(1 / 3))


def test_a_truck_on_a_car_is_wrong_for_the_class_and_right_for_the_group() -> None:
    truth = [two_cars(k) for k in range(4)]
    ours = [dataclasses.replace(f, label=np.array([CAR, TRUCK])) for f in truth]
    scores = ev.evaluate_run(ours, truth)
    assert scores.classes["car"].recall == 0.5
    assert scores.classes["truck"].false_positives == 4
    assert scores.classes["vehicle"].recall == 1.0
    assert (scores.near_cars.recall, scores.near_cars.recall_any_label) == (0.5, 1.0)


def test_truth_with_few_points_or_far_away_counts_for_nobody() -> None:
    seen, hidden = frame(0, [(10, 0)], [1]), frame(0, [(30, 0)], [2], points=1)
    far = frame(0, [(80, 0)], [3])
    both = ev.BoxFrame(
        0,
        *(np.concatenate([getattr(f, n) for f in (seen, hidden, far)]) for n in FIELDS),
        ego_xy_m=np.zeros(2),
    )
    car = ev.evaluate_run([both], [both]).classes["car"]
    assert (car.num_truth, car.num_predictions, car.false_positives) == (1, 1, 0)
    # Where nothing true lies a prediction is a false alarm.
    stray = frame(0, [(10, 0), (30, 5)], [1, 2])
    assert ev.evaluate_run([stray], [both]).classes["car"].false_positives == 1


FIELDS = ("id", "label", "score", "center_m", "lwh_m", "yaw_rad", "velocity_mps", "num_points")


def test_duplicates_lower_precision_not_recall() -> None:
    truth = [frame(k, [(10, 0)], [1]) for k in range(5)]
    ours = [frame(k, [(10, 0), (10.2, 0)], [1, 2]) for k in range(5)]
    car = ev.evaluate_run(ours, truth).classes["car"]
    assert (car.recall, car.precision) == (1.0, 0.5)


def test_turning_and_shifting_both_changes_nothing(rng: np.random.Generator) -> None:
    truth = [two_cars(k) for k in range(6)]
    ours = [dataclasses.replace(f, center_m=f.center_m + rng.normal(0, 0.5, f.center_m.shape)) for f in truth]
    angle = rng.uniform(-3, 3)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

    def moved(f: ev.BoxFrame) -> ev.BoxFrame:
        ego = (turn @ [0, 0, 0] + [500, -200, 3])[:2]
        return dataclasses.replace(
            f, center_m=f.center_m @ turn.T + [500, -200, 3], yaw_rad=f.yaw_rad + angle, ego_xy_m=ego
        )

    a = ev.evaluate_run(ours, truth).classes["car"]
    b = ev.evaluate_run([moved(f) for f in ours], [moved(f) for f in truth]).classes["car"]
    assert (a.hota, a.mota, a.ap["1"], a.translation_error_m) == pytest.approx(
        (b.hota, b.mota, b.ap["1"], b.translation_error_m)
    )


def test_frames_are_paired_with_the_nearest_stamp_once() -> None:
    truth = [frame(k, [(10, 0)], [1]) for k in (0, 1, 2)]
    ours = [
        dataclasses.replace(frame(0, [(10, 0)], [1]), stamp_ns=s)
        for s in (8_000_000, 105_000_000, 112_000_000)
    ]
    paired = ev.pair_by_stamp(truth, ours, 30_000_000)
    assert [f.stamp_ns for f in paired.predictions] == [8_000_000, 105_000_000, 2 * STEP_NS]
    assert (paired.missing, paired.spare) == (1, 1)


def test_two_frames_with_one_stamp_are_an_error() -> None:
    with pytest.raises(InputError, match="one stamp"):
        ev.pair_by_stamp([two_cars(0), two_cars(0)], [], 0)


def test_an_id_twice_in_a_frame_is_an_error() -> None:
    with pytest.raises(InputError, match="an id occurs twice"):
        two_cars(0, (4, 4))


def test_json_lines_come_back_as_frames(tmp_path: Path) -> None:
    head = {"frame_id": "odom", "source": "tracker", "label": "car", "score": 0.8, "x": 1.5, "y": 2.0}
    rows = [
        {**head, "stamp_ns": 200, "id": 3, "state": "confirmed"},
        {**head, "stamp_ns": 100, "id": 3, "yaw": 0.5, "state": "coasting"},
        {**head, "stamp_ns": 100, "id": 4, "state": "tentative"},
    ]
    path = tmp_path / "objects.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    first, second = ev.read_boxes(path)
    assert (first.stamp_ns, second.stamp_ns) == (100, 200)
    assert first.id.tolist() == [3] and first.yaw_rad.tolist() == [0.5]
    assert first.center_m[0, :2].tolist() == [1.5, 2.0] and np.isnan(second.yaw_rad[0])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"label": "tram"}, "'tram' is not in the taxonomy"),
        ({"x": None}, "key 'x': wanted a finite number"),
        ({"y": float("nan")}, "key 'y': wanted a finite number"),
        ({"stamp_ns": 1.5}, "key 'stamp_ns': wanted an integer"),
        ({"id": True}, "key 'id': wanted an integer"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, change: dict[str, object], text: str) -> None:
    good = {"stamp_ns": 1, "id": 1, "label": "car", "x": 0, "y": 0}
    path = tmp_path / "boxes.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | change) + "\n")
    with pytest.raises(InputError, match=rf"boxes.jsonl:2: .*{text}"):
        ev.read_boxes(path)


@pytest.mark.parametrize(
    ("line", "text"), [("{", "not JSON"), ("[]", "wanted an object"), ("{}", "is missing")]
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, text: str) -> None:
    path = tmp_path / "boxes.jsonl"
    path.write_text(line)
    with pytest.raises(InputError, match=rf":1: .*{text}"):
        ev.read_boxes(path)


def test_clear_by_frame_sums_to_clear() -> None:
    from perception_nodes.evaluation.tracking import clear, clear_frames

    rng = np.random.default_rng(3)
    frames = [(np.arange(3), rng.permutation(4)[:3], rng.random((3, 3))) for _ in range(20)]
    whole, parts = clear(frames, 0.3), clear_frames(frames, 0.3)
    sums = [parts.true_positives, parts.false_positives, parts.false_negatives, parts.id_switches]
    expected = [whole.true_positives, whole.false_positives, whole.false_negatives, whole.id_switches]
    assert [a.sum() for a in sums] == expected and whole.id_switches > 3
    assert parts.similarity.sum() / whole.true_positives == pytest.approx(whole.motp)
