"""Gates: limits that figures have to keep, from a YAML file (docs/evaluation.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perception_nodes.datatypes import ConfigurationError

from .compare import Difference
from .figures import Figure, plain

_KEYS: Final = ("name", "figure", "min", "max", "max_drop", "certain", "min_count")


@dataclass(frozen=True)
class Gate:
    """min, max: of the figure's value; max_drop: by how much it may be worse than the baseline.

    certain: broken only if the whole interval lies beyond the limit; without it the value decides. min_count: with
    less evidence the gate is broken.
    """

    name: str
    figure: str
    min: float | None = None
    max: float | None = None
    max_drop: float | None = None
    certain: bool = False
    min_count: int = 0


@dataclass(frozen=True)
class Verdict:
    """One gate judged; low, high: the interval of the figure (of the difference for max_drop), NaN without one."""

    gate: Gate
    passed: bool
    value: float
    low: float
    high: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """As in evaluation.json."""
        values = {k: getattr(self, k) for k in ("passed", "value", "low", "high", "reason")}
        gate = {k: getattr(self.gate, k) for k in _KEYS}
        out: dict[str, Any] = plain({**gate, **values})
        return out


def read_gates(path: Path) -> tuple[Gate, ...]:
    """Gates of a file. Raises ConfigurationError naming file, gate and key for whatever is wrong with it."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"gate file {path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"gate file {path}: not YAML: {error}") from error
    entries = data.get("gates") if isinstance(data, Mapping) else None
    if not isinstance(entries, list) or not entries or set(data) != {"gates"}:
        raise ConfigurationError(f"gate file {path}: wanted one key `gates` with a list, got {_shown(data)}")
    gates = tuple(_gate(entry, f"gate file {path}: gate {k + 1}") for k, entry in enumerate(entries))
    names = [g.name for g in gates]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ConfigurationError(f"gate file {path}: two gates are named {twice[0]!r}")
    return gates


def judge(
    gates: Sequence[Gate], figures: Mapping[str, Figure], differences: Sequence[Difference] | None
) -> list[Verdict]:
    """A verdict for each gate. Raises ConfigurationError for a figure that does not exist, or a missing baseline."""
    by_name = None if differences is None else {d.name: d for d in differences}
    return [_judged(gate, figures, by_name) for gate in gates]


def _judged(
    gate: Gate, figures: Mapping[str, Figure], differences: Mapping[str, Difference] | None
) -> Verdict:
    figure = figures.get(gate.figure)
    if figure is None:
        near = [n for n in figures if n.rsplit(".", 1)[-1] == gate.figure.rsplit(".", 1)[-1]][:5]
        hint = f": did you mean one of {near}" if near else ""
        raise ConfigurationError(f"gate {gate.name!r}: no figure {gate.figure!r}{hint}")
    if gate.max_drop is not None:
        return _drop(gate, figure, differences)
    value, ends = figure.value, (figure.low, figure.high)
    if figure.count < gate.min_count:
        return Verdict(
            gate, False, value, *ends, f"made of {figure.count} {figure.of}, wanted {gate.min_count}"
        )
    if not math.isfinite(value):
        return Verdict(gate, False, value, *ends, f"the figure is not defined ({figure.count} {figure.of})")
    # What speaks for the figure when only a certain breach counts: the better end of its interval.
    top = ends[1] if gate.certain and math.isfinite(ends[1]) else value
    bottom = ends[0] if gate.certain and math.isfinite(ends[0]) else value
    if gate.min is not None and top < gate.min:
        return Verdict(gate, False, value, *ends, f"below {gate.min:g}")
    if gate.max is not None and bottom > gate.max:
        return Verdict(gate, False, value, *ends, f"above {gate.max:g}")
    return Verdict(gate, True, value, *ends, "kept")


def _drop(gate: Gate, figure: Figure, differences: Mapping[str, Difference] | None) -> Verdict:
    assert gate.max_drop is not None
    if differences is None:
        raise ConfigurationError(f"gate {gate.name!r}: max_drop needs --baseline")
    if not figure.better:
        raise ConfigurationError(
            f"gate {gate.name!r}: of {gate.figure!r} neither direction is better: use min, max"
        )
    found = differences.get(gate.figure)
    if found is None:
        raise ConfigurationError(f"gate {gate.name!r}: the baseline has no figure {gate.figure!r}")
    if figure.count < gate.min_count:
        reason = f"made of {figure.count} {figure.of}, wanted {gate.min_count}"
        return Verdict(gate, False, found.difference, found.low, found.high, reason)
    if not math.isfinite(found.difference):
        return Verdict(gate, False, found.difference, found.low, found.high, "the difference is not defined")
    sign = -figure.better
    ends = sorted((sign * found.low, sign * found.high)) if math.isfinite(found.low) else None
    worse = sign * found.difference if ends is None or not gate.certain else ends[0]
    passed = worse <= gate.max_drop
    reason = (
        "kept" if passed else f"worse than the baseline {found.baseline:.4g} by more than {gate.max_drop:g}"
    )
    return Verdict(gate, passed, found.difference, found.low, found.high, reason)


def _gate(entry: Any, where: str) -> Gate:
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"{where}: wanted a mapping, got {_shown(entry)}")
    unknown = sorted(str(k) for k in entry if k not in _KEYS)
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}: wanted some of {list(_KEYS)}")
    figure = entry.get("figure")
    if not isinstance(figure, str) or not figure:
        raise ConfigurationError(
            f"{where}: key 'figure': wanted a name such as own.car.ap.2, got {_shown(figure)}"
        )
    limits = {k: _number(entry[k], k, where) for k in ("min", "max", "max_drop") if k in entry}
    if not limits or ("max_drop" in limits and len(limits) > 1):
        raise ConfigurationError(f"{where}: wanted min and/or max, or max_drop alone, got {sorted(limits)}")
    if limits.get("max_drop", 0.0) < 0 or limits.get("min", -math.inf) > limits.get("max", math.inf):
        raise ConfigurationError(f"{where}: impossible limits {limits}")
    certain, count = entry.get("certain", False), entry.get("min_count", 0)
    if not isinstance(certain, bool):
        raise ConfigurationError(f"{where}: key 'certain': wanted true or false, got {_shown(certain)}")
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ConfigurationError(f"{where}: key 'min_count': wanted a whole number >= 0, got {_shown(count)}")
    return Gate(str(entry.get("name", figure)), figure, **limits, certain=certain, min_count=count)


def _number(value: Any, key: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"{where}: key {key!r}: wanted a finite number, got {_shown(value)}")
    return float(value)


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:80]
