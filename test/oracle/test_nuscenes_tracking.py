"""Side by side with nuscenes-devkit 1.2.0 on random scenes: filters, track scores, filled gaps, thresholds, figures."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import LABEL_INDEX, LABELS

pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed (make test-oracle)")
pytest.importorskip("motmetrics", reason="motmetrics is not installed (make test-oracle)")
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes
from nuscenes.eval.tracking import loaders
from nuscenes.eval.tracking.data_classes import TrackingBox
from nuscenes.eval.tracking.evaluate import TrackingEval

pytestmark = pytest.mark.oracle

TOOL = "nuscenes-devkit"
NAMES = {
    "amota": "amota",
    "amotp_m": "amotp",
    "motar": "motar",
    "mota": "mota",
    "motp_m": "motp",
    "recall": "recall",
    "true_positives": "tp",
    "id_switches": "ids",
    "false_positives": "fp",
    "false_negatives": "fn",
    "fragments": "frag",
    "mostly_tracked": "mt",
    "mostly_lost": "ml",
    "faf": "faf",
    "tid_s": "tid",
    "lgd_s": "lgd",
}
CLASSES = [LABEL_INDEX[n] for n in ("bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck")]


class DataSet:
    """As much of a nuScenes data set as the devkit asks for: scenes, their samples, and where the ego was."""

    def __init__(self, scenes: list[ev.Paired]) -> None:
        self.scenes = scenes

    def get(self, table: str, token: str) -> dict[str, Any]:
        s, _, k = token.partition("/")
        frames = self.scenes[int(s)].truth
        if table == "scene":
            return {"name": s, "first_sample_token": f"{s}/0", "last_sample_token": f"{s}/{len(frames) - 1}"}
        frame = frames[int(k)]
        return {
            "scene_token": s,
            "timestamp": frame.stamp_ns,
            "next": f"{s}/{int(k) + 1}",
            "anns": [],
            "data": {"LIDAR_TOP": token},
            "ego_pose_token": token,
            "translation": [*frame.ego_xy_m, 0.0],
        }


def theirs(frame: ev.BoxFrame, token: str) -> list[TrackingBox]:
    return [
        TrackingBox(
            sample_token=token,
            translation=tuple(frame.center_m[i]),
            size=(1.0, 1.0, 1.0),
            rotation=(1.0, 0.0, 0.0, 0.0),
            num_pts=int(frame.num_points[i]),
            tracking_id=str(frame.id[i]),
            tracking_name=LABELS[frame.label[i]],
            tracking_score=-1.0 if np.isnan(frame.score[i]) else float(frame.score[i]),
        )
        for i in range(len(frame))
    ]


def official(scenes: list[ev.Paired]) -> TrackingEval:
    """The devkit's evaluation with everything loaded, filtered, averaged and filled by itself."""
    bench = object.__new__(TrackingEval)
    bench.cfg, bench.verbose = config_factory("tracking_nips_2019"), False
    bench.output_dir = bench.render_classes = None
    data = DataSet(scenes)
    for name in ("truth", "predictions"):
        boxes = EvalBoxes()
        for s, scene in enumerate(scenes):
            for k, frame in enumerate(getattr(scene, name)):
                boxes.add_boxes(f"{s}/{k}", theirs(frame, f"{s}/{k}"))
        boxes = filter_eval_boxes(data, add_center_dist(data, boxes), bench.cfg.class_range)
        tracks = loaders.create_tracks(boxes, data, "any", gt=name == "truth")
        setattr(bench, "tracks_gt" if name == "truth" else "tracks_pred", tracks)
    return bench


@pytest.fixture(autouse=True)
def all_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "get_scenes_of_split", lambda **_: [str(k) for k in range(99)])


@pytest.fixture
def repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    """The devkit with the weights of issue 1141 put right, and the score of a track the same in all its boxes."""
    broken = loaders.interpolate_tracking_boxes

    def right(left_box: TrackingBox, right_box: TrackingBox, right_ratio: float) -> TrackingBox:
        out = broken(left_box, right_box, 1.0 - right_ratio)
        out.tracking_score = right_box.tracking_score
        return out

    monkeypatch.setattr(loaders, "interpolate_tracking_boxes", right)


def boxes(stamp_ns: int, ids: Any, label: Any, xy: Any, score: Any, points: Any) -> ev.BoxFrame:
    n = len(ids)
    center, ones, zero = np.column_stack([xy, np.zeros(n)]), np.ones((n, 3)), np.zeros(n)
    velocity = np.zeros((n, 2))
    ego = np.array([3.0, -4.0])
    return ev.BoxFrame(stamp_ns, ids, label, score, center, ones, zero, velocity, points, ego)


def scene(rng: np.random.Generator, labels: np.ndarray, frames: int) -> ev.Paired:
    """Objects on straight lines; tracks with noise, gaps, swapped ids, wrong classes, clutter, equal scores."""
    n = len(labels)
    start, speed = rng.uniform(-35, 35, (n, 2)), rng.normal(0, 2, (n, 2))
    ids, surety = np.arange(n) + 100, rng.random(n)
    truth, ours = [], []
    for k in range(frames):
        stamp = k * 500_000_000 + int(rng.integers(0, 100_000_000))
        xy = start + speed * 0.5 * k
        there = np.flatnonzero(rng.random(n) < (0.0 if rng.random() < 0.1 else 0.9))
        points = rng.integers(0, 6, len(there))
        truth.append(boxes(stamp, there, labels[there], xy[there], np.full(len(there), np.nan), points))
        if rng.random() < 0.3:
            ids = (
                rng.permutation(ids) if rng.random() < 0.3 else np.where(rng.random(n) < 0.1, ids + 100, ids)
            )
        seen = np.flatnonzero(rng.random(n) < (0.0 if rng.random() < 0.1 else 0.75))
        extra = int(rng.integers(0, 3))
        spot = np.concatenate(
            [xy[seen] + rng.normal(0, 0.7, (len(seen), 2)), rng.uniform(-35, 35, (extra, 2))]
        )
        score = np.round(
            np.clip(np.append(surety[seen], rng.random(extra) / 2), 0, 1), int(rng.integers(1, 3))
        )
        label = np.append(labels[seen], rng.choice(CLASSES, extra))
        label[rng.random(len(label)) < 0.02] = rng.choice(CLASSES)
        names = np.append(ids[seen], np.arange(extra) + 5000 + k // 2 * 10)
        ours.append(boxes(stamp, names, label, spot, score, np.full(len(names), -1)))
    return ev.Paired(tuple(truth), tuple(ours), 0, 0)


def recording(seed: int, most: int = 10, frames: int = 14) -> list[ev.Paired]:
    rng = np.random.default_rng(seed)
    return [scene(rng, rng.choice(CLASSES, int(rng.integers(1, most))), frames) for _ in range(2)]


def compare(agreement: Any, ours: ev.NuscenesTracking, theirs: Any, what: str = "nuScenes tracking") -> None:
    metrics, curves = theirs
    for name, mine in ours.classes.items():
        got = {key: getattr(mine.figures, key) for key in NAMES}
        want = {key: metrics.compute_metric(other, name) for key, other in NAMES.items()}
        agreement.check(what, TOOL, got, want, 1e-9)
        got = {key: mine.curves[key][::-1] for key in NAMES if key in mine.curves}
        want = {key: curves[name].get_metric(NAMES[key]) for key in got}
        agreement.check(what, TOOL, got, want, 1e-9)
        agreement.check(what, TOOL, mine.thresholds[::-1], curves[name].confidence, 1e-9)
    got = {key: getattr(ours.figures, key) for key in NAMES}
    agreement.check(what, TOOL, got, {k: metrics.compute_metric(v) for k, v in NAMES.items()}, 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_parity_is_the_devkit(seed: int, agreement: Any) -> None:
    scenes = recording(seed)
    compare(agreement, ev.nuscenes_tracking(scenes, "parity"), official(scenes).evaluate())


@pytest.mark.parametrize("seed", range(10, 13))
@pytest.mark.usefixtures("repaired")
def test_corrected_is_the_devkit_repaired(seed: int, agreement: Any) -> None:
    scenes = recording(seed)
    ours = ev.nuscenes_tracking(scenes)
    compare(agreement, ours, official(scenes).evaluate(), "nuScenes tracking, corrected")
    assert dataclasses.asdict(ours.figures) != dataclasses.asdict(
        ev.nuscenes_tracking(scenes, "parity").figures
    )


def test_speed_on_500_boxes(agreement: Any) -> None:
    scenes = [scene(np.random.default_rng(s), np.full(14, LABEL_INDEX["car"]), 20) for s in range(2)]
    bench = official(scenes)
    ev.nuscenes_tracking(scenes, "parity")
    start = time.perf_counter()
    result = bench.evaluate()
    middle = time.perf_counter()
    ours = ev.nuscenes_tracking(scenes, "parity")
    end = time.perf_counter()
    compare(agreement, ours, result)
    agreement.speed(
        f"nuScenes tracking, {ours.classes['car'].num_truth} boxes", TOOL, end - middle, middle - start
    )
