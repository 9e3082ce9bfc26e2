"""The words of the diagnosis: what can be wrong with a box, what the inputs lacked, and the numbers it depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, InputError, check_ranges, param


class Cause(Enum):
    """The one main cause of a miss, a false alarm or an imprecise match. Definitions: docs/diagnosis.md.

    After TIDE (Bolya et al., ECCV 2020: classification, localisation, duplicate, background, missed), with the
    distance of centres in the place of overlap. Ours: `HEADING`, `SIZE`, and what lies in the world or in the inputs.
    """

    BACKGROUND = "background"
    LOCALISATION = "localisation"
    CLASS = "class"
    DUPLICATE = "duplicate"
    HEADING = "heading"
    SIZE = "size"
    OCCLUDED = "occluded"
    TOO_FEW_POINTS = "too few points"
    OUT_OF_RANGE = "out of range"
    LATE = "late"
    SENSOR_MISSING = "sensor missing"
    DROPPED_INPUT = "dropped input"
    UNEXPLAINED = "unexplained"


class Kind(Enum):
    """What sort of error: a true box nobody found, a prediction of nothing, a match with a poor box."""

    MISS = "miss"
    FALSE_ALARM = "false alarm"
    IMPRECISE = "imprecise"


def where(causes: npt.NDArray[Any], cause: Cause | None) -> npt.NDArray[np.bool_]:
    """(N,) which of the causes (N,), an array of `Cause` and None, is this one."""
    return np.fromiter((c is cause for c in causes), bool, len(causes))


@dataclass(frozen=True)
class Outage:
    """A time in which a sensor said nothing (`dropped` False), or its messages came but were not used (True).

    From `start_ns` to `end_ns`, both included; `reason`: a word for people, e.g. of a DropEvent.
    """

    sensor: str
    start_ns: int
    end_ns: int
    dropped: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise InputError(
                f"outage of {self.sensor}: it ends ({self.end_ns}) before it starts ({self.start_ns})"
            )

    @property
    def cause(self) -> Cause:
        """The cause that misses in this time get."""
        return Cause.DROPPED_INPUT if self.dropped else Cause.SENSOR_MISSING


@dataclass(frozen=True)
class DiagnosisConfig:
    """All numbers on which a diagnosis depends."""

    match_distance_m: float = param(
        2.0, "A prediction finds a true box below this distance of centres", low=0.1
    )
    near_distance_m: float = param(4.0, "A free prediction up to here is a poor position of a miss", low=0.1)
    precise_distance_m: float = param(0.5, "A match from this distance on is imprecise", low=0.0)
    distances_m: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    heading_error_rad: float = param(
        math.pi / 2, "A match turned by more is a heading error", low=0.0, high=math.pi
    )
    size_iou: float = param(0.5, "A match whose aligned 3D IoU is lower is a size error", low=0.0, high=1.0)
    scored_range_m: float = param(50.0, "Boxes farther from the ego do not count for AP", low=1.0)
    scored_points: int = param(1, "True boxes with fewer lidar points do not count for AP", low=0)
    reach_m: float = param(50.0, "Beyond this distance a miss is put down to range", low=1.0)
    min_points: int = param(5, "A miss with fewer lidar points is put down to them", low=0)
    hidden_share: float = param(
        0.6, "A miss of which so much is hidden is put down to occlusion", low=0.0, high=1.0
    )
    recall_drop: float = param(0.1, "An outage counts if recall falls by so much in it", low=0.0, high=1.0)
    recovery_s: float = param(1.0, "Misses that go on after an outage for so long belong to it", low=0.0)
    silent_frames: int = param(3, "So many frames in a row without any prediction are an outage", low=2)
    max_delay_s: float = param(0.6, "Delays up to this are looked for, of either sign", low=0.0, high=5.0)
    shrink: float = param(
        0.3, "A delay or an offset is clear if errors shrink by this share", low=0.0, high=1.0
    )
    min_gain: float = param(0.02, "A main cause costs at least so much mean AP", low=0.0, high=1.0)
    min_imprecise: float = param(0.1, "... or is found on so many of the matches", low=0.0, high=1.0)
    min_score: float = param(0.0, "Predictions below are left out; those without a score count as 1")
    stamp_tolerance_s: float = param(0.03, "Largest difference of stamps of truth and prediction", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.distances_m or not all(d > 0 for d in self.distances_m):
            raise ConfigurationError(
                f"DiagnosisConfig.distances_m = {self.distances_m}: wanted distances > 0"
            )
        if self.near_distance_m < self.match_distance_m:
            raise ConfigurationError(
                f"DiagnosisConfig.near_distance_m = {self.near_distance_m}: wanted at least match_distance_m"
                f" ({self.match_distance_m})"
            )
