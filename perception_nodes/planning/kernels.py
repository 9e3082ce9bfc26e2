"""The hot loops of the planner: the way driven, boxes predicted, and where they would meet the vehicle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_JIT)  # type: ignore[untyped-decorator]
def project(line: Any, s: Any, x: float, y: float) -> tuple[float, float, float]:
    """(arc length, distance to the left, heading) of a point on a line (K, 2) with arc lengths s (K,)."""
    best, at, left, heading = np.inf, 0.0, 0.0, 0.0
    for k in range(len(line) - 1):
        dx, dy = line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1]
        length2 = dx * dx + dy * dy
        t = ((x - line[k, 0]) * dx + (y - line[k, 1]) * dy) / length2
        t = min(max(t, 0.0), 1.0)
        ox, oy = x - line[k, 0] - t * dx, y - line[k, 1] - t * dy
        d2 = ox * ox + oy * oy
        if d2 < best:
            best, at = d2, s[k] + t * np.sqrt(length2)
            left = np.sqrt(d2) if dx * oy - dy * ox >= 0 else -np.sqrt(d2)
            heading = np.arctan2(dy, dx)
    return at, left, heading


@njit(**_JIT)  # type: ignore[untyped-decorator]
def point_at(line: Any, s: Any, at: float) -> tuple[float, float, float]:
    """x, y, heading at an arc length; straight on beyond the ends."""
    k = min(max(int(np.searchsorted(s, at)) - 1, 0), len(line) - 2)
    dx, dy = line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1]
    t = (at - s[k]) / (s[k + 1] - s[k])
    return line[k, 0] + t * dx, line[k, 1] + t * dy, np.arctan2(dy, dx)


@njit(**_JIT)  # type: ignore[untyped-decorator]
def pursuit(x: float, y: float, yaw: float, aim_x: float, aim_y: float, wheelbase: float) -> float:
    """Angle of the front wheels that leads the rear axle on an arc through the aim."""
    dx, dy = aim_x - x, aim_y - y
    left = -np.sin(yaw) * dx + np.cos(yaw) * dy
    return float(np.arctan2(2.0 * wheelbase * left, dx * dx + dy * dy))


@njit(**_JIT)  # type: ignore[untyped-decorator]
def driven_way(
    line: Any, s: Any, start: Any, count: int, step: float, look_ahead: float, wheelbase: float, limit: float
) -> Any:
    """(count, 4) x, y, yaw, curvature of base_link every `step` m if it is steered along the line by pure pursuit."""
    out = np.empty((count, 4))
    x, y, yaw = start[0], start[1], start[2]
    at, _, _ = project(line, s, x, y)
    for k in range(count):
        low = max(int(np.searchsorted(s, at)) - 6, 0)
        high = min(low + 24, len(line))
        at, _, _ = project(line[low:high], s[low:high], x, y)
        ax, ay, _ = point_at(line, s, at + look_ahead)
        angle = min(max(pursuit(x, y, yaw, ax, ay, wheelbase), -limit), limit)
        bend = np.tan(angle) / wheelbase
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = x, y, yaw, bend
        middle = yaw + 0.5 * bend * step
        x, y, yaw = x + step * np.cos(middle), y + step * np.sin(middle), yaw + bend * step
    return out


@njit(**_JIT)  # type: ignore[untyped-decorator]
def predict(
    box: Any, velocity: Any, turn: Any, decay: float, follows: Any, line: Any, s: Any, times: Any
) -> Any:
    """(N, T, 3) x, y, yaw of boxes at times. follows (N,): along the line, at their distance beside it."""
    out = np.empty((len(box), len(times), 3))
    for i in range(len(box)):
        x, y, yaw = box[i, 0], box[i, 1], box[i, 2]
        vx, vy = velocity[i, 0], velocity[i, 1]
        at, left, heading = 0.0, 0.0, 0.0
        if follows[i]:
            at, left, heading = project(line, s, x, y)
        along = vx * np.cos(heading) + vy * np.sin(heading)
        across = -vx * np.sin(heading) + vy * np.cos(heading)
        for j in range(len(times)):
            t = times[j]
            # A turn dies down, and so does a drift across the lanes.
            turned = turn[i] * decay * (1.0 - np.exp(-t / decay))
            if follows[i]:
                px, py, new = point_at(line, s, at + along * t)
                d = left + across * decay * (1.0 - np.exp(-t / decay))
                out[i, j, 0], out[i, j, 1] = px - d * np.sin(new), py + d * np.cos(new)
                out[i, j, 2] = yaw + new - heading
            else:
                c, q = np.cos(0.5 * turned), np.sin(0.5 * turned)
                out[i, j, 0] = x + (c * vx - q * vy) * t
                out[i, j, 1] = y + (q * vx + c * vy) * t
                out[i, j, 2] = yaw + turned
    return out


@njit(**_JIT)  # type: ignore[untyped-decorator]
def meets(
    ax: float, ay: float, ayaw: float, al: float, aw: float,
    bx: float, by: float, byaw: float, bl: float, bw: float,
) -> bool:  # fmt: skip
    """Whether two rectangles share area: separating axes (S. Gottschalk et al., OBBTree, SIGGRAPH 1996)."""
    dx, dy = bx - ax, by - ay
    ca, sa, cb, sb = np.cos(ayaw), np.sin(ayaw), np.cos(byaw), np.sin(byaw)
    c, q = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    return bool(
        abs(dx * ca + dy * sa) < 0.5 * (al + bl * c + bw * q)
        and abs(dy * ca - dx * sa) < 0.5 * (aw + bl * q + bw * c)
        and abs(dx * cb + dy * sb) < 0.5 * (bl + al * c + aw * q)
        and abs(dy * cb - dx * sb) < 0.5 * (bw + al * q + aw * c)
    )


@njit(**_JIT)  # type: ignore[untyped-decorator]
def blocked(
    way: Any, own: Any, poses: Any, size: Any, last: Any, side: Any, growth: Any, times: Any, ahead: float
) -> Any:
    """(T, K) row of the object that overlaps the vehicle at time j on place k of its way, -1 = none.

    own: length, width, middle before base_link; poses (N, T, 3); last (N,): up to which time each counts; side (N,)
    free space asked for to the side, growth (N,) of it per second; ahead: the same to the front.
    """
    count, n = len(way), len(poses)
    out = np.full((len(times), count), -1, np.int32)
    length, width = own[0] + ahead, own[1]
    centre = own[2] + 0.5 * ahead
    for i in range(n):
        reach = 0.5 * np.hypot(size[i, 0], size[i, 1]) + 0.5 * np.hypot(length, width) + 3.0
        for j in range(len(times)):
            if times[j] > last[i] + 1e-9:
                continue
            free = width + 2.0 * (side[i] + growth[i] * times[j])
            px, py, pyaw = poses[i, j, 0], poses[i, j, 1], poses[i, j, 2]
            for k in range(count):
                cx = way[k, 0] + centre * np.cos(way[k, 2])
                cy = way[k, 1] + centre * np.sin(way[k, 2])
                dx, dy = px - cx, py - cy
                if dx * dx + dy * dy > reach * reach or out[j, k] >= 0:
                    continue
                if meets(cx, cy, way[k, 2], length, free, px, py, pyaw, size[i, 0], size[i, 1]):
                    out[j, k] = i
    return out


@njit(**_JIT)  # type: ignore[untyped-decorator]
def first_contact(
    mask: Any, skip_standing: Any, s0: Any, speed: Any, times: Any, step: float
) -> tuple[int, int]:
    """(time index, row) at which a drive over places s0 (T,) with speeds (T,) meets what blocks; (-1, -1) if never.

    skip_standing (N,): these walk round a vehicle that stands.
    """
    count = mask.shape[1]
    for j in range(len(times)):
        k = int(s0[j] / step + 0.5)
        if k >= count:
            return -1, -1
        row = mask[j, k]
        if row >= 0 and not (speed[j] < 0.05 and skip_standing[row]):
            return j, row
    return -1, -1


@njit(**_JIT)  # type: ignore[untyped-decorator]
def clearance(way: Any, own: Any, box: Any) -> Any:
    """(N, 2) least distance to the side between the swept vehicle and boxes that stand, m, and the place k of it.

    To the side of the vehicle only: inf for what it never comes beside.
    """
    out = np.full((len(box), 2), np.inf)
    for i in range(len(box)):
        for k in range(len(way)):
            c, q = np.cos(way[k, 2]), np.sin(way[k, 2])
            dx, dy = box[i, 0] - way[k, 0], box[i, 1] - way[k, 1]
            along, left = c * dx + q * dy - own[2], -q * dx + c * dy
            if abs(along) > 20.0 or abs(left) > 20.0:
                continue
            turn = box[i, 2] - way[k, 2]
            ct, st = abs(np.cos(turn)), abs(np.sin(turn))
            half_long = 0.5 * (box[i, 3] * ct + box[i, 4] * st)
            half_wide = 0.5 * (box[i, 3] * st + box[i, 4] * ct)
            if abs(along) > 0.5 * own[0] + half_long:
                continue
            free = abs(left) - 0.5 * own[1] - half_wide
            if free < out[i, 0]:
                out[i, 0], out[i, 1] = free, k
    return out
