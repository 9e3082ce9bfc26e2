"""Which way is forward: a box gives the heading up to half a turn, motion decides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Orientation
from perception_nodes.geometry import wrap_angle

from . import classes
from .config import TrackerConfig
from .measurement import Measurements
from .shape import Aligned
from .store import VX, VY, YAW, TrackStore

I64 = npt.NDArray[np.int64]

_MEMORY = 0.98
_LIMIT = 8.0
_KNOWN = 1.5
_DETECTOR_TRUST = 0.8


def judge_heading(
    tracks: TrackStore, index: I64, measured: Measurements, aligned: Aligned, config: TrackerConfig
) -> None:
    """Collect evidence for and against the heading of the tracks `index` (K,), turn those that are wrong, in place."""
    evidence = _from_motion(tracks, index, config)
    stated = measured.detections.orientation == int(Orientation.AVAILABLE)
    evidence += np.where(stated, np.where(aligned.turns == 0, _DETECTOR_TRUST, -_DETECTOR_TRUST), 0.0)
    belief = np.clip(tracks.sign_belief[index] * _MEMORY + evidence, -_LIMIT, _LIMIT)
    tracks.sign_belief[index] = belief
    wrong = index[belief < -config.heading_flip_belief]
    _turn(tracks, wrong, np.pi)
    tracks.sign_belief[wrong] *= -1.0


def _from_motion(tracks: TrackStore, index: I64, config: TrackerConfig) -> npt.NDArray[np.float64]:
    mean, cov = tracks.mean[index], tracks.cov[index]
    c, s = np.cos(mean[:, YAW]), np.sin(mean[:, YAW])
    forward = c * mean[:, VX] + s * mean[:, VY]
    std = np.sqrt(c * c * cov[:, VX, VX] + 2 * c * s * cov[:, VX, VY] + s * s * cov[:, VY, VY])
    clear = (
        config.world_fixed
        & tracks.moving[index]
        & (np.abs(forward) > np.maximum(2 * std, config.moving_speed_mps))
    )
    per_frame = 0.3 * np.log(config.forward_probability / (1 - config.forward_probability))
    return np.where(clear, np.sign(forward) * per_frame, 0.0)


def _turn(tracks: TrackStore, index: I64, angle_rad: float) -> None:
    tracks.mean[index, YAW] = wrap_angle(tracks.mean[index, YAW] + angle_rad)
    tracks.static_mean[index, 2] = wrap_angle(tracks.static_mean[index, 2] + angle_rad)


def follow_motion(tracks: TrackStore, config: TrackerConfig) -> None:
    """Objects that are not steered (pedestrians) face where they go, once they clearly go somewhere; in place."""
    if not config.world_fixed:
        return
    mean = tracks.mean
    speed = np.hypot(mean[:, VX], mean[:, VY])
    std = np.sqrt(0.5 * (tracks.cov[:, VX, VX] + tracks.cov[:, VY, VY]))
    free = ~classes.STEERED[tracks.label] & tracks.moving & (speed > np.maximum(3 * std, 0.3))
    course = np.arctan2(mean[free, VY], mean[free, VX])
    # Boxes of such objects have no front: begin with the half turn that is nearer to the course.
    off = wrap_angle(course - mean[free, YAW])
    half = np.where(np.abs(off) > np.pi / 2, np.pi, 0.0)
    tracks.mean[free, YAW] = wrap_angle(mean[free, YAW] + half + 0.3 * wrap_angle(off + half))
    # The yaw is now taken from the course: its old correlations no longer hold.
    tracks.cov[free, YAW, :] = 0.0
    tracks.cov[free, :, YAW] = 0.0
    tracks.cov[free, YAW, YAW] = (std[free] / speed[free]) ** 2 + 0.05**2
    tracks.sign_belief[free] = np.minimum(tracks.sign_belief[free] + 0.5, _LIMIT)
    tracks.yaw_known |= free


def orientation(tracks: TrackStore) -> npt.NDArray[np.uint8]:
    """(N,) `Orientation` of every track."""
    out = np.full(len(tracks), int(Orientation.SIGN_UNKNOWN), np.uint8)
    out[tracks.sign_belief > _KNOWN] = int(Orientation.AVAILABLE)
    out[~tracks.yaw_known] = int(Orientation.UNAVAILABLE)
    return out
