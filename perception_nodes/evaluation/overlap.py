"""Overlap of axis-aligned boxes in an image; rotated boxes are compared by `geometry.iou_bev` and `geometry.iou_3d`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def image_iou(a_px: F64, b_px: F64) -> F64:
    """(N, M) intersection over union of boxes (N, 4), (M, 4): left, top, right, bottom; 0 where nothing is shared."""
    inter = _shared(a_px, b_px)
    union = image_area(a_px)[:, None] + image_area(b_px)[None] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)


def image_cover(a_px: F64, b_px: F64) -> F64:
    """(N, M) share of each box of a (N, 4) that lies within a box of b (M, 4)."""
    inter = _shared(a_px, b_px)
    area = np.broadcast_to(image_area(a_px)[:, None], inter.shape)
    return np.divide(inter, area, out=np.zeros_like(inter), where=inter > 0)


def image_area(box_px: F64) -> F64:
    """(N,) area of boxes (N, 4), px^2."""
    return np.asarray((box_px[:, 2] - box_px[:, 0]) * (box_px[:, 3] - box_px[:, 1]))


def _shared(a_px: F64, b_px: F64) -> F64:
    low = np.maximum(a_px[:, None, :2], b_px[None, :, :2])
    high = np.minimum(a_px[:, None, 2:], b_px[None, :, 2:])
    inter: F64 = np.maximum(high - low, 0.0).prod(axis=-1)
    return inter
