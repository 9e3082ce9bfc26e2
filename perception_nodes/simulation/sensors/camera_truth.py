"""Exact truth of a picture: a class for each pixel, a box around each actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, LABELS, NUM_LABELS, Detections2D
from perception_nodes.geometry import CameraModel, Transform
from perception_nodes.simulation.assets.materials import Material

from .camera_view import Band
from .moment import Moment

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

_STREET: Final = {
    "road": (Material.ASPHALT, Material.ROAD_PAINT, Material.YELLOW_PAINT),
    "sidewalk": (Material.PAVEMENT, Material.KERB),
    "terrain": (Material.GRASS, Material.GRAVEL),
    "vegetation": (Material.FOLIAGE, Material.BARK),
    "sign": (Material.SIGN, Material.PLATE),
    "light": (Material.LAMP,),
}
# Classes of the mask: those of objects, and those of the street.
MASK_CLASSES: Final[tuple[str, ...]] = (*LABELS, *_STREET, "structure", "marking", "sky")
_SKY: Final = MASK_CLASSES.index("sky")
_MARKING: Final = MASK_CLASSES.index("marking")
_CLASS: Final = np.full(len(Material), MASK_CLASSES.index("structure"), np.uint8)
for _name, _materials in _STREET.items():
    _CLASS[list(_materials)] = MASK_CLASSES.index(_name)


def mask_of(moment: Moment, material: U8, instance: I32, range_m: F32, marking: U8) -> U8:
    """(H, W) index into MASK_CLASSES; ground of which most of the pixel is painted is marking."""
    out = _CLASS[material]
    out[(marking > 127) & (instance < 0)] = _MARKING
    labels = np.array([LABEL_INDEX[a.label] for a in moment.assets], np.uint8)
    own = instance >= 0
    out[own] = labels[moment.span[1].asset[instance[own]]]
    out[~np.isfinite(range_m)] = _SKY
    return np.asarray(out, np.uint8)


def boxes_of(
    moment: Moment,
    bands: Sequence[Band],
    odom_from_optical: Transform,
    camera: CameraModel,
    stamp_ns: int,
    frame_id: str,
) -> tuple[Detections2D, F64, I32]:
    """Boxes of the actors that are seen, the share of each that is, and the pixels of it; in the order of their rows.

    Alone: the pixels whose rays meet the actor when nothing else is there, counted by the same rays; so the shares are
    exact, glass counts as solid, and what lies outside of the picture counts for nothing.
    """
    states = moment.span[1]
    alone = np.sum([b.aimed for b in bands], axis=0)
    owner = np.concatenate([b.owner for b in bands])
    pixels = np.bincount(owner[owner >= 0], minlength=len(states))
    row = np.flatnonzero(pixels > 0)
    low = np.min([b.outline[row, :2] for b in bands], axis=0)
    high = np.max([b.outline[row, 2:] for b in bands], axis=0)
    assets = [moment.assets[k] for k in states.asset[row].tolist()]
    label = np.array([LABEL_INDEX[a.label] for a in assets], np.uint8)
    probabilities = np.zeros((len(row), NUM_LABELS))
    probabilities[np.arange(len(row)), label] = 1.0
    middle = states.pose[row, :3].copy()
    middle[:, 2] += np.array([a.lwh_m[2] for a in assets]) / 2
    depth = odom_from_optical.inverse().apply(middle)[:, 2]
    boxes = Detections2D(
        stamp_ns, frame_id, "truth", camera.width_px, camera.height_px,
        np.column_stack([low, high + 1]).astype(np.float64).reshape(-1, 4), label, probabilities, np.ones(len(row)),
        depth, np.zeros(len(row)), states.id[row].astype(np.uint64),
    )  # fmt: skip
    return boxes, pixels[row] / np.maximum(alone[row], 1), pixels[row].astype(np.int32)
