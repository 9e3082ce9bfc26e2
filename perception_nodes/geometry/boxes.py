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

    0 where both have no area. Method: b's rectangle, in the axes of a's, is clipped by the four edges of a
    (Sutherland and Hodgman, CACM 17(1), 1974), after tests that settle most pairs without it.
    """
    inter = _intersections(*_uniform(a), *_uniform(b))
    union = (a[1][:, 0] * a[1][:, 1])[:, None] + (b[1][:, 0] * b[1][:, 1])[None] - inter
    out: F64 = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return out


def iou_3d(a: tuple[F64, F64, F64], b: tuple[F64, F64, F64]) -> F64:
    """(N, M) intersection over union of boxes that stand upright; a and b as in `iou_bev`."""
    inter = _intersections(*_uniform(a), *_uniform(b))
    top = np.minimum((a[0][:, 2] + a[1][:, 2] / 2)[:, None], (b[0][:, 2] + b[1][:, 2] / 2)[None])
    bottom = np.maximum((a[0][:, 2] - a[1][:, 2] / 2)[:, None], (b[0][:, 2] - b[1][:, 2] / 2)[None])
    inter *= np.maximum(top - bottom, 0.0)
    union = a[1].prod(axis=1)[:, None] + b[1].prod(axis=1)[None] - inter
    out: F64 = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return out


def _uniform(boxes: tuple[F64, F64, F64]) -> tuple[F64, F64, F64]:
    """Contiguous and writable: a kernel is compiled for a second on the first array that is not like the others."""
    center, lwh, yaw = (np.require(part, np.float64, ("C", "W")) for part in boxes)
    return center, lwh, yaw


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _intersections(center_a: Any, lwh_a: Any, yaw_a: Any, center_b: Any, lwh_b: Any, yaw_b: Any) -> Any:
    out = np.zeros((len(yaw_a), len(yaw_b)))
    cos_b, sin_b = np.cos(yaw_b), np.sin(yaw_b)
    radius_b = 0.5 * np.sqrt(lwh_b[:, 0] ** 2 + lwh_b[:, 1] ** 2)
    # What two rectangles share has at most 8 corners; rounding may add some that lie on an edge.
    buffers = (np.empty(16), np.empty(16), np.empty(16), np.empty(16))
    for i in range(len(yaw_a)):
        c, s = np.cos(yaw_a[i]), np.sin(yaw_a[i])
        half_a = (0.5 * lwh_a[i, 0], 0.5 * lwh_a[i, 1])
        radius = np.sqrt(half_a[0] * half_a[0] + half_a[1] * half_a[1])
        for j in range(len(yaw_b)):
            # Differences first: at map coordinates of 1e6 m an area of absolute corners would lose its digits.
            dx, dy = center_b[j, 0] - center_a[i, 0], center_b[j, 1] - center_a[i, 1]
            reach = radius + radius_b[j]
            if dx * dx + dy * dy < reach * reach:
                turn = (cos_b[j] * c + sin_b[j] * s, sin_b[j] * c - cos_b[j] * s)
                offset = (dx * c + dy * s, dy * c - dx * s)
                half_b = (0.5 * lwh_b[j, 0], 0.5 * lwh_b[j, 1])
                out[i, j] = overlap_area(half_a, half_b, offset, turn, buffers)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def overlap_area(half_a: Any, half_b: Any, offset: Any, turn: Any, buffers: Any) -> Any:
    """Area that |x| <= half_a[0], |y| <= half_a[1] shares with half_b at `offset`, turned by (cos, sin) `turn`."""
    half_l, half_w = half_a
    x, y = offset
    c, s = turn
    reach_x = abs(c) * half_b[0] + abs(s) * half_b[1]
    reach_y = abs(s) * half_b[0] + abs(c) * half_b[1]
    apart = abs(x) >= half_l + reach_x or abs(y) >= half_w + reach_y
    apart = apart or abs(x * c + y * s) >= half_b[0] + abs(c) * half_l + abs(s) * half_w
    if apart or abs(y * c - x * s) >= half_b[1] + abs(s) * half_l + abs(c) * half_w:
        return 0.0
    if abs(x) + reach_x <= half_l and abs(y) + reach_y <= half_w:
        return 4.0 * half_b[0] * half_b[1]
    u, v, p, q = buffers
    for k in range(4):
        along = half_b[0] if k in (0, 3) else -half_b[0]
        across = half_b[1] if k < 2 else -half_b[1]
        u[k], v[k] = x + along * c - across * s, y + along * s + across * c
    n = _clip(u, v, 4, 1.0, half_l, p, q)
    n = _clip(p, q, n, -1.0, half_l, u, v)
    n = _clip(v, u, n, 1.0, half_w, q, p)
    n = _clip(q, p, n, -1.0, half_w, v, u)
    area = 0.0
    for k in range(n):
        j = k + 1 if k + 1 < n else 0
        area += u[k] * v[j] - u[j] * v[k]
    return 0.5 * abs(area)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _clip(u: Any, v: Any, n: int, sign: float, bound: float, out_u: Any, out_v: Any) -> int:
    """Corners of the part of a convex polygon with sign * u <= bound; returns how many there are."""
    m = 0
    for k in range(n):
        j = k + 1 if k + 1 < n else 0
        here, there = bound - sign * u[k], bound - sign * u[j]
        if here >= 0:
            out_u[m], out_v[m] = u[k], v[k]
            m += 1
        if (here > 0 and there < 0) or (here < 0 and there > 0):
            t = here / (here - there)
            out_u[m], out_v[m] = u[k] + t * (u[j] - u[k]), v[k] + t * (v[j] - v[k])
            m += 1
    return m


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
