"""Scores of detections: matching by score, precision-recall curves, the nuScenes benchmark."""

from .argoverse import (
    ArgoverseBoxes,
    ArgoverseCategory,
    ArgoverseDetection,
    ArgoverseDetectionConfig,
    argoverse_detection,
)
from .coco import CocoDetection, CocoImage, coco_detection
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
    "ArgoverseBoxes",
    "ArgoverseCategory",
    "ArgoverseDetection",
    "ArgoverseDetectionConfig",
    "CocoDetection",
    "CocoImage",
    "Difficulty",
    "KittiCurve",
    "KittiDetection",
    "KittiDetectionConfig",
    "Matches",
    "NuscenesDetection",
    "NuscenesDetectionClass",
    "NuscenesDetectionConfig",
    "PrecisionCurve",
    "argoverse_detection",
    "average_precision",
    "coco_detection",
    "error_curve",
    "hit_errors",
    "kitti_detection",
    "match_by_score",
    "mean_error",
    "nuscenes_detection",
    "pair_errors",
    "precision_curve",
]
