"""ROS parameters out of the frozen dataclasses of the stages: type, default, range and description live there only."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception_nodes.datatypes import ConfigurationError

from .names import nearest

Config = TypeVar("Config")
NO_EFFECT = "is not one of this node and has no effect"
_HUGE = 1.0e300
_HUGE_INT = 2**62


def declare_config(node: Node, cls: type[Config], prefix: str = "") -> Config:
    """Declare every field of `cls` as a parameter `prefix.field` and return the dataclass with the values given.

    Raises ConfigurationError naming the parameter if a value is of the wrong type or out of range.
    """
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = f"{prefix}.{field.name}" if prefix else field.name
        values[field.name] = declare(node, name, field.default, field.metadata)
    return cls(**values)


def declare(node: Node, name: str, default: Any, metadata: Any = None) -> Any:
    """Declare one parameter and return its value (tuples are arrays in ROS; an empty one is of strings)."""
    metadata = metadata or {}
    wire = list(default) if isinstance(default, tuple) else default
    descriptor = ParameterDescriptor(description=metadata.get("help", ""), read_only=False)
    descriptor.dynamic_typing = bool(metadata.get("dynamic"))
    _set_range(descriptor, default, metadata.get("low"), metadata.get("high"))
    start = Parameter.Type.STRING_ARRAY if wire == [] else wire
    try:
        node.declare_parameter(name, start, descriptor)
        value = node.get_parameter_or(name, Parameter(name, value=None)).value
    except Exception as error:  # rclpy has a class for each way in which a value can be wrong
        raise ConfigurationError(f"parameter {name}: {error}") from error
    if value is None:
        value = wire
    return tuple(value) if isinstance(default, tuple) else value


def unknown(node: Node) -> dict[str, str]:
    """Parameters that a file or the command line gives to a node but that it has not declared: name -> a sentence.

    rclpy ignores them in silence. Call it when all parameters are declared.
    """
    declared = set(node.get_parameters_by_prefix(""))
    # rclpy has no public way to ask what was given.
    given: Iterable[str] = node._parameter_overrides
    return {name: _not_known(name, declared) for name in sorted(set(given) - declared)}


def _not_known(name: str, declared: set[str]) -> str:
    close = nearest(name, declared)
    return f"parameter {name} {NO_EFFECT}" + (f": did you mean {close}?" if close else "")


def declare_reliability(node: Node) -> bool | None:
    """Parameter reliable_inputs: None for auto. YAML turns a bare true into a bool: both kinds are taken."""
    words = {"auto": None, "true": True, "false": False}
    meaning = "ask sensors for reliable delivery: true, false (best effort), auto (what all publishers offer)"
    given = declare(node, "reliable_inputs", "auto", {"help": meaning, "dynamic": True})
    word = str(given).lower()
    if word not in words:
        raise ConfigurationError(f"parameter reliable_inputs: wanted auto, true or false, got {given!r}")
    return words[word]


def _set_range(descriptor: ParameterDescriptor, default: Any, low: float | None, high: float | None) -> None:
    if isinstance(default, bool) or (low is None and high is None):
        return
    if isinstance(default, int):
        lower = int(low) if low is not None else -_HUGE_INT
        descriptor.integer_range = [
            IntegerRange(from_value=lower, to_value=int(high) if high is not None else _HUGE_INT)
        ]
    elif isinstance(default, float):
        bottom = float(low) if low is not None else -_HUGE
        top = float(high) if high is not None else _HUGE
        descriptor.floating_point_range = [FloatingPointRange(from_value=bottom, to_value=top)]


def config_hash(node: Node) -> str:
    """First 16 hex digits of the SHA-256 over all parameters of a node, in the order of their names."""
    values = node.get_parameters_by_prefix("")
    text = "\n".join(f"{name}={values[name].value}" for name in sorted(values))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
