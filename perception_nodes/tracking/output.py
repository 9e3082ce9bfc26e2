"""From the tracker's inner store to published `Tracks`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import MotionState, Tracks, TrackState

from .config import TrackerConfig
from .existence import published_existence
from .heading import orientation
from .shape import axes
from .store import ACCELERATION, VELOCITY, YAW, YAW_RATE, TrackStore

F64 = npt.NDArray[np.float64]

_NO_SPEED_STD_MPS = 0.1
_NO_TURN_STD_RPS = 0.02
_UNSURE_LOG_ODDS = 1.0
_LASTING_YAW_RAD = 0.03


def states(tracks: TrackStore, stamp_ns: int, missed: bool, config: TrackerConfig) -> npt.NDArray[np.uint8]:
    """(N,) TENTATIVE, CONFIRMED or COASTING; `missed`: a track without a detection at this stamp counts as coasting."""
    age_s = (stamp_ns - tracks.updated_ns) * 1e-9
    coasting = age_s > (0.0 if missed else config.coasting_after_s)
    out = np.where(coasting, int(TrackState.COASTING), int(TrackState.CONFIRMED))
    return np.where(tracks.confirmed, out, int(TrackState.TENTATIVE)).astype(np.uint8)


def size_std(tracks: TrackStore, config: TrackerConfig) -> F64:
    """(N, 3) std of length, width, height: what is wrong with the extent of one view is wrong with the next."""
    return np.asarray(config.alike_factor * np.sqrt(tracks.size_var))


def covariances(tracks: TrackStore, config: TrackerConfig) -> F64:
    """(N, 8, 8): of the moving hypothesis, or of the standing one with its speed known to be zero.

    On top of the filter's own, which takes the errors of successive frames as independent: half of the uncertainty
    of the extent (the side that is not seen), and errors that stay the same from frame to frame.
    """
    out: F64 = tracks.cov.copy()
    rest = ~tracks.moving
    still = np.zeros((int(rest.sum()), 8, 8))
    still[:, :3, :3] = tracks.static_cov[rest]
    unsure = tracks.static_log_odds[rest] < _UNSURE_LOG_ODDS
    speed_var = np.where(
        unsure, np.maximum(tracks.cov[rest, 3, 3], tracks.cov[rest, 4, 4]), _NO_SPEED_STD_MPS**2
    )
    still[:, [3, 4], [3, 4]] = speed_var[:, None]
    still[:, YAW_RATE, YAW_RATE] = _NO_TURN_STD_RPS**2
    still[:, [6, 7], [6, 7]] = _NO_SPEED_STD_MPS**2
    out[rest] = still
    direction = axes(tracks.yaw_rad)
    bias = (size_std(tracks, config)[:, :2] / 2) ** 2 + config.lasting_error_m**2
    out[:, :2, :2] += np.swapaxes(direction, 1, 2) @ (bias[..., None] * direction)
    out[:, YAW, YAW] += _LASTING_YAW_RAD**2
    return out


def to_tracks(
    tracks: TrackStore,
    stamp_ns: int,
    frame_id: str,
    state: npt.NDArray[np.uint8],
    config: TrackerConfig,
    **known: Any,
) -> Tracks:
    """The published value of the store at `stamp_ns` (to which it has been predicted).

    known: `end_reason`, `merged_into`, `measurements` where there are any.
    """
    n = len(tracks)
    moving = tracks.moving[:, None]
    sure = config.world_fixed & (np.abs(tracks.static_log_odds) > _UNSURE_LOG_ODDS)
    motion = np.where(tracks.moving, int(MotionState.MOVING), int(MotionState.STATIONARY))
    return Tracks(
        stamp_ns=stamp_ns,
        frame_id=frame_id,
        id=tracks.id.copy(),
        state=state,
        end_reason=known.get("end_reason", np.zeros(n, np.uint8)),
        merged_into=known.get("merged_into", np.zeros(n, np.uint64)),
        label=tracks.label.astype(np.uint8),
        class_probabilities=tracks.class_probabilities,
        existence_probability=published_existence(tracks, stamp_ns, config),
        center_m=tracks.center_m,
        lwh_m=tracks.size_m.copy(),
        lwh_std_m=size_std(tracks, config),
        yaw_rad=tracks.yaw_rad,
        orientation=orientation(tracks),
        velocity_mps=np.where(moving, tracks.mean[:, VELOCITY], 0.0),
        acceleration_mps2=np.where(moving, tracks.mean[:, ACCELERATION], 0.0),
        yaw_rate_rps=np.where(tracks.moving, tracks.mean[:, YAW_RATE], 0.0),
        covariance=covariances(tracks, config),
        z_std_m=np.sqrt(tracks.bottom_var + (size_std(tracks, config)[:, 2] / 2) ** 2),
        motion_state=np.where(sure, motion, int(MotionState.UNKNOWN)).astype(np.uint8),
        age_s=np.asarray((stamp_ns - tracks.born_ns) * 1e-9, np.float64),
        time_since_update_s=np.asarray((stamp_ns - tracks.updated_ns) * 1e-9, np.float64),
        visibility=tracks.visibility.copy(),
        source_mask=tracks.source_mask.copy(),
        source_mask_history=tracks.source_mask_history.copy(),
        measurements=known.get("measurements", ()),
    )
