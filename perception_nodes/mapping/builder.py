"""Lane dividers and road boundaries from lidar sweeps, accumulated over ego motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import MalformedMessage, MapElements, OutOfOrder, PointCloud
from perception_nodes.geometry import Transform

from .config import MapConfig
from .grid import GridView, GroundGrid
from .ground import SQUARE_M, coarse_ground
from .identity import Registry
from .intensity import IntensityScale
from .lines import draw_lines

F32 = npt.NDArray[np.float32]

_JUMP_BACK_NS = 1_000_000_000
_JITTER_S = 0.03  # sweeps are not exactly a tenth of a second apart


class MapBuilder:
    """Level the sweep, find the ground, remember its brightness and height, draw lines, keep their ids."""

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self._grid = GroundGrid(self.config)
        self._scale = IntensityScale()
        self._registry = Registry(self.config)
        self.reset()

    def reset(self) -> None:
        """Forget the map (after a time jump); ids are not used again."""
        self._grid.reset()
        self._scale.reset()
        self._registry.reset()
        self._last: tuple[int, Transform] | None = None
        self._sweeps = 0
        self._drawn_ns: int | None = None
        self._painted = False  # until a sweep brings intensity there are boundaries only

    def update(self, cloud: PointCloud, odom_from_base: Transform) -> MapElements:
        """Add one sweep (base_link, compensated, merged) and return all elements in odom at its stamp.

        Lines are drawn anew `draw_every_s` after the last time by the stamps, with at least `draw_sweeps` new ones:
        also where most sweeps are lost. In between the known lines are returned with their ages. Raises OutOfOrder on a
        stamp at or a little before the last one; more than a second back, a long gap, or a jump of the vehicle starts
        the map anew.
        """
        self._check_time(cloud, odom_from_base)
        vehicle = odom_from_base.translation_m
        level = _levelled(cloud.xyz_m, odom_from_base.rotation.astype(np.float32))
        self._grid.move_to(vehicle[0], vehicle[1])
        self._grid.add(level, *self._surface(cloud, level), vehicle)
        self._sweeps += 1
        if self._due(cloud.stamp_ns):
            self._drawn_ns, self._sweeps = cloud.stamp_ns, 0
            view = self._grid.view()
            drawn = draw_lines(view, odom_from_base.yaw_rad, self.config, self._painted)
            self._registry.update(drawn, cloud.stamp_ns, view.corner_m, 2 * self.config.half_extent_m)
        elements = self._registry.elements(cloud.stamp_ns)
        return MapElements(cloud.stamp_ns, self.config.frame_id, elements, self._rectangle(odom_from_base))

    def grid(self) -> GridView:
        """What is remembered of the ground (for pictures)."""
        return self._grid.view()

    def warm(self) -> None:
        """Compile the kernels on a small made-up road, without a trace in the map."""
        other = MapBuilder(self.config)
        rng = np.random.default_rng(0)
        xyz = np.column_stack([rng.uniform(-20, 20, (20000, 2)), np.zeros(20000)]).astype(np.float32)
        xyz[xyz[:, 1] > 6, 2] = 0.15
        bright = np.where(np.abs(xyz[:, 1]) < 0.1, 100.0, rng.uniform(5, 10, 20000)).astype(np.float32)
        for k in range(1, self.config.draw_sweeps + 2):
            stamp_ns = round(k * self.config.max_gap_s * 0.9e9)
            other.update(PointCloud(stamp_ns, "base_link", xyz, intensity=bright), Transform.identity())

    def _due(self, stamp_ns: int) -> bool:
        if self._drawn_ns is None:
            return True
        waited_s = (stamp_ns - self._drawn_ns) * 1e-9 + _JITTER_S
        return waited_s >= self.config.draw_every_s and self._sweeps >= self.config.draw_sweeps

    def _surface(self, cloud: PointCloud, level: F32) -> tuple[F32, F32 | None]:
        """(N,) height over the ground and, where there is intensity, its contrast (NaN off the ground)."""
        c = self.config
        ground = coarse_ground(level, c.half_extent_m, c.ground_slope, c.own_radius_m)
        over = np.empty(len(level), np.float32)
        _over_ground(level, ground, c.half_extent_m, c.own_radius_m, over)
        if cloud.intensity is None:
            return over, None
        on_ground = np.flatnonzero(np.abs(over) < c.ground_band_m)
        relative = np.full(len(level), np.nan, np.float32)
        if len(on_ground):
            self._painted = True
            source = np.zeros(len(cloud), np.uint8) if cloud.source is None else cloud.source
            flat = level[on_ground]
            range_m = np.hypot(flat[:, 0], flat[:, 1])
            relative[on_ground] = self._scale.relative(cloud.intensity[on_ground], source[on_ground], range_m)
        return over, relative

    def _check_time(self, cloud: PointCloud, pose: Transform) -> None:
        if not _all_finite(cloud.xyz_m):
            raise MalformedMessage("MapBuilder.update: cloud: a coordinate is not finite")
        if self._last is not None:
            gap_ns = cloud.stamp_ns - self._last[0]
            step_m = float(np.linalg.norm(pose.translation_m - self._last[1].translation_m))
            if -_JUMP_BACK_NS <= gap_ns <= 0:
                raise OutOfOrder(
                    f"MapBuilder.update: stamp {cloud.stamp_ns}: the last one was {self._last[0]}"
                )
            if gap_ns < 0 or gap_ns > self.config.max_gap_s * 1e9 or step_m > self.config.max_step_m:
                self.reset()
        self._last = (cloud.stamp_ns, pose)

    def _rectangle(self, pose: Transform) -> npt.NDArray[np.float64]:
        half = self.config.half_extent_m - self.config.cell_m
        corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * half
        return corners + pose.translation_m[:2]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _levelled(xyz: Any, rotation: Any) -> Any:
    """Points turned into odom's axes; a matrix product would start the linear algebra library's threads for it."""
    out = np.empty(xyz.shape, np.float32)
    for k in range(len(xyz)):
        x, y, z = xyz[k, 0], xyz[k, 1], xyz[k, 2]
        for a in range(3):
            out[k, a] = rotation[a, 0] * x + rotation[a, 1] * y + rotation[a, 2] * z
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _all_finite(xyz: Any) -> bool:
    for k in range(len(xyz)):  # noqa: SIM110 - compiled
        if not np.isfinite(xyz[k, 0] + xyz[k, 1] + xyz[k, 2]):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _over_ground(xyz: F32, ground: F32, half: float, own: float, out: F32) -> None:
    size = ground.shape[0]
    for k in range(len(xyz)):
        x, y = xyz[k, 0], xyz[k, 1]
        i, j = int(np.floor((x + half) / SQUARE_M)), int(np.floor((y + half) / SQUARE_M))
        if i < 0 or j < 0 or i >= size or j >= size or x * x + y * y < own * own:
            out[k] = np.nan
        else:
            out[k] = xyz[k, 2] - ground[i, j]
