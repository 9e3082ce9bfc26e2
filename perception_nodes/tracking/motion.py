"""Motion of the two hypotheses of every track: moving (turning, Singer acceleration) and standing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .algebra import clip, copy, copy_square, log_likelihood, sandwich, update, wrap
from .compiled import compiled
from .config import TrackerConfig
from .existence import survive
from .store import AX, AY, VX, VY, YAW, YAW_RATE, TrackStore, X, Y, label_of

_STATIC_POSITION_DRIFT_M = 0.03
_STATIC_YAW_DRIFT_RAD = 0.02
SURE_STANDING = np.log(9.0)
_MAX_LOG_ODDS = 5.0
# Successive boxes jitter alike: the belief in standing has counted each piece of evidence some four times.
_COUNTED = 4.0


def predict(tracks: TrackStore, dt_s: float, config: TrackerConfig) -> None:
    """Move both hypotheses of every track ahead by dt_s, in place; what is unseen gets less likely to be there."""
    if dt_s > 0 and len(tracks):
        _predict(tracks.rows, dt_s, config.numbers)


@compiled
def _predict(tracks: Any, dt_s: float, c: Any) -> None:
    jacobian, noise = np.eye(8), np.zeros((8, 8))
    for i in range(len(tracks)):
        t = tracks[i]
        label = label_of(t)
        _advance(t.mean, c.steered[label], dt_s, c, jacobian)
        _process_noise(t, label, dt_s, c, noise)
        sandwich(jacobian, t.cov[:], noise)
        for k in range(3):
            drift = _STATIC_YAW_DRIFT_RAD if k == YAW else _STATIC_POSITION_DRIFT_M
            t.static_cov[k, k] += drift**2 * dt_s
            t.size_var[k] += c.size_drift_m**2 * dt_s
        t.bottom_var += 0.05**2 * dt_s + (0.1**2 * dt_s if t.moving else 0.0)
        t.static_log_odds = _switched(t.static_log_odds, dt_s, c.switch_chance[label])
        t.presence = survive(t.presence, dt_s, c)


@compiled
def _advance(mean: Any, steered: bool, dt: float, c: Any, jacobian: Any) -> None:
    """Advance the mean (8,) in place; write the Jacobian (8, 8) into what was the unit matrix or another Jacobian.

    v' = R(w dt) v + a dt, p' = p + R(w dt / 2) v dt + a dt^2 / 2, yaw' = yaw + w dt; w and a decay exponentially.
    Only steered classes turn their velocity with the yaw.
    """
    turns = 1.0 if steered else 0.0
    turn = mean[YAW_RATE] * dt * turns
    cos, sin, ch, sh = np.cos(turn), np.sin(turn), np.cos(turn / 2), np.sin(turn / 2)
    vx, vy = mean[VX], mean[VY]
    keep_a, keep_w = np.exp(-dt / c.acceleration_time_s), np.exp(-dt / c.turn_time_s)
    jacobian[X, VX] = jacobian[Y, VY] = ch * dt
    jacobian[X, VY], jacobian[Y, VX] = -sh * dt, sh * dt
    jacobian[X, AX] = jacobian[Y, AY] = dt * dt / 2
    jacobian[VX, VX] = jacobian[VY, VY] = cos
    jacobian[VX, VY], jacobian[VY, VX] = -sin, sin
    jacobian[VX, AX] = jacobian[VY, AY] = dt
    jacobian[X, YAW_RATE] = turns * (-sh * vx - ch * vy) * dt * dt / 2
    jacobian[Y, YAW_RATE] = turns * (ch * vx - sh * vy) * dt * dt / 2
    jacobian[VX, YAW_RATE] = turns * (-sin * vx - cos * vy) * dt
    jacobian[VY, YAW_RATE] = turns * (cos * vx - sin * vy) * dt
    jacobian[YAW, YAW_RATE] = dt
    jacobian[YAW_RATE, YAW_RATE] = keep_w
    jacobian[AX, AX] = jacobian[AY, AY] = keep_a
    mean[X] += (ch * vx - sh * vy) * dt + mean[AX] * dt * dt / 2
    mean[Y] += (sh * vx + ch * vy) * dt + mean[AY] * dt * dt / 2
    mean[VX] = cos * vx - sin * vy + mean[AX] * dt
    mean[VY] = sin * vx + cos * vy + mean[AY] * dt
    mean[YAW] = wrap(mean[YAW] + mean[YAW_RATE] * dt)
    mean[YAW_RATE] *= keep_w
    mean[AX] *= keep_a
    mean[AY] *= keep_a


@compiled
def _process_noise(t: Any, label: int, dt: float, c: Any, noise: Any) -> None:
    """(8, 8) white jerk and white turn acceleration that keep the stationary variances of the class."""
    turn_std = c.yaw_rate_std_rps[label]
    if c.world_fixed and c.steered[label]:
        # Fast vehicles turn slowly.
        turn_std = min(turn_std, c.turning_mps2 / max(np.hypot(t.mean[VX], t.mean[VY]), 0.1))
    swerve = 2 * turn_std**2 / c.turn_time_s
    xx, xy, yy = acceleration_cov(label, t.mean[YAW], t.yaw_known, c)
    scale = 2 / c.acceleration_time_s
    for i, k, jerk in ((0, 0, scale * xx), (0, 1, scale * xy), (1, 0, scale * xy), (1, 1, scale * yy)):
        noise[X + i, X + k] = jerk * dt**5 / 20
        noise[X + i, VX + k] = noise[VX + k, X + i] = jerk * dt**4 / 8
        noise[X + i, AX + k] = noise[AX + k, X + i] = jerk * dt**3 / 6
        noise[VX + i, VX + k] = jerk * dt**3 / 3
        noise[VX + i, AX + k] = noise[AX + k, VX + i] = jerk * dt**2 / 2
        noise[AX + i, AX + k] = jerk * dt
    noise[YAW, YAW] = swerve * dt**3 / 3 + 1e-6
    noise[YAW, YAW_RATE] = noise[YAW_RATE, YAW] = swerve * dt**2 / 2
    noise[YAW_RATE, YAW_RATE] = swerve * dt


@compiled
def acceleration_cov(label: int, yaw: float, yaw_known: bool, c: Any) -> Any:
    """Stationary covariance (xx, xy, yy) of the acceleration of a class: what is steered is seldom pushed sideways (its
    turns are in the turn rate). Seen from a vehicle that moves they have its manoeuvres too.
    """
    along = c.acceleration_std_mps2[label] ** 2
    steered = c.steered[label] and yaw_known
    if steered and not c.world_fixed:
        along += c.ego_acceleration_mps2**2
    if not (steered and c.world_fixed):
        return along, 0.0, along
    across = along * c.sideways_share**2
    cos, sin = np.cos(yaw), np.sin(yaw)
    return (
        cos * cos * along + sin * sin * across,
        cos * sin * (along - across),
        sin * sin * along + cos * cos * across,
    )


@compiled
def _switched(log_odds: float, dt_s: float, chance: float) -> float:
    """Belief in standing after an object had dt_s to start or stop, with a chance for each 0.1 s (Markov chain)."""
    stay = (1 - 2 * chance) ** (dt_s / 0.1)
    p = 0.5 + stay * (1 / (1 + np.exp(-log_odds)) - 0.5)
    return float(np.log(p / (1 - p)))


@compiled
def chance_of_moving(log_odds: float) -> float:
    """What the belief in standing is worth as a probability of moving."""
    return float(1 / (1 + np.exp(log_odds / _COUNTED)))


@compiled
def constrain(t: Any, c: Any) -> None:
    """What is known without measuring: vehicles do not slide sideways and turn no tighter than they can; what
    stands has no speed. Applied as measurements of value zero, in place.
    """
    if not c.world_fixed:
        return
    if c.steered[label_of(t)] and t.yaw_known:
        _no_slip(t, c)
    if t.static_log_odds > SURE_STANDING:
        model, noise, innovation = np.zeros((3, 8)), np.zeros((3, 3)), np.zeros(3)
        for a, k, var in ((0, VX, 1.0), (1, VY, 1.0), (2, YAW_RATE, 0.04)):
            model[a, k], noise[a, a], innovation[a] = 1.0, var, -t.mean[k]
        update(t.mean[:], t.cov[:], model, innovation, noise)


@compiled
def _no_slip(t: Any, c: Any) -> None:
    mean = t.mean
    cos, sin = np.cos(mean[YAW]), np.sin(mean[YAW])
    vx, vy = mean[VX], mean[VY]
    speed = np.hypot(vx, vy)
    model, noise = np.zeros((2, 8)), np.zeros((2, 2))
    model[0, VX], model[0, VY] = -sin, cos
    # At walking pace and below the direction of the velocity says nothing about the yaw.
    model[0, YAW] = -cos * vx - sin * vy if speed >= 1.0 else 0.0
    model[1, YAW_RATE] = 1.0
    noise[0, 0] = c.slip_std_mps**2 + (0.05 * speed) ** 2
    noise[1, 1] = (speed / c.min_turn_radius_m + 0.02) ** 2 * 4
    update(mean[:], t.cov[:], model, np.array([sin * vx - cos * vy, -mean[YAW_RATE]]), noise)
    mean[YAW] = wrap(mean[YAW])


@compiled
def judge_standing(t: Any, evidence: float, c: Any) -> None:
    """Update the belief in standing after the measurement update.

    evidence: log likelihood of the measured position under standing, less that under moving, from before the update.
    """
    if not c.world_fixed:
        t.static_log_odds, t.moving = -_MAX_LOG_ODDS, True
        _rest_here(t)
        return
    vx, vy, cov = t.mean[VX], t.mean[VY], t.cov
    at_rest = _speed_likelihood(vx, vy, cov, 0.2) - _speed_likelihood(vx, vy, cov, 3.0)
    # Speeds of successive frames are one piece of evidence, not many: weight one tenth.
    added = clip(evidence, -3.0, 3.0) + clip(0.1 * at_rest, -1.0, 0.3)
    label = label_of(t)
    belief = clip(t.static_log_odds + added, -_MAX_LOG_ODDS, c.standing_limit[label])
    t.static_log_odds = belief
    slow = np.hypot(vx, vy) < c.slowest_mps[label]
    sure = c.sure_log_odds[label]
    if t.moving:
        t.moving = not (belief > sure or (belief > 0 and slow))
    else:
        t.moving = belief < -sure and not slow
    if belief < -SURE_STANDING:
        _rest_here(t)


@compiled
def _speed_likelihood(vx: float, vy: float, cov: Any, std_mps: float) -> float:
    more = std_mps**2
    return log_likelihood(vx, vy, (cov[VX, VX] + more, cov[VX, VY], cov[VY, VY] + more))


@compiled
def _rest_here(t: Any) -> None:
    """Should what moves for sure come to rest, then it does here: put the standing hypothesis onto the moving one."""
    copy(t.static_mean[:], t.mean[:], 3)
    copy_square(t.static_cov[:], t.cov[:], 3)


@compiled
def position_cov(cov: Any, share: float, c: Any) -> Any:
    """Position covariance (xx, xy, yy) of a hypothesis with a share of the jitter of successive boxes."""
    jitter = (c.static_jitter_m * share) ** 2
    return cov[0, 0] + jitter, cov[0, 1], cov[1, 1] + jitter
