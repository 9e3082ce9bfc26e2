"""A radar before simple things, for tests: what stands where, how it and the vehicle move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets import Asset, Material, Mesh, box, join, quads
from perception_nodes.simulation.sensors.moment import Moment
from perception_nodes.simulation.sensors.radar import RadarFrame, RadarSensor, RadarSpec
from perception_nodes.simulation.sensors.scene import Scene
from perception_nodes.simulation.traffic.states import ActorStates, EgoState
from perception_nodes.simulation.weather import Weather

AT = Transform.from_xyz_rpy((0.0, 0.0, 0.5), (0.0, 0.0, 0.0))
GROUND = quads(
    np.array([[[-900.0, -900, 0], [900, -900, 0], [900, 900, 0], [-900, 900, 0]]]), Material.ASPHALT
)
FAR_BELOW = quads(np.array([[[0.0, 0, -90], [1, 0, -90], [1, 1, -90], [0, 1, -90]]]), Material.ASPHALT)
# No noise but the receiver's, no fluctuation, nothing of the road, no ghosts: what a hand formula has.
PLAIN = RadarSpec(
    swerling=0, ghosts=0.0, road_reflection=0.0, interference=0.0, false_alarms=1e-4, rcs_accuracy_db=0.0,
    side_lobe_db=-80.0, elevation_beam_deg=60.0, azimuth_beam_deg=180.0, min_rcs_dbsm=-100.0,
)  # fmt: skip


def target(rcs_dbsm: float = 10.0, label: str = "unknown", size_m: float = 0.2) -> Asset:
    """A small cube of metal on a thin foot, so that it hangs at the height of the sensor."""
    parts = [box((0, 0, 0.5), (size_m, size_m, 0.2), Material.METAL)]
    return Asset("cube", "cube", label, (join(parts),), (size_m, size_m, 1.0), 0.0, rcs_dbsm)


def car(rcs_dbsm: float = 10.0) -> Asset:
    body = box((0, 0, 0.8), (4.5, 1.8, 1.4), Material.CAR_WHITE)
    return Asset("car", "car", "car", (body,), (4.5, 1.8, 1.5), 2.7, rcs_dbsm)


def moment(
    poses: Sequence[tuple[float, float]] = (),
    *,
    asset: Asset | None = None,
    velocity: tuple[float, float] = (0.0, 0.0),
    ego: EgoState | None = None,
    street: Mesh = GROUND,
    weather: Weather | None = None,
) -> Moment:
    """Actors of one asset at (x, y), all at one velocity."""
    assets = (asset or target(),)
    pose = np.zeros((len(poses), 6))
    pose[:, :2] = np.array(poses).reshape(-1, 2)
    states = ActorStates.standing(np.zeros(len(poses), np.int64), pose)
    states = replace(states, velocity_mps=np.tile(velocity, (len(poses), 1)).astype(float))
    here = ego or EgoState((0, 0, 0, 0, 0, 0))
    world: Any = SimpleNamespace(mesh=street)
    scene = Scene(street, assets)
    return Moment(scene, world, assets, weather or Weather(), 0.0, 0.1, (states, states), (here, here))


def scans(
    where: Moment, spec: RadarSpec = PLAIN, count: int = 1, mount: Transform = AT, seed: int = 0
) -> list[RadarFrame]:
    """Scans of the same moment with different noise."""
    sensor, rng = RadarSensor(spec, mount, "radar"), np.random.default_rng(seed)
    return [sensor.scan(where, 1_000 + k, rng) for k in range(count)]
