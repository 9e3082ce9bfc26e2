"""Late fusion of detections of several sensors."""

from .config import FusionConfig
from .fuse import ObjectFusion
from .projection import CameraView

__all__ = ["CameraView", "FusionConfig", "ObjectFusion"]
