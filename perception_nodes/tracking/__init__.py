"""Multi-object tracking: detections in a world-fixed frame in, tracks with identity, motion and existence out."""

from .config import TrackerConfig
from .tracker import MultiObjectTracker

__all__ = ["MultiObjectTracker", "TrackerConfig"]
