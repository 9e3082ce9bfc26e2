"""Per-class priors: sizes, manoeuvres, and the measurement noise assumed where a detector states none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, NUM_LABELS, TWO_WHEELERS, VEHICLES

F64 = npt.NDArray[np.float64]

# length, width, height (m); their std; acceleration std (m/s2); yaw rate std (rad/s); initial speed std (m/s)
_TABLE = {
    "car": ((4.6, 1.9, 1.65), (0.5, 0.15, 0.2), 2.5, 0.5, 6.0),
    "truck": ((7.0, 2.4, 2.9), (2.0, 0.35, 0.6), 1.5, 0.25, 6.0),
    "bus": ((11.0, 2.9, 3.4), (1.5, 0.25, 0.4), 1.2, 0.2, 6.0),
    "trailer": ((11.0, 2.8, 3.6), (3.0, 0.35, 0.6), 1.2, 0.2, 6.0),
    "construction_vehicle": ((6.4, 2.8, 3.1), (2.0, 0.5, 0.7), 1.0, 0.3, 3.0),
    "motorcycle": ((2.1, 0.8, 1.5), (0.3, 0.2, 0.2), 3.0, 0.6, 6.0),
    "bicycle": ((1.75, 0.65, 1.5), (0.25, 0.2, 0.3), 1.5, 0.6, 3.0),
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

# Classes that move along their heading (bicycle-like); the others move any way they like.
STEERED: npt.NDArray[np.bool_] = np.array([k in VEHICLES | TWO_WHEELERS for k in range(NUM_LABELS)])

# Measurement std assumed where the covariance is missing: position (m), yaw (rad), bottom height (m).
POSITION_STD_M: F64 = np.array([0.3, 0.5, 0.6, 0.6, 0.5, 0.2, 0.2, 0.15, 0.1, 0.2, 0.3])
YAW_STD_RAD: F64 = np.array([0.12, 0.1, 0.08, 0.08, 0.15, 0.3, 0.4, 1.0, 1.0, 0.3, 0.6])
SIZE_MEASUREMENT_STD_M: F64 = np.array([0.35, 0.7, 1.0, 1.0, 0.7, 0.3, 0.3, 0.2, 0.1, 0.4, 0.4])
Z_STD_M = 0.15

# Confusions between groups cost an association; inside a group they are free.
GROUPS = {
    "vehicle": sorted(VEHICLES),
    "two_wheeler": sorted(TWO_WHEELERS),
    "pedestrian": [LABELS.index("pedestrian")],
    "static": [LABELS.index("traffic_cone"), LABELS.index("barrier")],
}
GROUP_MATRIX: F64 = np.zeros((NUM_LABELS, len(GROUPS)))
for _column, _members in enumerate(GROUPS.values()):
    GROUP_MATRIX[_members, _column] = 1.0


def agreement(a: F64, b: F64) -> F64:
    """(N, M) probability-like agreement of two sets of class distributions (N, 11), (M, 11); 1 = nothing against it.

    `unknown` mass agrees with everything.
    """
    groups_a, groups_b = a @ GROUP_MATRIX, b @ GROUP_MATRIX
    known_a, known_b = groups_a.sum(axis=1), groups_b.sum(axis=1)
    conflict = known_a[:, None] * known_b[None] - groups_a @ groups_b.T
    return np.asarray(np.clip(1.0 - conflict, 0.02, 1.0))
