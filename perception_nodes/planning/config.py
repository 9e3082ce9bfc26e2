"""Parameters of the reference planner."""

from __future__ import annotations

from dataclasses import dataclass

from perception_nodes.datatypes import ConfigurationError, check_ranges, param


@dataclass(frozen=True)
class PlannerConfig:
    """All tunable numbers of `ReferencePlanner`."""

    # Vehicle
    length_m: float = param(4.6, "Length of the vehicle, m", low=0.5)
    width_m: float = param(1.9, "Width of the vehicle, m", low=0.3)
    centre_m: float = param(1.4, "Its middle before base_link (the rear axle), m")
    wheelbase_m: float = param(2.8, "Between the axles, m", low=0.1)
    max_steering_rad: float = param(0.6, "Of the front wheels, rad", low=0.05, high=1.4)

    # Speed
    max_acceleration_mps2: float = param(1.8, "When the way is free, m/s2", low=0.1)
    comfort_braking_mps2: float = param(2.5, "What every plan keeps as its way out, m/s2", low=0.5)
    full_braking_mps2: float = param(8.0, "In an emergency, m/s2", low=1.0)
    lateral_mps2: float = param(2.0, "Across, in bends, m/s2", low=0.2)
    degraded_share: float = param(0.6, "Of the wished speed while perception is DEGRADED", low=0.0, high=1.0)
    safe_stop_mps2: float = param(3.0, "Braking when perception cannot be relied upon, m/s2", low=0.5)

    # Sight
    sight_m: float = param(40.0, "So far ahead perception finds whatever stands in the way, m", low=5.0)
    reaction_s: float = param(0.6, "From coming into sight to full braking, s", low=0.0)
    sight_braking_mps2: float = param(6.0, "Braking that would then be needed at most, m/s2", low=0.5)

    # Following (intelligent driver model)
    headway_s: float = param(1.4, "Distance to what drives ahead, in time, s", low=0.3)
    standstill_m: float = param(2.5, "Distance to what stands ahead, m", low=0.3)

    # Prediction
    horizon_s: float = param(6.0, "How far objects are predicted, s", low=1.0, high=15.0)
    walker_horizon_s: float = param(
        4.5, "The same for people: then they may be anywhere, s", low=1.0, high=15.0
    )
    step_s: float = param(0.2, "Step of the prediction, s", low=0.05, high=0.5)
    step_out_m: float = param(1.2, "People who appear so near beside the way may walk onto it, m", low=0.0)
    step_out_mps: float = param(1.4, "And so fast, m/s", low=0.0)
    turn_decay_s: float = param(1.5, "In this time a turn rate has died down to 1/e, s", low=0.1)
    lane_angle_rad: float = param(
        0.5, "Vehicles within this angle of the route follow the road, rad", low=0.0
    )

    # Distances
    side_m: float = param(0.2, "Free beside the vehicle, m", low=0.0)
    side_moving_m: float = param(0.4, "The same beside what moves, m", low=0.0)
    side_growth_mps: float = param(0.1, "Growth of that for people, per second of prediction, m/s", low=0.0)
    ahead_m: float = param(1.5, "Free before the vehicle when it stands, m", low=0.0)
    close_m: float = param(0.9, "Nearer to the side than this it passes slowly, m", low=0.0)
    close_speed_mps: float = param(3.0, "So slowly where there is just room, m/s", low=0.5)
    hidden_speed_mps: float = param(
        5.5, "Past tall things that stand near the lane and may hide somebody, m/s", low=1.0
    )
    hidden_within_m: float = param(1.6, "Near is: this far beside the vehicle's way, m", low=0.0)

    # What counts
    min_existence: float = param(0.3, "Objects less likely than this are not there", low=0.0, high=1.0)
    min_existence_large: float = param(
        0.15, "The same for what is as long as a car: lorries fit no class well", low=0.0, high=1.0
    )
    large_m: float = param(3.4, "From this length on, m", low=0.0)
    min_existence_kept: float = param(
        0.1, "The same for those that have been more likely before", low=0.0, high=1.0
    )
    near_memory_m: float = param(
        10.0, "What stands nearer than this is remembered when it is lost, m", low=0.0
    )
    near_memory_s: float = param(3.0, "For so long, s", low=0.0)
    tentative_s: float = param(0.2, "Objects not confirmed yet count from this age on, s", low=0.0)
    tentative_within_m: float = param(30.0, "And this near, m", low=0.0)
    alarm_ttc_s: float = param(1.0, "An emergency nearer than this needs no second look, s", low=0.0)
    overhead_m: float = param(2.3, "Objects whose underside is higher over the road do not count, m", low=0.5)
    stale_s: float = param(0.35, "Objects older than this are as good as none, s", low=0.05)

    # Steering
    look_ahead_s: float = param(0.7, "Pure pursuit aims at where the vehicle will be then, s", low=0.1)
    look_ahead_min_m: float = param(3.5, "And at least so far ahead, m", low=0.5)

    # Lane
    lane_correction_m: float = param(1.0, "How far perceived lines may move the route's line, m", low=0.0)
    lane_rate_mps: float = param(0.4, "And how fast, m/s", low=0.01)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.full_braking_mps2 <= self.comfort_braking_mps2:
            raise ConfigurationError(
                f"PlannerConfig.full_braking_mps2 = {self.full_braking_mps2}: wanted more than "
                f"comfort_braking_mps2 = {self.comfort_braking_mps2}"
            )
