"""What holds for any recording under the KITTI, Argoverse 2 and COCO protocols."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes.evaluation import (
    ArgoverseBoxes,
    ArgoverseDetectionConfig,
    CocoImage,
    KittiDetectionConfig,
    KittiObjects,
    KittiTracking,
    KittiTrackingConfig,
    argoverse_detection,
    coco_detection,
    kitti_detection,
    kitti_tracking,
)
from perception_nodes.geometry import iou_3d, iou_bev

SEEDS = st.integers(0, 10_000)
CAR = "REGULAR_VEHICLE"
DETECTION = KittiDetectionConfig(sampling="all")
few = settings(max_examples=25, deadline=None)


def sequence(rng: np.random.Generator, frames: int = 5, tracks: int = 5) -> list[KittiObjects]:
    """Cars and vans that stand in a row, each missing now and then; some ids, some DontCare."""
    kinds = rng.choice(["Car", "Van"], tracks, p=[0.8, 0.2])
    out = []
    for _ in range(frames):
        here = np.flatnonzero(rng.random(tracks) < 0.9)
        x = here * 6.0 + rng.normal(0, 0.1, len(here))
        corner = np.stack([20 * x, np.full(len(x), 100.0)], axis=1)
        boxes = np.hstack([corner, corner + rng.uniform([40, 30], [90, 80], (len(x), 2))])
        bottom = np.stack([x, np.full(len(x), 1.7), np.full(len(x), 20.0)], axis=1)
        columns: dict[str, Any] = {"track_id": here, "alpha_rad": rng.uniform(-3, 3, len(x))}
        columns |= {"rotation_y_rad": rng.uniform(-3, 3, len(x)), "occluded": rng.integers(0, 4, len(x))}
        out.append(
            KittiObjects.of(
                kinds[here].tolist(), boxes, np.full((len(x), 3), [1.5, 1.6, 3.9]), bottom, **columns
            )
        )
    return out


def noisy(truth: list[KittiObjects], rng: np.random.Generator) -> list[KittiObjects]:
    """Every score differs, so that no tie decides."""
    out = []
    for frame in truth:
        kept = frame.select(rng.random(len(frame)) < 0.8)
        shift = rng.normal(0, 0.3, (len(kept), 3))
        out.append(dataclasses.replace(kept, bottom_m=kept.bottom_m + shift, score=rng.random(len(kept))))
    return out


def certain(truth: list[KittiObjects]) -> list[KittiObjects]:
    return [dataclasses.replace(t, score=1.0 + t.track_id) for t in truth]


def shuffled(frames: list[KittiObjects], rng: np.random.Generator) -> list[KittiObjects]:
    return [f.select(rng.permutation(len(f))) for f in frames]


def moved(frames: list[KittiObjects], shift_m: Any) -> list[KittiObjects]:
    return [dataclasses.replace(f, bottom_m=f.bottom_m + shift_m) for f in frames]


def turned(frames: list[KittiObjects], angle_rad: float) -> list[KittiObjects]:
    """About the camera's y axis, as rotation_y."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return [
        dataclasses.replace(f, bottom_m=f.bottom_m @ about_y.T, rotation_y_rad=f.rotation_y_rad + angle_rad)
        for f in frames
    ]


def precisions(truth: list[KittiObjects], ours: list[KittiObjects]) -> list[float]:
    return [float(v) for c in kitti_detection(truth, ours, DETECTION).curves for v in c.precision]


def track(truth: list[KittiObjects], ours: list[KittiObjects], mode: str = "clean") -> KittiTracking:
    return kitti_tracking({"a": truth}, {"a": ours}, "Car", KittiTrackingConfig(mode=mode))


def plain(found: KittiTracking) -> list[float]:
    return [found.samota, found.amota, found.amotp, *dataclasses.astuple(found.best)]


@few
@given(SEEDS)
def test_kitti_perfect_is_100(seed: int) -> None:
    truth = sequence(np.random.default_rng(seed))
    for curve in kitti_detection(truth, certain(truth), DETECTION).curves:
        if curve.num_truth:
            assert curve.ap40 == pytest.approx(100.0)
    found = track(truth, certain(truth))
    assert (found.best.false_positives, found.best.false_negatives, found.best.id_switches) == (0, 0, 0)
    assert found.num_truth == 0 or found.best.mota == 1.0


@few
@given(SEEDS)
def test_kitti_does_not_depend_on_the_order_of_lines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = sequence(rng)
    ours = noisy(truth, rng)
    mixed = shuffled(truth, rng), shuffled(ours, rng)
    for mode in ("clean", "published"):
        np.testing.assert_allclose(plain(track(truth, ours, mode)), plain(track(*mixed, mode)), atol=1e-12)
    np.testing.assert_allclose(precisions(truth, ours), precisions(truth, mixed[1]), atol=1e-12)


@few
@given(SEEDS, st.floats(-3, 3), st.floats(-50, 50))
def test_kitti_does_not_depend_on_the_frame(seed: int, angle_rad: float, shift_m: float) -> None:
    rng = np.random.default_rng(seed)
    truth = sequence(rng)
    ours = noisy(truth, rng)
    other = [moved(turned(frames, angle_rad), np.array([shift_m, 1.0, -shift_m])) for frames in (truth, ours)]
    np.testing.assert_allclose(precisions(truth, ours), precisions(*other), atol=1e-9)
    np.testing.assert_allclose(plain(track(truth, ours)), plain(track(*other)), atol=1e-6)


@few
@given(SEEDS)
def test_kitti_names_of_tracks_do_not_matter_and_nothing_is_changed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = sequence(rng)
    ours = noisy(truth, rng)
    before = [f.bottom_m.copy() for f in (*truth, *ours)]
    named = [dataclasses.replace(f, track_id=97 - f.track_id) for f in ours]
    np.testing.assert_allclose(plain(track(truth, ours)), plain(track(truth, named)), atol=1e-12)
    kitti_detection(truth, ours, DETECTION)
    for old, new in zip(before, (*truth, *ours), strict=True):
        np.testing.assert_array_equal(old, new.bottom_m)


def argoverse(rng: np.random.Generator, n: int = 30) -> ArgoverseBoxes:
    return ArgoverseBoxes(
        log_id=rng.choice(["a", "b"], n),
        timestamp_ns=rng.integers(0, 3, n),
        category=np.full(n, CAR),
        center_m=rng.uniform(-60, 60, (n, 3)),
        lwh_m=rng.uniform(1, 5, (n, 3)),
        yaw_rad=rng.uniform(-3, 3, n),
        score=np.full(n, np.nan),
        num_points=np.full(n, 3),
        in_roi=np.ones(n, bool),
    )


def argoverse_figures(truth: ArgoverseBoxes, ours: ArgoverseBoxes) -> list[float]:
    found = argoverse_detection(truth, ours, ArgoverseDetectionConfig(categories=(CAR,), max_range_m=500.0))
    return list(found.mean().values())


@few
@given(SEEDS, st.floats(-3, 3))
def test_argoverse(seed: int, angle_rad: float) -> None:
    """Perfect is 1 with errors 0; order and frame do not matter."""
    rng = np.random.default_rng(seed)
    truth = argoverse(rng)
    perfect = dataclasses.replace(truth, score=rng.permutation(len(truth)) / 30.0)
    np.testing.assert_allclose(argoverse_figures(truth, perfect), [1, 0, 0, 0, 1], atol=1e-9)
    ours = dataclasses.replace(perfect, center_m=truth.center_m + rng.normal(0, 1, (len(truth), 3)))
    expected = argoverse_figures(truth, ours)
    mixed = ours.select(rng.permutation(len(ours))), truth.select(rng.permutation(len(truth)))
    np.testing.assert_allclose(argoverse_figures(mixed[1], mixed[0]), expected, atol=1e-9)
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    away = [
        dataclasses.replace(b, center_m=b.center_m @ about_z.T + [9, -4, 1], yaw_rad=b.yaw_rad + angle_rad)
        for b in (truth, ours)
    ]
    np.testing.assert_allclose(argoverse_figures(*away), expected, atol=1e-6)


@few
@given(SEEDS)
def test_coco(seed: int) -> None:
    """Perfect is 1; order does not matter; a duplicate changes no recall and raises no precision."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    corner = rng.uniform(0, 300, (n, 2))
    truth = np.hstack([corner, corner + rng.uniform(5, 120, (n, 2))])
    labels, score = rng.integers(1, 3, n), 1 + rng.permutation(n) / n
    perfect = CocoImage(truth, labels, truth, labels, score)
    assert coco_detection([perfect]).average_precision() == pytest.approx(1.0)
    ours = dataclasses.replace(perfect, box_px=truth + rng.normal(0, 3, (n, 4)))
    expected = coco_detection([ours])
    p, q = rng.permutation(n), rng.permutation(n)
    mixed = CocoImage(truth[p], labels[p], ours.box_px[q], labels[q], score[q])
    assert coco_detection([mixed]).summary() == pytest.approx(expected.summary(), nan_ok=True)
    twice = [np.concatenate([a, a]) for a in (ours.box_px, labels)]
    double = coco_detection(
        [CocoImage(truth, labels, twice[0], twice[1], np.concatenate([score, score - 1]))]
    )
    assert double.average_precision() <= expected.average_precision() + 1e-9
    assert (double.recall >= expected.recall - 1e-12).all()


@few
@given(SEEDS, st.floats(-3, 3), st.floats(0.1, 10))
def test_overlap_is_symmetric_and_does_not_depend_on_frame_or_unit(
    seed: int, angle_rad: float, unit: float
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        (rng.uniform(-4, 4, (8, 3)), rng.uniform(0.1, 6, (8, 3)), rng.uniform(-4, 4, 8)) for _ in range(2)
    )
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    other = [((p @ turn + [1, 2, 3]) * unit, size * unit, yaw + angle_rad) for p, size, yaw in (a, b)]
    for overlap in (iou_bev, iou_3d):
        expected = overlap(a, b)
        assert ((expected >= 0) & (expected <= 1 + 1e-12)).all()
        np.testing.assert_allclose(np.diag(overlap(a, a)), 1.0, atol=1e-12)
        np.testing.assert_allclose(overlap(b, a).T, expected, atol=1e-9)
        np.testing.assert_allclose(overlap(other[0], other[1]), expected, atol=1e-9)
