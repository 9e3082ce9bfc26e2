"""What must hold in a street of any kind: lanes meet, nothing stands on them, and the map lies on the ground."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely

from perception_nodes.datatypes import ConfigurationError, ElementType
from perception_nodes.simulation.assets import Material
from perception_nodes.simulation.world import KINDS, World, build_world

WorldOf = Callable[..., World]
ALL = sorted(KINDS)
MAX_TRIANGLES = 200_000


def lane_ribbons(world: World) -> list[shapely.Polygon]:
    """The middle 1.8 m of each lane that vehicles use."""
    driven = [lane for lane in world.graph.lanes if lane.kind == "driving"]
    return [shapely.LineString(x.centre_m[:, :2]).buffer(0.9, cap_style="flat") for x in driven]


@pytest.mark.parametrize("kind", ALL)
def test_successors_meet_within_a_centimetre_and_go_on_the_same_way(kind: str, world_of: WorldOf) -> None:
    graph = world_of(kind).graph
    for lane in graph.lanes:
        for after in (graph.lane(i) for i in lane.successors):
            assert np.linalg.norm(after.centre_m[0] - lane.centre_m[-1]) < 0.01, (lane.id, after.id)
            turn = after.at(0.1)[1] - lane.at(lane.length_m - 0.1)[1]
            assert np.cos(turn) > 0.95, (lane.id, after.id)


@pytest.mark.parametrize("kind", ALL)
def test_lanes_end_only_where_the_world_does_or_in_a_merge(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    corners = world.mesh.vertices[:, :2]
    edge = shapely.MultiPoint(corners[:: max(1, len(corners) // 4000)]).convex_hull.boundary
    for lane in world.graph.lanes:
        if lane.kind == "driving" and not lane.successors and lane.turn != "merge":
            assert edge.distance(shapely.Point(lane.centre_m[-1, :2])) < 40.0, lane.id


@pytest.mark.parametrize("kind", ALL)
def test_lanes_lie_on_the_asphalt(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    for lane in world.graph.lanes:
        assert world.surface.on_road(lane.centre_m[1:-1, :2]).all(), lane.id
        np.testing.assert_allclose(lane.centre_m[:, 2], world.surface.height(lane.centre_m[:, :2]), atol=1e-9)


@pytest.mark.parametrize("kind", ALL)
def test_nothing_solid_stands_on_a_lane(kind: str, world_of: WorldOf) -> None:
    """Of all triangles between 0.2 m and 2 m above the ground none is over the middle of a lane."""
    world = world_of(kind)
    corners = world.mesh.vertices[world.mesh.triangles]
    middle = corners.mean(axis=1)
    above = middle[:, 2] - world.surface.height(middle[:, :2])
    # Leaves reach over the road as they do outside.
    low = (above > 0.2) & (above < 2.0) & (world.mesh.material != Material.FOLIAGE)
    ribbons = shapely.union_all(lane_ribbons(world))
    shapely.prepare(ribbons)
    assert not shapely.contains_xy(ribbons, *middle[low, :2].T).any()


@pytest.mark.parametrize("kind", ALL)
def test_houses_stand_neither_on_the_road_nor_the_pavement_nor_each_other(
    kind: str, world_of: WorldOf
) -> None:
    world = world_of(kind)
    houses = shapely.polygons(np.array(world.houses)) if world.houses else np.array([])
    for k, house in enumerate(houses):
        assert not house.intersects(world.surface.road)
        assert not any(house.intersects(shapely.LineString(walk[:, :2])) for walk in world.graph.sidewalks)
        assert shapely.area(shapely.intersection(houses[k + 1 :], house)).sum() < 1e-6


@pytest.mark.parametrize("kind", ALL)
def test_map_elements_lie_on_the_ground(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    flat = [e for e in world.elements if e.type not in (ElementType.TRAFFIC_SIGN, ElementType.TRAFFIC_LIGHT)]
    assert flat
    for element in flat:
        xy, z = element.points_m[:, :2], element.points_m[:, 2]
        off = np.minimum(np.abs(z - world.surface.height(xy)), np.abs(z - world.surface.road_height(xy)))
        assert off.max() < 1e-9, (element.id, element.type)


@pytest.mark.parametrize("kind", ALL)
def test_signs_and_lights_are_where_the_mesh_has_them(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    middle = world.mesh.vertices[world.mesh.triangles].mean(axis=1)
    for kind_of, material in (
        (ElementType.TRAFFIC_SIGN, Material.SIGN),
        (ElementType.TRAFFIC_LIGHT, Material.LAMP),
    ):
        seen = middle[world.mesh.material == material]
        for element in (e for e in world.elements if e.type == kind_of):
            assert np.linalg.norm(seen - element.points_m[0], axis=1).min() < 0.6


@pytest.mark.parametrize("kind", ALL)
def test_neighbours_follow_and_name_each_other(kind: str, world_of: WorldOf) -> None:
    graph = world_of(kind).graph
    for lane in graph.lanes:
        if lane.left:
            assert graph.lane(lane.left).right == lane.id
            assert graph.lane(lane.left).project(lane.at(lane.length_m / 2)[0][0, :2])[1] < 0
        if np.isfinite(lane.stop_s_m):
            assert 0 < lane.stop_s_m <= lane.length_m


@pytest.mark.parametrize("kind", ALL)
def test_places_to_park_are_on_the_asphalt_and_clear_of_each_other(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    assert world.parking.shape[1] == 6
    yaw, length, width = world.parking[:, 3:].T
    ahead, side = np.stack([np.cos(yaw), np.sin(yaw)], 1), np.stack([-np.sin(yaw), np.cos(yaw)], 1)
    a, b = ahead * (length / 2 - 0.05)[:, None], side * (width / 2 - 0.05)[:, None]
    at = world.parking[:, :2]
    shapes = [shapely.Polygon(c) for c in np.stack([at + a + b, at - a + b, at - a - b, at + a - b], axis=1)]
    lanes = shapely.union_all(lane_ribbons(world))
    for k, shape in enumerate(shapes):
        assert world.surface.road.buffer(0.2).contains(shape)
        assert not any(shape.intersects(other) for other in shapes[k + 1 :])
        assert not shape.intersects(lanes)


@pytest.mark.parametrize("kind", ["straight", "signals", "town"])
def test_nobody_parks_at_a_crossing(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    paths = [shapely.LineString(crossing.path_m[:, :2]) for crossing in world.graph.crossings]
    assert paths
    for place in world.parking:
        assert min(path.distance(shapely.Point(place[:2])) for path in paths) > 4.5


@pytest.mark.parametrize("kind", ["signals", "town"])
def test_traffic_stops_just_before_its_stop_line(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    lines = [e.points_m[:, :2] for e in world.elements if e.type == ElementType.STOP_LINE]
    held = [lane for lane in world.graph.lanes if lane.signal and lane.kind == "driving"]
    assert held
    for lane in held:
        centre = shapely.LineString(lane.centre_m[:, :2])
        hits = [hit for line in lines if not (hit := centre.intersection(shapely.LineString(line))).is_empty]
        nearest = min(abs(lane.project(np.array(hit.coords[0]))[0] - lane.stop_s_m) for hit in hits)
        assert nearest < 0.6


@pytest.mark.parametrize("kind", ALL)
def test_the_mesh_is_light_and_sound(kind: str, world_of: WorldOf) -> None:
    mesh = world_of(kind).mesh
    assert 2000 < len(mesh.triangles) < MAX_TRIANGLES
    assert np.isfinite(mesh.vertices).all()
    assert mesh.triangles.min() >= 0 and mesh.triangles.max() < len(mesh.vertices)
    assert len(mesh.material) == len(mesh.triangles)


@pytest.mark.parametrize("kind", ["narrow", "junction", "car_park"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_street(
    kind: str, world_of: WorldOf
) -> None:
    one, two = world_of(kind), build_world(kind, np.random.default_rng(3))
    np.testing.assert_array_equal(one.mesh.vertices, two.mesh.vertices)
    np.testing.assert_array_equal(one.paint.tiles, two.paint.tiles)
    assert [e.points_m.tobytes() for e in one.elements] == [e.points_m.tobytes() for e in two.elements]
    other = world_of(kind, 4)
    assert (
        other.mesh.vertices.shape != one.mesh.vertices.shape
        or (other.mesh.vertices != one.mesh.vertices).any()
    )


@pytest.mark.parametrize("kind", ALL)
def test_the_drive_starts_on_a_lane(kind: str, world_of: WorldOf) -> None:
    world = world_of(kind)
    lane = world.graph.lane(world.ego[0])
    assert lane.kind == "driving" and 0 < world.ego[1] < lane.length_m


@pytest.mark.parametrize("kind", ALL)
def test_what_grows_wild_keeps_off_the_ways(kind: str) -> None:
    """More stands there, as seen from above none of it over a road, up to the height of a lorry."""
    tidy, wild = (build_world(kind, np.random.default_rng(5), overgrown=share) for share in (0.0, 1.0))
    assert len(wild.mesh.triangles) > len(tidy.mesh.triangles) + 1000
    np.testing.assert_array_equal(
        [lane.id for lane in wild.graph.lanes], [lane.id for lane in tidy.graph.lanes]
    )
    corners = wild.mesh.vertices[wild.mesh.triangles[wild.mesh.material == Material.FOLIAGE]]
    middle = corners.mean(axis=1)
    low = middle[middle[:, 2] - wild.surface.height(middle[:, :2]) < 1.5]
    lanes = shapely.union_all(lane_ribbons(wild))
    assert not shapely.intersects_xy(lanes, low[:, 0], low[:, 1]).any()


def test_options_are_heeded() -> None:
    world = build_world(
        "straight", np.random.default_rng(0), lanes=2, lane_m=3.0, length_m=200, parking=False, bicycle=False
    )
    assert [lane.width_m for lane in world.graph.lanes] == [3.0] * 4
    assert world.graph.lanes[0].length_m == pytest.approx(200)
    assert len(world.parking) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lane": 3}, "lane: no such option"),
        ({"slope": 0.2}, "slope: wanted a number 0.0 to 0.06, got 0.2"),
        ({"lanes": 1.5}, "lanes: wanted a whole number"),
        ({"parking": 1}, "parking: wanted true or false"),
        ({"overgrown": 2}, "overgrown: wanted a number 0.0 to 1.0, got 2"),
        ({"wooded": -1}, "wooded: wanted a number 0.0 to 1.0, got -1"),
        ({"setting": "moon"}, "setting: wanted one of"),
        ({"wear": float("nan")}, "wear: wanted a number"),
        ({"length_m": "long"}, "length_m: wanted a number"),
    ],
)
def test_impossible_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"world straight: {words}"):
        build_world("straight", np.random.default_rng(0), **options)


def test_unknown_kind() -> None:
    with pytest.raises(ConfigurationError, match=r"'village'.*car_park"):
        build_world("village", np.random.default_rng(0))
