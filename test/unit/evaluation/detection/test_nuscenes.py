"""nuScenes detection: the recorded answer of nuscenes-devkit, cases by hand, what is left out, each error."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import CAR, LABEL_INDEX, ConfigurationError, InputError

GOLDEN = Path(__file__).parents[3] / "data" / "golden"
MOVING, PARKED = ev.ATTRIBUTES.index("vehicle.moving"), ev.ATTRIBUTES.index("vehicle.parked")


def frame(
    rows: list[tuple[float, float, float]], name: str = "car", k: int = 0, **changes: Any
) -> ev.BoxFrame:
    """Boxes (x, y, score) of one class, the ego at the origin."""
    n = len(rows)
    values = np.array(rows, float).reshape(n, 3)
    fields: dict[str, Any] = {
        "stamp_ns": k,
        "id": np.arange(n),
        "label": np.full(n, LABEL_INDEX[name]),
        "score": values[:, 2],
        "center_m": np.column_stack([values[:, :2], np.zeros(n)]),
        "lwh_m": np.tile([4.0, 2.0, 1.5], (n, 1)),
        "yaw_rad": np.zeros(n),
        "velocity_mps": np.zeros((n, 2)),
        "num_points": np.full(n, -1),
        "ego_xy_m": np.zeros(2),
        "attribute": np.full(n, MOVING),
    }
    return ev.BoxFrame(**{**fields, **changes})


def scores(
    truth: ev.BoxFrame, ours: ev.BoxFrame, name: str = "car", **more: Any
) -> ev.NuscenesDetectionClass:
    return ev.nuscenes_detection([truth], [ours], **more).classes[name]


def golden_frames(rows: list[list[Any]], names: list[str]) -> list[ev.BoxFrame]:
    out = []
    for name in names:
        own = [r for r in rows if r[0] == name]
        v = np.array([r[1:10] for r in own], float).reshape(-1, 9)
        attribute = np.array([ev.ATTRIBUTES.index(r[10]) for r in own], np.int64)
        lwh, yaw, speed = v[:, [3, 2, 4]], v[:, 5], v[:, 6:8]
        at = [(x, y, s) for x, y, s in v[:, [0, 1, 8]]]
        out.append(frame(at, lwh_m=lwh, yaw_rad=yaw, velocity_mps=speed, attribute=attribute))
    return out


def test_golden_vector_of_the_devkit() -> None:
    data = json.loads((GOLDEN / "nuscenes_det.json").read_text())
    names = sorted({r[0] for r in data["gt"]} | {r[0] for r in data["pred"]})
    truth, ours = golden_frames(data["gt"], names), golden_frames(data["pred"], names)
    config = ev.NuscenesDetectionConfig(class_range_m={"car": 1000.0})
    got = ev.nuscenes_detection(truth, ours, config)
    assert got.classes["car"].ap == pytest.approx(
        {float(k): v for k, v in data["expected"]["AP"].items()}, abs=1e-6
    )
    assert got.mean_ap == pytest.approx(data["expected"]["mAP"], abs=1e-6)
    errors = dict(
        zip(["trans_err", "scale_err", "orient_err", "vel_err", "attr_err"], got.errors.values(), strict=True)
    )
    assert errors == pytest.approx(data["expected"]["TP@2m"], abs=1e-6)
    goodness = sum(max(0.0, 1.0 - e) for e in data["expected"]["TP@2m"].values())
    assert got.nds == pytest.approx((5 * data["expected"]["mAP"] + goodness) / 10, abs=1e-6)


def test_perfect_detections() -> None:
    names = [n for n in LABEL_INDEX if n != "unknown"]
    frames = [frame([(9.0, 0.0, 0.9), (0.0, 9.0, 0.8)], name) for name in names]
    got = ev.nuscenes_detection(frames, frames)
    assert (got.mean_ap, got.nds) == (pytest.approx(1.0), pytest.approx(1.0))
    assert got.errors == pytest.approx(dict.fromkeys(got.errors, 0.0))


def test_nothing_detected() -> None:
    got = ev.nuscenes_detection([frame([(9.0, 0.0, 0.9)])], [ev.BoxFrame.empty(0)])
    assert (got.mean_ap, got.nds) == (0.0, 0.0)
    assert got.errors == dict.fromkeys(got.errors, 1.0)


def test_average_precision_by_hand() -> None:
    """A hit, a false alarm, a hit: precision 1 below recall 0.5, then from 1/2 up to 2/3."""
    truth = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.9)])
    got = scores(truth, frame([(0.0, 0.0, 0.9), (0.0, 20.0, 0.8), (9.0, 0.0, 0.7)]))
    above = np.arange(0.5, 1.005, 0.01)
    want = (39 * 0.9 + np.sum(1 / 2 + (above - 0.5) / 3 - 0.1)) / 90 / 0.9
    assert got.ap == pytest.approx(dict.fromkeys(got.ap, want))
    curve = got.curves[2.0]
    assert curve.confidence[[0, 50, 75, 100]] == pytest.approx([0.9, 0.8, 0.75, 0.7])


def test_each_distance_has_its_own_matches() -> None:
    got = scores(frame([(0.0, 0.0, 0.9)]), frame([(1.0, 0.0, 0.9)]))
    assert got.ap == pytest.approx({0.5: 0.0, 1.0: 0.0, 2.0: 1.0, 4.0: 1.0})


def test_of_equal_scores_the_later_comes_first() -> None:
    truth = frame([(0.0, 0.0, 0.9)])
    good_last = scores(truth, frame([(0.0, 20.0, 0.5), (0.0, 0.0, 0.5)])).mean_ap
    bad_last = scores(truth, frame([(0.0, 0.0, 0.5), (0.0, 20.0, 0.5)])).mean_ap
    assert good_last > 0.99 and bad_last < 0.5


def test_errors_by_hand() -> None:
    truth = frame([(0.0, 0.0, 0.9)])
    ours = frame(
        [(0.6, 0.8, 0.9)],
        lwh_m=np.array([[4.0, 1.0, 1.5]]),
        yaw_rad=np.array([-np.pi]),
        velocity_mps=np.array([[3.0, 4.0]]),
        attribute=np.array([PARKED]),
    )
    want = {"translation": 1.0, "scale": 0.5, "orientation": np.pi, "velocity": 5.0, "attribute": 1.0}
    got = ev.nuscenes_detection([truth], [ours])
    assert got.classes["car"].errors == pytest.approx(want)
    # The nine classes without truth have AP 0 and errors 1; means above 1 do not count below 0 in NDS.
    means = {
        "translation": 1.0,
        "scale": 0.95,
        "orientation": (np.pi + 8) / 9,
        "velocity": 12 / 8,
        "attribute": 1.0,
    }
    assert got.errors == pytest.approx(means)
    assert got.nds == pytest.approx((5 * 0.5 / 10 + 0.05) / 10)


def test_barriers_and_cones_have_fewer_errors() -> None:
    for name, defined in (
        ("barrier", ["orientation", "scale", "translation"]),
        ("traffic_cone", ["scale", "translation"]),
    ):
        truth = frame([(0.0, 0.0, 0.9)], name)
        got = scores(truth, dataclasses.replace(truth, yaw_rad=np.array([np.pi])), name)
        assert sorted(k for k, v in got.errors.items() if not np.isnan(v)) == defined
        # A barrier that was turned around is the same barrier.
        assert all(got.errors[k] == pytest.approx(0.0) for k in defined)


def test_truth_without_attribute_does_not_count_for_it() -> None:
    truth = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.8)], attribute=np.array([MOVING, -1]))
    ours = dataclasses.replace(truth, attribute=None)
    assert scores(truth, truth).errors["attribute"] == 0.0
    assert scores(truth, ours).errors["attribute"] == 1.0
    unlabelled = dataclasses.replace(truth, attribute=None)
    assert scores(unlabelled, truth).errors["attribute"] == 1.0


def test_unknown_velocity_does_not_count_and_if_all_are_unknown_the_error_is_one() -> None:
    truth = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.8)], velocity_mps=np.array([[1.0, 0.0], [np.nan, np.nan]]))
    ours = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.8)])
    assert scores(truth, ours).errors["velocity"] == 1.0
    assert (
        scores(truth, dataclasses.replace(ours, velocity_mps=np.full((2, 2), 1.0))).errors["velocity"] == 1.0
    )
    blind = dataclasses.replace(truth, velocity_mps=np.full((2, 2), np.nan))
    assert scores(blind, ours).errors["velocity"] == 1.0


def test_errors_are_one_where_hardly_anything_is_found() -> None:
    truth = frame([(4.0 * k, 4.0, 0.9) for k in range(-10, 10)])
    two, three = (frame([(4.0 * k, 4.0, 0.9) for k in range(n)]) for n in (2, 3))
    assert scores(truth, two).errors["translation"] == 1.0  # recall 0.10
    assert scores(truth, three).errors["translation"] == 0.0  # recall 0.15


def test_ranges_are_strict_and_depend_on_the_class() -> None:
    for name, limit in ev.NuscenesDetectionConfig().class_range_m.items():
        boxes = frame([(limit - 0.01, 0.0, 0.9), (0.0, limit, 0.9)], name)
        got = scores(boxes, boxes, name)
        assert (got.num_truth, got.num_predictions) == (1, 1)
        anywhere = dataclasses.replace(boxes, ego_xy_m=None)
        assert scores(anywhere, boxes, name).num_predictions == 2


def test_truth_without_points_is_left_out() -> None:
    boxes = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.9), (0.0, 9.0, 0.9)], num_points=np.array([0, -1, 1]))
    got = scores(boxes, boxes)
    # A prediction needs no points of its own: a camera may have seen it.
    assert (got.num_truth, got.num_predictions) == (2, 3)


@pytest.mark.parametrize(("name", "left"), [("bicycle", 2), ("motorcycle", 2), ("car", 4)])
def test_two_wheelers_in_a_rack_are_left_out(name: str, left: int) -> None:
    boxes = frame([(0.0, 0.0, 0.9), (1.0, 1.0, 0.9), (0.0, 2.5, 0.9), (0.0, 0.1, 0.9)], name)
    boxes.center_m[3, 2] = 1.0  # above it
    # 4 x 2 x 1.5 m, turned by 45 degrees: the second box lies near its front, the third beside it.
    rack = frame([(0.0, 0.0, 0.0)], yaw_rad=np.array([np.pi / 4]))
    got = scores(boxes, boxes, name, racks=[rack])
    assert (got.num_truth, got.num_predictions) == (left, left)
    assert scores(boxes, boxes, name).num_truth == 4


def test_unknown_things_are_neither_asked_for_nor_false_alarms() -> None:
    truth = frame([(0.0, 0.0, 0.9)])
    odd = [(9.0, float(k), np.nan) for k in range(501)]
    ours = frame([(0.0, 0.0, 0.9), *odd], label=np.array([CAR, *[LABEL_INDEX["unknown"]] * 501]))
    assert scores(truth, ours).mean_ap == pytest.approx(1.0)
    assert "unknown" not in ev.nuscenes_detection([truth], [ours]).classes


def test_dictionary_is_json() -> None:
    out = ev.nuscenes_detection(
        [frame([(0.0, 0.0, 0.9)], "barrier")], [frame([(0.0, 0.0, 0.9)], "barrier")]
    ).to_dict()
    barrier = json.loads(json.dumps(out, allow_nan=False))["classes"]["barrier"]
    assert barrier["errors"]["velocity"] is None and len(barrier["curves"]["2.0"]["precision"]) == 101


def test_no_frames() -> None:
    got = ev.nuscenes_detection([], [])
    assert (got.frames, got.mean_ap, got.nds) == (0, 0.0, 0.0)


ONE = frame([(0.0, 0.0, 0.9)])


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ([], "predictions: wanted a frame for each of the 1 of truth, got 0"),
        ([frame([(0.0, 0.0, np.nan)])], "prediction 0 at 0: wanted a score, got NaN"),
        ([frame([(0.0, 0.0, 0.5)] * 501)], "predictions at 0: wanted at most 500 boxes, got 501"),
        ([frame([(0.0, 0.0, 0.5)], label=np.array([-1]))], "predictions: label -1: wanted an index"),
        (
            [frame([(0.0, 0.0, 0.5)], lwh_m=np.array([[4.0, 0.0, 1.0]]))],
            "prediction 0 at 0: wanted sizes > 0 m",
        ),
        ([frame([(0.0, 0.0, 0.5)], lwh_m=np.full((1, 3), np.nan))], "prediction 0 at 0: wanted sizes > 0 m"),
        ([frame([(0.0, 0.0, 0.5)], yaw_rad=np.array([np.nan]))], "and a heading, got"),
    ],
)
def test_bad_predictions_are_named(ours: list[ev.BoxFrame], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ev.nuscenes_detection([ONE], ours)


def test_bad_truth_and_racks_are_named() -> None:
    with pytest.raises(InputError, match="truth 0 at 0: wanted sizes"):
        ev.nuscenes_detection([dataclasses.replace(ONE, lwh_m=-ONE.lwh_m)], [ONE])
    with pytest.raises(InputError, match="racks: wanted a frame for each"):
        ev.nuscenes_detection([ONE], [ONE], racks=[])


@pytest.mark.parametrize(
    "changes",
    [{"class_range_m": {}}, {"class_range_m": {"car": 0.0}}, {"distances_m": (0.5,)}, {"min_recall": 1.0}],
)
def test_bad_numbers_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        ev.NuscenesDetectionConfig(**changes)


def test_attributes_are_selected_with_their_boxes_and_checked() -> None:
    two = frame([(0.0, 0.0, 0.9), (9.0, 0.0, 0.9)], attribute=np.array([MOVING, -1]))
    picked = two.select(np.array([1])).attribute
    assert picked is not None and picked.tolist() == [-1]
    assert dataclasses.replace(two, attribute=None).select(np.array([0])).attribute is None
    with pytest.raises(InputError, match=r"attribute: wanted -1 \.\.\. 7, got"):
        dataclasses.replace(two, attribute=np.array([8, 0]))
    with pytest.raises(InputError, match="attribute has another length"):
        dataclasses.replace(two, attribute=np.array([0]))


def test_greedy_matching_takes_the_nearest_free_box() -> None:
    truth = [frame([(0.0, 0.0, 0.9), (1.0, 0.0, 0.9)])]
    ours = [frame([(0.4, 0.0, 0.5), (0.1, 0.0, 0.9), (0.2, 0.0, 0.1)])]
    got = ev.match_by_score(truth, ours, 2.0)
    assert (got.prediction_row.tolist(), got.truth_row.tolist()) == ([1, 0, 2], [0, 1, -1])
    with pytest.raises(InputError, match="frames are not paired: 1 of truth, 0 of predictions"):
        ev.match_by_score(truth, [], 2.0)
