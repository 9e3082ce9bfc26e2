"""Resident memory of a process whose tracker runs for very many frames: `python test/bench/tracker_memory.py 100000`.

One car, a crossing pedestrian and five false alarms that are new in every frame, so that tracks begin and end all the
time; late detections are kept for, and every tenth frame is late.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from perception_nodes.datatypes import LABEL_INDEX, NUM_LABELS, Detections3D
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

STEP_NS = 100_000_000
STEPS = 10
LABEL = np.array([LABEL_INDEX["car"], LABEL_INDEX["pedestrian"], *[LABEL_INDEX["car"]] * 5])
LWH_M = np.array([[0.75, 0.7, 1.75] if k == LABEL_INDEX["pedestrian"] else [4.5, 1.9, 1.6] for k in LABEL])


def frame(k: int, rng: np.random.Generator) -> Detections3D:
    """Detections of frame k."""
    clutter = rng.uniform((-50, -50, -np.pi), (50, 50, np.pi), (5, 3))
    place = np.vstack([(10.0, 3.0, 0.0), (15.0, 6.0 * np.sin(0.02 * k), 1.57), clutter])
    late_ns = STEP_NS * 3 // 2 if k % 10 == 9 else 0
    return Detections3D.of(
        (k + 10) * STEP_NS - late_ns,
        "odom",
        "lidar",
        np.column_stack([place[:, :2], np.full(7, 0.8)]),
        LWH_M,
        place[:, 2],
        label=LABEL.astype(np.uint8),
        class_probabilities=np.eye(NUM_LABELS)[LABEL],
        score=np.full(7, 0.7),
        existence_probability=np.full(7, 0.7),
        orientation=np.full(7, 1, np.uint8),
    )


def resident_kib() -> int:
    """What the process holds in memory now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def main(frames: int) -> None:
    """Print the resident memory after 1,000 frames and after every tenth of all."""
    tracker, rng = MultiObjectTracker(TrackerConfig(late_window_s=0.3)), np.random.default_rng(1)
    shown = {1000, *(frames * k // STEPS for k in range(1, STEPS + 1))}
    for k in range(1, frames + 1):
        tracks = tracker.step(frame(k, rng), Transform.identity())
        if k in shown:
            tell = f"{k:7d} frames  {resident_kib() / 1024:7.1f} MiB  {len(tracker)} tracks  ids to {tracks.id.max()}"
            sys.stdout.write(f"{tell}  {time.process_time():.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
