"""Parameters of the geometric lidar detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perception_nodes.datatypes import check_ranges, param

# Mirrors, and what the calibration is off.
_EGO_MARGIN_M = 0.3


@dataclass(frozen=True)
class GeometricConfig:
    """Ground, clustering and box fit; lengths in m in the base frame, heights over the local ground."""

    range_m: float = param(70.0, "points beyond this (larger of |x|, |y|) are not used", low=10.0, high=150.0)
    ego_length_m: float = param(
        4.9, "length of the own vehicle; returns inside its footprint are removed", low=0.0
    )
    ego_width_m: float = param(2.1, "width of the own vehicle, mirrors included", low=0.0)
    ego_center_x_m: float = param(0.0, "centre of the own footprint ahead of the base frame's origin")
    ego_center_y_m: float = param(0.0, "centre of the own footprint to the left of the base frame's origin")
    ground_cell_m: float = param(0.5, "edge of a cell of the ground height grid", low=0.2, high=2.0)
    ground_tolerance_m: float = param(
        0.2, "a cell's lowest point this near the predicted height is ground", low=0.05, high=1.0
    )
    ground_slope: float = param(
        0.06, "how fast the height may change where no ground is seen, rise/run", low=0.0
    )
    max_tilt_rad: float = param(0.15, "largest tilt of the road against the base frame", low=0.0, high=0.6)
    object_min_height_m: float = param(
        0.3, "points lower than this over the ground are ground or kerb", low=0.05
    )
    overhead_m: float = param(
        2.2, "columns that begin higher than this are overhead: canopies, signs, wires", low=1.0
    )
    tall_m: float = param(2.3, "columns that reach higher are linked to lower ones only at the end", low=1.0)
    cluster_cell_m: float = param(0.2, "edge of a cell of the clustering grid", low=0.05, high=1.0)
    min_points: int = param(4, "groups with fewer points are dropped", low=1)
    max_length_m: float = param(16.0, "longer groups are structure, not objects", low=1.0)
    max_detections: int = param(300, "at most this many boxes a frame, best first", low=1)
    min_score: float = param(0.15, "boxes of a lower score are dropped", low=0.0, high=1.0)
    # Farther away and less sure these are mostly bushes and pieces of walls.
    min_unknown_score: float = param(0.3, "boxes without a class need this score", low=0.0, high=1.0)
    unknown_range_m: float = param(40.0, "boxes without a class are reported up to here", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)

    def with_vehicle(self, lwh_m: tuple[float, float, float], base_to_center_m: float) -> GeometricConfig:
        """The same with the own footprint of a rig (`Rig.vehicle_lwh_m`, `Rig.base_to_center_m`) and a margin."""
        return replace(
            self,
            ego_length_m=lwh_m[0] + _EGO_MARGIN_M,
            ego_width_m=lwh_m[1] + _EGO_MARGIN_M,
            ego_center_x_m=base_to_center_m,
        )
