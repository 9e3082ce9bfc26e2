"""Detections as structs of arrays: boxes in a metric frame and boxes in an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .checks import check_shape, check_stamp, freeze
from .taxonomy import NUM_LABELS

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_COLUMNS_2D = ("label", "score", "depth_m", "depth_std_m", "detection_id")
COVARIANCE_STATE = ("x", "y", "z", "yaw", "l", "w", "h", "vx", "vy")


@dataclass(frozen=True, eq=False)
class Detections3D:
    """N oriented boxes in `frame_id` (REP-103 axes, m, rad), measured at `stamp_ns` by `source`.

    center_m (N, 3) box centre; lwh_m (N, 3) length (along yaw), width, height; yaw_rad (N,) about +z in
    [-pi, pi); orientation (N,) uint8 `Orientation`; velocity_mps (N, 2) over ground in this frame, NaN unknown;
    label (N,) uint8 index into `taxonomy.LABELS`; class_probabilities (N, 11), rows sum to one;
    score (N,) raw detector score; existence_probability (N,) NaN where it is not calibrated;
    covariance (N, 9, 9) of `COVARIANCE_STATE`, rows/columns of unknown quantities NaN;
    num_points (N,) int32; visibility (N,) 0..1 or NaN; source_mask (N,) uint8 `SourceMask`;
    detection_id (N,) uint64 unique within one source.
    """

    stamp_ns: int
    frame_id: str
    source: str
    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    orientation: npt.NDArray[np.uint8]
    velocity_mps: F64
    label: npt.NDArray[np.uint8]
    class_probabilities: F64
    score: F64
    existence_probability: F64
    covariance: F64
    num_points: npt.NDArray[np.int32]
    visibility: F64
    source_mask: npt.NDArray[np.uint8]
    detection_id: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        check_stamp("Detections3D", self.stamp_ns)
        n = len(self.center_m)
        for name in _ARRAYS_3D:
            check_shape("Detections3D", name, getattr(self, name), n, *_TAILS_3D.get(name, ()))
        freeze(self, *_ARRAYS_3D)

    def __len__(self) -> int:
        return len(self.center_m)

    def select(self, index: npt.NDArray[Any]) -> Detections3D:
        """The detections picked by a boolean mask or an integer index."""
        return replace(self, **{name: getattr(self, name)[index] for name in _ARRAYS_3D})

    @classmethod
    def concatenate(cls, parts: Sequence[Detections3D]) -> Detections3D:
        """All of `parts` (one frame, one stamp) under the first one's source; ids are renumbered to stay unique."""
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS_3D
        }
        arrays["detection_id"] = np.arange(len(arrays["label"]), dtype=np.uint64)
        return replace(parts[0], **arrays)

    @classmethod
    def empty(cls, stamp_ns: int, frame_id: str, source: str) -> Detections3D:
        """No detections at this stamp (which is a statement, not a lack of one)."""
        return cls.of(stamp_ns, frame_id, source, np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))

    @classmethod
    def of(
        cls,
        stamp_ns: int,
        frame_id: str,
        source: str,
        center_m: F64,
        lwh_m: F64,
        yaw_rad: F64,
        **known: npt.NDArray[Any],
    ) -> Detections3D:
        """Build from boxes; what is not given in `known` is unknown (NaN, class `unknown`)."""
        n = len(center_m)
        unknown = set(known) - set(_UNKNOWN_3D)
        if unknown:
            raise TypeError(f"Detections3D.of: no such field: {sorted(unknown)}")
        values = {name: known[name] if name in known else make(n) for name, make in _UNKNOWN_3D.items()}
        return cls(stamp_ns, frame_id, source, center_m, lwh_m, yaw_rad, **values)


def _unknown_class(n: int) -> F64:
    out = np.zeros((n, NUM_LABELS))
    out[:, -1] = 1.0
    return out


# What is not given, for N boxes.
_UNKNOWN_3D: dict[str, Callable[[int], npt.NDArray[Any]]] = {
    "orientation": lambda n: np.full(n, 2, np.uint8),
    "velocity_mps": lambda n: np.full((n, 2), np.nan),
    "label": lambda n: np.full(n, NUM_LABELS - 1, np.uint8),
    "class_probabilities": _unknown_class,
    "score": lambda n: np.full(n, np.nan),
    "existence_probability": lambda n: np.full(n, np.nan),
    "covariance": lambda n: np.full((n, 9, 9), np.nan),
    "num_points": lambda n: np.zeros(n, np.int32),
    "visibility": lambda n: np.full(n, np.nan),
    "source_mask": lambda n: np.zeros(n, np.uint8),
    "detection_id": lambda n: np.arange(n, dtype=np.uint64),
}
_TAILS_3D: dict[str, tuple[int, ...]] = {
    "center_m": (3,),
    "lwh_m": (3,),
    "velocity_mps": (2,),
    "covariance": (9, 9),
    "class_probabilities": (NUM_LABELS,),
}
_ARRAYS_3D = tuple(f.name for f in fields(Detections3D) if f.name not in ("stamp_ns", "frame_id", "source"))


@dataclass(frozen=True, eq=False)
class Detections2D:
    """N boxes in the image of camera `source` at `stamp_ns`.

    box_px (N, 4): x_min, y_min, x_max, y_max in pixels of the original image (x right, y down, 0 at the left edge
    of the first pixel); depth_m, depth_std_m (N,) along the optical axis, NaN unknown.
    """

    stamp_ns: int
    frame_id: str
    source: str
    width_px: int
    height_px: int
    box_px: F64
    label: npt.NDArray[np.uint8]
    class_probabilities: F64
    score: F64
    depth_m: F64
    depth_std_m: F64
    detection_id: npt.NDArray[np.uint64]

    def __post_init__(self) -> None:
        check_stamp("Detections2D", self.stamp_ns)
        n = len(self.box_px)
        check_shape("Detections2D", "box_px", self.box_px, n, 4)
        check_shape("Detections2D", "class_probabilities", self.class_probabilities, n, NUM_LABELS)
        for name in _COLUMNS_2D:
            check_shape("Detections2D", name, getattr(self, name), n)
        freeze(self, "box_px", "class_probabilities", *_COLUMNS_2D)

    def __len__(self) -> int:
        return len(self.box_px)
