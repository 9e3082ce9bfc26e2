"""Multi-object tracking: detections in a world-fixed frame in, tracks with identity, motion and existence out."""

from .calibration import ExistenceCalibrations, Source
from .config import TrackerConfig
from .tracker import MultiObjectTracker

__all__ = ["ExistenceCalibrations", "MultiObjectTracker", "Source", "TrackerConfig"]
