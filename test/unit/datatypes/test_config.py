"""Parameter dataclasses: ranges are enforced where they are declared."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from perception_nodes.datatypes import ConfigurationError, check_ranges, param


@dataclass(frozen=True)
class Example:
    gate_m: float = param(2.0, "a distance", low=0.1, high=10.0)
    count: int = param(3, "a number", low=1)
    on: bool = param(True, "a switch")

    def __post_init__(self) -> None:
        check_ranges(self)


@pytest.mark.parametrize(("change", "name"), [({"gate_m": 0.0}, "gate_m"), ({"count": 0}, "count")])
def test_out_of_range_names_field_value_and_range(change: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Example\.{name} = 0.*wanted a value in"):
        Example(**change)  # type: ignore[arg-type]


def test_not_a_number_is_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match="gate_m = nan"):
        Example(gate_m=float("nan"))
