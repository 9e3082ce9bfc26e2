"""Lidar frames for training: many short drives through random streets, in a fixed order whatever the processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from perception_nodes.datatypes import (
    ConfigurationError,
    Detections3D,
    Modality,
    PointCloud,
    Rig,
    check_ranges,
    param,
)
from perception_nodes.geometry import Transform, transform_detections

from .scenarios import EgoSpec, Scenario, TrafficSpec, WeatherEffect, WorldSpec
from .simulation import Simulation

_Kind = Literal["rain", "snow", "fog", "dust", "wet", "blocked", "dirt"]
# How often each kind of street is drawn.
_STREETS: Final = {
    "straight": 0.2, "curve": 0.1, "junction": 0.15, "signals": 0.2, "town": 0.1, "highway": 0.08, "narrow": 0.05,
    "car_park": 0.06, "roadworks": 0.03, "tunnel": 0.03,
}  # fmt: skip
# In streets with many of what is rare: kinds that are drawn for a vehicle, and cyclists beside the others.
_RARE_KINDS: Final = ("traffic", "traffic", "traffic", "motorcycle", "motorcycle", "truck", "bus")
_RARE_CYCLISTS: Final = (4, 14)
_EFFECTS: Final[tuple[_Kind, ...]] = ("rain", "snow", "fog", "dust", "wet", "blocked", "dirt")


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """One sweep with its labels.

    sweep: in the lidar's frame; base_from_lidar; boxes: actors in base_link at the sweep's stamp, velocity over ground
    in the axes of base_link; owner (M,): detection_id of the actor that each point is of, 0 = none; street, index:
    which drive, and which frame of it.
    """

    sweep: PointCloud
    base_from_lidar: Transform
    boxes: Detections3D
    owner: Any
    street: int
    index: int


@dataclass(frozen=True)
class Drives:
    """How the drives are drawn."""

    frames: int = param(60, "frames of a street", low=1, high=1000)
    stride: int = param(3, "steps of 0.1 s between them", low=1, high=50)
    weather_share: float = param(0.15, "share of the drives in bad weather", low=0.0, high=1.0)
    street: str = param("", "kind of street, empty = any")
    overgrown_share: float = param(0.5, "share of the streets beside which nobody tidies", low=0.0, high=1.0)
    rare_share: float = param(
        0.0,
        "share of the streets with many of what is rare on roads: two-wheelers, lorries, buses",
        low=0.0,
        high=1.0,
    )
    wooded_share: float = param(
        0.0, "share of the streets that woods, banks and hedges line", low=0.0, high=1.0
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.street and self.street not in _STREETS:
            raise ConfigurationError(f"Drives.street {self.street!r}: wanted one of {sorted(_STREETS)}")


def training_frames(
    rig: Rig, seeds: Iterable[int], *, drives: Drives | None = None, workers: int = 0
) -> Iterator[TrainingFrame]:
    """Frames of one street a seed, in the order of the seeds; the first lidar of the rig.

    workers: processes that simulate ahead (0 = in this one). The same seeds give the same bits whatever their number.
    Raises ConfigurationError for a rig without a lidar.
    """
    drives = drives or Drives()
    if not rig.of(Modality.LIDAR):
        raise ConfigurationError(f"rig {rig.name}: wanted a lidar to train for, got none")
    if workers <= 0:
        for seed in seeds:
            yield from drive_frames(rig, seed, drives)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting: deque[Future[list[TrainingFrame]]] = deque()
        for seed in seeds:
            waiting.append(pool.submit(_drive_list, rig, seed, drives))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def drive_frames(rig: Rig, seed: int, drives: Drives) -> Iterator[TrainingFrame]:
    """The frames of one street."""
    lidar = rig.of(Modality.LIDAR)[0]
    simulation = Simulation(random_drive(seed, drives), rig, seed, sensors=[lidar.name])
    mount = simulation.mounts[lidar.name]
    for index in range(drives.frames):
        for _ in range(drives.stride - 1):
            simulation.skip()
        frame = simulation.tick()
        sweep = frame.lidars[lidar.name]
        ids = np.append(frame.states.id, [0, 0])
        boxes = transform_detections(frame.truth, rig.base_frame, frame.odom_from_base.inverse())
        yield TrainingFrame(sweep.cloud, mount, boxes, ids[sweep.owner], seed, index)


def random_drive(seed: int, drives: Drives) -> Scenario:
    """A street, its traffic and its weather, drawn from a seed."""
    rng = np.random.default_rng([seed, 4])
    kind = drives.street or str(rng.choice(list(_STREETS), p=_shares()))
    busy = float(rng.uniform(0.3, 1.0))
    traffic = TrafficSpec(
        vehicles=round(busy * 35),
        cyclists=round(busy * rng.integers(0, 14)),
        pedestrians=round(busy * rng.integers(5, 60)),
        jaywalkers=int(rng.integers(0, 4)),
        parked_share=float(rng.uniform(0.2, 0.9)),
        trailers=0.3,
        clear_ahead_m=4.0,
        within_m=110.0,
    )
    # A stream of its own, as of the woods below: streets without them stay as they are.
    rare = np.random.default_rng([seed, 5])
    if rare.random() < drives.rare_share:
        cyclists = traffic.cyclists + int(rare.integers(*_RARE_CYCLISTS))
        traffic = replace(traffic, kinds=_RARE_KINDS, cyclists=cyclists)
    weather: tuple[WeatherEffect, ...] = ()
    if rng.random() < drives.weather_share:
        weather = (WeatherEffect(_EFFECTS[rng.integers(len(_EFFECTS))], int(rng.integers(1, 5))),)
    duration = max(0.5, 0.1 * drives.frames * drives.stride)
    ego = EgoSpec(speed_mps=float(rng.uniform(3.0, 16.0)))
    options: dict[str, Any] = {}
    if rng.random() < drives.overgrown_share:
        options["overgrown"] = float(rng.uniform(0.1, 1.0))
        # Where houses stand wall to wall, nothing grows.
        options |= {"setting": str(rng.choice(["suburb", "open"]))} if rng.random() < 0.6 else {}
    woods = np.random.default_rng([seed, 6])
    if woods.random() < drives.wooded_share:
        options["wooded"] = float(woods.uniform(0.5, 1.0))
        options["setting"] = str(woods.choice(["open", "open", "suburb"]))
    return Scenario(
        "training",
        "",
        WorldSpec(kind, options),
        f"training-{seed}",
        duration,
        ego=ego,
        traffic=traffic,
        weather=weather,
    )


def _shares() -> list[float]:
    total = sum(_STREETS.values())
    return [share / total for share in _STREETS.values()]


def _drive_list(rig: Rig, seed: int, drives: Drives) -> list[TrainingFrame]:
    return list(drive_frames(rig, seed, drives))
