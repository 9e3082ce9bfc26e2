"""Anchors of a PointPillars of others: its parameter file, and from the maps of its head to boxes.

Boxes are told as differences from boxes that stand everywhere, of each size and rotation, and the half of the circle
that holds the front apart from the angle. Sources: B. Yan, Y. Mao and B. Li, SECOND, Sensors 18(10), 2018
(differences); A. Lang et al., PointPillars, CVPR 2019 (direction); order of anchors and channels, and names of the
parameters: the documentation and configuration files of MMDetection3D 1.x (Anchor3DHead).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import yaml

from perception_nodes.datatypes import ModelError
from perception_nodes.geometry import wrap_angle

from .foreign_boxes import ForeignBoxes, apart, shares, sigmoid
from .foreign_config import UNREADABLE, label_of, read_grid, said, three
from .foreign_pillars import PillarGrid
from .learned_config import DecodeConfig

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# Outputs, and channels of each for one anchor (0: as many as classes).
MAPS: Final = {"cls_score": 0, "bbox_pred": 7, "dir_cls_pred": 2}
_ALIGNED, _SPREAD = "AlignedAnchor3DRangeGenerator", "Anchor3DRangeGenerator"
_KEYS: Final = frozenset({
    "class_names", "point_cloud_range", "voxel_size", "max_num_points", "max_voxels", "anchor_generator",
    "dir_offset", "dir_limit_offset", "frame", "intensity_scale",
})  # fmt: skip
_ANCHOR_KEYS: Final = frozenset({"type", "ranges", "sizes", "rotations"})
# Of the best anchors so many are made boxes; many tell of the same object.
_MOST_ANCHORS: Final = 1000


@dataclass(frozen=True)
class AnchorConfig:
    """What a model was trained for.

    ranges_m: of each size the first and last x, y of its anchors and the height of their undersides (x, y, z, x, y, z);
    sizes_m: length, width, height; rotations_rad; aligned: anchors stand in the middles of cells, else the outermost on
    the border of the range; dir_offset_rad: where the halves of the circle meet; dir_limit: which share of a half turn
    an angle is brought to; in_lidar: the model's frame is at the first lidar, with the axes of the base frame, else it
    is the base frame; intensity_scale: what an intensity is multiplied by.
    """

    labels: tuple[int, ...]
    grid: PillarGrid
    ranges_m: tuple[tuple[float, ...], ...]
    sizes_m: tuple[tuple[float, float, float], ...]
    rotations_rad: tuple[float, ...]
    aligned: bool
    dir_offset_rad: float
    dir_limit: float
    in_lidar: bool
    intensity_scale: float

    @property
    def anchors(self) -> int:
        """How many stand at each cell."""
        return len(self.sizes_m) * len(self.rotations_rad)

    def channels(self) -> dict[str, int]:
        """How many channels each output must have."""
        return {name: self.anchors * (k or len(self.labels)) for name, k in MAPS.items()}


def read_anchor_config(path: Path) -> AnchorConfig:
    """A parameter file as `docs/lidar_detection.md` shows one. Raises ModelError naming file and key."""
    try:
        data: Mapping[str, Any] = yaml.safe_load(path.read_text())
        made: Mapping[str, Any] = data["anchor_generator"]
        if unknown := sorted((set(data) - _KEYS) | (set(made) - _ANCHOR_KEYS)):
            raise ModelError(f"{path}: unknown {unknown[0]!r}: wanted {sorted(_KEYS | _ANCHOR_KEYS)}")
        sizes = tuple(three(s) for s in made["sizes"])
        ranges = tuple(_range(r) for r in made["ranges"])
        ranges = ranges * len(sizes) if len(ranges) == 1 else ranges
        config = AnchorConfig(
            tuple(label_of(str(n), path) for n in data["class_names"]),
            read_grid(data, int(data["max_voxels"]), int(data["max_num_points"])),
            ranges, sizes, tuple(float(r) for r in made["rotations"]), made["type"] == _ALIGNED,
            float(data.get("dir_offset", -np.pi / 2)), float(data.get("dir_limit_offset", 0.0)),
            data.get("frame", "lidar") == "lidar", float(data.get("intensity_scale", 1.0)),
        )  # fmt: skip
    except UNREADABLE as error:
        raise ModelError(
            f"{path}: not the parameters of a PointPillars with anchors: {said(error)}"
        ) from error
    if made["type"] not in (_ALIGNED, _SPREAD) or data.get("frame", "lidar") not in ("lidar", "base"):
        raise ModelError(f"{path}: anchor_generator: type: {_ALIGNED} or {_SPREAD}, frame: lidar or base")
    if not config.labels or not config.anchors or len(ranges) != len(sizes):
        raise ModelError(f"{path}: wanted class_names, rotations, and as many ranges as sizes (or one range)")
    if min(min(s) for s in sizes) <= 0 or any(r[2] != r[5] for r in ranges):
        raise ModelError(f"{path}: anchor_generator: wanted sizes above 0 and ranges of one height each")
    return config


def _range(values: Any) -> tuple[float, ...]:
    return *three(values[:3]), *three(values[3:])


def anchor_boxes(config: AnchorConfig, height: int, width: int) -> F64:
    """(height, width, anchors, 7) x, y, z of the centre, length, width, height, yaw; sizes in turn, then rotations."""
    out = np.empty((height, width, len(config.sizes_m), len(config.rotations_rad), 7))
    for k, (reach, size) in enumerate(zip(config.ranges_m, config.sizes_m, strict=True)):
        out[:, :, k, :, 0] = _places(reach[0], reach[3], width, config.aligned)[None, :, None]
        out[:, :, k, :, 1] = _places(reach[1], reach[4], height, config.aligned)[:, None, None]
        out[:, :, k, :, 2] = reach[2] + size[2] / 2
        out[:, :, k, :, 3:6] = size
        out[:, :, k, :, 6] = config.rotations_rad
    return out.reshape(height, width, config.anchors, 7)


def _places(low: float, high: float, n: int, aligned: bool) -> F64:
    if aligned:
        return np.asarray(low + (np.arange(n) + 0.5) * (high - low) / n)
    return np.linspace(low, high, n)


def decode_anchors(
    maps: dict[str, F32], anchors: F64, config: AnchorConfig, decode: DecodeConfig
) -> ForeignBoxes:
    """Boxes in the model's frame of the head's maps (channels, rows y, columns x); an anchor has its best class."""
    at = {name: _by_anchor(maps[name], config.anchors) for name in MAPS}
    best = at["cls_score"].max(axis=1)
    chosen = np.argsort(-best, kind="stable")[:_MOST_ANCHORS]
    # NaN is no score.
    chosen = chosen[sigmoid(best[chosen]) >= decode.min_score]
    scores = sigmoid(at["cls_score"][chosen])
    box = decode_residuals(anchors.reshape(-1, 7)[chosen], at["bbox_pred"][chosen].astype(np.float64))
    half = at["dir_cls_pred"][chosen].astype(np.float64)
    yaw = _in_half(box[:, 6], half[:, 1] > half[:, 0], config)
    front = np.abs(half[:, 1] - half[:, 0]) >= np.log(decode.direction_odds)
    label, probabilities = shares(scores, config.labels)
    found = ForeignBoxes(
        box[:, :3], box[:, 3:6], np.asarray(wrap_angle(yaw)), label, scores.max(axis=1, initial=0.0),
        probabilities, front,
    )  # fmt: skip
    return apart(found, decode)


def _by_anchor(values: F32, anchors: int) -> F32:
    """(anchors * k, H, W) to (H * W * anchors, k)."""
    return np.moveaxis(values, 0, -1).reshape(-1, values.shape[0] // anchors)


def decode_residuals(anchors: F64, said: F64) -> F64:
    """Boxes (N, 7) that differ from the anchors (N, 7) as `said` (N, 7): by shares of the anchor's diagonal (x, y) and
    height (z), logarithms of the ratios of the sides, and an angle.
    """
    out = np.empty_like(anchors)
    diagonal = np.hypot(anchors[:, 3], anchors[:, 4])
    out[:, :2] = anchors[:, :2] + said[:, :2] * diagonal[:, None]
    out[:, 2] = anchors[:, 2] + said[:, 2] * anchors[:, 5]
    out[:, 3:6] = anchors[:, 3:6] * np.exp(np.clip(said[:, 3:6], -4.0, 4.0))
    out[:, 6] = anchors[:, 6] + said[:, 6]
    return out


def _in_half(yaw: F64, second: npt.NDArray[np.bool_], config: AnchorConfig) -> F64:
    """Angles turned by half turns into the half that was said to hold the front."""
    turned = yaw - config.dir_offset_rad
    first = turned - np.floor(turned / np.pi + config.dir_limit) * np.pi
    return np.asarray(first + config.dir_offset_rad + np.pi * second)
