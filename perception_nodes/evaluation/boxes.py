"""Boxes of one stamp as the metrics see them, and the pairing of two recordings by stamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D, InputError, Tracks, TrackState

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# What an object does, as the nuScenes detection benchmark names it.
ATTRIBUTES: Final[tuple[str, ...]] = (
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "cycle.with_rider",
    "cycle.without_rider",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)


@dataclass(frozen=True, eq=False)
class BoxFrame:
    """N boxes of one stamp, truth or predictions; one fixed frame for a whole recording, m, rad, NaN unknown.

    id (N,) of the object, unique in the frame; label (N,) index into `taxonomy.LABELS`; score (N,) higher is surer
    (NaN for truth); center_m, lwh_m (N, 3); yaw_rad (N,); velocity_mps (N, 2); num_points (N,) lidar points on the
    object, -1 not counted; ego_xy_m (2,) where the vehicle was, or None: then ranges are not limited; attribute (N,)
    index into `ATTRIBUTES`, -1 unknown, or None: unknown of all.
    """

    stamp_ns: int
    id: I64
    label: I64
    score: F64
    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    velocity_mps: F64
    num_points: I64
    ego_xy_m: F64 | None = None
    attribute: I64 | None = None

    def __post_init__(self) -> None:
        n = len(self.id)
        wrong = [name for name in self._arrays if len(getattr(self, name)) != n]
        if wrong:
            raise InputError(f"BoxFrame at {self.stamp_ns}: {wrong[0]} has another length than id ({n})")
        if len(np.unique(self.id)) != n:
            raise InputError(f"BoxFrame at {self.stamp_ns}: an id occurs twice: {sorted(self.id.tolist())}")
        if not np.isfinite(self.center_m[:, :2]).all():
            raise InputError(f"BoxFrame at {self.stamp_ns}: a centre is not finite")
        if self.attribute is not None and ((self.attribute < -1) | (self.attribute >= len(ATTRIBUTES))).any():
            raise InputError(
                f"BoxFrame at {self.stamp_ns}: attribute: wanted -1 ... {len(ATTRIBUTES) - 1}, got"
                f" {sorted(set(self.attribute.tolist()))}"
            )

    def __len__(self) -> int:
        return len(self.id)

    def select(self, index: npt.NDArray[Any]) -> BoxFrame:
        """The boxes picked by a boolean mask or an integer index."""
        return replace(self, **{name: getattr(self, name)[index] for name in self._arrays})

    @property
    def _arrays(self) -> tuple[str, ...]:
        return _ARRAYS if self.attribute is None else (*_ARRAYS, "attribute")

    @property
    def range_m(self) -> F64:
        """(N,) distance of the centres from the ego seen from above; 0 where the ego is unknown."""
        if self.ego_xy_m is None:
            return np.zeros(len(self))
        return np.asarray(np.linalg.norm(self.center_m[:, :2] - self.ego_xy_m, axis=1))

    @classmethod
    def empty(cls, stamp_ns: int, ego_xy_m: F64 | None = None) -> BoxFrame:
        """No boxes at this stamp."""
        n, m = np.zeros(0, np.int64), np.zeros((0, 3))
        return cls(stamp_ns, n, n, np.zeros(0), m, m, np.zeros(0), np.zeros((0, 2)), n, ego_xy_m)

    @classmethod
    def of_detections(cls, detections: Detections3D, ego_xy_m: F64 | None = None) -> BoxFrame:
        """Detections, or truth boxes (whose detection_id is the track's)."""
        return cls(
            detections.stamp_ns,
            detections.detection_id.astype(np.int64),
            detections.label.astype(np.int64),
            detections.score,
            detections.center_m,
            detections.lwh_m,
            detections.yaw_rad,
            detections.velocity_mps,
            detections.num_points.astype(np.int64),
            ego_xy_m,
        )

    @classmethod
    def of_tracks(cls, tracks: Tracks, ego_xy_m: F64 | None = None) -> BoxFrame:
        """The published objects: confirmed and coasting tracks, scored by existence."""
        shown = np.isin(tracks.state, (TrackState.CONFIRMED, TrackState.COASTING))
        picked = tracks.select(shown)
        return cls(
            tracks.stamp_ns,
            picked.id.astype(np.int64),
            picked.label.astype(np.int64),
            picked.existence_probability,
            picked.center_m,
            picked.lwh_m,
            picked.yaw_rad,
            picked.velocity_mps,
            np.full(len(picked), -1, np.int64),
            ego_xy_m,
        )


_ARRAYS = tuple(f.name for f in fields(BoxFrame) if f.name not in ("stamp_ns", "ego_xy_m", "attribute"))


@dataclass(frozen=True)
class Paired:
    """Frames joined by stamp: as many predictions as truth frames (empty where there was none).

    missing: truth frames without a prediction; spare: prediction frames that belong to no truth frame.
    """

    truth: tuple[BoxFrame, ...]
    predictions: tuple[BoxFrame, ...]
    missing: int
    spare: int


def pair_by_stamp(truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], tolerance_ns: int) -> Paired:
    """Join each truth frame with the prediction nearest in time within the tolerance; each is used once.

    A truth frame without one is paired with an empty frame: its objects count as missed. The nearest pairs are
    joined first. Raises InputError if a recording has two frames of one stamp.
    """
    for name, frames in (("truth", truth), ("predictions", predictions)):
        stamps = [f.stamp_ns for f in frames]
        if len(set(stamps)) != len(stamps):
            raise InputError(f"{name}: two frames with one stamp")
    truth, predictions = (sorted(f, key=lambda b: b.stamp_ns) for f in (truth, predictions))
    ours = np.array([f.stamp_ns for f in predictions], np.int64)
    candidates = []
    for i, frame in enumerate(truth):
        low, high = np.searchsorted(ours, [frame.stamp_ns - tolerance_ns, frame.stamp_ns + tolerance_ns + 1])
        candidates += [(abs(int(ours[j]) - frame.stamp_ns), i, int(j)) for j in range(low, high)]
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(candidates):
        if i not in taken and j not in used:
            taken[i] = j
            used.add(j)
    joined = [
        predictions[taken[i]] if i in taken else BoxFrame.empty(f.stamp_ns) for i, f in enumerate(truth)
    ]
    return Paired(tuple(truth), tuple(joined), len(truth) - len(taken), len(predictions) - len(used))


def center_distance(a: BoxFrame, b: BoxFrame) -> F64:
    """(N, M) distance of the centres seen from above, m."""
    return np.asarray(np.linalg.norm(a.center_m[:, None, :2] - b.center_m[None, :, :2], axis=-1))
