"""SensorStatus messages to values, and what silence makes of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from perception_nodes.datatypes import Modality, Qualifier, SensorReason, SensorStatus


def sensor_statuses(messages: Iterable[Any]) -> tuple[SensorStatus, ...]:
    """SensorStatus[] of a FrameInfo or a heartbeat."""
    return tuple(_status(m) for m in messages)


def stale(status: SensorStatus, stamp_ns: int) -> SensorStatus:
    """The status of a sensor of which nothing has come for the output of `stamp_ns`."""
    age_s = (stamp_ns - status.measurement_time_ns) * 1e-9 if status.measurement_time_ns else float("nan")
    return replace(status, qualifier=Qualifier.NOT_AVAILABLE, reason=SensorReason.STALE, age_s=age_s)


def _status(message: Any) -> SensorStatus:
    return SensorStatus(
        name=str(message.name),
        modality=Modality(int(message.modality)),
        qualifier=Qualifier(int(message.qualifier)),
        reason=SensorReason(int(message.reason)),
        measurement_time_ns=int(message.measurement_time_ns),
        age_s=float(message.age_s),
        rate_hz=float(message.rate_hz),
        expected_rate_hz=float(message.expected_rate_hz),
        received=int(message.received),
        used=int(message.used),
        dropped=int(message.dropped),
        estimated_offset_s=float(message.estimated_offset_s),
    )
