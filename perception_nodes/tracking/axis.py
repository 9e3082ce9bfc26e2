"""Which way is the long side: a belief over directions modulo half a turn, so that one bad fit turns nothing.

The belief is over offsets from the yaw of the filter, so that it turns with the object. A partial view may show only
the short side of a vehicle, and the fitted box is then off by 90 degrees, or by any angle where two objects touch.
The extended Kalman filter follows one mode; this grid remembers all of them, and tells the filter to change the mode
once the evidence for another outweighs it clearly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from . import classes
from .config import TrackerConfig
from .measurement import Measurements
from .store import AXIS_BINS, VX, VY, YAW, TrackStore

F64 = npt.NDArray[np.float64]
B = npt.NDArray[np.bool_]
I64 = npt.NDArray[np.int64]

_OFFSETS = np.arange(AXIS_BINS) * np.pi / AXIS_BINS
_MEMORY = 0.97
_NEAR_RAD = np.deg2rad(20.0)
_OUTLIER = 0.15
_CLEARLY = 4.0
_SHARPNESS = 8.0


def votes(measured: Measurements, yaw_rad: F64) -> F64:
    """(M, 18) log likelihood of each offset of the true direction from the tracks' yaw (M,).

    Mostly the box's own direction, partly the one across it, some of any.
    """
    elongation = measured.size_m[:, 0] - measured.size_m[:, 1]
    std = np.sqrt(measured.size_var[:, 0])
    trust = np.clip((elongation - 0.5 * std) / 1.5, 0.0, 1.0)
    off = 2 * (_OFFSETS[None] - (measured.pose[:, 2] - yaw_rad)[:, None])
    own, across = np.exp(_SHARPNESS * (np.cos(off) - 1)), np.exp(_SHARPNESS * (-np.cos(off) - 1))
    share = 0.5 + 0.4 * trust[:, None]
    like = share * own + (1 - share) * across + _OUTLIER
    like[measured.detections.orientation == 0] = 1.0
    return np.asarray(np.log(like))


def judge_axis(tracks: TrackStore, index: I64, measured: Measurements, config: TrackerConfig) -> B:
    """Update the belief of the tracks `index` (K,); turn the yaw of those whose direction is clearly another one.

    Returns (K,) which have been turned. Only steered classes are; a half turn is not looked at here.
    """
    yaw = tracks.yaw_rad[index]
    belief = _MEMORY * tracks.axis_log[index] + votes(measured, yaw)
    mean = tracks.mean[index]
    speed = np.hypot(mean[:, VX], mean[:, VY])
    clear = config.world_fixed & tracks.moving[index] & (speed > 4 * config.moving_speed_mps)
    course = np.arctan2(mean[:, VY], mean[:, VX]) - yaw
    belief += np.where(clear[:, None], 0.5 * np.cos(2 * (_OFFSETS[None] - course[:, None])), 0.0)
    belief -= belief.max(axis=1, keepdims=True)
    best = belief.argmax(axis=1)
    weight = np.exp(belief)
    here, there = _mass(weight, np.zeros(len(index))), _mass(weight, _OFFSETS[best])
    other = np.abs(_apart(_OFFSETS[best])) > _NEAR_RAD
    turned = np.asarray(classes.STEERED[tracks.label[index]] & (there > _CLEARLY * here) & other)
    shifted = (np.arange(AXIS_BINS)[None] + best[turned, None]) % AXIS_BINS
    belief[turned] = np.take_along_axis(belief[turned], shifted, axis=1)
    tracks.axis_log[index] = belief
    rows = index[turned]
    tracks.mean[rows, YAW] = tracks.static_mean[rows, 2] = wrap_angle(yaw + _apart(_OFFSETS[best]))[turned]
    for cov in (tracks.cov, tracks.static_cov):
        cov[rows, 2, :] = cov[rows, :, 2] = 0.0
        cov[rows, 2, 2] = _NEAR_RAD**2
    return turned


def _apart(angle: F64) -> F64:
    """Difference of directions in [-pi/2, pi/2)."""
    return np.asarray((angle + np.pi / 2) % np.pi - np.pi / 2)


def _mass(weight: F64, direction: F64) -> F64:
    """(K,) belief within 20 degrees of a direction."""
    near = np.abs(_apart(_OFFSETS[None] - direction[:, None])) < _NEAR_RAD
    return np.asarray((weight * near).sum(axis=1))
