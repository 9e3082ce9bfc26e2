"""Fusion on scenes small enough to work by hand: one camera looking forward from the base frame."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import (
    CAR,
    LABEL_INDEX,
    NUM_LABELS,
    PEDESTRIAN,
    ConfigurationError,
    Detections2D,
    Detections3D,
    Orientation,
    SourceMask,
)
from perception_nodes.fusion import CameraView, FusionConfig, ObjectFusion
from perception_nodes.fusion.projection import overlap_matrix, project_boxes
from perception_nodes.geometry import CameraModel, Transform

CAMERA = CameraModel(800, 600, 500.0, 500.0, 400.0, 300.0)
# x right, y down, z forward out of x forward, y left, z up; 1.5 m above the road.
OPTICAL_FROM_BASE = Transform(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]), np.array([0.0, 1.5, 0.0]))


def lidar(*centers: tuple[float, float], label: int = NUM_LABELS - 1, score: float = 0.5) -> Detections3D:
    n = len(centers)
    probabilities = np.full((n, NUM_LABELS), 1 / NUM_LABELS)
    center = np.array([[x, y, 0.8] for x, y in centers]).reshape(n, 3)
    size = np.tile([4.6, 1.9, 1.6], (n, 1))
    return Detections3D.of(
        1,
        "base_link",
        "top",
        center,
        size,
        np.zeros(n),
        class_probabilities=probabilities,
        label=np.full(n, label, np.uint8),
        score=np.full(n, score),
        source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
    )


def view(boxes: np.ndarray, label: int = CAR, score: float = 0.8) -> CameraView:
    n = len(boxes)
    probabilities = np.full((n, NUM_LABELS), 0.01)
    probabilities[:, label] = 0.9
    return CameraView(
        Detections2D(
            stamp_ns=1,
            frame_id="optical",
            source="front",
            width_px=800,
            height_px=600,
            box_px=boxes,
            label=np.full(n, label, np.uint8),
            class_probabilities=probabilities,
            score=np.full(n, score),
            depth_m=np.full(n, np.nan),
            depth_std_m=np.full(n, np.nan),
            detection_id=np.arange(n, dtype=np.uint64),
        ),
        CAMERA,
        OPTICAL_FROM_BASE,
    )


def rectangles(objects: Detections3D) -> np.ndarray:
    return project_boxes(objects, CAMERA, OPTICAL_FROM_BASE).rect_px


def test_projection_by_hand() -> None:
    box = Detections3D.of(
        1, "base_link", "x", np.array([[10.0, 0, 1.5]]), np.array([[2.0, 2, 2]]), np.zeros(1)
    )
    rect = rectangles(box)[0]
    # The near face at 9 m sets the size: 500 px * 1 m / 9 m.
    np.testing.assert_allclose(rect, [400 - 500 / 9, 300 - 500 / 9, 400 + 500 / 9, 300 + 500 / 9])


def test_objects_behind_are_not_in_view() -> None:
    projection = project_boxes(lidar((-10.0, 0.0)), CAMERA, OPTICAL_FROM_BASE)
    assert np.isnan(projection.rect_px).all()
    assert projection.inside[0] == 0.0


def test_match_raises_score_and_sets_class() -> None:
    objects = lidar((15.0, 0.0))
    fused = ObjectFusion().fuse(objects, [view(rectangles(objects))], 1)
    assert len(fused) == 1
    assert fused.score[0] > 0.8
    assert fused.label[0] == CAR
    assert fused.source_mask[0] == SourceMask.LIDAR | SourceMask.CAMERA
    assert fused.class_probabilities.sum() == pytest.approx(1.0)


def test_each_object_gets_its_own_box() -> None:
    objects = lidar((15.0, 4.0), (15.0, -4.0))
    boxes = rectangles(objects)[::-1].copy()
    two = view(boxes)
    fused = ObjectFusion().fuse(objects, [two], 1)
    assert (fused.source_mask == SourceMask.LIDAR | SourceMask.CAMERA).all()


def test_silence_of_a_camera_that_should_see_lowers_the_score() -> None:
    objects = lidar((15.0, 0.0), label=CAR)
    fused = ObjectFusion().fuse(objects, [view(np.zeros((0, 4)))], 1)
    assert fused.score[0] < 0.4
    hidden = lidar((15.0, 0.0), (8.0, 0.0), label=CAR)
    fused = ObjectFusion().fuse(hidden, [view(np.zeros((0, 4)))], 1)
    assert fused.score[0] == pytest.approx(0.5)


def test_objects_outside_the_view_keep_their_score() -> None:
    objects = lidar((-15.0, 0.0), label=CAR)
    fused = ObjectFusion().fuse(objects, [view(np.zeros((0, 4)))], 1)
    assert fused.score[0] == pytest.approx(0.5)


def test_camera_only_car_stands_where_the_car_is() -> None:
    car = lidar((20.0, 3.0))
    fused = ObjectFusion().fuse(None, [view(rectangles(car))], 5)
    assert (fused.stamp_ns, fused.frame_id, len(fused)) == (5, "base_link", 1)
    assert fused.source_mask[0] == SourceMask.CAMERA
    assert fused.orientation[0] == Orientation.UNAVAILABLE
    error = fused.center_m[0, :2] - [20.0, 3.0]
    sigma = fused.covariance[0, :2, :2]
    assert error @ np.linalg.solve(sigma, error) < 9.0
    assert np.linalg.eigvalsh(sigma)[1] > 4 * np.linalg.eigvalsh(sigma)[0]
    # Behind the seen side by a width that is assumed: that they err on their own (0) is not stated.
    assert np.isnan(fused.covariance[0, :2, 4:6]).all()


def test_camera_box_on_a_lidar_object_is_not_a_second_object() -> None:
    objects = lidar((15.0, 0.0))
    x0, y0, x1, y1 = rectangles(objects)[0]
    inner = np.array([[x0 + 0.3 * (x1 - x0), y0, x1 - 0.3 * (x1 - x0), y1]])
    fused = ObjectFusion().fuse(objects, [view(inner, label=PEDESTRIAN, score=0.9)], 1)
    assert len(fused) == 1


def test_box_cut_off_at_the_bottom_has_no_depth() -> None:
    fused = ObjectFusion().fuse(None, [view(np.array([[100.0, 200.0, 300.0, 600.0]]))], 1)
    assert len(fused) == 0


def test_pedestrian_is_placed_by_its_height() -> None:
    # 1.77 m at 10 m is 88.5 px; feet on the road: 300 + 500 * 1.5 / 10 = 375.
    fused = ObjectFusion().fuse(None, [view(np.array([[390.0, 286.5, 410.0, 375.0]]), label=PEDESTRIAN)], 1)
    assert fused.center_m[0, 0] == pytest.approx(10.3, abs=0.5)
    assert fused.label[0] == LABEL_INDEX["pedestrian"]


def test_no_inputs_is_an_empty_result_at_the_stamp() -> None:
    fused = ObjectFusion().fuse(None, [], 9)
    assert (len(fused), fused.stamp_ns, fused.source) == (0, 9, "fusion")


def test_inputs_are_not_changed() -> None:
    objects = lidar((15.0, 0.0))
    before = objects.score.copy()
    ObjectFusion().fuse(objects, [view(rectangles(objects))], 1)
    np.testing.assert_array_equal(objects.score, before)


def test_overlap_matrix_by_hand_and_nan() -> None:
    a = np.array([[0.0, 0, 2, 2], [np.nan] * 4])
    b = np.array([[1.0, 0, 3, 2]])
    iou, of_a, of_b = overlap_matrix(a, b)
    assert (iou[0, 0], of_a[0, 0], of_b[0, 0]) == pytest.approx((1 / 3, 0.5, 0.5))
    assert iou[1, 0] == of_a[1, 0] == 0.0


def test_config_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match=r"FusionConfig\.min_overlap"):
        FusionConfig(min_overlap=0.0)
