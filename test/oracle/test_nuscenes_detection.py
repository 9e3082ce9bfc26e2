"""Side by side with nuscenes-devkit 1.2.0 on random recordings: filters, matching, curves, errors, NDS."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import LABELS, SIZE_MEAN_LWH_M

pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed (make test-oracle)")
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes
from nuscenes.eval.detection.data_classes import DetectionBox
from nuscenes.eval.detection.evaluate import DetectionEval

pytestmark = pytest.mark.oracle

TOOL = "nuscenes-devkit"
THEIRS = {
    "translation": "trans_err",
    "scale": "scale_err",
    "orientation": "orient_err",
    "velocity": "vel_err",
    "attribute": "attr_err",
}
TWO_WHEELERS = [LABELS.index("motorcycle"), LABELS.index("bicycle")]
NAMES = [name for name in LABELS if name != "unknown"]
Recording = tuple[list[ev.BoxFrame], list[ev.BoxFrame], list[ev.BoxFrame]]


class DataSet:
    """As much of a nuScenes data set as the filters ask for: where the ego was, and the bicycle racks."""

    def __init__(self, truth: list[ev.BoxFrame], racks: list[ev.BoxFrame]) -> None:
        self.ego = {str(k): [*f.ego_xy_m, 0.0] for k, f in enumerate(truth)}
        self.racks = {str(k): f for k, f in enumerate(racks)}

    def get(self, table: str, token: str) -> dict[str, Any]:
        if table == "sample":
            anns = [f"{token}/{i}" for i in range(len(self.racks[token]))]
            return {"data": {"LIDAR_TOP": token}, "anns": anns}
        if table == "sample_annotation":
            frame, i = token.split("/")
            box = theirs(self.racks[frame].select(np.array([int(i)])), frame, "car")[0]
            return {**box.serialize(), "category_name": "static_object.bicycle_rack"}
        return {"ego_pose_token": token, "translation": self.ego.get(token)}


def theirs(frame: ev.BoxFrame, token: str, name: str | None = None) -> list[DetectionBox]:
    return [
        DetectionBox(
            sample_token=token,
            translation=tuple(frame.center_m[i]),
            size=tuple(frame.lwh_m[i, [1, 0, 2]]),
            rotation=(np.cos(frame.yaw_rad[i] / 2), 0.0, 0.0, np.sin(frame.yaw_rad[i] / 2)),
            velocity=tuple(frame.velocity_mps[i]),
            num_pts=int(frame.num_points[i]),
            detection_name=name or LABELS[frame.label[i]],
            detection_score=-1.0 if np.isnan(frame.score[i]) else float(frame.score[i]),
            attribute_name=ev.ATTRIBUTES[frame.attribute[i]] if frame.attribute[i] >= 0 else "",
        )
        for i in range(len(frame))
    ]


def official(recording: Recording, prepared: bool = False) -> Any:
    truth, predictions, racks = recording
    bench = object.__new__(DetectionEval)
    bench.cfg, bench.verbose = config_factory("detection_cvpr_2019"), False
    boxes = []
    for frames in (truth, predictions):
        all_boxes = EvalBoxes()
        for k, frame in enumerate(frames):
            all_boxes.add_boxes(str(k), theirs(frame, str(k)))
        data = DataSet(truth, racks)
        boxes.append(filter_eval_boxes(data, add_center_dist(data, all_boxes), bench.cfg.class_range))
    bench.gt_boxes, bench.pred_boxes = boxes
    return bench if prepared else bench.evaluate()


def boxes(
    rng: np.random.Generator, k: int, ego: np.ndarray, xy: np.ndarray, label: np.ndarray
) -> ev.BoxFrame:
    n = len(xy)
    lwh = np.array(SIZE_MEAN_LWH_M)[label].reshape(n, 3) * rng.uniform(0.8, 1.2, (n, 3))
    velocity = rng.normal(0, 3, (n, 2))
    velocity[rng.random(n) < 0.1] = np.nan
    center = np.column_stack([xy, rng.normal(0, 0.3, n)])
    yaw, points = rng.uniform(-np.pi, np.pi, n), rng.integers(0, 5, n)
    none = np.full(n, np.nan)
    attribute = rng.integers(-1, len(ev.ATTRIBUTES), n)
    return ev.BoxFrame(k, np.arange(n), label, none, center, lwh, yaw, velocity, points, ego, attribute)


def found(rng: np.random.Generator, truth: ev.BoxFrame) -> ev.BoxFrame:
    """Some of the true boxes, moved, some with a wrong class or attribute, and clutter; many equal scores."""
    seen = np.flatnonzero(rng.random(len(truth)) < 0.8)
    clutter = int(rng.integers(0, 6))
    xy = truth.center_m[seen, :2] + rng.normal(0, 0.8, (len(seen), 2))
    xy = np.concatenate([xy, truth.ego_xy_m + rng.uniform(-55, 55, (clutter, 2))])
    label = np.concatenate([truth.label[seen], rng.integers(0, 10, clutter)])
    label[rng.random(len(label)) < 0.1] = rng.integers(0, 10)
    out = boxes(rng, truth.stamp_ns, truth.ego_xy_m, xy, label)
    out.yaw_rad[: len(seen)] = truth.yaw_rad[seen] + rng.normal(0, 0.4, len(seen))
    out.attribute[: len(seen)] = truth.attribute[seen]
    out.score[:] = np.round(rng.random(len(label)), int(rng.integers(1, 4)))
    out.num_points[:] = -1
    return out


def recording(seed: int, frames: int = 25, most: int = 25) -> Recording:
    rng = np.random.default_rng(seed)
    truth, predictions, racks = [], [], []
    for k in range(frames):
        ego = rng.uniform(-100, 100, 2)
        n = 0 if rng.random() < 0.1 else int(rng.integers(0, most))
        xy = ego + rng.uniform(-55, 55, (n, 2)) * rng.uniform(0.3, 1.0, (n, 1))
        truth.append(boxes(rng, k, ego, xy, rng.integers(0, 10, n)))
        predictions.append(ev.BoxFrame.empty(k) if rng.random() < 0.1 else found(rng, truth[-1]))
        near = truth[-1].center_m[np.isin(truth[-1].label, TWO_WHEELERS), :2][:2]
        rack = boxes(rng, k, ego, near + rng.uniform(-3, 3, near.shape), np.ones(len(near), int))
        rack.lwh_m[:] = rng.uniform(2, 10, (len(near), 3))
        racks.append(rack if rng.random() < 0.5 else ev.BoxFrame.empty(k))
    return truth, predictions, racks


def compare(agreement: Any, ours: ev.NuscenesDetection, metrics: Any, curves: Any) -> None:
    def same(mine: Any, other: Any) -> None:
        agreement.check("nuScenes detection", TOOL, mine, other, 1e-9)

    same(
        {"mAP": ours.mean_ap, "NDS": ours.nds, **ours.errors},
        {
            "mAP": metrics.mean_ap,
            "NDS": metrics.nd_score,
            **{k: metrics.tp_errors[v] for k, v in THEIRS.items()},
        },
    )
    for name, mine in ours.classes.items():
        same(mine.ap, {d: metrics.get_label_ap(name, d) for d in mine.ap})
        same(mine.errors, {k: metrics.get_label_tp(name, v) for k, v in THEIRS.items()})
        for distance, curve in mine.curves.items():
            other = curves[name, distance]
            same(curve.precision, other.precision)
            same(curve.confidence, other.confidence)
        same(mine.error_curves, {k: getattr(curves[name, 2.0], v) for k, v in THEIRS.items()})


@pytest.mark.parametrize("seed", range(8))
def test_same_as_the_devkit(seed: int, agreement: Any) -> None:
    drive = recording(seed)
    truth, predictions, racks = drive
    ours = ev.nuscenes_detection(truth, predictions, racks=racks)
    compare(agreement, ours, *official(drive))
    assert sum(c.num_truth for c in ours.classes.values()) < sum(len(f) for f in truth)
    assert 0.05 < ours.mean_ap < 0.95 and set(ours.classes) == set(NAMES)


def test_racks_take_bicycles_away_in_both() -> None:
    truth, predictions, racks = recording(1)
    ours = ev.nuscenes_detection(truth, predictions, racks=racks)
    without = ev.nuscenes_detection(truth, predictions)
    assert without.classes["bicycle"].num_truth > ours.classes["bicycle"].num_truth
    assert without.classes["car"].num_truth == ours.classes["car"].num_truth


def test_speed_on_10000_boxes(agreement: Any) -> None:
    truth, predictions, racks = drive = recording(5, frames=200, most=120)
    ev.nuscenes_detection(truth, predictions, racks=racks)
    bench = official(drive, prepared=True)
    start = time.perf_counter()
    result = bench.evaluate()  # of boxes that are already filtered
    middle = time.perf_counter()
    ours = ev.nuscenes_detection(truth, predictions, racks=racks)
    end = time.perf_counter()
    compare(agreement, ours, *result)
    metric = f"nuScenes detection, {sum(len(f) for f in truth)} boxes"
    agreement.speed(metric, TOOL, end - middle, middle - start)
