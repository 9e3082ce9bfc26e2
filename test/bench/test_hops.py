"""Medians of the hops of a frame. No gates: `make bench` prints them beside a reference from the same run."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from perception_nodes.datatypes import (
    LABEL_INDEX,
    NUM_LABELS,
    Detections3D,
    FrameInfo,
    LatencyTrace,
    Mode,
    PointCloud,
    SourceMask,
    Tracks,
)
from perception_nodes.detection.lidar import GeometricLidarDetector, practice_sweep
from perception_nodes.geometry import Transform, iou_bev
from perception_nodes.tracking import MultiObjectTracker

rclpy_serialization = pytest.importorskip("rclpy.serialization")
STEP_NS = 100_000_000
CAR_LWH_M = (4.5, 1.9, 1.6)
POINT = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"), ("ring", "<u2"), ("time", "<f4")]
)


def street(n: int) -> PointCloud:
    """A flat street with rows of cars, seen by a lidar with uniform azimuth: not real, but of a real sweep's size."""
    rng = np.random.default_rng(0)
    ground = np.column_stack([rng.uniform(-60, 60, (n - n // 4, 2)), rng.normal(0, 0.02, n - n // 4)])
    centers = np.array([(x, y) for x in range(-50, 51, 10) for y in (-9.0, -5.0, 5.0, 9.0)])
    at = centers[rng.integers(0, len(centers), n // 4)]
    on_car = rng.uniform(-0.5, 0.5, (n // 4, 3)) * CAR_LWH_M
    face = rng.integers(0, 2, n // 4)
    on_car[np.arange(n // 4), face] = np.array(CAR_LWH_M)[face] / 2 * np.sign(on_car[np.arange(n // 4), face])
    cars = np.column_stack([at + on_car[:, :2], on_car[:, 2] + 0.8])
    return PointCloud(0, "base_link", np.concatenate([ground, cars]).astype(np.float32))


def detections(stamp_ns: int, n: int) -> Detections3D:
    """`n` cars on a grid that drive along x at 10 m/s."""
    side = int(np.ceil(np.sqrt(n)))
    grid = (
        np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:n] * 8.0 - 4.0 * side
    )
    center = np.column_stack([grid[:, 0] + 10.0 * stamp_ns * 1e-9, grid[:, 1], np.full(n, 0.8)])
    probabilities = np.zeros((n, NUM_LABELS))
    probabilities[:, LABEL_INDEX["car"]] = 1.0
    return Detections3D.of(
        stamp_ns,
        "odom",
        "lidar",
        center,
        np.tile(CAR_LWH_M, (n, 1)),
        np.zeros(n),
        label=np.full(n, LABEL_INDEX["car"], np.uint8),
        class_probabilities=probabilities,
        score=np.full(n, 0.8),
        num_points=np.full(n, 100, np.int32),
        source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
        visibility=np.ones(n),
    )


def tracked(n: int, steps: int = 10) -> tuple[MultiObjectTracker, Tracks]:
    """A tracker that follows `n` cars, and its last output."""
    tracker = MultiObjectTracker()
    for k in range(steps):
        out = tracker.step(detections(k * STEP_NS, n), Transform.identity())
    assert len(out) == n
    return tracker, out


def info() -> FrameInfo:
    return FrameInfo(session_id=1, sequence=1, mode=Mode.NOMINAL, latency=LatencyTrace("ros", "host", 0, 0))


def test_reference_sort_of_100k(benchmark: BenchmarkFixture) -> None:
    values = np.random.default_rng(0).random(100_000)
    benchmark(np.sort, values)


def test_cloud_message_to_arrays_120k(benchmark: BenchmarkFixture) -> None:
    from sensor_msgs.msg import PointCloud2, PointField

    from perception_nodes.ros.convert import from_msg

    rows = np.zeros(120_000, POINT)
    for name in POINT.names or ():
        rows[name] = np.random.default_rng(1).uniform(1, 50, len(rows))
    kinds = {"<f4": PointField.FLOAT32, "<u2": PointField.UINT16}
    message = PointCloud2(
        height=1, width=len(rows), point_step=POINT.itemsize, row_step=rows.nbytes, is_dense=True
    )
    message.fields = [
        PointField(
            name=name, offset=POINT.fields[name][1], datatype=kinds[POINT.fields[name][0].str], count=1
        )
        for name in POINT.names
    ]
    message.data.frombytes(rows.tobytes())
    cloud = benchmark(from_msg.point_cloud, message)
    assert len(cloud) == 120_000


@pytest.mark.parametrize("points", [35_000, 120_000])
def test_lidar_detector(benchmark: BenchmarkFixture, points: int) -> None:
    detector, cloud = GeometricLidarDetector(), street(points)
    detector.detect(*practice_sweep())
    found = benchmark(detector.detect, cloud, np.array([[0.0, 0.0, 1.8]]))
    assert len(found.detections) > 10


def test_tracker_100_tracks_100_detections(benchmark: BenchmarkFixture) -> None:
    def prepared() -> tuple[tuple[MultiObjectTracker, Detections3D], dict[str, object]]:
        return (tracked(100)[0], detections(10 * STEP_NS, 100)), {}

    def step(tracker: MultiObjectTracker, seen: Detections3D) -> Tracks:
        return tracker.step(seen, Transform.identity())

    assert len(benchmark.pedantic(step, setup=prepared, rounds=20)) == 100


def test_objects_200_build_and_serialise(benchmark: BenchmarkFixture) -> None:
    from perception_nodes.ros.convert import to_msg

    _, tracks = tracked(200)
    size = benchmark(lambda: len(rclpy_serialization.serialize_message(to_msg.tracks(tracks, info()))))
    assert size > 200 * 100


def test_objects_200_receive(benchmark: BenchmarkFixture) -> None:
    from perception_nodes.msg import TrackedObjectArray
    from perception_nodes.ros.convert import to_msg

    _, tracks = tracked(200)
    data = rclpy_serialization.serialize_message(to_msg.tracks(tracks, info()))
    received = benchmark(rclpy_serialization.deserialize_message, data, TrackedObjectArray)
    assert len(received.objects) == 200


def test_iou_of_500_by_500_boxes(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(2)
    boxes = rng.uniform(-40, 40, (500, 3)), np.tile(CAR_LWH_M, (500, 1)), rng.uniform(-3, 3, 500)
    assert benchmark(iou_bev, boxes, boxes).shape == (500, 500)
