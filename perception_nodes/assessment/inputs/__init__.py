"""Truth and results in the file formats that are around, each as the values that its metrics take."""

from .argoverse import argoverse_box_frames, read_argoverse, read_argoverse_poses
from .kitti import (
    is_kitti_tracking,
    kitti_box_frames,
    paired_kitti_frames,
    read_kitti_frames,
    read_kitti_objects,
    read_kitti_sequences,
    read_kitti_tracking,
    read_pointrcnn,
)

__all__ = [
    "argoverse_box_frames",
    "is_kitti_tracking",
    "kitti_box_frames",
    "paired_kitti_frames",
    "read_argoverse",
    "read_argoverse_poses",
    "read_kitti_frames",
    "read_kitti_objects",
    "read_kitti_sequences",
    "read_kitti_tracking",
    "read_pointrcnn",
]
