"""Truth and results in the file formats that are around, each as the values that its metrics take."""

from .kitti import kitti_box_frames, read_kitti_objects, read_kitti_tracking, read_pointrcnn

__all__ = ["kitti_box_frames", "read_kitti_objects", "read_kitti_tracking", "read_pointrcnn"]
