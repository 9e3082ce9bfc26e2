"""What an assigned detection changes in its track."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from .axis import judge_axis
from .classes import STEERED
from .config import TrackerConfig
from .existence import average_quality, hit
from .heading import judge_heading
from .kalman import update
from .measurement import UNKNOWN_VAR, Measurements
from .motion import judge_standing, position_covariances
from .shape import Aligned, align, anchored, axes, filter_size
from .store import POSITION, VX, VY, YAW, TrackStore

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
I64 = npt.NDArray[np.int64]

_POSE_OF_STATE = np.eye(8)[:3]
_VELOCITY_OF_STATE = np.eye(8)[[VX, VY]]
_NO_INFORMATION = 1e6
_TURN_RAD = 0.35
_CLASS_MEMORY = 20.0


def correct(tracks: TrackStore, index: I64, measured: Measurements, config: TrackerConfig) -> None:
    """Update the tracks `index` (K,) with the measurements (K,) of the same rows, in place."""
    turned = judge_axis(tracks, index, measured, config)
    aligned = align(measured.footprints, tracks.yaw_rad[index])
    old_size = tracks.size_m[index, :2]
    _resize(tracks, index, measured, aligned, config)
    _keep_seen_sides(tracks, index, aligned, old_size)
    _repose(tracks, index, measured, aligned, turned, config)
    _reclass(tracks, index, measured)
    judge_heading(tracks, index, measured, aligned, config)
    tracks.presence[index] = hit(tracks.presence[index], measured.quality, config)
    average_quality(tracks, index, measured.quality, np.ones(len(index)))
    tracks.yaw_known[index] |= measured.detections.orientation != 0
    tracks.hits[index] += 1
    tracks.misses[index] = 0
    tracks.updated_ns[index] = measured.detections.stamp_ns
    tracks.source_mask[index] = measured.detections.source_mask
    tracks.source_mask_history[index] |= measured.detections.source_mask


def _resize(
    tracks: TrackStore, index: I64, measured: Measurements, aligned: Aligned, config: TrackerConfig
) -> None:
    size = np.column_stack([aligned.size, measured.size_m[:, 2]])
    noise = np.column_stack([aligned.size_var, measured.size_var[:, 2]])
    # A box turned by 90 degrees against a vehicle has guessed the wrong side long: its sides say nothing.
    noise[:, :2] += np.where(aligned.quarter & STEERED[tracks.label[index]], _NO_INFORMATION, 0.0)[:, None]
    mean, var = filter_size(tracks.size_m[index], tracks.size_var[index], size, noise, config)
    tracks.size_m[index], tracks.size_var[index] = mean, var
    gain = tracks.bottom_var[index] / (tracks.bottom_var[index] + measured.bottom_var)
    tracks.bottom_m[index] += gain * (measured.bottom_m - tracks.bottom_m[index])
    tracks.bottom_var[index] *= 1 - gain


def _keep_seen_sides(tracks: TrackStore, index: I64, aligned: Aligned, old_size: F64) -> None:
    """Move the centres as the sizes changed, so that the sides that are seen stay where they were."""
    change = -0.5 * aligned.face * (tracks.size_m[index, :2] - old_size)
    shift = (change[..., None] * axes(aligned.yaw)).sum(axis=-2)
    tracks.mean[index, :2] += shift
    tracks.static_mean[index, :2] += shift


def _repose(
    tracks: TrackStore, index: I64, measured: Measurements, aligned: Aligned, turned: B, config: TrackerConfig
) -> None:
    noise = measured.pose_cov.copy()
    noise[:, :2, 2] = noise[:, 2, :2] = 0.0
    size = tracks.size_m[index, :2]
    center, noise[:, :2, :2] = anchored(measured.pose[:, :2], noise[:, :2, :2], aligned, size)
    _replace_turned(tracks, index[turned], center[turned], noise[turned, :2, :2])
    # A direction that contradicts the track by more than its noise is a bad fit of the box, not a turn.
    noise[:, 2, 2] += (3 * np.maximum(np.abs(aligned.residual) - _TURN_RAD, 0.0)) ** 2
    spread = position_covariances(tracks, config)[index] + noise[:, None, :2, :2]
    mean, static = tracks.mean[index], tracks.static_mean[index]
    innovation = np.stack([center - mean[:, POSITION], center - static[:, :2]], axis=1)
    pose = np.column_stack([center, aligned.yaw])
    tracks.mean[index], tracks.cov[index] = _pose_update(mean, tracks.cov[index], pose, noise)
    still = _pose_update(static, tracks.static_cov[index], pose, noise)
    tracks.static_mean[index], tracks.static_cov[index] = still
    _use_velocity(tracks, index, measured)
    judge_standing(tracks, index, innovation, spread, config)


def _replace_turned(tracks: TrackStore, rows: I64, center: F64, cov: F64) -> None:
    """A box that has been turned lies elsewhere, but has not moved: put both hypotheses onto the measurement."""
    tracks.mean[rows, :2] = tracks.static_mean[rows, :2] = center
    tracks.cov[rows, :2, :2] += cov
    tracks.static_cov[rows, :2, :2] += cov


def _pose_update(mean: F64, cov: F64, pose: F64, noise: F64) -> tuple[F64, F64]:
    model = _POSE_OF_STATE[:, : mean.shape[1]]
    innovation = pose - mean[:, :3]
    innovation[:, 2] = wrap_angle(innovation[:, 2])
    # Unknown yaw: the innovation means nothing, and its variance is UNKNOWN_VAR.
    innovation[noise[:, 2, 2] >= UNKNOWN_VAR, 2] = 0.0
    mean, cov = update(mean, cov, model, innovation, noise)
    mean[:, YAW] = wrap_angle(mean[:, YAW])
    return mean, cov


def _use_velocity(tracks: TrackStore, index: I64, measured: Measurements) -> None:
    has = measured.has_velocity
    if not has.any():
        return
    rows = index[has]
    innovation = measured.velocity[has] - tracks.mean[rows][:, [VX, VY]]
    tracks.mean[rows], tracks.cov[rows] = update(
        tracks.mean[rows], tracks.cov[rows], _VELOCITY_OF_STATE, innovation, measured.velocity_cov[has]
    )


def _reclass(tracks: TrackStore, index: I64, measured: Measurements) -> None:
    """Mean of the class distributions, not their product: the views of successive frames are alike. Views that
    say little (mostly `unknown`) weigh little.
    """
    total = tracks.class_sum[index].sum(axis=1, keepdims=True)
    faded = tracks.class_sum[index] * np.minimum(1.0, _CLASS_MEMORY / total)
    tracks.class_sum[index] = faded + measured.class_weight[:, None] * measured.probabilities
