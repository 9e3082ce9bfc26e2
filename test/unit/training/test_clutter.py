"""Clutter is seen by the beams that there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.training.clutter import COLUMNS, add_clutter, draw_group, free, raise_ground, stop_beams
from perception_nodes.training.kernels import count_points

from . import streets

ORIGIN = np.array([0.0, 0.0, 1.8], np.float32)


def beams(reach_m: float = 30.0) -> np.ndarray:
    """(N, 3) ends of beams that all go ahead, a little up and down and to the sides."""
    bearing, rise = (
        g.ravel() for g in np.meshgrid(np.linspace(-0.3, 0.3, 121), np.linspace(-0.12, 0.05, 61))
    )
    ends = np.stack([np.cos(bearing), np.sin(bearing), rise], axis=1) * reach_m + ORIGIN
    return ends.astype(np.float32)


def stop(
    thing: list[float], depth_m: float, is_round: bool, gaps: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """thing: x, y, foot z, yaw, length, width, height."""
    before = beams()
    after = before.copy()
    chance = np.random.default_rng(1).random((2, len(before))).astype(np.float32)
    things = np.array([[*thing, depth_m, gaps, float(is_round)]])
    return before, after, stop_beams(after, ORIGIN, things, chance) >= 0


@pytest.mark.parametrize("gaps", [0.0, 0.4])
@pytest.mark.parametrize("is_round", [True, False])
def test_beams_end_in_the_thing_on_their_own_way(is_round: bool, gaps: float) -> None:
    before, after, hit = stop([12.0, 0.0, 0.3, 0.4, 4.0, 1.5, 1.6], 0.3, is_round, gaps)
    assert hit.sum() > 100
    np.testing.assert_array_equal(before[~hit], after[~hit])
    a, b = before[hit] - ORIGIN, after[hit] - ORIGIN
    np.testing.assert_allclose(np.cross(a, b) / 30, 0, atol=2e-3)
    c, s = np.cos(0.4), np.sin(0.4)
    dx, dy = after[hit, 0] - 12.0, after[hit, 1]
    u, v, w = (dx * c + dy * s) / 2.0, (dy * c - dx * s) / 0.75, (after[hit, 2] - 1.1) / 0.8
    inside = u**2 + v**2 + w**2 if is_round else np.abs(np.stack([u, v, w])).max(axis=0)
    assert inside.max() < 1.02


def test_hardly_deep_means_on_the_surface() -> None:
    before, after, hit = stop([12.0, 0.0, 0.0, 0.0, 0.2, 6.0, 1.5], 1e-4, False)
    np.testing.assert_allclose(after[hit, 0], 11.9, atol=0.02)
    aimed = (np.abs(before[:, 1] * 11.9 / before[:, 0]) < 2.9) & (
        np.abs((before[:, 2] - 1.8) / before[:, 0] * 11.9 + 1.8 - 0.75) < 0.7
    )
    assert aimed.sum() > 500 and hit[aimed].all()


def test_depths_are_exponential_and_gaps_let_light_through() -> None:
    """Of a slab 6 m thick: mean depth as asked for; with a half of gaps twice as deep, and more come out again."""
    middle = (np.abs(beams()[:, 2] - 1.0) < 1.5) & (np.abs(beams()[:, 1]) < 4.0)
    deep = {}
    for gaps in (0.0, 0.5):
        _, after, hit = stop([13.0, 0.0, -3.0, 0.0, 6.0, 30.0, 9.0], 0.5, False, gaps)
        assert hit[middle].mean() > 0.95
        deep[gaps] = float((after[middle & hit, 0] - 10.0).mean())
    assert deep[0.0] == pytest.approx(0.55, abs=0.08)
    assert deep[0.5] == pytest.approx(2 * deep[0.0], rel=0.25)


def test_what_lies_before_it_beside_it_above_or_below_stays() -> None:
    near = np.array(
        [[8.0, 0, 0], [12.0, 9.0, 0.0], [40.0, 0.0, 6.0], [-20.0, 0.0, 0.5], [13.0, 0.0, 0.2]], np.float32
    )
    after = near.copy()
    things = np.array([[12.0, 0, 1.0, 0, 4.0, 2.0, 1.0, 0.1, 0.0, 1.0]])
    hit = stop_beams(after, ORIGIN, things, np.full((2, 4), 0.5, np.float32))
    assert (hit == -1).all()
    np.testing.assert_array_equal(near, after)


def test_a_frame_keeps_its_boxes_and_mostly_their_points(rng: np.random.Generator) -> None:
    frame = streets.frame(rng, ground=4000)
    changed = add_clutter(frame, 8, np.random.default_rng(3))
    np.testing.assert_array_equal(changed.boxes, frame.boxes)
    old = len(frame.points)
    assert (
        len(changed.ring)
        == len(changed.points.rank)
        == len(changed.points.source)
        == len(changed.points)
        >= old
    )
    moved = (changed.points.xyh_m[:old] != frame.points.xyh_m).any(axis=1)
    assert moved.any()
    assert (changed.points.rank[:old][moved] != frame.points.rank[moved]).any()
    assert (
        count_points(changed.points.xyh_m, changed.boxes) <= count_points(frame.points.xyh_m, frame.boxes) + 1
    ).all()
    again = add_clutter(frame, 8, np.random.default_rng(3))
    np.testing.assert_array_equal(again.points.xyh_m, changed.points.xyh_m)


def test_things_have_possible_sizes_and_stand_where_the_sensor_sees() -> None:
    seen = np.full(1024, 20.0, np.float32)
    drawn = [draw_group(ORIGIN, seen, np.random.default_rng(k)) for k in range(300)]
    thing = np.concatenate(drawn)
    assert thing.shape[1] == len(COLUMNS)
    assert (thing[:, 4:8] > 0.005).all() and np.isfinite(thing).all()
    assert ((thing[:, 8] >= 0) & (thing[:, 8] < 0.7)).all()
    first = np.array([g[0, :2] for g in drawn if len(g)])
    assert (np.hypot(*thing[:, :2].T) > 2.0).all()
    assert np.median(np.hypot(*first.T)) < 22.0


def test_what_begins_above_a_box_may_stand_over_it(rng: np.random.Generator) -> None:
    boxes = streets.boxes(rng)[:1]
    x, y = boxes["center_m"][0, :2]
    things = np.array([[x, y, z, 0, 2, 2, 2, 0.1, 0, 1] for z in (0.0, 3.0)])
    things = np.concatenate([things, things[:1] + np.eye(10)[0] * 9.0])
    np.testing.assert_array_equal(free(things, boxes), [False, True, True])


def test_mounds_rise_off_the_objects(rng: np.random.Generator) -> None:
    frame = streets.frame(rng, ground=6000)
    raised = [raise_ground(frame, 6, np.random.default_rng(k)) for k in range(20)]
    lift = np.array([r.points.xyh_m[:, 2] - frame.points.xyh_m[:, 2] for r in raised])
    assert all(np.array_equal(r.points.xyh_m[:, :2], frame.points.xyh_m[:, :2]) for r in raised)
    assert 0.2 < lift.max() < 2.0 and (lift != 0).any(axis=1).sum() > 5
    of_boxes = slice(6000, None)
    assert (lift[:, of_boxes] == 0).all()


def test_nothing_where_boxes_are(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    everywhere = frame.boxes.copy()
    everywhere["lwh_m"][:, :2] = 200.0
    full = replace(frame, boxes=everywhere)
    np.testing.assert_array_equal(add_clutter(full, 8, rng).points.xyh_m, frame.points.xyh_m)


def test_beams_into_the_sky_are_made_where_a_thing_rises_above_the_horizon(rng: np.random.Generator) -> None:
    """Ring 5 looks up by 0.1 m a metre; it has points at a far wall only, all around elsewhere it met the sky."""
    bearing = np.linspace(-np.pi, np.pi, 720)
    road = np.stack([12 * np.cos(bearing), 12 * np.sin(bearing), np.zeros(720)], axis=1)
    wall = np.stack([np.full(20, -40.0), np.linspace(-3, 3, 20), np.full(20, 1.8 + 4.0)], axis=1)
    frame = streets.frame(rng)
    xyh = np.concatenate([road, wall]).astype(np.float32)
    ring = np.repeat([1, 5], [720, 20]).astype(np.uint8)
    points = replace(
        frame.points, xyh_m=xyh, rank=np.full(740, 0.5, np.float32), source=np.zeros(740, np.uint8)
    )
    frame = replace(frame, points=points, ring=ring, boxes=frame.boxes[:0], origin_m=ORIGIN)
    grown = [add_clutter(frame, 8, np.random.default_rng(k)) for k in range(12)]
    new = np.concatenate([g.points.xyh_m[740:] for g in grown])
    assert len(new) > 50
    assert all((g.ring[740:] == 5).all() for g in grown)
    rise = (new[:, 2] - 1.8) / np.hypot(new[:, 0], new[:, 1])
    np.testing.assert_allclose(rise, 0.1, atol=2e-3)


def test_long_edges_and_banks_lie_along_the_way() -> None:
    """What is longer than 20 m is seen from its side: the sensor sees little of the end of it first."""
    seen = np.full(1024, 25.0, np.float32)
    long = 0
    for seed in range(400):
        things = draw_group(ORIGIN, seen, np.random.default_rng(seed))
        if len(things) < 4 or np.ptp(things[:, :2], axis=0).max() < 20.0:
            continue
        long += 1
        middle = things[:, :2] - things[:, :2].mean(axis=0)
        axis = np.linalg.svd(middle)[2][0]
        out = things[:, :2].mean(axis=0) / np.hypot(*things[:, :2].mean(axis=0))
        assert abs(axis @ out) < 0.97, seed
    assert long > 15
