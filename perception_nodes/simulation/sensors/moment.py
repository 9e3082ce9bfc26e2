"""What a sensor can look at: the street and everybody in it between two times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import Transform, interpolate
from perception_nodes.simulation.assets import Asset
from perception_nodes.simulation.traffic.states import ActorStates, EgoState
from perception_nodes.simulation.weather import Weather
from perception_nodes.simulation.world import World

from .scene import Scene

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moment:
    """From `start_s` to `end_s` of the drive.

    span: the actors at both ends; ego: the vehicle at both ends. Sensors that take their time (lidar sweeps, rolling
    shutters) are where the vehicle is at each fraction of it; the others look at its end.
    """

    scene: Scene
    world: World
    assets: tuple[Asset, ...]
    weather: Weather
    start_s: float
    end_s: float
    span: tuple[ActorStates, ActorStates]
    ego: tuple[EgoState, EgoState]

    def odom_from_base(self, fraction: float = 1.0) -> Transform:
        """Where the vehicle is at a fraction of the time."""
        start, end = (ego.odom_from_base for ego in self.ego)
        return interpolate(start, end, fraction)

    def path(self, fraction: F64) -> tuple[F64, F64]:
        """Rotations (N, 3, 3) and positions (N, 3) of base_link in odom at fractions (N,).

        Between its ends the vehicle turns and moves evenly; the angles are small, so they are mixed as they are.
        """
        low, high = np.asarray(self.ego[0].pose), np.asarray(self.ego[1].pose)
        turn = (high[3:] - low[3:] + np.pi) % (2 * np.pi) - np.pi
        xyz = low[:3] + np.outer(fraction, high[:3] - low[:3])
        yaw, pitch, roll = (low[3:] + np.outer(fraction, turn)).T
        return _rotations(yaw, pitch, roll), xyz


def _rotations(yaw: F64, pitch: F64, roll: F64) -> F64:
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0))
