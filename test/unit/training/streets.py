"""Stored frames made by hand: a road, and blocks that are cars and posts that are people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_nodes.datatypes import CAR, PEDESTRIAN
from perception_nodes.detection.learned_points import PreparedPoints
from perception_nodes.training.store import BOX, FrameStore, StoredFrame, write_store


def boxes(rng: np.random.Generator, cars: int = 6, people: int = 4) -> np.ndarray:
    out = np.zeros(cars + people, BOX)
    spot = rng.permutation(64)[: cars + people]
    out["center_m"][:, 0], out["center_m"][:, 1] = spot // 8 * 5.5 - 20, spot % 8 * 5.5 - 20
    out["label"] = [CAR] * cars + [PEDESTRIAN] * people
    car = out["label"] == CAR
    out["lwh_m"] = np.where(car[:, None], [4.2, 1.8, 1.5], [0.6, 0.6, 1.7])
    out["center_m"][:, 2] = out["lwh_m"][:, 2] / 2
    out["yaw_rad"] = rng.uniform(-np.pi, np.pi, len(out))
    out["velocity_mps"] = rng.normal(0, 1, (len(out), 2))
    out["num_points"], out["visibility"] = 60, 1.0
    return out


def points_on(box: np.ndarray, rng: np.random.Generator, count: int = 60) -> np.ndarray:
    """(count, 3) points on the walls of a box, clear of the road."""
    u = rng.uniform(-0.49, 0.49, (count, 3)) * box["lwh_m"]
    side = rng.integers(0, 2, count)
    u[np.arange(count), side] = np.sign(u[np.arange(count), side]) * 0.48 * box["lwh_m"][side]
    u[:, 2] = np.clip(u[:, 2], 0.3 - box["lwh_m"][2] / 2, None)
    c, s = np.cos(box["yaw_rad"]), np.sin(box["yaw_rad"])
    return np.stack([u[:, 0] * c - u[:, 1] * s, u[:, 0] * s + u[:, 1] * c, u[:, 2]], axis=1) + box["center_m"]


def frame(rng: np.random.Generator, index: int = 0, rig: int = 0, ground: int = 1500) -> StoredFrame:
    all_boxes = boxes(rng)
    road = np.concatenate([rng.uniform(-25, 25, (ground, 2)), rng.normal(0, 0.01, (ground, 1))], axis=1)
    xyh = np.concatenate([road, *(points_on(b, rng) for b in all_boxes)]).astype(np.float32)
    origin = np.array([0.2, 0.1, 1.8], np.float32)
    rank = rng.random(len(xyh)).astype(np.float32)
    points = PreparedPoints(xyh, rank, np.zeros(len(xyh), np.uint8), origin[None, :2].astype(np.float64))
    ring = rng.integers(0, 32, len(xyh)).astype(np.uint8)
    return StoredFrame(points, ring, all_boxes, rig, 7 + index, index, origin)


def store(folder: Path, rng: np.random.Generator, frames: int = 4) -> FrameStore:
    write_store(folder, (frame(rng, k) for k in range(frames)), {"rigs": ["by hand"]})
    return FrameStore(folder)
