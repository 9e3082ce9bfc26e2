"""Frozen values check themselves."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import (
    LABELS,
    SIZE_MEAN_LWH_M,
    SIZE_STD_LWH_M,
    Detections3D,
    FrameSet,
    Image,
    LatencyTrace,
    MalformedMessage,
    PointCloud,
    RadarScan,
    Tracks,
    Trigger,
)


def cloud(n: int = 4) -> PointCloud:
    return PointCloud(1, "lidar", np.zeros((n, 3), np.float32), intensity=np.zeros(n, np.float32))


def test_cloud_is_read_only_but_the_callers_array_is_not() -> None:
    xyz = np.zeros((2, 3), np.float32)
    value = PointCloud(1, "lidar", xyz)
    with pytest.raises(ValueError, match="read-only"):
        value.xyz_m[0, 0] = 1.0
    xyz[0, 0] = 1.0


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 4), (1, 4, 3)])
def test_cloud_rejects_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(MalformedMessage, match=r"PointCloud.xyz_m: wanted shape \(N, 3\)"):
        PointCloud(1, "lidar", np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", ["intensity", "time_s", "ring", "source"])
def test_cloud_columns_have_one_value_a_point(name: str) -> None:
    with pytest.raises(MalformedMessage, match=f"PointCloud.{name}"):
        PointCloud(1, "lidar", np.zeros((4, 3), np.float32), **{name: np.zeros(3, np.float32)})


@pytest.mark.parametrize("stamp", [-1, 1.5, None, np.float64(3)])
def test_stamps_are_integers_of_nanoseconds(stamp: object) -> None:
    with pytest.raises(MalformedMessage, match="stamp_ns: wanted an int >= 0"):
        PointCloud(stamp, "lidar", np.zeros((0, 3), np.float32))  # type: ignore[arg-type]


def test_image_and_radar_reject_shapes() -> None:
    with pytest.raises(MalformedMessage, match=r"Image\.bgr"):
        Image(1, "camera", np.zeros((4, 4), np.uint8))
    with pytest.raises(MalformedMessage, match=r"RadarScan\.radial_speed_mps"):
        RadarScan(1, "radar", np.zeros((4, 3), np.float32), np.zeros(3, np.float32))


def test_detections_of_fills_unknown_with_nan() -> None:
    value = Detections3D.of(1, "base_link", "x", np.zeros((2, 3)), np.ones((2, 3)), np.zeros(2))
    assert np.isnan(value.velocity_mps).all()
    assert np.isnan(value.covariance).all()
    assert [LABELS[i] for i in value.label] == ["unknown", "unknown"]
    np.testing.assert_allclose(value.class_probabilities.sum(axis=1), 1.0)


def test_detections_of_rejects_unknown_fields_and_lengths() -> None:
    box = (np.zeros((2, 3)), np.ones((2, 3)), np.zeros(2))
    with pytest.raises(TypeError, match="no such field"):
        Detections3D.of(1, "base_link", "x", *box, speed=np.zeros(2))
    with pytest.raises(MalformedMessage, match=r"Detections3D\.score"):
        Detections3D.of(1, "base_link", "x", *box, score=np.zeros(3))


def test_select_and_concatenate_keep_rows_and_renumber() -> None:
    score = np.array([0.1, 0.2, 0.3])
    value = Detections3D.of(1, "base_link", "x", np.zeros((3, 3)), np.ones((3, 3)), np.zeros(3), score=score)
    both = Detections3D.concatenate([value.select(score > 0.15), value.select(np.array([0]))])
    np.testing.assert_allclose(both.score, [0.2, 0.3, 0.1])
    assert both.detection_id.tolist() == [0, 1, 2]


def test_empty_tracks_have_the_right_types() -> None:
    value = Tracks.empty(5, "odom")
    assert len(value) == 0
    assert value.id.dtype == np.uint64
    assert value.covariance.shape == (0, 8, 8)
    assert len(value.select(np.zeros(0, bool))) == 0


def test_frame_set_lengths_and_missing_sensor() -> None:
    value = FrameSet(0, 5, ("lidar", "camera"), (5, 0), (0.0, float("nan")), False, Trigger.TIMEOUT)
    assert value.stamp_of("lidar") == 5
    assert value.stamp_of("camera") is None
    assert value.stamp_of("radar") is None
    with pytest.raises(MalformedMessage, match="lengths"):
        FrameSet(0, 5, ("lidar",), (5, 0), (0.0,), False, Trigger.TIMEOUT)


def test_latency_trace_extends_without_changing_itself() -> None:
    trace = LatencyTrace("monotonic", "host", 1, 2)
    longer = trace.extended("fusion", 10, 15)
    assert trace.stage == ()
    assert (longer.stage, longer.start_ns, longer.end_ns) == (("fusion",), (10,), (15,))


def test_size_priors_cover_the_taxonomy() -> None:
    assert len(SIZE_MEAN_LWH_M) == len(SIZE_STD_LWH_M) == len(LABELS)
