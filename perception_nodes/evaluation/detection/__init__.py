"""Scores of detections: matching by score, precision-recall curves, the nuScenes benchmark."""

from .curves import PrecisionCurve, average_precision, error_curve, mean_error, precision_curve
from .kitti import Difficulty, KittiCurve, KittiDetection, KittiDetectionConfig, kitti_detection
from .matching import Matches, hit_errors, match_by_score, pair_errors
from .nuscenes import (
    NuscenesDetection,
    NuscenesDetectionClass,
    NuscenesDetectionConfig,
    nuscenes_detection,
)

__all__ = [
    "Difficulty",
    "KittiCurve",
    "KittiDetection",
    "KittiDetectionConfig",
    "Matches",
    "NuscenesDetection",
    "NuscenesDetectionClass",
    "NuscenesDetectionConfig",
    "PrecisionCurve",
    "average_precision",
    "error_curve",
    "hit_errors",
    "kitti_detection",
    "match_by_score",
    "mean_error",
    "nuscenes_detection",
    "pair_errors",
    "precision_curve",
]
