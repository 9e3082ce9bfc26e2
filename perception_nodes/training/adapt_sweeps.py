"""What both detectors say of every sweep of a drive, in odom: what auto-labels are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D, PointCloud
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import DecodeConfig, LearnedConfig, RuntimeConfig
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.geometry import Transform, iou_bev, transform_detections

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
ODOM: Final = "odom"
# Weak boxes count too where they come again and again in one place.
_LEAST_SCORE: Final = 0.1
_LEAST_GEOMETRIC: Final = 0.3
# A geometric box is about the object of a learned one that it covers by this, or whose middle is this near.
_OVERLAP, _NEAR_M = 0.1, 1.0


@dataclass(frozen=True, eq=False)
class Sweep:
    """All lidars of one frame: merged, compensated cloud in the base frame, sensor origins (K, 3) m, the pose."""

    cloud: PointCloud
    origins_m: F64
    odom_from_base: Transform


@dataclass(frozen=True, eq=False)
class Found:
    """Boxes of one sweep in odom: first the learned ones, then those that only the geometric detector has.

    learned (N,): which of the two; supported (N,): both have it; existence (N,): of the learned ones by the model's
    calibration (its score where it has none), 0 for the others.
    """

    boxes: Detections3D
    learned: B
    supported: B
    existence: F64
    odom_from_base: Transform


class TwoDetectors:
    """The model, listening for weak boxes too, and the geometric detector."""

    def __init__(self, model: Path, points: GeometricConfig) -> None:
        decode = DecodeConfig(min_score=_LEAST_SCORE)
        runtime = RuntimeConfig(precision="fp32", probe_runs=1)
        self._learned = LearnedLidarDetector(model, LearnedConfig(points, decode, runtime))
        self._geometric = GeometricLidarDetector(replace(points, min_score=_LEAST_GEOMETRIC))

    def find(self, sweep: Sweep) -> Found:
        """Both detectors on one sweep."""
        learned = self._learned.detect(sweep.cloud, sweep.origins_m).detections
        geometric = self._geometric.detect(sweep.cloud, sweep.origins_m).detections
        return joined(learned, geometric, sweep.odom_from_base)


def joined(learned: Detections3D, geometric: Detections3D, odom_from_base: Transform) -> Found:
    """The boxes of both in odom, those of one object once: the learned one stands for both."""
    same = np.zeros((len(learned), len(geometric)), bool)
    if same.size:
        a, b = ((d.center_m, d.lwh_m, d.yaw_rad) for d in (learned, geometric))
        apart = np.linalg.norm(learned.center_m[:, None, :2] - geometric.center_m[None, :, :2], axis=2)
        same = (iou_bev(a, b) > _OVERLAP) | (apart < _NEAR_M)
    alone = geometric.select(np.flatnonzero(~same.any(axis=0)))
    boxes = transform_detections(Detections3D.concatenate([learned, alone]), ODOM, odom_from_base)
    is_learned = np.arange(len(boxes)) < len(learned)
    supported = np.concatenate([same.any(axis=1), np.zeros(len(alone), bool)])
    sure = np.where(np.isnan(boxes.existence_probability), boxes.score, boxes.existence_probability)
    return Found(boxes, is_learned, supported, np.where(is_learned, sure, 0.0), odom_from_base)


def find_all(
    sweeps: Sequence[Sweep], detectors: TwoDetectors, tick: Callable[[], None] = lambda: None
) -> list[Found]:
    """All sweeps of a drive."""
    out = []
    for sweep in sweeps:
        out.append(detectors.find(sweep))
        tick()
    return out
