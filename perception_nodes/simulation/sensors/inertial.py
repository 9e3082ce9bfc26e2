"""IMU and wheel odometry of the vehicle, with the errors of such sensors and the drift that follows from them.

The errors of a drive are drawn once (scale errors, first biases), the biases wander, the rest is white. The pose is
integrated from what the sensors show; its covariance is the linear propagation of exactly these errors, so that it says
how far the pose really is off (tested over many drives).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError, check_ranges, param
from perception_nodes.geometry import Transform, rotation_vector
from perception_nodes.simulation.traffic.states import EgoState

from .inertial_sample import InertialSample
from .specs import read_model

__all__ = ["InertialModel", "InertialSample", "InertialSpec", "inertial_spec"]

F64 = npt.NDArray[np.float64]

GRAVITY_MPS2: Final = 9.80665
_NS: Final = 1_000_000_000
# State of the errors: x, y, z, yaw, scale of the wheels, bias of the yaw gyro, scale of the gyro, pitch.
_X, _Y, _Z, _YAW, _WHEEL, _BIAS, _SCALE, _PITCH = range(8)


@dataclass(frozen=True)
class InertialSpec:
    """An automotive MEMS unit and the wheels' pulse counters.

    Noise densities and bias figures: public data sheets of such units (Bosch SMI230, TDK IAM-20680); biases are what is
    left after the calibration at each standstill. Vibration: of a passenger car at 10 m/s, more with the speed.
    """

    rate_hz: float = param(100.0, "samples", low=1.0, high=1000.0)
    gyro_noise: float = param(2.5e-4, "white, rad/s per root Hz", low=0.0, high=0.1)
    gyro_bias_rps: float = param(3e-4, "std of the first bias", low=0.0, high=0.1)
    gyro_bias_walk: float = param(4e-6, "rad/s per root s", low=0.0, high=0.01)
    gyro_scale: float = param(0.003, "std of the scale error", low=0.0, high=0.1)
    gyro_vibration_rps: float = param(0.004, "std at 10 m/s", low=0.0, high=1.0)
    accelerometer_noise: float = param(1.8e-3, "white, m/s2 per root Hz", low=0.0, high=1.0)
    accelerometer_bias_mps2: float = param(0.04, "std of the first bias", low=0.0, high=5.0)
    accelerometer_bias_walk: float = param(5e-5, "m/s2 per root s", low=0.0, high=0.1)
    accelerometer_scale: float = param(0.003, "std of the scale error", low=0.0, high=0.1)
    accelerometer_vibration_mps2: float = param(0.3, "std at 10 m/s", low=0.0, high=20.0)
    wheel_scale: float = param(0.005, "std of the error of the wheels' radius", low=0.0, high=0.1)
    wheel_slip: float = param(0.01, "std of the slip, share of the speed, white at 1 m", low=0.0, high=0.5)
    wheel_noise_mps: float = param(0.02, "std of a sample's speed", low=0.0, high=1.0)
    attitude_rad: float = param(0.004, "std of roll and pitch, which wander within 10 s", low=0.0, high=0.2)

    def __post_init__(self) -> None:
        check_ranges(self)


def inertial_spec(model: Mapping[str, Any], where: str) -> InertialSpec:
    """From the `inertial:` of a rig file. Raises ConfigurationError naming the place and the key."""
    return read_model(InertialSpec, model, where)


@dataclass(frozen=True, eq=False)
class _Motion:
    """The true motion at S times: rotation odom_from_base (S, 3, 3); angular velocity, specific force (S, 3); speed."""

    rotation: F64
    turning_rps: F64
    force_mps2: F64
    speed_mps: F64


class InertialModel:
    """IMU and wheel odometry of one drive; the seed gives its errors. The first pose is the true one."""

    def __init__(self, spec: InertialSpec, seed: int) -> None:
        self.spec, self._seed = spec, seed
        self.reset()

    def reset(self) -> None:
        """As before the first step."""
        spec = self.spec
        self._rng = rng = np.random.default_rng([self._seed, 909])
        self._gyro_bias = spec.gyro_bias_rps * rng.standard_normal(3)
        self._gyro_scale = 1.0 + spec.gyro_scale * rng.standard_normal(3)
        self._force_bias = spec.accelerometer_bias_mps2 * rng.standard_normal(3)
        self._force_scale = 1.0 + spec.accelerometer_scale * rng.standard_normal(3)
        self._wheel_scale = 1.0 + spec.wheel_scale * float(rng.standard_normal())
        self._tilt = spec.attitude_rad * rng.standard_normal(2)  # errors of roll, pitch
        self._pose: F64 | None = None  # x, y, z, yaw
        first = np.zeros(8)
        first[[_WHEEL, _BIAS, _SCALE, _PITCH]] = (
            spec.wheel_scale, spec.gyro_bias_rps, spec.gyro_scale, spec.attitude_rad,
        )  # fmt: skip
        self._covariance = np.diag(first**2)
        self._end_ns = self._count = 0
        self._first_ns = 0

    def step(
        self, ego_before: EgoState, ego_after: EgoState, dt_s: float, stamp_ns: int
    ) -> list[InertialSample]:
        """The samples after the begin of the step and up to its end, which is at stamp_ns.

        Raises InputError for a step that is not longer than 0 or does not begin where the last one ended.
        """
        if not 0.0 < dt_s < 10.0:
            raise InputError(f"InertialModel.step: dt_s {dt_s}: wanted more than 0 and less than 10")
        start_ns = stamp_ns - round(dt_s * _NS)
        if self._pose is None:
            self._begin(ego_before, start_ns)
        elif abs(start_ns - self._end_ns) > 1000:
            raise InputError(
                f"InertialModel.step: begins at {start_ns}: wanted {self._end_ns}, where the last one ended"
            )
        period = _NS / self.spec.rate_hz
        stamps = []
        while (due := self._first_ns + round((self._count + 1) * period)) <= stamp_ns:
            stamps.append(due)
            self._count += 1
        self._end_ns = stamp_ns
        fraction = (np.array(stamps, np.float64) - start_ns) / (dt_s * _NS)
        motion = _motion(ego_before, ego_after, dt_s, fraction)
        return [self._sample(stamp, motion, k) for k, stamp in enumerate(stamps)]

    def _begin(self, ego: EgoState, start_ns: int) -> None:
        self._pose = np.array(ego.pose[:4], np.float64)
        self._first_ns = start_ns

    def _sample(self, stamp_ns: int, motion: _Motion, k: int) -> InertialSample:
        spec, rng, dt = self.spec, self._rng, 1.0 / self.spec.rate_hz
        noise = rng.standard_normal((5, 3))
        self._gyro_bias = self._gyro_bias + spec.gyro_bias_walk * np.sqrt(dt) * noise[0]
        self._force_bias = self._force_bias + spec.accelerometer_bias_walk * np.sqrt(dt) * noise[1]
        speed = float(motion.speed_mps[k])
        gyro_std, force_std, wheel_std = self._white(speed)
        gyro = self._gyro_scale * motion.turning_rps[k] + self._gyro_bias + gyro_std * noise[2]
        force = self._force_scale * motion.force_mps2[k] + self._force_bias + force_std * noise[3]
        wheel = speed * self._wheel_scale + wheel_std * float(noise[4, 0])
        keep = np.exp(-dt / 10.0)
        self._tilt = self._tilt * keep + spec.attitude_rad * np.sqrt(1.0 - keep**2) * noise[4, 1:]
        pose = self._integrate(motion.rotation[k], float(gyro[2]), wheel, (gyro_std, wheel_std))
        return InertialSample(
            stamp_ns, gyro, force, self._of_gyro(gyro, gyro_std), self._of_force(force, force_std), wheel,
            (spec.wheel_scale * wheel) ** 2 + wheel_std**2, pose, self._pose_covariance(),
        )  # fmt: skip

    def _white(self, speed_mps: float) -> tuple[float, float, float]:
        """Standard deviations of a sample's noise: gyro, accelerometer, wheels."""
        spec = self.spec
        root, shaken = np.sqrt(spec.rate_hz), np.sqrt(abs(speed_mps) / 10.0)
        slip = spec.wheel_slip * np.sqrt(abs(speed_mps) * spec.rate_hz)  # white at 1 m: less over longer ways
        return (
            float(np.hypot(spec.gyro_noise * root, spec.gyro_vibration_rps * shaken)),
            float(np.hypot(spec.accelerometer_noise * root, spec.accelerometer_vibration_mps2 * shaken)),
            float(np.hypot(spec.wheel_noise_mps, slip)),
        )

    def _integrate(
        self, rotation: F64, yaw_rate_rps: float, speed_mps: float, std: tuple[float, float]
    ) -> Transform:
        """Dead reckoning over one sample, and its errors with it."""
        assert self._pose is not None
        dt = 1.0 / self.spec.rate_hz
        roll, pitch = np.arctan2(rotation[2, 1], rotation[2, 2]), -np.arcsin(np.clip(rotation[2, 0], -1, 1))
        roll, pitch = roll + self._tilt[0], pitch + self._tilt[1]
        rate = yaw_rate_rps * np.cos(roll) * np.cos(pitch)
        middle, way = self._pose[3] + 0.5 * rate * dt, speed_mps * dt
        ahead = np.array([np.cos(middle) * np.cos(pitch), np.sin(middle) * np.cos(pitch), -np.sin(pitch)])
        self._spread(ahead, way, float(rate), std)
        self._pose = self._pose + np.array([*(way * ahead), rate * dt])
        return Transform.from_xyz_rpy(self._pose[:3], (roll, pitch, self._pose[3]))

    def _spread(self, ahead: F64, way_m: float, rate_rps: float, std: tuple[float, float]) -> None:
        """Covariance of the errors after one sample of this length and direction."""
        spec, dt = self.spec, 1.0 / self.spec.rate_hz
        step, noise = np.eye(8), np.zeros((8, 8))
        step[_X, _YAW], step[_Y, _YAW] = -way_m * ahead[1], way_m * ahead[0]
        step[_X : _Z + 1, _WHEEL] = way_m * ahead
        step[_Z, _PITCH] = -way_m
        step[_YAW, _BIAS], step[_YAW, _SCALE] = dt, rate_rps * dt
        keep = np.exp(-dt / 10.0)
        step[_PITCH, _PITCH] = keep
        noise[: _Z + 1, : _Z + 1] = np.outer(ahead, ahead) * (std[1] * dt) ** 2
        noise[_YAW, _YAW] = (std[0] * dt) ** 2
        noise[_BIAS, _BIAS] = spec.gyro_bias_walk**2 * dt
        noise[_PITCH, _PITCH] = spec.attitude_rad**2 * (1.0 - keep**2)
        self._covariance = step @ self._covariance @ step.T + noise

    def _pose_covariance(self) -> F64:
        out = np.zeros((6, 6))
        rows = [_X, _Y, _Z, _PITCH, _YAW]
        out[np.ix_([0, 1, 2, 4, 5], [0, 1, 2, 4, 5])] = self._covariance[np.ix_(rows, rows)]
        out[3, 3] = self.spec.attitude_rad**2
        return out

    def _of_gyro(self, value: F64, std: float) -> F64:
        spec, var = self.spec, self._covariance[_BIAS, _BIAS]
        return np.diag(std**2 + var + (spec.gyro_scale * value) ** 2)

    def _of_force(self, value: F64, std: float) -> F64:
        spec = self.spec
        elapsed_s = self._count / spec.rate_hz
        bias = spec.accelerometer_bias_mps2**2 + spec.accelerometer_bias_walk**2 * elapsed_s
        return np.diag(std**2 + bias + (spec.accelerometer_scale * value) ** 2)


def _motion(before: EgoState, after: EgoState, dt_s: float, fraction: F64) -> _Motion:
    """Between the two states: speed and turn rate change evenly, the attitude goes the short way.

    Specific force in base_link: v' ahead + omega x v - gravity.
    """
    low, high = np.asarray(before.pose), np.asarray(after.pose)
    turn = (high[3:] - low[3:] + np.pi) % (2 * np.pi) - np.pi
    angles = low[3:] + np.outer(fraction, turn)
    rotation = np.array(
        [Transform.from_xyz_rpy(np.zeros(3), (r, p, y)).rotation for y, p, r in angles]
    ).reshape(-1, 3, 3)
    mean = rotation_vector(before.odom_from_base.rotation.T @ after.odom_from_base.rotation) / dt_s
    turning = np.tile(mean, (len(fraction), 1))
    speed = before.speed_mps + fraction * (after.speed_mps - before.speed_mps)
    ahead = np.zeros((len(fraction), 3))
    ahead[:, 0] = speed
    force = np.cross(turning, ahead) + GRAVITY_MPS2 * rotation[:, 2, :]
    force[:, 0] += (after.speed_mps - before.speed_mps) / dt_s
    return _Motion(rotation, turning, force, speed)
