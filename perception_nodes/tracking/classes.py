"""Per-class priors: sizes, manoeuvres, and the measurement noise assumed where a detector states none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, NUM_LABELS, TWO_WHEELERS, VEHICLES

from .algebra import clip
from .compiled import compiled

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# length, width, height (m); their std; acceleration std (m/s2); yaw rate std (rad/s); initial speed std (m/s)
_TABLE = {
    "car": ((4.6, 1.9, 1.65), (0.5, 0.15, 0.2), 1.0, 0.5, 6.0),
    "truck": ((7.0, 2.4, 2.9), (2.0, 0.35, 0.6), 0.7, 0.25, 6.0),
    "bus": ((11.0, 2.9, 3.4), (1.5, 0.25, 0.4), 0.5, 0.2, 6.0),
    "trailer": ((11.0, 2.8, 3.6), (3.0, 0.35, 0.6), 0.5, 0.2, 6.0),
    "construction_vehicle": ((6.4, 2.8, 3.1), (2.0, 0.5, 0.7), 0.5, 0.3, 3.0),
    "motorcycle": ((2.1, 0.8, 1.5), (0.3, 0.2, 0.2), 2.0, 0.6, 6.0),
    "bicycle": ((1.75, 0.65, 1.5), (0.25, 0.2, 0.3), 1.0, 0.6, 3.0),
    "pedestrian": ((0.75, 0.7, 1.75), (0.2, 0.15, 0.2), 1.0, 1.0, 1.2),
    "traffic_cone": ((0.4, 0.4, 0.9), (0.15, 0.15, 0.3), 0.3, 0.2, 0.3),
    "barrier": ((0.6, 2.2, 1.0), (0.3, 1.0, 0.3), 0.3, 0.2, 0.3),
    "unknown": ((1.5, 1.2, 1.5), (1.5, 1.2, 1.0), 1.5, 0.5, 3.0),
}

SIZE_M: F64 = np.array([_TABLE[name][0] for name in LABELS])
SIZE_STD_M: F64 = np.array([_TABLE[name][1] for name in LABELS])
ACCELERATION_STD_MPS2: F64 = np.array([_TABLE[name][2] for name in LABELS])
YAW_RATE_STD_RPS: F64 = np.array([_TABLE[name][3] for name in LABELS])
SPEED_STD_MPS: F64 = np.array([_TABLE[name][4] for name in LABELS])

# Share of `static_jitter_m` when standing is judged: boxes of small objects jitter less.
JITTER_SHARE: F64 = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.6, 0.3, 0.4, 0.6, 1.0])
# Log odds of moving at birth beyond `moving_prior`.
MOVING_MORE: F64 = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, -1.0, -1.0, 0.0])


def _walkers(walkers: float, others: float) -> F64:
    return np.array([walkers if name == "pedestrian" else others for name in LABELS])


# Standing or moving. People start and stop often, and stroll: slower than this is called standing unless the filter is
# sure (m/s); log odds at which the other one is published; highest log odds of standing; chance for each 0.1 s to
# start or stop.
SLOWEST_MPS: F64 = _walkers(0.25, 0.5)
SURE_LOG_ODDS: F64 = _walkers(0.5, 1.5)
STANDING_LIMIT: F64 = _walkers(2.0, 5.0)
SWITCH_CHANCE: F64 = _walkers(0.015, 0.003)

# Classes that move along their heading (bicycle-like); the others move any way they like.
STEERED: npt.NDArray[np.bool_] = np.array([k in VEHICLES | TWO_WHEELERS for k in range(NUM_LABELS)])

# Measurement std assumed where the covariance is missing: position (m), yaw (rad), bottom height (m).
POSITION_STD_M: F64 = np.array([0.3, 0.5, 0.6, 0.6, 0.5, 0.2, 0.2, 0.15, 0.1, 0.2, 0.3])
YAW_STD_RAD: F64 = np.array([0.12, 0.1, 0.08, 0.08, 0.15, 0.3, 0.4, 1.0, 1.0, 0.3, 0.6])
SIZE_MEASUREMENT_STD_M: F64 = np.array([0.35, 0.7, 1.0, 1.0, 0.7, 0.3, 0.3, 0.2, 0.1, 0.4, 0.4])
Z_STD_M = 0.15

# Confusions between groups cost an association; inside a group they are free. -1: `unknown`, which is in none.
_GROUPS = (
    VEHICLES,
    TWO_WHEELERS,
    {LABELS.index("pedestrian")},
    {LABELS.index(n) for n in ("traffic_cone", "barrier")},
)
GROUP: I64 = np.array(
    [next((g for g, members in enumerate(_GROUPS) if k in members), -1) for k in range(NUM_LABELS)]
)

# What the kernels take: all of these numbers as one record.
_COLUMNS: dict[str, npt.NDArray[Any]] = {
    "class_size_m": SIZE_M,
    "acceleration_std_mps2": ACCELERATION_STD_MPS2,
    "yaw_rate_std_rps": YAW_RATE_STD_RPS,
    "speed_std_mps": SPEED_STD_MPS,
    "jitter_share": JITTER_SHARE,
    "moving_more": MOVING_MORE,
    "slowest_mps": SLOWEST_MPS,
    "sure_log_odds": SURE_LOG_ODDS,
    "standing_limit": STANDING_LIMIT,
    "switch_chance": SWITCH_CHANCE,
    "steered": STEERED.astype(np.uint8),  # numba knows no arrays of bools in records
    "position_std_m": POSITION_STD_M,
    "yaw_std_rad": YAW_STD_RAD,
    "size_measurement_std_m": SIZE_MEASUREMENT_STD_M,
    "z_std_m": np.array(Z_STD_M),
    "group": GROUP,
}


def record(numbers: Mapping[str, float]) -> np.void:
    """The numbers and those of the classes as one record, for kernels."""
    values = {**_COLUMNS, **{name: np.asarray(value) for name, value in numbers.items()}}
    layout = [(name, value.dtype.str, value.shape) for name, value in values.items()]
    out = np.zeros(1, np.dtype(layout, align=True))
    for name, value in values.items():
        out[name] = value
    whole: np.void = out[0]
    return whole


@compiled
def agreement(a: Any, b: Any, c: Any) -> float:
    """Probability-like agreement of two class distributions (11,), in any scale; 1 = nothing against it, least 0.02.

    `unknown` mass agrees with everything.
    """
    whole_a, whole_b, conflict = 0.0, 0.0, 0.0
    for i in range(NUM_LABELS):
        whole_a += a[i]
        whole_b += b[i]
        for j in range(NUM_LABELS):
            if c.group[i] >= 0 and c.group[j] >= 0 and c.group[i] != c.group[j]:
                conflict += a[i] * b[j]
    return clip(1.0 - conflict / (whole_a * whole_b), 0.02, 1.0)
