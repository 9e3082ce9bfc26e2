"""How fast the simulator is on this machine, against what it promises."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from perception_nodes.datatypes import Modality, Rig
from perception_nodes.simulation.iterator import Drives, training_frames
from perception_nodes.simulation.scenarios import EgoSpec, Scenario, TrafficSpec, WorldSpec
from perception_nodes.simulation.simulation import Simulation

OBJECTS: Final = 60
_WARM: Final = 5


@dataclass(frozen=True)
class Speed:
    """One figure: `per_s` of `what`, the time of processors for each, and the least that is promised."""

    what: str
    per_s: float
    promised: float
    cpu_ms: float | None = None


def busy_street(objects: int = OBJECTS) -> Scenario:
    """A straight street with about that many actors: driving, parked, on bicycles and on foot."""
    share = objects / 60
    traffic = TrafficSpec(
        vehicles=round(17 * share),
        cyclists=round(3 * share),
        pedestrians=round(17 * share),
        parked_share=0.27 * share,
        within_m=150.0,
    )
    world, ego = WorldSpec("straight", {"parking": True}), EgoSpec(speed_mps=10.0)
    return Scenario("speed", "", world, "bench", 60.0, ego=ego, traffic=traffic)


def speeds(rig: Rig, *, seconds: float = 8.0) -> Iterator[Speed]:
    """Measured one after the other, each for about `seconds` of the clock."""
    lidar = rig.of(Modality.LIDAR)[0].name
    for names, what, promised in (
        ([lidar], f"sweeps of {lidar} alone", 50.0),
        (None, "frames of the whole rig", 6.0),
    ):
        simulation = Simulation(busy_street(), rig, 1, sensors=names, threads=0)
        count = len(simulation.traffic.states(0.0))
        rate, cpu_ms = _rate(simulation, seconds)
        yield Speed(f"{what}, {count} objects", rate, promised, cpu_ms)
    cores = os.cpu_count() or 1
    yield Speed(f"training frames, {cores} processes", _training_rate(rig, cores, seconds), 40.0)


def _rate(simulation: Simulation, seconds: float) -> tuple[float, float]:
    """Steps a second of the clock, and ms of all processors for each: what others take does not count there."""
    for _ in range(_WARM):
        simulation.tick()
    begin, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds and done + _WARM < len(simulation):
        simulation.tick()
        done += 1
    return done / (time.perf_counter() - begin), 1e3 * (time.process_time() - cpu) / done


def _training_rate(rig: Rig, workers: int, seconds: float) -> float:
    """From the second street of each process on: before, kernels and libraries are loaded."""
    drives = Drives()
    first = 3 * workers * drives.frames
    frames = training_frames(rig, range(1, 10_000), drives=drives, workers=workers)
    begin, done = 0.0, -first
    for _ in frames:
        done += 1
        if done == 0:
            begin = time.perf_counter()
        # Streets come at once when they are ready: whole ones only.
        if done > 0 and done % (workers * drives.frames) == 0 and time.perf_counter() - begin > seconds:
            break
    rate = done / (time.perf_counter() - begin)
    frames.close()  # type: ignore[attr-defined]  # it is a generator: ends its processes
    return rate


def show_speeds(rig: Rig, console: Console, *, seconds: float = 8.0) -> None:
    """A table of what this machine does."""
    table = Table("what", "per second", "promised", "processor ms each", box=None, pad_edge=False)
    for speed in speeds(rig, seconds=seconds):
        cpu = "" if speed.cpu_ms is None else f"{speed.cpu_ms:.1f}"
        table.add_row(speed.what, f"{speed.per_s:.1f}", f"{speed.promised:g}", cpu)
    console.print(table)
