"""What is before the ego: how soon it would touch something, and whether there is anything to brake for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .fleet import Fleet
from .kernels import MARGIN_M, free_way, time_to_contact

F64 = npt.NDArray[np.float64]
HORIZON_S: Final = 6.0
_SPARE_M: Final = 5.0
_REACTION_S: Final = 1.0
_OFF_WAY_M: Final = 4.0
_PATH_M: Final = 250.0


@dataclass(frozen=True)
class Outlook:
    """ttc_s: until the ego, at its speed along its way, touches a body before it that goes on as it does, inf = not
    within 6 s; wide_ttc_s: the same for a wider ego; corridor: a body is in the way within braking_m; stop_m: to the
    line where it has to stop, inf = none.
    """

    ttc_s: float
    wide_ttc_s: float
    corridor: bool
    braking_m: float
    stop_m: float


def outlook(fleet: Fleet, stop_m: float, beside_m: float, braking_mps2: float) -> Outlook:
    """Of the ego (row 0). beside_m: half of how much wider the corridor is than the ego; braking_mps2: comfortable."""
    path = ego_path(fleet)
    speed = float(fleet.speed[0])
    braking = speed * speed / (2 * braking_mps2) + _REACTION_S * speed + _SPARE_M
    own = fleet.size[0]
    before = (fleet.group != 0) & fleet.present & _before(fleet)

    def ttc(wider_m: float) -> float:
        body = np.array([own[0], own[1] + 2 * wider_m])
        return float(
            time_to_contact(
                path, fleet.base[0], speed, body, fleet.pose, fleet.velocity, fleet.yaw_rate, fleet.size, before,
                HORIZON_S,
            )
        )  # fmt: skip

    return Outlook(ttc(0.0), ttc(beside_m), _in_way(fleet, path, beside_m, braking, before), braking, stop_m)


def _before(fleet: Fleet) -> npt.NDArray[np.bool_]:
    """(N,) whose middle is not behind the ego's."""
    yaw = fleet.pose[0, 2]
    offset = fleet.pose[:, :2] - fleet.pose[0, :2]
    return np.asarray(offset @ np.array([np.cos(yaw), np.sin(yaw)]) > 0.0)


def _in_way(
    fleet: Fleet, path: F64, beside_m: float, braking_m: float, before: npt.NDArray[np.bool_]
) -> bool:
    size = fleet.size.copy()
    size[0, 1] += 2 * (beside_m - MARGIN_M)
    gap, leader = np.full(1, np.inf), np.full(1, -1)
    free_way(
        np.zeros(1, np.int64), path[None], np.array([len(path) - 1]), np.ones(1), np.zeros(1), np.zeros(1),
        fleet.speed[:1], fleet.base, fleet.backwards, fleet.pose, fleet.velocity, size, fleet.group, before,
        np.zeros(len(fleet)), np.array([braking_m]), MARGIN_M, gap, leader,
    )  # fmt: skip
    return bool(leader[0] >= 0)


def ego_path(fleet: Fleet) -> F64:
    """(K, 2) where the middle of the ego will go, 1 m apart, odom: its way, as far to the side of it as the ego is.

    An ego that has left its way goes on along its arc.
    """
    here, yaw = fleet.pose[0, :2], float(fleet.pose[0, 2])
    way = fleet.ways[0]
    s, left = way.project(here, float(fleet.s_m[0]))
    at = np.arange(0.0, min(_PATH_M, way.length_m - s), 1.0)
    if abs(left) > _OFF_WAY_M or len(at) < 3:
        bend = float(fleet.yaw_rate[0]) / max(float(fleet.speed[0]), 1.0)
        along = np.arange(0.0, _PATH_M, 1.0)
        heading = yaw + bend * (along[1:] - 0.5)
        return np.concatenate([here[None], here + np.cumsum(_ahead(heading), axis=0)])
    line = way.points(s + at)
    step = np.gradient(line, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    path = line + left * np.stack([-step[:, 1], step[:, 0]], axis=1)
    path[0] = here
    if len(path) < _PATH_M:  # straight on where the road ends
        rest = np.arange(1.0, _PATH_M - len(path) + 1.0)[:, None] * step[-1]
        path = np.concatenate([path, path[-1] + rest])
    return np.ascontiguousarray(path)


def _ahead(yaw: F64) -> F64:
    return np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
