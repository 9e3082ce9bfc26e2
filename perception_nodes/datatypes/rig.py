"""The rig: which sensors a vehicle carries, on which topics and frames. Written as `config/rigs/*.yaml`."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .enums import Modality
from .errors import ConfigurationError

_TOPIC = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
_MODALITIES = {"lidar": Modality.LIDAR, "camera": Modality.CAMERA, "radar": Modality.RADAR}
_NUMBER, _TEXT, _BOOL = ((int, float), "a number"), (str, "a text"), (bool, "true or false")
# By key, of sensors and of rigs.
_KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("topic", "info_topic", "frame"), _TEXT),
    **dict.fromkeys(("name", "reference", "base_frame", "odom_frame", "odometry_topic"), _TEXT),
    **dict.fromkeys(("rate_hz", "offset_s", "base_to_center_m", "fov_rad"), _NUMBER),
    **dict.fromkeys(("motion_compensated", "required"), _BOOL),
}
# Room for a hand that writes 6.2832.
_WHOLE_TURN_RAD = 6.2832


@dataclass(frozen=True)
class SensorSpec:
    """One sensor.

    name: key used in outputs; topic: payload topic; info_topic: CameraInfo topic of a camera ("" = none);
    frame: frame_id that its messages carry ("" = take what the messages say); rate_hz: promised rate;
    motion_compensated: the sweep has already been compensated, per-point times are not to be used;
    mount_xyz_m, mount_rpy_rad: base_from_sensor where the input has no /tf_static (None = from tf);
    offset_s: known clock offset (stamp minus true time) to the reference;
    required: a frame set without it is not complete;
    fov_rad: horizontal field of view of a lidar, in equal parts to both sides of its x axis (2 pi: all around);
    model: how the simulator renders it (`simulation/sensors`), e.g. {type: pandar64}; empty = by its modality.
    """

    name: str
    modality: Modality
    topic: str
    info_topic: str = ""
    frame: str = ""
    rate_hz: float = 10.0
    motion_compensated: bool = False
    mount_xyz_m: tuple[float, float, float] | None = None
    mount_rpy_rad: tuple[float, float, float] | None = None
    offset_s: float = 0.0
    required: bool = True
    fov_rad: float = 2 * math.pi
    model: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for topic in (self.topic, *((self.info_topic,) if self.info_topic else ())):
            if not _TOPIC.fullmatch(topic):
                wanted = "wanted an absolute name of letters, digits, _ and /"
                raise ConfigurationError(f"rig: sensor {self.name!r}: topic {topic!r}: {wanted}")
        if not self.rate_hz > 0:
            raise ConfigurationError(f"rig: sensor {self.name!r}: rate_hz {self.rate_hz}: wanted > 0")
        if not 0 < self.fov_rad <= _WHOLE_TURN_RAD:
            raise ConfigurationError(
                f"rig: sensor {self.name!r}: fov_rad {self.fov_rad}: wanted more than 0, up to 2 pi"
            )
        if (self.mount_xyz_m is None) != (self.mount_rpy_rad is None):
            raise ConfigurationError(
                f"rig: sensor {self.name!r}: give both mount_xyz_m and mount_rpy_rad, or none"
            )


@dataclass(frozen=True)
class Rig:
    """All sensors and the frames of one vehicle.

    reference: the sensor that paces the frames (a lidar); inertial: how the simulator renders IMU and wheel odometry.
    """

    name: str
    reference: str
    sensors: tuple[SensorSpec, ...]
    base_frame: str = "base_link"
    odom_frame: str = "odom"
    odometry_topic: str = ""
    vehicle_lwh_m: tuple[float, float, float] = (4.6, 1.9, 1.6)
    base_to_center_m: float = 0.0
    notes: tuple[str, ...] = field(default=())
    inertial: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.odometry_topic and not _TOPIC.fullmatch(self.odometry_topic):
            raise ConfigurationError(
                f"rig {self.name!r}: odometry_topic {self.odometry_topic!r}: wanted an absolute name"
            )
        if not all(v > 0 for v in self.vehicle_lwh_m):
            raise ConfigurationError(
                f"rig {self.name!r}: vehicle_lwh_m {list(self.vehicle_lwh_m)}: wanted more than 0"
            )
        names = [s.name for s in self.sensors]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"rig {self.name!r}: a sensor name occurs twice: {sorted(names)}")
        if self.reference not in names:
            raise ConfigurationError(
                f"rig {self.name!r}: reference {self.reference!r}: wanted one of {sorted(names)}"
            )

    def of(self, modality: Modality) -> tuple[SensorSpec, ...]:
        """Sensors of one modality, in the order of the file."""
        return tuple(s for s in self.sensors if s.modality == modality)

    def sensor(self, name: str) -> SensorSpec:
        """One sensor by name; raises ConfigurationError if there is none."""
        for spec in self.sensors:
            if spec.name == name:
                return spec
        raise ConfigurationError(
            f"rig {self.name!r}: no sensor {name!r}: it has {[s.name for s in self.sensors]}"
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "rig") -> Rig:
        """From the content of a rig file; raises ConfigurationError naming file, sensor and key."""
        values = _known(dict(data), cls, where)
        sensors = values.get("sensors")
        if not isinstance(sensors, Mapping) or not sensors:
            raise ConfigurationError(
                f"{where}: sensors: wanted a mapping of names to sensors, got {sensors!r}"
            )
        values["sensors"] = tuple(_sensor(str(k), v, where) for k, v in sensors.items())
        values.setdefault("reference", next(iter(sensors)))
        values["inertial"] = _mapping(values.get("inertial"), f"{where}: inertial")
        _check_kinds(values, where)
        if "vehicle_lwh_m" in values:
            values["vehicle_lwh_m"] = _three_numbers(values["vehicle_lwh_m"], f"{where}: vehicle_lwh_m")
        notes = values.get("notes", ())
        if isinstance(notes, str) or not isinstance(notes, Sequence):
            raise ConfigurationError(f"{where}: notes: wanted a list of texts, got {notes!r}")
        values["notes"] = tuple(notes)
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigurationError(f"{where}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain content for a YAML file; `from_dict` reads it back to an equal rig."""
        out = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "sensors"}
        out["vehicle_lwh_m"], out["notes"] = list(self.vehicle_lwh_m), list(self.notes)
        out["inertial"] = dict(self.inertial)
        out["sensors"] = {s.name: _sensor_to_dict(s) for s in self.sensors}
        return out


class _Loader(yaml.SafeLoader):
    """YAML in which no key may be given twice: of two sensors of one name one would vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"{key.value} is given twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def load_rig(path: Path) -> Rig:
    """Read a rig file; raises ConfigurationError naming the file if it is missing or not a valid rig."""
    try:
        data = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise ConfigurationError(f"rig file {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(f"rig file {path}: not YAML: {error}") from error
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"rig file {path}: wanted a mapping, got {type(data).__name__}")
    return Rig.from_dict(data, str(path))


def save_rig(rig: Rig, path: Path) -> None:
    """Write a rig file."""
    path.write_text(yaml.safe_dump(rig.to_dict(), sort_keys=False))


def _known(values: dict[str, Any], owner: Any, where: str) -> dict[str, Any]:
    names = [f.name for f in dataclasses.fields(owner)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}: wanted one of {names}")
    return values


def _sensor(name: str, data: Any, where: str) -> SensorSpec:
    where = f"{where}: sensor {name!r}"
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{where}: wanted a mapping, got {data!r}")
    values = _known({**data, "name": name}, SensorSpec, where)
    word = str(values.get("modality"))
    if word not in _MODALITIES:
        raise ConfigurationError(f"{where}: modality {word!r}: wanted one of {sorted(_MODALITIES)}")
    values["modality"] = _MODALITIES[word]
    _check_kinds(values, where)
    for key in ("mount_xyz_m", "mount_rpy_rad"):
        if values.get(key) is not None:
            values[key] = _three_numbers(values[key], f"{where}: {key}")
    values["model"] = _mapping(values.get("model"), f"{where}: model")
    try:
        return SensorSpec(**values)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _check_kinds(values: Mapping[str, Any], where: str) -> None:
    for key, (kinds, wanted) in _KINDS.items():
        value = values.get(key)
        right = isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool)
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            right = False
        if key in values and not right:
            raise ConfigurationError(f"{where}: {key}: wanted {wanted}, got {repr(value)[:40]}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: wanted a mapping, got {value!r}")
    return dict(value or {})


def _three_numbers(value: Any, where: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ConfigurationError(f"{where}: wanted 3 numbers, got {value!r}")
    return numbers


def _sensor_to_dict(spec: SensorSpec) -> dict[str, Any]:
    out = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}
    del out["name"]
    if spec.fov_rad == 2 * math.pi:
        del out["fov_rad"]  # of most; what is told apart by the content of its rig stays the same
    out["modality"], out["model"] = spec.modality.name.lower(), dict(spec.model)
    for key in ("mount_xyz_m", "mount_rpy_rad"):
        out[key] = None if out[key] is None else list(out[key])
    return out
