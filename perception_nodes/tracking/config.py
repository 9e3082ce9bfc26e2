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
        13.8,
        "Largest squared Mahalanobis distance of a pair (2 dof, 0.999)",
        low=1.0,
        raising="jumps and manoeuvres are followed; false alarms near a track are taken for it",
    )
    gate_distance_m: float = param(
        4.0,
        "Largest distance of a pair beyond three standard deviations",
        low=0.1,
        raising="tracks whose place is known well take detections that lie farther off, and wrong ones",
    )
    weight_mahalanobis: float = param(
        0.4,
        "Share of the Mahalanobis distance in the pair cost",
        low=0.0,
        raising="pairs go by how well the motion fits",
    )
    weight_overlap: float = param(
        0.4,
        "Share of 1 - IoU (seen from above) in the pair cost",
        low=0.0,
        raising="pairs go by extent and heading; small and thin objects count for less",
    )
    weight_distance: float = param(
        0.2,
        "Share of the centre distance in the pair cost",
        low=0.0,
        raising="pairs go by nearness, whatever the uncertainty",
    )
    generalised_overlap: bool = param(
        False,
        "Generalised IoU instead of IoU in the pair cost: it falls on between boxes that do not touch",
        raising="true: boxes that do not touch still compare; in practice hardly any difference",
    )
    association: str = param(
        "global_nearest",
        "Pairs of least cost in sum (global_nearest), or the cheapest pair first (greedy)",
        raising="greedy: the cheapest pair is taken, whatever it costs the others",
    )
    weight_class: float = param(
        0.15,
        "Cost per unit of -ln(class agreement)",
        low=0.0,
        raising="classes keep apart; a detector that mixes classes up breaks tracks",
    )
    low_score: float = param(
        0.3,
        "Detections below it only continue tracks (second stage)",
        low=0.0,
        high=1.0,
        raising="fewer births from weak detections: fewer ghosts, later and fewer weak objects",
    )

    # Existence (Bernoulli filter)
    birth_existence: float = param(
        0.4,
        "Existence probability of a newborn track at detection quality 0.5",
        low=0.01,
        high=0.99,
        raising="tracks are confirmed and published sooner; more ghosts",
    )
    survival_per_s: float = param(
        0.98,
        "Probability that an object that is there is still there 1 s later",
        low=0.5,
        high=1.0,
        raising="tracks outlive longer times without looking; below 1 all fade",
    )
    detection_probability: float = param(
        0.9,
        "Probability that a fully visible near object is detected",
        low=0.05,
        high=0.99,
        raising="a miss says more against a track: ghosts and objects that flicker end sooner",
    )
    detection_range_m: float = param(
        70.0,
        "Range at which the detection probability has halved",
        low=1.0,
        raising="misses far away say more: far tracks end sooner",
    )
    camera_detection_probability: float = param(
        0.5,
        "The same of a camera where no lidar looks",
        low=0.05,
        high=0.99,
        raising="without lidar an empty picture says more against a track: ghosts end sooner, hard objects too",
    )
    camera_detection_range_m: float = param(
        30.0,
        "Range at which that of a camera has halved",
        low=1.0,
        raising="without lidar empty pictures say more against far tracks",
    )
    camera_range_m: float = param(
        40.0,
        "Beyond it a camera without lidar sees nothing (camera_only_range_m of the fusion), m",
        low=1.0,
        raising="without lidar farther tracks count as looked at: they end sooner",
    )
    sensor_height_m: float = param(
        1.8,
        "Height of the sensors above base_link, for occlusion over roofs, m",
        low=0.0,
        raising="roofs hide less, so that misses behind vehicles say more",
    )
    clutter_ratio: float = param(
        0.08,
        "Chance that a measurement in the gate is clutter, relative to the object",
        low=1e-4,
        high=1.0,
        raising="a detection says less for a track: later confirmation, fewer ghosts",
    )
    existence_max: float = param(
        0.99,
        "Upper limit of the presence probability",
        low=0.5,
        high=1.0,
        raising="long seen tracks survive more misses",
    )
    quality_weight: float = param(
        3.0,
        "Weight of the filtered detection quality in the published existence",
        low=0.0,
        raising="published existence goes by the detector's scores more than by presence",
    )

    fade_time_s: float = param(
        1.5,
        "Time in which the published existence of a coasting track fades by e, s",
        low=0.1,
        raising="coasting tracks keep their published existence longer",
    )

    # Life cycle
    confirm_existence: float = param(
        0.75,
        "Presence at which a tentative track is confirmed",
        low=0.1,
        high=0.999,
        raising="later confirmation, fewer ghosts",
    )
    confirm_quality: float = param(
        0.3,
        "Mean quality of the detections at which a track is confirmed",
        low=0.0,
        high=1.0,
        raising="tracks of weak detections are never confirmed; weak objects are lost",
    )
    confirm_hits: int = param(
        2,
        "Fewest detections of a confirmed track",
        low=1,
        raising="later confirmation by a frame each, fewer ghosts",
    )
    tentative_misses: int = param(
        2,
        "Misses in a row that end a tentative track",
        low=1,
        raising="young tracks survive gaps; ghosts live longer, unpublished",
    )
    delete_existence: float = param(
        0.08, "Presence below which a track ends", low=0.0, high=0.5, raising="doubtful tracks end sooner"
    )
    coast_visible_s: float = param(
        0.7,
        "Longest time without a detection while visible, s",
        low=0.0,
        raising="identity survives longer gaps; what has gone stays longer",
    )
    coast_occluded_s: float = param(
        3.0,
        "Longest time without a detection while occluded, s",
        low=0.0,
        raising="identity survives longer occlusions; predicted places get worse meanwhile",
    )
    coast_per_seen: float = param(
        1.0,
        "Longest coasting per second that the track has been seen, s/s",
        low=0.0,
        raising="short tracks may coast longer",
    )
    coasting_after_s: float = param(
        0.15,
        "predict(): older than this means COASTING, s",
        low=0.0,
        raising="predictions between frames are called CONFIRMED for longer",
    )
    max_range_m: float = param(
        150.0, "Tracks farther from base_link end with LEFT_FOV, m", low=1.0, raising="far tracks are kept"
    )
    fov_half_angle_rad: float = param(
        3.1416,
        "Half of the field of view around the x axis of base_link, rad",
        low=0.1,
        high=3.1416,
        raising="tracks beside and behind the vehicle are kept though nothing sees them",
    )
    merge_overlap: float = param(
        0.5,
        "Share of the smaller footprint covered at which two tracks are one",
        low=0.5,
        high=1.0,
        raising="tracks have to lie on each other more before they become one: more doubles, fewer wrong merges",
    )
    birth_overlap: float = param(
        0.3,
        "A detection covered by a track by this share starts no new track",
        low=0.01,
        high=1.0,
        raising="more births beside and inside tracks: doubles of large objects, but close ones are told apart",
    )
    max_gap_s: float = param(
        2.0,
        "A gap in the input longer than this ends all tracks (RESET), s",
        low=0.1,
        raising="tracks outlive longer pauses of the input, at worse predicted places",
    )

    late_window_s: float = param(
        0.0,
        "Detections that come late by up to this are put where they belong; 0: they are refused, s",
        low=0.0,
        raising="later messages are used; two or three more steps and more memory for each late one",
    )

    # Motion
    world_fixed: bool = param(
        True,
        "The tracking frame stands still on the ground; false: no rest, no heading is inferred from motion",
        raising="true: what stands stands still and velocities are over ground; wrong if the frame moves",
    )
    vehicle_frame: str = param(
        "base_link",
        "Detections in this frame mean that there is no odometry: world_fixed is taken as false",
        raising="a name: tracks in it are relative to the vehicle",
    )
    acceleration_time_s: float = param(
        1.0,
        "Correlation time of the acceleration (Singer), s",
        low=0.05,
        raising="speeds follow manoeuvres sooner and jitter more; accelerations last longer",
    )
    sideways_share: float = param(
        0.3,
        "Acceleration of a vehicle across its heading, share of that along it (turns aside)",
        low=0.01,
        raising="turns are followed sooner; boxes pull tracks aside",
    )
    turning_mps2: float = param(
        1.0,
        "Std of a vehicle's sideways acceleration in turns: fast ones turn slowly, m/s2",
        low=0.1,
        raising="fast vehicles may turn faster, and are turned by noise",
    )
    ego_acceleration_mps2: float = param(
        2.0,
        "Without odometry vehicles seem to have the own vehicle's acceleration too: its std, m/s2",
        low=0.0,
        raising="own braking is followed sooner; speeds are noisier",
    )
    turn_time_s: float = param(
        1.0, "Correlation time of the yaw rate, s", low=0.05, raising="turns last longer in predictions"
    )
    slip_std_mps: float = param(
        0.25,
        "Std of a vehicle's sideways speed, m/s",
        low=0.01,
        raising="the velocity may leave the heading: better on ice and for trailers, worse headings",
    )
    min_turn_radius_m: float = param(
        5.0,
        "Smallest turn radius of a vehicle, m",
        low=0.5,
        raising="turn rates are held lower at a given speed",
    )
    static_jitter_m: float = param(
        0.2,
        "Correlated shift of a standing object's measured centre, m",
        low=0.0,
        raising="more jitter still counts as standing: slow starts are noticed later",
    )
    moving_prior: float = param(
        0.25,
        "Chance that a newborn track moves",
        low=0.01,
        high=0.99,
        raising="new tracks are published with a velocity sooner; parked ones drift at birth",
    )
    moving_speed_mps: float = param(
        0.5,
        "What is slower tells nothing of where its front is, m/s",
        low=0.0,
        raising="headings of slow objects go by their boxes rather than by their path",
    )

    # Shape and heading
    size_drift_m: float = param(
        0.1,
        "Growth of the std of the size, m per root second",
        low=0.0,
        raising="sizes follow new views sooner and jitter more",
    )
    shrink_caution: float = param(
        3.0,
        "How much a smaller box is distrusted (partial view), in its own difference",
        low=0.0,
        raising="sizes keep what was seen from better views; a first box that was too large stays longer",
    )
    grow_caution: float = param(
        0.5,
        "How much a larger box is distrusted, in its own difference",
        low=0.0,
        raising="sizes grow later, and two objects in one cluster do less harm",
    )
    alike_factor: float = param(
        2.2,
        "Std of the size over the filter's own: successive views err alike",
        low=1.0,
        raising="larger published std of sizes and, through them, of positions",
    )
    lasting_error_m: float = param(
        0.1,
        "Std of position errors that stay from frame to frame, m",
        low=0.0,
        raising="larger published position covariance",
    )
    forward_probability: float = param(
        0.97,
        "Probability that a moving vehicle drives forward",
        low=0.5,
        high=0.999,
        raising="motion decides sooner which end is the front; reversing vehicles are turned round",
    )
    heading_flip_belief: float = param(
        2.0,
        "Log odds against the heading at which it is turned by pi",
        low=0.1,
        raising="wrong headings are turned later, fewer flips",
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
