"""The boxes of many frames as columns, which is how the kernels of the metrics take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .boxes import BoxFrame

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_FROM_FRAME = ("id", "label", "score", "center_m", "lwh_m", "yaw_rad", "velocity_mps", "num_points")


@dataclass(frozen=True, eq=False)
class Columns:
    """B boxes in the order of their frames: frame (B,) and row (B,) say where each came from; the rest as BoxFrame."""

    num_frames: int
    frame: I64
    row: I64
    id: I64
    label: I64
    score: F64
    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    velocity_mps: F64
    num_points: I64
    attribute: I64

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def of(cls, frames: Sequence[BoxFrame]) -> Columns:
        """All boxes of the frames, one frame after the other."""
        count = [len(f) for f in frames]
        parts = frames or [BoxFrame.empty(0)]
        unknown = [np.full(len(f), -1) if f.attribute is None else f.attribute for f in parts]
        return cls(
            num_frames=len(frames),
            frame=np.repeat(np.arange(len(frames)), count),
            row=np.concatenate([np.arange(n) for n in count] or [np.zeros(0, np.int64)]),
            attribute=np.concatenate(unknown).astype(np.int64),
            **{name: np.concatenate([getattr(f, name) for f in parts]) for name in _FROM_FRAME},
        )

    def select(self, index: npt.NDArray[Any]) -> Columns:
        """The boxes picked by a boolean mask, in the same order."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)[1:]})

    @property
    def first(self) -> I64:
        """(F + 1,) position of the first box of each frame, and the end."""
        return np.searchsorted(self.frame, np.arange(self.num_frames + 1)).astype(np.int64)

    @property
    def xy_m(self) -> F64:
        """(B, 2) centres seen from above, contiguous."""
        return np.ascontiguousarray(self.center_m[:, :2], np.float64)
