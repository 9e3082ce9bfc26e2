"""`perception track` and `perception tune tracker`: detections of whole sequences through the tracker of the nodes."""

from .config import CLASSES, TrackConfig, class_config

__all__ = ["CLASSES", "TrackConfig", "class_config"]
