"""Parameters of the fusion of lidar objects with camera boxes."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import check_ranges, param


@dataclass(frozen=True)
class FusionConfig:
    """Association in the image, what evidence a match is worth, and the depth of camera-only objects."""

    min_overlap: float = param(
        0.3,
        "least overlap (mean of IoU and intersection over the smaller box) for a match",
        low=0.01,
        high=1.0,
    )
    match_log_odds: float = param(
        1.5, "added to the log-odds of existence per matched camera box of score 0.5", low=0.0
    )
    miss_log_odds: float = param(
        0.7, "taken from the log-odds when a camera sees the place well and has no box there", low=0.0
    )
    miss_min_height_px: float = param(
        40.0, "a projected object lower than this may be missed without counting against it", low=1.0
    )
    miss_max_range_m: float = param(45.0, "beyond this a camera's silence says nothing", low=0.0)
    camera_class_weight: float = param(
        0.9, "weight of the camera's class against the lidar's shape", low=0.0, high=1.0
    )
    camera_only_score: float = param(
        0.45, "least camera score for an object without a lidar match", low=0.0, high=1.0
    )
    camera_only_range_m: float = param(40.0, "camera-only objects beyond this are not emitted", low=0.0)
    camera_only_discount: float = param(
        0.5, "score of a camera-only object relative to the box's score", low=0.0, high=1.0
    )
    covered_share: float = param(
        0.35,
        "a camera box covered by projected lidar objects by more than this is not a new object",
        low=0.0,
        high=1.0,
    )
    ground_z_m: float = param(0.0, "height of the road in the base frame, m", low=-5.0, high=5.0)
    ground_z_std_m: float = param(0.3, "its standard deviation at the vehicle, m", low=0.01)
    ground_slope_std: float = param(0.02, "unknown slope of the road, rad", low=0.0)
    box_edge_std_px: float = param(4.0, "standard deviation of an edge of a camera box, px", low=0.1)
    border_px: float = param(4.0, "a box nearer to the image border than this is cut off there, px", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)
