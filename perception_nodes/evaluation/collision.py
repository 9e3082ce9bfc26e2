"""Rectangles seen from above that move: when they touch, how far apart they are, how far a box is from a point.

Sources: the separating axis theorem for moving convex polygons (Gottschalk, Lin and Manocha, SIGGRAPH 1996; Eberly,
"Method of Separating Axes", 2001); ASAM OpenSCENARIO 1.x, TimeToCollisionCondition; Deng et al., "Revisiting 3D object
detection from an egocentric perspective", NeurIPS 2021 (support distance).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import InputError

from .boxes import BoxFrame

F64 = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HORIZON_S = 8.0
# Below it a direction of travel says nothing about the heading.
_HEADING_SPEED_MPS = 0.5
_REACH_STEP_S = 0.1


@dataclass(frozen=True, eq=False)
class MovingBoxes:
    """N rectangles in one fixed frame: xy_m (N, 2) centres, lw_m (N, 2) length and width, yaw_rad (N,), velocity_mps
    (N, 2). NaN where something is unknown.
    """

    xy_m: F64
    lw_m: F64
    yaw_rad: F64
    velocity_mps: F64

    def __post_init__(self) -> None:
        n = len(self.yaw_rad)
        shapes = [np.shape(a) for a in (self.xy_m, self.lw_m, self.yaw_rad, self.velocity_mps)]
        if shapes != [(n, 2), (n, 2), (n,), (n, 2)]:
            raise InputError(f"MovingBoxes: wanted (N, 2), (N, 2), (N,), (N, 2), got {shapes}")
        if (self.lw_m < 0).any():
            raise InputError(f"MovingBoxes: a length or width is negative: {self.lw_m.min()}")

    def __len__(self) -> int:
        return len(self.yaw_rad)

    @classmethod
    def of(cls, frame: BoxFrame) -> MovingBoxes:
        """The boxes of a frame."""
        return cls(frame.center_m[:, :2], frame.lwh_m[:, :2], frame.yaw_rad, frame.velocity_mps)

    @classmethod
    def of_path(cls, stamp_ns: npt.ArrayLike, xy_m: F64, lw_m: tuple[float, float]) -> MovingBoxes:
        """A vehicle of a given size along a path: stamps (F,) ascending, centres (F, 2); one box per stamp.

        Velocities are central differences. The heading is the direction of travel; slower than 0.5 m/s it is the one
        before, at the start the first one known, and 0 if the vehicle never moves: give MovingBoxes the true heading
        where you have it.
        """
        t = np.asarray(stamp_ns, np.int64)
        if t.ndim != 1 or np.shape(xy_m) != (len(t), 2) or (np.diff(t) <= 0).any():
            raise InputError(f"path: wanted ascending stamps (F,) and centres (F, 2), got {np.shape(xy_m)}")
        velocity = np.zeros((len(t), 2))
        if len(t) > 1:
            velocity = np.asarray(np.gradient(np.asarray(xy_m, np.float64), (t - t[0]) * 1e-9, axis=0))
        moves = np.linalg.norm(velocity, axis=1) > _HEADING_SPEED_MPS
        yaw = np.zeros(len(t))
        if moves.any():
            last = np.maximum.accumulate(np.where(moves, np.arange(len(t)), -1))
            source = np.where(last < 0, np.argmax(moves), last)
            yaw = np.arctan2(velocity[source, 1], velocity[source, 0])
        return cls(np.asarray(xy_m, np.float64), np.tile(lw_m, (len(t), 1)).astype(np.float64), yaw, velocity)

    def row(self, index: int) -> MovingBoxes:
        """One of the rectangles."""
        k = slice(index, index + 1)
        return MovingBoxes(self.xy_m[k], self.lw_m[k], self.yaw_rad[k], self.velocity_mps[k])


def time_to_collision(a: MovingBoxes, b: MovingBoxes, horizon_s: float = HORIZON_S) -> F64:
    """(N,) first time, s, at which rectangle k of `a` touches that of `b` if both keep velocity and heading.

    0 where they touch already, infinite if they do not within the horizon, NaN where something is unknown. Either side
    may hold one rectangle for all. Exact: as headings stay, the rectangles are apart on each of their four axes
    except during one interval of time, and they touch while all four intervals last.
    """
    if not horizon_s >= 0:
        raise InputError(f"time to collision: horizon: wanted at least 0 s, got {horizon_s}")
    one, two = _aligned(a, b)
    out = np.full(len(one), np.nan)
    _first_touch(one, two, horizon_s, out)
    return out


def openscenario_ttc(a: MovingBoxes, b: MovingBoxes, freespace: bool = False) -> F64:
    """(N,) time to collision as OpenSCENARIO has it: distance / relative speed, s.

    Distance (Euclidean) between the centres, or with `freespace` between the rectangles. Relative speed is taken as
    the speed at which the centres approach; infinite where they do not. It misses what passes by: two cars in
    neighbouring lanes get a finite time, and a short one when near.
    """
    one, two = _aligned(a, b)
    offset, velocity = (two - one)[:, :2], (two - one)[:, 5:]
    distance = np.asarray(np.linalg.norm(offset, axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        closing = np.where(distance > 0, -(offset * velocity).sum(axis=1) / distance, 0.0)
        between = box_gap(a, b) if freespace else distance
        out = np.where(closing > 0, between / closing, np.where(between > 0, np.inf, 0.0))
    unknown = np.isnan(offset).any(axis=1) | np.isnan(velocity).any(axis=1) | np.isnan(between)
    return np.where(unknown, np.nan, out)


def box_gap(a: MovingBoxes, b: MovingBoxes) -> F64:
    """(N,) distance of the rectangles as they are now, m; 0 where they touch, NaN where something is unknown."""
    one, two = _aligned(a, b)
    out = np.full(len(one), np.nan)
    _gaps(one, two, out)
    return out


def collision_reachable(
    a: MovingBoxes, b: MovingBoxes, acceleration_mps2: float, within_s: float
) -> BoolArray:
    """(N,) whether a relative acceleration in any direction, no greater than the given, could make them touch in
    time: gap(t) <= acceleration * t^2 / 2 for a t of 0, 0.1, ... s. False where something is unknown.
    """
    one, two = _aligned(a, b)
    out = np.zeros(len(one), bool)
    _reach(one, two, acceleration_mps2, within_s, out)
    return out


def support_distance(point_xy_m: npt.ArrayLike, boxes: MovingBoxes) -> F64:
    """(N,) distance from a point (2,) or points (N, 2) to the nearest point of each rectangle, m; 0 inside."""
    offset = np.asarray(point_xy_m, np.float64) - boxes.xy_m
    c, s = np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)
    local = np.column_stack([c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0]])
    # NaN stays NaN in maximum, so an unknown size gives an unknown distance.
    return np.asarray(np.linalg.norm(np.maximum(np.abs(local) - boxes.lw_m / 2, 0.0), axis=1))


def _aligned(a: MovingBoxes, b: MovingBoxes) -> tuple[F64, F64]:
    """(N, 7) of both: x, y, half length, half width, yaw, vx, vy."""
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise InputError(
            f"rectangles: wanted as many on both sides, or one for all, got {len(a)} and {len(b)}"
        )
    n = len(b) if len(a) == 1 else len(a)
    one, two = (
        np.column_stack([m.xy_m, m.lw_m / 2, m.yaw_rad, m.velocity_mps]).astype(np.float64) for m in (a, b)
    )
    return (
        np.ascontiguousarray(np.broadcast_to(one, (n, 7))),
        np.ascontiguousarray(np.broadcast_to(two, (n, 7))),
    )


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _axis_interval(offset: float, speed: float, reach: float) -> Any:
    """From when to when |offset + speed t| <= reach."""
    if speed == 0.0:
        if abs(offset) <= reach:
            return -np.inf, np.inf
        return np.inf, -np.inf
    one, two = (-reach - offset) / speed, (reach - offset) / speed
    return min(one, two), max(one, two)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _first_touch(a: Any, b: Any, horizon: float, out: Any) -> None:
    for k in range(len(out)):
        d = b[k] - a[k]
        if not np.isfinite(a[k].sum() + b[k].sum()):
            continue
        c, s = abs(np.cos(d[4])), abs(np.sin(d[4]))
        start, end = 0.0, horizon
        for side in range(2):
            own, other = (a[k], b[k]) if side == 0 else (b[k], a[k])
            for axis in range(2):
                turn = own[4] + axis * np.pi / 2
                ux, uy = np.cos(turn), np.sin(turn)
                reach = own[2 + axis] + c * other[2 + axis] + s * other[3 - axis]
                low, high = _axis_interval(d[0] * ux + d[1] * uy, d[5] * ux + d[6] * uy, reach)
                start, end = max(start, low), min(end, high)
        out[k] = start if start <= end else np.inf


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _corner_gap(x: float, y: float, box: Any, own: Any) -> Any:
    """Least distance of the corners of `box`, put at (x, y), to `own`, put at the origin."""
    c, s, best = np.cos(own[4]), np.sin(own[4]), np.inf
    for i in range(4):
        u = box[2] if i < 2 else -box[2]
        w = box[3] if i % 2 == 0 else -box[3]
        px = x + np.cos(box[4]) * u - np.sin(box[4]) * w
        py = y + np.sin(box[4]) * u + np.cos(box[4]) * w
        dx = max(abs(c * px + s * py) - own[2], 0.0)
        dy = max(abs(c * py - s * px) - own[3], 0.0)
        best = min(best, np.hypot(dx, dy))
    return best


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gap(x: float, y: float, a: Any, b: Any) -> Any:
    """Distance of b at (x, y) from a at the origin; of convex shapes that are apart it ends at a corner of one."""
    c, s = abs(np.cos(b[4] - a[4])), abs(np.sin(b[4] - a[4]))
    for side in range(2):
        own, other = (a, b) if side == 0 else (b, a)
        along = x * np.cos(own[4]) + y * np.sin(own[4])
        across = y * np.cos(own[4]) - x * np.sin(own[4])
        if (
            abs(along) > own[2] + c * other[2] + s * other[3]
            or abs(across) > own[3] + c * other[3] + s * other[2]
        ):
            return min(_corner_gap(x, y, b, a), _corner_gap(-x, -y, a, b))
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gaps(a: Any, b: Any, out: Any) -> None:
    for k in range(len(out)):
        if np.isfinite(a[k, :5].sum() + b[k, :5].sum()):
            out[k] = _gap(b[k, 0] - a[k, 0], b[k, 1] - a[k, 1], a[k], b[k])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _reach(a: Any, b: Any, acceleration: float, within: float, out: Any) -> None:
    for k in range(len(out)):
        if not np.isfinite(a[k].sum() + b[k].sum()):
            continue
        d = b[k] - a[k]
        for step in range(round(within / _REACH_STEP_S) + 1):
            t = step * _REACH_STEP_S
            if _gap(d[0] + d[5] * t, d[1] + d[6] * t, a[k], b[k]) <= 0.5 * acceleration * t * t:
                out[k] = True
                break
