"""What the planner takes and gives: nothing but perception's outputs, the vehicle's own motion and a route."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError, Tracks, TrackState
from perception_nodes.datatypes.checks import check_shape

F64 = npt.NDArray[np.float64]
_COLUMNS = ("label", "low_m", "high_m", "velocity_std_mps", "yaw_rate_rps", "existence", "age_s", "tentative")


class Reason(IntEnum):
    """What decided the acceleration; the numbers are those of `EgoCommand.msg`."""

    CRUISE = 0
    FOLLOW = 1
    YIELD = 2
    STOP_LINE = 3
    EMERGENCY = 4
    SAFE_STOP = 5


@dataclass(frozen=True, eq=False)
class Obstacles:
    """N objects at `stamp_ns` in odom.

    id (N,) uint64; label (N,) uint8; box (N, 5): x, y of the centre (m), yaw (rad), length, width (m); low_m, high_m
    (N,) of underside and top over odom's zero; velocity_mps (N, 2) over ground and velocity_std_mps (N,), the larger of
    both; yaw_rate_rps (N,); existence (N,) 0..1; age_s (N,) since it was first seen; tentative (N,) bool: not
    confirmed yet.
    Raises InputError for a box that is not of finite numbers or has no size; an unknown motion is NaN on the way in and
    zero here.
    """

    stamp_ns: int
    id: npt.NDArray[np.uint64]
    label: npt.NDArray[np.uint8]
    box: F64
    low_m: F64
    high_m: F64
    velocity_mps: F64
    velocity_std_mps: F64
    yaw_rate_rps: F64
    existence: F64
    age_s: F64
    tentative: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.id)
        check_shape("Obstacles", "box", self.box, n, 5)
        check_shape("Obstacles", "velocity_mps", self.velocity_mps, n, 2)
        for name in _COLUMNS:
            check_shape("Obstacles", name, getattr(self, name), n)
        good = np.isfinite(self.box).all(axis=1) & (self.box[:, 3:] > 0).all(axis=1)
        if not good.all():
            worst = int(np.argmin(good))
            raise InputError(
                f"Obstacles: object {self.id[worst]}: wanted finite x, y, yaw and a size above 0, "
                f"got {self.box[worst].tolist()}"
            )
        for name in ("velocity_mps", "velocity_std_mps", "yaw_rate_rps"):
            object.__setattr__(self, name, np.nan_to_num(getattr(self, name), nan=0.0))

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def empty(cls, stamp_ns: int) -> Obstacles:
        """Nothing there."""
        none, no = np.zeros(0), np.zeros(0, bool)
        ids, labels = np.zeros(0, np.uint64), np.zeros(0, np.uint8)
        two, five = np.zeros((0, 2)), np.zeros((0, 5))
        return cls(stamp_ns, ids, labels, five, none, none, two, none, none, none, none, no)

    @classmethod
    def of_tracks(cls, tracks: Tracks) -> Obstacles:
        """All that live."""
        there = np.isin(tracks.state, (TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.COASTING))
        t = tracks.select(there)
        half = 0.5 * t.lwh_m[:, 2]
        box = np.column_stack([t.center_m[:, :2], t.yaw_rad, t.lwh_m[:, :2]])
        return cls(
            t.stamp_ns, t.id, t.label, box, t.center_m[:, 2] - half, t.center_m[:, 2] + half,
            t.velocity_mps, np.sqrt(t.covariance[:, [3, 4], [3, 4]].max(axis=1, initial=0.0)), t.yaw_rate_rps,
            t.existence_probability, t.age_s, t.state == TrackState.TENTATIVE,
        )  # fmt: skip

    def select(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Obstacles:
        """Some of them."""
        return Obstacles(
            self.stamp_ns, self.id[index], self.label[index], self.box[index], self.low_m[index],
            self.high_m[index], self.velocity_mps[index], self.velocity_std_mps[index], self.yaw_rate_rps[index],
            self.existence[index], self.age_s[index], self.tentative[index],
        )  # fmt: skip


@dataclass(frozen=True)
class EgoMotion:
    """The vehicle's own odometry: base_link in odom (x, y, z in m, yaw in rad), speed, at a stamp."""

    stamp_ns: int
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    z_m: float = 0.0
    acceleration_mps2: float = 0.0
    steering_rad: float = 0.0

    def __post_init__(self) -> None:
        values = (self.x_m, self.y_m, self.z_m, self.yaw_rad, self.speed_mps, self.acceleration_mps2)
        if not np.isfinite([*values, self.steering_rad]).all():
            raise InputError(f"EgoMotion: wanted finite numbers, got {self}")


@dataclass(frozen=True, eq=False)
class Guidance:
    """The route as a navigation system gives it, odom.

    points_m (K, 2), K >= 2, distinct; limit_mps (K,) allowed speed at each; stop_m: distance along it of the line where
    the next signal that is not green holds (V2I), inf = none. Raises InputError for anything else.
    """

    points_m: F64
    limit_mps: F64
    stop_m: float = float("inf")

    def __post_init__(self) -> None:
        check_shape("Guidance", "points_m", self.points_m, None, 2)
        check_shape("Guidance", "limit_mps", self.limit_mps, len(self.points_m))
        if len(self.points_m) < 2:
            raise InputError(f"Guidance: points_m: wanted at least 2 points, got {len(self.points_m)}")
        if not (np.isfinite(self.points_m).all() and np.isfinite(self.limit_mps).all()):
            raise InputError("Guidance: wanted finite points and limits")
        if not (np.hypot(*np.diff(self.points_m, axis=0).T) > 1e-6).all():
            raise InputError("Guidance: points_m: a point occurs twice in a row")
        if (self.limit_mps < 0).any() or np.isnan(self.stop_m):
            raise InputError("Guidance: wanted limits of at least 0, and a stop or inf")


@dataclass(frozen=True)
class Decision:
    """What the vehicle shall do. ttc_s: until contact at constant speed with predicted objects; object_id decides."""

    steering_rad: float
    acceleration_mps2: float
    reason: Reason
    ttc_s: float = float("inf")
    object_id: int = 0
