"""Frame sets, drops, health and latency: the accounting that travels beside the data."""

from __future__ import annotations

from dataclasses import dataclass, field

from .enums import DropReason, Modality, Mode, Qualifier, SensorReason, Trigger
from .errors import MalformedMessage


@dataclass(frozen=True)
class FrameSet:
    """The stamps that belong together; `stamp_ns[i] == 0` means that sensor i is missing.

    sensors: sensor names, the reference (lidar) first. stamp_ns: measurement time as stamped, per sensor.
    residual_s: offset-corrected stamp minus reference stamp (NaN where missing).
    received_ns: node clock when the message of sensor i arrived (0 = missing).
    """

    sequence: int
    reference_ns: int
    sensors: tuple[str, ...]
    stamp_ns: tuple[int, ...]
    residual_s: tuple[float, ...]
    complete: bool
    trigger: Trigger
    received_ns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.sensors), len(self.stamp_ns), len(self.residual_s)}
        if len(lengths) != 1:
            raise MalformedMessage(f"FrameSet: sensors, stamp_ns, residual_s have lengths {sorted(lengths)}")

    def stamp_of(self, sensor: str) -> int | None:
        """Stamp of one sensor in this set, None if it is missing or not part of the rig."""
        for name, stamp in zip(self.sensors, self.stamp_ns, strict=True):
            if name == sensor:
                return stamp or None
        return None


@dataclass(frozen=True)
class Drop:
    """One received message that was not used, and why."""

    stamp_ns: int
    frame_id: str
    topic: str
    reason: DropReason
    age_s: float = float("nan")
    limit_s: float = float("nan")
    detail: str = ""


@dataclass(frozen=True)
class SensorStatus:
    """State of one sensor as a node sees it; `received == used + dropped` at all times."""

    name: str
    modality: Modality
    qualifier: Qualifier = Qualifier.UNKNOWN
    reason: SensorReason = SensorReason.STARTING
    measurement_time_ns: int = 0
    age_s: float = float("nan")
    rate_hz: float = float("nan")
    expected_rate_hz: float = float("nan")
    received: int = 0
    used: int = 0
    dropped: int = 0
    estimated_offset_s: float = float("nan")


@dataclass(frozen=True)
class LatencyTrace:
    """Stage by stage: when each began and ended, in wall-clock ns of one host (`clock`, `host`).

    `sensor_time_*_ns` are in ROS time (the stamps), the stages in `clock`.
    """

    clock: str
    host: str
    sensor_time_oldest_ns: int
    sensor_time_newest_ns: int
    stage: tuple[str, ...] = ()
    start_ns: tuple[int, ...] = ()
    end_ns: tuple[int, ...] = ()

    def extended(self, stage: str, start_ns: int, end_ns: int) -> LatencyTrace:
        """This trace with one more stage at the end."""
        return LatencyTrace(
            self.clock,
            self.host,
            self.sensor_time_oldest_ns,
            self.sensor_time_newest_ns,
            (*self.stage, stage),
            (*self.start_ns, start_ns),
            (*self.end_ns, end_ns),
        )


@dataclass(frozen=True)
class FrameInfo:
    """What every output says about itself, see `msg/FrameInfo.msg`."""

    session_id: int
    sequence: int
    mode: Mode
    latency: LatencyTrace
    valid: bool = True
    invalid_reason: str = ""
    degraded_mask: int = 0
    model_id: str = ""
    model_hash: str = ""
    config_hash: str = ""
    calibration_id: str = ""
    coverage_fraction: float = float("nan")
    sensors: tuple[SensorStatus, ...] = field(default=())
