"""Scores of vector maps."""

from .chamfer import chamfer_ap, chamfer_distance
from .run import MAP_DEFINITION, MapSample, MapScores, map_scores, once_a_period

__all__ = [
    "MAP_DEFINITION",
    "MapSample",
    "MapScores",
    "chamfer_ap",
    "chamfer_distance",
    "map_scores",
    "once_a_period",
]
