"""Boxes of the base frame as rectangles in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import Detections2D, Detections3D
from perception_nodes.geometry import CameraModel, Transform, corners_3d

F64 = npt.NDArray[np.float64]

_NEAR_M = 0.3


@dataclass(frozen=True, eq=False)
class CameraView:
    """One camera's boxes with what is needed to project into them.

    optical_from_base: from base_link at the frame's stamp to the optical frame at the image's own stamp, so that the
    ego motion between the two is part of it.
    """

    detections: Detections2D
    model: CameraModel
    optical_from_base: Transform


@dataclass(frozen=True, eq=False)
class Projection:
    """rect_px (N, 4) corners of the projected boxes clipped to the image, NaN where not in view; depth_m (N,) of the
    centre; inside (N,) share of the unclipped rectangle that lies in the image.
    """

    rect_px: F64
    depth_m: F64
    inside: F64


def project_boxes(boxes: Detections3D, model: CameraModel, optical_from_base: Transform) -> Projection:
    """Project upright boxes; boxes behind the camera get NaN and a share of 0."""
    n = len(boxes)
    corners = corners_3d(boxes.center_m, boxes.lwh_m, boxes.yaw_rad).reshape(-1, 3)
    optical = np.asarray(optical_from_base.apply(corners), np.float64)
    depth = np.asarray(optical_from_base.apply(boxes.center_m), np.float64)[:, 2]
    # A corner behind the image plane has no pixel: it is moved onto the near plane, which keeps the box's side.
    optical[:, 2] = np.maximum(optical[:, 2], _NEAR_M)
    uv = model.project(optical)[0].reshape(n, 8, 2)
    low, high = uv.min(axis=1, initial=np.inf), uv.max(axis=1, initial=-np.inf)
    size = np.array([model.width_px, model.height_px], np.float64)
    clipped_low, clipped_high = np.clip(low, 0, size), np.clip(high, 0, size)
    area = np.prod(np.maximum(high - low, 1e-9), axis=1)
    inside = np.prod(np.maximum(clipped_high - clipped_low, 0), axis=1) / area
    visible = (depth > _NEAR_M) & (inside > 0)
    rect = np.where(visible[:, None], np.concatenate([clipped_low, clipped_high], axis=1), np.nan)
    return Projection(rect, depth, np.where(visible, inside, 0.0))


def overlap_matrix(a_px: F64, b_px: F64) -> tuple[F64, F64, F64]:
    """(N, M) IoU, share of a covered by b, share of b covered by a; 0 where a rectangle is NaN."""
    a, b = np.nan_to_num(a_px, nan=-1e9), np.nan_to_num(b_px, nan=1e9)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=-1)
    area_a = np.maximum(np.prod(a[:, 2:] - a[:, :2], axis=1), 1e-9)[:, None]
    area_b = np.maximum(np.prod(b[:, 2:] - b[:, :2], axis=1), 1e-9)[None]
    return inter / np.maximum(area_a + area_b - inter, 1e-9), inter / area_a, inter / area_b


def hidden_share(projection: Projection) -> F64:
    """(N,) largest share of each rectangle that a single nearer object covers."""
    if not len(projection.depth_m):
        return np.zeros(0)
    covered = overlap_matrix(projection.rect_px, projection.rect_px)[1]
    nearer = projection.depth_m[None] < projection.depth_m[:, None] - 1.0
    return np.asarray(np.where(nearer, covered, 0.0).max(axis=1))
