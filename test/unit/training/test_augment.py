"""Augmentation leaves labels true: what is in a box stays in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.detection.learned_points import NO_INTENSITY
from perception_nodes.training import augment as a
from perception_nodes.training.config import AugmentConfig
from perception_nodes.training.kernels import count_points, first_obstacles, in_shadow, owners
from perception_nodes.training.store import StoredFrame

from . import streets

STILL = AugmentConfig(
    flip=0.0, turn_rad=0.0, scale=0.0, shift_m=0.0, object_share=0.0, paste=0, clutter=0, mounds=0, blocked=0.0,
    drop_beams=0.0, drop_points=0.0, range_std_m=0.0, tilt_rad=0.0, height_m=0.0, no_intensity=0.0, scramble=0.0,
)  # fmt: skip


@pytest.mark.parametrize("seed_", range(6))
def test_moving_everything_keeps_points_in_their_boxes(rng: np.random.Generator, seed_: int) -> None:
    frame = streets.frame(rng)
    config = replace(STILL, flip=0.5, turn_rad=3.0, scale=0.1, shift_m=3.0)
    moved = a.move_all(frame, config, np.random.default_rng(seed_))
    np.testing.assert_array_equal(
        count_points(moved.points.xyh_m, moved.boxes), count_points(frame.points.xyh_m, frame.boxes)
    )
    apart = [np.linalg.norm(f.boxes["center_m"][:, :2] - f.origin_m[:2], axis=1) for f in (frame, moved)]
    ratio = apart[1] / apart[0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    np.testing.assert_allclose(moved.boxes["lwh_m"] / frame.boxes["lwh_m"], ratio[0], rtol=1e-4)
    np.testing.assert_allclose(moved.points.origins_m[0], moved.origin_m[:2], atol=1e-6)


def test_a_velocity_along_the_yaw_stays_along_it(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    frame.boxes["velocity_mps"] = 5 * np.stack(
        [np.cos(frame.boxes["yaw_rad"]), np.sin(frame.boxes["yaw_rad"])], axis=1
    )
    moved = a.move_all(frame, replace(STILL, flip=0.5, turn_rad=3.0), rng).boxes
    front = np.stack([np.cos(moved["yaw_rad"]), np.sin(moved["yaw_rad"])], axis=1)
    np.testing.assert_allclose(moved["velocity_mps"], 5 * front, atol=1e-5)


def test_objects_are_stretched_with_their_boxes(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    changed = a.change_objects(frame, replace(STILL, object_share=1.0, object_scale=0.2), rng)
    ratio = changed.boxes["lwh_m"] / frame.boxes["lwh_m"]
    assert ratio.std() > 0.02
    before, after = (count_points(f.points.xyh_m, f.boxes) for f in (frame, changed))
    np.testing.assert_allclose(after, before, atol=3)
    np.testing.assert_allclose(changed.boxes["center_m"][:, 2] * 2, changed.boxes["lwh_m"][:, 2], rtol=1e-4)


def test_everything_off_changes_hardly_anything(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    same = a.augment(frame, STILL, rng)
    np.testing.assert_allclose(same.points.xyh_m[:, :2], frame.points.xyh_m[:, :2], atol=1e-5)
    assert np.abs(same.points.xyh_m[:, 2] - frame.points.xyh_m[:, 2]).max() < 0.08
    np.testing.assert_array_equal(same.points.rank, frame.points.rank)


def test_the_same_generator_gives_the_same_frame_and_the_argument_is_kept(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    kept = (frame.points.xyh_m.copy(), frame.boxes.copy())
    one, two = (a.augment(frame, AugmentConfig(), np.random.default_rng(5), donor(frame)) for _ in range(2))
    np.testing.assert_array_equal(one.points.xyh_m, two.points.xyh_m)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(frame.points.xyh_m, kept[0])
    np.testing.assert_array_equal(frame.boxes, kept[1])


def donor(frame: StoredFrame) -> a.Donor:
    box = frame.boxes[:1]
    inside = owners(frame.points.xyh_m, box["center_m"], box["lwh_m"], box["yaw_rad"], 0.1) == 0
    thing = a.PastedObject(
        frame.points.xyh_m[inside], frame.points.rank[inside], frame.ring[inside], box, frame.origin_m
    )
    return lambda _rig, _rng: thing


def test_a_pasted_object_brings_its_points_and_hides_what_is_behind(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    empty = replace(frame, boxes=frame.boxes[:0])
    road = empty.points.xyh_m[:, 2] < 0.1
    empty = a.keep_points(empty, road)
    pasted = empty
    for k in range(20):
        pasted = a.paste_objects(empty, 1, donor(frame), np.random.default_rng(k))
        if len(pasted.boxes):
            break
    assert len(pasted.boxes) == 1
    assert count_points(pasted.points.xyh_m, pasted.boxes)[0] >= 55
    apart = [np.linalg.norm(b["center_m"][0, :2] - frame.origin_m[:2]) for b in (pasted.boxes, frame.boxes)]
    assert apart[0] == pytest.approx(apart[1], rel=1e-4)
    assert len(pasted.points) < len(empty.points) + 60


def test_nothing_is_pasted_where_something_is(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    for k in range(30):
        pasted = a.paste_objects(frame, 4, donor(frame), np.random.default_rng(k)).boxes
        step = np.linalg.norm(pasted["center_m"][:, None, :2] - pasted["center_m"][None, :, :2], axis=2)
        radius = 0.5 * np.hypot(*pasted["lwh_m"][:, :2].T)
        new = np.arange(len(pasted)) >= len(frame.boxes)
        clash = (step < radius[:, None] + radius[None]) & (new[:, None] | new[None])
        assert not (clash & ~np.eye(len(pasted), dtype=bool)).any()


def test_fewer_beams_and_points(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    counts = [
        len(a.drop_beams(frame, np.random.default_rng(k)).points) / len(frame.points) for k in range(40)
    ]
    assert 0.25 < min(counts) < 0.4
    assert any(abs(c - 0.5) < 0.06 for c in counts)
    fewer = a.drop_beams(frame, np.random.default_rng(0))
    assert len(fewer.ring) == len(fewer.points.rank) == len(fewer.points.source) == len(fewer.points)


def test_intensity_is_removed_bent_or_kept(rng: np.random.Generator) -> None:
    frame = streets.frame(rng)
    none = a.bend_intensity(frame, replace(STILL, no_intensity=1.0), rng).points.rank
    np.testing.assert_array_equal(none, NO_INTENSITY)
    bent = a.bend_intensity(frame, replace(STILL, scramble=1.0), rng).points.rank
    assert not np.allclose(bent, frame.points.rank)
    assert ((bent >= 0) & (bent <= 1)).all()


def test_shadow_lies_behind_and_below_the_top() -> None:
    wall = np.array([[5.0, y, z] for y in np.linspace(-1, 1, 200) for z in (0.2, 1.0)], np.float32)
    origin = np.array([0.0, 0.0, 1.8], np.float32)
    places = np.array([[10, 0, 0], [3, 0, 0], [10, 0, 1.7], [10, 8, 0], [-10, 0, 0]], np.float32)
    assert in_shadow(places, wall, origin).tolist() == [True, False, False, False, False]
    nearest = first_obstacles(wall, origin)
    assert nearest.min() == pytest.approx(5.0, abs=0.01)
    assert a.is_hidden(np.array([[8.0, 0.0, 1.0]], np.float32), origin, nearest)
    assert not a.is_hidden(np.array([[4.0, 0.0, 1.0]], np.float32), origin, nearest)


def test_a_blocked_sector_is_empty_and_the_rest_is_as_it_was(rng: np.random.Generator) -> None:
    frame = streets.frame(rng, ground=6000)
    for seed in range(8):
        changed = a.block_sector(frame, np.random.default_rng(seed))
        assert 0.3 * len(frame.points) < len(changed.points) < len(frame.points)
        assert len(changed.ring) == len(changed.points.rank) == len(changed.points)
        step = changed.points.xyh_m[:, :2] - frame.origin_m[:2]
        angle = np.sort(np.arctan2(step[:, 1], step[:, 0]))
        widest = np.diff(np.append(angle, angle[0] + 2 * np.pi)).max()
        assert 0.08 < widest < 4.3
