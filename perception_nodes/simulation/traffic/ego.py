"""The ego when the traffic does not drive it: by commands from outside, or as it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError, check_ranges, param
from perception_nodes.datatypes.checks import check_shape
from perception_nodes.geometry import wrap_angle

from .ground import Ground, on_surface
from .states import EgoState

F64 = npt.NDArray[np.float64]
_HALF_S: Final = 0.05


@dataclass(frozen=True)
class EgoVehicle:
    """What the vehicle can do."""

    wheelbase_m: float = param(2.8, "between the axles; base_link is at the rear one", low=0.1)
    max_steering_rad: float = param(0.6, "of the front wheels", low=0.05, high=1.4)
    steering_rate_rps: float = param(0.6, "how fast they turn", low=0.05)
    max_acceleration_mps2: float = param(3.0, "forwards", low=0.1)
    max_braking_mps2: float = param(8.0, "full braking", low=0.5)
    response_s: float = param(0.2, "lag of the acceleration", low=0.0)
    deadman_s: float = param(0.5, "without a command for so long it brakes", low=0.05)
    deadman_braking_mps2: float = param(4.0, "how hard", low=0.5)

    def __post_init__(self) -> None:
        check_ranges(self)


class ExternalEgo:
    """Driven from outside by steering angle and acceleration: kinematic bicycle about the rear axle."""

    def __init__(self, ground: Ground, start: EgoState, vehicle: EgoVehicle | None = None) -> None:
        self._ground, self.vehicle = ground, vehicle or EgoVehicle()
        self.state = start
        self._wanted = (start.steering_rad, 0.0)
        self._commanded_s = -np.inf
        self._time_s = 0.0

    def command(self, steering_rad: float, acceleration_mps2: float) -> None:
        """What holds from now on. Raises InputError for what is not a number."""
        if not (np.isfinite(steering_rad) and np.isfinite(acceleration_mps2)):
            raise InputError(f"ego command: wanted two numbers, got {steering_rad}, {acceleration_mps2}")
        self._wanted, self._commanded_s = (float(steering_rad), float(acceleration_mps2)), self._time_s

    @property
    def commanded(self) -> bool:
        """A command came lately."""
        return self._time_s - self._commanded_s <= self.vehicle.deadman_s

    def step(self, dt_s: float) -> EgoState:
        """The state after a step; braking to a halt where no command came for too long."""
        if not dt_s > 0:
            raise InputError(f"ExternalEgo.step: dt_s {dt_s}: wanted more than 0")
        own, now = self.vehicle, self.state
        steering, acceleration = self._wanted
        if not self.commanded:
            acceleration = -own.deadman_braking_mps2
        turn = own.steering_rate_rps * dt_s
        steering = float(np.clip(steering, now.steering_rad - turn, now.steering_rad + turn))
        steering = float(np.clip(steering, -own.max_steering_rad, own.max_steering_rad))
        acceleration = float(np.clip(acceleration, -own.max_braking_mps2, own.max_acceleration_mps2))
        share = 1.0 if own.response_s == 0 else 1.0 - float(np.exp(-dt_s / own.response_s))
        acceleration = now.acceleration_mps2 + share * (acceleration - now.acceleration_mps2)
        speed = max(0.0, now.speed_mps + acceleration * dt_s)
        x, y, yaw, rate = self._moved(0.5 * (now.speed_mps + speed), steering, dt_s)
        pose = on_ground(self._ground, (x, y, yaw), own.wheelbase_m)
        if speed == 0.0:
            acceleration = max(acceleration, 0.0)
        self._time_s += dt_s
        self.state = EgoState(pose, speed, rate, acceleration, steering)
        return self.state

    def _moved(self, speed: float, steering: float, dt_s: float) -> tuple[float, float, float, float]:
        """Along the exact arc."""
        x, y, yaw = self.state.pose[0], self.state.pose[1], self.state.pose[3]
        rate = speed * float(np.tan(steering)) / self.vehicle.wheelbase_m
        middle = yaw + 0.5 * rate * dt_s
        chord = speed * dt_s * float(np.sinc(0.5 * rate * dt_s / np.pi))
        return x + chord * float(np.cos(middle)), y + chord * float(np.sin(middle)), yaw + rate * dt_s, rate


def on_ground(
    ground: Ground, xy_yaw: tuple[float, float, float], wheelbase_m: float
) -> tuple[float, float, float, float, float, float]:
    """Pose of base_link on the surface, from x, y, yaw of the rear axle."""
    x, y, yaw = xy_yaw
    half = 0.5 * wheelbase_m
    middle = np.array([[x + half * np.cos(yaw), y + half * np.sin(yaw), yaw]])
    at = on_surface(ground, middle, np.array([wheelbase_m]), np.array([1.5]), np.array([True]))[0]
    z = float(at[2] + half * np.tan(at[4]))
    return x, y, z, float(wrap_angle(yaw)), float(at[4]), float(at[5])


class RecordedEgo:
    """The ego as it was recorded: poses at times, interpolated; before and after it stands.

    poses (N, 4): time (s, ascending), x, y, yaw of base_link, odom. Raises InputError for times that do not ascend.
    """

    def __init__(self, ground: Ground, poses: F64, wheelbase_m: float = 2.8) -> None:
        check_shape("RecordedEgo", "poses", poses, None, 4)
        if len(poses) < 2 or not (np.diff(poses[:, 0]) > 0).all() or not np.isfinite(poses).all():
            raise InputError("RecordedEgo: wanted at least 2 poses of numbers at ascending times")
        self._ground, self._wheelbase_m = ground, wheelbase_m
        self._time_s = np.asarray(poses[:, 0], np.float64)
        self._values = np.column_stack([poses[:, 1:3], np.unwrap(poses[:, 3])])

    def at(self, time_s: float) -> EgoState:
        """State at a time."""
        here = self._pose(time_s)
        pose = on_ground(self._ground, (float(here[0]), float(here[1]), float(here[2])), self._wheelbase_m)
        speed, rate = self._motion(time_s)
        change = (self._motion(time_s + _HALF_S)[0] - self._motion(time_s - _HALF_S)[0]) / (2 * _HALF_S)
        steering = float(np.arctan2(self._wheelbase_m * rate, max(abs(speed), 0.5)))
        return EgoState(pose, speed, rate, change, steering)

    def _motion(self, time_s: float) -> tuple[float, float]:
        """Speed ahead and turn rate."""
        moved = self._pose(time_s + _HALF_S) - self._pose(time_s - _HALF_S)
        yaw = self._pose(time_s)[2]
        speed = float(moved[:2] @ [np.cos(yaw), np.sin(yaw)]) / (2 * _HALF_S)
        return speed, float(moved[2]) / (2 * _HALF_S)

    def _pose(self, time_s: float) -> F64:
        return np.array([np.interp(time_s, self._time_s, self._values[:, k]) for k in range(3)])
