"""nuScenes tracking: the recorded answer of nuscenes-devkit, hand-worked scenes, the two steps before, each error."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import CAR, LABEL_INDEX, ConfigurationError, InputError
from perception_nodes.evaluation.columns import Columns
from perception_nodes.evaluation.tracking.nuscenes_tracks import (
    TrackBoxes,
    track_boxes,
    with_gaps_filled,
    with_mean_score,
)

GOLDEN = Path(__file__).parents[3] / "data" / "golden"
HALF_SECOND_NS = 500_000_000


def frame(
    k: int, rows: list[tuple[int, float, float, float]], label: int = CAR, **changes: Any
) -> ev.BoxFrame:
    """Boxes (id, x, y, score) of frame k."""
    n = len(rows)
    values = np.array(rows, float).reshape(n, 4)
    fields: dict[str, Any] = {
        "stamp_ns": k * HALF_SECOND_NS,
        "id": values[:, 0].astype(np.int64),
        "label": np.full(n, label),
        "score": values[:, 3],
        "center_m": np.column_stack([values[:, 1:3], np.zeros(n)]),
        "lwh_m": np.ones((n, 3)),
        "yaw_rad": np.zeros(n),
        "velocity_mps": np.zeros((n, 2)),
        "num_points": np.full(n, -1),
    }
    return ev.BoxFrame(**{**fields, **changes})


def scene(truth: list[ev.BoxFrame], predictions: list[ev.BoxFrame]) -> ev.Paired:
    return ev.Paired(tuple(truth), tuple(predictions), 0, 0)


def golden_scenes(data: dict[str, Any]) -> list[ev.Paired]:
    scenes = []
    steps = range(1 + max(r[1] for r in data["gt"]))
    for s in sorted({r[0] for r in data["gt"]}):
        truth = [[(i, x, y, np.nan) for a, t, i, x, y in data["gt"] if (a, t) == (s, k)] for k in steps]
        ours = [[(i, x, y, v) for a, t, i, x, y, v in data["pred"] if (a, t) == (s, k)] for k in steps]
        scenes.append(
            scene([frame(k, r) for k, r in enumerate(truth)], [frame(k, r) for k, r in enumerate(ours)])
        )
    return scenes


NAMES = {
    "amota": "amota",
    "amotp": "amotp_m",
    "mota": "mota",
    "motp": "motp_m",
    "motar": "motar",
    "recall": "recall",
    "ids": "id_switches",
    "frag": "fragments",
    "tid": "tid_s",
    "lgd": "lgd_s",
    "faf": "faf",
    "tp": "true_positives",
    "fp": "false_positives",
    "fn": "false_negatives",
    "mt": "mostly_tracked",
    "ml": "mostly_lost",
}


def test_golden_vector_of_the_devkit() -> None:
    data = json.loads((GOLDEN / "nuscenes_track.json").read_text())
    # The vector starts after averaging and filling.
    car = ev.nuscenes_tracking(golden_scenes(data), interpolation="none").classes["car"]
    got = {key: getattr(car.figures, name) for key, name in NAMES.items()}
    got["n_thresholds_achieved"] = int(np.isfinite(car.thresholds).sum())
    assert got == pytest.approx(data["expected"], abs=1e-6)


def car_figures(truth: list[Any], ours: list[Any], mode: Any = "none") -> ev.TrackingFigures:
    """Rows of each frame, of cars; an id with a score of 0.9 where none is given."""
    frames = [
        [frame(k, [(*r, 0.9)[:4] for r in rows]) for k, rows in enumerate(side)] for side in (truth, ours)
    ]
    return ev.nuscenes_tracking([scene(*frames)], mode).classes["car"].figures


def test_perfect_tracks_have_no_errors() -> None:
    rows = [[(1, k, 0.0), (2, k, 9.0)] for k in range(10)]
    got = dataclasses.asdict(car_figures(rows, rows))
    ones = {"amota", "motar", "mota", "recall", "precision"}
    counts = {"true_positives": 20.0, "mostly_tracked": 2.0}
    assert got == {name: counts.get(name, 1.0 if name in ones else 0.0) for name in got}


def test_nothing_found_is_the_worst() -> None:
    got = car_figures([[(1, k, 0.0)] for k in range(10)], [[]] * 10)
    assert (got.amota, got.amotp_m, got.recall, got.mota, got.motp_m) == (0.0, 2.0, 0.0, 0.0, 2.0)
    assert (got.false_negatives, got.mostly_lost, got.faf, got.tid_s, got.lgd_s) == (10, 1, 500, 20, 20)
    assert np.isnan([got.false_positives, got.id_switches, got.fragments]).all()


def test_class_without_truth_is_not_defined_and_left_out_of_the_means() -> None:
    cars = frame(0, [(1, 0.0, 0.0, 0.9)])
    both = frame(0, [(1, 0.0, 0.0, 0.9), (2, 5.0, 0.0, 0.9)], label=0)
    both = dataclasses.replace(both, label=np.array([CAR, LABEL_INDEX["bus"]]))
    scores = ev.nuscenes_tracking([scene([cars], [both])])
    assert np.isnan(list(dataclasses.asdict(scores.classes["bus"].figures).values())).all()
    assert scores.classes["bus"].num_truth == 0 and scores.figures.amota == 1.0


def test_switch_counts_once_and_not_as_a_match() -> None:
    truth = [[(1, 0.0, 0.0)] for _ in range(10)]
    ours = [[(7 if k < 5 else 8, 0.0, 0.0)] for k in range(10)]
    got = car_figures(truth, ours)
    assert (got.true_positives, got.id_switches, got.recall, got.mota) == (9, 1, 1.0, pytest.approx(0.9))
    # 9 of 10 are matches: 35 of the 40 recalls from 0.1 to 1 lie below 0.9, and there is no error but the switch.
    assert (got.motar, got.amota, got.amotp_m) == pytest.approx((1.0, 35 / 40, 2.0 * 5 / 40))


def test_times_gaps_and_fragments() -> None:
    truth = [[(1, 0.0, 0.0)] for _ in range(10)]
    ours = [[(7, 0.0, 0.5)] if k in (2, 3, 4, 8) else [] for k in range(10)]
    got = car_figures(truth, ours)
    # Frames of 0.5 s: two before the first match; three in the longest gap; the same id comes back: no switch.
    assert (got.tid_s, got.lgd_s, got.fragments, got.id_switches) == (1.0, 1.5, 1, 0)
    assert (got.true_positives, got.false_negatives, got.motp_m) == (4, 6, 0.5)
    assert (got.mostly_tracked, got.mostly_lost) == (0, 0)


def test_gap_at_the_end_counts_too() -> None:
    truth = [[(1, 0.0, 0.0)] for _ in range(10)]
    ours = [[(7, 0.0, 0.0)] if k in (0, 2) else [] for k in range(10)]
    got = car_figures(truth, ours)
    assert (got.lgd_s, got.fragments, got.mostly_lost) == (3.5, 1, 0)


def test_object_keeps_its_partner_though_another_is_nearer() -> None:
    truth = [[(1, 0.0, 0.0)]] * 3
    ours = [[(7, 0.0, 1.0)], [(7, 0.0, 1.5), (8, 0.0, 0.1)], [(8, 0.0, 0.1)]]
    got = car_figures(truth, ours)
    assert (got.id_switches, got.false_positives, got.true_positives) == (1, 1, 2)
    assert got.motp_m == pytest.approx((1.0 + 1.5 + 0.1) / 3)


def test_as_many_pairs_as_possible_then_the_shortest() -> None:
    # The nearest pair, 2 with 7, would leave 1 alone.
    got = car_figures([[(1, 0.0, 0.0), (2, 1.9, 0.0)]], [[(7, 1.8, 0.0), (8, 3.5, 0.0)]])
    assert (got.true_positives, got.motp_m) == (2, pytest.approx(1.7))
    got = car_figures([[(1, 0.0, 0.0), (2, 1.9, 0.0), (3, 2.0, 1.0)]], [[(7, 1.8, 0.0), (8, 3.5, 0.0)]])
    assert (got.true_positives, got.motp_m) == (2, pytest.approx((0.1 + np.hypot(1.5, 1.0)) / 2))


def test_pair_at_the_limit_is_none() -> None:
    got = car_figures([[(1, 0.0, 0.0)]], [[(7, 2.0, 0.0)]])
    assert (got.true_positives, got.false_negatives) == (0, 1)


def test_frames_without_boxes_are_no_time() -> None:
    truth = [[(1, 0.0, 0.0)], [], [(1, 0.0, 0.0)], [(1, 0.0, 0.0)]]
    got = car_figures(truth, [[], [], [(7, 0.0, 0.0)], [(7, 0.0, 0.0), (8, 9.0, 9.0)]])
    assert (got.tid_s, got.faf) == (0.5, pytest.approx(100 / 3))


def test_same_id_in_two_scenes_is_two_tracks() -> None:
    first = scene(*[[frame(0, [(1, 0.0, 0.0, 0.9)])]] * 2)
    second = scene([frame(0, [(1, 0.0, 0.0, 0.9)])], [frame(0, [(2, 0.0, 0.0, 0.9)])])
    car = ev.nuscenes_tracking([first, second]).classes["car"]
    assert (car.num_tracks, car.figures.id_switches, car.figures.mota) == (2, 0, 1.0)


def one_track(frames: list[int], x_m: list[float], score: list[float]) -> TrackBoxes:
    n = len(frames)
    xy = np.column_stack([x_m, np.zeros(n)])
    return TrackBoxes(np.array(frames), np.zeros(n, np.int64), np.arange(n), np.array(score), xy)


@pytest.mark.parametrize(
    ("mode", "x_m"),
    [("corrected", [0.0, 1.0, 2.0, 4.0, 8.0]), ("parity", [0.0, 7.0, 6.0, 4.0, 8.0]), ("none", [0.0, 8.0])],
)
def test_gaps_are_filled_by_time(mode: Any, x_m: list[float]) -> None:
    stamps = np.array([0, 1, 2, 4, 8]) * 1_000_000_000
    got = with_gaps_filled(one_track([0, 4], [0.0, 8.0], [0.3, 0.3]), stamps, mode)
    assert got.xy_m[:, 0].tolist() == x_m
    assert got.score == pytest.approx(np.full(len(x_m), 0.3))
    # A box that was added has the class of the later one.
    assert got.label.tolist() == [0] + [1] * (len(x_m) - 1)


def test_added_boxes_come_last_in_their_frame_in_the_order_of_the_tracks() -> None:
    frame_of, track = np.array([0, 0, 1, 2, 2]), np.array([4, 2, 9, 2, 4])
    boxes = TrackBoxes(frame_of, track, track, np.ones(5), np.zeros((5, 2)))
    got = with_gaps_filled(boxes, np.arange(3) * 10, "corrected")
    assert got.track.tolist() == [4, 2, 9, 4, 2, 2, 4]
    assert got.frame.tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_score_of_a_track_is_the_mean_of_its_boxes() -> None:
    frames = [
        frame(0, [(1, 0, 0, 0.2), (2, 0, 0, 0.7)]),
        frame(1, [(1, 0, 0, 0.9)]),
        frame(2, [(1, 0, 0, 0.4)]),
    ]
    got = with_mean_score(track_boxes(Columns.of(frames), np.array([0, 0, 1])))
    assert got.score == pytest.approx([0.55, 0.7, 0.55, 0.4])
    assert len(np.unique(got.track)) == 3


def test_filling_comes_after_averaging() -> None:
    """The filled boxes of a long gap do not pull the score, and they find the object in between."""
    truth = [[(1, 0.0, 0.0)] for _ in range(10)]
    ours = [[(7, 0.0, 0.0, 0.2 if k == 0 else 0.8)] if k in (0, 9) else [] for k in range(10)]
    frames = [
        [frame(k, [(*r, 0.9)[:4] for r in rows]) for k, rows in enumerate(side)] for side in (truth, ours)
    ]
    car = ev.nuscenes_tracking([scene(*frames)]).classes["car"]
    assert (car.figures.true_positives, car.threshold) == (10, pytest.approx(0.5))


def test_truth_without_points_is_filled_again_between_its_boxes_but_not_at_its_end() -> None:
    truth = [
        frame(k, [(1, float(k), 0.0, np.nan)], num_points=np.array([0 if k in (3, 9) else 5]))
        for k in range(10)
    ]
    scores = ev.nuscenes_tracking([scene(truth, [frame(k, []) for k in range(10)])])
    assert scores.classes["car"].num_truth == 9


def test_ranges_of_the_classes() -> None:
    for name, limit in (("car", 50.0), ("pedestrian", 40.0)):
        rows = [(1, limit - 0.01, 0.0, 0.9), (2, 0.0, limit, 0.9)]
        one = [frame(0, rows, LABEL_INDEX[name], ego_xy_m=np.zeros(2))]
        assert ev.nuscenes_tracking([scene(one, one)]).classes[name].num_truth == 1


def test_dictionary_is_json_and_curves_are_in_it() -> None:
    out = ev.nuscenes_tracking(
        golden_scenes(json.loads((GOLDEN / "nuscenes_track.json").read_text()))
    ).to_dict()
    text = json.loads(json.dumps(out, allow_nan=False))
    assert text["classes"]["car"]["curves"]["mota"][-1] is None
    assert len(text["classes"]["car"]["recall_aimed"]) == 40 and text["interpolation"] == "corrected"


def test_no_scenes_give_no_figures() -> None:
    scores = ev.nuscenes_tracking([])
    assert (scores.frames, scores.scenes) == (0, 0) and np.isnan(scores.figures.amota)


ONE = frame(0, [(1, 0.0, 0.0, 0.9)])


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([scene([ONE, ONE], [ONE, ONE])], "stamps that rise"),
        ([scene([ONE], [])], "predictions: wanted a frame for each of the 1 of truth, got 0"),
        ([scene([ONE], [frame(0, [(3, 0.0, 0.0, np.nan)])])], "prediction 3 at 0: wanted a score, got NaN"),
        ([scene([ONE], [frame(0, [(k, 0.0, 0.0, 0.5) for k in range(501)])])], "at most 500 boxes, got 501"),
        ([scene([frame(0, [(1, 0.0, 0.0, 0.9)], label=11)], [ONE])], "truth: label 11"),
    ],
)
def test_bad_input_is_named(scenes: list[ev.Paired], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ev.nuscenes_tracking(scenes)


def test_unknown_interpolation_and_bad_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="interpolation 'cubic'"):
        ev.nuscenes_tracking([], "cubic")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'tram' = 50"):
        ev.NuscenesTrackingConfig(class_range_m={"tram": 50.0})
    with pytest.raises(ConfigurationError, match="match_distance_m"):
        ev.NuscenesTrackingConfig(match_distance_m=0.0)
