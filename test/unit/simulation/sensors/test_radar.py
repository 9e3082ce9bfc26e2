"""Radar scans against hand formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.geometry import Transform
from perception_nodes.simulation.assets import Material, box, join, quads
from perception_nodes.simulation.assets.meshes import tube
from perception_nodes.simulation.sensors.radar import radar_spec
from perception_nodes.simulation.sensors.radar_air import drops
from perception_nodes.simulation.sensors.radar_posts import posts_of
from perception_nodes.simulation.sensors.radar_signal import Origin
from perception_nodes.simulation.sensors.scene import Scene
from perception_nodes.simulation.traffic.states import EgoState
from perception_nodes.simulation.weather import Weather

from .radar_bench import AT, FAR_BELOW, GROUND, PLAIN, car, moment, scans, target

DRIVING = EgoState((0, 0, 0, 0, 0, 0), speed_mps=15.0)


def of_target(frames, row=0):
    """Range, azimuth, speed, SNR of all detections of an actor."""
    rows = [
        np.column_stack([f.scan.xyz_m, f.scan.radial_speed_mps, f.snr_db, f.scan.rcs_dbsm])[f.owner == row]
        for f in frames
    ]
    x, y, _, speed, snr, rcs = np.concatenate(rows).astype(float).T
    return np.hypot(x, y), np.arctan2(y, x), speed, snr, rcs


@pytest.mark.parametrize("azimuth", [-0.9, 0.0, 0.5])
def test_what_stands_approaches_with_the_speed_of_the_vehicle_times_the_cosine(azimuth):
    at = (30 * np.cos(azimuth), 30 * np.sin(azimuth))
    _, seen, speed, _, _ = of_target(scans(moment([at], ego=DRIVING), count=30))
    assert len(speed) >= 25
    np.testing.assert_allclose(seen.mean(), azimuth, atol=0.01)
    assert speed.mean() == pytest.approx(-15.0 * np.cos(azimuth), abs=0.08)


def test_a_car_that_goes_ahead_at_the_same_speed_stands_still_for_the_radar():
    _, _, speed, _, _ = of_target(scans(moment([(30, 0)], velocity=(15.0, 0.0), ego=DRIVING), count=20))
    assert speed.mean() == pytest.approx(0.0, abs=0.05)


def test_a_turning_vehicle_moves_its_bumper_sideways():
    turning = EgoState((0, 0, 0, 0, 0, 0), yaw_rate_rps=0.5)
    mount = Transform.from_xyz_rpy((3.6, 0.0, 0.5), (0, 0, np.pi / 2))
    _, _, speed, _, _ = of_target(scans(moment([(3.6, 20.0)], ego=turning), count=20, mount=mount))
    assert speed.mean() == pytest.approx(-0.5 * 3.6, abs=0.05)


def test_positions_are_in_the_frame_of_the_sensor():
    mount = Transform.from_xyz_rpy((3.0, 1.0, 0.5), (0, 0, 0.5))
    r, azimuth, *_ = of_target(scans(moment([(20.0, 9.0)]), count=20, mount=mount))
    assert r.mean() == pytest.approx(np.hypot(17.0, 8.0) - 0.1, abs=0.15)
    assert azimuth.mean() == pytest.approx(np.arctan2(8.0, 17.0) - 0.5, abs=0.01)


def test_power_falls_with_the_fourth_power_of_the_range():
    spec = replace(PLAIN, reference_snr_db=40.0)
    near, far = (of_target(scans(moment([(x, 0)]), spec, 60))[3].mean() for x in (40.1, 80.1))
    assert near - far == pytest.approx(40 * np.log10(2), abs=0.3)


def test_a_square_metre_at_a_hundred_metres_has_the_power_of_the_spec():
    frames = scans(moment([(100.1, 0)], asset=target(0.0)), replace(PLAIN, reference_snr_db=30.0), 60)
    _, _, _, snr, rcs = of_target(frames)
    assert snr.mean() == pytest.approx(30.0, abs=0.3)
    assert rcs.mean() == pytest.approx(0.0, abs=0.3)


def test_errors_of_strong_echoes_have_the_accuracy_of_the_spec():
    spec = replace(PLAIN, reference_snr_db=70.0, range_accuracy_m=0.15, azimuth_accuracy_deg=0.5)
    r, azimuth, *_ = of_target(scans(moment([(50.0, 0)]), spec, 400))
    assert len(r) == 400
    assert r.std() == pytest.approx(0.15, rel=0.12)
    assert np.rad2deg(azimuth.std()) == pytest.approx(0.5, rel=0.12)


def test_errors_of_weak_echoes_grow_as_bartons_formula_says():
    spec = replace(PLAIN, reference_snr_db=17.0, range_accuracy_m=0.0, range_resolution_m=2.0)
    r, _, _, snr, _ = of_target(scans(moment([(100.6, 0)], asset=target(0.0)), spec, 600))
    wanted = 2.0 / (1.6 * np.sqrt(2 * 10 ** (snr / 10)))
    assert (r - np.median(r)).std() == pytest.approx(np.sqrt((wanted**2).mean()), rel=0.1)


def test_detection_of_a_fluctuating_target_follows_swerlings_formula():
    spec = replace(PLAIN, swerling=1, reference_snr_db=20.0, range_resolution_m=2.0)
    frames = scans(moment([(100.6, 0)], asset=target(0.0)), spec, 400)
    share = np.mean([(f.owner == 0).any() for f in frames])
    assert share == pytest.approx(np.exp(-spec.threshold / (1 + 10**2.0)), abs=0.06)  # without fluctuation: 1


def test_two_targets_nearer_than_the_resolution_are_one():
    def count(apart_m):
        poses = [(40.0, 0.0), (40.0, apart_m)]
        frames = scans(moment(poses, asset=target(20.0)), replace(PLAIN, azimuth_resolution_deg=4.0), 20)
        return np.mean([(f.owner >= 0).sum() for f in frames])

    assert count(0.3) == pytest.approx(1.0, abs=0.15)
    assert count(6.0) == pytest.approx(2.0, abs=0.15)


def test_hidden_things_are_not_seen():
    wall = box((20, 0, 2), (0.3, 20, 4), Material.CONCRETE)
    frames = scans(moment([(40.0, 0.0)], asset=target(20.0), street=join([GROUND, wall])), count=5)
    assert not any((f.owner == 0).any() for f in frames)
    assert all((np.abs(f.scan.xyz_m[f.owner == -1, 0] - 19.85) < 1.0).any() for f in frames)


def test_speeds_beyond_the_limit_come_out_folded():
    frames = scans(moment([(40.0, 0)], velocity=(-26.0, 0.0)), replace(PLAIN, max_speed_mps=20.0), 10)
    assert of_target(frames)[2].mean() == pytest.approx(14.0, abs=0.1)


def test_rain_weakens_by_the_itu_formula():
    spec = replace(PLAIN, reference_snr_db=40.0)
    dry, wet = (
        of_target(scans(moment([(100.1, 0)], weather=Weather(rain_mm_h=r)), spec, 40))[3].mean()
        for r in (0.0, 45.0)
    )
    # P.838-3 at 77 GHz: 1.132 * 45^0.7177 dB/km over 200 m.
    assert dry - wet == pytest.approx(0.2 * 1.132 * 45**0.7177, abs=0.3)


def test_rain_itself_echoes_nearby():
    spec = replace(PLAIN, reference_snr_db=19.0, elevation_beam_deg=14.0)
    count = []
    for rain_mm_h in (5.0, 45.0):
        frames = scans(moment(weather=Weather(rain_mm_h=rain_mm_h)), spec, 30)
        drops = np.concatenate([f.scan.xyz_m[f.origin == Origin.RAIN] for f in frames])
        assert np.linalg.norm(drops, axis=1).max() < 41.0
        count.append(len(drops) / 30)
    assert 0 < 2 * count[0] < count[1] < 16


def test_drops_have_the_cross_section_of_their_cell():
    echoes = drops(PLAIN, 20.0, np.array([10.0, 0, 0]), np.random.default_rng(1))
    r = np.linalg.norm(echoes.xyz_m, axis=1)
    volume = r**2 * PLAIN.range_resolution_m * np.deg2rad(PLAIN.azimuth_resolution_deg) * np.deg2rad(60.0)
    in_one_cell = 0.12 / np.sqrt(2 * np.pi)  # of a Gaussian of 1 m/s
    np.testing.assert_allclose(echoes.rcs_m2, 4.2e-5 * 20**1.1 * volume * in_one_cell, rtol=1e-9)
    assert abs((echoes.speed_mps + 10 * echoes.xyz_m[:, 0] / r).mean()) < 1.0


def test_a_blocked_sector_is_empty():
    weather = Weather(blocked_rad=((0.4, 0.6),))
    spec = replace(PLAIN, false_alarms=20.0)
    frames = scans(moment([(30, 0), (30, 12)], asset=target(20.0), weather=weather), spec, 5)
    assert all((f.owner == 0).any() for f in frames)
    for frame in frames:
        azimuth = np.arctan2(frame.scan.xyz_m[:, 1], frame.scan.xyz_m[:, 0])
        assert not (np.abs(azimuth - 0.4) < 0.3).any()


def test_false_alarms_come_as_often_as_the_spec_says():
    frames = scans(moment(), replace(PLAIN, false_alarms=4.0, reference_snr_db=-20.0), 300)
    assert np.mean([(f.origin == Origin.NOISE).sum() for f in frames]) == pytest.approx(4.0, abs=0.4)


def test_interference_disturbs_its_share_of_the_scans():
    frames = scans(moment(), replace(PLAIN, interference=0.3, reference_snr_db=-20.0), 300)
    assert np.mean([(f.origin == Origin.INTERFERENCE).any() for f in frames]) == pytest.approx(0.3, abs=0.07)


def test_side_lobes_lie_at_the_range_and_speed_of_their_cause():
    spec = replace(PLAIN, side_lobe_db=-15.0, azimuth_dynamic_db=40.0, reference_snr_db=50.0)
    frames = scans(moment([(40.1, 0)], ego=DRIVING, street=FAR_BELOW), spec, 10)
    lobes = np.concatenate(
        [
            np.column_stack([f.scan.xyz_m, f.scan.radial_speed_mps])[f.origin == Origin.SIDE_LOBE]
            for f in frames
        ]
    )
    assert len(lobes) >= 40
    np.testing.assert_allclose(np.linalg.norm(lobes[:, :3], axis=1), 40.0, atol=0.6)
    np.testing.assert_allclose(lobes[:, 3], -15.0, atol=0.2)
    assert (np.abs(np.rad2deg(np.arctan2(lobes[:, 1], lobes[:, 0]))) > 3.0).all()


def test_no_more_than_the_most_detections():
    poses = [(10.0 + 2 * k, 0.5 * k) for k in range(12)]
    (frame,) = scans(moment(poses, asset=target(20.0)), replace(PLAIN, max_detections=5))
    assert len(frame.scan.xyz_m) == 5
    assert (np.diff(np.linalg.norm(frame.scan.xyz_m, axis=1)) >= 0).all()


def test_a_car_is_several_detections_within_its_box():
    frames = scans(moment([(25.0, 8.0)], asset=car()), replace(PLAIN, reference_snr_db=25.0), 10)
    xy = np.concatenate([f.scan.xyz_m[f.owner == 0, :2] for f in frames])
    assert len(xy) > 25
    inside = (np.abs(xy - [25.0, 8.0]) < [2.25 + 0.5, 0.9 + 0.9]).all(axis=1)
    assert inside.mean() > 0.95


def test_wheels_spread_the_speed():
    turning = box((0, 0, 0.35), (4.6, 1.9, 0.6), Material.RIM)
    wheeled = replace(car(), poses=(join([*car().poses, turning]),))
    frames = scans(
        moment([(30.0, 8.0)], asset=wheeled, velocity=(10.0, 0.0)), replace(PLAIN, reference_snr_db=40.0), 20
    )
    speed = of_target(frames)[2]
    assert np.median(speed) == pytest.approx(9.6, abs=0.4)
    assert speed.max() > 13.0


def test_an_empty_street_is_silent():
    (frame,) = scans(moment(), replace(PLAIN, reference_snr_db=-20.0))
    assert frame.scan.xyz_m.shape == (0, 3)
    assert len(frame.snr_db) == len(frame.owner) == 0


def test_equal_bits_for_equal_seeds():
    def bits(seed):
        spec = radar_spec({}, "rig")
        frames = scans(moment([(30, 3), (12, -4)], asset=car(), ego=DRIVING), spec, 3, seed=seed)
        return [
            (f.scan.xyz_m.tobytes(), f.scan.radial_speed_mps.tobytes(), f.snr_db.tobytes()) for f in frames
        ]

    assert bits(1) == bits(1)
    assert bits(1) != bits(2)


def test_a_post_is_one_strong_point():
    post = quads(np.array([[[30, 3, 0], [30, 3.1, 0], [30, 3.1, 3], [30, 3, 3.0]]], float), Material.METAL)
    frames = scans(moment(street=join([GROUND, post])), replace(PLAIN, reference_snr_db=40.0), 10, AT)
    there = [np.linalg.norm(f.scan.xyz_m[:, :2] - [30, 3.05], axis=1).min() for f in frames]
    assert max(there) < 1.0


def test_equal_bits_whatever_the_threads():
    where = moment([(10.0 + 3 * k, 4 - k) for k in range(9)], asset=car(), ego=DRIVING)
    many = replace(where, scene=Scene(GROUND, where.assets, threads=2))
    spec = replace(radar_spec({}, "rig"), columns=2000, rows=8)
    one, two = (scans(m, spec)[0] for m in (where, many))
    np.testing.assert_array_equal(one.scan.xyz_m, two.scan.xyz_m)
    np.testing.assert_array_equal(one.snr_db, two.snr_db)


def test_what_is_too_weak_is_suppressed_however_near():
    spec = replace(PLAIN, min_rcs_dbsm=-20.0)
    for rcs_dbsm, seen in ((-26.0, False), (-14.0, True)):
        frames = scans(moment([(8.0, 0)], asset=target(rcs_dbsm)), spec, 10)
        assert any((f.owner == 0).any() for f in frames) is seen


def test_an_imaging_radar_measures_the_elevation():
    sensor = Transform.from_xyz_rpy((0.0, 0.0, 2.5), (0.0, 0.0, 0.0))
    spec = replace(PLAIN, elevation_accuracy_deg=0.2, reference_snr_db=40.0)
    where = moment([(20.1, 0)], street=FAR_BELOW)
    with_it, without = (
        scans(where, s, 40, sensor) for s in (spec, replace(spec, elevation_accuracy_deg=0.0))
    )
    z = np.concatenate([f.scan.xyz_m[f.owner == 0, 2] for f in with_it])
    assert z.mean() == pytest.approx(-2.0, abs=0.05)
    assert z.std() == pytest.approx(20 * np.deg2rad(0.2), rel=0.3)
    assert all((f.scan.xyz_m[:, 2] == 0).all() for f in without)


def test_dirt_weakens_everything():
    spec = replace(PLAIN, reference_snr_db=40.0)
    clean, dirty = (
        of_target(scans(moment([(50.1, 0)], weather=Weather(dirt=share)), spec, 40))[3].mean()
        for share in (0.0, 0.5)
    )
    assert clean - dirty == pytest.approx(6.0, abs=0.3)


def test_a_pole_of_the_street_has_the_cross_section_of_its_surface():
    pole = tube((5, 5, 0), (5, 5, 2.0), 0.05, Material.METAL, 32)
    posts = posts_of(join([GROUND, pole]))
    np.testing.assert_allclose(posts.low_m, [[5, 5, 0]], atol=1e-6)
    np.testing.assert_allclose(posts.high_m, [[5, 5, 2]], atol=1e-6)
    assert posts.rcs_m2[0] == pytest.approx(0.9 * 2 * np.pi * 0.05 * (2.0 + 0.05), rel=0.02)
    assert posts.of_triangle.sum() == len(pole.triangles)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"max_rnge_m": 5}, ["rig: radar", "max_rnge_m", "max_range_m"]),
        ({"max_range_m": "far"}, ["rig: radar", "max_range_m", "a number", "far"]),
        ({"type": "sonar"}, ["rig: radar", "type", "sonar", "long_range"]),
        ({"swerling": 2}, ["rig: radar", "swerling", "0, 1 or 3"]),
        ({"min_range_m": 300.0}, ["rig: radar", "min_range_m", "max_range_m"]),
        ({"azimuth_field_deg": float("nan")}, ["rig: radar", "azimuth_field_deg"]),
    ],
)
def test_bad_specs_name_the_place_and_the_key(model, words):
    with pytest.raises(ConfigurationError) as error:
        radar_spec(model, "rig: radar")
    assert all(word in str(error.value) for word in words)
