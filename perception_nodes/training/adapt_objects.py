"""From the boxes of one object over a drive to one smooth, judged object.

What stands still is one box, its sides measured on the points of all sweeps together; what moves is a path smoothed
with what came later (Rauch, Tung, Striebel, AIAA Journal 3(8), 1965). An object is believed only where its boxes agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import TWO_WHEELERS, VEHICLES, param
from perception_nodes.geometry import wrap_angle
from perception_nodes.tracking.smoothing import (
    SmoothingNoise,
    mean_heading,
    smoothed_path,
    stands,
    weighted_median,
)

from .adapt_sweeps import Found
from .adapt_threads import Thread

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
# Error of a measured centre and of a constant velocity, for the smoother.
NOISE: Final = SmoothingNoise(position_m=0.25, acceleration_mps2=3.0, speed_mps=15.0)
# Slower than this a heading is taken from the boxes, not from the path.
_HEADING_MPS: Final = 1.5


@dataclass(frozen=True)
class BelieveConfig:
    """When an object becomes a label."""

    min_boxes: int = param(5, "fewest boxes of an object", low=2)
    min_rate: float = param(0.6, "least share of the sweeps between its first and last with a learned box")
    min_existence: float = param(0.5, "least mean existence probability over those sweeps")
    min_class: float = param(0.6, "least mean probability of its class")
    max_error_m: float = param(0.6, "largest median distance of its boxes from the smoothed object")
    still_m: float = param(0.8, "an object whose path is shorter stands still")
    max_speed_mps: float = param(45.0, "faster ones are mistakes")


@dataclass(frozen=True, eq=False)
class AutoObject:
    """One believed object, odom: at frame (K,) center_m (K, 3), yaw_rad (K,), velocity_mps (K, 2); one lwh_m (3,)."""

    label: int
    frame: I64
    center_m: F64
    yaw_rad: F64
    velocity_mps: F64
    lwh_m: F64
    still: bool


def believed(
    thread: Thread, found: Sequence[Found], stamps_s: F64, config: BelieveConfig | None = None
) -> AutoObject | None:
    """The object of a thread, None where its boxes do not agree enough. stamps_s (F,): of all frames."""
    config = config or BelieveConfig()
    if len(thread) < config.min_boxes:
        return None
    b = _columns(thread, found)
    span = thread.frame[-1] - thread.frame[0] + 1
    votes = (b["probabilities"] * b["existence"][:, None]).sum(axis=0)
    label = int(votes[:-1].argmax())
    if (
        b["learned"].sum() < config.min_rate * span
        or b["existence"].sum() < config.min_existence * span
        or votes[label] < config.min_class * max(votes.sum(), 1e-9)
    ):
        return None
    one = _smooth(thread, b, label, stamps_s, config)
    at = np.searchsorted(one.frame, thread.frame)
    error = np.linalg.norm(one.center_m[at, :2] - b["center_m"][:, :2], axis=1)
    fast = np.linalg.norm(one.velocity_mps, axis=1).max() > config.max_speed_mps
    return None if fast or np.median(error) > config.max_error_m else one


def _columns(thread: Thread, found: Sequence[Found]) -> dict[str, Any]:
    pairs = list(zip(thread.frame.tolist(), thread.row.tolist(), strict=True))
    names = {"center_m": "center_m", "lwh_m": "lwh_m", "yaw": "yaw_rad", "points": "num_points"}
    out = {k: np.array([getattr(found[f].boxes, n)[r] for f, r in pairs]) for k, n in names.items()}
    out["probabilities"] = np.array([found[f].boxes.class_probabilities[r] for f, r in pairs])
    out["existence"] = np.array([found[f].existence[r] for f, r in pairs])
    out["learned"] = np.array([found[f].learned[r] for f, r in pairs])
    return out


def _smooth(
    thread: Thread, b: dict[str, Any], label: int, stamps_s: F64, config: BelieveConfig
) -> AutoObject:
    # A box that the network gives, and gives surely, knows the object's size and heading best.
    weight = np.where(b["learned"], b["existence"], 0.0) * np.sqrt(np.maximum(b["points"], 1.0)) + 1e-6
    lwh = np.array([weighted_median(b["lwh_m"][:, k], weight) for k in range(3)])
    frame = np.arange(thread.frame[0], thread.frame[-1] + 1)
    time_s, seen = stamps_s[frame], np.isin(frame, thread.frame)
    measured = np.zeros((len(frame), 3))
    measured[seen] = b["center_m"]
    center, velocity = smoothed_path(time_s, measured, seen, NOISE)
    heading = mean_heading(b["yaw"], weight)
    rigid = label in VEHICLES or label in TWO_WHEELERS
    if stands(center, config.still_m):
        middle = np.array([weighted_median(b["center_m"][:, k], weight) for k in range(3)])
        n = len(frame)
        still = (np.tile(middle, (n, 1)), np.full(n, heading), np.zeros((n, 2)))
        return AutoObject(label, frame, *still, lwh, still=True)
    yaw = np.interp(frame, thread.frame, np.unwrap(2.0 * b["yaw"]) / 2.0)
    speed = np.linalg.norm(velocity[:, :2], axis=1)
    if rigid:
        yaw = np.where(speed > _HEADING_MPS, np.arctan2(velocity[:, 1], velocity[:, 0]), yaw)
    return AutoObject(label, frame, center, np.asarray(wrap_angle(yaw)), velocity[:, :2], lwh, still=False)
