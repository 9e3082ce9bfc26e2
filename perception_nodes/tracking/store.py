"""All live tracks as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import NUM_LABELS

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
B = npt.NDArray[np.bool_]
U8 = npt.NDArray[np.uint8]

X, Y, YAW, VX, VY, YAW_RATE, AX, AY = range(8)
POSITION = slice(0, 2)
AXIS_BINS = 18
VELOCITY = slice(3, 5)
ACCELERATION = slice(6, 8)


@dataclass
class TrackStore:
    """N tracks in odom; row i of every array is the same track.

    mean (N, 8), cov (N, 8, 8): moving hypothesis, `TRACK_STATE` order;
    static_mean (N, 3), static_cov (N, 3, 3): standing hypothesis (x, y, yaw);
    static_log_odds (N,): belief in standing against moving;
    bottom_m, bottom_var (N,): height of the underside; size_m, size_var (N, 3): l, w, h;
    class_sum (N, 11): weighted sum of the detections' class probabilities;
    presence (N,): Bernoulli existence; quality (N,), quality_weight (N,): running mean of the detections' existence;
    sign_belief (N,): log odds that the heading is right rather than off by pi;
    axis_log (N, 18): log belief over offsets of the long side's direction from the yaw.
    """

    id: npt.NDArray[np.uint64]
    mean: F64
    cov: F64
    static_mean: F64
    static_cov: F64
    static_log_odds: F64
    bottom_m: F64
    bottom_var: F64
    size_m: F64
    size_var: F64
    class_sum: F64
    presence: F64
    quality: F64
    quality_weight: F64
    sign_belief: F64
    axis_log: F64
    yaw_known: B
    moving: B
    confirmed: B
    hits: I64
    misses: I64
    born_ns: I64
    updated_ns: I64
    visibility: F64
    source_mask: U8
    source_mask_history: U8

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def empty(cls, count: int = 0) -> TrackStore:
        """`count` rows of zeros (0: no tracks)."""
        return cls(**{name: np.zeros((count, *tail), dtype) for name, (tail, dtype) in _LAYOUT.items()})

    def select(self, index: npt.NDArray[Any]) -> TrackStore:
        """A copy of the rows picked by a mask or an index."""
        return TrackStore(**{name: getattr(self, name)[index].copy() for name in _LAYOUT})

    def extend(self, other: TrackStore) -> None:
        """Append the rows of another store."""
        for name in _LAYOUT:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))

    def keep(self, mask: B) -> None:
        """Drop the rows where the mask is False."""
        if not mask.all():
            for name in _LAYOUT:
                setattr(self, name, getattr(self, name)[mask])

    @property
    def class_probabilities(self) -> F64:
        """(N, 11) rows sum to one."""
        return np.asarray(self.class_sum / self.class_sum.sum(axis=1, keepdims=True))

    @property
    def label(self) -> I64:
        """(N,) most probable class."""
        return np.asarray(self.class_sum.argmax(axis=1), np.int64)

    @property
    def position_m(self) -> F64:
        """(N, 2) centre under the more probable hypothesis."""
        return np.where(self.moving[:, None], self.mean[:, POSITION], self.static_mean[:, :2])

    @property
    def yaw_rad(self) -> F64:
        """(N,) yaw under the more probable hypothesis."""
        return np.where(self.moving, self.mean[:, YAW], self.static_mean[:, 2])

    @property
    def center_m(self) -> F64:
        """(N, 3) box centre."""
        z = self.bottom_m + self.size_m[:, 2] / 2
        return np.concatenate([self.position_m, z[:, None]], axis=1)


_TAILS: dict[str, tuple[int, ...]] = {
    "mean": (8,),
    "cov": (8, 8),
    "static_mean": (3,),
    "static_cov": (3, 3),
    "size_m": (3,),
    "size_var": (3,),
    "axis_log": (AXIS_BINS,),
    "class_sum": (NUM_LABELS,),
}
_TYPES: dict[str, Any] = {
    "id": np.uint64,
    **dict.fromkeys(("yaw_known", "moving", "confirmed"), np.bool_),
    **dict.fromkeys(("hits", "misses", "born_ns", "updated_ns"), np.int64),
    **dict.fromkeys(("source_mask", "source_mask_history"), np.uint8),
}
_LAYOUT = {f.name: (_TAILS.get(f.name, ()), _TYPES.get(f.name, np.float64)) for f in fields(TrackStore)}
