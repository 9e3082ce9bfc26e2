"""Transforms, boxes, cameras, polylines. ROS-free; numba where hot."""

from .boxes import corners_3d, corners_bev, iou_3d, iou_bev, points_in_boxes, transform_detections
from .cameras import CameraModel
from .clouds import merge_clouds
from .motion import deskew
from .polylines import arc_length, distance_to_polyline, resample
from .transforms import Transform, interpolate, rotation_from_vector, rotation_vector, wrap_angle

__all__ = [
    "CameraModel",
    "Transform",
    "arc_length",
    "corners_3d",
    "corners_bev",
    "deskew",
    "distance_to_polyline",
    "interpolate",
    "iou_3d",
    "iou_bev",
    "merge_clouds",
    "points_in_boxes",
    "resample",
    "rotation_from_vector",
    "rotation_vector",
    "transform_detections",
    "wrap_angle",
]
