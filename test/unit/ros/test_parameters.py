"""Parameters declared from dataclasses: types, ranges, arrays, unknown names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.datatypes.config import check_ranges, param
from perception_nodes.ros.parameters import (
    config_hash,
    declare,
    declare_config,
    declare_reliability,
    unknown,
)

Make = Callable[..., Node]


@dataclass(frozen=True)
class Config:
    wait_s: float = param(0.5, "how long to wait", low=0.0, high=2.0)
    count: int = param(3, "how many", low=1)
    label: str = param("car", "which")
    is_on: bool = param(True, "whether")
    names: tuple[str, ...] = param((), "which ones")
    sizes_m: tuple[float, ...] = param((1.0, 2.0), "how large")

    def __post_init__(self) -> None:
        check_ranges(self)


@pytest.fixture
def make(domain_id: int) -> Iterator[Make]:
    """A node with the parameters given."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    nodes: list[Node] = []

    def made(**given: Any) -> Node:
        overrides = [Parameter(k, value=v) for k, v in given.items()]
        nodes.append(Node("tuned", context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield made
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_without_values_the_dataclass_rules(make: Make) -> None:
    node = make()
    assert declare_config(node, Config) == Config()
    described = node.describe_parameter("wait_s")
    assert described.description == "how long to wait"
    (limits,) = described.floating_point_range
    assert (limits.from_value, limits.to_value) == (0.0, 2.0)
    assert node.describe_parameter("count").integer_range[0].from_value == 1


def test_values_are_taken(make: Make) -> None:
    node = make(wait_s=1.5, count=7, label="bus", is_on=False, names=["a", "b"], sizes_m=[4.0])
    assert declare_config(node, Config) == Config(1.5, 7, "bus", False, ("a", "b"), (4.0,))


def test_a_prefix_keeps_stages_apart(make: Make) -> None:
    node = make(**{"a.count": 5, "b.count": 6})
    assert (declare_config(node, Config, "a").count, declare_config(node, Config, "b").count) == (5, 6)
    assert not unknown(node)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wait_s", 2.5),
        ("wait_s", "long"),
        ("wait_s", float("nan")),
        ("count", 0),
        ("label", 3),
        ("names", [1]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make: Make, name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        declare_config(make(**{name: value}), Config)


def test_unknown_names_are_told_with_the_nearest(make: Make) -> None:
    node = make(wait=1.0, count=5, zzzzz=1)
    declare_config(node, Config)
    assert unknown(node) == {
        "wait": "parameter wait is not one of this node and has no effect: did you mean wait_s?",
        "zzzzz": "parameter zzzzz is not one of this node and has no effect",
    }


def test_the_hash_is_of_names_and_values(make: Make) -> None:
    def hashed(**given: Any) -> str:
        node = make(**given)
        declare_config(node, Config)
        return config_hash(node)

    assert hashed() == hashed() == hashed(count=3)
    assert hashed() != hashed(count=4)
    assert len(hashed()) == 16


@pytest.mark.parametrize(
    ("given", "meant"),
    [({}, None), ("auto", None), ("true", True), (True, True), ("False", False), (False, False)],
)
def test_reliability(make: Make, given: Any, meant: bool | None) -> None:
    node = make() if given == {} else make(reliable_inputs=given)
    assert declare_reliability(node) is meant


@pytest.mark.parametrize("given", ["maybe", 3])
def test_another_reliability_is_refused(make: Make, given: Any) -> None:
    with pytest.raises(ConfigurationError, match="reliable_inputs: wanted auto, true or false"):
        declare_reliability(make(reliable_inputs=given))


def test_declaring_twice_is_an_error_with_the_name(make: Make) -> None:
    node = make()
    declare(node, "once", 1)
    with pytest.raises(ConfigurationError, match="once"):
        declare(node, "once", 1)
