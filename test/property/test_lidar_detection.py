"""What holds for any cloud: determinism, nothing mutated, valid probabilities and covariances, symmetry."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_nodes.datatypes import PointCloud
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.lidar import GeometricLidarDetector

DETECTOR = GeometricLidarDetector(GeometricConfig(range_m=30.0, ego_length_m=0.0, ego_width_m=0.0))
ORIGINS = np.array([[0.0, 0.0, 1.8], [1.0, 0.5, 1.5]])


@st.composite
def clouds(draw: st.DrawFn) -> PointCloud:
    """Ground with lumps of points on it, of two lidars."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ground = np.column_stack([rng.uniform(-25, 25, (1500, 2)), rng.normal(0, 0.02, 1500)])
    parts = [ground]
    for _ in range(draw(st.integers(0, 8))):
        size = rng.uniform([0.1, 0.1, 0.3], [8, 3, 4])
        at = np.append(rng.uniform(-22, 22, 2), 0.3)
        parts.append(at + rng.uniform(0, 1, (int(rng.integers(1, 300)), 3)) * size)
    xyz = np.concatenate(parts).astype(np.float32)
    return PointCloud(3, "base_link", xyz, source=rng.integers(0, 2, len(xyz)).astype(np.uint8))


@settings(deadline=None, max_examples=40)
@given(clouds())
def test_any_cloud_gives_valid_boxes(cloud: PointCloud) -> None:
    before = cloud.xyz_m.copy()
    found = DETECTOR.detect(cloud, ORIGINS).detections
    np.testing.assert_array_equal(cloud.xyz_m, before)
    assert len(np.unique(found.detection_id)) == len(found)
    np.testing.assert_allclose(found.class_probabilities.sum(axis=1), 1)
    assert (found.label == found.class_probabilities.argmax(axis=1)).all()
    assert (found.lwh_m > 0).all()
    assert ((found.yaw_rad >= -np.pi) & (found.yaw_rad < np.pi)).all()
    assert (np.diff(found.score) <= 0).all()
    if len(found):
        known = np.nan_to_num(found.covariance[:, :7, :7])
        np.testing.assert_allclose(known, known.transpose(0, 2, 1))
        assert np.linalg.eigvalsh(known).min() > 0


@settings(deadline=None, max_examples=20)
@given(clouds())
def test_the_same_cloud_gives_the_same_boxes(cloud: PointCloud) -> None:
    one, two = DETECTOR.detect(cloud, ORIGINS), DETECTOR.detect(cloud, ORIGINS)
    np.testing.assert_array_equal(one.detections.center_m, two.detections.center_m)
    np.testing.assert_array_equal(one.detections.class_probabilities, two.detections.class_probabilities)
    np.testing.assert_array_equal(one.height_m, two.height_m)


@settings(deadline=None, max_examples=20)
@given(clouds(), st.floats(-3.0, 3.0))
def test_the_height_of_the_base_frame_does_not_matter(cloud: PointCloud, lift: float) -> None:
    shift = np.array([0, 0, round(lift * 64) / 64])
    lifted = PointCloud(3, "base_link", (cloud.xyz_m + shift).astype(np.float32), source=cloud.source)
    level, raised = DETECTOR.detect(cloud, ORIGINS), DETECTOR.detect(lifted, ORIGINS + shift)
    assert np.nanmedian(np.abs(level.height_m - raised.height_m)) < 1e-3
    assert np.nanmax(np.abs(level.height_m - raised.height_m)) < 0.2
