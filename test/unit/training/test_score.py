"""Scores of detectors: hand-worked cases, calibration, real sweeps' figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import CAR, InputError
from perception_nodes.detection.learned_decode import DecodedBoxes
from perception_nodes.evaluation import BoxFrame
from perception_nodes.training.calibrate import calibration, fit_isotonic, outcomes
from perception_nodes.training.detector import median_ms, of_geometric
from perception_nodes.training.real import false_cars, real_frames, recall_at_false
from perception_nodes.training.score import as_cars, score_store
from perception_nodes.training.store import StoredFrame

from . import streets


def truth_as_found(frame: StoredFrame) -> DecodedBoxes:
    b = frame.boxes
    n = len(b)
    return DecodedBoxes(
        b["center_m"].astype(float), b["lwh_m"].astype(float), b["yaw_rad"].astype(float), np.ones(n),
        b["velocity_mps"].astype(float), b["label"].astype(np.uint8), np.zeros((n, 11)), np.linspace(0.9, 0.5, n),
        np.ones((n, 5)),
    )  # fmt: skip


def test_the_truth_scores_one_and_shifted_by_three_metres_only_the_widest(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    store = streets.store(tmp_path / "s", rng, 3)
    scores = score_store(store, truth_as_found)
    assert {n: s.objects for n, s in scores.items()} == {"car": 18, "pedestrian": 12}
    assert all(s.ap == pytest.approx(1.0) for s in scores.values())

    def shifted(frame: StoredFrame) -> DecodedBoxes:
        found = truth_as_found(frame)
        return DecodedBoxes(**{**vars(found), "center_m": found.center_m + np.array([0.0, 1.5, 0.0])})

    at = score_store(store, shifted)["car"].at_m
    assert (at[0.5], at[1.0], at[2.0]) == (0.0, 0.0, pytest.approx(1.0))


def test_objects_of_few_points_are_not_asked_for(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    frame.boxes["num_points"][:] = 4
    frame.boxes["num_points"][0] = 5
    from perception_nodes.training.store import FrameStore, write_store

    write_store(tmp_path / "s", iter([frame]), {})
    assert score_store(FrameStore(tmp_path / "s"), truth_as_found)["car"].objects == 1


def cars(centers: list[tuple[float, float]], scores: list[float] | None = None, points: int = 9) -> BoxFrame:
    n = len(centers)
    center = np.array([[x, y, 0.8] for x, y in centers]).reshape(-1, 3)
    score = np.full(n, np.nan) if scores is None else np.array(scores, float)
    return BoxFrame(
        0, np.arange(n), np.full(n, CAR), score, center, np.tile([4.0, 1.8, 1.5], (n, 1)), np.zeros(n),
        np.zeros((n, 2)), np.full(n, points), np.zeros(2),
    )  # fmt: skip


def test_recall_at_one_false_alarm_a_frame() -> None:
    truth = [cars([(5, 0), (10, 0), (20, 0), (30, 0)])]
    found = [cars([(5, 0.5), (50, 9), (10, 0.5), (44, 4), (20, 0.5)], [0.9, 0.8, 0.7, 0.6, 0.5])]
    assert recall_at_false(truth, found, 1, 50.0) == (0.5, 1.0) or recall_at_false(truth, found, 1, 50.0) == (
        0.75,
        1.0,
    )
    near = [cars([(5, 0.5), (40, 9), (10, 0.5), (44, 4), (20, 0.5)], [0.9, 0.8, 0.7, 0.6, 0.5])]
    assert recall_at_false(truth, near, 1, 50.0) == (0.5, 1.0)
    assert recall_at_false(truth, near, 2, 50.0) == (0.75, 1.0)
    assert recall_at_false(truth, [cars([], [])], 1, 50.0) == (0.0, 0.0)


def test_false_cars_are_counted_from_a_score_on() -> None:
    """Two sweeps: one box beside no car, a second one on a car, one beyond the range, one on a car of few points."""
    truth = [cars([(5, 0), (10, 0)]), cars([(8, 8)], points=2)]
    found = [cars([(5, 0.5), (5, -0.5), (20, 9), (60, 0)], [0.9, 0.4, 0.3, 0.8]), cars([(8, 8)], [0.7])]
    assert [false_cars(truth, found, score) for score in (0.2, 0.3, 0.35, 0.5)] == [1.0, 1.0, 0.5, 0.0]
    assert false_cars([], [], 0.3) == 0.0


def test_a_car_with_hardly_a_point_is_no_false_alarm() -> None:
    hidden = cars([(5, 0)], points=2)
    assert recall_at_false([hidden], [cars([(5, 0)], [0.9])], 1, 50.0) == (0.0, 0.0)
    both = BoxFrame(
        0, np.arange(2), np.full(2, CAR), np.full(2, np.nan), np.array([[5.0, 0, 1], [12.0, 0, 1]]),
        np.tile([4.0, 1.8, 1.5], (2, 1)), np.zeros(2), np.zeros((2, 2)), np.array([2, 50]), np.zeros(2),
    )  # fmt: skip
    assert recall_at_false([both], [cars([(5, 0), (12, 0)], [0.9, 0.8])], 1, 50.0) == (1.0, 0.0)


def test_small_trucks_count_as_cars_where_asked() -> None:
    frame = cars([(5, 0), (9, 0)])
    frame.label[1] = 1
    assert as_cars(frame, ["truck"]).label.tolist() == [CAR, CAR]
    assert frame.label.tolist() == [CAR, 1]


def test_isotonic_fit_is_rising_and_right(rng: np.random.Generator) -> None:
    # So many that no seed comes near the tolerance: with 40,000 one in 150 exceeded it.
    score = rng.random(400_000)
    hit = rng.random(400_000) < score**2
    x, y = fit_isotonic(score, hit)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= 0).all()
    at = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(np.interp(at, x, y), at**2, atol=0.03)


def test_isotonic_fit_of_nothing_and_of_one_kind() -> None:
    assert [v.tolist() for v in fit_isotonic(np.zeros(0), np.zeros(0, bool))] == [[0.0, 1.0], [0.0, 1.0]]
    x, y = fit_isotonic(np.array([0.2, 0.8, 0.5]), np.array([True, False, False]))
    assert len(x) >= 2
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(y, 1 / 3)


def test_a_true_object_counts_once() -> None:
    truth = [cars([(5, 0), (20, 0)])]
    score, hit = outcomes(truth, [cars([(5, 0.2), (5, 0.9), (21, 0)], [0.3, 0.9, 0.5])])
    assert dict(zip(score.tolist(), hit.tolist(), strict=True)) == {0.9: True, 0.5: True, 0.3: False}
    table = calibration(truth, [cars([(5, 0.2)], [0.3])])
    assert table["id"].startswith("isotonic-")
    assert table["boxes"] == 1


def test_the_geometric_detector_on_stored_frames(tmp_path: Path, rng: np.random.Generator) -> None:
    store = streets.store(tmp_path / "s", rng, 2)
    detect = of_geometric()
    assert len(detect(store[0])) >= 3
    assert median_ms(detect, store, 2) > 0


def test_a_recording_without_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        real_frames(tmp_path)


def test_real_recordings_have_cars_in_view(shared_data: Path) -> None:
    folder = shared_data / "kitti_object"
    if not folder.is_dir():
        pytest.skip(f"no recording at {folder}")
    kind, frames = real_frames(folder)
    kept = list(frames)
    assert kind == "kitti"
    assert len(kept) == 6
    for frame in kept:
        assert frame.inside(frame.truth.center_m).any()
        assert not frame.inside(np.array([[-10.0, 0.0, 1.0]])).any()
