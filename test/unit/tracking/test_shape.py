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
    return prepare(type(d)(**{**vars(d), "lwh_m": lwh}), np.zeros(2)).rows[0]


def test_a_partial_box_is_anchored_at_the_side_that_was_seen(rear_view):
    placed = anchored(rear_view, align(rear_view, 0.0), 4.5, 1.9)
    np.testing.assert_allclose((placed.x, placed.y), (10.0 + 4.5 / 2, 0.0), atol=1e-9)


def test_the_sensor_beside_the_box_sees_no_end_of_it(make_detections):
    d = make_detections(0, [(0.0, 8.0, 0.0)], ["car"])
    np.testing.assert_allclose(prepare(d, np.zeros(2)).rows["face"], [[0.0, -1.0]], atol=1e-9)


def test_a_camera_only_box_is_not_anchored(make_detections):
    d = make_detections(0, [(10.0, 5.0, 0.3)], ["car"], source_mask=np.array([2], np.uint8))
    np.testing.assert_array_equal(prepare(d, np.zeros(2)).rows["face"], [[0.0, 0.0]])


def test_anchoring_takes_the_error_of_the_extent_out_of_the_position(rear_view):
    xx, xy, yy = anchored(rear_view, align(rear_view, 0.0), 1.5, 1.9).cov
    assert xx < rear_view["pose_cov"][0, 0]
    assert np.linalg.eigvalsh([[xx, xy], [xy, yy]]).min() > 0


def test_anchoring_turns_the_covariance_with_the_box(make_detections):
    # Nothing is seen of it (a camera's guess): the covariance is only stretched by how far the box may slide.
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :2, :2] = [[0.5, 0.2], [0.2, 0.3]]
    d = make_detections(0, [(10.0, 5.0, 0.6)], ["car"], source_mask=np.array([2], np.uint8), covariance=cov)
    m = prepare(d, np.zeros(2)).rows[0]
    xx, xy, yy = anchored(m, align(m, 0.6), 6.5, 1.9).cov
    along = np.array([np.cos(0.6), np.sin(0.6)])
    wanted = cov[0, :2, :2] + 1.0**2 / 3 * np.outer(along, along)
    np.testing.assert_allclose([[xx, xy], [xy, yy]], wanted, atol=1e-12)


@pytest.mark.parametrize(("turn", "size"), [(0.0, (4.5, 1.9)), (np.pi, (4.5, 1.9)), (np.pi / 2, (1.9, 4.5))])
def test_alignment_turns_the_box_towards_the_track(make_detections, turn, size):
    measured = prepare(make_detections(0, [(10.0, 0.0, 0.1)], ["car"]), np.zeros(2))
    aligned = align(measured.rows[0], 0.15 + turn)
    assert aligned.residual == pytest.approx(-0.05)
    np.testing.assert_allclose(aligned.size, size)


def test_a_known_heading_is_never_turned_by_a_quarter(make_detections):
    known = np.array([Orientation.AVAILABLE], np.uint8)
    measured = prepare(make_detections(0, [(10.0, 0.0, 0.0)], ["car"], orientation=known), np.zeros(2))
    assert align(measured.rows[0], 1.4).turns == 0


def test_turning_the_box_keeps_the_seen_corner(make_detections):
    # Whatever axis is called length, the corner nearest to the sensor stays where it is.
    measured = prepare(make_detections(0, [(10.0, 6.0, 0.2)], ["car"]), np.zeros(2))
    corners = []
    for turn in range(4):
        aligned = align(measured.rows[0], 0.2 + turn * np.pi / 2)
        c, s = np.cos(aligned.yaw), np.sin(aligned.yaw)
        half = np.array(aligned.face) * aligned.size / 2
        x, y, _ = measured.rows[0]["pose"]
        corners.append((x + c * half[0] - s * half[1], y + s * half[0] + c * half[1]))
    np.testing.assert_allclose(corners, [corners[0]] * 4, atol=1e-9)


def test_a_partial_view_hardly_shrinks_a_box_but_a_full_one_grows_it():
    numbers = TrackerConfig().numbers
    smaller, _ = filter_size(4.5, 0.04, 2.5, 0.09, numbers)
    larger, _ = filter_size(4.5, 0.04, 5.0, 0.09, numbers)
    assert 4.5 - smaller < 0.01
    assert larger - 4.5 > 0.05


def test_exact_sizes_are_averaged_as_a_kalman_filter_does():
    assert filter_size(4.0, 0.1, 4.0, 0.1, TrackerConfig().numbers) == pytest.approx((4.0, 0.05))
