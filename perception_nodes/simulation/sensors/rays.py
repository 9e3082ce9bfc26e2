"""Kernels over rays: which may meet what, into the frame of a moving thing, and which surface is nearest."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

# Rays that follow each other point in similar directions; so many are tested against a sphere at once.
BLOCK: Final = 64
# So many blocks are tested at once before that.
_GROUP: Final = 16


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def cull(origins: Any, directions: Any, middle: Any, reach: Any, limit: float) -> Any:
    """Pairs (ray, place) whose ray passes the sphere at `middle` (K, 3) of radius `reach` (K,) within the limit.

    Sorted by place and ray. Spheres are tested against the cones of groups of blocks and of blocks of rays first.
    """
    n, blocks = len(origins), (len(origins) + BLOCK - 1) // BLOCK
    cone, wide = np.zeros((blocks, 8)), np.zeros(((blocks + _GROUP - 1) // _GROUP, 8))
    for b in range(blocks):
        _cone(origins[b * BLOCK : (b + 1) * BLOCK], directions[b * BLOCK : (b + 1) * BLOCK], cone[b])
    step = BLOCK * _GROUP
    for g in range(len(wide)):
        _cone(origins[g * step : (g + 1) * step], directions[g * step : (g + 1) * step], wide[g])
    index, place = np.empty(1024, np.int64), np.empty(1024, np.int64)
    count, group = 0, True
    for k in range(len(middle)):
        for b in range(blocks):
            if b % _GROUP == 0:
                group = _may_meet(wide[b // _GROUP], middle[k], reach[k], limit)
            if not group or not _may_meet(cone[b], middle[k], reach[k], limit):
                continue
            if count + BLOCK > len(index):
                index, place = _doubled(index), _doubled(place)
            for i in range(b * BLOCK, min(n, (b + 1) * BLOCK)):
                if _passes(origins[i], directions[i], middle[k], reach[k]):
                    index[count], place[count] = i, k
                    count += 1
    return index[:count].copy(), place[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cone(origins: Any, directions: Any, out: Any) -> None:
    """What holds some rays: axis (3), cosine of the half angle, middle of the origins (3), how far they lie from it."""
    for i in range(len(origins)):
        for c in range(3):
            out[c] += directions[i, c]
            out[4 + c] += origins[i, c] / len(origins)
    length = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
    smallest = -1.0
    if length > 1e-6:
        out[:3] /= length
        smallest = 1.0
        for i in range(len(origins)):
            dot = directions[i, 0] * out[0] + directions[i, 1] * out[1] + directions[i, 2] * out[2]
            smallest = min(smallest, dot)
    # A little wider, for rounding.
    out[3] = np.cos(min(np.pi, np.arccos(max(-1.0, min(1.0, smallest))) + 1e-3))
    for i in range(len(origins)):
        x, y, z = origins[i, 0] - out[4], origins[i, 1] - out[5], origins[i, 2] - out[6]
        out[7] = max(out[7], np.sqrt(x * x + y * y + z * z))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _may_meet(cone: Any, middle: Any, reach: float, limit: float) -> bool:
    x, y, z = middle[0] - cone[4], middle[1] - cone[5], middle[2] - cone[6]
    distance = np.sqrt(x * x + y * y + z * z)
    size = reach + cone[7]
    if distance - size > limit:
        return False
    if distance <= size:
        return True
    dot = (x * cone[0] + y * cone[1] + z * cone[2]) / distance
    # The sphere is seen within an angle whose sine is size / distance: is the angle to it within the sum of both?
    sine, cosine = size / distance, np.sqrt(1.0 - (size / distance) ** 2)
    if -cone[3] >= cosine:
        return True
    return dot >= cone[3] * cosine - np.sqrt(1.0 - cone[3] ** 2) * sine - 1e-9  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _passes(origin: Any, direction: Any, middle: Any, reach: float) -> bool:
    x, y, z = middle[0] - origin[0], middle[1] - origin[1], middle[2] - origin[2]
    along = x * direction[0] + y * direction[1] + z * direction[2]
    aside = x * x + y * y + z * z - along * along
    return along >= -reach and aside <= reach * reach  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def cull_parallel(origins: Any, towards: Any, middle: Any, reach: Any, limit: float) -> Any:
    """As `cull`, of rays that all go the same way: spheres against the box around each block of origins first.

    The box lies in the plane across the rays, so a sphere is a disc in it.
    """
    n, blocks = len(origins), (len(origins) + BLOCK - 1) // BLOCK
    across, up = np.empty(3), np.empty(3)
    across[0], across[1], across[2] = towards[1], -towards[0], 0.0
    if abs(towards[2]) > 0.9:
        across[0], across[1], across[2] = 0.0, towards[2], -towards[1]
    across /= np.sqrt((across**2).sum())
    up[0] = towards[1] * across[2] - towards[2] * across[1]
    up[1] = towards[2] * across[0] - towards[0] * across[2]
    up[2] = towards[0] * across[1] - towards[1] * across[0]
    flat = np.empty((n, 3))
    box = np.empty((blocks, 5))
    box[:, :2], box[:, 2:] = np.inf, -np.inf
    for i in range(n):
        x, y, z = origins[i, 0], origins[i, 1], origins[i, 2]
        u, v = x * across[0] + y * across[1] + z * across[2], x * up[0] + y * up[1] + z * up[2]
        w = x * towards[0] + y * towards[1] + z * towards[2]
        flat[i, 0], flat[i, 1], flat[i, 2] = u, v, w
        b = i // BLOCK
        box[b, 0], box[b, 1] = min(box[b, 0], u), min(box[b, 1], v)
        box[b, 2], box[b, 3], box[b, 4] = max(box[b, 2], u), max(box[b, 3], v), max(box[b, 4], -w)
    index, place, count = np.empty(1024, np.int64), np.empty(1024, np.int64), 0
    for k in range(len(middle)):
        m, r = middle[k], reach[k]
        u, v = (m * across).sum(), (m * up).sum()
        w = (m * towards).sum()
        for b in range(blocks):
            if u + r < box[b, 0] or u - r > box[b, 2] or v + r < box[b, 1] or v - r > box[b, 3]:
                continue
            if w + r < -box[b, 4]:
                continue
            if count + BLOCK > len(index):
                index, place = _doubled(index), _doubled(place)
            for i in range(b * BLOCK, min(n, (b + 1) * BLOCK)):
                ahead = w - flat[i, 2]
                if -r <= ahead <= limit + r and (u - flat[i, 0]) ** 2 + (v - flat[i, 1]) ** 2 <= r * r:
                    index[count], place[count] = i, k
                    count += 1
    return index[:count].copy(), place[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def outline(index: Any, actor: Any, of: Any, width: int, out: Any) -> None:
    """Widen `out` (actors, 4), lowest column and row and highest ones, by the rays that met a triangle."""
    for m in range(len(index)):
        if of[m] >= 0:
            x, y, edge = index[m] % width, index[m] // width, out[actor[m]]
            edge[0], edge[1] = min(edge[0], x), min(edge[1], y)
            edge[2], edge[3] = max(edge[2], x), max(edge[3], y)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _doubled(values: Any) -> Any:
    out = np.empty(2 * len(values), values.dtype)
    out[: len(values)] = values
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def into_frames(rays: Any, pairs: Any, poses: Any) -> Any:
    """Origins and directions (P, 3) of pairs (ray, place) in the frame of the thing at each ray's own time.

    rays: origins, directions, fraction of the time; poses: low and high (K, 6) x, y, z, yaw, pitch, roll at both ends,
    and tilt (K, 3, 3) by pitch and roll.
    """
    origins, directions, fraction = rays
    index, place = pairs
    low, high, tilt = poses
    out_o, out_d = np.empty((len(index), 3), np.float32), np.empty((len(index), 3), np.float32)
    for m in range(len(index)):
        i, k = index[m], place[m]
        f = fraction[i]
        yaw = low[k, 3] + (high[k, 3] - low[k, 3]) * f
        c, s = np.cos(yaw), np.sin(yaw)
        x = origins[i, 0] - (low[k, 0] + (high[k, 0] - low[k, 0]) * f)
        y = origins[i, 1] - (low[k, 1] + (high[k, 1] - low[k, 1]) * f)
        z = origins[i, 2] - (low[k, 2] + (high[k, 2] - low[k, 2]) * f)
        x, y = c * x + s * y, c * y - s * x
        u, v, w = directions[i, 0], directions[i, 1], directions[i, 2]
        u, v = c * u + s * v, c * v - s * u
        t = tilt[k]
        for r in range(3):
            out_o[m, r] = t[0, r] * x + t[1, r] * y + t[2, r] * z
            out_d[m, r] = t[0, r] * u + t[1, r] * v + t[2, r] * w
    return out_o, out_d


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def of_street(met: Any, surface: Any, limit: float, hits: Any) -> None:
    """Range and triangle (-1 = none) of the street into `hits` (range, material, normal, owner, triangle)."""
    near, of = met
    normals, materials = surface
    range_m, material, normal, owner, triangle = hits
    for i in range(len(near)):
        owner[i] = -1
        t = of[i]
        if t < 0 or near[i] > limit:
            range_m[i], triangle[i], material[i] = np.inf, -1, 0
            normal[i, 0], normal[i, 1], normal[i, 2] = 0.0, 0.0, 0.0
            continue
        range_m[i], triangle[i], material[i] = near[i], t, materials[t]
        for c in range(3):
            normal[i, c] = normals[t, c]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def keep_nearest(met: Any, surface: Any, turned: Any, limit: float, hits: Any) -> None:
    """Take what is nearer than what a ray has met so far into `hits` (range, material, normal, owner, triangle).

    met: ray, place, actor, range and triangle of each pair; surface: normals and materials of the triangles.
    """
    index, place, actor, near, of = met
    normals, materials = surface
    low, high, tilt, fraction = turned
    range_m, material, normal, owner, triangle = hits
    for m in range(len(index)):
        i = index[m]
        if of[m] < 0 or not near[m] < range_m[i] or near[m] > limit:
            continue
        k, t = place[m], tilt[place[m]]
        yaw = low[k, 3] + (high[k, 3] - low[k, 3]) * fraction[i]
        c, s = np.cos(yaw), np.sin(yaw)
        p = normals[of[m]]
        x = t[0, 0] * p[0] + t[0, 1] * p[1] + t[0, 2] * p[2]
        y = t[1, 0] * p[0] + t[1, 1] * p[1] + t[1, 2] * p[2]
        normal[i, 0], normal[i, 1] = c * x - s * y, s * x + c * y
        normal[i, 2] = t[2, 0] * p[0] + t[2, 1] * p[1] + t[2, 2] * p[2]
        range_m[i], material[i], owner[i], triangle[i] = near[m], materials[of[m]], actor[m], of[m]
