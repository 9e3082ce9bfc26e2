"""Polylines against shapely."""

from __future__ import annotations

import numpy as np
from shapely.geometry import LineString, Point

from perception_nodes.geometry import arc_length, distance_to_polyline, resample


def test_arc_length_by_hand() -> None:
    assert arc_length(np.array([[0.0, 0], [3, 4], [3, 5]])).tolist() == [0.0, 5.0, 6.0]


def test_resample_keeps_ends_and_spacing() -> None:
    line = np.array([[0.0, 0], [10, 0], [10, 7.3]])
    out = resample(line, 0.5)
    np.testing.assert_allclose(out[[0, -1]], line[[0, -1]])
    assert np.diff(arc_length(out)).max() <= 0.5 + 1e-9
    assert len(resample(np.ones((3, 2)), 1.0)) == 1


def test_distance_equals_shapely() -> None:
    rng = np.random.default_rng(1)
    line, points = rng.normal(size=(6, 2)), rng.normal(size=(30, 2)) * 3
    expected = [LineString(line).distance(Point(p)) for p in points]
    np.testing.assert_allclose(distance_to_polyline(points, line), expected, atol=1e-12)
    np.testing.assert_allclose(
        distance_to_polyline(points, line[:1]), np.linalg.norm(points - line[0], axis=1)
    )
