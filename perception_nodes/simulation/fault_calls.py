"""Faults injected and ended while a drive goes on, by the words of a call."""

from __future__ import annotations

from typing import Any, Final

from perception_nodes.datatypes import ConfigurationError

from .faults import Fault, FaultKind, FaultSchedule

# What the one number of a call means for each kind that has one.
_NUMBER: Final = {
    FaultKind.SLOW: "every",
    FaultKind.DELAYED: "delay_s",
    FaultKind.INTERMITTENT: "loss_probability",
    FaultKind.WRONG: "turn_rad",
}
MENDED: Final = "ok"


def change_faults(
    schedule: FaultSchedule, sensor: str, kind: str, now_s: float, times_s: tuple[float, float], value: float
) -> str:
    """Begin a fault `times_s[0]` from now for `times_s[1]` (0 = until mended), or end those of a sensor (kind "ok").

    value: the number of the kind, 0 = its default. Returns what holds now, in words; raises ConfigurationError for
    words that do not exist, sensors that there are not, and numbers out of range.
    """
    if kind == MENDED:
        if sensor and sensor not in schedule.sensors:
            raise ConfigurationError(
                f"sensor {sensor!r}: wanted one of {sorted(schedule.sensors)}, or none for all"
            )
        schedule.clear(sensor or None)
        return f"{sensor or 'all sensors'}: ok"
    start_s, duration_s = times_s
    data: dict[str, Any] = {"sensor": sensor, "kind": kind, "start_s": now_s + start_s}
    if not start_s >= 0:
        raise ConfigurationError(f"start_s {start_s}: wanted at least 0")
    if duration_s:
        data["duration_s"] = duration_s
    words = [k.value for k in FaultKind]
    if kind not in words:
        raise ConfigurationError(f"kind {kind!r}: wanted one of {[*words, MENDED]}")
    if value:
        name = _NUMBER.get(FaultKind(kind))
        if name is None:
            raise ConfigurationError(f"kind {kind!r} takes no value, got {value}")
        data[name] = int(value) if name == "every" and float(value).is_integer() else value
    schedule.inject(Fault.from_dict(data, "inject_fault"))
    until = f"for {duration_s:g} s" if duration_s else "until it is mended"
    return f"{sensor}: {kind} from {now_s + start_s:.1f} s of the drive on, {until}"
