"""Inputs of full size for a dry run before a node is activated: kernels, lazy imports and memory are then there.

Without it the first frames take up to ten times as long, and a backlog follows them.
"""

from __future__ import annotations

import numpy as np

from perception_nodes.datatypes import (
    NUM_LABELS,
    Detections2D,
    Detections3D,
    FrameInfo,
    LatencyTrace,
    Mode,
    PointCloud,
)

INFO = FrameInfo(0, 0, Mode.STARTING, LatencyTrace("", "", 0, 0))


def touch_memory(megabytes: int = 96) -> None:
    """Take so much memory, write to it, give it back to malloc, which keeps it (see `transport`).

    The first frames then find pages that exist: a page fault costs 15 us on a virtual machine, and a sweep takes
    thousands.
    """
    blocks = [np.ones(16 << 20, np.uint8) for _ in range(megabytes // 16)]
    del blocks


def sweep(stamp_ns: int, count: int = 150_000) -> PointCloud:
    """A flat road with things on it, as dense as a large lidar's sweep, in the base frame."""
    rng = np.random.default_rng(0)
    bearing, distance = rng.uniform(-np.pi, np.pi, count), rng.uniform(3.0, 60.0, count)
    up = rng.normal(0.0, 0.02, count)
    up[: count // 3] += rng.uniform(0.0, 2.0, count // 3)
    xyz = np.stack([distance * np.cos(bearing), distance * np.sin(bearing), up], axis=1).astype(np.float32)
    intensity = rng.uniform(0, 255, count).astype(np.float32)
    return PointCloud(stamp_ns, "base_link", xyz, intensity=intensity, source=np.zeros(count, np.uint8))


def objects(stamp_ns: int, frame_id: str = "base_link", count: int = 60) -> Detections3D:
    """Cars around the vehicle."""
    rng = np.random.default_rng(1)
    center = np.concatenate([rng.uniform(-50, 50, (count, 2)), np.full((count, 1), 0.8)], axis=1)
    covariance = np.tile(np.diag([0.1] * 7 + [np.nan] * 2), (count, 1, 1))
    size, score = np.tile([4.5, 1.8, 1.5], (count, 1)), np.full(count, 0.7)
    return Detections3D.of(
        stamp_ns, frame_id, "warm", center, size, np.zeros(count), score=score, covariance=covariance
    )


def boxes(stamp_ns: int, source: str, width_px: int, height_px: int) -> Detections2D:
    """Two boxes in an image."""
    size = np.array([width_px, height_px, width_px, height_px])
    return Detections2D(
        stamp_ns=stamp_ns,
        frame_id="optical",
        source=source,
        width_px=width_px,
        height_px=height_px,
        box_px=np.array([[0.3, 0.4, 0.5, 0.6], [0.6, 0.5, 0.7, 0.55]]) * size,
        label=np.zeros(2, np.uint8),
        class_probabilities=np.eye(NUM_LABELS)[:2],
        score=np.full(2, 0.9),
        depth_m=np.full(2, np.nan),
        depth_std_m=np.full(2, np.nan),
        detection_id=np.arange(2, dtype=np.uint64),
    )
