"""The mesh of the ground: asphalt, kerb stones, pavements, grass, cut out of the triangles of the surface's grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from perception_nodes.simulation.assets.materials import Material
from perception_nodes.simulation.assets.meshes import Mesh, join, strip

from .plan import Plan
from .surface import CELL_M, Surface

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

KERB_STONE_M = 0.15
_FORECOURT_M = 1.8  # in towns the ground in front of houses is paved
_BLOCK = (
    8  # cells: areas are cut into blocks first, since cutting costs in proportion to the corners of an area
)


def ground_mesh(plan: Plan, surface: Surface) -> Mesh:
    """All of the ground inside the domain."""
    raised = plan.domain.difference(plan.road)
    stone = (
        raised.intersection(plan.road.buffer(KERB_STONE_M))
        if plan.relief.kerb_m > 0.03
        else shapely.Polygon()
    )
    walked = plan.pavement.buffer(_FORECOURT_M) if plan.setting == "town" else plan.pavement
    pavement = raised.intersection(walked).difference(stone)
    grass = raised.difference(stone).difference(pavement)
    areas = [
        (plan.road.intersection(plan.domain), Material.ASPHALT),
        (stone, Material.KERB),
        (pavement, Material.PAVEMENT),
        (grass, Material.GRASS),
    ]
    parts = [mesh for area, material in areas for mesh in _area(area, material, surface)]
    return join([*parts, *kerb_faces(plan, surface)])


def kerb_lines(plan: Plan) -> list[F64]:
    """(N, 2) the edges of the asphalt inside the domain, with a point at least each metre."""
    inner = shapely.segmentize(plan.road.boundary.intersection(plan.domain.buffer(-0.05)), 1.0)
    merged = shapely.line_merge(inner)
    return [np.asarray(part.coords) for part in shapely.get_parts(merged) if part.length > 0.5]


def kerb_faces(plan: Plan, surface: Surface) -> Iterator[Mesh]:
    """The steps."""
    if plan.relief.kerb_m < 0.005:
        return
    for line in kerb_lines(plan):
        foot = surface.road_height(line)
        low = np.column_stack([line, foot])
        high = np.column_stack([line, foot + surface.kerb_height(line)])
        yield strip(low, high, Material.KERB)


def _area(area: BaseGeometry, material: Material, surface: Surface) -> Iterator[Mesh]:
    """Whole cells as they are; cells at the border of the area cut to it."""
    if area.is_empty:
        return
    shapely.prepare(area)
    low = np.asarray(surface.low_m)
    n, m = np.array(surface.road_m.shape) - 1
    i, j = (k.ravel() for k in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    x, y = low[0] + CELL_M * i, low[1] + CELL_M * j
    west, south, east, north = area.bounds
    near = (x + CELL_M >= west) & (x <= east) & (y + CELL_M >= south) & (y <= north)
    i, j, x, y = i[near], j[near], x[near], y[near]
    cells = shapely.box(x, y, x + CELL_M, y + CELL_M)
    touched = shapely.intersects(area, cells)
    whole = touched.copy()
    whole[touched] = shapely.covers(area, cells[touched])
    yield _whole(i[whole], j[whole], material, surface)
    cut = touched & ~whole
    yield from _cut(area, i[cut], j[cut], material, surface)


def _whole(i: I64, j: I64, material: Material, surface: Surface) -> Mesh:
    shape = surface.road_m.shape
    node = i * shape[1] + j
    right, up = node + shape[1], node + 1
    triangles = np.concatenate(
        [np.stack([node, right, right + 1], axis=1), np.stack([node, right + 1, up], axis=1)]
    )
    used, triangles = np.unique(triangles, return_inverse=True)
    a, b = np.divmod(used, shape[1])
    z = surface.road_m[a, b] + (0.0 if material == Material.ASPHALT else surface.kerb_m[a, b])
    vertices = np.column_stack([surface.low_m[0] + CELL_M * a, surface.low_m[1] + CELL_M * b, z])
    faces = triangles.reshape(-1, 3).astype(np.int32)
    return Mesh(vertices, faces, np.full(len(faces), material, np.uint8))


def _cut(area: BaseGeometry, i: I64, j: I64, material: Material, surface: Surface) -> Iterator[Mesh]:
    low = np.asarray(surface.low_m)
    block = np.stack([i // _BLOCK, j // _BLOCK], axis=1)
    for key in np.unique(block, axis=0):
        mine = (block == key).all(axis=1)
        corner = low + key * _BLOCK * CELL_M
        part = area.intersection(shapely.box(*corner, *(corner + _BLOCK * CELL_M)))
        x, y = low[0] + CELL_M * i[mine], low[1] + CELL_M * j[mine]
        pieces = shapely.intersection(part, _triangles(x, y))
        xy = triangulate(pieces)
        if len(xy):
            flat = xy.reshape(-1, 2)
            faces = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
            z = surface.road_height(flat)
            if material != Material.ASPHALT:
                z = z + surface.kerb_height(flat)
            yield Mesh(np.column_stack([flat, z]), faces, np.full(len(faces), material, np.uint8))


def _triangles(x: F64, y: F64) -> npt.NDArray[np.object_]:
    """Both triangles of the cells with these low corners."""
    a = np.stack([x, y], axis=1)
    b, c, d = a + np.array([CELL_M, 0.0]), a + CELL_M, a + np.array([0.0, CELL_M])
    corners = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    out: npt.NDArray[np.object_] = shapely.polygons(corners)
    return out


def triangulate(pieces: npt.NDArray[np.object_]) -> F64:
    """(T, 3, 2) counter-clockwise triangles that fill polygons; what is no polygon, or a sliver, is left out."""
    parts = shapely.get_parts(pieces)
    parts = parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 1e-5)]
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(parts))
    if not len(triangles):
        return np.zeros((0, 3, 2))
    xy: F64 = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    side = xy[:, 1:] - xy[:, :1]
    twice = side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0]
    xy[twice < 0] = xy[twice < 0][:, ::-1]
    return xy[np.abs(twice) > 1e-6]
