"""From the network's maps to boxes: peaks, the best of them, boxes, suppression of what shares its space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import NUM_LABELS, PARENTS, UNKNOWN, ModelError
from perception_nodes.geometry import wrap_angle
from perception_nodes.geometry.boxes import overlap_area

from .learned_config import DecodeConfig

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# Rows of the box map, as `networks.bev.BOX_FIELDS` names them (a test compares the two).
BOX_ROWS: Final = {
    "offset": (0, 2), "z": (2, 3), "size": (3, 6), "heading": (6, 8), "direction": (8, 9), "velocity": (9, 11),
    "quality": (11, 12), "log_std": (12, 17),
}  # fmt: skip
BOX_CHANNELS: Final = 17
_MOST_PEAKS = 4096


@dataclass(frozen=True, eq=False)
class DecodedBoxes:
    """N boxes by falling score, base frame, z of the centre over the ground.

    center_m, lwh_m (N, 3); yaw_rad (N,); front (N,) probability that yaw is not to be turned by half; velocity_mps
    (N, 2); label (N,); probabilities (N, 11); score (N,); std (N, 5) of position, l, w, h (m) and yaw (rad).
    """

    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    front: F64
    velocity_mps: F64
    label: npt.NDArray[np.uint8]
    probabilities: F64
    score: F64
    std: F64

    def __len__(self) -> int:
        return len(self.score)


def decode(logits: F32, boxes: F32, cell_m: float, config: DecodeConfig) -> DecodedBoxes:
    """Boxes of class logits (10, n, n) and box maps (17, n, n) whose cells measure `cell_m` about the base frame.

    Raises ModelError if the maps have other shapes.
    """
    n = logits.shape[-1]
    wanted = [(NUM_LABELS - 1, n, n), (BOX_CHANNELS, n, n)]
    if [logits.shape, boxes.shape] != wanted:
        raise ModelError(f"lidar model: wanted maps of shapes {wanted}, got {logits.shape} and {boxes.shape}")
    peak, heat = np.empty((_MOST_PEAKS, 3), np.int64), np.empty(_MOST_PEAKS)
    floor = config.min_score ** (1.0 / max(1.0 - config.quality_share, 1e-3))
    threshold = (
        float(np.log(floor / (1.0 - floor))) if 0.0 < floor < 1.0 else (-np.inf if floor <= 0.0 else np.inf)
    )
    found = _peaks(logits, threshold, peak, heat)
    peak, heat = peak[:found], heat[:found]
    at = boxes[:, peak[:, 1], peak[:, 2]].T.astype(np.float64)
    score = heat ** (1.0 - config.quality_share) * _sigmoid(at[:, 11]) ** config.quality_share
    good = np.isfinite(at).all(axis=1) & (score >= config.min_score)
    order = np.flatnonzero(good)[np.argsort(-score[good], kind="stable")][: config.max_detections]
    result = _boxes(peak[order], at[order], score[order], logits, cell_m)
    return _suppressed(result, config)


def _boxes(peak: npt.NDArray[np.int64], at: F64, score: F64, logits: F32, cell_m: float) -> DecodedBoxes:
    n = logits.shape[-1]
    center = np.empty((len(peak), 3))
    center[:, :2] = (peak[:, 1:] + 0.5 - n / 2) * cell_m + at[:, 0:2]
    center[:, 2] = at[:, 2]
    yaw = 0.5 * np.arctan2(at[:, 7], at[:, 6])
    front = _sigmoid(at[:, 8])
    yaw = np.where(front < 0.5, yaw + np.pi, yaw)
    probabilities = np.zeros((len(peak), NUM_LABELS))
    classes = _sigmoid(logits[:, peak[:, 1], peak[:, 2]].T.astype(np.float64))
    probabilities[:, :UNKNOWN] = classes / np.maximum(classes.sum(axis=1, keepdims=True), 1e-12)
    return DecodedBoxes(
        center, np.exp(np.clip(at[:, 3:6], -3.0, 3.5)), np.asarray(wrap_angle(yaw)), np.maximum(front, 1.0 - front),
        at[:, 9:11], peak[:, 0].astype(np.uint8), probabilities, score, np.exp(np.clip(at[:, 12:17], -5.0, 3.0)),
    )  # fmt: skip


def _suppressed(found: DecodedBoxes, config: DecodeConfig) -> DecodedBoxes:
    if not len(found):
        return found
    kinds = {name: k for k, name in enumerate(dict.fromkeys(PARENTS))}
    kind = np.array([kinds[p] for p in PARENTS])[found.label]
    keep = np.ones(len(found), np.bool_)
    boxes = np.column_stack([found.center_m[:, :2], found.lwh_m[:, :2], found.yaw_rad])
    _suppress(boxes, kind, config.overlap, config.overlap_kinds, keep)
    return DecodedBoxes(**{name: value[keep] for name, value in vars(found).items()})


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _suppress(boxes: Any, kind: Any, limit: float, limit_kinds: float, keep: Any) -> None:
    """Drop what overlaps a better box of rows x, y, l, w, yaw by more than the limit (of `iou_bev`)."""
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    buffers = (np.empty(16), np.empty(16), np.empty(16), np.empty(16))
    for i in range(len(keep)):
        if not keep[i]:
            continue
        half_a = (0.5 * boxes[i, 2], 0.5 * boxes[i, 3])
        radius = np.sqrt(half_a[0] * half_a[0] + half_a[1] * half_a[1])
        for j in range(i + 1, len(keep)):
            if not keep[j]:
                continue
            half_b = (0.5 * boxes[j, 2], 0.5 * boxes[j, 3])
            dx, dy = boxes[j, 0] - boxes[i, 0], boxes[j, 1] - boxes[i, 1]
            reach = radius + np.sqrt(half_b[0] * half_b[0] + half_b[1] * half_b[1])
            if dx * dx + dy * dy < reach * reach:
                turn = (cos[j] * cos[i] + sin[j] * sin[i], sin[j] * cos[i] - cos[j] * sin[i])
                offset = (dx * cos[i] + dy * sin[i], dy * cos[i] - dx * sin[i])
                shared = overlap_area(half_a, half_b, offset, turn, buffers)
                union = boxes[i, 2] * boxes[i, 3] + boxes[j, 2] * boxes[j, 3] - shared
                keep[j] = not shared > (limit if kind[i] == kind[j] else limit_kinds) * union


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _peaks(logits: Any, threshold: float, peak: Any, heat: Any) -> int:
    """Class, row and column of each local maximum above the threshold, and its probability; returns how many.

    Of equal neighbours the first in memory is the peak. Where there are too many, the first are kept.
    """
    classes, n, _ = logits.shape
    found = 0
    for c in range(classes):
        for i in range(n):
            for j in range(n):
                value = logits[c, i, j]
                if not value >= threshold:
                    continue
                best = True
                for a in range(max(i - 1, 0), min(i + 2, n)):
                    for b in range(max(j - 1, 0), min(j + 2, n)):
                        other = logits[c, a, b]
                        if other > value or (other == value and (a < i or (a == i and b < j))):
                            best = False
                if best and found < len(heat):
                    peak[found, 0], peak[found, 1], peak[found, 2] = c, i, j
                    heat[found] = 1.0 / (1.0 + np.exp(-value))
                    found += 1
    return found


def _sigmoid(x: F64) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0))))
