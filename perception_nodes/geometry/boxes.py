"""Oriented boxes: corners, points inside, rotated overlap, and moving detections between frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import Detections3D

from .transforms import Transform, wrap_angle

F64 = npt.NDArray[np.float64]


def corners_bev(center_m: F64, lwh_m: F64, yaw_rad: F64) -> F64:
    """(N, 4, 2) footprint corners, counter-clockwise from front left, in the frame of the boxes."""
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.5
    local = signs[None] * lwh_m[:, None, :2]
    c, s = np.cos(yaw_rad)[:, None], np.sin(yaw_rad)[:, None]
    x = local[..., 0] * c - local[..., 1] * s + center_m[:, None, 0]
    y = local[..., 0] * s + local[..., 1] * c + center_m[:, None, 1]
    return np.stack([x, y], axis=-1)


def corners_3d(center_m: F64, lwh_m: F64, yaw_rad: F64) -> F64:
    """(N, 8, 3) corners: the four of the bottom (as `corners_bev`), then the four of the top."""
    bev = corners_bev(center_m, lwh_m, yaw_rad)
    bottom = (center_m[:, 2] - lwh_m[:, 2] / 2)[:, None, None]
    top = (center_m[:, 2] + lwh_m[:, 2] / 2)[:, None, None]
    shape = (len(bev), 4, 1)
    low = np.concatenate([bev, np.broadcast_to(bottom, shape)], axis=-1)
    high = np.concatenate([bev, np.broadcast_to(top, shape)], axis=-1)
    return np.concatenate([low, high], axis=1)


def points_in_boxes(
    xyz_m: npt.NDArray[Any], center_m: F64, lwh_m: F64, yaw_rad: F64, margin_m: float = 0.0
) -> npt.NDArray[np.int32]:
    """(N,) number of points (M, 3) inside each box enlarged by `margin_m` on every side; same frame."""
    out = np.zeros(len(center_m), np.int32)
    _count_points(np.ascontiguousarray(xyz_m, np.float32), center_m, lwh_m, yaw_rad, margin_m, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count_points(xyz: Any, center: Any, lwh: Any, yaw: Any, margin: float, out: Any) -> None:
    for b in range(len(center)):
        c, s = np.cos(yaw[b]), np.sin(yaw[b])
        hl, hw, hh = lwh[b, 0] / 2 + margin, lwh[b, 1] / 2 + margin, lwh[b, 2] / 2 + margin
        count = 0
        for i in range(len(xyz)):
            dx, dy, dz = xyz[i, 0] - center[b, 0], xyz[i, 1] - center[b, 1], xyz[i, 2] - center[b, 2]
            if abs(dz) <= hh and abs(dx * c + dy * s) <= hl and abs(dy * c - dx * s) <= hw:
                count += 1
        out[b] = count


def iou_bev(a: tuple[F64, F64, F64], b: tuple[F64, F64, F64]) -> F64:
    """(N, M) intersection over union of footprints; a and b are (center_m, lwh_m, yaw_rad) in one frame.

    Method: clip one rectangle by the other's four half-planes (Sutherland and Hodgman, CACM 17(1), 1974).
    """
    inter = _intersections(corners_bev(*a), corners_bev(*b))
    area_a = (a[1][:, 0] * a[1][:, 1])[:, None]
    area_b = (b[1][:, 0] * b[1][:, 1])[None]
    return np.asarray(inter / np.maximum(area_a + area_b - inter, 1e-12))


def iou_3d(a: tuple[F64, F64, F64], b: tuple[F64, F64, F64]) -> F64:
    """(N, M) intersection over union of boxes that stand upright; a and b as in `iou_bev`."""
    inter = _intersections(corners_bev(*a), corners_bev(*b))
    top = np.minimum((a[0][:, 2] + a[1][:, 2] / 2)[:, None], (b[0][:, 2] + b[1][:, 2] / 2)[None])
    bottom = np.maximum((a[0][:, 2] - a[1][:, 2] / 2)[:, None], (b[0][:, 2] - b[1][:, 2] / 2)[None])
    inter = inter * np.maximum(top - bottom, 0.0)
    volume_a, volume_b = a[1].prod(axis=1)[:, None], b[1].prod(axis=1)[None]
    return np.asarray(inter / np.maximum(volume_a + volume_b - inter, 1e-12))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _intersections(a: Any, b: Any) -> Any:
    out = np.zeros((len(a), len(b)))
    radius_a, radius_b = np.zeros(len(a)), np.zeros(len(b))
    for i in range(len(a)):
        radius_a[i] = 0.5 * np.hypot(a[i, 0, 0] - a[i, 2, 0], a[i, 0, 1] - a[i, 2, 1])
    for j in range(len(b)):
        radius_b[j] = 0.5 * np.hypot(b[j, 0, 0] - b[j, 2, 0], b[j, 0, 1] - b[j, 2, 1])
    for i in range(len(a)):
        ax, ay = 0.5 * (a[i, 0, 0] + a[i, 2, 0]), 0.5 * (a[i, 0, 1] + a[i, 2, 1])
        for j in range(len(b)):
            bx, by = 0.5 * (b[j, 0, 0] + b[j, 2, 0]), 0.5 * (b[j, 0, 1] + b[j, 2, 1])
            if np.hypot(ax - bx, ay - by) < radius_a[i] + radius_b[j]:
                out[i, j] = _clip_area(a[i], b[j])
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clip_area(p: Any, q: Any) -> float:
    poly, work = np.zeros((16, 2)), np.zeros((16, 2))
    n = 4
    # Relative to one corner: at map coordinates of 1e5 m the area would lose its digits.
    poly[:4] = p - q[0]
    for e in range(4):
        ox, oy = q[e, 0] - q[0, 0], q[e, 1] - q[0, 1]
        ex, ey = q[(e + 1) % 4, 0] - q[e, 0], q[(e + 1) % 4, 1] - q[e, 1]
        m = 0
        for k in range(n):
            x0, y0 = poly[k, 0], poly[k, 1]
            x1, y1 = poly[(k + 1) % n, 0], poly[(k + 1) % n, 1]
            d0 = ex * (y0 - oy) - ey * (x0 - ox)
            d1 = ex * (y1 - oy) - ey * (x1 - ox)
            if d0 >= 0:
                work[m, 0], work[m, 1] = x0, y0
                m += 1
            if (d0 > 0 and d1 < 0) or (d0 < 0 and d1 > 0):
                t = d0 / (d0 - d1)
                work[m, 0], work[m, 1] = x0 + t * (x1 - x0), y0 + t * (y1 - y0)
                m += 1
        n = m
        if n < 3:
            return 0.0
        for k in range(n):
            poly[k, 0], poly[k, 1] = work[k, 0], work[k, 1]
    area = 0.0
    for k in range(n):
        j = (k + 1) % n
        area += poly[k, 0] * poly[j, 1] - poly[j, 0] * poly[k, 1]
    return abs(area) / 2


def transform_detections(
    detections: Detections3D, frame_id: str, target_from_source: Transform
) -> Detections3D:
    """The same detections in `frame_id`; boxes stay upright (the small tilt of the transform turns centres only)."""
    yaw = target_from_source.yaw_rad
    c, s = np.cos(yaw), np.sin(yaw)
    plane = np.array([[c, -s], [s, c]])
    jacobian = np.eye(9)
    jacobian[:2, :2] = plane
    jacobian[7:, 7:] = plane
    return replace(
        detections,
        frame_id=frame_id,
        center_m=np.asarray(target_from_source.apply(detections.center_m), np.float64),
        yaw_rad=wrap_angle(detections.yaw_rad + yaw),
        velocity_mps=detections.velocity_mps @ plane.T,
        covariance=_rotate_covariance(detections.covariance, jacobian),
    )


def _rotate_covariance(covariance: F64, jacobian: F64) -> F64:
    """J P J^T where entries that are unknown (NaN) stay unknown and do not spoil the others."""
    unknown = np.isnan(covariance)
    out: F64 = jacobian @ np.where(unknown, 0.0, covariance) @ jacobian.T
    out[unknown] = np.nan
    return out
