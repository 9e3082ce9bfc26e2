"""SensorStatus messages to values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perception_nodes.datatypes import Modality, Qualifier, SensorReason, SensorStatus


def sensor_statuses(messages: Iterable[Any]) -> tuple[SensorStatus, ...]:
    """SensorStatus[] of a FrameInfo or a heartbeat."""
    return tuple(_status(m) for m in messages)


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
