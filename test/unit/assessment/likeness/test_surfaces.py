"""Counts on a flat ground with a known noise, known gaps and a known tilt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.assessment.likeness.curves import BY_KEY, Sums, Tally
from perception_nodes.assessment.likeness.surfaces import (
    blocked_cells,
    count_clutter,
    count_gaps,
    count_ground,
    count_levels,
    count_noise,
    count_returns,
    plane_residuals,
)
from perception_nodes.assessment.likeness.views import Kind, Raw

from .conftest import SETUP, SPEC, flat, seen


def values(key: str, tally: Tally) -> np.ndarray:
    return Sums.of(key, [tally]).values(np.ones((1, 1)))[0][0]


def thinned(raw: Raw, keep: np.ndarray) -> Raw:
    return Raw(raw.xyz_m[keep], raw.intensity[keep], raw.ring[keep], raw.kind)


def test_planes_of_any_tilt_leave_no_residual_and_cells_on_a_line_none_that_is_known():
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 4, (400, 2))
    xyz = np.column_stack([xy, 0.1 * xy[:, 0] - 0.2 * xy[:, 1] + 5])
    np.testing.assert_allclose(plane_residuals(xyz, np.ones(400, bool)), 0, atol=1e-9)
    line = np.column_stack([np.linspace(0, 1.9, 50), np.full(50, 0.5), np.zeros(50)])
    assert np.isnan(plane_residuals(line, np.ones(50, bool))).all()
    assert plane_residuals(np.zeros((0, 3)), np.zeros(0, bool)).shape == (0,)


def test_spread_of_the_ground_is_that_of_its_noise():
    raw = flat()
    rough = replace(raw, xyz_m=raw.xyz_m + np.random.default_rng(2).normal(0, [0, 0, 0.02], raw.xyz_m.shape))
    tally = Tally(1, 0)
    count_ground(seen(rough), tally)
    got = values("ground_spread", tally)
    np.testing.assert_allclose(got[np.isfinite(got)], 0.02, rtol=0.15)
    assert np.isfinite(got).sum() >= 3


def test_noise_along_a_ring_is_that_of_the_ranges():
    tally = Tally(1, 0)
    count_noise(seen(flat(noise_m=0.01)), SETUP, tally)
    share = values("noise_ground", tally)
    # Half of a normal variate's magnitudes are below 0.674 of its standard deviation.
    assert np.interp(0.00674, BY_KEY["noise_ground"].edges[1:], np.cumsum(share)) == pytest.approx(
        0.5, abs=0.04
    )


def test_gaps_are_the_pulses_that_are_missing_between_two():
    raw = flat()
    column = np.floor(np.degrees(np.arctan2(raw.xyz_m[:, 1], raw.xyz_m[:, 0])) / 0.5).astype(int)
    tally = Tally(1, 0)
    count_gaps(seen(thinned(raw, column % 10 != 0)), SETUP, tally)
    assert values("gaps_ground", tally)[1] == pytest.approx(0.1, abs=0.005)


def test_share_of_returns_by_elevation():
    raw = flat()
    lowest, half = SPEC.elevation_deg.index(-10.0), raw.xyz_m[:, 1] > 0
    tally = Tally(1, 0)
    blocked = np.zeros((SPEC.rings, 72), bool)
    count_returns(seen(thinned(raw, (raw.ring != lowest) | half)), SETUP, blocked, tally)
    curve, got = BY_KEY["returned"], values("returned", tally)
    with_half = curve.place(np.array([-10.0]))[0]
    assert got[with_half] == pytest.approx(0.75, abs=0.01)  # two beams in the bin, one of them half
    assert got[curve.place(np.array([-14.5]))[0]] == pytest.approx(1.0)
    assert np.nan_to_num(got[curve.place(np.array([3.0]))[0]]) == 0.0


def test_the_vehicle_itself_in_the_way_does_not_count():
    raw = flat()
    behind = (np.abs(np.arctan2(raw.xyz_m[:, 1], raw.xyz_m[:, 0])) > 2.8) & (raw.xyz_m[:, 2] < -1.5)
    low = raw.ring <= SPEC.elevation_deg.index(-12.0)
    view = seen(thinned(raw, ~(behind & low)))
    blocked = blocked_cells([view], SETUP)
    assert blocked.any() and not blocked[SPEC.elevation_deg.index(-7.0) :].any()
    tally = Tally(1, 0)
    count_returns(view, SETUP, blocked, tally)
    assert values("returned", tally)[2] == pytest.approx(1.0, abs=0.02)


def test_levels_are_by_class_where_there_are_classes_and_of_the_lane_where_not():
    raw = flat()
    kind = np.where(raw.xyz_m[:, 0] > 0, Kind.ROAD, Kind.PAINT).astype(np.uint8)
    level = np.where(kind == Kind.ROAD, 5.0, 50.0)
    classed, plain = Tally(1, 0), Tally(1, 0)
    count_levels(seen(Raw(raw.xyz_m, level, raw.ring, kind)), classed)
    count_levels(seen(Raw(raw.xyz_m, level, raw.ring, None)), plain)
    place = BY_KEY["level_road"].place(np.array([5.0, 50.0]))
    assert values("level_road", classed)[place].tolist() == [1.0, 0.0]
    assert values("level_paint", classed)[place].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(values("level_road", plain)[place], [0.5, 0.5], atol=0.02)
    assert "level_paint" not in plain.above


def test_what_stands_about_is_counted_by_its_height():
    raw, z = flat(), np.linspace(-1.0, 1.0, 200)
    pole = np.column_stack([np.full(200, 12.0), np.full(200, 3.0), z])
    both = Raw(np.concatenate([raw.xyz_m, pole]), np.full(len(raw.xyz_m) + 200, 1.0),
               np.concatenate([raw.ring, np.zeros(200, np.int64)]), None)  # fmt: skip
    tally = Tally(1, 0)
    count_clutter(seen(both), tally)
    got = values("clutter_height", tally)
    assert got[:1].sum() == pytest.approx(0.0, abs=0.02) and got[1:4].sum() == pytest.approx(1.0, abs=0.02)
