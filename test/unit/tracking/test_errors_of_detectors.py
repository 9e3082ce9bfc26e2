"""What a detector states of its errors, and what the filter makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import CAR
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig
from perception_nodes.tracking.correction import correct
from perception_nodes.tracking.measurement import prepare
from perception_nodes.tracking.shape import align, anchored
from perception_nodes.tracking.store import TrackStore

YAW = 0.6
SIZE_VAR = 0.2


def stated(make_detections, share, short_m=1.0):
    """A car seen from behind, shorter than it is by `short_m`; its covariance says that its centre errs with its length
    by `share` of it along its axis.
    """
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :7, :7] = np.diag([0.1, 0.1, 0.02, 0.01, SIZE_VAR, SIZE_VAR, 0.1])
    cov[0, :2, 4] = cov[0, 4, :2] = share * SIZE_VAR * np.array([np.cos(YAW), np.sin(YAW)])
    d = make_detections(0, [(10.0, 5.0, YAW)], ["car"], covariance=cov)
    return prepare(replace(d, lwh_m=d.lwh_m - [short_m, 0.0, 0.0]), np.zeros(2)).rows[0]


def test_a_centre_that_errs_on_its_own_is_taken_as_it_is(make_detections):
    m = stated(make_detections, 0.0)
    placed = anchored(m, align(m, YAW), 4.5, 1.9)
    np.testing.assert_allclose((placed.x, placed.y), (10.0, 5.0), atol=1e-12)
    np.testing.assert_allclose(placed.cov, (0.1, 0.0, 0.1), atol=1e-12)


@pytest.mark.parametrize(("share", "moved"), [(0.5, 0.5), (-0.5, -0.5), (0.25, 0.25)])
def test_a_centre_that_errs_with_the_length_moves_with_it(make_detections, share, moved):
    m = stated(make_detections, share)
    placed = anchored(m, align(m, YAW), 4.5, 1.9)
    wanted = np.array([10.0, 5.0]) + moved * np.array([np.cos(YAW), np.sin(YAW)])
    np.testing.assert_allclose((placed.x, placed.y), wanted, atol=1e-12)


def test_unknown_is_the_side_that_is_seen(make_detections):
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :2, :2] = 0.1 * np.eye(2)
    m = prepare(make_detections(0, [(10.0, 0.0, 0.0)], ["car"], covariance=cov), np.zeros(2)).rows[0]
    np.testing.assert_array_equal(m["face"], [-1.0, 0.0])
    np.testing.assert_array_equal(m["sided"], [1.0, 1.0])


@pytest.mark.parametrize(("cross", "more"), [(0.0, False), (np.nan, True)])
def test_the_extent_widens_the_position_only_where_centre_and_extent_err_together(
    make_detections, cross, more
):
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :7, :7] = np.diag([0.1, 0.1, 0.02, 0.01, 1.0, 1.0, 0.1])
    cov[0, :2, 4:6] = cov[0, 4:6, :2] = cross
    d = make_detections(0, [(10.0, 0.0, 0.0)], ["car"], covariance=cov)
    out = MultiObjectTracker(TrackerConfig(lasting_error_m=0.0)).step(d, Transform.identity())
    assert (out.covariance[0, 0, 0] > 0.1 + 0.5 * out.lwh_std_m[0, 0] ** 2 / 4) == more


def settled(var):
    """A car at (10, 5) under both hypotheses, not known to stand or move."""
    tracks = TrackStore.empty(1)
    tracks.mean[0, :2] = tracks.static_mean[0, :2] = (10.0, 5.0)
    tracks.cov[0], tracks.static_cov[0] = var * np.eye(8), var * np.eye(3)
    tracks.class_sum[0, CAR] = 1.0
    tracks.presence[:], tracks.quality[:], tracks.quality_weight[:] = 0.9, 0.9, 1.0
    tracks.rows["size_m"], tracks.rows["size_var"] = (4.5, 1.9, 1.6), 0.01
    return tracks


def fit_of(make_detections, tracks):
    """NIS of a box at (10.3, 4.6) whose position has the variance 0.06."""
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :7, :7] = np.diag([0.06, 0.06, 0.02, 0.01, 0.1, 0.1, 0.1])
    d = make_detections(0, [(10.3, 4.6, 0.0)], ["car"], covariance=cov)
    one = np.zeros(1, np.int64)
    return correct(tracks, one, prepare(d, np.zeros(2)), one, TrackerConfig())[0]


def test_what_is_said_of_the_fit_is_the_innovation_of_the_filter(make_detections):
    fit = fit_of(make_detections, settled(0.04))
    assert fit == pytest.approx((0.3**2 + 0.4**2) / (0.04 + 0.06))


def test_where_the_hypotheses_differ_the_innovation_is_that_of_both(make_detections):
    tracks = settled(0.04)
    tracks.mean[0, 0] += 0.6
    fit = fit_of(make_detections, tracks)
    # As likely as each other: the mean lies at x = 10.3, and half of the distance is the spread.
    assert fit == pytest.approx(0.4**2 / (0.04 + 0.06))


def test_what_lasts_is_counted_once(make_detections):
    """A new track has it from its one measurement (a tenth is kept); in the mean of many it is added on top."""
    cov = np.full((1, 9, 9), np.nan)
    cov[0, :7, :7] = np.diag([0.1, 0.1, 0.02, 0.01, 0.1, 0.1, 0.1])
    with_it, without = (MultiObjectTracker(TrackerConfig(lasting_error_m=std)) for std in (0.1, 0.0))
    added = []
    for k in range(60):
        d = make_detections(k * 10**8, [(10.0, 5.0, 0.0)], ["car"], covariance=cov)
        more, less = (t.step(d, Transform.identity()).covariance[0] for t in (with_it, without))
        added.append(more[0, 0] - less[0, 0])
    assert added[0] == pytest.approx(0.1 * 0.1**2, rel=1e-6)
    assert 0.3 * 0.1**2 < added[1] < 0.7 * 0.1**2  # the second measurement moves it by about half
    assert 0.9 * 0.1**2 < added[-1] < 0.1**2
