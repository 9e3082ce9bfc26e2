"""A drive, sweep by sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from perception_nodes.datatypes import Detections3D, MapElements, PointCloud
from perception_nodes.geometry import Transform

from .config import SimulationConfig
from .lidar import Lidar
from .traffic import build_traffic
from .truth import true_objects
from .world import build_world


@dataclass(frozen=True, eq=False)
class SimFrame:
    """One sweep in its lidar's frame (not compensated), and the true boxes in odom at its stamp."""

    cloud: PointCloud
    truth: Detections3D
    odom_from_base: Transform


class Simulation:
    """One street with its traffic; `frames` can be iterated again and gives the same bits."""

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        world_seed, traffic_seed = np.random.SeedSequence([config.seed, 0]).spawn(2)
        self.world = build_world(np.random.default_rng(world_seed))
        self.traffic = build_traffic(self.world, config, np.random.default_rng(traffic_seed))
        self.lidar = Lidar(config.lidar, self.world, self.traffic.assets)

    def __len__(self) -> int:
        return int(self.config.duration_s / self.config.lidar.sweep_s + 1e-9)

    def frames(self) -> Iterator[SimFrame]:
        """All sweeps in order."""
        return (self.frame(k) for k in range(len(self)))

    def frame(self, index: int) -> SimFrame:
        """Sweep `index`, whatever was asked for before."""
        sweep_s = self.config.lidar.sweep_s
        end_s = (index + 1) * sweep_s
        base = self.traffic.ego_base(end_s + self.lidar.time_s)
        start, end = self.traffic.poses(end_s - sweep_s), self.traffic.poses(end_s)
        rng = np.random.Generator(np.random.Philox(key=[self.config.seed, index + 1]))
        sweep = self.lidar.sweep(self.config.stamp(end_s), base, start, end, self.traffic.z_m, rng)
        truth = true_objects(sweep, self.traffic.assets, end, self.traffic.z_m, base[-1, :2])
        return SimFrame(sweep.cloud, truth, self.odom_from_base(end_s))

    def odom_from_base(self, time_s: float) -> Transform:
        """Exact ego pose."""
        x, y, yaw = self.traffic.ego_base(np.array([time_s]))[0]
        return Transform.from_xyz_rpy((x, y, 0.0), (0.0, 0.0, yaw))

    def poses(self) -> Iterator[tuple[int, Transform]]:
        """(stamp_ns, odom_from_base) at the pose rate, a little beyond both ends."""
        step = 1.0 / self.config.pose_rate_hz
        count = round((self.config.duration_s + 0.1) / step)
        return ((self.config.stamp(k * step), self.odom_from_base(k * step)) for k in range(-5, count + 1))

    @property
    def base_from_lidar(self) -> Transform:
        """Mounting of the lidar."""
        return Transform.from_xyz_rpy(self.config.lidar.mount_xyz_m, (0.0, 0.0, 0.0))

    def map_truth(self) -> MapElements:
        """Exact lines of the street in odom."""
        return MapElements(self.config.stamp(0.0), "odom", self.world.elements)


def simulate(config: SimulationConfig) -> Iterator[SimFrame]:
    """The sweeps of one drive with their truth."""
    return Simulation(config).frames()
