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
from numba import njit

from perception_nodes.datatypes import InputError, check_ranges, param
from perception_nodes.geometry import Transform, rotation_vector
from perception_nodes.simulation.traffic.states import EgoState

from .inertial_sample import InertialSample
from .specs import read_model

__all__ = ["InertialModel", "InertialSample", "InertialSpec", "inertial_spec"]

F64 = npt.NDArray[np.float64]

GRAVITY_MPS2: Final = 9.80665
_NS: Final = 1_000_000_000
# Vibration about x, y, z (gyro) and along them (accelerometer) against the figure of the spec.
_SHAKEN: Final = (np.array([1.2, 2.0, 0.5]), np.array([1.0, 0.7, 1.2]))
_WANDER_S: Final = 10.0  # in which roll and pitch forget their errors
# State of the errors: x, y, z, yaw, scale of the wheels, bias of the yaw gyro, scale of the gyro, pitch.
_X, _Y, _Z, _YAW, _WHEEL, _BIAS, _SCALE, _PITCH = range(8)


@dataclass(frozen=True)
class InertialSpec:
    """An automotive MEMS unit and the wheels' pulse counters.

    Noise densities and bias figures: public data sheets of such units (Bosch SMI230, TDK IAM-20680); biases are what is
    left after the calibration at each standstill. Vibration, wheels: the order of what the car of comma2k19 shows
    (gyro 0.006, 0.02, 0.002 rad/s and accelerometer 0.6, 0.25, 0.4 m/s2 of a phone behind its windscreen, wheels 0.03
    m/s, 0.9 % off).
    """

    rate_hz: float = param(100.0, "samples", low=1.0, high=1000.0)
    gyro_noise: float = param(2.5e-4, "white, rad/s per root Hz", low=0.0, high=0.1)
    gyro_bias_rps: float = param(3e-4, "std of the first bias", low=0.0, high=0.1)
    gyro_bias_walk: float = param(4e-6, "rad/s per root s", low=0.0, high=0.01)
    gyro_scale: float = param(0.003, "std of the scale error", low=0.0, high=0.1)
    gyro_vibration_rps: float = param(0.004, "std at 10 m/s, axes by _SHAKEN", low=0.0, high=1.0)
    accelerometer_noise: float = param(1.8e-3, "white, m/s2 per root Hz", low=0.0, high=1.0)
    accelerometer_bias_mps2: float = param(0.04, "std of the first bias", low=0.0, high=5.0)
    accelerometer_bias_walk: float = param(5e-5, "m/s2 per root s", low=0.0, high=0.1)
    accelerometer_scale: float = param(0.003, "std of the scale error", low=0.0, high=0.1)
    accelerometer_vibration_mps2: float = param(0.3, "std at 10 m/s, axes by _SHAKEN", low=0.0, high=20.0)
    wheel_scale: float = param(0.008, "std of the error of the wheels' radius", low=0.0, high=0.1)
    wheel_slip: float = param(0.0007, "std of the slip over 1 m, share of the way", low=0.0, high=0.5)
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


@dataclass(frozen=True, eq=False)
class _Shown:
    """What the sensors show at S times, and the standard deviations of their white noise."""

    gyro_rps: F64
    force_mps2: F64
    wheel_mps: F64
    roll_rad: F64
    pitch_rad: F64
    gyro_std: F64
    force_std: F64
    wheel_std: F64


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
        self._pose = np.zeros(4)  # x, y, z, yaw
        first = np.zeros(8)
        first[[_WHEEL, _BIAS, _SCALE, _PITCH]] = (
            spec.wheel_scale, spec.gyro_bias_rps, spec.gyro_scale, spec.attitude_rad,
        )  # fmt: skip
        self._covariance = np.diag(first**2)
        self._begun, self._first_ns, self._end_ns, self._count = False, 0, 0, 0

    def step(
        self, ego_before: EgoState, ego_after: EgoState, dt_s: float, stamp_ns: int
    ) -> list[InertialSample]:
        """The samples after the begin of the step and up to its end, which is at stamp_ns.

        Raises InputError for a step that is not longer than 0 or does not begin where the last one ended.
        """
        if not 0.0 < dt_s < 10.0:
            raise InputError(f"InertialModel.step: dt_s {dt_s}: wanted more than 0 and less than 10")
        start_ns = stamp_ns - round(dt_s * _NS)
        if not self._begun:
            self._begun, self._first_ns, self._pose = (
                True,
                start_ns,
                np.array(ego_before.pose[:4], np.float64),
            )
        elif abs(start_ns - self._end_ns) > 1000:
            raise InputError(
                f"InertialModel.step: begins at {start_ns}: wanted {self._end_ns}, where the last one ended"
            )
        self._end_ns = stamp_ns
        stamps = self._due(stamp_ns)
        if not stamps:
            return []
        fraction = (np.array(stamps, np.float64) - start_ns) / (dt_s * _NS)
        shown = self._show(_motion(ego_before, ego_after, dt_s, fraction))
        return self._samples(stamps, shown)

    def _due(self, stamp_ns: int) -> list[int]:
        out = []
        while (due := self._first_ns + round((self._count + 1) * _NS / self.spec.rate_hz)) <= stamp_ns:
            out.append(due)
            self._count += 1
        return out

    def _show(self, motion: _Motion) -> _Shown:
        """The motion with the errors of the sensors; the order of drawing does not depend on the steps."""
        spec, n, dt = self.spec, len(motion.speed_mps), 1.0 / self.spec.rate_hz
        noise = self._rng.standard_normal((n, 5, 3))
        gyro_bias = self._gyro_bias + spec.gyro_bias_walk * np.sqrt(dt) * noise[:, 0].cumsum(axis=0)
        force_bias = self._force_bias + spec.accelerometer_bias_walk * np.sqrt(dt) * noise[:, 1].cumsum(
            axis=0
        )
        self._gyro_bias, self._force_bias = gyro_bias[-1], force_bias[-1]
        gyro_std, force_std, wheel_std = self._white(motion.speed_mps)
        keep = np.exp(-dt / _WANDER_S)
        tilt = np.empty((n, 2))
        for k in range(n):
            fresh = spec.attitude_rad * np.sqrt(1.0 - keep**2) * noise[k, 4, 1:]
            self._tilt = tilt[k] = self._tilt * keep + fresh
        r = motion.rotation
        return _Shown(
            self._gyro_scale * motion.turning_rps + gyro_bias + gyro_std * noise[:, 2],
            self._force_scale * motion.force_mps2 + force_bias + force_std * noise[:, 3],
            motion.speed_mps * self._wheel_scale + wheel_std * noise[:, 4, 0],
            np.arctan2(r[:, 2, 1], r[:, 2, 2]) + tilt[:, 0],
            -np.arcsin(np.clip(r[:, 2, 0], -1.0, 1.0)) + tilt[:, 1],
            gyro_std,
            force_std,
            wheel_std,
        )

    def _white(self, speed_mps: F64) -> tuple[F64, F64, F64]:
        """Standard deviations of the noise of samples: gyro (S, 3), accelerometer (S, 3), wheels (S,)."""
        spec, fast = self.spec, np.abs(speed_mps)
        root, shaken = np.sqrt(spec.rate_hz), np.sqrt(fast / 10.0)
        slip = spec.wheel_slip * np.sqrt(fast * spec.rate_hz)  # white at 1 m: less over longer ways
        return (
            np.hypot(spec.gyro_noise * root, spec.gyro_vibration_rps * np.outer(shaken, _SHAKEN[0])),
            np.hypot(
                spec.accelerometer_noise * root,
                spec.accelerometer_vibration_mps2 * np.outer(shaken, _SHAKEN[1]),
            ),
            np.hypot(spec.wheel_noise_mps, slip),
        )

    def _samples(self, stamps: list[int], shown: _Shown) -> list[InertialSample]:
        spec, dt = self.spec, 1.0 / self.spec.rate_hz
        rate = shown.gyro_rps[:, 2] * np.cos(shown.roll_rad) * np.cos(shown.pitch_rad)
        yaw = self._pose[3] + dt * rate.cumsum()
        middle, level = yaw - 0.5 * dt * rate, np.cos(shown.pitch_rad)
        ahead = np.stack([np.cos(middle) * level, np.sin(middle) * level, -np.sin(shown.pitch_rad)], axis=1)
        way = shown.wheel_mps * dt
        xyz = self._pose[:3] + (way[:, None] * ahead).cumsum(axis=0)
        walks = (dt, spec.gyro_bias_walk, spec.attitude_rad, float(np.exp(-dt / _WANDER_S)))
        errors = _spread(self._covariance, ahead, way, rate, shown.gyro_std[:, 2], shown.wheel_std, walks)
        self._pose, self._covariance = np.array([*xyz[-1], yaw[-1]]), errors[-1]
        poses = self._pose_covariances(errors)
        of_gyro, of_force = self._covariances(shown, errors)
        of_wheel = (spec.wheel_scale * shown.wheel_mps) ** 2 + shown.wheel_std**2
        return [
            InertialSample(
                stamp, shown.gyro_rps[k], shown.force_mps2[k], of_gyro[k], of_force[k],
                float(shown.wheel_mps[k]), float(of_wheel[k]),
                Transform.from_xyz_rpy(xyz[k], (shown.roll_rad[k], shown.pitch_rad[k], yaw[k])), poses[k],
            )
            for k, stamp in enumerate(stamps)
        ]  # fmt: skip

    def _pose_covariances(self, errors: F64) -> F64:
        """(S, 6, 6) of x, y, z, roll, pitch, yaw."""
        out = np.zeros((len(errors), 6, 6))
        to, of = np.array([0, 1, 2, 4, 5]), np.array([_X, _Y, _Z, _PITCH, _YAW])
        out[:, to[:, None], to] = errors[:, of[:, None], of]
        out[:, 3, 3] = self.spec.attitude_rad**2
        return out

    def _covariances(self, shown: _Shown, errors: F64) -> tuple[F64, F64]:
        """(S, 3, 3) of the gyro and of the accelerometer: noise, bias and scale together."""
        spec = self.spec
        elapsed_s = (self._count + np.arange(1 - len(errors), 1)) / spec.rate_hz
        gyro_bias = errors[:, _BIAS, _BIAS]
        force_bias = spec.accelerometer_bias_mps2**2 + spec.accelerometer_bias_walk**2 * elapsed_s
        gyro = shown.gyro_std**2 + gyro_bias[:, None] + (spec.gyro_scale * shown.gyro_rps) ** 2
        force = shown.force_std**2 + force_bias[:, None] + (spec.accelerometer_scale * shown.force_mps2) ** 2
        return gyro[:, :, None] * np.eye(3), force[:, :, None] * np.eye(3)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _spread(
    covariance: Any, ahead: Any, way: Any, rate: Any, gyro_std: Any, wheel_std: Any, walks: Any
) -> Any:
    """(S, 8, 8) covariance of the errors after each sample, by the derivatives of the dead reckoning."""
    dt, bias_walk, attitude, keep = walks
    out = np.empty((len(way), 8, 8))
    now = covariance
    for k in range(len(way)):
        step = np.eye(8)
        step[_X, _YAW], step[_Y, _YAW] = -way[k] * ahead[k, 1], way[k] * ahead[k, 0]
        for c in range(3):
            step[c, _WHEEL] = way[k] * ahead[k, c]
        step[_Z, _PITCH] = -way[k]
        step[_YAW, _BIAS], step[_YAW, _SCALE] = dt, rate[k] * dt
        step[_PITCH, _PITCH] = keep
        now = step @ now @ step.T
        for a in range(3):
            for b in range(3):
                now[a, b] += ahead[k, a] * ahead[k, b] * (wheel_std[k] * dt) ** 2
        now[_YAW, _YAW] += (gyro_std[k] * dt) ** 2
        now[_BIAS, _BIAS] += bias_walk**2 * dt
        now[_PITCH, _PITCH] += attitude**2 * (1.0 - keep**2)
        out[k] = now
    return out


def _motion(before: EgoState, after: EgoState, dt_s: float, fraction: F64) -> _Motion:
    """Between the two states: speed and turn rate change evenly, the attitude goes the short way.

    Specific force in base_link: v' ahead + omega x v - gravity.
    """
    low, high = np.asarray(before.pose), np.asarray(after.pose)
    turn = (high[3:] - low[3:] + np.pi) % (2 * np.pi) - np.pi
    angles = low[3:] + np.outer(fraction, turn)
    rotation = np.array([Transform.from_xyz_rpy(np.zeros(3), (r, p, y)).rotation for y, p, r in angles])
    mean = rotation_vector(before.odom_from_base.rotation.T @ after.odom_from_base.rotation) / dt_s
    turning = np.tile(mean, (len(fraction), 1))
    speed = before.speed_mps + fraction * (after.speed_mps - before.speed_mps)
    ahead = np.zeros((len(fraction), 3))
    ahead[:, 0] = speed
    force = np.cross(turning, ahead) + GRAVITY_MPS2 * rotation[:, 2, :]
    force[:, 0] += (after.speed_mps - before.speed_mps) / dt_s
    return _Motion(rotation, turning, force, speed)
