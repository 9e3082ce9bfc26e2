"""What an assigned detection changes in its track, and what follows for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .algebra import log_likelihood, mahalanobis2, update, wrap
from .axis import judge_axis
from .compiled import compiled
from .config import TrackerConfig
from .existence import average_quality, hit, miss
from .heading import follow_motion, judge_heading
from .measurement import UNKNOWN_VAR, Measurements
from .motion import chance_of_moving, constrain, judge_standing, position_cov
from .shape import align, anchored, filter_size
from .store import VX, VY, YAW, TrackStore, label_of, pose_of

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_NO_INFORMATION = 1e6
_TURN_RAD = 0.35
_CLASS_MEMORY = 20.0
_MISSED_QUALITY = 0.05


def correct(tracks: TrackStore, index: I64, measured: Measurements, pick: I64, config: TrackerConfig) -> F64:
    """Update the tracks `index` (K,) with the measurements `pick` (K,), and the others with their miss, in place.

    Returns (K,) the squared Mahalanobis distance of each position's innovation under the covariance that the filter
    gives it, both hypotheses together (NIS, 2 degrees of freedom).
    """
    fits = np.zeros(len(index))
    if len(tracks):
        now = (measured.detections.stamp_ns, config.numbers)
        _correct(tracks.rows, index, measured.rows, pick, now, fits)
    return fits


@compiled
def _correct(tracks: Any, index: Any, measured: Any, pick: Any, now: Any, fits: Any) -> None:
    stamp_ns, c = now
    missed = np.ones(len(tracks), np.bool_)
    for k in range(len(index)):
        t, m = tracks[index[k]], measured[pick[k]]
        missed[index[k]] = False
        fits[k] = _seen(t, m, c)
        t.hits += 1
        t.misses = 0
        t.updated_ns = t.looked_ns = t.watched_ns = stamp_ns
    for i in range(len(tracks)):
        t = tracks[i]
        # Where nobody has looked nothing has been missed.
        if missed[i] and t.detectable > 0.0:
            average_quality(t, _MISSED_QUALITY, t.detectable)
            t.presence = miss(t.presence, t.detectable)
            t.misses += 1
        constrain(t, c)
        follow_motion(t, c)
        seen = t.hits >= c.confirm_hits and t.presence >= c.confirm_existence
        t.confirmed = t.confirmed or (seen and t.quality >= c.confirm_quality)


@compiled
def _seen(t: Any, m: Any, c: Any) -> float:
    """Axis, extent, pose, class, heading, existence: in this order. Returns how well the position fits (`correct`)."""
    turned = judge_axis(t, m, c)
    aligned = align(m, pose_of(t)[2])
    _resize(t, m, aligned, c)
    fit = _repose(t, m, aligned, turned, c)
    _reclass(t, m)
    judge_heading(t, m, aligned, c)
    t.presence = hit(t.presence, m.quality, c)
    average_quality(t, m.quality, 1.0)
    t.yaw_known = t.yaw_known or m.orientation != 0
    t.source_mask = m.source_mask
    t.source_mask_history = t.source_mask_history | m.source_mask
    return fit


@compiled
def _resize(t: Any, m: Any, aligned: Any, c: Any) -> None:
    """Filter the extent; move the centre as it changes, so that the sides that are seen stay where they were."""
    # A box turned by 90 degrees against a vehicle has guessed the wrong side long: its sides say nothing.
    guessed = _NO_INFORMATION if aligned.turns % 2 == 1 and c.steered[label_of(t)] else 0.0
    cos, sin = np.cos(aligned.yaw), np.sin(aligned.yaw)
    for k, ux, uy in ((0, cos, sin), (1, -sin, cos)):
        old, t.sided[k] = t.size_m[k], aligned.sided[k]
        noise = aligned.size_var[k] + guessed
        t.size_m[k], t.size_var[k] = filter_size(old, t.size_var[k], aligned.size[k], noise, c)
        change = -0.5 * aligned.face[k] * (t.size_m[k] - old)
        t.mean[0] += change * ux
        t.mean[1] += change * uy
        t.static_mean[0] += change * ux
        t.static_mean[1] += change * uy
    t.size_m[2], t.size_var[2] = filter_size(t.size_m[2], t.size_var[2], m.lwh_m[2], m.size_var[2], c)
    gain = t.bottom_var / (t.bottom_var + m.bottom_var)
    t.bottom_m += gain * (m.bottom_m - t.bottom_m)
    t.bottom_var *= 1 - gain


@compiled
def _repose(t: Any, m: Any, aligned: Any, turned: bool, c: Any) -> float:
    placed = anchored(m, aligned, t.size_m[0], t.size_m[1])
    noise = np.zeros((3, 3))
    noise[0, 0], noise[0, 1], noise[1, 1] = placed.cov
    noise[1, 0] = noise[0, 1]
    if turned:
        _replace(t.mean[:], t.cov[:], placed)
        _replace(t.static_mean[:], t.static_cov[:], placed)
    # A direction that contradicts the track by more than its noise is a bad fit of the box, not a turn.
    noise[2, 2] = m.pose_cov[2, 2] + (3 * max(abs(aligned.residual) - _TURN_RAD, 0.0)) ** 2
    share = c.jitter_share[label_of(t)]
    evidence = _likelihood(t.static_mean[:], t.static_cov[:], placed, share, c)
    evidence -= _likelihood(t.mean[:], t.cov[:], placed, share, c)
    fit = _fit(t, placed)
    t.gain[0], t.gain[1] = _gain(t.cov[:], placed), _gain(t.static_cov[:], placed)
    # Sliced, so that one compiled function serves states of both sizes.
    _pose_update(t.mean[:], t.cov[:], placed, aligned.yaw, noise)
    _pose_update(t.static_mean[:], t.static_cov[:], placed, aligned.yaw, noise)
    if m.has_velocity:
        model = np.zeros((2, 8))
        model[0, VX] = model[1, VY] = 1.0
        innovation = np.array([m.velocity_mps[0] - t.mean[VX], m.velocity_mps[1] - t.mean[VY]])
        update(t.mean[:], t.cov[:], model, innovation, m.velocity_cov[:])
    judge_standing(t, evidence, c)
    return fit


@compiled
def _fit(t: Any, placed: Any) -> float:
    """Squared Mahalanobis distance of the position's innovation, with mean and covariance of the mixture of both
    hypotheses (Bar-Shalom et al. 2001, 1.4.16).
    """
    moves = chance_of_moving(t.static_log_odds)
    stands = 1 - moves
    dx, dy = t.mean[0] - t.static_mean[0], t.mean[1] - t.static_mean[1]
    xx = moves * t.cov[0, 0] + stands * t.static_cov[0, 0] + moves * stands * dx * dx + placed.cov[0]
    xy = moves * t.cov[0, 1] + stands * t.static_cov[0, 1] + moves * stands * dx * dy + placed.cov[1]
    yy = moves * t.cov[1, 1] + stands * t.static_cov[1, 1] + moves * stands * dy * dy + placed.cov[2]
    x, y = t.static_mean[0] + moves * dx, t.static_mean[1] + moves * dy
    return mahalanobis2(placed.x - x, placed.y - y, (xx, xy, yy))


@compiled
def _gain(cov: Any, placed: Any) -> float:
    """Share of a measured position in the corrected one, both axes together; `cov`: from before the correction."""
    predicted = cov[0, 0] + cov[1, 1]
    return float(predicted / (predicted + placed.cov[0] + placed.cov[2] + 1e-12))


@compiled
def _replace(mean: Any, cov: Any, placed: Any) -> None:
    """A box that has been turned lies elsewhere, but has not moved: put the hypothesis onto the measurement."""
    mean[0], mean[1] = placed.x, placed.y
    cov[0, 0] += placed.cov[0]
    cov[0, 1] += placed.cov[1]
    cov[1, 0] += placed.cov[1]
    cov[1, 1] += placed.cov[2]


@compiled
def _likelihood(mean: Any, cov: Any, placed: Any, share: float, c: Any) -> float:
    """Log likelihood of the measured position under a hypothesis."""
    xx, xy, yy = position_cov(cov, share, c)
    spread = (xx + placed.cov[0], xy + placed.cov[1], yy + placed.cov[2])
    return log_likelihood(placed.x - mean[0], placed.y - mean[1], spread)


@compiled
def _pose_update(mean: Any, cov: Any, placed: Any, yaw: float, noise: Any) -> None:
    model = np.zeros((3, len(mean)))
    model[0, 0] = model[1, 1] = model[2, 2] = 1.0
    # Unknown yaw: the innovation means nothing, and its variance is UNKNOWN_VAR.
    turn = 0.0 if noise[2, 2] >= UNKNOWN_VAR else wrap(yaw - mean[YAW])
    update(mean, cov, model, np.array([placed.x - mean[0], placed.y - mean[1], turn]), noise)
    mean[YAW] = wrap(mean[YAW])


@compiled
def _reclass(t: Any, m: Any) -> None:
    """Mean of the class distributions, not their product: the views of successive frames are alike. Views that
    say little (mostly `unknown`) weigh little.
    """
    keep = min(1.0, _CLASS_MEMORY / t.class_sum.sum())
    for k in range(len(t.class_sum)):
        t.class_sum[k] = t.class_sum[k] * keep + m.class_weight * m.class_probabilities[k]
