"""The filter against the Kalman algebra written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from perception_nodes.datatypes import CAR, NUM_LABELS, PEDESTRIAN
from perception_nodes.tracking import TrackerConfig, classes, motion
from perception_nodes.tracking.algebra import insert, inverse, log_likelihood, mahalanobis2, update
from perception_nodes.tracking.store import TrackStore


def random_spd(rng, n, k):
    a = rng.normal(size=(n, k, k))
    return a @ np.swapaxes(a, 1, 2) + 0.1 * np.eye(k)


def test_update_equals_the_algebra_written_out():
    rng = np.random.default_rng(0)
    mean, cov = rng.normal(size=(7, 8)), random_spd(rng, 7, 8)
    model, noise, innovation = rng.normal(size=(7, 3, 8)), random_spd(rng, 7, 3), rng.normal(size=(7, 3))
    new_mean, new_cov = mean.copy(), cov.copy()
    for i in range(7):
        update(new_mean[i], new_cov[i], model[i], innovation[i], noise[i])
        h, p, r = model[i], cov[i], noise[i]
        s = h @ p @ h.T + r
        k = p @ h.T @ np.linalg.inv(s)
        np.testing.assert_allclose(new_mean[i], mean[i] + k @ innovation[i], atol=1e-10)
        np.testing.assert_allclose(new_cov[i], p - k @ s @ k.T, atol=1e-10)


def test_update_of_a_scalar_by_hand():
    # Prior N(0, 4), measurement 3 with variance 12: gain 1/4.
    mean, cov = np.zeros(1), np.full((1, 1), 4.0)
    update(mean, cov, np.eye(1), np.full(1, 3.0), np.full((1, 1), 12.0))
    assert mean[0] == pytest.approx(0.75)
    assert cov[0, 0] == pytest.approx(3.0)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_inverse_of_matrices_of_unlike_scales(size):
    matrix = random_spd(np.random.default_rng(3), 1, size)[0]
    matrix[-1, -1] += 1e6
    np.testing.assert_allclose(inverse(matrix), np.linalg.inv(matrix), rtol=1e-9, atol=1e-15)


def test_what_is_inserted_stays_in_order_and_the_largest_drops_out():
    values, rows = np.full(3, np.inf), np.zeros(3, np.int64)
    for row, value in enumerate([5.0, 2.0, 9.0, 2.0, 1.0]):
        insert(values, rows, value, row)
    assert values.tolist() == [1.0, 2.0, 2.0]
    assert rows.tolist() == [4, 1, 3]


def test_mahalanobis_and_likelihood_against_the_inverse():
    rng = np.random.default_rng(1)
    e, s = rng.normal(size=(5, 2)), random_spd(rng, 5, 2)
    for i in range(5):
        d2 = e[i] @ np.linalg.inv(s[i]) @ e[i]
        spread = (s[i, 0, 0], s[i, 0, 1], s[i, 1, 1])
        assert mahalanobis2(*e[i], spread) == pytest.approx(d2)
        assert log_likelihood(*e[i], spread) == pytest.approx(-0.5 * (d2 + np.log(np.linalg.det(s[i]))))


def store_of(means, label):
    tracks = TrackStore.empty(len(means))
    tracks.mean[:] = means
    tracks.cov[:] = np.eye(8)
    tracks.class_sum[:, label] = 1.0
    return tracks


@pytest.mark.parametrize("label", [CAR, PEDESTRIAN])
def test_jacobian_is_the_derivative_of_the_motion(label):
    rng = np.random.default_rng(2)
    mean = rng.normal(size=(1, 8))
    config, dt, eps = TrackerConfig(), 0.3, 1e-6

    def moved(x):
        tracks = store_of(x[None], label)
        motion.predict(tracks, dt, config)
        return tracks.mean[0]

    columns = []
    for k in range(8):
        step = np.zeros(8)
        step[k] = eps
        columns.append((moved(mean[0] + step) - moved(mean[0] - step)) / (2 * eps))
    numeric = np.stack(columns, axis=1)
    prior = random_spd(rng, 1, 8)

    def predicted_cov(cov):
        tracks = store_of(mean, label)
        tracks.cov = cov.copy()
        motion.predict(tracks, dt, config)
        return tracks.cov[0]

    spread = predicted_cov(prior) - predicted_cov(np.zeros_like(prior))
    np.testing.assert_allclose(spread, numeric @ prior[0] @ numeric.T, atol=1e-6)


def test_process_noise_is_the_integral_of_white_jerk():
    # Van Loan, IEEE TAC 23(3), 1978: the discrete noise from one matrix exponential.
    config, dt = TrackerConfig(), 0.1
    tracks = store_of(np.zeros((1, 8)), CAR)
    tracks.cov[:] = 0.0
    motion.predict(tracks, dt, config)
    q = 2 * classes.ACCELERATION_STD_MPS2[CAR] ** 2 / config.acceleration_time_s
    a = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0.0]])
    big = np.zeros((6, 6))
    big[:3, :3], big[:3, 3:], big[3:, 3:] = -a, np.diag([0, 0, q]), a.T
    e = expm(big * dt)
    wanted = e[3:, 3:].T @ e[:3, 3:]
    got = tracks.cov[0][np.ix_([0, 3, 6], [0, 3, 6])]
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-15)


def test_a_vehicle_is_pushed_along_its_heading_and_turns_slowly_at_speed():
    config, dt, yaw = TrackerConfig(), 0.1, 0.7
    tracks = store_of(np.array([[0, 0, yaw, 20 * np.cos(yaw), 20 * np.sin(yaw), 0, 0, 0.0]]), CAR)
    tracks.cov[:] = 0.0
    tracks.rows["yaw_known"] = True
    motion.predict(tracks, dt, config)
    out = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    along = 2 * dt * classes.ACCELERATION_STD_MPS2[CAR] ** 2 / config.acceleration_time_s
    wanted = np.diag([along, along * config.sideways_share**2])
    np.testing.assert_allclose(out @ tracks.cov[0][6:8, 6:8] @ out.T, wanted, rtol=1e-9, atol=1e-12)
    turning = config.turning_mps2 / 20.0
    assert tracks.cov[0][5, 5] == pytest.approx(2 * dt * turning**2 / config.turn_time_s)


def test_a_turning_car_drives_along_its_circle():
    # 5 m/s, 0.5 rad/s: radius 10 m. Without decay of the rate the position after 0.1 s lies on the circle.
    config = TrackerConfig(turn_time_s=1e6)
    state = np.array([[10.0, 0.0, np.pi / 2, 0.0, 5.0, 0.5, 0.0, 0.0]])
    tracks = store_of(state, CAR)
    for _ in range(20):
        motion.predict(tracks, 0.1, config)
    angle = 0.5 * 2.0
    np.testing.assert_allclose(tracks.mean[0, :2], [10 * np.cos(angle), 10 * np.sin(angle)], atol=0.01)
    assert tracks.mean[0, 2] == pytest.approx(np.pi / 2 + angle)


def test_a_pedestrian_that_turns_its_body_walks_on_straight():
    state = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 0.0]])
    tracks = store_of(state, PEDESTRIAN)
    motion.predict(tracks, 0.5, TrackerConfig())
    np.testing.assert_allclose(tracks.mean[0, :2], [0.5, 0.0], atol=1e-12)


def test_a_table_row_for_every_class():
    assert classes.SIZE_M.shape == (NUM_LABELS, 3)
    assert (classes.SIZE_M > 0).all()
