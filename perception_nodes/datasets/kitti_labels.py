"""KITTI label files (object and tracking) as boxes in the lidar's frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import Transform

from .truth import TruthBox

LABELS: Final = {
    "Car": "car",
    "Van": "car",
    "Truck": "truck",
    "Pedestrian": "pedestrian",
    "Person_sitting": "pedestrian",
    "Person": "pedestrian",
    "Cyclist": "bicycle",
}
_NO_BOX: Final = "DontCare"


@dataclass(frozen=True)
class Label:
    """One line: box in the rectified camera-0 frame (x right, y down, z forward; y is the bottom)."""

    frame: int
    track: str
    kind: str
    hwl_m: tuple[float, float, float]
    bottom_m: tuple[float, float, float]
    rotation_y_rad: float


def read_labels(path: Path, frame: int | None) -> list[Label]:
    """Lines of a tracking file (`frame` None), or of an object file that belongs to `frame`."""
    out = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        # Object lines lack the first two words, frame and track.
        words = words if frame is None else [str(frame), f"{frame}:{number}", *words]
        if not words or (len(words) > 2 and words[2] == _NO_BOX):
            continue
        try:
            v = [float(w) for w in words[10:17]]
            size, bottom = (v[0], v[1], v[2]), (v[3], v[4], v[5])
            out.append(Label(int(words[0]), words[1], words[2], size, bottom, v[6]))
        except (IndexError, ValueError) as error:
            raise InputError(f"{path}: line {number} is not a KITTI label: {error}") from error
    return out


def box_in(label: Label, target_from_rect: Transform) -> TruthBox:
    """The box in a frame whose z axis points up."""
    height, width, length = label.hwl_m
    x, y, z = label.bottom_m
    center = target_from_rect.apply(np.array([[x, y - height / 2, z]]))[0]
    heading = np.array([[np.cos(label.rotation_y_rad), 0.0, -np.sin(label.rotation_y_rad)]])
    ahead = target_from_rect.rotate(heading)[0]
    yaw = float(np.arctan2(ahead[1], ahead[0]))
    cx, cy, cz = (float(c) for c in center)
    return TruthBox(label.track, label.kind, (cx, cy, cz), (length, width, height), yaw)
