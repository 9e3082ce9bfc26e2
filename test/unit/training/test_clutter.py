"""Clutter is seen by the beams that there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.training.clutter import add_clutter, draw_thing, stop_beams
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


def stop(thing: list[float], depth_m: float, is_round: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    before = beams()
    after = before.copy()
    chance = np.random.default_rng(1).random((2, len(before))).astype(np.float32)
    return before, after, stop_beams(after, ORIGIN, np.array(thing), depth_m, is_round, chance)


@pytest.mark.parametrize("is_round", [True, False])
def test_beams_end_in_the_thing_on_their_own_way(is_round: bool) -> None:
    before, after, hit = stop([12.0, 0.0, 0.4, 4.0, 1.5, 1.6], 0.3, is_round)
    assert hit.sum() > 100
    np.testing.assert_array_equal(before[~hit], after[~hit])
    a, b = before[hit] - ORIGIN, after[hit] - ORIGIN
    np.testing.assert_allclose(np.cross(a, b) / 30, 0, atol=2e-3)
    c, s = np.cos(0.4), np.sin(0.4)
    dx, dy = after[hit, 0] - 12.0, after[hit, 1]
    u, v, w = (dx * c + dy * s) / 2.0, (dy * c - dx * s) / 0.75, (after[hit, 2] - 0.8) / 0.8
    inside = u**2 + v**2 + w**2 if is_round else np.abs(np.stack([u, v, w])).max(axis=0)
    assert inside.max() < 1.02


def test_hardly_deep_means_on_the_surface_and_some_beams_go_through() -> None:
    before, after, hit = stop([12.0, 0.0, 0.0, 0.2, 6.0, 1.5], 1e-4, False)
    np.testing.assert_allclose(after[hit, 0], 11.9, atol=0.02)
    through = (np.abs(before[:, 1] * 11.9 / before[:, 0]) < 2.9) & (after[:, 0] > 12.2)
    low = (before[:, 2] - 1.8) / before[:, 0] * 11.9 + 1.8 < 1.45
    assert 0.05 < (through & low).sum() / ((through | hit) & low).sum() < 0.15


def test_what_lies_before_it_beside_it_or_above_stays() -> None:
    near = np.array([[8.0, 0, 0], [12.0, 9.0, 0.0], [40.0, 0.0, 4.0], [-20.0, 0.0, 0.5]], np.float32)
    after = near.copy()
    hit = stop_beams(
        after, ORIGIN, np.array([12.0, 0, 0, 4.0, 2.0, 1.5]), 0.1, False, np.full((2, 4), 0.5, np.float32)
    )
    assert not hit.any()
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


def test_things_have_possible_sizes_and_keep_away_from_the_sensor() -> None:
    drawn = [draw_thing(ORIGIN, np.random.default_rng(k)) for k in range(300)]
    thing = np.array([d[0] for d in drawn])
    assert (thing[:, 3:] > 0.05).all()
    assert (np.hypot(*thing[:, :2].T) >= 4.0).all()
    assert {d[2] for d in drawn} == {True, False}
    assert min(d[1] for d in drawn) > 0


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
