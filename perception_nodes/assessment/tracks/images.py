"""2D detections beside the 3D ones: support that raises a track's score, and bridges where a 3D one is missing.

Idea: EagerMOT (Kim, Osep, Leal-Taixe, ICRA 2021) and DeepFusionMOT (Wang et al., RA-L 2022), definitions only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections3D, InputError, SourceMask, Tracks
from perception_nodes.evaluation.overlap import image_iou

from .config import TrackConfig

F64 = npt.NDArray[np.float64]
_FREE_M: Final = 2.0
_RAY_STD_M: Final = 2.0
_ACROSS_STD_M: Final = 0.4
_BRIDGE_QUALITY: Final = 0.3


def read_image_boxes(path: Path, num_frames: int) -> list[F64]:
    """(M, 5) left, top, right, bottom, score of every frame, from `frame,left,top,right,bottom,score` lines.

    A missing file or frame means no detections. Raises InputError for what is not in the layout.
    """
    out = [np.zeros((0, 5))] * num_frames
    if not path.is_file():
        return out
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        rows = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.zeros((0, 6))
    except ValueError as error:
        raise InputError(f"{path}: wanted numbers separated by commas: {error}") from error
    if rows.shape[1] != 6:
        raise InputError(
            f"{path}: wanted frame,left,top,right,bottom,score on each line, got {rows.shape[1]} numbers"
        )
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: wanted finite numbers, got {rows[~np.isfinite(rows)][0]:g}")
    frame = rows[:, 0].astype(np.int64)
    for k in np.unique(frame[(frame >= 0) & (frame < num_frames)]).tolist():
        out[k] = rows[frame == k, 1:]
    return out


def support(box_px: F64, image_boxes: F64, least_overlap: float) -> F64:
    """(N,) score of the best 2D detection that overlaps each projected box enough, 0 without one."""
    if not len(box_px) or not len(image_boxes):
        return np.zeros(len(box_px))
    overlap = image_iou(box_px, image_boxes[:, :4])
    return np.asarray(np.where(overlap >= least_overlap, image_boxes[None, :, 4], 0.0).max(axis=1))


def bridges(
    given: Detections3D,
    before: Tracks,
    projected: tuple[F64, F64],
    image_boxes: F64,
    config: TrackConfig,
) -> Detections3D:
    """The detections, and for predicted tracks without one nearby but with a 2D detection their predicted box as a
    weak measurement: well known across the ray, hardly along it.

    before: tracks predicted to this frame, vehicle frame; projected: their image boxes and shares.
    """
    strong = image_boxes[image_boxes[:, 4] >= config.support_least]
    score = support(projected[0], strong, config.support_overlap)
    distance = np.linalg.norm(before.center_m[:, None, :2] - given.center_m[None, :, :2], axis=2)
    alone = distance.min(axis=1, initial=np.inf) > np.maximum(_FREE_M, before.lwh_m[:, 0] / 2)
    pick = np.flatnonzero(alone & (score > 0) & (before.state != 0) & (projected[1] > config.visible_share))
    if not len(pick):
        return given
    n = len(pick)
    known: dict[str, npt.NDArray[Any]] = {
        "label": before.label[pick],
        "class_probabilities": before.class_probabilities[pick],
        "score": np.full(n, np.nan),
        "existence_probability": np.full(n, _BRIDGE_QUALITY),
        "orientation": np.zeros(n, np.uint8),
        "source_mask": np.full(n, int(SourceMask.CAMERA), np.uint8),
        "covariance": _along_the_ray(before.center_m[pick]),
    }
    extra = Detections3D.of(
        given.stamp_ns,
        given.frame_id,
        given.source,
        before.center_m[pick],
        before.lwh_m[pick],
        before.yaw_rad[pick],
        **known,
    )
    return Detections3D.concatenate([given, extra])


def _along_the_ray(center_m: F64) -> F64:
    """(N, 9, 9) covariances: long along the ray from the camera, the rest unknown."""
    bearing = np.arctan2(center_m[:, 1], center_m[:, 0])
    c, s = np.cos(bearing), np.sin(bearing)
    axes = np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)
    out = np.full((len(center_m), 9, 9), np.nan)
    out[:, :2, :2] = axes * np.array([_RAY_STD_M**2, _ACROSS_STD_M**2]) @ np.swapaxes(axes, 1, 2)
    return out
