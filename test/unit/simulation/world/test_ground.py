"""The ground: the same as height and as mesh; kerbs, crown and slopes as built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from perception_nodes.simulation.assets import Material, Mesh
from perception_nodes.simulation.world import World, build_world
from perception_nodes.simulation.world.ground import triangulate
from perception_nodes.simulation.world.surface import _terrain

WorldOf = Callable[..., World]
GROUND = [Material.ASPHALT, Material.PAVEMENT, Material.GRASS, Material.KERB]


def ground_below(mesh: Mesh, xy: np.ndarray) -> np.ndarray:
    """(N,) height of the ground of a mesh by rays from above, all but the ground left out."""
    kept = np.isin(mesh.material, GROUND)
    flat = np.ptp(mesh.vertices[mesh.triangles][..., 2], axis=1) < 0.5
    scene = EmbreeScene()
    TriangleMesh(scene, mesh.vertices.astype(np.float32), mesh.triangles[kept & flat].astype(np.int32))
    origins = np.column_stack([xy, np.full(len(xy), 40.0)]).astype(np.float32)
    down = np.tile(np.array([0, 0, -1], np.float32), (len(xy), 1))
    return 40.0 - np.asarray(scene.run(origins, down, output=1)["tfar"], np.float64)


def places(world: World, n: int = 4000) -> np.ndarray:
    """Points within 6 m of lanes."""
    rng = np.random.default_rng(1)
    on = np.concatenate([lane.centre_m[:, :2] for lane in world.graph.lanes])
    return on[rng.integers(len(on), size=n)] + rng.uniform(-6, 6, (n, 2))


@pytest.mark.parametrize("kind", ["junction", "curve", "highway"])
def test_the_mesh_is_where_the_surface_says(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    xy = places(world)
    # Nearer than 2 cm to a kerb single precision decides on which side of the step a ray comes down.
    clear = shapely.distance(world.surface.road.boundary, shapely.points(xy)) > 0.02
    xy = xy[clear]
    found = ground_below(world.mesh, xy)
    inside = found > -30
    assert inside.mean() > 0.9
    off = np.abs(found - world.surface.height(xy))[inside]
    assert np.mean(off < 1e-3) > 0.995, np.sort(off)[-20:]


def test_normals_are_the_slope_of_the_height(world_of: WorldOf) -> None:
    surface = world_of("curve").surface
    # Beyond the grid the height is that of its border.
    xy = places(world_of("curve"), 500)
    xy = xy[np.abs(ground_below(world_of("curve").mesh, xy)) < 30]
    step = 1e-5
    dx, dy = (
        (surface.height(xy + d) - surface.height(xy - d)) / (2 * step)
        for d in (np.array([step, 0]), np.array([0, step]))
    )
    normal = surface.normal(xy)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1.0)
    same = (np.abs(-normal[:, 0] / normal[:, 2] - dx) < 1e-6) & (
        np.abs(-normal[:, 1] / normal[:, 2] - dy) < 1e-6
    )
    assert same.mean() > 0.99  # all but those across the edge of a triangle or a kerb


def test_kerbs_are_as_high_as_asked_for() -> None:
    world = build_world("straight", np.random.default_rng(0), kerb_m=0.12, slope=0.0)
    edge = next(e for e in world.elements if e.subtype == "curb").points_m
    rise = world.surface.kerb_height(edge[:, :2])
    assert np.median(rise) == pytest.approx(0.12)
    assert rise.min() < 0.03  # let down at the crossing
    assert np.median(world.surface.height(edge[:, :2] + [0, 0.3]) - edge[:, 2]) > 0.1 or edge[0, 1] < 0


def test_the_crown_falls_two_percent_to_both_kerbs() -> None:
    world = build_world(
        "straight", np.random.default_rng(0), slope=0.0, parking=False, bicycle=False, lane_m=3.5
    )
    x = np.linspace(-100, 0, 200)
    z = [
        world.surface.height(np.column_stack([x, np.full(200, y)])).mean()
        for y in (-2.5, -1.25, 0.0, 1.25, 2.5)
    ]
    assert z[2] - z[0] == pytest.approx(0.05, abs=0.012)
    assert z[2] - z[4] == pytest.approx(0.05, abs=0.012)
    assert z[0] < z[1] < z[2] > z[3] > z[4]


@pytest.mark.parametrize("slope", [0.0, 0.06])
def test_terrain_is_no_steeper_than_asked_for(slope: float) -> None:
    world = build_world("straight", np.random.default_rng(5), slope=slope, parking=False)
    line = world.graph.lane(world.ego[0]).at(np.arange(0.0, 300.0, 10.0))[0]
    steep = np.abs(np.diff(line[:, 2]) / 10.0)
    assert steep.max() <= slope + 0.005
    assert slope == 0 or steep.max() > 0.015


def test_waves_of_the_terrain_add_up_to_the_slope_at_most() -> None:
    x = np.arange(-300.0, 300.0, 5.0)
    xy = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    steepest = []
    for seed in range(10):
        z = _terrain(xy, 0.05, np.random.default_rng(seed)).reshape(len(x), len(x))
        steepest.append(np.hypot(*np.gradient(z, 5.0)).max())
    assert 0.035 < max(steepest) <= 0.05


def test_polygons_are_filled_exactly() -> None:
    ring = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)], [[(0.5, 0.5), (0.5, 1), (1, 0.5)]])
    triangles = triangulate(np.array([ring, shapely.LineString([(0, 0), (1, 1)]), shapely.Polygon()]))
    shapes = shapely.polygons(triangles)
    assert shapely.area(shapes).sum() == pytest.approx(ring.area)
    assert shapely.union_all(shapes).symmetric_difference(ring).area < 1e-9
    side = np.diff(triangles, axis=1)
    assert (side[:, 0, 0] * side[:, 1, 1] - side[:, 0, 1] * side[:, 1, 0] > 0).all()


def test_nothing_to_fill() -> None:
    assert triangulate(np.array([shapely.Polygon()])).shape == (0, 3, 2)
