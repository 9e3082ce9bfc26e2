"""Motion of the two hypotheses of every track: moving (turning, Singer acceleration) and standing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from . import classes
from .config import TrackerConfig
from .kalman import log_likelihood, symmetric, update
from .store import AX, AY, POSITION, VELOCITY, VX, VY, YAW, YAW_RATE, TrackStore, X, Y

F64 = npt.NDArray[np.float64]

_STATIC_POSITION_DRIFT_M = 0.03
_STATIC_YAW_DRIFT_RAD = 0.02
_SURE_STANDING = np.log(9.0)
_MAX_LOG_ODDS = 5.0


def predict(tracks: TrackStore, dt_s: float, config: TrackerConfig) -> None:
    """Move both hypotheses of every track ahead by dt_s (> 0), in place."""
    if len(tracks) == 0:
        return
    label = tracks.label
    jacobian = _advance(tracks.mean, classes.STEERED[label], dt_s, config)
    noise = _process_noise(label, dt_s, config)
    tracks.cov = symmetric(jacobian @ tracks.cov @ np.swapaxes(jacobian, 1, 2) + noise)
    drift = np.array([_STATIC_POSITION_DRIFT_M, _STATIC_POSITION_DRIFT_M, _STATIC_YAW_DRIFT_RAD])
    tracks.static_cov += np.diag(drift**2 * dt_s)
    tracks.size_var += config.size_drift_m**2 * dt_s
    tracks.bottom_var += 0.05**2 * dt_s + np.where(tracks.moving, 0.1**2 * dt_s, 0.0)
    tracks.static_log_odds = _switched(tracks.static_log_odds, dt_s, config)


def _advance(mean: F64, steered: npt.NDArray[np.bool_], dt: float, config: TrackerConfig) -> F64:
    """Advance the means (N, 8) in place; return the Jacobians (N, 8, 8).

    v' = R(w dt) v + a dt, p' = p + R(w dt / 2) v dt + a dt^2 / 2, yaw' = yaw + w dt; w and a decay exponentially.
    Only steered classes turn their velocity with the yaw.
    """
    n = len(mean)
    turn = np.where(steered, mean[:, YAW_RATE] * dt, 0.0)
    c, s, ch, sh = np.cos(turn), np.sin(turn), np.cos(turn / 2), np.sin(turn / 2)
    vx, vy = mean[:, VX].copy(), mean[:, VY].copy()
    keep_a, keep_w = np.exp(-dt / config.acceleration_time_s), np.exp(-dt / config.turn_time_s)
    jacobian: F64 = np.broadcast_to(np.eye(8), (n, 8, 8)).copy()
    jacobian[:, [X, Y], [VX, VY]] = (ch * dt)[:, None]
    jacobian[:, X, VY], jacobian[:, Y, VX] = -sh * dt, sh * dt
    jacobian[:, [X, Y], [AX, AY]] = dt * dt / 2
    jacobian[:, [VX, VY], [VX, VY]] = c[:, None]
    jacobian[:, VX, VY], jacobian[:, VY, VX] = -s, s
    jacobian[:, [VX, VY], [AX, AY]] = dt
    jacobian[:, X, YAW_RATE] = steered * (-sh * vx - ch * vy) * dt * dt / 2
    jacobian[:, Y, YAW_RATE] = steered * (ch * vx - sh * vy) * dt * dt / 2
    jacobian[:, VX, YAW_RATE] = steered * (-s * vx - c * vy) * dt
    jacobian[:, VY, YAW_RATE] = steered * (c * vx - s * vy) * dt
    jacobian[:, YAW, YAW_RATE] = dt
    jacobian[:, YAW_RATE, YAW_RATE] = keep_w
    jacobian[:, [AX, AY], [AX, AY]] = keep_a
    mean[:, X] += (ch * vx - sh * vy) * dt + mean[:, AX] * dt * dt / 2
    mean[:, Y] += (sh * vx + ch * vy) * dt + mean[:, AY] * dt * dt / 2
    mean[:, VX] = c * vx - s * vy + mean[:, AX] * dt
    mean[:, VY] = s * vx + c * vy + mean[:, AY] * dt
    mean[:, YAW] = wrap_angle(mean[:, YAW] + mean[:, YAW_RATE] * dt)
    mean[:, YAW_RATE] *= keep_w
    mean[:, AX] *= keep_a
    mean[:, AY] *= keep_a
    return jacobian


def _process_noise(label: npt.NDArray[np.int64], dt: float, config: TrackerConfig) -> F64:
    """(N, 8, 8) white jerk and white turn acceleration that keep the stationary variances of the classes."""
    jerk = 2 * classes.ACCELERATION_STD_MPS2[label] ** 2 / config.acceleration_time_s
    swerve = 2 * classes.YAW_RATE_STD_RPS[label] ** 2 / config.turn_time_s
    noise: F64 = np.zeros((len(label), 8, 8))
    for p, v, a in ((X, VX, AX), (Y, VY, AY)):
        noise[:, p, p] = jerk * dt**5 / 20
        noise[:, p, v] = noise[:, v, p] = jerk * dt**4 / 8
        noise[:, p, a] = noise[:, a, p] = jerk * dt**3 / 6
        noise[:, v, v] = jerk * dt**3 / 3
        noise[:, v, a] = noise[:, a, v] = jerk * dt**2 / 2
        noise[:, a, a] = jerk * dt
    noise[:, YAW, YAW] = swerve * dt**3 / 3 + 1e-6
    noise[:, YAW, YAW_RATE] = noise[:, YAW_RATE, YAW] = swerve * dt**2 / 2
    noise[:, YAW_RATE, YAW_RATE] = swerve * dt
    return noise


def _switched(log_odds: F64, dt_s: float, config: TrackerConfig) -> F64:
    """Belief in standing after objects had dt_s to start or stop (Markov chain with two states)."""
    stay = (1 - 2 * config.static_switch) ** (dt_s / 0.1)
    p = 0.5 + stay * (1 / (1 + np.exp(-log_odds)) - 0.5)
    return np.asarray(np.log(p / (1 - p)))


def constrain(tracks: TrackStore, config: TrackerConfig) -> None:
    """What is known without measuring: vehicles do not slide sideways and turn no tighter than they can; what
    stands has no speed. Applied as measurements of value zero, in place.
    """
    if len(tracks) == 0 or not config.world_fixed:
        return
    steered = np.flatnonzero(classes.STEERED[tracks.label] & tracks.yaw_known)
    if len(steered):
        _no_slip(tracks, steered, config)
    standing = np.flatnonzero(tracks.static_log_odds > _SURE_STANDING)
    if len(standing):
        model = np.zeros((3, 8))
        model[[0, 1, 2], [VX, VY, YAW_RATE]] = 1.0
        noise = np.broadcast_to(np.diag([1.0, 1.0, 0.04]), (len(standing), 3, 3))
        innovation = -tracks.mean[standing][:, [VX, VY, YAW_RATE]]
        tracks.mean[standing], tracks.cov[standing] = update(
            tracks.mean[standing], tracks.cov[standing], model, innovation, noise
        )


def _no_slip(tracks: TrackStore, index: npt.NDArray[np.int64], config: TrackerConfig) -> None:
    mean = tracks.mean[index]
    c, s = np.cos(mean[:, YAW]), np.sin(mean[:, YAW])
    vx, vy = mean[:, VX], mean[:, VY]
    speed = np.hypot(vx, vy)
    model = np.zeros((len(index), 2, 8))
    model[:, 0, VX], model[:, 0, VY] = -s, c
    model[:, 0, YAW] = -c * vx - s * vy
    model[:, 1, YAW_RATE] = 1.0
    noise = np.zeros((len(index), 2, 2))
    noise[:, 0, 0] = config.slip_std_mps**2 + (0.05 * speed) ** 2
    noise[:, 1, 1] = (speed / config.min_turn_radius_m + 0.02) ** 2 * 4
    innovation = -np.stack([-s * vx + c * vy, mean[:, YAW_RATE]], axis=1)
    # At walking pace and below the direction of the velocity says nothing about the yaw.
    slow = speed < 1.0
    model[slow, 0, YAW] = 0.0
    tracks.mean[index], tracks.cov[index] = update(mean, tracks.cov[index], model, innovation, noise)
    tracks.mean[index, YAW] = wrap_angle(tracks.mean[index, YAW])


def judge_standing(
    tracks: TrackStore, index: npt.NDArray[np.int64], innovation: F64, spread: F64, config: TrackerConfig
) -> None:
    """Update the belief in standing of the tracks `index` (K,), after their measurement update.

    innovation (K, 2, 2), spread (K, 2, 2, 2): position innovations from before the update and their covariances, of
    the moving [:, 0] and the standing [:, 1] hypothesis.
    """
    if not config.world_fixed:
        tracks.static_log_odds[index], tracks.moving[index] = -_MAX_LOG_ODDS, True
        _rest_here(tracks, index)
        return
    likelihood = log_likelihood(innovation, spread)
    ratio = likelihood[:, 1] - likelihood[:, 0]
    velocity = tracks.mean[index][:, VELOCITY]
    cov = tracks.cov[index][:, VELOCITY, VELOCITY]
    eye = np.eye(2)
    at_rest = log_likelihood(velocity, cov + 0.2**2 * eye) - log_likelihood(velocity, cov + 3.0**2 * eye)
    # Speeds of successive frames are one piece of evidence, not many: weight one tenth.
    evidence = np.clip(ratio, -3.0, 3.0) + np.clip(0.1 * at_rest, -1.0, 0.3)
    belief = np.clip(tracks.static_log_odds[index] + evidence, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    tracks.static_log_odds[index] = belief
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    was = tracks.moving[index]
    starts = ~was & (belief < -1.5) & (speed > config.moving_speed_mps)
    stops = was & ((belief > 1.5) | ((belief > 0) & (speed < config.moving_speed_mps)))
    tracks.moving[index] = (was | starts) & ~stops
    _rest_here(tracks, index[belief < -_SURE_STANDING])


def _rest_here(tracks: TrackStore, index: npt.NDArray[np.int64]) -> None:
    """Should what moves for sure come to rest, then it does here: put the standing hypothesis onto the moving one."""
    pose = np.array([X, Y, YAW])
    tracks.static_mean[index] = tracks.mean[index[:, None], pose]
    tracks.static_cov[index] = tracks.cov[index[:, None, None], pose[:, None], pose]


def position_covariances(tracks: TrackStore, config: TrackerConfig) -> F64:
    """(N, 2, 2, 2) position covariance of the moving [:, 0] and the standing [:, 1] hypothesis, with its jitter."""
    jitter = config.static_jitter_m**2 * np.eye(2)
    return np.stack([tracks.cov[:, POSITION, POSITION], tracks.static_cov[:, :2, :2]], axis=1) + jitter
