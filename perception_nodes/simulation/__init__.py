"""A rendered street: world, traffic, lidar and exact truth from one seed. ROS-free and deterministic to the bit."""

from .first.config import LidarConfig, SimulationConfig
from .first.simulate import SimFrame, Simulation, simulate

__all__ = ["LidarConfig", "SimFrame", "Simulation", "SimulationConfig", "simulate"]
