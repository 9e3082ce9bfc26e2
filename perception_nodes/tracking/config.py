"""Parameters of the tracker."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

import numpy as np

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

from .classes import record

ASSOCIATIONS: Final = ("global_nearest", "greedy")


@dataclass(frozen=True)
class TrackerConfig:
    """All tunable numbers of `MultiObjectTracker`; per-class priors stand in `classes.py`."""

    # Association
    gate_mahalanobis2: float = param(
        13.8, "Largest squared Mahalanobis distance of a pair (2 dof, 0.999)", low=1.0
    )
    gate_distance_m: float = param(
        4.0, "Largest distance of a pair beyond three standard deviations", low=0.1
    )
    weight_mahalanobis: float = param(0.4, "Share of the Mahalanobis distance in the pair cost", low=0.0)
    weight_overlap: float = param(0.4, "Share of 1 - IoU (seen from above) in the pair cost", low=0.0)
    weight_distance: float = param(0.2, "Share of the centre distance in the pair cost", low=0.0)
    generalised_overlap: bool = param(
        False, "Generalised IoU instead of IoU in the pair cost: it falls on between boxes that do not touch"
    )
    association: str = param(
        "global_nearest", "Pairs of least cost in sum (global_nearest), or the cheapest pair first (greedy)"
    )
    weight_class: float = param(0.15, "Cost per unit of -ln(class agreement)", low=0.0)
    low_score: float = param(
        0.3, "Detections below it only continue tracks (second stage)", low=0.0, high=1.0
    )

    # Existence (Bernoulli filter)
    birth_existence: float = param(
        0.4, "Existence probability of a newborn track at detection quality 0.5", low=0.01, high=0.99
    )
    survival_per_s: float = param(
        0.98, "Probability that an object that is there is still there 1 s later", low=0.5, high=1.0
    )
    detection_probability: float = param(
        0.9, "Probability that a fully visible near object is detected", low=0.05, high=0.99
    )
    detection_range_m: float = param(70.0, "Range at which the detection probability has halved", low=1.0)
    sensor_height_m: float = param(
        1.8, "Height of the sensors above base_link, for occlusion over roofs, m", low=0.0
    )
    clutter_ratio: float = param(
        0.08, "Chance that a measurement in the gate is clutter, relative to the object", low=1e-4, high=1.0
    )
    existence_max: float = param(0.99, "Upper limit of the presence probability", low=0.5, high=1.0)
    quality_weight: float = param(
        3.0, "Weight of the filtered detection quality in the published existence", low=0.0
    )

    fade_time_s: float = param(
        1.5, "Time in which the published existence of a coasting track fades by e, s", low=0.1
    )

    # Life cycle
    confirm_existence: float = param(
        0.75, "Presence at which a tentative track is confirmed", low=0.1, high=0.999
    )
    confirm_quality: float = param(
        0.3, "Mean quality of the detections at which a track is confirmed", low=0.0, high=1.0
    )
    confirm_hits: int = param(2, "Fewest detections of a confirmed track", low=1)
    tentative_misses: int = param(2, "Misses in a row that end a tentative track", low=1)
    delete_existence: float = param(0.08, "Presence below which a track ends", low=0.0, high=0.5)
    coast_visible_s: float = param(0.7, "Longest time without a detection while visible, s", low=0.0)
    coast_occluded_s: float = param(3.0, "Longest time without a detection while occluded, s", low=0.0)
    coast_per_seen: float = param(
        1.0, "Longest coasting per second that the track has been seen, s/s", low=0.0
    )
    coasting_after_s: float = param(0.15, "predict(): older than this means COASTING, s", low=0.0)
    max_range_m: float = param(150.0, "Tracks farther from base_link end with LEFT_FOV, m", low=1.0)
    fov_half_angle_rad: float = param(
        3.1416, "Half of the field of view around the x axis of base_link, rad", low=0.1, high=3.1416
    )
    merge_overlap: float = param(
        0.5, "Share of the smaller footprint covered at which two tracks are one", low=0.5, high=1.0
    )
    birth_overlap: float = param(
        0.3, "A detection covered by a track by this share starts no new track", low=0.01, high=1.0
    )
    max_gap_s: float = param(2.0, "A gap in the input longer than this ends all tracks (RESET), s", low=0.1)

    late_window_s: float = param(
        0.0,
        "Detections that come late by up to this are put where they belong; 0: they are refused, s",
        low=0.0,
    )

    # Motion
    world_fixed: bool = param(
        True,
        "The tracking frame stands still on the ground; false: no rest, no heading is inferred from motion",
    )
    vehicle_frame: str = param(
        "base_link", "Detections in this frame mean that there is no odometry: world_fixed is taken as false"
    )
    acceleration_time_s: float = param(0.6, "Correlation time of the acceleration (Singer), s", low=0.05)
    sideways_share: float = param(
        0.3, "Acceleration of a vehicle across its heading, share of that along it (turns aside)", low=0.01
    )
    turning_mps2: float = param(
        1.0, "Std of a vehicle's sideways acceleration in turns: fast ones turn slowly, m/s2", low=0.1
    )
    ego_acceleration_mps2: float = param(
        2.0,
        "Without odometry vehicles seem to have the own vehicle's acceleration too: its std, m/s2",
        low=0.0,
    )
    turn_time_s: float = param(1.0, "Correlation time of the yaw rate, s", low=0.05)
    slip_std_mps: float = param(0.25, "Std of a vehicle's sideways speed, m/s", low=0.01)
    min_turn_radius_m: float = param(5.0, "Smallest turn radius of a vehicle, m", low=0.5)
    static_jitter_m: float = param(0.2, "Correlated shift of a standing object's measured centre, m", low=0.0)
    moving_prior: float = param(0.25, "Chance that a newborn track moves", low=0.01, high=0.99)
    moving_speed_mps: float = param(0.5, "What is slower tells nothing of where its front is, m/s", low=0.0)

    # Shape and heading
    size_drift_m: float = param(0.1, "Growth of the std of the size, m per root second", low=0.0)
    shrink_caution: float = param(
        3.0, "How much a smaller box is distrusted (partial view), in its own difference", low=0.0
    )
    grow_caution: float = param(0.5, "How much a larger box is distrusted, in its own difference", low=0.0)
    alike_factor: float = param(
        2.2, "Std of the size over the filter's own: successive views err alike", low=1.0
    )
    lasting_error_m: float = param(0.1, "Std of position errors that stay from frame to frame, m", low=0.0)
    forward_probability: float = param(
        0.97, "Probability that a moving vehicle drives forward", low=0.5, high=0.999
    )
    heading_flip_belief: float = param(
        2.0, "Log odds against the heading at which it is turned by pi", low=0.1
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.association not in ASSOCIATIONS:
            raise ConfigurationError(
                f"TrackerConfig.association: wanted one of {list(ASSOCIATIONS)}, got {self.association!r}"
            )
        if self.weight_mahalanobis + self.weight_overlap + self.weight_distance <= 0:
            raise ConfigurationError("TrackerConfig.weight_*: wanted a positive sum")
        if self.delete_existence >= self.confirm_existence:
            raise ConfigurationError("TrackerConfig.delete_existence: wanted less than confirm_existence")

    @cached_property
    def numbers(self) -> np.void:
        """All numbers of this and of the classes as one record, for kernels."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return record({name: value for name, value in values.items() if not isinstance(value, str)})
