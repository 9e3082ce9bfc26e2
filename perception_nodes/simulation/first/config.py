"""What is simulated; equal values give equal bits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import check_ranges, param


@dataclass(frozen=True)
class LidarConfig:
    """A spinning lidar with 32 beams, denser around the horizon, on the roof."""

    columns: int = param(1080, "firings in one turn", low=36, high=7200)
    sweep_s: float = param(0.1, "time of one turn", low=0.01, high=1.0)
    min_range_m: float = param(1.0, "nearer surfaces give no return", low=0.0)
    max_range_m: float = param(120.0, "farther surfaces give no return", low=1.0, high=500.0)
    range_std_m: float = param(0.02, "range noise", low=0.0, high=1.0)
    dropout: float = param(0.01, "share of returns lost whatever the surface", low=0.0, high=1.0)
    weak_signal: float = param(0.012, "signal at which 63 % of the pulses return", low=1e-6)
    intensity_spread: float = param(0.08, "relative noise of the intensity", low=0.0, high=1.0)
    mount_xyz_m: tuple[float, float, float] = param((1.2, 0.0, 1.85), "base_from_lidar, translation")

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def elevations_rad(self) -> npt.NDArray[np.float64]:
        """(32,) beam elevations, ring 0 lowest."""
        low = [-25.0, -21.0, -18.0, -15.5, -13.5, -12.0, -10.5, -9.3, -8.2]
        degrees = [*low, *np.linspace(-7.3, 2.7, 19), 4.5, 7.0, 10.0, 15.0]
        out: npt.NDArray[np.float64] = np.deg2rad(np.array(degrees))
        return out


@dataclass(frozen=True)
class SimulationConfig:
    """One drive through one street."""

    seed: int = param(1, "another seed is another street", low=0)
    duration_s: float = param(20.0, "length of the drive", low=0.1, high=600.0)
    start_ns: int = param(1_700_000_000_000_000_000, "stamp of the begin of the first sweep", low=0)
    moving_vehicles: int = param(10, "vehicles that drive", low=0, high=60)
    parked_share: float = param(0.55, "share of the parking places that are taken", low=0.0, high=1.0)
    pedestrians: int = param(12, "people on the pavements", low=0, high=100)
    cyclists: int = param(4, "cyclists in the lanes", low=0, high=20)
    speed_limit_mps: float = param(9.5, "what free drivers aim at", low=1.0, high=40.0)
    pose_rate_hz: float = param(50.0, "ego poses", low=10.0, high=1000.0)
    lidar: LidarConfig = field(default=LidarConfig(), metadata={"help": "the lidar on the roof"})

    def __post_init__(self) -> None:
        check_ranges(self)

    def stamp(self, time_s: float) -> int:
        """Absolute time of a simulated one."""
        return self.start_ns + round(time_s * 1e9)
