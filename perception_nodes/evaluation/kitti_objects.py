"""Objects of one KITTI frame as the KITTI protocols see them, and their overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import iou_3d, iou_bev

from .overlap import image_iou

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

DONT_CARE: Final = "DontCare"
# The tracking labels say `Person` where the object labels say `Person_sitting`.
TYPES: Final = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Person",
    "Cyclist",
    "Tram",
    "Misc",
    DONT_CARE,
)
# Neither asked for nor counted against when the class on the left is scored.
NEIGHBOURS: Final = {"Car": ("Van",), "Pedestrian": ("Person_sitting", "Person"), "Cyclist": ()}


@dataclass(frozen=True, eq=False)
class KittiObjects:
    """N labels or results of one frame in KITTI's conventions; rectified camera frame: x right, y down, z forward.

    type (N,) one of `TYPES`; truncated (N,) 0..1 in object, 0, 1, 2 in tracking labels; occluded (N,) 0..3; alpha_rad
    (N,) observation angle, -10 unknown; bbox_px (N, 4) left, top, right, bottom; hwl_m (N, 3) height, width, length;
    bottom_m (N, 3) centre of the bottom face; rotation_y_rad (N,) about y, 0 along x; score (N,) NaN for truth;
    track_id (N,) -1 unknown. Raises InputError on unequal lengths, unknown types and numbers that are not finite.
    """

    type: npt.NDArray[np.str_]
    truncated: F64
    occluded: I64
    alpha_rad: F64
    bbox_px: F64
    hwl_m: F64
    bottom_m: F64
    rotation_y_rad: F64
    score: F64
    track_id: I64

    def __post_init__(self) -> None:
        n = len(self.type)
        for name in _NAMES:
            value = getattr(self, name)
            wanted = (n, _COLUMNS[name]) if name in _COLUMNS else (n,)
            if value.shape != wanted:
                raise InputError(f"KittiObjects: {name}: wanted shape {wanted}, got {value.shape}")
            if name not in ("type", "score") and not np.isfinite(value).all():
                raise InputError(f"KittiObjects: {name}: a value is not finite: {value.tolist()}")
        unknown = set(self.type.tolist()).difference(TYPES)
        if unknown:
            raise InputError(f"KittiObjects: type {min(unknown)!r} is not one of {list(TYPES)}")

    def __len__(self) -> int:
        return len(self.type)

    def select(self, index: npt.NDArray[Any] | slice) -> KittiObjects:
        """The objects picked by a boolean mask, an integer index or a slice."""
        # What has been checked is not checked again: that took longer than all else of a frame.
        out = object.__new__(KittiObjects)
        out.__dict__.update({name: getattr(self, name)[index] for name in _NAMES})
        return out

    def split(self, frame: I64, count: int) -> list[KittiObjects]:
        """The objects of each of `count` frames; frame (N,): of which one each is, in any order."""
        order = np.argsort(frame, kind="stable")
        ordered = self.select(order)
        edges = np.searchsorted(frame[order], np.arange(count + 1)).tolist()
        return [ordered.select(slice(a, b)) for a, b in pairwise(edges)]

    @classmethod
    def of(
        cls, types: Sequence[str], bbox_px: Any, hwl_m: Any, bottom_m: Any, **columns: Any
    ) -> KittiObjects:
        """From lists; what is not given: turned by 0, not truncated, not occluded, alpha, score and id unknown."""
        n = len(types)
        given = {"truncated": 0, "alpha_rad": -10, "rotation_y_rad": 0, "score": np.nan, "bbox_px": bbox_px}
        given |= {"hwl_m": hwl_m, "bottom_m": bottom_m} | columns
        whole = {name: given.pop(name, default) for name, default in (("occluded", 0), ("track_id", -1))}
        floats = {name: _column(value, n, np.float64, _COLUMNS.get(name)) for name, value in given.items()}
        ints = {name: _column(value, n, np.int64, None) for name, value in whole.items()}
        return cls(type=np.array(types, np.str_), **floats, **ints)

    @classmethod
    def empty(cls) -> KittiObjects:
        """A frame without objects."""
        none = np.zeros(0)
        whole = np.zeros(0, np.int64)
        three = np.zeros((0, 3))
        return cls(np.zeros(0, "U1"), none, whole, none, np.zeros((0, 4)), three, three, none, none, whole)

    @property
    def height_px(self) -> F64:
        """(N,) height of the image boxes."""
        return np.abs(self.bbox_px[:, 3] - self.bbox_px[:, 1])

    @property
    def upright(self) -> tuple[F64, F64, F64]:
        """(center_m, lwh_m, yaw_rad) as `geometry.iou_3d` takes them: the plane is (x, z), the third axis y.

        The rotation about y, which points down, runs the other way round in that plane.
        """
        x, y, z = self.bottom_m.T
        center = np.stack([x, z, y - self.hwl_m[:, 0] / 2], axis=1)
        return center, self.hwl_m[:, [2, 1, 0]], -self.rotation_y_rad


_NAMES: Final = tuple(f.name for f in fields(KittiObjects))
_COLUMNS: Final = {"bbox_px": 4, "hwl_m": 3, "bottom_m": 3}


def _column(value: Any, n: int, kind: Any, width: int | None) -> Any:
    array = np.asarray(value, kind)
    if array.ndim == 0:
        return np.full(n, array)
    return array.reshape(0, width) if width is not None and array.size == 0 else array


def join(parts: Sequence[KittiObjects]) -> KittiObjects:
    """All objects of several frames in one value."""
    if not parts:
        return KittiObjects.empty()
    return KittiObjects(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in _NAMES})


def overlaps(a: KittiObjects, b: KittiObjects, view: str) -> F64:
    """(N, M) intersection over union in the `view`: "2d" image boxes, "bev" footprints, "3d" boxes."""
    if view == "2d":
        return image_iou(a.bbox_px, b.bbox_px)
    return (iou_bev if view == "bev" else iou_3d)(a.upright, b.upright)


def recall_thresholds(scores: F64, num_truth: int, steps: int = 40) -> tuple[F64, F64]:
    """Scores of hits that stand for the recalls 0, 1/steps, 2/steps, ..., and those recalls.

    Down the sorted scores, a score is left out while the next one comes nearer to the recall that is looked for; the
    last one is always taken. With fewer hits than steps the list is shorter: what is missing counts as precision 0.
    Source: KITTI development kit, evaluate_object.cpp (definition only).
    """
    falling = np.sort(scores)[::-1]
    thresholds, recalls = [], []
    wanted = 0.0
    for i, score in enumerate(falling):
        here, after = (i + 1) / num_truth, (i + 2) / num_truth
        if i + 1 < len(falling) and after - wanted < wanted - here:
            continue
        thresholds.append(score)
        recalls.append(wanted)
        wanted += 1.0 / steps
    return np.array(thresholds, np.float64), np.array(recalls, np.float64)
