"""Bodies on the surface of a street: height and tilt from where they touch it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from perception_nodes.simulation.world.roads import RoadGraph

F64 = npt.NDArray[np.float64]


class Ground(Protocol):
    """What traffic needs of `world.surface`."""

    def height(self, xy_m: F64) -> F64:
        """(N,) z of points (N, 2)."""


class Street(Protocol):
    """What traffic needs of a world."""

    @property
    def graph(self) -> RoadGraph:
        """Its lanes."""

    @property
    def surface(self) -> Ground:
        """What everything stands on."""

    @property
    def ego(self) -> tuple[int, float]:
        """Lane id and distance along it where a drive starts."""

    @property
    def parking(self) -> F64:
        """(P, 6) x, y, z, yaw, length, width of places to park."""

    @property
    def verges(self) -> F64:
        """(V, 6) of places off the road, from which nobody pulls out and where nobody seeks to park."""


def on_surface(ground: Ground, pose: F64, base_m: F64, track_m: F64, tilted: npt.NDArray[np.bool_]) -> F64:
    """(N, 6) x, y, z, yaw, pitch, roll of (N, 3) x, y, yaw; touching at four points, or where not tilted at one."""
    n = len(pose)
    c, s = np.cos(pose[:, 2]), np.sin(pose[:, 2])
    ahead, left = np.stack([c, s], axis=1), np.stack([-s, c], axis=1)
    half_base, half_track = 0.5 * base_m[:, None] * ahead, 0.5 * track_m[:, None] * left
    at = pose[:, :2]
    touching = [at + half_base, at - half_base, at + half_track, at - half_track, at]
    front, back, on_left, on_right, middle = ground.height(np.concatenate(touching)).reshape(5, n)
    out = np.zeros((n, 6))
    out[:, :2], out[:, 3] = at, pose[:, 2]
    out[:, 2] = np.where(tilted, 0.25 * (front + back + on_left + on_right), middle)
    out[:, 4] = np.where(tilted, -np.arctan2(front - back, np.maximum(base_m, 0.2)), 0.0)
    out[:, 5] = np.where(tilted, np.arctan2(on_left - on_right, np.maximum(track_m, 0.2)), 0.0)
    return out
