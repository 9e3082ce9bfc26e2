"""Vehicle boxes that could explain a group of cells, weighed by what the beams say about their space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .columns import (
    ATTACHED,
    CLOSENESS,
    COVERAGE,
    FOREIGN,
    FREE,
    LENGTH,
    SEEN_LENGTH,
    SEEN_WIDTH,
    SIZE_MISFIT,
    TALL,
    TOP,
    VEHICLE,
    WIDTH,
    YAW,
    X,
    Y,
)
from .heading import facing_cost, usual
from .space import seen_free

# Completed size (length, width) and the largest seen size, for cars and for what is taller or longer.
_CAR = np.array([4.5, 1.85, 5.4, 2.15])
_BIG = np.array([6.5, 2.5, 13.0, 3.0])
_BIG_TOP_M, _BIG_TALL_SHARE = 2.3, 0.3
_MISFIT_LIMIT = 3.0
# No completion is taken back below these, and it is taken back in steps.
_MIN_LENGTH_M, _MIN_WIDTH_M, _STRIP_M = 3.5, 1.6, 0.25
# What a heading costs that nothing around has.
_UNUSUAL, _UNUSUAL_SIDE = 0.75, 0.12
# Samples of the box's area along, across, and the step along its edges: to rank hypotheses, and for the best one.
_COARSE = (4, 3, 1.0)
_FINE = (10, 5, 0.35)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def best_vehicle(
    x: Any, y: Any, headings: Any, edges: Any, histogram: Any, origin: int, first: int, last: int, grid: Any, seen: Any,
    out: Any,
) -> None:  # fmt: skip
    """Write the best vehicle box into out[0:12] and its plausibility into out[VEHICLE]."""
    best, best_box, best_edges, best_yaw = -1e9, np.zeros(4), np.zeros(4), 0.0
    trial, box = np.zeros(12), np.empty(4)
    ox, oy = seen[0][origin, 0], seen[0][origin, 1]
    for h in range(len(headings)):
        closeness = facing_cost(x, y, headings[h])
        along, across = usual(headings[h], histogram), usual(headings[h] + np.pi / 2, histogram)
        for role in range(2):
            yaw = headings[h]
            u0, u1, v0, v1 = edges[h, 0], edges[h, 1], edges[h, 2], edges[h, 3]
            if role == 1:
                yaw += np.pi / 2
                u0, u1, v0, v1 = v0, v1, -u1, -u0
            reason = 1.5 * closeness + _UNUSUAL * (1.0 - max(along, across))
            reason += _UNUSUAL_SIDE * (1.0 - (across if role == 1 else along))
            model = _BIG if out[TOP] > _BIG_TOP_M and out[TALL] > _BIG_TALL_SHARE else _CAR
            misfit = max(u1 - u0 - model[2], 0.0) / 0.5 + max(v1 - v0 - model[3], 0.0) / 0.25
            if misfit > _MISFIT_LIMIT:
                continue
            c, s = np.cos(yaw), np.sin(yaw)
            blind_u = _near_end_hidden(u0, u1, v0, v1, c, s, ox, oy, seen)
            blind_v = _near_end_hidden(v0, v1, -u1, -u0, -s, c, ox, oy, seen)
            for way_u in range(3):
                if (not blind_u and way_u != _away(u0, u1)) or not _way(u0, u1, model[0], way_u, box, 0):
                    continue
                for way_v in range(2):
                    if (not blind_v and way_v != _away(v0, v1)) or not _way(v0, v1, model[1], way_v, box, 2):
                        continue
                    toward = 0.15 * (_toward(u0, u1, way_u) + _toward(v0, v1, way_v))
                    score = _weigh(box, yaw, origin, first, last, grid, seen, _COARSE, trial)
                    score -= misfit + reason + toward
                    if score > best:
                        best, best_yaw = score, yaw
                        best_box[:] = box
                        best_edges[:] = u0, u1, v0, v1
                        out[SEEN_LENGTH], out[SEEN_WIDTH], out[SIZE_MISFIT], out[CLOSENESS] = (
                            u1 - u0,
                            v1 - v0,
                            misfit,
                            closeness,
                        )
    if best > -1e8:
        _cut_free_ends(best_box, best_edges, best_yaw, origin, first, last, grid, seen)
        _weigh(best_box, best_yaw, origin, first, last, grid, seen, _FINE, trial)
        out[X : WIDTH + 1], out[FREE : COVERAGE + 1] = trial[X : WIDTH + 1], trial[FREE : COVERAGE + 1]
        out[ATTACHED] = surroundings(out[X], out[Y], out[YAW], out[LENGTH], out[WIDTH], first, last, grid)
        out[VEHICLE] = (
            np.exp(-(3.0 * out[FREE] + 1.5 * out[FOREIGN] + out[SIZE_MISFIT]))
            * out[COVERAGE]
            * np.exp(min(0.0, -out[CLOSENESS] - 0.5))
        )


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _cut_free_ends(
    box: Any, edges: Any, yaw: float, origin: int, first: int, last: int, grid: Any, seen: Any
) -> None:  # fmt: skip
    """Take back completion, end by end in thin strips, where the strip is seen free; never what was seen (`edges`)."""
    c, s = np.cos(yaw), np.sin(yaw)
    ox, oy = seen[0][origin, 0], seen[0][origin, 1]
    for side in range(4):
        at, other, inward = (0 if side < 2 else 2), (2 if side < 2 else 0), 1 - 2 * (side % 2)
        spare = box[at + 1] - box[at] - (_MIN_LENGTH_M if side < 2 else _MIN_WIDTH_M)
        spare = min(spare, inward * (edges[side] - box[side]))
        while spare > 0.0:
            cut = min(_STRIP_M, spare)
            end = box[side] + inward * cut / 2
            free, own = 0, 0
            for k in range(5):
                across = box[other] + (box[other + 1] - box[other]) * (k + 0.5) / 5
                u, v = (end, across) if side < 2 else (across, end)
                x, y = ox + u * c - v * s, oy + u * s + v * c
                owner = _owner(x, y, grid)
                own += first <= owner < last
                free += owner >= 0 or _free_for_any(x, y, seen) == 1
            if own > 0 or free < 3:
                break
            box[side] += inward * cut
            spare -= cut


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _toward(low: float, high: float, way: int) -> float:
    """1 if the completion goes towards the sensor, which a beam should have met; 0.5 to both sides."""
    if way == 2:
        return 0.5
    return 0.0 if way == _away(low, high) else 1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _away(low: float, high: float) -> int:
    """The way that leads away from the sensor: 0 upwards, 1 downwards."""
    return 0 if low + high > 0 else 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near_end_hidden(
    low: float,
    high: float,
    side_low: float,
    side_high: float,
    c: float,
    s: float,
    ox: float,
    oy: float,
    seen: Any,
) -> bool:
    """Whether something hides the place just before the end that is nearer to the sensor.

    Axes: the end lies along (c, s), the side across it.
    """
    u = low - _STRIP_M if low + high > 0 else high + _STRIP_M
    for k in range(3):
        v = side_low + (side_high - side_low) * (k + 0.5) / 3
        if _free_for_any(ox + u * c - v * s, oy + u * s + v * c, seen) < 0:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _way(low: float, high: float, wanted: float, way: int, box: Any, at: int) -> bool:
    """Grow [low, high] to `wanted` upwards (0), downwards (1) or both ways (2); False if there is nothing to grow."""
    missing = wanted - (high - low)
    if missing <= 0.0:
        box[at], box[at + 1] = low, high
        return bool(way == _away(low, high))
    if way == 0:
        box[at], box[at + 1] = low, high + missing
    elif way == 1:
        box[at], box[at + 1] = low - missing, high
    else:
        box[at], box[at + 1] = low - missing / 2, high + missing / 2
    return True


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _weigh(
    box: Any, yaw: float, origin: int, first: int, last: int, grid: Any, seen: Any, samples: Any, trial: Any
) -> float:
    """Evidence for the box (u0, u1, v0, v1 about `origin`): area seen free or taken, facing edges that are covered."""
    c, s = np.cos(yaw), np.sin(yaw)
    ox, oy = seen[0][origin, 0], seen[0][origin, 1]
    u0, u1, v0, v1 = box[0], box[1], box[2], box[3]
    along, across, step = samples
    free, foreign, total = 0, 0, 0
    for a in range(along):
        u = u0 + (u1 - u0) * (a + 0.5) / along
        for b in range(across):
            v = v0 + (v1 - v0) * (b + 0.5) / across
            x, y = ox + u * c - v * s, oy + u * s + v * c
            total += 1
            owner = _owner(x, y, grid)
            if owner >= 0:
                foreign += owner < first or owner >= last
            elif _free_for_any(x, y, seen) == 1:
                free += 1
    covered, open_edge = _edges(u0, u1, v0, v1, c, s, ox, oy, first, last, grid, seen, step)
    coverage = (covered + 0.5) / (covered + open_edge + 0.5)
    trial[X], trial[Y] = (
        ox + 0.5 * ((u0 + u1) * c - (v0 + v1) * s),
        oy + 0.5 * ((u0 + u1) * s + (v0 + v1) * c),
    )
    trial[YAW], trial[LENGTH], trial[WIDTH] = yaw, u1 - u0, v1 - v0
    trial[FREE], trial[FOREIGN], trial[COVERAGE] = free / total, foreign / total, coverage
    return float(2.0 * coverage - 3.0 * free / total - 1.5 * foreign / total)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _edges(
    u0: float, u1: float, v0: float, v1: float, c: float, s: float, ox: float, oy: float, first: int, last: int,
    grid: Any, seen: Any, step: float,
) -> Any:  # fmt: skip
    """Steps of the two edges that face the sensor: with points of the group; without, though nothing hides them."""
    covered, open_edge = 0, 0
    for side in range(2):
        low, high = (u0, u1) if side == 0 else (v0, v1)
        e0, e1 = (v0, v1) if side == 0 else (u0, u1)
        if e0 < 0 < e1:
            continue
        edge = e0 + 0.1 if e0 >= 0 else e1 - 0.1
        steps = max(2, int((high - low) / step))
        for k in range(steps):
            along = low + (high - low) * (k + 0.5) / steps
            u, v = (along, edge) if side == 0 else (edge, along)
            x, y = ox + u * c - v * s, oy + u * s + v * c
            if _near_own(x, y, first, last, grid):
                covered += 1
            elif _free_for_any(x, y, seen) >= 0:
                open_edge += 1
    return covered, open_edge


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def surroundings(
    x: float, y: float, yaw: float, length: float, width: float, first: int, last: int, grid: Any
) -> float:
    """Share of a line around the box, 0.4 m outside of it, on which something else stands."""
    c, s = np.cos(yaw), np.sin(yaw)
    half_u, half_v = length / 2 + 0.4, width / 2 + 0.4
    taken, total = 0, 0
    for side in range(4):
        reach = half_v if side % 2 == 0 else half_u
        steps = max(2, int(2 * reach / 0.4))
        for k in range(steps):
            along = reach * (2 * (k + 0.5) / steps - 1)
            u = half_u if side == 0 else (-half_u if side == 2 else along)
            v = half_v if side == 1 else (-half_v if side == 3 else along)
            owner = _owner(x + u * c - v * s, y + u * s + v * c, grid)
            taken += owner >= 0 and (owner < first or owner >= last)
            total += 1
    return taken / total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def continued(box: Any, origin: Any, first: int, last: int, grid: Any) -> float:
    """Share of the lines ahead of both ends of the long side that faces the sensor on which something else stands.

    A wall that a gap or a shadow has cut into pieces goes on there; a vehicle ends. `box`: x, y, yaw, length, width.
    """
    c, s = np.cos(box[YAW]), np.sin(box[YAW])
    side = 1.0 if (origin[1] - box[Y]) * c - (origin[0] - box[X]) * s > 0 else -1.0
    taken, total = 0, 0
    for end in range(2):
        for k in range(8):
            u = (box[LENGTH] / 2 + 0.4 + 0.35 * k) * (1 - 2 * end)
            for shift in range(3):
                v = side * (box[WIDTH] / 2 - 0.1) + 0.25 * (shift - 1)
                owner = _owner(box[X] + u * c - v * s, box[Y] + u * s + v * c, grid)
                if owner >= 0 and (owner < first or owner >= last):
                    taken += 1
                    break
            total += 1
    return taken / total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _owner(x: float, y: float, grid: Any) -> int:
    """Place in the tree's sequence of the occupied cell at (x, y), -1 if it is empty or outside."""
    position, n, low, cell = grid
    i, j = int((x - low) / cell), int((y - low) / cell)
    if i < 0 or j < 0 or i >= n or j >= n:
        return -1
    return int(position[i * n + j]) - 1


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _near_own(x: float, y: float, first: int, last: int, grid: Any) -> bool:
    """Whether a cell of the group lies within about 0.4 m of (x, y)."""
    position, n, low, cell = grid
    i, j = int((x - low) / cell), int((y - low) / cell)
    if 0 <= i < n and 0 <= j < n and first < position[i * n + j] <= last:
        return True
    for a in range(max(i - 2, 0), min(i + 3, n)):
        for b in range(max(j - 2, 0), min(j + 3, n)):
            p = position[a * n + b] - 1
            if first <= p < last:
                return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _free_for_any(x: float, y: float, seen: Any) -> int:
    """1 if some lidar saw (x, y) free; 0 if some could have; -1 if it is hidden from all."""
    origins, nearest, low, crossing = seen
    state = -1
    for k in range(len(origins)):
        one = seen_free(x - origins[k, 0], y - origins[k, 1], nearest[k], low[k], crossing[k])
        if one == 1:
            return 1
        if one == 0:
            state = 0
    return state
