"""The vehicle's own motion from what it detects, for recordings without poses: most of what is detected stands still.

The state is the speed and the yaw rate of a vehicle whose rear axle does not slip. Each frame's boxes, placed by it,
are laid onto those of the last frames, nearest to nearest (as in iterative closest points), where a pair that lies far
apart counts for nothing (Geman and McClure's weight): what moves is left behind. A prior holds the state between
frames, so that where nothing is seen it goes on as before, and turning fades.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.geometry import Transform

F64 = npt.NDArray[np.float64]

_PERIOD_S: Final = 0.1
_LAGS: Final = 8
_ITERATIONS: Final = 6
# Camera 0 of KITTI's vehicle ahead of its rear axle.
_ARM_M: Final = 1.4
# Change of speed and yaw rate that is usual, and what they are before anything has been seen.
_ACCELERATION_STD_MPS2: Final = 4.0
_TURN_STD_RPS2: Final = 0.35
_TURN_TIME_S: Final = 2.0
_START_STD: Final = (2.0, 0.2)
# At the start these are tried with so many pairs of frames, as long as nothing is known.
_SPEEDS_MPS: Final = np.arange(-2, 73) * 0.5
_TURNS_RPS: Final = np.arange(-3, 4) * 0.1
_START_FRAMES: Final = 6
_POSITION_STD_M: Final = 0.15
_PAIR_WITHIN_M: Final = 1.2


class EgoMotion:
    """`step` takes the detected points of a frame and gives where the vehicle is; the first frame is the origin.

    Frames follow each other every 0.1 s. speed_mps, yaw_rate_rps: of the last frame.
    """

    def __init__(self) -> None:
        self._state = np.zeros(2)
        self._cov = np.diag(np.square(_START_STD))
        self._votes = np.zeros((len(_SPEEDS_MPS), len(_TURNS_RPS)))
        self._voted = 0
        self._pose = np.zeros(3)
        self._past: list[F64] = []

    @property
    def speed_mps(self) -> float:
        """Speed ahead, at the rear axle."""
        return float(self._state[0])

    @property
    def yaw_rate_rps(self) -> float:
        """Turn to the left."""
        return float(self._state[1])

    def step(self, points_m: F64) -> Transform:
        """odom_from_base of this frame; points_m (N, 2): x ahead, y left of the camera."""
        if self._past:
            if self._voted < _START_FRAMES:
                self._start(points_m)
            else:
                lag = np.repeat(np.arange(len(self._past)), [len(p) for p in self._past])
                _follow(self._pose, points_m, np.concatenate(self._past), lag, self._state, self._cov)
            self._pose = np.array(_moved(self._pose, self._state[0], self._state[1]))
        x, y, yaw = self._pose.tolist()
        cos, sin = math.cos(yaw), math.sin(yaw)
        placed = points_m @ np.array([[cos, sin], [-sin, cos]]) + self._pose[:2]
        self._past = [*self._past, placed][-_LAGS:]
        return Transform.from_xyz_rpy((x, y, 0.0), (0.0, 0.0, yaw))

    def _start(self, points_m: F64) -> None:
        if len(points_m) and len(self._past[-1]):
            _vote(self._pose, points_m, self._past[-1], self._votes)
            self._voted += 1
            speed, turn = np.unravel_index(int(self._votes.argmax()), self._votes.shape)
            self._state[:] = _SPEEDS_MPS[speed], _TURNS_RPS[turn]


def poses_from_objects(frames: Sequence[Iterable[KittiObjects]]) -> list[Transform]:
    """odom_from_camera of every frame from the detections of all classes in it, axes x ahead, y left, z up; causal."""
    motion = EgoMotion()
    out = []
    for parts in frames:
        bottom = np.concatenate([np.zeros((0, 3)), *(p.bottom_m for p in parts)])
        out.append(motion.step(np.stack([bottom[:, 2], -bottom[:, 0]], axis=1)))
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _moved(pose: Any, speed: float, turn: float) -> Any:
    """Pose (x, y, yaw) of the camera a period later."""
    yaw = turn * _PERIOD_S
    ahead = speed * _PERIOD_S * np.cos(yaw / 2) + _ARM_M * (np.cos(yaw) - 1)
    left = speed * _PERIOD_S * np.sin(yaw / 2) + _ARM_M * np.sin(yaw)
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return pose[0] + cos * ahead - sin * left, pose[1] + sin * ahead + cos * left, pose[2] + yaw


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _place(pose: Any, x: float, y: float) -> Any:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return pose[0] + cos * x - sin * y, pose[1] + sin * x + cos * y


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _vote(pose: Any, points: Any, past: Any, votes: Any) -> None:
    """Add for each speed and turn how many points it lays onto points of the last frame."""
    for a in range(len(_SPEEDS_MPS)):
        for b in range(len(_TURNS_RPS)):
            here = _moved(pose, _SPEEDS_MPS[a], _TURNS_RPS[b])
            # Of equal ones the slower and the straighter.
            votes[a, b] -= 0.02 * abs(_TURNS_RPS[b]) + 0.001 * abs(_SPEEDS_MPS[a])
            for i in range(len(points)):
                x, y = _place(here, points[i, 0], points[i, 1])
                near = np.inf
                for j in range(len(past)):
                    near = min(near, (past[j, 0] - x) ** 2 + (past[j, 1] - y) ** 2)
                votes[a, b] += 1 / (1 + near / _variance(points[i]))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _variance(point: Any) -> float:
    return float((_POSITION_STD_M * (1 + np.hypot(point[0], point[1]) / 50)) ** 2)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _follow(pose: Any, points: Any, past: Any, lag: Any, state: Any, cov: Any) -> None:
    """Most probable state and its covariance (2, 2), in place: prior by prediction, robust pairs, Gauss and Newton."""
    keep = np.exp(-_PERIOD_S / _TURN_TIME_S)
    state[1] *= keep
    cov[0, 1] *= keep
    cov[1, 0] *= keep
    cov[1, 1] *= keep * keep
    cov[0, 0] = min(cov[0, 0] + (_ACCELERATION_STD_MPS2 * _PERIOD_S) ** 2, 25.0)
    cov[1, 1] += (_TURN_STD_RPS2 * _PERIOD_S) ** 2
    prior, known, before = np.empty((2, 2)), np.empty((2, 2)), (state[0], state[1])
    _invert(cov, prior)
    for _ in range(_ITERATIONS):
        known[:] = prior
        gap = (before[0] - state[0], before[1] - state[1])
        pull = np.array(
            [prior[0, 0] * gap[0] + prior[0, 1] * gap[1], prior[1, 0] * gap[0] + prior[1, 1] * gap[1]]
        )
        _pairs(pose, points, past, lag, state, known, pull)
        _invert(known, cov)
        change = (cov[0, 0] * pull[0] + cov[0, 1] * pull[1], cov[1, 0] * pull[0] + cov[1, 1] * pull[1])
        state[0] += change[0]
        state[1] += change[1]
        if abs(change[0]) < 1e-3 and abs(change[1]) < 1e-4:
            break


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _invert(matrix: Any, out: Any) -> None:
    """Inverse of a symmetric matrix (2, 2)."""
    det = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    out[0, 0], out[1, 1] = matrix[1, 1] / det, matrix[0, 0] / det
    out[0, 1] = out[1, 0] = -matrix[0, 1] / det


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _pairs(pose: Any, points: Any, past: Any, lag: Any, state: Any, known: Any, pull: Any) -> None:
    """Add what the pairs of each past frame say to the normal equations."""
    here = _moved(pose, state[0], state[1])
    faster, turned = _moved(pose, state[0] + 1e-4, state[1]), _moved(pose, state[0], state[1] + 1e-4)
    frames = lag[-1] + 1 if len(lag) else 0
    near, which = np.empty(frames), np.empty(frames, np.int64)
    for i in range(len(points)):
        x, y = _place(here, points[i, 0], points[i, 1])
        near[:] = np.inf
        for j in range(len(past)):
            apart = (past[j, 0] - x) ** 2 + (past[j, 1] - y) ** 2
            if apart < near[lag[j]]:
                near[lag[j]], which[lag[j]] = apart, j
        a, b = _place(faster, points[i, 0], points[i, 1]), _place(turned, points[i, 0], points[i, 1])
        slope = ((a[0] - x) * 1e4, (b[0] - x) * 1e4, (a[1] - y) * 1e4, (b[1] - y) * 1e4)
        var = _variance(points[i])
        for k in range(frames):
            if near[k] < _PAIR_WITHIN_M**2:
                # The pairs of one point with several frames are no independent evidence.
                weight = 1 / (1 + near[k] / var / 4) ** 2 / var / _LAGS
                dx, dy = past[which[k], 0] - x, past[which[k], 1] - y
                pull[0] += weight * (slope[0] * dx + slope[2] * dy)
                pull[1] += weight * (slope[1] * dx + slope[3] * dy)
                known[0, 0] += weight * (slope[0] ** 2 + slope[2] ** 2)
                known[1, 1] += weight * (slope[1] ** 2 + slope[3] ** 2)
                known[0, 1] += weight * (slope[0] * slope[1] + slope[2] * slope[3])
    known[1, 0] = known[0, 1]
