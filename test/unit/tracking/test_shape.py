from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import Orientation
from perception_nodes.tracking import TrackerConfig
from perception_nodes.tracking.measurement import prepare
from perception_nodes.tracking.shape import align, anchored, filter_size


@pytest.fixture
def rear_view(make_detections):
    # A car driving along +x, seen from behind (sensor at the origin): only its last 1.5 m, at x = 10 to 11.5.
    d = make_detections(0, [(10.75, 0.0, 0.0)], ["car"])
    lwh = np.array([[1.5, 1.9, 1.6]])
    return prepare(type(d)(**{**vars(d), "lwh_m": lwh}), np.zeros(2))


def test_a_partial_box_is_anchored_at_the_side_that_was_seen(rear_view):
    aligned = align(rear_view.footprints, np.zeros(1))
    center, _ = anchored(
        rear_view.pose[:, :2], rear_view.pose_cov[:, :2, :2], aligned, np.array([[4.5, 1.9]])
    )
    np.testing.assert_allclose(center, [[10.0 + 4.5 / 2, 0.0]], atol=1e-9)


def test_the_sensor_beside_the_box_sees_no_end_of_it(make_detections):
    d = make_detections(0, [(0.0, 8.0, 0.0)], ["car"])
    np.testing.assert_allclose(prepare(d, np.zeros(2)).face, [[0.0, -1.0]], atol=1e-9)


def test_a_camera_only_box_is_not_anchored(make_detections):
    d = make_detections(0, [(10.0, 5.0, 0.3)], ["car"], source_mask=np.array([2], np.uint8))
    np.testing.assert_array_equal(prepare(d, np.zeros(2)).face, [[0.0, 0.0]])


def test_anchoring_takes_the_error_of_the_extent_out_of_the_position(rear_view):
    aligned = align(rear_view.footprints, np.zeros(1))
    cov = rear_view.pose_cov[:, :2, :2]
    _, anchored_cov = anchored(rear_view.pose[:, :2], cov, aligned, np.array([[1.5, 1.9]]))
    assert anchored_cov[0, 0, 0] < cov[0, 0, 0]
    assert np.linalg.eigvalsh(anchored_cov[0]).min() > 0


@pytest.mark.parametrize(("turn", "size"), [(0.0, (4.5, 1.9)), (np.pi, (4.5, 1.9)), (np.pi / 2, (1.9, 4.5))])
def test_alignment_turns_the_box_towards_the_track(make_detections, turn, size):
    measured = prepare(make_detections(0, [(10.0, 0.0, 0.1)], ["car"]), np.zeros(2))
    aligned = align(measured.footprints, np.array([0.15 + turn]))
    assert aligned.residual[0] == pytest.approx(-0.05)
    np.testing.assert_allclose(aligned.size[0], size)


def test_a_known_heading_is_never_turned_by_a_quarter(make_detections):
    known = np.array([Orientation.AVAILABLE], np.uint8)
    measured = prepare(make_detections(0, [(10.0, 0.0, 0.0)], ["car"], orientation=known), np.zeros(2))
    assert not align(measured.footprints, np.array([1.4])).quarter[0]


def test_turning_the_box_keeps_the_seen_corner(make_detections):
    # Whatever axis is called length, the corner nearest to the sensor stays where it is.
    measured = prepare(make_detections(0, [(10.0, 6.0, 0.2)], ["car"]), np.zeros(2))
    corners = []
    for turn in range(4):
        aligned = align(measured.footprints, np.array([0.2 + turn * np.pi / 2]))
        c, s = np.cos(aligned.yaw[0]), np.sin(aligned.yaw[0])
        half = aligned.face[0] * aligned.size[0] / 2
        corners.append(
            measured.pose[0, :2] + np.array([c * half[0] - s * half[1], s * half[0] + c * half[1]])
        )
    np.testing.assert_allclose(corners, [corners[0]] * 4, atol=1e-9)


def test_a_partial_view_hardly_shrinks_a_box_but_a_full_one_grows_it():
    config = TrackerConfig()
    mean, var, noise = np.array([[4.5, 1.9, 1.6]]), np.full((1, 3), 0.04), np.full((1, 3), 0.09)
    smaller, _ = filter_size(mean, var, mean - 2.0, noise, config)
    larger, _ = filter_size(mean, var, mean + 0.5, noise, config)
    assert (mean - smaller < 0.01).all()
    assert (larger - mean > 0.05).all()


def test_exact_sizes_are_averaged_as_a_kalman_filter_does():
    mean, var = filter_size(
        np.array([[4.0, 2.0, 1.5]]), np.full((1, 3), 0.1), np.array([[4.0, 2.0, 1.5]]), np.full((1, 3), 0.1),
        TrackerConfig(),
    )  # fmt: skip
    np.testing.assert_allclose(mean, [[4.0, 2.0, 1.5]])
    np.testing.assert_allclose(var, 0.05)
