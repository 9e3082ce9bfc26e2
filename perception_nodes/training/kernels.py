"""Loops over points that augmentation needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.detection.raster import pseudo_angle

DIRECTIONS = 1024


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def owners(xyh: Any, center: Any, lwh: Any, yaw: Any, margin: float) -> Any:
    """(N,) int16 box that each point is in, enlarged by `margin` m at the sides, -1 for none; the last one wins."""
    out = np.full(len(xyh), -1, np.int16)
    for b in range(len(yaw)):
        c, s = np.cos(yaw[b]), np.sin(yaw[b])
        hl, hw = lwh[b, 0] / 2 + margin, lwh[b, 1] / 2 + margin
        low, high = center[b, 2] - lwh[b, 2] / 2, center[b, 2] + lwh[b, 2] / 2 + margin
        reach = hl + hw
        for k in range(len(xyh)):
            dx, dy = xyh[k, 0] - center[b, 0], xyh[k, 1] - center[b, 1]
            if abs(dx) > reach or abs(dy) > reach:
                continue
            inside = abs(dx * c + dy * s) <= hl and abs(dy * c - dx * s) <= hw
            # The lowest decimetres of a box are mostly road.
            if inside and low + min(0.1, 0.3 * lwh[b, 2]) < xyh[k, 2] <= high:
                out[k] = b
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def first_obstacles(xyh: Any, origin: Any) -> Any:
    """(1024,) distance of the first point above 0.4 m in each direction from `origin`; inf where there is none."""
    out = np.full(DIRECTIONS, np.inf, np.float32)
    for k in range(len(xyh)):
        if 0.4 < xyh[k, 2] < 3.0:
            dx, dy = xyh[k, 0] - origin[0], xyh[k, 1] - origin[1]
            d = min(int(pseudo_angle(dx, dy) * (DIRECTIONS / 4.0)), DIRECTIONS - 1)
            out[d] = min(out[d], np.float32(np.sqrt(dx * dx + dy * dy)))
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def is_hidden(points: Any, origin: Any, nearest: Any) -> bool:
    """Whether most of an object's points lie behind the first obstacle of their direction."""
    behind = 0
    for k in range(len(points)):
        dx, dy = points[k, 0] - origin[0], points[k, 1] - origin[1]
        d = min(int(pseudo_angle(dx, dy) * (DIRECTIONS / 4.0)), DIRECTIONS - 1)
        behind += np.sqrt(dx * dx + dy * dy) > nearest[d] + 0.3
    return bool(2 * behind > len(points))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def in_shadow(xyh: Any, points: Any, origin: Any) -> Any:
    """(N,) points that a pasted object (its `points`, (M, 3)) would hide: behind it and no higher than its top."""
    nearest = np.full(DIRECTIONS, np.inf, np.float32)
    top = np.full(DIRECTIONS, -np.inf, np.float32)
    for k in range(len(points)):
        dx, dy = points[k, 0] - origin[0], points[k, 1] - origin[1]
        reach = np.sqrt(dx * dx + dy * dy)
        d = min(int(pseudo_angle(dx, dy) * (DIRECTIONS / 4.0)), DIRECTIONS - 1)
        nearest[d] = min(nearest[d], np.float32(reach))
        top[d] = max(top[d], np.float32((points[k, 2] - origin[2]) / max(reach, 0.1)))
    out = np.zeros(len(xyh), np.bool_)
    for k in range(len(xyh)):
        dx, dy = xyh[k, 0] - origin[0], xyh[k, 1] - origin[1]
        d = min(int(pseudo_angle(dx, dy) * (DIRECTIONS / 4.0)), DIRECTIONS - 1)
        if nearest[d] < np.inf:
            reach = np.sqrt(dx * dx + dy * dy)
            out[k] = reach > nearest[d] and (xyh[k, 2] - origin[2]) / max(reach, 0.1) < top[d]
    return out


def count_points(xyh_m: npt.NDArray[np.float32], boxes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(M,) points in each box."""
    owner = owners(xyh_m, boxes["center_m"], boxes["lwh_m"], boxes["yaw_rad"], 0.05)
    return np.bincount(owner[owner >= 0], minlength=len(boxes)).astype(np.int64)
