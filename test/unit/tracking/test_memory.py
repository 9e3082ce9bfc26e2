"""What a tracker holds does not grow with the length of the drive."""

from __future__ import annotations

import tracemalloc

import numpy as np

from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

STEP_NS = 100_000_000


def held_bytes(tracker, make_detections, first, count):
    """Bytes that are held after `count` more frames of ever new clutter around one car."""
    rng = np.random.default_rng(first)
    for k in range(first, first + count):
        noise = np.column_stack([rng.uniform(-50, 50, (5, 2)), rng.uniform(0, 3, 5)])
        tracker.step(
            make_detections(k * STEP_NS, [(10.0, 3.0, 0.0), *noise.tolist()], ["car"] * 6),
            Transform.identity(),
        )
    return tracemalloc.get_traced_memory()[0]


def test_memory_stays_flat_over_many_births_and_ends(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=0.3))
    held_bytes(tracker, make_detections, 0, 50)
    tracemalloc.start()
    try:
        before = held_bytes(tracker, make_detections, 50, 200)
        after = held_bytes(tracker, make_detections, 250, 600)
    finally:
        tracemalloc.stop()
    print(f"{before} bytes after 250 frames, {after} after 850")
    assert after < before + 100_000
