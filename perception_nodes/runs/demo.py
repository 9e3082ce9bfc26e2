"""The simulated street of `perception demo` as a bag, made once per street."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

import perception_nodes.simulation
from perception_nodes.datasets import find_rig
from perception_nodes.resources import resource_path
from perception_nodes.simulation.scenarios import find_scenario

from . import sim_bag
from .progress import RunProgress

SCENARIO: Final = "demo"
RIG: Final = "demo"
KEPT_BAGS: Final = 5


def demo_bag(seed: int, duration_s: float, console: Console) -> Path:
    """The bag of one street, from the user's cache folder if it was made before by the same code."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception_nodes" / "demo"
    bag = folder / f"street-{seed}-{_digest(seed, duration_s)}.mcap"
    if bag.is_file():
        bag.touch()
        return bag
    folder.mkdir(parents=True, exist_ok=True)
    with RunProgress(console) as progress:
        progress.stage("simulating the street")
        # Late: its kernels take seconds to load, and embreex may be absent, which it says.
        from perception_nodes.simulation.simulation import Simulation

        scenario = replace(find_scenario(SCENARIO), duration_s=duration_s)
        rig = find_rig(RIG)
        simulation = Simulation(scenario, rig, seed, sensors=[s.name for s in rig.sensors], threads=0)
        sim_bag.simulate_to_bag(
            simulation,
            bag,
            lambda done, total: progress.update(done, total, f"{done} of {total} sweeps"),
            compression="none",
        )
    for old in sorted(folder.glob("street-*.mcap"), key=lambda p: p.stat().st_mtime)[:-KEPT_BAGS]:
        old.unlink(missing_ok=True)
    return bag


def _digest(seed: int, duration_s: float) -> str:
    """Of what is simulated and of the code and files that make the bag."""
    digest = hashlib.sha256(f"{seed} {duration_s}".encode())
    config = resource_path("config")
    files = sorted(Path(perception_nodes.simulation.__file__).parent.rglob("*.py"))
    given = [config / "scenarios" / f"{SCENARIO}.yaml", config / "rigs" / f"{RIG}.yaml"]
    for path in [*files, *given, Path(__file__), Path(sim_bag.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
