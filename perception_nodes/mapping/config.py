"""Parameters of the map builder."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import ConfigurationError, check_ranges, param


@dataclass(frozen=True)
class MapConfig:
    """All tunable numbers of `MapBuilder`."""

    frame_id: str = param("odom", "Frame of the elements (world-fixed)")

    # Grid
    cell_m: float = param(0.2, "Edge of a grid cell, m", low=0.05, high=1.0)
    half_extent_m: float = param(
        50.0, "The grid reaches this far from the vehicle to each side, m", low=10.0, high=200.0
    )
    memory_sweeps: int = param(
        60, "Weight of the past: means are over about so many sweeps that saw a cell", low=1
    )
    max_gap_s: float = param(2.0, "A longer gap between sweeps starts the map anew, s", low=0.1)
    max_step_m: float = param(
        20.0, "A greater jump of the vehicle between sweeps starts the map anew, m", low=0.5
    )

    # Ground and obstacles
    own_radius_m: float = param(2.0, "Points nearer to base_link are the vehicle's own, m", low=0.0)
    ground_slope: float = param(
        0.25, "Greatest height step of the ground from one metre to the next, m", low=0.05
    )
    ground_band_m: float = param(
        0.35, "Points up to this height over the ground belong to its surface, m", low=0.1
    )
    obstacle_low_m: float = param(
        0.4, "Points from this height over the ground on are an obstacle, m", low=0.1
    )
    obstacle_high_m: float = param(
        2.0, "Points above this height hang over the road and do not obstruct it, m", low=0.5
    )

    # Painted lines
    line_contrast: float = param(
        1.5, "Least contrast of paint to the road beside it, in spreads of the road's intensity", low=0.1
    )
    line_max_width_m: float = param(0.6, "Bright areas wider than this are not lines, m", low=0.2)
    line_min_length_m: float = param(1.5, "Shortest painted piece, m", low=0.2)
    divider_min_length_m: float = param(4.0, "Shortest chain of pieces that is published, m", low=0.5)
    line_max_gap_m: float = param(10.0, "Longest gap between the dashes of one line, m", low=0.0)
    solid_coverage: float = param(0.7, "A line is solid if this share of it is painted", low=0.1, high=1.0)

    # Kerbs and structure
    kerb_min_m: float = param(0.06, "Least height step of a kerb, m", low=0.02)
    kerb_max_m: float = param(0.30, "Greatest height step of a kerb, m", low=0.05)
    wall_height_m: float = param(2.3, "Obstacles that reach higher bound the road as structure, m", low=0.5)
    boundary_min_length_m: float = param(3.0, "Shortest boundary that is published, m", low=0.5)
    boundary_max_gap_m: float = param(4.0, "Longest gap within one boundary, m", low=0.0)

    # Lines
    point_spacing_m: float = param(1.0, "Distance of the points of a polyline, m", low=0.2)
    draw_every_s: float = param(1.0, "Lines are drawn anew after so long, s", low=0.0, high=60.0)
    draw_sweeps: int = param(5, "... and with so many new sweeps at least", low=1)
    match_distance_m: float = param(
        0.8, "A line keeps its id if its points lie this near to the old line, m", low=0.05
    )
    publish_existence: float = param(
        0.3, "Lines less likely than this are kept to themselves", low=0.0, high=1.0
    )
    existence_keep: float = param(
        0.7, "Factor on the existence of a line that is not found again", low=0.0, high=1.0
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.kerb_min_m >= self.kerb_max_m:
            raise ConfigurationError(
                f"MapConfig.kerb_min_m = {self.kerb_min_m}: wanted < kerb_max_m = {self.kerb_max_m}"
            )
        if self.obstacle_low_m >= self.obstacle_high_m:
            raise ConfigurationError(
                f"MapConfig.obstacle_low_m = {self.obstacle_low_m}: wanted < obstacle_high_m = {self.obstacle_high_m}"
            )
