"""Medians of fusion, synchroniser, map and the receiver's helper. No gates."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from perception_nodes.datatypes import (
    CAR,
    NUM_LABELS,
    Detections2D,
    Detections3D,
    FrameSet,
    Modality,
    Mode,
    PointCloud,
    SensorSpec,
    SourceMask,
)
from perception_nodes.fusion import CameraView, ObjectFusion
from perception_nodes.fusion.projection import project_boxes
from perception_nodes.geometry import CameraModel, Transform, deskew
from perception_nodes.mapping import MapBuilder
from perception_nodes.ros.reception import Reception, ReceptionConfig
from perception_nodes.sync import Aligner, AlignerConfig

STEP_NS = 100_000_000
CAMERA = CameraModel(1600, 900, 1000.0, 1000.0, 800.0, 450.0)
AXES = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])


def objects(n: int) -> Detections3D:
    """`n` cars around the vehicle, from 8 m on."""
    rng = np.random.default_rng(0)
    bearing, distance = rng.uniform(-np.pi, np.pi, n), rng.uniform(8, 60, n)
    center = np.column_stack([distance * np.cos(bearing), distance * np.sin(bearing), np.full(n, 0.8)])
    return Detections3D.of(
        1,
        "base_link",
        "top",
        center,
        np.tile([4.6, 1.9, 1.6], (n, 1)),
        rng.uniform(-3, 3, n),
        class_probabilities=np.full((n, NUM_LABELS), 1 / NUM_LABELS),
        label=np.full(n, CAR, np.uint8),
        score=np.full(n, 0.5),
        source_mask=np.full(n, SourceMask.LIDAR, np.uint8),
    )


def view(found: Detections3D, yaw_rad: float) -> CameraView:
    """A camera that looks along `yaw_rad` and has a box around every object that it sees."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    turned = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    optical_from_base = Transform(AXES @ turned, np.array([0.0, 1.5, 0.0]))
    rect = project_boxes(found, CAMERA, optical_from_base).rect_px
    rect = rect[np.isfinite(rect).all(axis=1)]
    n = len(rect)
    probabilities = np.full((n, NUM_LABELS), 0.01)
    probabilities[:, CAR] = 0.9
    boxes = Detections2D(
        stamp_ns=1,
        frame_id="optical",
        source=f"camera_{yaw_rad:.1f}",
        width_px=CAMERA.width_px,
        height_px=CAMERA.height_px,
        box_px=rect,
        label=np.full(n, CAR, np.uint8),
        class_probabilities=probabilities,
        score=np.full(n, 0.8),
        depth_m=np.full(n, np.nan),
        depth_std_m=np.full(n, np.nan),
        detection_id=np.arange(n, dtype=np.uint64),
    )
    return CameraView(boxes, CAMERA, optical_from_base)


@pytest.mark.parametrize("cameras", [0, 1, 6])
def test_fusion_of_60_objects(benchmark: BenchmarkFixture, cameras: int) -> None:
    found = objects(60)
    views = [view(found, 2 * np.pi * k / 6) for k in range(cameras)]
    fused = benchmark(ObjectFusion().fuse, found, views, 1)
    assert len(fused) >= 60


def test_aligner_one_frame_of_7_sensors(benchmark: BenchmarkFixture) -> None:
    names = ["lidar", *(f"camera_{k}" for k in range(6))]
    specs = [SensorSpec(n, Modality.LIDAR if n == "lidar" else Modality.CAMERA, f"/{n}") for n in names]
    aligner = Aligner(AlignerConfig(), specs, "lidar")
    at_ns = 0

    def frame() -> list[FrameSet]:
        nonlocal at_ns
        at_ns += STEP_NS
        return [s for n in names for s in aligner.add(n, at_ns, at_ns).frame_sets]

    (closed,) = benchmark(frame)
    assert closed.complete


def sweep(n: int) -> PointCloud:
    """A flat road with painted lines, points with times."""
    rng = np.random.default_rng(1)
    xyz = np.column_stack([rng.uniform(-40, 40, (n, 2)), rng.normal(0, 0.01, n)]).astype(np.float32)
    painted = (np.abs(xyz[:, 1]) % 3.5) < 0.1
    return PointCloud(
        STEP_NS,
        "base_link",
        xyz,
        intensity=np.where(painted, 0.8, 0.2).astype(np.float32),
        time_s=rng.uniform(-0.1, 0, n).astype(np.float32),
        source=np.zeros(n, np.uint8),
    )


def test_deskew_120k(benchmark: BenchmarkFixture) -> None:
    cloud = sweep(120_000)
    end_from_start = Transform(np.eye(3), np.array([-1.0, 0.0, 0.0]))
    assert len(benchmark(deskew, cloud, end_from_start, -0.1, 0.0)) == 120_000


def test_map_update_120k(benchmark: BenchmarkFixture) -> None:
    builder, cloud = MapBuilder(), sweep(120_000)
    builder.warm()
    k = 0

    def update() -> object:
        nonlocal k
        k += 1
        pose = Transform(np.eye(3), np.array([1.0 * k, 0.0, 0.0]))
        moved = PointCloud(
            k * STEP_NS,
            "base_link",
            cloud.xyz_m,
            intensity=cloud.intensity,
            time_s=cloud.time_s,
            source=cloud.source,
        )
        return builder.update(moved, pose)

    assert benchmark.pedantic(update, rounds=20, warmup_rounds=3) is not None


def test_reception_of_one_message(benchmark: BenchmarkFixture) -> None:
    reception = Reception(ReceptionConfig(), 0)
    k = 0

    def receive() -> Mode:
        nonlocal k
        k += 1
        reception.receive(1, k, Mode.NOMINAL, True, k * STEP_NS, k * STEP_NS)
        return reception.status(k * STEP_NS, k * STEP_NS).mode

    assert benchmark(receive) == Mode.NOMINAL
