"""Woods, banks and hedges line roads where they are asked for, and keep off what is driven, walked and parked on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from perception_nodes.simulation.assets import Material, Mesh
from perception_nodes.simulation.world import KINDS, Options, build_world
from perception_nodes.simulation.world.growth import grown
from perception_nodes.simulation.world.placing import Settlement, settle
from perception_nodes.simulation.world.plan import Plan
from perception_nodes.simulation.world.surface import Surface, build_surface
from perception_nodes.simulation.world.woods import place_area

LINED = ["straight", "curve", "narrow", "junction", "highway", "town"]


def lined(kind: str, seed: int) -> tuple[Plan, Surface, Settlement, Mesh]:
    """A street and what grows beside it alone."""
    rng = np.random.default_rng(seed)
    plan = replace(KINDS[kind](Options(setting="open"), rng), wooded=1.0)
    surface = build_surface(plan, rng)
    settled = settle(plan, rng)
    return plan, surface, settled, grown(settled.lining, plan, surface.height, rng)


@pytest.mark.parametrize("kind", LINED)
def test_much_of_the_roads_is_lined(kind: str) -> None:
    plan, _, settled, mesh = lined(kind, 3)
    lining = settled.lining
    kerb = plan.road.boundary.intersection(plan.domain).length
    length = sum(0.5 * len(at.xy_m) for at, _ in (*lining.woods, *lining.banks))
    length += sum(shapely.LineString(h.points_m).length for h in lining.hedges)
    assert length > 0.25 * kerb
    assert (mesh.material == Material.FOLIAGE).sum() > 2000 and (mesh.material == Material.BARK).sum() > 200


@pytest.mark.parametrize("kind", LINED)
def test_nothing_hangs_into_the_ways_or_stands_in_a_place_to_park(kind: str) -> None:
    plan, surface, settled, mesh = lined(kind, 4)
    middle = mesh.vertices[mesh.triangles].mean(axis=1)
    above = middle[:, 2] - surface.height(middle[:, :2])
    places = shapely.union_all([place_area(p) for p in settled.lining.places])
    for ways, clear in ((plan.road, 4.0), (plan.pavement, 1.9), (places, 2.6)):
        inside = shapely.intersects_xy(ways.buffer(-0.2), *middle[above < clear, :2].T)
        assert not inside.any(), (kind, clear)


def test_cars_stand_against_what_grows() -> None:
    """Places off the road, none on another, most with leaves within 1.5 m of them."""
    near, places = 0, 0
    for seed in range(4):
        plan, _, settled, mesh = lined("straight", seed)
        areas = [place_area(p) for p in settled.lining.places]
        assert shapely.union_all(areas).area == pytest.approx(sum(a.area for a in areas))
        assert not any(a.intersects(plan.road) or a.intersects(plan.pavement) for a in areas)
        leaves = shapely.MultiPoint(mesh.vertices[mesh.triangles[mesh.material == Material.FOLIAGE, 0], :2])
        hedges = shapely.union_all(
            [shapely.LineString(h.points_m).buffer(0.4) for h in settled.lining.hedges]
        )
        near += sum(a.distance(leaves.union(hedges)) < 1.5 for a in areas)
        places += len(areas)
    assert places > 20 and near > 0.6 * places


def test_edges_have_bays_as_large_as_cars() -> None:
    """Within 8 m along an edge it goes back and forth by more than 1.5 m, in every fourth such piece at least."""
    deep = []
    for seed in range(4):
        for at, _ in lined("straight", seed)[2].lining.woods:
            deep += [np.ptp(at.edge_m[k : k + 16]) for k in range(0, len(at.edge_m) - 16, 16)]
    assert 0.25 < np.mean(np.array(deep) > 1.5) < 0.95


def test_a_wooded_street_is_the_same_again_and_others_are_not() -> None:
    one, two, other = (build_world("curve", np.random.default_rng(s), wooded=0.8) for s in (5, 5, 6))
    assert one.mesh.vertices.tobytes() == two.mesh.vertices.tobytes()
    assert one.mesh.vertices.shape != other.mesh.vertices.shape
    assert one.parking.tobytes() == build_world("curve", np.random.default_rng(5)).parking.tobytes()
    assert len(one.verges) > 0
