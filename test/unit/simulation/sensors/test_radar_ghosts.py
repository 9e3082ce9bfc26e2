"""Echoes over walls and over the road."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.simulation.assets import Material, box, join, quads
from perception_nodes.simulation.sensors.radar_signal import Origin
from perception_nodes.simulation.traffic.states import EgoState

from .radar_bench import GROUND, PLAIN, moment, scans, target

WALL_Y_M = 8.0
SPEC = replace(PLAIN, ghosts=1.0, reference_snr_db=50.0, azimuth_dynamic_db=60.0)


def wall(material=Material.METAL):
    """Along the road on the left, 120 m long."""
    y = WALL_Y_M
    return join([GROUND, quads(np.array([[[-20.0, y, 0], [100, y, 0], [100, y, 4], [-20, y, 4]]]), material)])


def of(frames, origin):
    return np.concatenate(
        [
            np.column_stack([f.scan.xyz_m, f.scan.radial_speed_mps, f.snr_db])[f.origin == origin]
            for f in frames
        ]
    )


def test_the_image_lies_behind_the_wall_where_a_mirror_shows_it():
    frames = scans(moment([(40.0, 0.0)], street=wall()), SPEC, 40)
    images = of(frames, Origin.MIRRORED)
    assert len(images) > 20
    assert (images[:, 1] > WALL_Y_M).all()
    np.testing.assert_allclose(np.median(images[:, :2], axis=0), [40.0, 2 * WALL_Y_M], atol=0.3)


def test_the_image_moves_like_a_mirror_shows_it():
    ego = EgoState((0, 0, 0, 0, 0, 0), speed_mps=10.0)
    frames = scans(moment([(40.0, 0.0)], velocity=(-5.0, 2.0), street=wall(), ego=ego), SPEC, 40)
    away = np.array([40.0, 16.0]) / np.hypot(40.0, 16.0)
    expected = away @ np.array([-5.0 - 10.0, -2.0])
    assert np.median(of(frames, Origin.MIRRORED)[:, 3]) == pytest.approx(expected, abs=0.1)


def test_half_the_way_over_the_wall_lies_behind_the_target():
    half = of(scans(moment([(40.0, 0.0)], street=wall()), SPEC, 40), Origin.HALF_MIRRORED)
    expected = 0.5 * (40.0 + np.hypot(40.0, 16.0))
    np.testing.assert_allclose(np.median(half[:, :2], axis=0), [expected, 0.0], atol=0.4)


def test_a_wall_of_foliage_mirrors_nothing():
    frames = scans(moment([(40.0, 0.0)], street=wall(Material.FOLIAGE)), SPEC, 20)
    assert len(of(frames, Origin.MIRRORED)) == 0


def test_no_image_without_a_free_way_from_the_wall():
    between = box((30, 4, 2), (40, 0.2, 4), Material.FOLIAGE)
    frames = scans(moment([(40.0, 0.0)], street=join([wall(), between])), SPEC, 20)
    assert len(of(frames, Origin.MIRRORED)) == 0


def test_ghosts_belong_to_nobody():
    for frame in scans(moment([(40.0, 0.0)], street=wall()), SPEC, 10):
        assert (frame.owner[frame.origin == Origin.MIRRORED] == -2).all()


def test_the_road_strengthens_and_weakens_by_the_difference_of_the_ways():
    spec = replace(PLAIN, road_reflection=0.6, reference_snr_db=60.0)
    difference_db, expected_db = [], []
    for x in (60.1, 64.1, 71.1):
        with_road, without = (
            np.mean([f.snr_db[f.owner == 0].max() for f in scans(moment([(x, 0)], asset=target()), s, 10)])
            for s in (spec, replace(spec, road_reflection=0.0))
        )
        difference_db.append(with_road - without)
        delta = 2 * np.pi / 3.8934e-3 * 2 * 0.5 * 0.5 / (x - 0.1)
        rho = 0.6 * np.exp(-2 * (2 * np.pi * 0.6e-3 / 3.8934e-3 / (x - 0.1)) ** 2)
        expected_db.append(20 * np.log10(1 + rho**2 - 2 * rho * np.cos(delta)))
    # The cube is 0.2 m high: its centres see the road at different heights.
    assert np.corrcoef(difference_db, expected_db)[0, 1] > 0.5 or np.ptp(expected_db) < 6.0
