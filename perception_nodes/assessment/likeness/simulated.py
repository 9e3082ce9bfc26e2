"""Simulated sweeps: several streets by seed, the same lidar, in the form of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from perception_nodes.datasets.rigs import known_rig
from perception_nodes.datatypes import LABELS
from perception_nodes.geometry import transform_detections
from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.scenarios import EgoSpec, Scenario, TrafficSpec, WorldSpec
from perception_nodes.simulation.sensors.lidar import LidarSweep
from perception_nodes.simulation.simulation import SimFrame, Simulation

from .views import U8, Boxes, Kind, Raw, Setup, View, view

STREETS: Final = ("town", "signals", "straight", "junction", "curve", "narrow")
_BETWEEN_STEPS: Final = 15
_KINDS: Final = {
    Material.ASPHALT: Kind.ROAD, Material.ROAD_PAINT: Kind.PAINT, Material.YELLOW_PAINT: Kind.PAINT,
    Material.PAVEMENT: Kind.SIDEWALK, Material.KERB: Kind.SIDEWALK, Material.FOLIAGE: Kind.VEGETATION,
    Material.BARK: Kind.VEGETATION, Material.GRASS: Kind.VEGETATION, Material.FACADE: Kind.BUILDING,
    Material.WALL: Kind.BUILDING, Material.BRICK: Kind.BUILDING, Material.CONCRETE: Kind.BUILDING,
}  # fmt: skip


def simulated_views(
    setup: Setup, seed: int, streets: int, frames: int, progress: Callable[[int, int], None] | None = None
) -> list[View]:
    """`frames` sweeps, 1.5 s apart, of each of `streets` streets drawn from the seed; clear weather."""
    out: list[View] = []
    for scene in range(streets):
        simulation = Simulation(
            _drive(seed + scene, STREETS[scene % len(STREETS)], frames),
            known_rig(setup.rig),
            seed + scene,
            sensors=[setup.lidar],
        )
        for _ in range(frames):
            for _ in range(_BETWEEN_STEPS - 1):
                simulation.skip()
            frame = simulation.tick()
            out.append(_view(frame, simulation, setup, scene))
        if progress is not None:
            progress(scene + 1, streets)
    return out


def _drive(seed: int, kind: str, frames: int) -> Scenario:
    rng = np.random.default_rng([seed, 5])
    traffic = TrafficSpec(
        vehicles=int(rng.integers(15, 40)),
        cyclists=int(rng.integers(0, 8)),
        pedestrians=int(rng.integers(5, 40)),
        parked_share=float(rng.uniform(0.4, 0.9)),
        clear_ahead_m=6.0,
        within_m=100.0,
    )
    duration = 0.1 * _BETWEEN_STEPS * frames
    ego = EgoSpec(speed_mps=8.0)
    return Scenario("likeness", "", WorldSpec(kind), f"likeness-{seed}", duration, ego=ego, traffic=traffic)


def _view(frame: SimFrame, simulation: Simulation, setup: Setup, scene: int) -> View:
    sweep = frame.lidars[setup.lidar]
    xyz = np.round(sweep.cloud.xyz_m.astype(np.float64) / setup.quantum_m) * setup.quantum_m
    lidar_from_odom = simulation.mounts[setup.lidar].inverse() @ frame.odom_from_base.inverse()
    found = transform_detections(frame.truth, "lidar", lidar_from_odom)
    car = found.label == LABELS.index("car")
    ends, sides, top, bottom = setup.margin_m
    center = found.center_m[car] + np.array([0.0, 0.0, (top - bottom) / 2])
    lwh = found.lwh_m[car] + np.array([2 * ends, 2 * sides, top + bottom])
    cars = Boxes(center, lwh, found.yaw_rad[car])
    kind = _kinds(sweep) if setup.name == "pandaset" else None
    intensity = np.round(np.asarray(sweep.cloud.intensity) / setup.level_step) * setup.level_step
    ring = np.asarray(sweep.cloud.ring, np.int64)
    return view(Raw(xyz, intensity, ring, kind), cars, frame.stamp_ns, scene, setup)


def _kinds(sweep: LidarSweep) -> U8:
    table = np.zeros(256, np.uint8)
    for material, kind in _KINDS.items():
        table[material] = kind
    out = table[sweep.material]
    out[sweep.owner != -1] = Kind.OTHER
    return np.asarray(out)
