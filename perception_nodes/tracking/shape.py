"""Extents seen through partial views: alignment with the track's axes, anchoring at the seen side, size filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import wrap_angle

from .config import TrackerConfig
from .measurement import Footprints

F64 = npt.NDArray[np.float64]

_LEAST_SHARE = 0.4


@dataclass(frozen=True)
class Aligned:
    """Measured boxes described in the axes of the tracks; arrays broadcast over pairs (..., ).

    yaw: the measured yaw turned by half (or quarter) turns to the one nearest to the track's; residual: yaw minus the
    track's; quarter: length and width have been exchanged; size, size_var, face (..., 2): along and across `yaw`.
    """

    yaw: F64
    residual: F64
    turns: npt.NDArray[np.int64]
    quarter: npt.NDArray[np.bool_]
    size: F64
    size_var: F64
    face: F64


def align(boxes: Footprints, track_yaw: F64) -> Aligned:
    """Boxes (M,) as seen by tracks with yaw (..., M) (broadcast).

    A box whose direction is known up to its sign only is also allowed to be turned by 90 degrees: of a car seen
    from behind the longest side is its width.
    """
    difference = track_yaw - boxes.yaw
    quarter_turns = np.round(difference / (np.pi / 2)).astype(np.int64)
    half_turns = 2 * np.round(difference / np.pi).astype(np.int64)
    turns = np.where(boxes.free, quarter_turns, half_turns) % 4
    quarter = turns % 2 == 1
    aligned = wrap_angle(boxes.yaw + turns * np.pi / 2)
    size, var, face = boxes.size, boxes.size_var, boxes.face
    swap = quarter[..., None]
    sign_l = np.where(turns >= 2, -1.0, 1.0)
    sign_w = np.where((turns == 1) | (turns == 2), -1.0, 1.0)
    turned = np.where(swap, face[..., ::-1], face) * np.stack([sign_l, sign_w], axis=-1)
    return Aligned(
        yaw=aligned,
        residual=np.asarray(wrap_angle(aligned - track_yaw)),
        turns=turns,
        quarter=quarter,
        size=np.where(swap, size[..., ::-1], size),
        size_var=np.where(swap, var[..., ::-1], var),
        face=turned,
    )


def axes(yaw: F64) -> F64:
    """(..., 2, 2) unit vectors along and across yaw (row 0, row 1)."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([np.stack([c, s], axis=-1), np.stack([-s, c], axis=-1)], axis=-2)


def anchored(center_xy: F64, cov_xy: F64, aligned: Aligned, size_lw: F64) -> tuple[F64, F64]:
    """Centres (..., 2) of boxes of the size `size_lw` that share the seen sides of the measured boxes (centre (..., 2),
    covariance (..., 2, 2)), and their covariances (..., 2, 2).

    Where a side is seen, the error of the measured centre is mostly that of the measured extent, which anchoring
    takes away. Along an axis of which no side is seen the box may slide inside the larger one.
    """
    direction = axes(aligned.yaw)
    lack = size_lw - aligned.size
    shift = -0.5 * aligned.face * lack
    center = center_xy + (shift[..., None] * direction).sum(axis=-2)
    own = direction @ cov_xy @ np.swapaxes(direction, -1, -2)
    std = np.sqrt(np.diagonal(own, axis1=-2, axis2=-1))
    side = np.maximum(std - np.abs(aligned.face) * np.sqrt(aligned.size_var) / 2, _LEAST_SHARE * std)
    scale = side / std
    own = own * scale[..., :, None] * scale[..., None, :]
    slide = (1 - np.abs(aligned.face)) * np.abs(lack) / 2
    own[..., [0, 1], [0, 1]] += slide**2 / 3
    return center, np.swapaxes(direction, -1, -2) @ own @ direction


def filter_size(mean: F64, var: F64, measured: F64, noise: F64, config: TrackerConfig) -> tuple[F64, F64]:
    """Posterior size and variance (K, 3).

    A box smaller than the estimate is most likely a partial view, a larger one may be two objects in one cluster:
    both are distrusted in proportion to the difference, the smaller one more.
    """
    e = measured - mean
    caution = np.where(e < 0, config.shrink_caution, config.grow_caution)
    gain = var / (var + noise + (caution * e) ** 2)
    return mean + gain * e, np.maximum((1 - gain) * var, 0.02**2)
