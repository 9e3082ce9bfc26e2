"""Streets drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from perception_nodes.datatypes import ConfigurationError

from . import ordinary, special
from .options import Options, checked_options, either
from .plan import Plan
from .street import World, assemble

KINDS: Final[dict[str, Callable[[Options, np.random.Generator], Plan]]] = {
    "straight": ordinary.straight,
    "curve": ordinary.curve,
    "junction": ordinary.junction,
    "signals": ordinary.signals,
    "town": ordinary.town,
    "narrow": ordinary.narrow,
    "highway": special.highway,
    "roadworks": special.roadworks,
    "tunnel": special.tunnel,
    "car_park": special.car_park,
}


def build_world(kind: str, rng: np.random.Generator, **options: Any) -> World:
    """A street of a kind; `Options` says what can be asked for.

    Raises ConfigurationError for an unknown kind or option, or a value outside its limits, and names it.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"world kind {kind!r}: wanted one of {sorted(KINDS)}")
    asked = checked_options(kind, options)
    plan = KINDS[kind](asked, rng)
    plan = replace(plan, overgrown=either(asked.overgrown, 0.0), wooded=either(asked.wooded, 0.0))
    return assemble(plan, rng)
