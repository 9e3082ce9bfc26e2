"""Bands around lines, beside shapely's."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import LineString

from perception_nodes.evaluation.maps.bands import band_pieces, bands_touch

WIDTH_M = 2.0
STRAIGHT = np.array([[0.0, 0.0], [10.0, 0.0]])
HAIRPIN = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 1.0]])


def touch(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(bands_touch(band_pieces(a, WIDTH_M), band_pieces(b, WIDTH_M)))


def official(line: np.ndarray) -> shapely.Polygon:
    return LineString(line).buffer(WIDTH_M, cap_style="flat", join_style="mitre")


def random_line(rng: np.random.Generator) -> np.ndarray:
    n = int(rng.integers(2, 9))
    heading = rng.uniform(-3, 3) + np.cumsum(rng.normal(0, rng.choice([0.3, 1.5]), n))
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * rng.uniform(0.5, 6, (n, 1))
    return np.cumsum(steps, axis=0) + rng.uniform(-9, 9, 2)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [((0, 3.99), True), ((0, 4.01), False), ((10.01, 0), False), ((9.99, 0), True), ((10.01, 3.9), False)],
)
def test_bands_are_four_metres_wide_and_end_flat(shift: tuple[float, float], expected: bool) -> None:
    assert touch(STRAIGHT, STRAIGHT + np.array(shift)) is expected


def test_the_outer_corner_of_a_bend_is_filled() -> None:
    bend = np.array([[-10.0, 0.0], [0.0, 0.0], [0.0, 10.0]])
    for corner, expected in ((1.95, True), (2.05, False)):
        away = np.array([[corner, -corner], [corner + 5, -corner - 5]])
        # A band of no width to speak of: only the corner can touch it.
        assert bool(bands_touch(band_pieces(bend, WIDTH_M), band_pieces(away, 1e-6))) is expected


@pytest.mark.parametrize(("beyond_m", "expected"), [(9.9, True), (10.1, False)])
def test_a_sharp_bend_is_cut_off_at_five_widths(beyond_m: float, expected: bool) -> None:
    mid = np.arctan2(-1.0, 10.0) / 2
    tip = HAIRPIN[1] + beyond_m * np.array([np.cos(mid), np.sin(mid)])
    away = np.stack([tip, tip + np.array([5.0, 0.0])])
    assert bool(bands_touch(band_pieces(HAIRPIN, WIDTH_M), band_pieces(away, 1e-6))) is expected
    assert official(HAIRPIN).intersects(LineString(away)) is expected


def test_equals_shapely_on_random_lines() -> None:
    rng = np.random.default_rng(3)
    found, unclear = [0, 0], 0
    for _ in range(1500):
        a, b = random_line(rng), random_line(rng)
        p, q = official(a), official(b)
        ours = touch(a, b)
        found[ours] += 1
        if ours != p.intersects(q):
            # GEOS straightens lines by up to a hundredth of the width: near misses may differ.
            assert p.distance(q) < 0.1 and p.intersection(q).area < 0.05, (a, b)
            unclear += 1
    assert min(found) > 300 and unclear < 5


@pytest.mark.parametrize("line", [STRAIGHT[:1], STRAIGHT[[0, 0]], np.zeros((0, 2))])
def test_no_length_no_band(line: np.ndarray) -> None:
    assert len(band_pieces(line, WIDTH_M)) == 0 and not touch(line, STRAIGHT)


def test_a_repeated_point_and_a_turn_back_change_nothing() -> None:
    again = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 0.0], [10.0, 0.0]])
    back = np.array([[0.0, 0.0], [10.0, 0.0], [4.0, 0.0]])
    for line in (again, back):
        for shift in ((0, 3.99), (0, 4.01), (10.01, 0)):
            other = STRAIGHT + np.array(shift)
            assert touch(line, other) == touch(STRAIGHT, other)
