"""What a learned detector is shown of a sweep: positions, heights over the local ground, ranks of the intensity.

One module for training and for the node, so that both see the same. Nothing in it depends on the kind of lidar:
heights are over the ground that the sweep itself shows, intensities are ranks within the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import MalformedMessage, PointCloud

from .config import GeometricConfig
from .ground import GroundGrid, estimate_ground, heights_over_ground

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
# Nothing to detect is higher or lower over the road; bridges and reflections are.
_HIGHEST_M, _LOWEST_M = 6.0, -1.5
_MAX_Z_M = 30.0
_RANK_BINS = 2048
# Rank of every point of a sensor that gives no intensity.
NO_INTENSITY = 0.5


@dataclass(frozen=True, eq=False)
class PreparedPoints:
    """The points of one sweep that count, base frame.

    xyh_m (N, 3): x, y, height over the local ground; rank (N,) 0..1 of the intensity within its sensor's sweep;
    source (N,) uint8 row of `origins_m` (K, 2) of the point's sensor.
    """

    xyh_m: F32
    rank: F32
    source: npt.NDArray[np.uint8]
    origins_m: F64

    def __len__(self) -> int:
        return len(self.xyh_m)


def prepare(
    cloud: PointCloud, origins_m: F64, config: GeometricConfig
) -> tuple[PreparedPoints, GroundGrid, npt.NDArray[np.int64]]:
    """Points in range and off the own vehicle, the ground below them, and their rows (N,) in the cloud.

    cloud: base frame, motion compensated; `cloud.source` (absent: all 0) is the row of `origins_m` (K, 3).
    Raises MalformedMessage if a point names a sensor without an origin.
    """
    origins = np.asarray(origins_m, np.float64).reshape(-1, 3)
    source = cloud.source if cloud.source is not None else np.zeros(len(cloud), np.uint8)
    if len(origins) == 0 or int(source.max(initial=0)) >= len(origins):
        wanted = int(source.max(initial=0)) + 1
        raise MalformedMessage(f"lidar detector: origins_m: wanted {wanted} rows, got {len(origins)}")
    own = (config.ego_center_x_m, config.ego_center_y_m, config.ego_length_m / 2, config.ego_width_m / 2)
    near = np.empty(len(cloud), np.int64)
    near = near[: _near(cloud.xyz_m, config.range_m, _MAX_Z_M, own, near)]
    xyz = np.ascontiguousarray(cloud.xyz_m[near], np.float32)
    ground = estimate_ground(xyz, config)
    height = heights_over_ground(xyz, ground)
    good = (height < _HIGHEST_M) & (height > _LOWEST_M)
    kept = near[good]
    xyz = xyz[good]
    xyz[:, 2] = height[good]
    rank = intensity_ranks(cloud.intensity, source, len(origins))[kept]
    points = PreparedPoints(xyz, rank, source[kept], np.ascontiguousarray(origins[:, :2]))
    return points, ground, kept


def intensity_ranks(intensity: F32 | None, source: npt.NDArray[np.uint8], sensors: int) -> F32:
    """(N,) share of the sensor's points that are weaker, ties at their middle; whatever unit the sensor uses.

    `NO_INTENSITY` for all without intensity; a point whose intensity is not finite gets it too.
    """
    out = np.full(len(source), NO_INTENSITY, np.float32)
    if intensity is None:
        return out
    for k in range(sensors):
        of = np.flatnonzero((source == k) & np.isfinite(intensity))
        if len(of):
            out[of] = _ranks(np.ascontiguousarray(intensity[of], np.float32))
    return out


def _ranks(values: F32) -> F32:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full(len(values), NO_INTENSITY, np.float32)
    bins = np.minimum((values - low) * (_RANK_BINS / (high - low)), _RANK_BINS - 1).astype(np.int32)
    count = np.bincount(bins, minlength=_RANK_BINS)
    middle = (np.cumsum(count) - 0.5 * count) / len(values)
    return np.asarray(middle[bins], np.float32)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near(xyz: Any, reach: float, max_z: float, own: Any, kept: Any) -> int:
    n = 0
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        inside = abs(x) < reach and abs(y) < reach and abs(z) < max_z
        if inside and not (abs(x - own[0]) <= own[2] and abs(y - own[1]) <= own[3]):
            kept[n] = k
            n += 1
    return n
