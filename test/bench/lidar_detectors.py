"""Processor time of the lidar detectors on recorded sweeps: `python test/bench/lidar_detectors.py RECORDING [rounds]`.

RECORDING: PandaSet or KITTI with labels, as of `perception train score --data`. One thread, int8. Each sweep is taken
by each detector in turn, `rounds` times (3); printed is the median over at most ten sweeps of the best of the rounds.
A busy machine makes processor time a little longer, time by the clock several times as long.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.detection.beams import sort_beams
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_choice import SHIPPED, model_path
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.learned_points import prepare
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.detection.raster import rasterize
from perception_nodes.training.real import RealFrame, real_frames


def timed(work: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """Processor time of this thread, ms, and the result."""
    began = time.thread_time()
    result = work(*args)
    return (time.thread_time() - began) * 1e3, result


def parts(detector: LearnedLidarDetector, frame: RealFrame) -> dict[str, float]:
    """ms of the whole and, taken once more on their own, of its parts."""
    out = {}
    out["whole"], found = timed(detector.detect, frame.cloud, frame.origins_m)
    out["points"], (points, ground, _) = timed(prepare, frame.cloud, frame.origins_m, detector.config.points)
    height_m = frame.origins_m[:, 2] - ground.height_at(frame.origins_m[:, :2])
    out["raster"], picture = timed(rasterize, points, detector.raster)
    out["network"], _ = timed(detector.model.run, picture[None])
    out["raster, network, boxes"], boxes = timed(detector.first_boxes, points)
    out["beams"], beams = timed(sort_beams, points, height_m)
    if detector.second_look is not None:
        out["second look"], _ = timed(detector.second_look, boxes, beams)
    out["number of boxes"] = len(found.detections)
    return out


def main(path: Path, rounds: int) -> None:
    """Print the table."""
    kind, found = real_frames(path)
    frames = list(found)
    frames = frames[:: max(1, len(frames) // 10)]
    rig = known_rig(kind)
    config = GeometricConfig().with_vehicle(rig.vehicle_lwh_m, rig.base_to_center_m)
    runtime = RuntimeConfig(threads=1, precision="int8")
    geometric = GeometricLidarDetector(config)
    learned = {
        n: LearnedLidarDetector(model_path(n), LearnedConfig(config, runtime=runtime)) for n in SHIPPED
    }
    best: dict[tuple[str, str], list[float]] = defaultdict(lambda: [np.inf] * len(frames))
    for _ in range(rounds + 1):  # the first loads the kernels
        for k, frame in enumerate(frames):
            rows = {("geometric", "whole"): timed(geometric.detect, frame.cloud, frame.origins_m)[0]}
            for name, detector in learned.items():
                rows |= {(name, part): value for part, value in parts(detector, frame).items()}
            for row, value in rows.items():
                best[row][k] = min(best[row][k], value)
    print(f"{path.name}: {len(frames)} sweeps of {np.mean([len(f.cloud) for f in frames]):.0f} points, ms")
    for (name, part), values in best.items():
        print(f"{name:10s} {part:24s} {np.median(values):6.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
