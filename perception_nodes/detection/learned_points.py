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
    near, xyz = np.empty(len(cloud), np.int64), np.empty((len(cloud), 3), np.float32)
    count = _near(cloud.xyz_m, config.range_m, _MAX_Z_M, own, near, xyz)
    near, xyz = near[:count], xyz[:count]
    ground = estimate_ground(xyz, config)
    height = heights_over_ground(xyz, ground)
    rank = intensity_ranks(cloud.intensity, source, len(origins))
    of, rank_of = np.empty(count, np.uint8), np.empty(count, np.float32)
    count = _keep(near, xyz, height, source, rank, of, rank_of)
    kept = near[:count]
    points = PreparedPoints(xyz[:count], rank_of[:count], of[:count], np.ascontiguousarray(origins[:, :2]))
    return points, ground, kept


def intensity_ranks(intensity: F32 | None, source: npt.NDArray[np.uint8], sensors: int) -> F32:
    """(N,) share of the sensor's points that are weaker, ties at their middle; whatever unit the sensor uses.

    `NO_INTENSITY` for all without intensity; a point whose intensity is not finite gets it too.
    """
    out = np.full(len(source), NO_INTENSITY, np.float32)
    if intensity is not None:
        _ranks(np.ascontiguousarray(intensity, np.float32), source, sensors, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near(xyz: Any, reach: float, max_z: float, own: Any, kept: Any, out: Any) -> int:
    n = 0
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        inside = abs(x) < reach and abs(y) < reach and abs(z) < max_z
        if inside and not (abs(x - own[0]) <= own[2] and abs(y - own[1]) <= own[3]):
            kept[n] = k
            out[n, 0], out[n, 1], out[n, 2] = x, y, z
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _keep(near: Any, xyz: Any, height: Any, source: Any, rank: Any, of: Any, rank_of: Any) -> int:
    """Move the points that are neither too high nor too low to the front, z over the ground; returns how many."""
    n = 0
    for k in range(len(near)):
        if _LOWEST_M < height[k] < _HIGHEST_M:
            row = near[k]
            near[n], of[n], rank_of[n] = row, source[row], rank[row]
            xyz[n, 0], xyz[n, 1], xyz[n, 2] = xyz[k, 0], xyz[k, 1], height[k]
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ranks(values: Any, source: Any, sensors: int, out: Any) -> None:
    low, high = np.full(sensors, np.float32(np.inf)), np.full(sensors, np.float32(-np.inf))
    for k in range(len(values)):
        if np.isfinite(values[k]):
            s = source[k]
            low[s], high[s] = min(low[s], values[k]), max(high[s], values[k])
    count, bins = np.zeros((sensors, _RANK_BINS), np.int64), np.full(len(values), -1, np.int32)
    scale = np.empty(sensors, np.float32)
    for s in range(sensors):
        scale[s] = _RANK_BINS / (np.float64(high[s]) - np.float64(low[s]))
    for k in range(len(values)):
        s = source[k]
        if np.isfinite(values[k]) and low[s] < high[s]:
            bins[k] = int(min((values[k] - low[s]) * scale[s], np.float32(_RANK_BINS - 1)))
            count[s, bins[k]] += 1
    middle = np.empty((sensors, _RANK_BINS), np.float32)
    for s in range(sensors):
        below, total = 0, count[s].sum()
        for b in range(_RANK_BINS):
            below += count[s, b]
            middle[s, b] = (below - 0.5 * count[s, b]) / total
    for k in range(len(values)):
        if bins[k] >= 0:
            out[k] = middle[source[k], bins[k]]
