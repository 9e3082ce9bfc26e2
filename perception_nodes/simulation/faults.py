"""Faults of sensors, in the words of PX4's failure injection (off, stuck, garbage, wrong, slow, delayed, intermittent).

Source of the words: PX4 user guide, System Failure Injection. What each does to a camera or a lidar is ours, because
PX4 injects faults into navigation sensors only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    ConfigurationError,
    Image,
    PointCloud,
    RadarScan,
    check_ranges,
    param,
)
from perception_nodes.geometry import Transform
from perception_nodes.simulation.sensors.inertial_sample import InertialSample

_NS: Final = 1_000_000_000
_STAMPED: Final = (PointCloud, Image, RadarScan, InertialSample)


class FaultKind(Enum):
    """What is wrong with a sensor."""

    OFF = "off"  # nothing comes
    STUCK = "stuck"  # the last value from before comes again, under new stamps
    GARBAGE = "garbage"  # random values
    WRONG = "wrong"  # plausible, but not true: the view is turned
    SLOW = "slow"  # only every `every`-th message comes
    DELAYED = "delayed"  # everything comes `delay_s` later, stamps are true
    INTERMITTENT = "intermittent"  # each message is lost with `loss_probability`


@dataclass(frozen=True)
class Fault:
    """One fault of one sensor from `start_s` of the drive on, for `duration_s`."""

    sensor: str
    kind: FaultKind
    start_s: float = param(0.0, "begin, from the start of the drive", low=0.0)
    duration_s: float = param(float("inf"), "length", low=0.0)
    every: int = param(3, "slow: every how many-th message comes", low=2)
    delay_s: float = param(0.2, "delayed: how much later", low=0.0, high=3600.0)
    loss_probability: float = param(
        0.5, "intermittent: share of the messages that is lost", low=0.0, high=1.0
    )
    turn_rad: float = param(0.1, "wrong: angle by which the view is turned about +z", low=-3.15, high=3.15)

    def __post_init__(self) -> None:
        check_ranges(self)

    def active(self, time_s: float) -> bool:
        """Whether it holds at a time of the drive."""
        return self.start_s <= time_s < self.start_s + self.duration_s

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "fault") -> Fault:
        """From a scenario or a service call. Raises ConfigurationError naming the place and the key."""
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(data) - known):
            raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}: wanted one of {sorted(known)}")
        for key in ("sensor", "kind"):
            if key not in data:
                raise ConfigurationError(f"{where}: {key} is missing")
        words = [kind.value for kind in FaultKind]
        for key in known & set(data) - {"sensor", "kind"}:
            _check_number(key, data[key], where)
        if data["kind"] is False:  # YAML reads a bare off as a truth value
            data = {**data, "kind": "off"}
        if data["kind"] not in words:
            raise ConfigurationError(f"{where}: kind {data['kind']!r}: wanted one of {words}")
        if not isinstance(data["sensor"], str):
            raise ConfigurationError(f"{where}: sensor: wanted a text, got {data['sensor']!r}")
        try:
            return cls(**{**data, "kind": FaultKind(data["kind"])})
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error


def _check_number(key: str, value: Any, where: str) -> None:
    kinds, wanted = (int, "a whole number") if key == "every" else (int | float, "a number")
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if not right or not (abs(value) <= sys.float_info.max or value == float("inf")):
        raise ConfigurationError(f"{where}: {key}: wanted {wanted}, got {repr(value)[:40]}")


@dataclass(frozen=True, eq=False)
class Emission:
    """What a sensor gives out: measured at stamp_ns, sent at publish_ns, both absolute; value as the sensor has it."""

    sensor: str
    stamp_ns: int
    publish_ns: int
    value: Any


@dataclass
class FaultSchedule:
    """Applies faults to what sensors give out, one after the other; random numbers depend on seed, sensor and stamp.

    Raises ConfigurationError if a fault names a sensor that there is not.
    """

    start_ns: int
    sensors: Sequence[str]
    faults: list[Fault] = field(default_factory=list)
    seed: int = 0
    _last: dict[str, Any] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for fault in self.faults:
            self._check(fault)

    def inject(self, fault: Fault) -> None:
        """A further fault, for instance while the drive goes on."""
        self._check(fault)
        self.faults.append(fault)

    def clear(self, sensor: str | None = None) -> None:
        """End all faults of a sensor, or of all."""
        self.faults = [f for f in self.faults if sensor is not None and f.sensor != sensor]

    def apply(self, emissions: Iterable[Emission]) -> list[Emission]:
        """What is really sent, in the order of sending."""
        out = []
        for emission in emissions:
            held = self._through(emission)
            if held is not None:
                out.append(held)
        return sorted(out, key=lambda e: (e.publish_ns, e.sensor))

    def _check(self, fault: Fault) -> None:
        if fault.sensor not in self.sensors:
            raise ConfigurationError(
                f"fault of sensor {fault.sensor!r}: wanted one of {sorted(self.sensors)}"
            )

    def _through(self, emission: Emission) -> Emission | None:
        name = emission.sensor
        number = self._count[name] = self._count.get(name, -1) + 1
        time_s = (emission.publish_ns - self.start_ns) / _NS  # the sensor's own clock may be off
        active = [f for f in self.faults if f.sensor == name and f.active(time_s)]
        if not any(f.kind is FaultKind.STUCK for f in active):
            self._last[name] = emission.value
        key = [self.seed, self.sensors.index(name), emission.stamp_ns]
        rng = np.random.default_rng(key)
        result: Emission | None = emission
        for fault in active:
            if result is None:
                return None
            result = self._one(fault, result, number, rng)
        return result

    def _one(
        self, fault: Fault, emission: Emission, number: int, rng: np.random.Generator
    ) -> Emission | None:
        kind = fault.kind
        if kind is FaultKind.OFF:
            return None
        if kind is FaultKind.SLOW:
            return emission if number % fault.every == 0 else None
        if kind is FaultKind.INTERMITTENT:
            return None if rng.random() < fault.loss_probability else emission
        if kind is FaultKind.DELAYED:
            return replace(emission, publish_ns=emission.publish_ns + round(fault.delay_s * _NS))
        if kind is FaultKind.STUCK:
            held = self._last.get(emission.sensor)
            return None if held is None else replace(emission, value=_restamped(held, emission.stamp_ns))
        spoil = _handler(_GARBAGE if kind is FaultKind.GARBAGE else _WRONG, emission.value)
        return replace(emission, value=spoil(emission.value, fault, rng))


Spoil = Callable[[Any, Fault, np.random.Generator], Any]


def _handler(table: Mapping[type, Spoil], value: Any) -> Spoil:
    for kind, spoil in table.items():
        if isinstance(value, kind):
            return spoil
    raise ConfigurationError(
        f"fault: no rule for a {type(value).__name__}: there are {[k.__name__ for k in table]}"
    )


def _restamped(value: Any, stamp_ns: int) -> Any:
    return replace(value, stamp_ns=stamp_ns) if isinstance(value, _STAMPED) else value


def _garbage_cloud(cloud: PointCloud, _: Fault, rng: np.random.Generator) -> PointCloud:
    """As many points, anywhere within 100 m, any intensity."""
    n = len(cloud)
    xyz = rng.uniform(-100.0, 100.0, (n, 3)).astype(np.float32)
    intensity = None if cloud.intensity is None else rng.uniform(0, 255, n).astype(np.float32)
    return replace(cloud, xyz_m=xyz, intensity=intensity)


def _wrong_cloud(cloud: PointCloud, fault: Fault, _: np.random.Generator) -> PointCloud:
    return replace(cloud, xyz_m=_turned(cloud.xyz_m, fault.turn_rad))


def _turned(xyz_m: npt.NDArray[np.float32], turn_rad: float) -> npt.NDArray[np.float32]:
    """Turned about the sensor's z axis: as if the mounting had shifted."""
    c, s = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
    x, y, z = xyz_m.T
    return np.stack([c * x - s * y, s * x + c * y, z], axis=1)


def _garbage_radar(scan: RadarScan, _: Fault, rng: np.random.Generator) -> RadarScan:
    """As many detections, anywhere within 100 m, at any speed."""
    n = len(scan.xyz_m)
    xyz = rng.uniform(-100.0, 100.0, (n, 3)).astype(np.float32)
    speed = rng.uniform(-70.0, 70.0, n).astype(np.float32)
    rcs = None if scan.rcs_dbsm is None else rng.uniform(-30.0, 40.0, n).astype(np.float32)
    return replace(scan, xyz_m=xyz, radial_speed_mps=speed, rcs_dbsm=rcs)


def _wrong_radar(scan: RadarScan, fault: Fault, _: np.random.Generator) -> RadarScan:
    return replace(scan, xyz_m=_turned(scan.xyz_m, fault.turn_rad))


def _garbage_inertial(sample: InertialSample, _: Fault, rng: np.random.Generator) -> InertialSample:
    """Anything that the wires can carry, under the covariances of a sane sensor."""
    x, y, z, yaw = rng.uniform(-100.0, 100.0, 4)
    return replace(
        sample,
        angular_velocity_rps=rng.uniform(-10.0, 10.0, 3),
        acceleration_mps2=rng.uniform(-50.0, 50.0, 3),
        wheel_speed_mps=float(rng.uniform(-70.0, 70.0)),
        odom_from_base=Transform.from_xyz_rpy((x, y, z), (0.0, 0.0, yaw)),
    )


def _wrong_inertial(sample: InertialSample, fault: Fault, _: np.random.Generator) -> InertialSample:
    """A bias of the gyro in rad/s, and the heading off by as many rad, as of a unit that was not calibrated."""
    bias = np.array([0.0, 0.0, fault.turn_rad])
    turn = Transform.from_xyz_rpy((0.0, 0.0, 0.0), bias)
    return replace(
        sample,
        angular_velocity_rps=sample.angular_velocity_rps + bias,
        odom_from_base=sample.odom_from_base @ turn,
    )


def _garbage_image(image: Image, _: Fault, rng: np.random.Generator) -> Image:
    return replace(image, bgr=rng.integers(0, 256, image.bgr.shape, np.uint8))


def _wrong_image(image: Image, fault: Fault, _: np.random.Generator) -> Image:
    """Shifted sideways by the share of the width that the angle is of 90 degrees."""
    shift = round(fault.turn_rad / (np.pi / 2) * image.bgr.shape[1])
    return replace(image, bgr=np.roll(image.bgr, shift, axis=1))


_GARBAGE: Final[dict[type, Spoil]] = {
    PointCloud: _garbage_cloud,
    Image: _garbage_image,
    RadarScan: _garbage_radar,
    InertialSample: _garbage_inertial,
}
_WRONG: Final[dict[type, Spoil]] = {
    PointCloud: _wrong_cloud,
    Image: _wrong_image,
    RadarScan: _wrong_radar,
    InertialSample: _wrong_inertial,
}
