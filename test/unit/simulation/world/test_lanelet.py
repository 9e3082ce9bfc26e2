"""Lanelet2 maps: a small one written here, damaged ones, and two real ones where they are present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datatypes import ElementType, InputError
from perception_nodes.simulation.world import World, world_from_osm
from perception_nodes.simulation.world.osm import read_osm

MAPS = Path(__file__).parents[5] / "shared" / "data" / "maps"
REAL = ["autoware_intersection_lanelet2_map.osm", "lanelet2_karlsruhe_mapping_example.osm"]


def node(number: int, x: float, y: float) -> str:
    tags = f'<tag k="local_x" v="{x}"/><tag k="local_y" v="{y}"/>'
    return f'<node id="{number}" lat="0" lon="0">{tags}</node>'


def way(number: int, nodes: list[int], **tags: str) -> str:
    inner = "".join(f'<nd ref="{n}"/>' for n in nodes)
    return f'<way id="{number}">{inner}{tagged(tags)}</way>'


def tagged(tags: dict[str, str]) -> str:
    return "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())


def lanelet(number: int, left: int, right: int, more: str = "", **tags: str) -> str:
    members = f'<member type="way" ref="{left}" role="left"/><member type="way" ref="{right}" role="right"/>'
    tags = {"type": "lanelet", "subtype": "road", "one_way": "yes", **tags}
    return f'<relation id="{number}">{members}{more}{tagged(tags)}</relation>'


def street() -> list[str]:
    """Two lanes side by side along +x, each of two lanelets; the upper right bound runs backwards in the file."""
    xs = (100.0, 140.0, 180.0)
    nodes = [node(10 * row + k, x, 50.0 + 3.5 * row) for row in range(3) for k, x in enumerate(xs)]
    ways = [
        way(100, [0, 1], type="road_border"),
        way(101, [1, 2], type="road_border"),
        way(110, [11, 10], type="line_thin", subtype="dashed"),
        way(111, [11, 12], type="line_thin", subtype="dashed"),
        way(120, [20, 21], type="line_thin", subtype="solid"),
        way(121, [21, 22], type="line_thin", subtype="solid"),
        way(130, [2, 12], type="stop_line"),
    ]
    return [
        *nodes,
        *ways,
        lanelet(1, 110, 100, speed_limit="30"),
        lanelet(2, 111, 101),
        lanelet(3, 120, 110),
        lanelet(4, 121, 111),
    ]


def written(folder: Path, parts: list[str]) -> Path:
    path = folder / "street.osm"
    path.write_text("<?xml version='1.0'?>\n<osm>\n" + "\n".join(parts) + "\n</osm>\n")
    return path


def load(path: Path) -> World:
    return world_from_osm(path, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("said", "kmh"), [("30 mph", 48.28), ("60.5 km/h", 60.5), ("1.2.3", 5.0), ("none", 50.0), ("900", 130.0)]
)
def test_words_of_a_speed_limit(tmp_path: Path, said: str, kmh: float) -> None:
    parts = [part.replace('"30"', f'"{said}"') for part in street()]
    assert load(written(tmp_path, parts)).graph.lanes[0].speed_mps * 3.6 == pytest.approx(kmh, abs=0.01)


def test_lanes_join_and_lie_beside_each_other(tmp_path: Path) -> None:
    world = load(written(tmp_path, street()))
    lanes = world.graph.lanes
    assert [lane.successors for lane in lanes] == [(2,), (), (4,), ()]
    assert [(lane.left, lane.right) for lane in lanes] == [(3, 0), (4, 0), (0, 1), (0, 2)]
    assert [round(lane.width_m, 3) for lane in lanes] == [3.5] * 4
    assert lanes[0].speed_mps == pytest.approx(30 / 3.6)
    assert lanes[1].speed_mps == pytest.approx(50 / 3.6)
    assert lanes[0].project(lanes[2].centre_m[1, :2])[1] == pytest.approx(3.5)
    divider = next(e for e in world.elements if e.subtype == "dashed")
    assert lanes[0].project(divider.points_m[1, :2])[1] == pytest.approx(1.75)
    assert all(lane.at(5.0)[1][0] == pytest.approx(0, abs=1e-9) for lane in lanes)


def test_lines_become_dividers_and_stop_lines_stop(tmp_path: Path) -> None:
    world = load(written(tmp_path, street()))
    found = sorted(e.subtype for e in world.elements if e.type == ElementType.LANE_DIVIDER)
    assert found == ["dashed", "dashed", "solid", "solid"]
    assert sum(e.type == ElementType.STOP_LINE for e in world.elements) == 1
    stops = [lane.stop_s_m for lane in world.graph.lanes]
    assert stops[1] == pytest.approx(39.7, abs=0.05)
    assert np.isinf(stops[0])


def test_a_wide_lanelet_for_both_directions_is_two_lanes(tmp_path: Path) -> None:
    parts = [p for p in street() if "relation" not in p]
    both = [lanelet(1, 120, 100, one_way="no"), lanelet(2, 121, 101, one_way="no")]
    lanes = load(written(tmp_path, [*parts, *both])).graph.lanes
    assert [lane.width_m for lane in lanes] == pytest.approx([3.5] * 4)
    assert [lane.successors for lane in lanes] == [(3,), (), (), (2,)]
    assert [np.cos(lane.at(1.0)[1][0]).round(6) for lane in lanes] == [1, -1, 1, -1]


def test_lights_and_right_of_way(tmp_path: Path) -> None:
    light = way(140, [22], type="traffic_light", subtype="red_yellow_green")
    rule = (
        '<relation id="50"><member type="way" ref="140" role="refers"/>'
        + tagged({"type": "regulatory_element", "subtype": "traffic_light"})
        + "</relation>"
    )
    first = (
        '<relation id="51"><member type="relation" ref="2" role="yield"/><member type="relation" ref="4" '
        'role="right_of_way"/>'
        + tagged({"type": "regulatory_element", "subtype": "right_of_way"})
        + "</relation>"
    )
    named = lanelet(4, 121, 111, '<member type="relation" ref="50" role="regulatory_element"/>')
    parts = [p for p in street() if 'relation id="4"' not in p]
    graph = load(written(tmp_path, [*parts, light, named, rule, first])).graph
    assert [lane.signal for lane in graph.lanes] == [0, 0, 0, 1]
    assert graph.lanes[1].yields_to == (4,)
    assert abs(graph.signals[0].yaw_rad) == pytest.approx(np.pi)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: [*p, "<way>"], r"street.osm: line \d+, column \d+: no XML"),
        (lambda p: p[1:], "way 100: node 0 is not in the file"),
        (lambda p: [*p, lanelet(9, 110, 999)], "relation 9: right way 999 is not in the file"),
        (
            lambda p: [*p, lanelet(9, 110, 100).replace('role="right"', 'role="centre"')],
            "relation 9: a lanelet without a right",
        ),
        (
            lambda p: [*p, node(77, 1, 2).replace('v="1"', 'v="one"')],
            "node 77: local_x: wanted a number, got 'one'",
        ),
        (lambda p: [*p, '<node id="78" lat="1" lon="2"/>'], "9 nodes have local_x and local_y, 1 have not"),
        (
            lambda p: [*p, way(79, [3]).replace('id="79"', 'id="x"')],
            "<way>: id: wanted a whole number, got 'x'",
        ),
        (lambda p: [x for x in p if "relation" not in x], "no lanelets"),
        (
            lambda p: [*p, way(90, [1]), lanelet(9, 110, 90)],
            "way 90: a bound of a lanelet: wanted at least 2 points",
        ),
        (lambda _: [], "no nodes"),
    ],
)
def test_damage_is_named(tmp_path: Path, spoil: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(written(tmp_path, spoil(street())))  # type: ignore[operator]


def test_files_that_are_no_maps(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing.osm: cannot be read"):
        load(tmp_path / "missing.osm")
    other = tmp_path / "other.osm"
    other.write_text("<html/>")
    with pytest.raises(InputError, match="wanted <osm> at the top, got <html>"):
        load(other)
    with pytest.raises(InputError, match="no road within"):
        world_from_osm(
            written(tmp_path, street()), np.random.default_rng(0), radius_m=10.0, centre_m=(0.0, 0.0)
        )


def test_degrees_become_metres(tmp_path: Path) -> None:
    """One thousandth of a degree at 49 degrees north: 111.2 m north, 73.2 m east (WGS 84)."""
    corners = [(1, 49.0, 8.0), (2, 49.001, 8.0), (3, 49.001, 8.001), (4, 49.0, 8.001)]
    parts = [f'<node id="{n}" lat="{lat}" lon="{lon}"/>' for n, lat, lon in corners]
    points = read_osm(written(tmp_path, [*parts, way(1, [1, 2, 3])])).ways[1].points_m
    steps = np.diff(points[:, :2], axis=0)
    np.testing.assert_allclose(steps, [[0, 111.21], [73.17, 0]], atol=0.03)


@pytest.mark.parametrize("name", REAL)
def test_real_maps(name: str) -> None:
    if not (MAPS / name).exists():
        pytest.skip(f"{name} is not here")
    world = load(MAPS / name)
    assert len(world.graph.lanes) > 50 and len(world.mesh.triangles) < 200_000
    for lane in world.graph.lanes:
        for after in (world.graph.lane(i) for i in lane.successors):
            assert np.linalg.norm(after.centre_m[0] - lane.centre_m[-1]) < 0.01
    for element in (
        e for e in world.elements if e.type in (ElementType.LANE_DIVIDER, ElementType.CENTERLINE)
    ):
        xy, z = element.points_m[:, :2], element.points_m[:, 2]
        np.testing.assert_allclose(z, world.surface.road_height(xy), atol=1e-9)
    assert not any(world.surface.road.intersects(_polygon(h)) for h in world.houses)
    assert world.graph.signals


def _polygon(corners: np.ndarray) -> object:
    import shapely

    return shapely.Polygon(corners)
