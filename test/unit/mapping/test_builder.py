"""Lines found on a drawn road, their identity, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import ElementType, MalformedMessage, MapElements, OutOfOrder, PointCloud
from perception_nodes.geometry import Transform
from perception_nodes.mapping import MapBuilder, MapConfig

CONFIG = MapConfig(half_extent_m=30.0)


def run(sweeps: list[tuple[PointCloud, Transform]], config: MapConfig = CONFIG) -> list[MapElements]:
    builder = MapBuilder(config)
    return [builder.update(cloud, pose) for cloud, pose in sweeps]


def kinds(elements: MapElements) -> list[tuple[str, str]]:
    return sorted((e.type.name, e.subtype) for e in elements.elements)


def one(elements: MapElements, subtype: str) -> Any:
    (found,) = (e for e in elements.elements if e.subtype == subtype)
    return found


EXPECTED = [("LANE_DIVIDER", "dashed"), ("LANE_DIVIDER", "solid"), ("ROAD_BOUNDARY", "curb")]
ACROSS_M = {"dashed": -0.5, "solid": 3.0, "curb": 6.0}


@pytest.mark.parametrize("yaw", [0.0, 0.6, 2.4])
def test_lines_and_kerb_lie_where_they_were_drawn(drive: Any, road_from_odom: Any, yaw: float) -> None:
    last = run(drive(yaw_rad=yaw))[-1]
    assert kinds(last) == EXPECTED
    for subtype, across in ACROSS_M.items():
        points = road_from_odom(one(last, subtype).points_m, yaw)
        error_m = np.abs(points[:, 1] - across)
        assert error_m.max() < CONFIG.cell_m and error_m.mean() < 0.07
        assert np.ptp(points[:, 0]) > 30.0
        assert np.abs(points[:, 2]).max() < 0.2


def test_stated_deviation_covers_the_error(drive: Any, road_from_odom: Any) -> None:
    last = run(drive(yaw_rad=0.6))[-1]
    for subtype, across in ACROSS_M.items():
        element = one(last, subtype)
        error = road_from_odom(element.points_m, 0.6)[:, 1] - across
        assert np.mean(np.abs(error) < 3 * element.lateral_std_m) > 0.9
        assert (element.lateral_std_m < 0.2).all()


def test_ids_stay_while_driving(drive: Any) -> None:
    outputs = run(drive(sweeps=41))
    first = {e.subtype: e.id for e in outputs[15].elements}
    last = {e.subtype: e.id for e in outputs[-1].elements}
    assert first == last and len(set(last.values())) == 3
    assert one(outputs[-1], "curb").age_s > 2.0


def test_lines_are_drawn_by_time_where_sweeps_are_lost(drive: Any) -> None:
    """Four of ten sweeps, as on a machine that is full."""
    kept = [pair for k, pair in enumerate(drive(sweeps=40)) if k % 5 in (0, 2)]
    outputs = run(kept)
    first = next(k for k, out in enumerate(outputs) if len(out))
    assert (kept[first][0].stamp_ns - kept[0][0].stamp_ns) * 1e-9 < 1.6
    assert set(kinds(outputs[-1])) >= set(EXPECTED)


def test_lines_are_drawn_once_a_second(drive: Any) -> None:
    seen = [next((e.time_since_update_s for e in out.elements), None) for out in run(drive(sweeps=32))]
    assert [k for k, age in enumerate(seen) if age == 0.0] == [10, 20, 30]


def test_without_intensity_there_are_boundaries_only(drive: Any) -> None:
    builder = MapBuilder(CONFIG)
    for cloud, pose in drive(intensity=False):
        out = builder.update(cloud, pose)
    assert kinds(out) == [("ROAD_BOUNDARY", "curb")]


def test_lidars_of_different_scale_go_together(drive: Any) -> None:
    assert kinds(run(drive(second_scale=0.01))[-1]) == EXPECTED


@pytest.mark.parametrize("kerb", [0.0, 0.34, 0.6])
def test_no_kerb_where_the_step_is_none_or_a_wall(drive: Any, kerb: float) -> None:
    assert "curb" not in {e.subtype for e in run(drive(kerb_m=kerb))[-1].elements}


def test_stamp_that_does_not_advance_is_refused(drive: Any) -> None:
    builder = MapBuilder(CONFIG)
    cloud, pose = drive(sweeps=1)[0]
    builder.update(cloud, pose)
    with pytest.raises(OutOfOrder):
        builder.update(cloud, pose)


@pytest.mark.parametrize("jump_ns", [-1_500_000_000, 5_000_000_000])
def test_time_jump_starts_anew(drive: Any, jump_ns: int) -> None:
    builder = MapBuilder(CONFIG)
    sweeps = drive(sweeps=20)
    for cloud, pose in sweeps:
        before = builder.update(cloud, pose)
    cloud = dataclasses.replace(sweeps[-1][0], stamp_ns=sweeps[-1][0].stamp_ns + jump_ns)
    after = builder.update(cloud, sweeps[-1][1])
    assert len(before) and float(builder.grid().weight.max()) == 1.0
    assert {e.id for e in before.elements}.isdisjoint(e.id for e in after.elements)


def test_empty_sweep_is_no_error() -> None:
    out = run([(PointCloud(1, "base_link", np.zeros((0, 3), np.float32)), Transform.identity())])[0]
    assert len(out) == 0 and out.rectangle_m is not None


def test_point_that_is_not_finite_is_refused() -> None:
    cloud = PointCloud(1, "base_link", np.full((1, 3), np.nan, np.float32))
    with pytest.raises(MalformedMessage, match="not finite"):
        MapBuilder(CONFIG).update(cloud, Transform.identity())


def test_rectangle_is_counter_clockwise_around_the_vehicle(drive: Any) -> None:
    cloud, pose = drive(sweeps=1)[0]
    corners = MapBuilder(CONFIG).update(cloud, pose).rectangle_m
    assert corners is not None
    x, y = corners.T
    assert 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) == pytest.approx((2 * 29.8) ** 2)
    assert corners.mean(axis=0) == pytest.approx(pose.translation_m[:2])


def test_warming_leaves_no_trace() -> None:
    builder = MapBuilder(CONFIG)
    builder.warm()
    cloud = PointCloud(1, "base_link", np.zeros((0, 3), np.float32))
    assert len(builder.update(cloud, Transform.identity())) == 0
    assert float(builder.grid().weight.max()) == 0.0


def test_element_types_are_probable(drive: Any) -> None:
    for element in run(drive())[-1].elements:
        assert element.type_probabilities.sum() == pytest.approx(1.0)
        assert int(element.type_probabilities.argmax()) == element.type != ElementType.UNKNOWN
        assert ((element.confidence >= 0) & (element.confidence <= 1)).all()
        assert 0 < element.existence_probability <= 1
