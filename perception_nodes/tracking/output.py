"""From the tracker's inner store to published `Tracks`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import NUM_LABELS, MotionState, Tracks, TrackState

from .algebra import copy_square
from .compiled import compiled
from .config import TrackerConfig
from .existence import published_existence
from .heading import orientation
from .motion import chance_of_moving
from .store import AX, VX, YAW, YAW_RATE, TrackStore, label_of, pose_of

_NO_SPEED_STD_MPS = 0.1
_NO_TURN_STD_RPS = 0.02
_UNSURE_LOG_ODDS = 1.0
_LASTING_YAW_RAD = 0.03
_MOST_COUNTED = 0.9
_MOVING: Final = int(MotionState.MOVING)
_STATIONARY: Final = int(MotionState.STATIONARY)
_UNSURE: Final = int(MotionState.UNKNOWN)
_COPIED: Final = ("id", "visibility", "source_mask", "source_mask_history")


def states(tracks: TrackStore, stamp_ns: int, missed: bool, config: TrackerConfig) -> npt.NDArray[np.uint8]:
    """(N,) TENTATIVE, CONFIRMED or COASTING; `missed`: a track without a detection at this stamp counts as coasting."""
    age_s = (stamp_ns - tracks.updated_ns) * 1e-9
    coasting = age_s > (0.0 if missed else config.coasting_after_s)
    out = np.where(coasting, np.uint8(TrackState.COASTING), np.uint8(TrackState.CONFIRMED))
    return np.where(tracks.confirmed, out, np.uint8(TrackState.TENTATIVE))


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
    known.setdefault("end_reason", np.zeros(n, np.uint8))
    known.setdefault("merged_into", np.zeros(n, np.uint64))
    whole: dict[str, Any] = {name: np.zeros(n, np.uint8) for name in ("label", "orientation", "motion_state")}
    floats: dict[str, Any] = {name: np.zeros((n, *tail)) for name, tail in _FLOATS.items()}
    _publish(tracks.rows, stamp_ns, config.numbers, tuple(whole.values()), tuple(floats.values()))
    copied: dict[str, Any] = {name: tracks.rows[name].copy() for name in _COPIED}
    return Tracks(stamp_ns=stamp_ns, frame_id=frame_id, state=state, **whole, **floats, **copied, **known)


# In the order in which `_publish` takes them.
_FLOATS: Final[dict[str, tuple[int, ...]]] = {
    "center_m": (3,),
    "lwh_m": (3,),
    "lwh_std_m": (3,),
    "yaw_rad": (),
    "z_std_m": (),
    "class_probabilities": (NUM_LABELS,),
    "existence_probability": (),
    "velocity_mps": (2,),
    "acceleration_mps2": (2,),
    "yaw_rate_rps": (),
    "covariance": (8, 8),
    "age_s": (),
    "time_since_update_s": (),
}


@compiled
def _publish(tracks: Any, stamp_ns: int, c: Any, whole: Any, floats: Any) -> None:
    label, direction, motion = whole
    center, lwh, lwh_std, yaw, z_std, classes, existence, velocity, acceleration, turn, cov, age, unseen = (
        floats
    )
    for i in range(len(tracks)):
        t = tracks[i]
        label[i], direction[i], motion[i] = label_of(t), orientation(t), _motion_state(t, c)
        center[i, 0], center[i, 1], yaw[i] = pose_of(t)
        center[i, 2] = t.bottom_m + t.size_m[2] / 2
        for k in range(3):
            # What is wrong with the extent of one view is wrong with the next.
            lwh[i, k], lwh_std[i, k] = t.size_m[k], c.alike_factor * np.sqrt(t.size_var[k])
        z_std[i] = np.sqrt(t.bottom_var + (lwh_std[i, 2] / 2) ** 2)
        total = t.class_sum.sum()
        for k in range(NUM_LABELS):
            classes[i, k] = t.class_sum[k] / total
        existence[i] = published_existence(t, stamp_ns, c)
        if t.moving:
            for k in range(2):
                velocity[i, k], acceleration[i, k] = t.mean[VX + k], t.mean[AX + k]
            turn[i] = t.mean[YAW_RATE]
        _covariance(t, lwh_std[i], yaw[i], c, cov[i])
        age[i], unseen[i] = (stamp_ns - t.born_ns) * 1e-9, (stamp_ns - t.updated_ns) * 1e-9


@compiled
def _motion_state(t: Any, c: Any) -> int:
    if not c.world_fixed or abs(t.static_log_odds) <= _UNSURE_LOG_ODDS:
        return _UNSURE
    return _MOVING if t.moving else _STATIONARY


@compiled
def _covariance(t: Any, size_std: Any, yaw: float, c: Any, out: Any) -> None:
    """(8, 8): of the moving hypothesis, or of the standing one with its speed known to be zero.

    On top of the filter's own, which takes the errors of successive frames as independent: half of the uncertainty
    of the extent (the side that is not seen), and errors that stay the same from frame to frame, but for the share in
    which they are in the filter's own already: corrected with gain K it is K times the noise of the measurement.
    """
    if t.moving:
        copy_square(out, t.cov[:], 8)
    else:
        copy_square(out, t.static_cov[:], 3)
        speed_var = _NO_SPEED_STD_MPS**2
        if t.static_log_odds < _UNSURE_LOG_ODDS:
            speed_var = max(t.cov[3, 3], t.cov[4, 4])
        out[3, 3] = out[4, 4] = speed_var
        out[YAW_RATE, YAW_RATE] = _NO_TURN_STD_RPS**2
        out[6, 6] = out[7, 7] = _NO_SPEED_STD_MPS**2
    if c.world_fixed:
        _either(t, out)
    # Never all of it: what a detector states may be singular.
    lasting = (1 - min(t.gain[0] if t.moving else t.gain[1], _MOST_COUNTED)) * c.lasting_error_m**2
    along = (t.sided[0] * size_std[0] / 2) ** 2 + lasting
    across = (t.sided[1] * size_std[1] / 2) ** 2 + lasting
    cos, sin = np.cos(yaw), np.sin(yaw)
    out[0, 0] += cos * cos * along + sin * sin * across
    out[1, 1] += sin * sin * along + cos * cos * across
    out[0, 1] += cos * sin * (along - across)
    out[1, 0] += cos * sin * (along - across)
    out[YAW, YAW] += _LASTING_YAW_RAD**2


@compiled
def _either(t: Any, out: Any) -> None:
    """Add to the position covariance of the published hypothesis what it is worth if the other one is right.

    Only terms that keep the whole matrix positive definite: where the other one is, and how much wider if it moves.
    """
    moves = chance_of_moving(t.static_log_odds)
    other = 1 - moves if t.moving else moves
    dx, dy = t.mean[0] - t.static_mean[0], t.mean[1] - t.static_mean[1]
    xx, xy, yy = t.cov[0, 0] - out[0, 0], t.cov[0, 1] - out[0, 1], t.cov[1, 1] - out[1, 1]
    if t.moving or xx <= 0.0 or yy <= 0.0 or xx * yy < xy * xy:
        xx, xy, yy = 0.0, 0.0, 0.0
    out[0, 0] += other * (xx + dx * dx)
    out[1, 1] += other * (yy + dy * dy)
    out[0, 1] += other * (xy + dx * dy)
    out[1, 0] += other * (xy + dx * dy)
