"""Kernels over rays: which may meet what, in the frame of a moving thing, and which surface is nearest."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from .embree import HIT_COLUMNS, PACKET, RAY_COLUMNS, load, meet, met, room, stop, stopped

# Rays that follow each other point in similar directions; so many are tested against a sphere at once.
BLOCK: Final = 64
# So many blocks are tested at once before that.
_GROUP: Final = 16
_KERNEL: Final = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def of_street(found: Any, surface: Any, limit: float, hits: Any) -> None:
    """Range and triangle (-1 = none) of the street into `hits` (range, material, normal, owner, triangle)."""
    near, of = found
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


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def of_actors(rays: Any, placed: Any, limit: float, width: int, hits: Any) -> Any:
    """Take what is nearer than what a ray has met so far into `hits` (range, material, normal, owner, triangle).

    rays: origins, directions, fraction of the time; placed: `scene.Placed`. Spheres are tested against the cones of
    groups of blocks and of blocks of rays first. Returns of each actor the rays that would meet it alone, and the
    lowest column and row and the highest ones (4,) of those in a picture of some width.
    """
    origins, directions, fraction = rays
    n = len(origins)
    aimed, around = np.zeros(placed.actors, np.int64), np.empty((placed.actors, 4), np.int64)
    around[:, :2], around[:, 2:] = n, -1
    cone, wide = _cones(origins, directions)
    packet, frame = room(HIT_COLUMNS), np.empty(4)
    lanes, turns = np.empty(PACKET, np.int64), np.empty((PACKET, 2))
    origin, way = np.empty(3, np.float32), np.empty(3, np.float32)
    group = True
    for k in range(len(placed.row)):
        count = 0
        frame[0] = -1.0
        middle, reach = placed.middle[k], placed.reach[k]
        for b in range(len(cone)):
            if b % _GROUP == 0:
                group = _may_meet(wide[b // _GROUP], middle, reach, limit)
            if not group or not _may_meet(cone[b], middle, reach, limit):
                continue
            for i in range(b * BLOCK, min(n, (b + 1) * BLOCK)):
                if not _passes(origins[i], directions[i], middle, reach):
                    continue
                _turn(placed, k, fraction[i], frame)
                _enter(placed, k, frame, (origins[i], directions[i]), (origin, way))
                if not _crosses(placed.box[k], origin, way):
                    continue
                load(packet[0], count, origin, way)
                lanes[count], turns[count, 0], turns[count, 1] = i, frame[2], frame[3]
                count += 1
                if count == PACKET:
                    meet(placed.scene[k], packet, count)
                    _keep(placed, k, packet, (lanes, turns, count, width, limit), hits, (aimed, around))
                    count = 0
        if count:
            meet(placed.scene[k], packet, count)
            _keep(placed, k, packet, (lanes, turns, count, width, limit), hits, (aimed, around))
    return aimed, around


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _keep(placed: Any, k: int, packet: Any, asked: Any, hits: Any, alone: Any) -> None:
    """What the rays of a packet met of one actor."""
    lanes, turns, count, width, limit = asked
    range_m, material, normal, owner, triangle = hits
    aimed, around = alone
    row, tilt = placed.row[k], placed.tilt[k]
    for lane in range(count):
        near, of = met(packet, lane)
        if of < 0:
            continue
        i = lanes[lane]
        aimed[row] += 1
        x, y, edge = i % width, i // width, around[row]
        edge[0], edge[1], edge[2], edge[3] = (
            min(edge[0], x),
            min(edge[1], y),
            max(edge[2], x),
            max(edge[3], y),
        )
        if not near < range_m[i] or near > limit:
            continue
        t = placed.first[k] + of
        p, c, s = placed.normal[t], turns[lane, 0], turns[lane, 1]
        u = tilt[0, 0] * p[0] + tilt[0, 1] * p[1] + tilt[0, 2] * p[2]
        v = tilt[1, 0] * p[0] + tilt[1, 1] * p[1] + tilt[1, 2] * p[2]
        normal[i, 0], normal[i, 1] = c * u - s * v, s * u + c * v
        normal[i, 2] = tilt[2, 0] * p[0] + tilt[2, 1] * p[1] + tilt[2, 2] * p[2]
        range_m[i], material[i], owner[i], triangle[i] = near, placed.material[t], row, of


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def shaded(rays: Any, towards: Any, placed: Any, limit: float, out: Any) -> None:
    """Set where actors keep light from points that all look one way.

    rays: origins, fraction of the time. Spheres are tested against the box around each block of origins first, in the
    plane across the rays, where a sphere is a disc. Points that are dark already are not asked again.
    """
    origins, fraction = rays
    n, frame = len(origins), np.empty(4)
    across, up = _plane(towards)
    flat, box = _flattened(origins, towards, across, up)
    packet, lanes = room(RAY_COLUMNS), np.empty(PACKET, np.int64)
    origin, way = np.empty(3, np.float32), np.empty(3, np.float32)
    for k in range(len(placed.row)):
        count, r, m = 0, placed.reach[k], placed.middle[k]
        frame[0] = -1.0
        u, v, w = _dot(m, across), _dot(m, up), _dot(m, towards)
        for b in range(len(box)):
            if u + r < box[b, 0] or u - r > box[b, 2] or v + r < box[b, 1] or v - r > box[b, 3]:
                continue
            if w + r < box[b, 4]:
                continue
            for i in range(b * BLOCK, min(n, (b + 1) * BLOCK)):
                ahead = w - flat[i, 2]
                if out[i] or ahead < -r or ahead > limit + r:
                    continue
                if (u - flat[i, 0]) ** 2 + (v - flat[i, 1]) ** 2 > r * r:
                    continue
                _turn(placed, k, fraction[i], frame)
                _enter(placed, k, frame, (origins[i], towards), (origin, way))
                if not _crosses(placed.box[k], origin, way):
                    continue
                load(packet[0], count, origin, way)
                lanes[count] = i
                count += 1
                if count == PACKET:
                    _darken(placed.scene[k], packet, lanes, count, out)
                    count = 0
        if count:
            _darken(placed.scene[k], packet, lanes, count, out)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _darken(scene: int, packet: Any, lanes: Any, count: int, out: Any) -> None:
    stop(scene, packet, count)
    for lane in range(count):
        if stopped(packet, lane):
            out[lanes[lane]] = True


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _turn(placed: Any, k: int, fraction: float, frame: Any) -> None:
    """Fraction, yaw, its cosine and sine, of one actor: rays that follow each other are mostly of one time."""
    if fraction != frame[0]:
        low, high = placed.low[k, 3], placed.high[k, 3]
        frame[0], frame[1] = fraction, low + (high - low) * fraction
        frame[2], frame[3] = np.cos(frame[1]), np.sin(frame[1])


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _enter(placed: Any, k: int, frame: Any, ray: Any, local: Any) -> None:
    """A ray in the frame of an actor that is turned so."""
    low, high, t = placed.low[k], placed.high[k], placed.tilt[k]
    f, c, s = frame[0], frame[2], frame[3]
    x = ray[0][0] - (low[0] + (high[0] - low[0]) * f)
    y = ray[0][1] - (low[1] + (high[1] - low[1]) * f)
    z = ray[0][2] - (low[2] + (high[2] - low[2]) * f)
    x, y = c * x + s * y, c * y - s * x
    u, v, w = ray[1][0], ray[1][1], ray[1][2]
    u, v = c * u + s * v, c * v - s * u
    for r in range(3):
        local[0][r] = t[0, r] * x + t[1, r] * y + t[2, r] * z
        local[1][r] = t[0, r] * u + t[1, r] * v + t[2, r] * w


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _crosses(box: Any, origin: Any, way: Any) -> bool:
    """Whether a ray goes through a box: lowest and highest corner (6,)."""
    near, far = 0.0, np.inf
    for c in range(3):
        if abs(way[c]) < 1e-9:
            if origin[c] < box[c] or origin[c] > box[3 + c]:
                return False
            continue
        a, b = (box[c] - origin[c]) / way[c], (box[3 + c] - origin[c]) / way[c]
        near, far = max(near, min(a, b)), min(far, max(a, b))
    return near <= far


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _cones(origins: Any, directions: Any) -> Any:
    """Of each block of rays and of each group of blocks what holds them.

    Axis (3), cosine of the half angle, middle of the origins (3), how far they lie from it.
    """
    n, blocks = len(origins), (len(origins) + BLOCK - 1) // BLOCK
    cone, wide = np.zeros((blocks, 8)), np.zeros(((blocks + _GROUP - 1) // _GROUP, 8))
    for b in range(blocks):
        part = slice(b * BLOCK, min(n, (b + 1) * BLOCK))
        _cone(origins[part], directions[part], cone[b])
    for g in range(len(wide)):
        _widened(cone[g * _GROUP : (g + 1) * _GROUP], wide[g])
    return cone, wide


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _cone(origins: Any, directions: Any, out: Any) -> None:
    n = len(origins)
    for i in range(n):
        for c in range(3):
            out[c] += directions[i, c]
            out[4 + c] += origins[i, c]
    for c in range(3):
        out[4 + c] /= n
    length = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2)
    smallest, farthest = -1.0, 0.0
    if length > 1e-6:
        for c in range(3):
            out[c] /= length
        smallest = 1.0
    for i in range(n):
        dot = directions[i, 0] * out[0] + directions[i, 1] * out[1] + directions[i, 2] * out[2]
        x, y, z = origins[i, 0] - out[4], origins[i, 1] - out[5], origins[i, 2] - out[6]
        smallest, farthest = min(smallest, dot), max(farthest, x * x + y * y + z * z)
    # A little wider, for rounding.
    out[3] = np.cos(min(np.pi, np.arccos(max(-1.0, min(1.0, smallest))) + 1e-3))
    out[7] = np.sqrt(farthest)


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _widened(cones: Any, out: Any) -> None:
    """What holds several cones."""
    for b in range(len(cones)):
        for c in range(3):
            out[c] += cones[b, c]
            out[4 + c] += cones[b, 4 + c] / len(cones)
    length, angle = np.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2), np.pi
    if length > 1e-6:
        for c in range(3):
            out[c] /= length
        angle = 0.0
    for b in range(len(cones)):
        dot = cones[b, 0] * out[0] + cones[b, 1] * out[1] + cones[b, 2] * out[2]
        angle = max(angle, np.arccos(max(-1.0, min(1.0, dot))) + np.arccos(cones[b, 3]))
        x, y, z = cones[b, 4] - out[4], cones[b, 5] - out[5], cones[b, 6] - out[6]
        out[7] = max(out[7], np.sqrt(x * x + y * y + z * z) + cones[b, 7])
    out[3] = np.cos(min(np.pi, angle))


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
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


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _passes(origin: Any, direction: Any, middle: Any, reach: float) -> bool:
    x, y, z = middle[0] - origin[0], middle[1] - origin[1], middle[2] - origin[2]
    along = x * direction[0] + y * direction[1] + z * direction[2]
    aside = x * x + y * y + z * z - along * along
    return along >= -reach and aside <= reach * reach  # type: ignore[no-any-return]


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _plane(towards: Any) -> Any:
    """Two unit vectors across a direction and each other."""
    across, up = np.empty(3), np.empty(3)
    across[0], across[1], across[2] = towards[1], -towards[0], 0.0
    if abs(towards[2]) > 0.9:
        across[0], across[1], across[2] = 0.0, towards[2], -towards[1]
    across /= np.sqrt(_dot(across, across))
    up[0] = towards[1] * across[2] - towards[2] * across[1]
    up[1] = towards[2] * across[0] - towards[0] * across[2]
    up[2] = towards[0] * across[1] - towards[1] * across[0]
    return across, up


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _flattened(origins: Any, towards: Any, across: Any, up: Any) -> Any:
    """(N, 3) points in the plane and along the direction; of each block its edges in the plane and the lowest along."""
    n = len(origins)
    flat, box = np.empty((n, 3)), np.empty(((n + BLOCK - 1) // BLOCK, 5))
    box[:, :2], box[:, 2:4], box[:, 4] = np.inf, -np.inf, np.inf
    for i in range(n):
        o = origins[i]
        u, v, w = _dot(o, across), _dot(o, up), _dot(o, towards)
        flat[i, 0], flat[i, 1], flat[i, 2] = u, v, w
        b = box[i // BLOCK]
        b[0], b[1], b[2], b[3] = min(b[0], u), min(b[1], v), max(b[2], u), max(b[3], v)
        b[4] = min(b[4], w)
    return flat, box


@njit(**_KERNEL)  # type: ignore[untyped-decorator]
def _dot(a: Any, b: Any) -> Any:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
