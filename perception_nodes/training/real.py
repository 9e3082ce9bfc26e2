"""Real sweeps with labels, and how well a detector does on them; nothing is ever trained on these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datasets import open_input
from perception_nodes.datasets.inputs import Input
from perception_nodes.datasets.kitti import KittiInput
from perception_nodes.datasets.kitti_calibration import read_calibration
from perception_nodes.datasets.kitti_files import find_kitti
from perception_nodes.datasets.pandaset import PandaSetInput
from perception_nodes.datasets.rigs import mount
from perception_nodes.datatypes import CAR, LABEL_INDEX, Detections3D, InputError, Modality, PointCloud
from perception_nodes.evaluation import BoxFrame
from perception_nodes.geometry import merge_clouds, transform_detections

from .score import MIN_POINTS, RANGE_M, ClassScore, as_cars, score_frames

F64 = npt.NDArray[np.float64]
Inside = Callable[[F64], npt.NDArray[np.bool_]]
# A cloud of the base frame with the sensors' origins to boxes of the base frame.
Detector = Callable[[PointCloud, F64], Detections3D]
_KITTI_IMAGE_PX: Final = (1242, 375)
_MATCH_M: Final = 2.0
# A pickup has a car's size, and KITTI's vans are cars here: small trucks count as cars, true and found.
_CARS: Final = ("truck",)


@dataclass(frozen=True, eq=False)
class RealFrame:
    """One sweep of all lidars in the base frame, its true boxes there, and which places (N, 3) are labelled."""

    cloud: PointCloud
    origins_m: F64
    truth: Detections3D
    inside: Inside


@dataclass(frozen=True)
class RealScore:
    """A detector on a recording: classes by name; car recall at 2 m where there is at most one false car a frame."""

    frames: int
    classes: dict[str, ClassScore]
    recall_at_one: float
    false_at_one: float


def real_frames(path: Path) -> tuple[str, Iterator[RealFrame]]:
    """Kind of a recording and its labelled sweeps. Raises InputError unless it is PandaSet or KITTI with labels."""
    source: Input = open_input(path)
    if not source.has_truth or not isinstance(source, PandaSetInput | KittiInput):
        raise InputError(f"{path}: wanted a PandaSet sequence or KITTI frames with labels")
    return source.kind, _pandaset(source) if isinstance(source, PandaSetInput) else _kitti(source)


def _pandaset(source: PandaSetInput) -> Iterator[RealFrame]:
    lidars = source.dataset_rig.of(Modality.LIDAR)
    for k in range(len(source.poses().stamps_ns)):
        parts = [(source.cloud(k, spec.name), mount(spec)) for spec in lidars]
        cloud, origins = merge_clouds(parts, parts[0][0].stamp_ns, "base_link")
        truth = transform_detections(source.truth(k), "base_link", source.poses().odom_from_base[k].inverse())
        yield RealFrame(cloud, origins, truth, lambda xyz: np.ones(len(xyz), bool))


def _kitti(source: KittiInput) -> Iterator[RealFrame]:
    """Full sweeps only: those cut to the camera's view say nothing of what a detector would do with a whole one."""
    files = find_kitti(source.path)
    assert files is not None
    (spec,) = source.dataset_rig.of(Modality.LIDAR)
    base_from_lidar = mount(spec)
    for k, (_, calibration) in enumerate(zip(files.sweeps, files.calibrations, strict=True)):
        cloud = source.cloud(k)
        if calibration is None or (np.abs(np.arctan2(*cloud.xyz_m[:, 1::-1].T)) > 2.0).mean() < 0.05:
            continue
        known = read_calibration(calibration)
        camera = known.camera_model(*_KITTI_IMAGE_PX)
        camera_from_base = (base_from_lidar @ known.velo_from_camera()).inverse()

        def inside(xyz: F64, camera: Any = camera, camera_from_base: Any = camera_from_base) -> Any:
            uv, depth = camera.project(camera_from_base.apply(xyz))
            width, height = _KITTI_IMAGE_PX
            return (depth > 0) & (uv[:, 0] >= 0) & (uv[:, 0] < width) & (uv[:, 1] >= 0) & (uv[:, 1] < height)

        merged, origins = merge_clouds([(cloud, base_from_lidar)], cloud.stamp_ns, "base_link")
        yield RealFrame(merged, origins, source.truth(k), inside)


def score_real(frames: Sequence[RealFrame], detector: Detector, range_m: float = RANGE_M) -> RealScore:
    """Scores on the labelled part of the sweeps; see `_CARS` for what counts as a car."""
    return score_boxes(*real_boxes(frames, detector), range_m)


def real_boxes(frames: Sequence[RealFrame], detector: Detector) -> tuple[list[BoxFrame], list[BoxFrame]]:
    """True boxes of the labelled part of each sweep, and what a detector finds there."""
    truth, found = [], []
    for index, frame in enumerate(frames):
        boxes = detector(frame.cloud, frame.origins_m)
        truth.append(_boxes(frame.truth, frame, index, False))
        found.append(_boxes(boxes, frame, index, True))
    return truth, found


def score_boxes(truth: Sequence[BoxFrame], found: Sequence[BoxFrame], range_m: float = RANGE_M) -> RealScore:
    """Scores of boxes found."""
    classes = score_frames(truth, found, range_m)
    recall, false = recall_at_false(truth, found, len(truth), range_m)
    return RealScore(len(truth), classes, recall, false)


def recall_at_false(
    truth: Sequence[BoxFrame], found: Sequence[BoxFrame], frames: int, range_m: float, most: float = 1.0
) -> tuple[float, float]:
    """Greatest recall of cars at 2 m with at most `most` false cars a frame, and how many there are then."""
    rows, cars = _ranked_cars(truth, found, range_m)
    best = _last_good(rows, most * frames)
    if best < 0 or not cars:
        return 0.0, 0.0
    hits = sum(hit for _, hit in rows[: best + 1])
    return hits / cars, (best + 1 - hits) / frames


def score_at_false(
    truth: Sequence[BoxFrame], found: Sequence[BoxFrame], range_m: float = RANGE_M, most: float = 1.0
) -> float:
    """The score from which on there are at most `most` false cars a frame; 1 where there always are more."""
    rows, _ = _ranked_cars(truth, found, range_m)
    best = _last_good(rows, most * len(truth))
    return rows[best][0] if best >= 0 else 1.0


def false_cars(truth: Sequence[BoxFrame], found: Sequence[BoxFrame], least_score: float) -> float:
    """Boxes of cars a frame with that score or more that are no cars."""
    rows, _ = _ranked_cars(truth, found, RANGE_M)
    return sum(not hit for score, hit in rows if score >= least_score) / max(1, len(truth))


def _last_good(rows: Sequence[tuple[float, bool]], most: float) -> int:
    """The last of the rows (score, hit) with no more than `most` that are no hits among it and those before; -1."""
    false = np.cumsum([not hit for _, hit in rows]) if rows else np.zeros(0)
    return int((false <= most).sum()) - 1


def _ranked_cars(
    truth: Sequence[BoxFrame], found: Sequence[BoxFrame], range_m: float
) -> tuple[list[tuple[float, bool]], int]:
    """(score, whether it is a true car) of what was found by falling score, and how many cars are asked for."""
    rows: list[tuple[float, bool]] = []
    cars = 0
    for true, ours in zip(truth, found, strict=True):
        seen = (true.label == CAR) & (np.hypot(*true.center_m[:, :2].T) < range_m)
        asked = seen & (true.num_points >= MIN_POINTS)
        cars += int(asked.sum())
        taken = np.zeros(len(true), bool)
        mine = np.flatnonzero((ours.label == CAR) & (np.hypot(*ours.center_m[:, :2].T) < range_m))
        for row in mine[np.argsort(-ours.score[mine], kind="stable")].tolist():
            apart = np.hypot(*(true.center_m[:, :2] - ours.center_m[row, :2]).T)
            apart[taken | (true.label != CAR)] = np.inf
            partner = int(apart.argmin()) if len(apart) else -1
            hit = partner >= 0 and bool(apart[partner] < _MATCH_M)
            if hit:
                taken[partner] = True
                # A car with hardly a point is neither asked for nor a false alarm.
                if not asked[partner]:
                    continue
            rows.append((float(ours.score[row]), hit))
    return sorted(rows, key=lambda r: -r[0]), cars


def _boxes(boxes: Detections3D, frame: RealFrame, index: int, scored: bool) -> BoxFrame:
    labelled = boxes.select(frame.inside(boxes.center_m) & (boxes.label < LABEL_INDEX["unknown"]))
    n = len(labelled)
    one = BoxFrame(
        index, np.arange(n), labelled.label.astype(np.int64), labelled.score if scored else np.full(n, np.nan),
        labelled.center_m, labelled.lwh_m, labelled.yaw_rad, labelled.velocity_mps,
        labelled.num_points.astype(np.int64), np.zeros(2),
    )  # fmt: skip
    return as_cars(one, _CARS)


def geometric(config: Any) -> Detector:
    """The geometric detector, to compare with."""
    from perception_nodes.detection.lidar import GeometricLidarDetector

    detector = GeometricLidarDetector(replace(config, min_score=0.0))
    return lambda cloud, origins: detector.detect(cloud, origins).detections
