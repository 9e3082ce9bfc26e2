"""Times to collision and distances of rectangles on hand-worked cases, and against shapely stepped through time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, Polygon, box

from perception_nodes import evaluation as ev
from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import MovingBoxes

EGO = MovingBoxes(np.zeros((1, 2)), np.array([[4.0, 2.0]]), np.zeros(1), np.array([[10.0, 0.0]]))


def other(x: float, y: float, vx: float, vy: float, yaw: float = 0.0) -> MovingBoxes:
    return MovingBoxes(np.array([[x, y]]), np.array([[4.0, 2.0]]), np.array([yaw]), np.array([[vx, vy]]))


def polygon(boxes: MovingBoxes, k: int, t: float) -> Polygon:
    length, width = boxes.lw_m[k]
    x, y = boxes.xy_m[k] + boxes.velocity_mps[k] * t
    flat = box(-length / 2, -width / 2, length / 2, width / 2)
    return affinity.translate(affinity.rotate(flat, boxes.yaw_rad[k], (0, 0), True), x, y)


def random_boxes(rng: np.random.Generator, n: int) -> MovingBoxes:
    return MovingBoxes(
        rng.uniform(-20, 20, (n, 2)),
        rng.uniform(0.3, 8, (n, 2)),
        rng.uniform(-4, 4, n),
        rng.uniform(-6, 6, (n, 2)),
    )


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ((34.0, 0.0, 0.0, 0.0), 3.0),  # 30 m between the bumpers at 10 m/s
        ((34.0, 0.0, -5.0, 0.0), 2.0),
        ((34.0, 2.5, 0.0, 0.0), np.inf),  # passes by at 0.5 m
        ((34.0, 1.9, 0.0, 0.0), 3.0),
        ((34.0, 0.0, 10.0, 0.0), np.inf),  # keeps its distance
        ((3.0, 0.0, 0.0, 0.0), 0.0),  # overlap already
        ((-10.0, 0.0, 0.0, 0.0), np.inf),  # behind
        ((84.0, 0.0, 0.0, 0.0), 8.0),  # at the end of the horizon
        ((84.1, 0.0, 0.0, 0.0), np.inf),
        (
            (23.0, -12.0, 0.0, 5.0, np.pi / 2),
            2.0,
        ),  # crossing: the ego's front reaches its side
        ((23.0, -22.0, 0.0, 5.0, np.pi / 2), np.inf),  # too late
        ((10.0, 0.0, np.nan, 0.0), np.nan),
    ],
)
def test_by_hand(case: tuple[float, ...], expected: float) -> None:
    assert ev.time_to_collision(EGO, other(*case))[0] == pytest.approx(expected, nan_ok=True)


def test_against_shapely_through_time(rng: np.random.Generator) -> None:
    # Near each other: of 2000 seeds the least was 11, the most 36 that collide.
    a, b = (replace(x, xy_m=0.4 * x.xy_m) for x in (random_boxes(rng, 60), random_boxes(rng, 60)))
    found = ev.time_to_collision(a, b)
    assert 5 < np.isfinite(found).sum() < 55
    for k, t in enumerate(found):
        apart = [polygon(a, k, s).distance(polygon(b, k, s)) for s in np.arange(0, min(t, 8.0) - 1e-6, 0.02)]
        assert all(d > 0 for d in apart)
        if np.isfinite(t):
            assert polygon(a, k, t).distance(polygon(b, k, t)) < 1e-9


def test_gap_and_support_distance_against_shapely(rng: np.random.Generator) -> None:
    a, b = random_boxes(rng, 300), random_boxes(rng, 300)
    gaps = [polygon(a, k, 0).distance(polygon(b, k, 0)) for k in range(300)]
    np.testing.assert_allclose(ev.box_gap(a, b), gaps, atol=1e-9)
    points = rng.uniform(-10, 10, (300, 2))
    expected = [Point(p).distance(polygon(b, k, 0)) for k, p in enumerate(points)]
    np.testing.assert_allclose(ev.support_distance(points, b), expected, atol=1e-9)
    assert min(gaps) == 0 and min(expected) == 0


def test_openscenario_is_distance_by_closing_speed() -> None:
    side = other(30.0, 40.0, 0.0, 0.0)  # 50 m away; closing at 10 * 30 / 50 = 6 m/s
    assert ev.openscenario_ttc(EGO, side)[0] == pytest.approx(50 / 6)
    assert ev.openscenario_ttc(EGO, other(34.0, 0.0, 0.0, 0.0), freespace=True)[0] == pytest.approx(3.0)
    assert ev.openscenario_ttc(EGO, other(34.0, 0.0, 12.0, 0.0))[0] == np.inf
    assert ev.openscenario_ttc(EGO, other(0.0, 0.0, 10.0, 0.0))[0] == 0.0
    assert np.isnan(ev.openscenario_ttc(EGO, other(9.0, 0.0, np.nan, 0.0))[0])


def test_reachable_by_hand() -> None:
    # Beside each other at equal speed, 5 m between the sides: 5 <= 2 t^2 from t = 1.58 s, so at 1.6 s.
    beside = other(0.0, 7.0, 10.0, 0.0)
    assert not ev.collision_reachable(EGO, beside, 4.0, 1.5)[0]
    assert ev.collision_reachable(EGO, beside, 4.0, 1.6)[0]
    assert not ev.collision_reachable(EGO, other(0.0, 7.0, np.nan, 0.0), 4.0, 9.0)[0]


def test_a_path_gives_velocity_and_heading() -> None:
    stamps = np.arange(5) * 1_000_000_000
    xy = np.array([[0, 0], [0, 0], [0, 2], [0, 4], [0, 4]], float)
    ego = MovingBoxes.of_path(stamps, xy, (4.6, 1.9))
    np.testing.assert_allclose(ego.velocity_mps[:, 1], [0, 1, 2, 1, 0])
    np.testing.assert_allclose(ego.yaw_rad, np.pi / 2)  # also where it stands
    still = MovingBoxes.of_path([5], np.zeros((1, 2)), (4.6, 1.9))
    assert (still.yaw_rad[0], still.velocity_mps.any()) == (0.0, False)


def test_errors() -> None:
    three = MovingBoxes(np.zeros((3, 2)), np.ones((3, 2)), np.zeros(3), np.zeros((3, 2)))
    two = MovingBoxes(np.zeros((2, 2)), np.ones((2, 2)), np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(InputError, match="got 3 and 2"):
        ev.time_to_collision(three, two)
    with pytest.raises(InputError, match="horizon"):
        ev.time_to_collision(EGO, EGO, np.nan)
    with pytest.raises(InputError, match=r"wanted \(N, 2\)"):
        MovingBoxes(np.zeros((3, 3)), np.ones((3, 2)), np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(InputError, match="negative"):
        MovingBoxes(np.zeros((1, 2)), -np.ones((1, 2)), np.zeros(1), np.zeros((1, 2)))
    with pytest.raises(InputError, match="ascending"):
        MovingBoxes.of_path([2, 1], np.zeros((2, 2)), (4.6, 1.9))


def test_no_boxes() -> None:
    none = MovingBoxes(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros((0, 2)))
    assert [len(f(EGO, none)) for f in (ev.time_to_collision, ev.openscenario_ttc, ev.box_gap)] == [0, 0, 0]
