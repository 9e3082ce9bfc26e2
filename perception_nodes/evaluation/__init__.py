"""How good a run was: detection and tracking scores against truth, and map lines. Plain arrays in, dataclasses out."""

from .boxes import ATTRIBUTES, BoxFrame, Paired, center_distance, pair_by_stamp
from .config import EvaluationConfig
from .detection import (
    Matches,
    NuscenesDetection,
    NuscenesDetectionClass,
    NuscenesDetectionConfig,
    PrecisionCurve,
    average_precision,
    hit_errors,
    match_by_score,
    mean_error,
    nuscenes_detection,
)
from .jsonl import frames_of_rows, read_boxes
from .maps import chamfer_ap, chamfer_distance
from .run import ClassScores, NearCars, RunScores, evaluate_run
from .tracking import Clear, Hota, clear, hota, idf1

__all__ = [
    "ATTRIBUTES",
    "BoxFrame",
    "ClassScores",
    "Clear",
    "EvaluationConfig",
    "Hota",
    "Matches",
    "NearCars",
    "NuscenesDetection",
    "NuscenesDetectionClass",
    "NuscenesDetectionConfig",
    "Paired",
    "PrecisionCurve",
    "RunScores",
    "average_precision",
    "center_distance",
    "chamfer_ap",
    "chamfer_distance",
    "clear",
    "evaluate_run",
    "frames_of_rows",
    "hit_errors",
    "hota",
    "idf1",
    "match_by_score",
    "mean_error",
    "nuscenes_detection",
    "pair_by_stamp",
    "read_boxes",
]
