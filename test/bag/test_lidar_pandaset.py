"""The geometric detector on a real drive: cars that it must find, sweep by sweep."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datasets.pandaset_files import read_sweep
from perception_nodes.datatypes import CAR, PointCloud
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.geometry import Transform, points_in_boxes

BASE_FROM_EGO = Transform(np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), np.zeros(3))
ORIGINS = np.array([[0.776, -0.001, 1.859], [1.0, 0.0, 1.9]])
MIN_RECALL, MIN_PRECISION = 0.85, 0.70


def true_cars(
    folder: Path, index: int, base_from_world: Transform, xyz: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 2) in the base frame and point counts of the boxes, each object once."""
    rows, seen = [], set()
    with gzip.open(folder / "cuboids.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            if (
                row["frame"] != index
                or row["label"] not in ("Car", "Pickup Truck")
                or row["cuboids.sibling_id"] in seen
            ):
                continue
            seen.add(row["uuid"])
            center = [row[f"position.{k}"] for k in "xyz"]
            rows.append([*center, *(row[f"dimensions.{k}"] for k in "yxz"), row["yaw"] + np.pi / 2])
    box = np.array(rows)
    center = base_from_world.apply(box[:, :3])
    yaw = box[:, 6] + base_from_world.yaw_rad
    return center[:, :2], points_in_boxes(xyz, center, box[:, 3:6].copy(), yaw, 0.05)


@pytest.mark.parametrize("index", [0, 15, 30, 45])
def test_cars_of_a_real_sweep(shared_data: Path, index: int) -> None:
    folder = shared_data / "pandaset_002"
    if not folder.is_dir():
        pytest.skip(f"no recording at {folder}")
    pose = json.loads((folder / "lidar" / "poses.json").read_text())[index]
    heading = [pose["heading"][k] for k in "xyzw"]
    world_from_ego = Transform.from_quaternion([pose["position"][k] for k in "xyz"], heading)
    ego, _, source, _ = read_sweep(folder / "lidar" / f"{index:02d}.bin.xz", world_from_ego, 0)
    xyz = np.ascontiguousarray(BASE_FROM_EGO.apply(ego), np.float32)
    found = (
        GeometricLidarDetector().detect(PointCloud(0, "base_link", xyz, source=source), ORIGINS).detections
    )
    true, points = true_cars(folder, index, BASE_FROM_EGO @ world_from_ego.inverse(), xyz)
    cars = found.center_m[found.label == CAR, :2]
    distance = np.hypot(*(true[:, None] - cars[None]).transpose(2, 0, 1))
    wanted = (points >= 20) & (np.hypot(*true.T) < 40)
    recall = (distance[wanted].min(axis=1) < 2).mean()
    near = np.hypot(*cars.T) < 40
    precision = (distance[:, near].min(axis=0) < 2).mean()
    print(f"sweep {index}: {wanted.sum()} cars, recall {recall:.3f}, precision {precision:.3f}")
    assert recall >= MIN_RECALL
    assert precision >= MIN_PRECISION
