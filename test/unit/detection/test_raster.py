"""The raster against a plain numpy version, cell by cell, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.detection.learned_points import PreparedPoints
from perception_nodes.detection.raster import CHANNELS, OVERHEAD_M, RasterConfig, pseudo_angle, rasterize

SMALL = RasterConfig(cell_m=0.5, cells=32)


def points(rng: np.random.Generator, count: int = 600, sensors: int = 2) -> PreparedPoints:
    xy = rng.uniform(-9, 9, (count, 2))
    h = np.where(rng.random(count) < 0.5, rng.normal(0, 0.05, count), rng.uniform(0.1, 4.0, count))
    xyh = np.concatenate([xy, h[:, None]], axis=1).astype(np.float32)
    origins = np.array([[0.3, 0.1], [-1.0, 0.4]])[:sensors]
    source = rng.integers(0, sensors, count).astype(np.uint8)
    return PreparedPoints(xyh, rng.random(count).astype(np.float32), source, origins)


def logs(count: np.ndarray) -> np.ndarray:
    return np.log1p(np.minimum(count, 255)) / 4


def cell_channels(
    p: PreparedPoints, inside: np.ndarray, corner: np.ndarray, cell_m: float
) -> dict[str, float]:
    """Channels of one cell that depend on its own points only, from the words in CHANNELS."""
    out = dict.fromkeys(CHANNELS[:14], 0.0)
    h = p.xyh_m[inside, 2].astype(np.float64)
    if not len(h):
        return out
    low, stands = h < OVERHEAD_M, (h >= np.float32(0.2)) & (h < OVERHEAD_M)
    out |= {"bottom": np.clip(h.min(), -1, 6) / 3, "count": logs(len(h)), "overhead": logs((~low).sum())}
    if low.any():
        out |= {"top": max(h[low].max(), 0) / 3, "mean": h[low].mean() / 3}
    edges = {"low": (0.2, 0.6), "body": (0.6, 1.1), "window": (1.1, 1.7), "roof": (1.7, 2.6)}
    if stands.any():
        rank = p.rank[inside][stands]
        offset = 2 * ((p.xyh_m[inside][stands, :2] - corner) / cell_m - 0.5).mean(axis=0)
        out |= {
            "rank_mean": rank.mean(),
            "rank_max": rank.max(),
            "offset_x": offset[0],
            "offset_y": offset[1],
        }
        out |= {k: logs(((h >= np.float32(a)) & (h < np.float32(b))).sum()) for k, (a, b) in edges.items()}
    return out


def test_each_cell_as_the_words_say(rng: np.random.Generator) -> None:
    p = points(rng)
    raster = rasterize(p, SMALL)
    place = np.floor((p.xyh_m[:, :2] + SMALL.reach_m) / SMALL.cell_m).astype(int)
    for i in range(32):
        for j in range(32):
            inside = (place == [i, j]).all(axis=1)
            corner = np.array([i, j]) * SMALL.cell_m - SMALL.reach_m
            wanted = cell_channels(p, inside, corner, SMALL.cell_m)
            for name, value in wanted.items():
                if name != "density":
                    got = raster[CHANNELS.index(name), i, j]
                    assert got == pytest.approx(value, abs=2e-4), (name, i, j)


def test_range_is_that_of_the_nearest_sensor(rng: np.random.Generator) -> None:
    p = points(rng)
    middle = (np.arange(32) + 0.5) * 0.5 - 8
    x, y = np.meshgrid(middle, middle, indexing="ij")
    wanted = np.min([np.hypot(x - o[0], y - o[1]) for o in p.origins_m], axis=0) / 50
    np.testing.assert_allclose(rasterize(p, SMALL)[CHANNELS.index("range")], wanted, atol=1e-6)


def test_shadow_begins_at_the_first_obstacle() -> None:
    wall = np.array([[3.0, y, 1.0] for y in np.linspace(-3, 3, 400)], np.float32)
    floor = np.array(
        [[r * np.cos(a), r * np.sin(a), 0.0] for a in np.linspace(0, 6.28, 2000) for r in (2, 7.5)]
    )
    xyh = np.concatenate([wall, floor]).astype(np.float32)
    p = PreparedPoints(xyh, np.zeros(len(xyh), np.float32), np.zeros(len(xyh), np.uint8), np.zeros((1, 2)))
    shadow = rasterize(p, SMALL)[CHANNELS.index("shadow")]
    row = {x: shadow[int((x + 8) / 0.5), 16] for x in (1.25, 5.25, 7.25)}
    assert row[1.25] < 0 < row[5.25] < row[7.25]
    assert shadow[int((-7.25 + 8) / 0.5), 16] <= 0.05


def test_density_does_not_depend_on_the_number_of_beams(rng: np.random.Generator) -> None:
    p = points(rng, 4000, 1)
    twice = PreparedPoints(
        np.repeat(p.xyh_m, 2, axis=0), np.repeat(p.rank, 2), np.repeat(p.source, 2), p.origins_m
    )
    a, b = (rasterize(q, SMALL)[CHANNELS.index("density")] for q in (p, twice))
    count = rasterize(p, SMALL)[CHANNELS.index("count")]
    filled = count >= logs(np.array(8))
    assert np.abs(a - b)[filled].mean() < 0.05
    assert np.abs(rasterize(twice, SMALL)[CHANNELS.index("count")] - count)[filled].mean() > 0.1


def test_a_quarter_turn_turns_the_picture(rng: np.random.Generator) -> None:
    p = points(rng, 500, 1)
    turn = np.array([[0, 1], [-1, 0]])
    xyh = np.concatenate([p.xyh_m[:, :2] @ turn, p.xyh_m[:, 2:]], axis=1).astype(np.float32)
    turned = PreparedPoints(xyh, p.rank, p.source, p.origins_m @ turn)
    a, b = rasterize(p, SMALL), rasterize(turned, SMALL)
    for name in ("top", "mean", "bottom", "count", "rank_max", "low", "roof", "range"):
        k = CHANNELS.index(name)
        np.testing.assert_allclose(np.rot90(a[k], 1), b[k], atol=1e-4, err_msg=name)


def test_no_points_is_an_empty_picture_with_ranges() -> None:
    none = PreparedPoints(
        np.zeros((0, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8), np.zeros((1, 2))
    )
    raster = rasterize(none, SMALL)
    assert not raster[:14].any()
    assert np.isfinite(raster).all()
    assert (raster[15] > 0).all()


def test_points_beyond_the_edge_are_left_out_and_the_buffer_is_reused(rng: np.random.Generator) -> None:
    p = points(rng)
    buffer = np.full((len(CHANNELS), 32, 32), np.nan, np.float32)
    assert rasterize(p, SMALL, buffer) is buffer
    np.testing.assert_array_equal(buffer, rasterize(p, SMALL))
    inside = (np.abs(p.xyh_m[:, :2]) < 8).all(axis=1).sum()
    counted = np.expm1(buffer[3] * 4).sum()
    assert counted == pytest.approx(inside, rel=1e-3)


def test_pseudo_angle_grows_with_the_angle() -> None:
    angle = np.linspace(0, 2 * np.pi, 721)[:-1]
    values = [pseudo_angle(float(np.cos(a)), float(np.sin(a))) for a in angle]
    assert (np.diff(values) > 0).all()
    assert values[0] == 0.0
    assert max(values) < 4.0
    assert pseudo_angle(0.0, 0.0) == 0.0


@pytest.mark.parametrize("wrong", [{"cell_m": 0.0}, {"cells": 4}])
def test_impossible_rasters(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        RasterConfig(**wrong)
