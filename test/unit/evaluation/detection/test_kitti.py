"""KITTI AP and AOS: cases by hand, a second way to compute them, the labelled frames, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.affinity import rotate, translate
from shapely.geometry import box

from perception_nodes.assessment.inputs.kitti import read_kitti_objects
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation.detection.kitti import (
    DIFFICULTIES,
    LOOSE,
    KittiDetection,
    KittiDetectionConfig,
    kitti_detection,
)
from perception_nodes.evaluation.kitti_objects import KittiObjects, recall_thresholds

ALL = KittiDetectionConfig(sampling="all")


def cars(x_m: list[float], kind: str = "Car", **columns: Any) -> KittiObjects:
    """In a row at 20 m, each 50 px high and as wide in the image as it is apart from the next one."""
    n = len(x_m)
    boxes = [[20 * x, 100, 20 * x + 60, 150] for x in x_m]
    given = {"bbox_px": boxes, "alpha_rad": 0.0} | columns
    return KittiObjects.of(
        [kind] * n, given.pop("bbox_px"), [[1.5, 1.6, 3.9]] * n, [[x, 1.7, 20] for x in x_m], **given
    )


def scored(objects: KittiObjects, score: Any) -> KittiObjects:
    return dataclasses.replace(objects, score=np.full(len(objects), score, np.float64))


def ap(found: KittiDetection, view: str = "3d", difficulty: str = "easy") -> float:
    return found.curve("Car", view, difficulty).ap40


def test_perfect_results_reach_100_and_nothing_0() -> None:
    truth = [cars([0, 5, 10]), cars([0, 5])]
    perfect = kitti_detection(truth, [scored(t, 0.9) for t in truth], ALL)
    for view in ("2d", "bev", "3d"):
        assert ap(perfect, view) == pytest.approx(100.0)
        assert perfect.curve("Car", view, "hard").ap11 == pytest.approx(100.0)
    assert perfect.curve("Car", "2d", "easy").aos40 == pytest.approx(100.0)
    assert ap(kitti_detection(truth, [KittiObjects.empty()] * 2, ALL)) == 0.0
    assert np.isnan(perfect.curve("Cyclist", "3d", "easy").ap40)  # no truth


def test_official_sampling_needs_41_objects_for_100() -> None:
    few, many = [cars([0, 5, 10])], [cars([0, 5, 10])] * 14
    assert ap(kitti_detection(few, [scored(t, 0.9) for t in few])) == pytest.approx(100 * 2 / 40)
    assert ap(kitti_detection(many, [scored(t, 0.9) for t in many])) == pytest.approx(100.0)


def test_a_false_alarm_above_half_the_hits_by_hand() -> None:
    """Scores 0.9 hit, 0.8 false, 0.7 hit of 2 truths: precision 1 up to recall 0.5, then 2/3."""
    results = dataclasses.replace(cars([0, 30, 5]), score=np.array([0.9, 0.8, 0.7]))
    curve = kitti_detection([cars([0, 5])], [results], ALL).curve("Car", "3d", "easy")
    assert curve.ap40 == pytest.approx(100 * (20 + 20 * 2 / 3) / 40)
    assert curve.ap11 == pytest.approx(100 * (6 + 5 * 2 / 3) / 11)
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.7])


def test_a_duplicate_lowers_precision_and_not_recall() -> None:
    truth = [cars([0, 5])]
    twice = dataclasses.replace(cars([0, 0, 5]), score=np.array([0.9, 0.8, 0.7]))
    curve = kitti_detection(truth, [twice], ALL).curve("Car", "bev", "easy")
    assert curve.precision[-1] == pytest.approx(2 / 3)


def test_orientation_weighs_the_precision() -> None:
    """Half a turn is worth 0, a quarter 0.5."""
    for error_rad, share in ((0.0, 1.0), (np.pi / 2, 0.5), (np.pi, 0.0)):
        results = scored(cars([0, 5], alpha_rad=error_rad), 0.9)
        curve = kitti_detection([cars([0, 5])], [results], ALL).curve("Car", "2d", "easy")
        assert curve.aos40 == pytest.approx(100 * share)
    unknown = scored(cars([0], alpha_rad=-10.0), 0.9)
    assert np.isnan(kitti_detection([cars([0])], [unknown], ALL).curve("Car", "2d", "easy").aos11)


@pytest.mark.parametrize(
    ("change", "counted"),
    [
        ({}, ("easy", "moderate", "hard")),
        ({"occluded": 1}, ("moderate", "hard")),
        ({"occluded": 2}, ("hard",)),
        ({"occluded": 3}, ()),
        ({"truncated": 0.15}, ("easy", "moderate", "hard")),
        ({"truncated": 0.2}, ("moderate", "hard")),
        ({"truncated": 0.4}, ("hard",)),
        ({"truncated": 0.6}, ()),
        ({"bbox_px": [[0, 100, 60, 140]]}, ("moderate", "hard")),
        ({"bbox_px": [[0, 100, 60, 125]]}, ()),
    ],
)
def test_difficulties(change: dict[str, Any], counted: tuple[str, ...]) -> None:
    found = kitti_detection([cars([0], **change)], [scored(cars([0], **change), 0.9)], ALL)
    assert tuple(d.name for d in DIFFICULTIES if found.curve("Car", "3d", d.name).num_truth) == counted


@pytest.mark.parametrize(("label", "neighbour"), [("Car", "Van"), ("Pedestrian", "Person_sitting")])
def test_a_neighbour_is_neither_asked_for_nor_a_false_alarm(label: str, neighbour: str) -> None:
    truth = [
        KittiObjects.of(
            [label, neighbour], [[0, 0, 50, 50], [90, 0, 140, 50]], [[1.5, 1, 1]] * 2, [[0, 1, 9], [5, 1, 9]]
        )
    ]
    results = [scored(dataclasses.replace(truth[0], type=np.array([label] * 2)), 0.9)]
    curve = kitti_detection(truth, results, ALL).curve(label, "3d", "easy")
    assert curve.num_truth == 1
    assert curve.ap40 == pytest.approx(100.0)
    other = [dataclasses.replace(truth[0], type=np.array([label, "Truck"]))]
    assert kitti_detection(other, results, ALL).curve(label, "3d", "easy").ap40 == pytest.approx(50.0)


def test_results_on_dont_care_areas_are_excused_in_the_image_only() -> None:
    area = KittiObjects.of(["DontCare"], [[590, 90, 680, 160]], [[-1, -1, -1]], [[-1000, -1000, -1000]])
    truth = KittiObjects.of(
        ["Car", "DontCare"],
        [*cars([0]).bbox_px, *area.bbox_px],
        [[1.5, 1.6, 3.9], [-1] * 3],
        [[0, 1.7, 20], [-1000] * 3],
    )
    results = dataclasses.replace(cars([0, 30]), score=np.array([0.5, 0.9]))
    found = kitti_detection([truth], [results], ALL)
    assert ap(found, "2d") == pytest.approx(100.0)
    assert ap(found, "3d") == pytest.approx(50.0)


@pytest.mark.parametrize(("bottom_px", "ap40"), [(139, 100.0), (140, 50.0)])
def test_a_low_result_is_neutral(bottom_px: float, ap40: float) -> None:
    """Below 40 px; at 40 px it counts, where truth does not."""
    low = cars([0, 30], bbox_px=[[0, 100, 60, 150], [600, 100, 660, bottom_px]])
    results = dataclasses.replace(low, score=np.array([0.5, 0.9]))
    found = kitti_detection([cars([0])], [results], ALL)
    assert ap(found, "3d", "easy") == pytest.approx(ap40)
    assert ap(found, "3d", "moderate") == pytest.approx(50.0)


def test_thresholds_by_hand() -> None:
    """Four truths, four steps: each hit is one step. With 8 truths every second hit stands for a step."""
    four = recall_thresholds(np.array([0.9, 0.8, 0.7, 0.6]), 4, steps=4)
    assert four[0].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert four[1].tolist() == [0.0, 0.25, 0.5, 0.75]
    eight = recall_thresholds(np.linspace(0.8, 0.1, 8), 8, steps=4)
    np.testing.assert_allclose(eight[0], [0.8, 0.7, 0.5, 0.3, 0.1])
    assert [len(part) for part in recall_thresholds(np.zeros(0), 3)] == [0, 0]


Objects = Callable[[int], KittiObjects]


def random_frame(rng: np.random.Generator) -> KittiObjects:
    n = int(rng.integers(0, 9))
    kinds = rng.choice(
        ["Car", "Van", "Pedestrian", "Person_sitting", "DontCare"], n, p=[0.5, 0.1, 0.2, 0.1, 0.1]
    )
    corner = rng.uniform([0, 100], [900, 200], (n, 2))
    boxes = np.hstack([corner, corner + rng.uniform([30, 20], [120, 90], (n, 2))])
    where = rng.uniform([-8, 1.5, 8], [8, 1.9, 30], (n, 3))
    columns: dict[str, Any] = {"truncated": rng.choice([0.0, 0.2, 0.4], n), "occluded": rng.integers(0, 3, n)}
    columns |= {"alpha_rad": rng.uniform(-3, 3, n), "rotation_y_rad": rng.uniform(-3, 3, n)}
    return KittiObjects.of(
        kinds.tolist(), boxes, rng.uniform([1.4, 1.5, 3], [1.6, 1.8, 4.2], (n, 3)), where, **columns
    )


def random_results(truth: KittiObjects, rng: np.random.Generator) -> KittiObjects:
    kept = truth.select((rng.random(len(truth)) < 0.8) & (truth.type != "DontCare"))
    kept = kept.select(np.concatenate([np.arange(len(kept)), np.flatnonzero(rng.random(len(kept)) < 0.3)]))
    n = len(kept)
    names = {"Van": "Car", "Person_sitting": "Pedestrian"}
    return dataclasses.replace(
        kept,
        type=np.array([names.get(t, t) for t in kept.type.tolist()], np.str_),
        bbox_px=kept.bbox_px + rng.normal(0, 2, (n, 4)),
        bottom_m=kept.bottom_m + rng.normal(0, 0.15, (n, 3)),
        alpha_rad=kept.alpha_rad + rng.normal(0, 0.6, n),
        score=rng.integers(1, 12, n) / 12.0,
    )


def footprint(o: KittiObjects, i: int) -> Any:
    _, w, length = o.hwl_m[i]
    shape = rotate(
        box(-length / 2, -w / 2, length / 2, w / 2), -o.rotation_y_rad[i], origin=(0, 0), use_radians=True
    )
    return translate(shape, o.bottom_m[i, 0], o.bottom_m[i, 2])


def shared_share(a: KittiObjects, i: int, b: KittiObjects, j: int, view: str) -> float:
    if view == "2d":
        p, q, heights = box(*a.bbox_px[i]), box(*b.bbox_px[j]), (1.0, 1.0, 1.0)
    else:
        p, q = footprint(a, i), footprint(b, j)
        ha, hb, ya, yb = a.hwl_m[i, 0], b.hwl_m[j, 0], a.bottom_m[i, 1], b.bottom_m[j, 1]
        heights = (ha, hb, max(0.0, min(ya, yb) - max(ya - ha, yb - hb))) if view == "3d" else (1.0, 1.0, 1.0)
    inter = p.intersection(q).area * heights[2]
    return float(inter / (p.area * heights[0] + q.area * heights[1] - inter))


class Reference:
    """The protocol told once more, box by box, for cars."""

    def __init__(
        self, truth: list[KittiObjects], results: list[KittiObjects], view: str, difficulty: Any
    ) -> None:
        self.truth, self.results, self.view, self.limit = truth, results, view, difficulty

    def truth_role(self, t: KittiObjects, i: int) -> str:
        if t.type[i] not in ("Car", "Van"):
            return "absent"
        high = t.bbox_px[i, 3] - t.bbox_px[i, 1] > self.limit.height_px
        fine = t.occluded[i] <= self.limit.max_occluded and t.truncated[i] <= self.limit.max_truncated
        return "counts" if t.type[i] == "Car" and high and fine else "neutral"

    def result_role(self, r: KittiObjects, j: int) -> str:
        if abs(r.bbox_px[j, 3] - r.bbox_px[j, 1]) < self.limit.height_px:
            return "neutral"
        return "counts" if r.type[j] == "Car" else "absent"

    def frame(
        self, t: KittiObjects, r: KittiObjects, threshold: float | None
    ) -> tuple[list[tuple[int, int]], set[int]]:
        """Hits (truth, result) and all results that are used up."""
        used: set[int] = set()
        hits = []
        for i in range(len(t)):
            near = [j for j in range(len(r)) if j not in used and self.result_role(r, j) != "absent"]
            near = [j for j in near if shared_share(t, i, r, j, self.view) > 0.5]
            near = [j for j in near if threshold is None or r.score[j] >= threshold]
            if self.truth_role(t, i) == "absent" or not near:
                continue
            if threshold is None:
                best = max(near, key=lambda j: r.score[j])
            else:
                good = [j for j in near if self.result_role(r, j) == "counts"]
                best = max(good, key=lambda j: shared_share(t, i, r, j, self.view)) if good else near[0]
            used.add(best)
            if self.truth_role(t, i) == self.result_role(r, best) == "counts":
                hits.append((i, best))
        return hits, used

    def ap40(self) -> tuple[float, float]:
        pairs = list(zip(self.truth, self.results, strict=True))
        scores = [float(r.score[j]) for t, r in pairs for _, j in self.frame(t, r, None)[0]]
        total = sum(self.truth_role(t, i) == "counts" for t in self.truth for i in range(len(t)))
        precision, orientation = np.zeros(41), np.zeros(41)
        for k, threshold in enumerate(recall_thresholds(np.array(scores), total)[0]):
            hit, false, turned = 0, 0, 0.0
            for t, r in pairs:
                hits, used = self.frame(t, r, threshold)
                hit += len(hits)
                turned += sum((1 + np.cos(t.alpha_rad[i] - r.alpha_rad[j])) / 2 for i, j in hits)
                false += sum(
                    self.alarm(t, r, j) for j in set(range(len(r))) - used if r.score[j] >= threshold
                )
            precision[k], orientation[k] = hit / max(hit + false, 1), turned / max(hit + false, 1)
        return tuple(100 * np.mean([v[k:].max() for k in range(1, 41)]) for v in (precision, orientation))  # type: ignore[return-value]

    def alarm(self, t: KittiObjects, r: KittiObjects, j: int) -> bool:
        areas = [box(*t.bbox_px[i]) for i in range(len(t)) if t.type[i] == "DontCare" and self.view == "2d"]
        mine = box(*r.bbox_px[j])
        return self.result_role(r, j) == "counts" and not any(
            a.intersection(mine).area / mine.area > 0.5 for a in areas
        )


@pytest.mark.parametrize("seed", range(2))
def test_equals_the_protocol_told_box_by_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = [random_frame(rng) for _ in range(12)]
    results = [random_results(t, rng) for t in truth]
    found = kitti_detection(truth, results, KittiDetectionConfig({"Car": (0.5, 0.5, 0.5)}))
    for view in ("2d", "bev", "3d"):
        for difficulty in DIFFICULTIES:
            curve = found.curve("Car", view, difficulty.name)
            expected = Reference(truth, results, view, difficulty).ap40()
            assert curve.ap40 == pytest.approx(expected[0], abs=1e-9)
            if view == "2d":
                assert curve.aos40 == pytest.approx(expected[1], abs=1e-9)


def test_labelled_frames_against_themselves(shared_data: Path) -> None:
    truth = [read_kitti_objects(p) for p in sorted((shared_data / "kitti_object" / "label_2").glob("*.txt"))]
    results = [scored(t.select(t.type != "DontCare"), 1.0) for t in truth]
    assert len(truth) == 13
    asked = [c for c in kitti_detection(truth, results, ALL).curves if c.num_truth]
    assert {c.label for c in asked} == {"Car", "Pedestrian", "Cyclist"}
    for curve in asked:
        assert curve.ap40 == pytest.approx(100.0), curve
        assert curve.ap11 == pytest.approx(100.0)
    loose = kitti_detection(truth, results, KittiDetectionConfig(LOOSE))
    for curve in loose.curves:
        if curve.num_truth:
            assert curve.ap40 == pytest.approx(100.0 * min(curve.num_truth - 1, 40) / 40)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="1 frames of labels and 0 of results"):
        kitti_detection([cars([0])], [])
    with pytest.raises(InputError, match="frame 0: a result has no finite score"):
        kitti_detection([cars([0])], [cars([0])])
    with pytest.raises(InputError, match="DontCare area"):
        kitti_detection([cars([0])], [scored(cars([0], kind="DontCare"), 1.0)])
    with pytest.raises(InputError, match="type 'Bus' is not one of"):
        cars([0], kind="Bus")
    with pytest.raises(InputError, match="hwl_m: wanted shape"):
        dataclasses.replace(cars([0]), hwl_m=np.zeros((2, 3)))
    with pytest.raises(InputError, match="bottom_m: a value is not finite"):
        dataclasses.replace(cars([0]), bottom_m=np.full((1, 3), np.nan))
    with pytest.raises(ConfigurationError, match="sampling"):
        KittiDetectionConfig(sampling="some")
    with pytest.raises(ConfigurationError, match="'Tram' is not one of"):
        KittiDetectionConfig({"Tram": (0.5, 0.5, 0.5)})
    with pytest.raises(InputError, match="no curve of 'Van'"):
        kitti_detection([], []).curve("Van", "3d", "easy")
