"""Echoes over walls, over the road and under vehicles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.simulation.assets import Material, box, join, quads
from perception_nodes.simulation.sensors.radar_signal import Echoes, Origin, measured_cells
from perception_nodes.simulation.sensors.radar_spec import WAVELENGTH_M
from perception_nodes.simulation.traffic.states import EgoState

from .radar_bench import GROUND, PLAIN, car, moment, scans, target

WALL_Y_M = 8.0
OWNER = (np.zeros(1, np.int32), np.zeros(1, np.uint8))
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


def test_between_vehicle_and_target_the_wave_may_go_twice():
    def twice(x):
        ego = EgoState((0, 0, 0, 0, 0, 0), speed_mps=3.0)
        spec = replace(SPEC, reference_snr_db=70.0)
        return of(scans(moment([(x, 0.0)], asset=target(15.0), ego=ego), spec, 20), Origin.TWICE)

    near, far = twice(10.1), twice(20.1)
    np.testing.assert_allclose(np.median(near[:, :2], axis=0), [20.0, 0.0], atol=0.3)
    assert np.median(near[:, 3]) == pytest.approx(-6.0, abs=0.1)
    # r^-4 by the radar equation and r^-4 more by two further reflections.
    assert near[:, 4].mean() - far[:, 4].mean() == pytest.approx(80 * np.log10(2), abs=1.0)
    expected = 70 + 15 + 10 * np.log10(10**1.5 * 10 / (4 * np.pi * 100) ** 2) + 40
    assert near[:, 4].mean() == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("range_m", [31.0, 50.0, 64.0, 120.0])
def test_the_road_strengthens_and_weakens_by_the_difference_of_the_ways(range_m):
    def power(reflection):
        echo = Echoes(np.array([[range_m, 0, 0]]), np.zeros(1), np.ones(1), np.array([0.5]), *OWNER)
        return measured_cells(PLAIN, echo, 0.0, 0.5, reflection).snr[0]

    longer = 2 * np.hypot(range_m / 2, 0.5) - range_m  # over the road, both ends at 0.5 m
    rho = 0.6 * np.exp(-2 * (2 * np.pi * 0.6e-3 * (1.0 / range_m) / WAVELENGTH_M) ** 2)
    field = abs(1 - rho * np.exp(2j * np.pi * longer / WAVELENGTH_M))
    assert power(0.6) / power(0.0) == pytest.approx(field**4, rel=0.05)


def test_a_car_before_it_does_not_hide_a_car_fully_but_a_wall_does():
    def seen(street):
        frames = scans(moment([(20.0, 0.0), (35.0, 0.0)], asset=car(), street=street), SPEC, 10)
        behind = np.concatenate([f.scan.xyz_m[f.owner == 1, 0] for f in frames])
        before = np.concatenate([f.snr_db[f.owner == 0] for f in frames])
        return behind, before, np.concatenate([f.snr_db[f.owner == 1] for f in frames])

    behind, strong, weak = seen(GROUND)
    assert len(behind) >= 10
    assert ((behind > 32.0) & (behind < 38.0)).all()
    assert strong.max() - weak.max() > 18.0
    between = box((27, 0, 2), (0.2, 20, 4), Material.CONCRETE)
    assert len(seen(join([GROUND, between]))[0]) == 0


def test_a_box_without_wheels_hides_what_is_behind_it():
    carton = replace(car(), wheelbase_m=0.0)
    frames = scans(moment([(20.0, 0.0), (35.0, 0.0)], asset=carton), SPEC, 10)
    assert not any((f.owner == 1).any() for f in frames)
