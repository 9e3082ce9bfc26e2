"""Scores of vector maps."""

from .chamfer import ChamferCurve, chamfer_ap, chamfer_curves, chamfer_distance
from .run import MAP_DEFINITION, MapSample, MapScores, map_scores, once_a_period

__all__ = [
    "MAP_DEFINITION",
    "ChamferCurve",
    "MapSample",
    "MapScores",
    "chamfer_ap",
    "chamfer_curves",
    "chamfer_distance",
    "map_scores",
    "once_a_period",
]
