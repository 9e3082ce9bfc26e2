"""Words for worlds, random streets by Hypothesis, and the same bytes from the same seed in any process."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_nodes.simulation.assets import Catalogue
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.scenarios.schema import WORLD_KINDS
from perception_nodes.simulation.simulation import world_of
from perception_nodes.simulation.traffic.traffic import Traffic
from perception_nodes.simulation.world.procedural import KINDS

RANDOM = find_scenario("random_street")


def test_scenarios_know_the_words_for_all_worlds() -> None:
    assert sorted(WORLD_KINDS) == sorted(KINDS)


def drive_bytes(seed: int, steps: int = 25) -> str:
    """Digest of every state of a drive."""
    traffic = Traffic(world_of(RANDOM, seed), RANDOM, Catalogue(), seed)
    digest = hashlib.sha256()
    for _ in range(steps):
        traffic.step(0.1)
        state = traffic.states(traffic.time_s)
        for part in (state.id, state.asset, state.pose, state.velocity_mps, state.phase, state.present):
            digest.update(part.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("hash_seed", ["77"])
def test_another_process_gives_the_same_bytes(hash_seed: str) -> None:
    here = os.path.dirname(__file__)  # noqa: PTH120  a path for the other process
    code = f"import sys; sys.path.insert(0, {here!r}); import test_worlds_and_seeds as t; print(t.drive_bytes(5))"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == drive_bytes(5)


@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**20))
def test_in_a_random_street_nobody_touches_anybody(seed: int) -> None:
    world = world_of(RANDOM, seed)
    traffic = Traffic(world, RANDOM, Catalogue(), seed)
    fastest = max(lane.speed_mps for lane in world.graph.lanes)
    for _ in range(200):
        traffic.step(0.1)
        assert not traffic.contacts(), f"seed {seed} at {traffic.time_s} s"
        state = traffic.states(traffic.time_s)
        assert len(set(state.id)) == len(state)
        assert np.isfinite(state.pose).all()
        assert np.hypot(*state.velocity_mps[state.present].T).max() < 1.25 * fastest
    here = state.pose[state.present]
    assert (
        np.abs(world.surface.height(here[:, :2]) - here[:, 2]).max() < 0.35
    )  # kerbs are 0.15 m, lorries long
