"""IMU and wheel odometry against mechanics, and their drift against the covariance that they report."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.simulation.sensors.inertial import InertialModel, InertialSpec, inertial_spec
from perception_nodes.simulation.traffic.states import EgoState

PERFECT = InertialSpec(**{f.name: 0.0 for f in fields(InertialSpec) if f.name != "rate_hz"})
STILL = EgoState((0, 0, 0, 0, 0, 0))
G = 9.80665


def circle(time_s: float, speed: float = 10.0, turn: float = 0.2) -> EgoState:
    yaw = turn * time_s
    r = speed / turn
    pose = (r * np.sin(yaw), r * (1 - np.cos(yaw)), 0.0, yaw, 0.0, 0.0)
    return EgoState(pose, speed, turn)


def straight(time_s: float, speed: float = 15.0, pitch: float = 0.0) -> EgoState:
    way = speed * time_s
    return EgoState((way * np.cos(pitch), 0.0, -way * np.sin(pitch), 0.0, pitch, 0.0), speed)


def drive(model, where, steps, dt_s=0.1):
    """Samples of a drive along where(time)."""
    out = []
    for k in range(steps):
        out += model.step(where(k * dt_s), where((k + 1) * dt_s), dt_s, round((k + 1) * dt_s * 1e9))
    return out


def test_at_rest_the_accelerometer_shows_gravity_upwards():
    (*_, last) = drive(InertialModel(PERFECT, 1), lambda _: STILL, 2)
    np.testing.assert_allclose(last.acceleration_mps2, [0, 0, G], atol=1e-12)
    np.testing.assert_allclose(last.angular_velocity_rps, 0, atol=1e-12)


def test_on_a_slope_gravity_pulls_backwards():
    uphill = replace(STILL, pose=(0, 0, 0, 0, -0.1, 0))
    (*_, last) = drive(InertialModel(PERFECT, 1), lambda _: uphill, 2)
    np.testing.assert_allclose(last.acceleration_mps2, [G * np.sin(0.1), 0, G * np.cos(0.1)], atol=1e-12)


def test_in_a_bend_it_shows_speed_times_turn_rate():
    (*_, last) = drive(InertialModel(PERFECT, 1), circle, 5)
    np.testing.assert_allclose(last.acceleration_mps2, [0, 10 * 0.2, G], atol=1e-9)
    np.testing.assert_allclose(last.angular_velocity_rps, [0, 0, 0.2], atol=1e-9)


def test_braking_shows_backwards():
    def braking(t):
        return EgoState((15 * t - 2 * t * t, 0, 0, 0, 0, 0), 15.0 - 4.0 * t)

    samples = drive(InertialModel(PERFECT, 1), braking, 10)
    np.testing.assert_allclose([s.acceleration_mps2[0] for s in samples], -4.0, atol=1e-9)
    np.testing.assert_allclose(samples[-1].wheel_speed_mps, 11.0, atol=1e-9)


@pytest.mark.parametrize("rate_hz", [100.0, 30.0, 7.0])
def test_samples_come_at_the_rate_whatever_the_steps(rate_hz):
    samples = drive(InertialModel(replace(PERFECT, rate_hz=rate_hz), 1), circle, 50)
    expected = [round(k * 1e9 / rate_hz) for k in range(1, int(5 * rate_hz) + 1)]
    assert [s.stamp_ns for s in samples] == expected


def test_without_errors_the_pose_is_the_true_one():
    (*_, last) = drive(InertialModel(PERFECT, 1), circle, 100)
    np.testing.assert_allclose(last.odom_from_base.translation_m, circle(10.0).pose[:3], atol=0.02)
    assert last.odom_from_base.yaw_rad == pytest.approx(2.0, abs=1e-6)


def test_without_errors_it_climbs_as_the_road_does():
    (*_, last) = drive(InertialModel(PERFECT, 1), lambda t: straight(t, pitch=-0.05), 100)
    np.testing.assert_allclose(
        last.odom_from_base.translation_m, straight(10.0, pitch=-0.05).pose[:3], atol=1e-6
    )


def test_white_noise_has_its_density():
    spec = replace(PERFECT, gyro_noise=1e-3, accelerometer_noise=2e-2)
    samples = drive(InertialModel(spec, 1), lambda _: STILL, 400)
    gyro = np.array([s.angular_velocity_rps for s in samples])
    force = np.array([s.acceleration_mps2 for s in samples])
    np.testing.assert_allclose(gyro.std(axis=0), 1e-3 * 10, rtol=0.05)
    np.testing.assert_allclose(force.std(axis=0), 2e-2 * 10, rtol=0.05)


def test_a_wandering_bias_spreads_with_the_root_of_the_time():
    spec = replace(PERFECT, gyro_bias_walk=1e-3, rate_hz=20.0)

    def end(seed, steps):
        return drive(InertialModel(spec, seed), lambda _: STILL, steps, 0.5)[-1].angular_velocity_rps

    early = np.std([end(s, 2) for s in range(60)])
    late = np.std([end(s, 18) for s in range(60)])
    assert late / early == pytest.approx(3.0, rel=0.2)
    assert early == pytest.approx(1e-3, rel=0.2)


def test_a_wrong_radius_of_the_wheels_lengthens_the_way():
    samples = drive(InertialModel(replace(PERFECT, wheel_scale=0.05), 4), straight, 100)
    ratio = samples[-1].wheel_speed_mps / 15.0
    assert ratio != pytest.approx(1.0, abs=1e-3)
    assert samples[-1].odom_from_base.translation_m[0] == pytest.approx(150.0 * ratio, rel=1e-9)


def test_the_drift_across_grows_with_the_square_of_the_time_by_a_bias_of_the_gyro():
    spec = replace(PERFECT, gyro_bias_rps=1e-3)
    std = [np.sqrt(s.pose_covariance[1, 1]) for s in drive(InertialModel(spec, 1), straight, 100)]
    assert std[-1] == pytest.approx(0.5 * 1e-3 * 15 * 10**2, rel=0.02)
    assert std[-1] / std[len(std) // 2 - 1] == pytest.approx(4.0, rel=0.03)


@pytest.mark.parametrize("where", [straight, circle])
def test_the_covariance_says_how_far_the_pose_is_off(where):
    nees = []
    for seed in range(80):
        last = drive(InertialModel(InertialSpec(rate_hz=25.0), seed), where, 30, 0.2)[-1]
        truth = where(6.0).odom_from_base
        off = np.append(
            last.odom_from_base.translation_m - truth.translation_m,
            last.odom_from_base.yaw_rad - truth.yaw_rad,
        )
        used = np.ix_([0, 1, 2, 5], [0, 1, 2, 5])
        nees.append(off @ np.linalg.solve(last.pose_covariance[used], off))
    assert np.mean(nees) == pytest.approx(4.0, abs=1.0)  # chi-square of 4: the mean of 80 has a std of 0.32


def test_covariances_of_the_samples_are_those_of_their_errors():
    errors, claimed = [], []
    for seed in range(150):
        last = drive(InertialModel(InertialSpec(), seed), circle, 2)[-1]
        errors.append([*(last.angular_velocity_rps - [0, 0, 0.2]), *(last.acceleration_mps2 - [0, 2.0, G])])
        claimed.append([*np.diag(last.angular_velocity_covariance), *np.diag(last.acceleration_covariance)])
    np.testing.assert_allclose(np.var(errors, axis=0), np.mean(claimed, axis=0), rtol=0.4)


def test_equal_bits_for_equal_seeds():
    def bits(seed):
        samples = drive(InertialModel(InertialSpec(), seed), circle, 5)
        return [(s.acceleration_mps2.tobytes(), s.odom_from_base.matrix.tobytes()) for s in samples]

    assert bits(1) == bits(1)
    assert bits(1) != bits(2)


def test_a_reset_begins_again():
    model = InertialModel(InertialSpec(), 3)
    first = drive(model, circle, 3)
    model.reset()
    again = drive(model, circle, 3)
    np.testing.assert_array_equal(first[-1].acceleration_mps2, again[-1].acceleration_mps2)


@pytest.mark.parametrize("stamp_ns", [100_000_000, 50_000_000, 300_000_000])
def test_steps_that_do_not_follow_each_other_are_refused(stamp_ns):
    model = InertialModel(InertialSpec(), 1)
    model.step(STILL, STILL, 0.1, 100_000_000)
    with pytest.raises(InputError, match="where the last one ended"):
        model.step(STILL, STILL, 0.1, stamp_ns)


@pytest.mark.parametrize("dt_s", [0.0, -0.1, float("nan")])
def test_a_step_without_length_is_refused(dt_s):
    with pytest.raises(InputError, match="dt_s"):
        InertialModel(InertialSpec(), 1).step(STILL, STILL, dt_s, 100_000_000)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"gyro_nois": 1}, ["rig x: inertial", "gyro_nois", "gyro_noise"]),
        ({"rate_hz": 0}, ["rig x: inertial", "rate_hz", "[1.0, 1000.0]"]),
        ({"wheel_slip": "ice"}, ["rig x: inertial", "wheel_slip", "a number", "ice"]),
    ],
)
def test_bad_specs_name_the_place_and_the_key(model, words):
    with pytest.raises(ConfigurationError) as error:
        inertial_spec(model, "rig x: inertial")
    assert all(word in str(error.value) for word in words)
