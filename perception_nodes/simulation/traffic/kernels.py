"""The hot loops of traffic: poses on paths, bodies that overlap, and the free way before each body."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_JIT: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
# A body this much wider on each side (m) must pass; on foot less.
MARGIN_M = 0.25
WALKER_MARGIN_M = 0.08
# Who has come nearer than that to what stands may go on while so much is free.
LEAST_MARGIN_M = 0.02


@njit(**_JIT)  # type: ignore[untyped-decorator]
def point_on(path: Any, last: int, spacing: float, s: float) -> tuple[float, float]:
    """x, y at arc length s of a path (K, 2) of `last` + 1 points; straight on beyond the ends."""
    k = min(max(int(np.floor(s / spacing)), 0), last - 1)
    t = s / spacing - k
    x = path[k, 0] + t * (path[k + 1, 0] - path[k, 0])
    y = path[k, 1] + t * (path[k + 1, 1] - path[k, 1])
    return x, y


@njit(**_JIT)  # type: ignore[untyped-decorator]
def pose_on(
    path: Any, last: int, spacing: float, s: float, base: float, backwards: bool, side: float
) -> tuple[float, float, float]:
    """x, y, yaw of a body whose two axles, `base` apart, are on the path with their middle at s, or to its left."""
    rx, ry = point_on(path, last, spacing, s - 0.5 * base)
    fx, fy = point_on(path, last, spacing, s + 0.5 * base)
    yaw = np.arctan2(fy - ry, fx - rx)
    x, y = 0.5 * (rx + fx) - side * np.sin(yaw), 0.5 * (ry + fy) + side * np.cos(yaw)
    if backwards:
        yaw += np.pi
    return x, y, yaw


@njit(**_JIT)  # type: ignore[untyped-decorator]
def overlap(  # noqa: PLR0913  a kernel takes numbers
    ax: Any, ay: Any, ayaw: Any, al: Any, aw: Any, bx: Any, by: Any, byaw: Any, bl: Any, bw: Any
) -> bool:
    """Whether two rectangles (centre, yaw, length, width) share area (separating axes)."""
    dx, dy = bx - ax, by - ay
    ca, sa, cb, sb = np.cos(ayaw), np.sin(ayaw), np.cos(byaw), np.sin(byaw)
    c, s = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)
    if abs(dx * ca + dy * sa) >= 0.5 * (al + bl * c + bw * s):
        return False
    if abs(dy * ca - dx * sa) >= 0.5 * (aw + bl * s + bw * c):
        return False
    if abs(dx * cb + dy * sb) >= 0.5 * (bl + al * c + aw * s):
        return False
    return bool(abs(dy * cb - dx * sb) < 0.5 * (bw + al * s + aw * c))


@njit(**_JIT)  # type: ignore[untyped-decorator]
def overlapping_pairs(pose: Any, size: Any, present: Any) -> Any:
    """(M, 2) rows of bodies (x, y, yaw; length, width) that share area."""
    out = []
    for i in range(len(pose)):
        for j in range(i + 1, len(pose)):
            if not (present[i] and present[j]):
                continue
            reach = 0.5 * (size[i, 0] + size[i, 1] + size[j, 0] + size[j, 1])
            if abs(pose[i, 0] - pose[j, 0]) > reach or abs(pose[i, 1] - pose[j, 1]) > reach:
                continue
            if overlap(
                pose[i, 0], pose[i, 1], pose[i, 2], size[i, 0], size[i, 1],
                pose[j, 0], pose[j, 1], pose[j, 2], size[j, 0], size[j, 1],
            ):  # fmt: skip
                out.append((i, j))
    pairs = np.empty((len(out), 2), np.int64)
    for k in range(len(out)):
        pairs[k, 0], pairs[k, 1] = out[k]
    return pairs


@njit(**_JIT)  # type: ignore[untyped-decorator]
def room_at(row: int, place: Any, own: Any, pose: Any, size: Any, present: Any, moved: Any) -> bool:
    """Whether a body (length, width) at a place (x, y, yaw) overlaps nobody but the row itself, neither where they are
    nor where they will have moved (N, 2).
    """
    reach = 0.5 * np.hypot(own[0], own[1])
    for j in range(len(pose)):
        if j == row or not present[j]:
            continue
        near = reach + 0.5 * np.hypot(size[j, 0], size[j, 1]) + abs(moved[j, 0]) + abs(moved[j, 1])
        if abs(pose[j, 0] - place[0]) > near or abs(pose[j, 1] - place[1]) > near:
            continue
        for k in range(2):
            x, y = pose[j, 0] + k * moved[j, 0], pose[j, 1] + k * moved[j, 1]
            if overlap(
                place[0], place[1], place[2], own[0], own[1], x, y, pose[j, 2], size[j, 0], size[j, 1]
            ):
                return False
    return True


@njit(**_JIT)  # type: ignore[untyped-decorator]
def _meets(place: Any, own: Any, margin: float, other: Any, size: Any, moved: Any) -> bool:
    """Whether a body at `place` overlaps another one that has `moved`."""
    return bool(overlap(
        place[0], place[1], place[2], own[0] + 0.1, own[1] + 2 * margin,
        other[0] + moved[0], other[1] + moved[1], other[2], size[0], size[1],
    ))  # fmt: skip


@njit(**_JIT)  # type: ignore[untyped-decorator]
def free_way(  # noqa: C901, PLR0913  one pass over all pairs, on arrays
    rows: Any, paths: Any, last: Any, spacing: Any, s: Any, side: Any, speed: Any, base: Any, backwards: Any, pose: Any,
    velocity: Any, size: Any, group: Any, present: Any, foreseen_s: Any, horizon: Any, least: float, gap: Any,
    leader: Any,
) -> None:  # fmt: skip
    """Fill gap (N,) and leader (N,) for `rows`: how far each body can go on its path before it would touch another.

    group: bodies of one group never meet (a lorry and its trailer). foreseen_s: so far ahead in time others are
    taken to go on as they do; 0 = where they are. horizon (N,): no further. least: what has to stay free beside a body
    that stands nearer than the usual margin already, m. leader -1: nobody.
    """
    place, moved = np.empty(3), np.empty(2)
    for i in rows:
        gap[i], leader[i] = horizon[i], -1
        reach = 0.5 * np.hypot(size[i, 0], size[i, 1])
        on_foot = foreseen_s[i] > 2.0
        usual = WALKER_MARGIN_M if on_foot or size[i, 0] <= 1.0 else MARGIN_M
        for j in range(len(pose)):
            if j == i or not present[j] or group[j] == group[i]:
                continue
            # People on foot look at who is there; foreseeing, two would stop for each other.
            foresight = 0.0 if on_foot else foreseen_s[j]
            margin = usual
            near = reach + 0.5 * np.hypot(size[j, 0], size[j, 1]) + margin + abs(side[i])
            far = near + horizon[i] + foresight * np.hypot(velocity[j, 0], velocity[j, 1])
            if abs(pose[j, 0] - pose[i, 0]) > far or abs(pose[j, 1] - pose[i, 1]) > far:
                continue
            u = 0.0
            before = 0.0
            found = False
            step = 0.15 if on_foot else 0.5  # feet turn in less than a length
            while u < gap[i]:
                t = min(foresight, u / max(speed[i], 1.0))
                moved[0], moved[1] = t * velocity[j, 0], t * velocity[j, 1]
                x, y = point_on(paths[i], last[i], spacing[i], s[i] + u)
                dx, dy = pose[j, 0] + moved[0] - x, pose[j, 1] + moved[1] - y
                away = np.sqrt(dx * dx + dy * dy) - near
                if away <= 0.0:
                    place[0], place[1], place[2] = pose_on(
                        paths[i], last[i], spacing[i], s[i] + u, base[i], backwards[i], side[i]
                    )
                    stands = velocity[j, 0] == 0.0 and velocity[j, 1] == 0.0
                    if u == 0.0 and stands and _meets(place, size[i], margin, pose[j], size[j], moved):
                        margin = min(margin, least)
                    if _meets(place, size[i], margin, pose[j], size[j], moved):
                        found = True
                        break
                before = u
                # Nobody comes nearer than the way that both go.
                u += max(step, away * (1.0 if foresight == 0.0 else 0.4))
            if not found:
                continue
            if u > 0.0:
                low, high = before, u
                for _ in range(4):
                    middle = 0.5 * (low + high)
                    place[0], place[1], place[2] = pose_on(
                        paths[i], last[i], spacing[i], s[i] + middle, base[i], backwards[i], side[i]
                    )
                    if _meets(place, size[i], margin, pose[j], size[j], moved):
                        high = middle
                    else:
                        low = middle
                u = low
            if u < gap[i]:
                gap[i], leader[i] = u, j


@njit(**_JIT)  # type: ignore[untyped-decorator]
def time_to_contact(  # noqa: PLR0913  a kernel takes arrays
    path: Any, base: float, speed: float, body: Any, pose: Any, velocity: Any, yaw_rate: Any, size: Any,
    asked: Any, horizon: float,
) -> float:  # fmt: skip
    """Seconds until a body (length, width) that goes along a path (K, 2), 1 m apart, at a speed overlaps one of those
    asked for; they go on at their velocity and turn as they do. inf: not before the horizon.
    """
    step = 0.05
    soonest = np.inf
    for j in range(len(pose)):
        if not asked[j]:
            continue
        fast = np.hypot(velocity[j, 0], velocity[j, 1])
        near = 0.5 * (np.hypot(body[0], body[1]) + np.hypot(size[j, 0], size[j, 1]))
        t = 0.0
        while t < min(soonest, horizon):
            x, y = point_on(path, len(path) - 1, 1.0, speed * t)
            turned = yaw_rate[j] * t
            chord = t if abs(turned) < 1e-6 else 2.0 * np.sin(0.5 * turned) / yaw_rate[j]
            c, s = chord * np.cos(0.5 * turned), chord * np.sin(0.5 * turned)
            ox = pose[j, 0] + c * velocity[j, 0] - s * velocity[j, 1]
            oy = pose[j, 1] + s * velocity[j, 0] + c * velocity[j, 1]
            away = np.hypot(ox - x, oy - y) - near
            if away <= 0.0:
                x, y, yaw = pose_on(path, len(path) - 1, 1.0, speed * t, base, False, 0.0)
                if overlap(x, y, yaw, body[0], body[1], ox, oy, pose[j, 2] + turned, size[j, 0], size[j, 1]):
                    soonest = t
                    break
            t += max(step, away / max(speed + fast, 0.1))
    return soonest
