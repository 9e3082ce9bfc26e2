"""Scores of tracking: CLEAR (MOTA), identity (IDF1), HOTA, GOSPA. Arrays of similarities in, dataclasses out.

Sources: Bernardin and Stiefelhagen, EURASIP JIVP 2008 (CLEAR); Ristani et al., ECCVW 2016 (IDF1); Luiten et al., IJCV
2021 (HOTA); details as TrackEval 1.3.0 has them, whose values are matched to 1e-6 by a test.
"""

from .clear import Clear, ClearFrames, clear, clear_frames
from .frames import SimilarityFrame
from .gospa import Gospa, GospaConfig, GospaRun, gospa, gospa_run
from .hota import Hota, HotaCurves, hota
from .identity import Identity, identity, idf1
from .kitti import KittiTracking, KittiTrackingPoint, kitti_tracking
from .kitti_table import KittiTrackingConfig
from .nuscenes import (
    NuscenesTracking,
    NuscenesTrackingClass,
    NuscenesTrackingConfig,
    TrackingFigures,
    nuscenes_tracking,
)

__all__ = [
    "Clear",
    "ClearFrames",
    "Gospa",
    "GospaConfig",
    "GospaRun",
    "Hota",
    "HotaCurves",
    "Identity",
    "KittiTracking",
    "KittiTrackingConfig",
    "KittiTrackingPoint",
    "NuscenesTracking",
    "NuscenesTrackingClass",
    "NuscenesTrackingConfig",
    "SimilarityFrame",
    "TrackingFigures",
    "clear",
    "clear_frames",
    "gospa",
    "gospa_run",
    "hota",
    "identity",
    "idf1",
    "kitti_tracking",
    "nuscenes_tracking",
]
