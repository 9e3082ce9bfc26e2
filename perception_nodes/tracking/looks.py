"""Who has looked in a step, where, and how well: what a miss says depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import ConfigurationError, check_ranges, param
from perception_nodes.geometry import Transform

from .config import TrackerConfig

# One look as kernels take it, in the frame of the tracks; `detector`: a number for each name of a detector.
EYE: Final = np.dtype(
    [
        ("position_m", "f8", (3,)),
        ("bearing_rad", "f8"),
        ("half_angle_rad", "f8"),
        ("detection_probability", "f8"),
        ("detection_range_m", "f8"),
        ("max_range_m", "f8"),
        ("period_s", "f8"),
        ("detector", "i8"),
    ],
    align=True,
)


@dataclass(frozen=True)
class Look:
    """One sensor that has looked: what it had in view, and how likely its detector finds what is there.

    detector: whose detections it gave. Sensors of one detector miss the same things, so that of them the best view
    counts; detectors miss independently of each other. sensor_m: x, y, z in the vehicle's frame.
    """

    detector: str
    detection_probability: float = param(0.9, "of a near object that nothing hides", low=0.0, high=0.99)
    detection_range_m: float = param(70.0, "range at which that has halved", low=1.0)
    max_range_m: float = param(np.inf, "beyond it nothing is seen", low=0.0)
    sensor_m: tuple[float, float, float] = (0.0, 0.0, 1.8)
    bearing_rad: float = param(0.0, "middle of the field of view in the vehicle's frame", low=-7.0, high=7.0)
    half_angle_rad: float = param(np.pi, "half of the field of view", low=0.0, high=np.pi)
    period_s: float = param(np.inf, "time between two of its looks: for no longer does one answer", low=0.001)

    def __post_init__(self) -> None:
        check_ranges(self)
        if not np.isfinite(self.sensor_m).all() or len(self.sensor_m) != 3:
            raise ConfigurationError(f"Look.sensor_m: wanted 3 finite numbers, got {self.sensor_m}")


def all_around(config: TrackerConfig) -> Look:
    """The look of the one detector that the parameters describe: everywhere, whenever there are detections."""
    return Look(
        "",
        config.detection_probability,
        config.detection_range_m,
        sensor_m=(0.0, 0.0, config.sensor_height_m),
    )


def eyes_of(looks: Sequence[Look], odom_from_base: Transform) -> npt.NDArray[Any]:
    """(K,) of the type `EYE`: the looks in the frame of the tracks, those of one detector after each other."""
    yaw_rad = odom_from_base.yaw_rad
    names = sorted({one.detector for one in looks})
    rows = []
    for one in sorted(looks, key=lambda one: one.detector) if len(looks) > 1 else looks:
        position_m = odom_from_base.rotation @ np.array(one.sensor_m) + odom_from_base.translation_m
        rows.append(
            (
                tuple(position_m.tolist()),
                yaw_rad + one.bearing_rad,
                one.half_angle_rad,
                one.detection_probability,
                one.detection_range_m,
                one.max_range_m,
                one.period_s,
                names.index(one.detector),
            )
        )
    return np.array(rows, EYE)
