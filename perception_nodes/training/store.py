"""Frames on disk as memory-mapped arrays: points as the raster sees them, boxes over the ground, 11 bytes a point."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.detection.learned_points import PreparedPoints

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

VERSION: Final = 1
# Unit of the stored lengths; 16 bits then reach 131 m.
_STEP_M: Final = 0.004
_POINT: Final = np.dtype([("xyh", "<i2", 3), ("rank", "u1"), ("ring", "u1")])
BOX: Final = np.dtype([
    ("center_m", "<f4", 3), ("lwh_m", "<f4", 3), ("yaw_rad", "<f4"), ("velocity_mps", "<f4", 2), ("label", "<i4"),
    ("num_points", "<i4"), ("visibility", "<f4"),
])  # fmt: skip
_ROW: Final = np.dtype([
    ("points", "<i8", 2), ("boxes", "<i8", 2), ("rig", "<i4"), ("street", "<i4"), ("index", "<i4"),
    ("origin_m", "<f4", 3),
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class StoredFrame:
    """One frame as it is trained on.

    points: of one lidar; ring (N,) uint8 beam of each point; boxes (M,) of dtype `BOX`: base frame, z of the centre
    over the ground; rig, street, index: where it is from; origin_m (3,): the sensor, z over the ground.
    """

    points: PreparedPoints
    ring: npt.NDArray[np.uint8]
    boxes: npt.NDArray[Any]
    rig: int
    street: int
    index: int
    origin_m: F32


def write_store(folder: Path, frames: Iterable[StoredFrame], about: dict[str, Any]) -> None:
    """Write all frames; the folder appears when it is complete. `about` says what they are and is kept in it."""
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    rows, points_at, boxes_at = [], 0, 0
    content = hashlib.sha256()
    with (making / "points.bin").open("wb") as points, (making / "boxes.bin").open("wb") as boxes:
        for frame in frames:
            packed = _pack(frame)
            for data, stream in ((packed, points), (frame.boxes, boxes)):
                raw = data.tobytes()
                stream.write(raw)
                content.update(raw)
            row = np.zeros((), _ROW)
            row["points"], row["boxes"] = (points_at, len(packed)), (boxes_at, len(frame.boxes))
            row["rig"], row["street"], row["index"] = frame.rig, frame.street, frame.index
            row["origin_m"] = frame.origin_m
            rows.append(row)
            points_at += len(packed)
            boxes_at += len(frame.boxes)
    if not rows:
        raise InputError(f"{folder}: wanted at least one frame, got none")
    np.save(making / "frames.npy", np.array(rows, _ROW))
    (making / "about.json").write_text(
        json.dumps({**about, "version": VERSION, "sha256": content.hexdigest()})
    )
    shutil.rmtree(folder, ignore_errors=True)
    making.replace(folder)


class FrameStore:
    """A folder of frames; opening it reads nothing but the list."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError if the folder is not a store, or one of another version."""
        try:
            self.about: dict[str, Any] = json.loads((folder / "about.json").read_text())
            self._rows = np.load(folder / "frames.npy")
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: not a store of frames: {error}") from error
        if self.about.get("version") != VERSION:
            raise InputError(
                f"{folder}: wanted version {VERSION}, got {self.about.get('version')}: delete it"
            )
        self.digest = str(self.about["sha256"])[:16]
        self._points = _mapped(folder / "points.bin", _POINT)
        self._boxes = _mapped(folder / "boxes.bin", BOX)

    def __len__(self) -> int:
        return len(self._rows)

    def boxes(self, index: int) -> npt.NDArray[Any]:
        """(M,) boxes of one frame."""
        start, count = self._rows["boxes"][index]
        return np.array(self._boxes[start : start + count])

    def rig(self, index: int) -> int:
        """Which of the rigs the frame is of."""
        return int(self._rows["rig"][index])

    def street(self, index: int) -> int:
        """Seed of the street that the frame is of."""
        return int(self._rows["street"][index])

    def __getitem__(self, index: int) -> StoredFrame:
        row = self._rows[index]
        start, count = row["points"]
        packed = self._points[start : start + count]
        points = PreparedPoints(
            packed["xyh"].astype(np.float32) * np.float32(_STEP_M),
            packed["rank"].astype(np.float32) / np.float32(255.0),
            np.zeros(count, np.uint8),
            row["origin_m"][None, :2].astype(np.float64),
        )
        return StoredFrame(
            points, np.array(packed["ring"]), self.boxes(index), int(row["rig"]), int(row["street"]),
            int(row["index"]), row["origin_m"].copy(),
        )  # fmt: skip


class JoinedStore:
    """Several stores as one, in the order given."""

    def __init__(self, stores: Sequence[FrameStore]) -> None:
        """Raises InputError if there is none."""
        if not stores:
            raise InputError("frames to train on: wanted at least one store, got none")
        self.stores = tuple(stores)
        self._ends = np.cumsum([len(s) for s in stores])
        self.digest = hashlib.sha256("".join(s.digest for s in stores).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def _find(self, index: int) -> tuple[FrameStore, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        k = int(np.searchsorted(self._ends, index, side="right"))
        return self.stores[k], index - (int(self._ends[k - 1]) if k else 0)

    def boxes(self, index: int) -> npt.NDArray[Any]:
        """(M,) boxes of one frame."""
        store, row = self._find(index)
        return store.boxes(row)

    def rig(self, index: int) -> int:
        """Which of the rigs the frame is of."""
        store, row = self._find(index)
        return store.rig(row)

    def street(self, index: int) -> int:
        """Seed of the street that the frame is of."""
        store, row = self._find(index)
        return store.street(row)

    def __getitem__(self, index: int) -> StoredFrame:
        store, row = self._find(index)
        return store[row]


Frames = FrameStore | JoinedStore


def _pack(frame: StoredFrame) -> npt.NDArray[Any]:
    packed = np.empty(len(frame.points), _POINT)
    packed["xyh"] = np.round(frame.points.xyh_m / _STEP_M)
    packed["rank"] = np.round(frame.points.rank * 255.0)
    packed["ring"] = frame.ring
    return packed


def _mapped(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An empty file cannot be mapped: streets without any object are an empty array."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)
