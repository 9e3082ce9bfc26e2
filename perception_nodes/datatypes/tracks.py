"""Tracked objects as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .checks import check_shape, check_stamp, freeze
from .taxonomy import NUM_LABELS

F64 = npt.NDArray[np.float64]

TRACK_STATE = ("x", "y", "yaw", "vx", "vy", "yaw_rate", "ax", "ay")


@dataclass(frozen=True)
class SourceMeasurement:
    """One detection that updated a track: which sensor, which detection, when, how well it fitted."""

    sensor: str
    detection_id: int
    stamp_ns: int
    score: float
    mahalanobis2: float


@dataclass(frozen=True, eq=False)
class Tracks:
    """N tracks in `frame_id` (odom), predicted to `stamp_ns`; REP-103, m, m/s, rad, NaN unknown.

    id (N,) uint64, never reused within a session; state, end_reason, motion_state (N,) uint8; merged_into (N,)
    uint64, 0 if not merged; center_m (N, 3) box centre; lwh_m, lwh_std_m (N, 3); yaw_rad (N,); orientation (N,);
    velocity_mps (N, 2) over ground; acceleration_mps2 (N, 2); yaw_rate_rps (N,); covariance (N, 8, 8) of
    `TRACK_STATE`; z_std_m (N,); label, class_probabilities (N, 11), existence_probability (N,);
    age_s since birth; time_since_update_s; visibility (N,); source_mask, source_mask_history (N,) uint8;
    measurements: for each track the detections that updated it in this step.
    """

    stamp_ns: int
    frame_id: str
    id: npt.NDArray[np.uint64]
    state: npt.NDArray[np.uint8]
    end_reason: npt.NDArray[np.uint8]
    merged_into: npt.NDArray[np.uint64]
    label: npt.NDArray[np.uint8]
    class_probabilities: F64
    existence_probability: F64
    center_m: F64
    lwh_m: F64
    lwh_std_m: F64
    yaw_rad: F64
    orientation: npt.NDArray[np.uint8]
    velocity_mps: F64
    acceleration_mps2: F64
    yaw_rate_rps: F64
    covariance: F64
    z_std_m: F64
    motion_state: npt.NDArray[np.uint8]
    age_s: F64
    time_since_update_s: F64
    visibility: F64
    source_mask: npt.NDArray[np.uint8]
    source_mask_history: npt.NDArray[np.uint8]
    measurements: tuple[tuple[SourceMeasurement, ...], ...] = ()

    def __post_init__(self) -> None:
        check_stamp("Tracks", self.stamp_ns)
        n = len(self.id)
        for name in _ARRAYS:
            check_shape("Tracks", name, getattr(self, name), n, *_TAILS.get(name, ()))
        freeze(self, *_ARRAYS)
        if self.measurements and len(self.measurements) != n:
            check_shape("Tracks", "measurements", np.zeros(len(self.measurements)), n)

    def __len__(self) -> int:
        return len(self.id)

    def select(self, index: npt.NDArray[Any]) -> Tracks:
        """The tracks picked by a boolean mask or an integer index."""
        picked = np.arange(len(self))[index]
        measurements = tuple(self.measurements[i] for i in picked) if self.measurements else ()
        arrays: dict[str, Any] = {name: getattr(self, name)[index] for name in _ARRAYS}
        return replace(self, measurements=measurements, **arrays)

    @classmethod
    def empty(cls, stamp_ns: int, frame_id: str) -> Tracks:
        """No tracks at this stamp."""
        arrays: dict[str, Any] = {
            name: np.zeros((0, *_TAILS.get(name, ())), _DTYPES.get(name, np.float64)) for name in _ARRAYS
        }
        return cls(stamp_ns, frame_id, **arrays)


_TAILS: dict[str, tuple[int, ...]] = {
    "class_probabilities": (NUM_LABELS,),
    "center_m": (3,),
    "lwh_m": (3,),
    "lwh_std_m": (3,),
    "velocity_mps": (2,),
    "acceleration_mps2": (2,),
    "covariance": (8, 8),
}
_DTYPES: dict[str, Any] = {
    **dict.fromkeys(("id", "merged_into"), np.uint64),
    **dict.fromkeys(
        ("state", "end_reason", "label", "orientation", "motion_state", "source_mask", "source_mask_history"),
        np.uint8,
    ),
}
_ARRAYS = tuple(f.name for f in fields(Tracks) if f.name not in ("stamp_ns", "frame_id", "measurements"))
