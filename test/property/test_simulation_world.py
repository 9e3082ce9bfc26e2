"""Whatever the seed: lanes meet, houses keep off the road, the map lies on the ground, and paint does not float."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_nodes.datatypes import ElementType
from perception_nodes.simulation.world import KINDS, build_world

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(set(KINDS) - {"town"})), seed=SEEDS, slope=st.sampled_from([0.0, 0.03, 0.06])
)
def test_streets_hold_together(kind: str, seed: int, slope: float) -> None:
    world = build_world(kind, np.random.default_rng(seed), slope=slope)
    for lane in world.graph.lanes:
        for after in (world.graph.lane(i) for i in lane.successors):
            assert np.linalg.norm(after.centre_m[0] - lane.centre_m[-1]) < 0.01
        assert world.surface.on_road(lane.centre_m[1:-1, :2]).all()
        assert np.isfinite(lane.centre_m).all() and lane.speed_mps > 0
    for house in world.houses:
        assert not shapely.Polygon(house).intersects(world.surface.road)
    for element in world.elements:
        if element.type in (ElementType.LANE_DIVIDER, ElementType.STOP_LINE, ElementType.CENTERLINE):
            xy = element.points_m[:, :2]
            np.testing.assert_allclose(element.points_m[:, 2], world.surface.road_height(xy), atol=1e-9)
    assert np.isfinite(world.mesh.vertices).all()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(["junction", "narrow", "tunnel", "car_park", "curve"]), seed=SEEDS)
def test_the_seed_decides_everything(kind: str, seed: int) -> None:
    one, two = (build_world(kind, np.random.default_rng(seed)) for _ in range(2))
    assert one.mesh.vertices.tobytes() == two.mesh.vertices.tobytes()
    assert one.mesh.material.tobytes() == two.mesh.material.tobytes()
    assert one.paint.tiles.tobytes() == two.paint.tiles.tobytes()
    assert one.parking.tobytes() == two.parking.tobytes()
