"""Multi-object tracking: detections in a world-fixed frame in, tracks with identity, motion and existence out."""

from .calibration import ExistenceCalibrations, Source
from .config import TrackerConfig
from .looks import Look
from .measurement import unusable
from .tracker import MultiObjectTracker
from .views import RigViews, Sight

__all__ = [
    "ExistenceCalibrations",
    "Look",
    "MultiObjectTracker",
    "RigViews",
    "Sight",
    "Source",
    "TrackerConfig",
    "unusable",
]
