"""Worlds are made once for all tests that only look at them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_nodes.simulation.world import World, build_world


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    """A world of a kind and seed; the same object each time."""
    made: dict[tuple[str, int], World] = {}

    def make(kind: str, seed: int = 3) -> World:
        if (kind, seed) not in made:
            made[kind, seed] = build_world(kind, np.random.default_rng(seed))
        return made[kind, seed]

    return make
