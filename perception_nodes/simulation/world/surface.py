"""The ground as a height: terrain, crown of the roads, roughness, and the step of the kerbs.

Heights are given at the nodes of a grid and are plane on the two triangles of each cell, and the mesh of the ground is
cut out of the very same triangles; so what is laid on `Surface.height` lies on the mesh, to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from scipy.interpolate import griddata
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from .plan import Plan

F64 = npt.NDArray[np.float64]

CELL_M = 2.5
_WAVES_M = (70.0, 110.0, 170.0, 290.0)
# Roads wider than this fall from a line this far from the kerb on, not from their middle: less relief, as built.
_CROWN_HALF_M = 6.0


@dataclass(frozen=True, eq=False)
class Surface:
    """low_m: odom of node (0, 0); road_m (W, H): height at the nodes as if all were road; kerb_m (W, H): step of kerbs.

    road: the asphalt in the plane; the rest of the ground lies higher by the step.
    """

    low_m: tuple[float, float]
    road_m: F64
    kerb_m: F64
    road: BaseGeometry

    def height(self, xy_m: F64) -> F64:
        """(N,) z of road or pavement at (N, 2); beyond the border of the ground as at the border."""
        xy = np.asarray(xy_m, np.float64)
        return self.road_height(xy) + np.where(self.on_road(xy), 0.0, self.kerb_height(xy))

    def on_road(self, xy_m: F64) -> npt.NDArray[np.bool_]:
        """(N,) whether points (N, 2) lie on the asphalt; its edge counts as asphalt."""
        out: npt.NDArray[np.bool_] = shapely.intersects_xy(self.road, xy_m[:, 0], xy_m[:, 1])
        return out

    def road_height(self, xy_m: F64) -> F64:
        """(N,) z as if all were road: the foot of the kerb on its line."""
        return self._plane(self.road_m, xy_m)[0]

    def kerb_height(self, xy_m: F64) -> F64:
        """(N,) how much the pavement is higher, m."""
        return self._plane(self.kerb_m, xy_m)[0]

    def normal(self, xy_m: F64) -> F64:
        """(N, 3) unit normal of the ground, upwards."""
        xy = np.asarray(xy_m, np.float64)
        _, dx, dy = self._plane(self.road_m, xy)
        _, kx, ky = self._plane(self.kerb_m, xy)
        raised = ~self.on_road(xy)
        out = np.stack([-(dx + raised * kx), -(dy + raised * ky), np.ones(len(xy))], axis=1)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return out

    def _plane(self, nodes: F64, xy_m: F64) -> tuple[F64, F64, F64]:
        """Value and slopes along x and y at (N, 2), on the triangle of the grid that each point lies on."""
        at = (xy_m - np.asarray(self.low_m)) / CELL_M
        at = np.clip(at, 0.0, np.array(nodes.shape) - 1.0 - 1e-9)
        i, j = np.floor(at).astype(np.int64).T
        u, v = at[:, 0] - i, at[:, 1] - j
        z00, z11 = nodes[i, j], nodes[i + 1, j + 1]
        corner = np.where(u >= v, nodes[i + 1, j], nodes[i, j + 1])
        # Each cell is split from its low to its high corner.
        along_x = np.where(u >= v, corner - z00, z11 - corner)
        along_y = np.where(u >= v, z11 - corner, corner - z00)
        return z00 + u * along_x + v * along_y, along_x / CELL_M, along_y / CELL_M


def build_surface(plan: Plan, rng: np.random.Generator) -> Surface:
    """Heights for a plan."""
    low_x, low_y, high_x, high_y = plan.domain.bounds
    low = (float(np.floor(low_x / CELL_M) * CELL_M), float(np.floor(low_y / CELL_M) * CELL_M))
    shape = (int((high_x - low[0]) / CELL_M) + 2, int((high_y - low[1]) / CELL_M) + 2)
    x, y = (start + CELL_M * np.arange(n) for start, n in zip(low, shape, strict=True))
    xy = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    terrain = (
        _terrain(xy, plan.relief.slope, rng) if plan.heights is None else _mapped(xy, plan.heights, shape)
    )
    rough = plan.relief.rough_m * rng.standard_normal(len(xy))
    z = terrain + rough + _crown(xy, plan)
    kerb = np.full(len(xy), plan.relief.kerb_m)
    for polygon in plan.low_kerb:
        near = shapely.dwithin(shapely.polygons(polygon), shapely.points(xy), 0.6 * CELL_M)
        kerb[near] = np.minimum(kerb[near], 0.02)
    shapely.prepare(plan.road)
    return Surface(low, z.reshape(shape), kerb.reshape(shape), plan.road)


def _terrain(xy_m: F64, slope: float, rng: np.random.Generator) -> F64:
    """Waves of several lengths whose slopes cannot add up to more than `slope`; 0 at the origin."""
    out = np.zeros(len(xy_m))
    share = rng.dirichlet(np.full(len(_WAVES_M), 2.0))
    for length, part in zip(_WAVES_M, share, strict=True):
        heading, phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        k = 2.0 * np.pi / length
        along = k * (xy_m @ np.array([np.cos(heading), np.sin(heading)])) + phase
        out += slope * part / k * (np.sin(along) - np.sin(phase))
    return out


def _mapped(xy_m: F64, heights: F64, shape: tuple[int, int]) -> F64:
    """Terrain through the known points of a map, smooth between them."""
    heights = heights[np.unique(np.round(heights[:, :2], 2), axis=0, return_index=True)[1]]
    if np.ptp(heights[:, 2]) < 1e-6 or len(heights) < 4:
        return np.full(len(xy_m), float(heights[:, 2].mean()))
    nearest = griddata(heights[:, :2], heights[:, 2], xy_m, "nearest")
    inside = griddata(heights[:, :2], heights[:, 2], xy_m, "linear")
    z = np.where(np.isfinite(inside), inside, nearest).reshape(shape)
    return np.asarray(gaussian_filter(z, 2.0, mode="nearest"), np.float64).ravel()


def _crown(xy_m: F64, plan: Plan) -> F64:
    """The road rises from its kerbs towards its middle."""
    if plan.relief.crown == 0:
        return np.zeros(len(xy_m))
    edge = shapely.get_coordinates(shapely.segmentize(plan.road.boundary, 0.5))
    distance, _ = cKDTree(edge).query(xy_m)
    on_road = shapely.intersects_xy(plan.road, xy_m[:, 0], xy_m[:, 1])
    return np.where(on_road, plan.relief.crown * np.minimum(distance, _CROWN_HALF_M), 0.0)
