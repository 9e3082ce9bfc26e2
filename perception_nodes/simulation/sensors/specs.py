"""From the `model:` of a sensor in a rig file to the parameters of its model."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from perception_nodes.datatypes import ConfigurationError, check_ranges, param

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Mounting:
    """How a sensor really sits and keeps time, against what the rig file says of it; for any sensor.

    error_xyz_m, error_rpy_rad: of base_from_sensor; clock_s: stamps are late by it; latency_s: from the stamp until
    the message is sent.
    """

    error_xyz_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    error_rpy_rad: tuple[float, ...] = (0.0, 0.0, 0.0)
    clock_s: float = param(0.0, "stamp minus true time", low=-10.0, high=10.0)
    latency_s: float = param(0.0, "from the true time until it is sent", low=0.0, high=10.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        for name in ("error_xyz_m", "error_rpy_rad"):
            if len(getattr(self, name)) != 3:
                raise ConfigurationError(f"Mounting.{name}: wanted 3 numbers, got {getattr(self, name)}")

    @classmethod
    def split(cls, model: Mapping[str, Any], where: str) -> tuple[Mounting, dict[str, Any]]:
        """The mounting in a `model:`, and what is left of it for the sensor's own parameters."""
        names = {f.name for f in dataclasses.fields(cls)}
        own = {key: value for key, value in model.items() if key in names}
        rest = {key: value for key, value in model.items() if key not in names}
        return read_model(cls, own, where), rest


def read_model(cls: type[T], data: Mapping[str, Any], where: str, base: T | None = None) -> T:
    """`data` as a `cls`, over the values of `base` (None = the defaults).

    Raises ConfigurationError naming the place, the key, what was wanted and what came.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    base = cls() if base is None else base
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"wanted one of {sorted(fields)}"
            raise ConfigurationError(f"{where}: unknown key {key!r}: {hint}")
        values[key] = _like(getattr(base, key), value, f"{where}: {key}")
    try:
        return dataclasses.replace(base, **values)  # type: ignore[type-var]
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _like(example: Any, value: Any, where: str) -> Any:
    """The value in the type of the example."""
    number = _is_number(value)
    if isinstance(example, tuple):
        if isinstance(value, list | tuple) and all(map(_is_number, value)):
            return tuple(map(float, value))
        raise ConfigurationError(f"{where}: wanted a list of numbers, got {repr(value)[:80]}")
    if isinstance(example, bool):
        right, word = isinstance(value, bool), "true or false"
    elif isinstance(example, int):
        right, word = number and float(value).is_integer(), "a whole number"
        value = int(value) if right else value
    elif isinstance(example, float):
        right, word = number, "a number"
        value = float(value) if right else value
    else:
        right, word = isinstance(value, str), "a text"
    if not right:
        raise ConfigurationError(f"{where}: wanted {word}, got {repr(value)[:80]}")
    return value


def _is_number(value: Any) -> bool:
    """Whether it is a finite one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
