"""Late fusion of detections of several sensors."""

from .config import FusionConfig
from .fuse import ObjectFusion, fused_model
from .projection import CameraView

__all__ = ["CameraView", "FusionConfig", "ObjectFusion", "fused_model"]
