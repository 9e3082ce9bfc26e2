"""One form for real and simulated sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.ground import estimate_ground, heights_over_ground
from perception_nodes.simulation.sensors.beams import LidarSpec

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Nearer returns are the vehicle itself.
NEAR_M: Final = 2.5
# Returns so near to the ground surface are taken for ground.
GROUND_BAND_M: Final = 0.2
_GROUND: Final = GeometricConfig(range_m=50.0)


class Kind(IntEnum):
    """What a return is of, where the data say so."""

    OTHER = 0
    ROAD = 1
    PAINT = 2
    SIDEWALK = 3
    VEGETATION = 4
    BUILDING = 5


@dataclass(frozen=True, eq=False)
class Boxes:
    """Cars in the lidar's frame: centre (K, 3), length, width, height (K, 3), yaw (K,)."""

    center_m: F64
    lwh_m: F64
    yaw_rad: F64

    def __len__(self) -> int:
        return len(self.center_m)


@dataclass(frozen=True, eq=False)
class View:
    """One sweep, points farther than `NEAR_M`, sorted by ring and azimuth.

    stamp_ns; scene: which drive or street; xyz_m (N, 3) in the lidar's frame (x ahead, y left, z up); intensity (N,)
    0..255; ring (N,) of the beam table, lowest 0; kind (N,) `Kind`, None where the data have no classes; cars: their
    boxes; full: whole turns, not only what a camera sees; height_m: of the lidar over the road, roughly.
    """

    stamp_ns: int
    scene: int
    xyz_m: F64
    intensity: F64
    ring: I64
    kind: U8 | None
    cars: Boxes
    full: bool
    height_m: float

    @cached_property
    def range_m(self) -> F64:
        """(N,) from the lidar."""
        return np.asarray(np.linalg.norm(self.xyz_m, axis=1))

    @cached_property
    def azimuth_rad(self) -> F64:
        """(N,) + = left."""
        return np.asarray(np.arctan2(self.xyz_m[:, 1], self.xyz_m[:, 0]))

    @cached_property
    def over_ground_m(self) -> F64:
        """(N,) height over the ground surface that the lidar detector finds; NaN beyond its grid."""
        xyz = np.ascontiguousarray(self.xyz_m + np.array([0.0, 0.0, self.height_m]), np.float32)
        height = heights_over_ground(xyz, estimate_ground(xyz, _GROUND)).astype(np.float64)
        height[np.abs(self.xyz_m[:, :2]).max(axis=1) > _GROUND.range_m] = np.nan
        return height

    @cached_property
    def ground(self) -> Mask:
        """(N,) whether a return is of the ground."""
        return np.asarray(np.abs(self.over_ground_m) < GROUND_BAND_M)


@dataclass(frozen=True)
class Setup:
    """How a data set is compared.

    name; rig: that is simulated; lidar: its sensor; spec: its beams; quantum_m, level_step: steps in which the data
    set stores coordinates and intensities; height_m: of the lidar over the road; margin_m: by how much its boxes stand
    off the bodies at ends, sides, top and bottom (people who label leave room), which simulated boxes get, too.
    """

    name: str
    rig: str
    lidar: str
    spec: LidarSpec
    quantum_m: float
    level_step: float
    height_m: float
    margin_m: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def step_rad(self) -> float:
        """Between columns."""
        return float(np.deg2rad(abs(self.spec.span_deg)) / self.spec.columns)


@dataclass(frozen=True, eq=False)
class Raw:
    """Points of a sweep as they come: xyz_m (N, 3), intensity (N,) 0..255, ring (N,), kind (N,) or None."""

    xyz_m: F64
    intensity: F64
    ring: I64
    kind: U8 | None


def view(raw: Raw, cars: Boxes, stamp_ns: int, scene: int, setup: Setup) -> View:
    """Sort and crop; whether the turn is whole is seen from the azimuths."""
    far = np.linalg.norm(raw.xyz_m, axis=1) > NEAR_M
    azimuth = np.arctan2(raw.xyz_m[:, 1], raw.xyz_m[:, 0])
    order = np.lexsort((azimuth, raw.ring))
    order = order[far[order]]
    sectors = np.bincount(((np.degrees(azimuth) + 180.0) // 10).astype(np.int64) % 36, minlength=36)
    return View(
        stamp_ns=stamp_ns,
        scene=scene,
        xyz_m=raw.xyz_m[order],
        intensity=raw.intensity[order],
        ring=raw.ring[order],
        kind=None if raw.kind is None else raw.kind[order],
        cars=cars,
        full=bool((sectors > 0).mean() > 0.9),
        height_m=setup.height_m,
    )
