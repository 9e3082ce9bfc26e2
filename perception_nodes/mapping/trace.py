"""From cells to lines: cells of one direction are joined to pieces, pieces in line with each other to chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

F64 = npt.NDArray[np.float64]

_NEIGHBOURHOOD_M = 1.0
_LINK_M = 0.65
_MAX_TURN_COS = np.cos(np.radians(25.0))
_COHERENCE = 0.6


@dataclass(frozen=True, eq=False)
class Piece:
    """A traced line: points (N, 2) m, standard deviation across (N,) m, painted length m, mean strength.

    support (N,): how many cells each point stands on.
    """

    points_m: F64
    std_m: F64
    support: F64
    covered_m: float
    strength: float

    @property
    def length_m(self) -> float:
        """Length along the line."""
        return float(np.linalg.norm(np.diff(self.points_m, axis=0), axis=1).sum())

    def direction(self, end: int) -> F64:
        """(2,) unit vector that leaves the line at its first (0) or last (1) point."""
        p = self.points_m if end else self.points_m[::-1]
        step = p[-1] - p[max(len(p) - 4, 0)]
        return np.asarray(step / max(float(np.hypot(step[0], step[1])), 1e-9))


def trace(
    xy_m: F64, strength: npt.NDArray[Any], spacing_m: float, min_length_m: float, cell_m: float
) -> list[Piece]:
    """Pieces of lines through cells at (N, 2) with strengths (N,)."""
    if len(xy_m) < 3:
        return []
    direction, coherent = _directions(xy_m, strength.astype(np.float64))
    keep = coherent > _COHERENCE
    xy, weight, direction = xy_m[keep], strength[keep].astype(np.float64), direction[keep]
    if not len(xy):
        return []
    groups = _groups(xy, direction)
    order = np.argsort(groups, kind="stable")
    bounds = np.flatnonzero(np.diff(groups[order])) + 1
    out = [
        _fit(xy[rows], weight[rows], spacing_m, cell_m) for rows in np.split(order, bounds) if len(rows) >= 4
    ]
    return [p for p in out if p is not None and p.length_m >= min_length_m]


def _fit(xy: F64, weight: F64, spacing_m: float, cell_m: float) -> Piece | None:
    """Means across the principal axis in steps along it; None if the cells do not lie along a line."""
    sure = weight / weight.sum()
    middle = sure @ xy
    x, y = (xy - middle).T
    angle = 0.5 * np.arctan2(2 * (sure * x * y).sum(), (sure * (x * x - y * y)).sum())
    axis, normal = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    along, across = x * axis[0] + y * axis[1], x * normal[0] + y * normal[1]
    low, high = along.min(), along.max()
    bins = max(1, int(np.ceil((high - low) / spacing_m)))
    index = np.minimum(((along - low) / max(high - low, 1e-9) * bins).astype(int), bins - 1)
    total = np.bincount(index, weight, bins)
    used = total > 0
    mean = np.bincount(index, weight * across, bins)[used] / total[used]
    spread = np.bincount(index, weight * across**2, bins)[used] / total[used] - mean**2
    count = np.bincount(index, minlength=bins)[used].astype(np.float64)
    if np.median(np.sqrt(np.maximum(spread, 0))) > 0.35:
        return None
    s = np.bincount(index, weight * along, bins)[used] / total[used]
    s, mean, spread, count = _to_ends(s, mean, spread, count, low, high)
    std = np.sqrt((np.maximum(spread, 0) + cell_m**2 / 12) / count + 0.03**2)
    covered = len(np.unique(np.round(along / cell_m).astype(int))) * cell_m
    points = middle + s[:, None] * axis + mean[:, None] * normal
    return Piece(points, std, count, min(covered, high - low + cell_m), float(weight.mean()))


def _to_ends(
    s: F64, mean: F64, spread: F64, count: F64, low: float, high: float
) -> tuple[F64, F64, F64, F64]:
    """The first and the last point moved out to the ends of the cells along the line's own direction."""
    if len(s) == 1:
        return np.array([low, high]), np.repeat(mean, 2), np.repeat(spread, 2), np.repeat(count, 2)
    slope = (mean[1] - mean[0]) / max(s[1] - s[0], 1e-6), (mean[-1] - mean[-2]) / max(s[-1] - s[-2], 1e-6)
    ends = np.clip(slope, -0.3, 0.3)
    s, mean = s.copy(), mean.copy()
    mean[0] += ends[0] * (low - s[0])
    mean[-1] += ends[1] * (high - s[-1])
    s[0], s[-1] = low, high
    return s, mean, spread, count


def chain(
    pieces: list[Piece], max_gap_m: float, lateral_m: float = 0.35, turn_cos: float = 0.97
) -> list[Piece]:
    """Join pieces whose ends look at each other, nearest first, until none is left to join.

    lateral_m: how far beside the straight continuation the other end may lie, plus 4 % of the gap.
    """
    if not pieces:
        return []
    cost = _gap_cost(pieces, max_gap_m, lateral_m, turn_cos)
    first, second = np.nonzero(np.isfinite(cost))
    order = np.argsort(cost[first, second], kind="stable")
    options = [(int(first[k]), int(second[k])) for k in order]
    partner: dict[int, int] = {}
    root = list(range(len(pieces)))

    def find(k: int) -> int:
        while root[k] != k:
            k = root[k]
        return k

    for a, b in options:
        k, m = find(a // 2), find(b // 2)
        if a in partner or b in partner or k == m:
            continue
        partner[a], partner[b] = b, a
        root[m] = k
    return _walk(pieces, partner)


def _gap_cost(pieces: list[Piece], max_gap_m: float, lateral_m: float, turn_cos: float) -> F64:
    """(2K, 2K) cost of joining two ends (2k first, 2k + 1 last of piece k), infinite where they do not fit.

    Each pair once, in the upper triangle.
    """
    at = np.concatenate([p.points_m[[0, -1]] for p in pieces])
    way = np.concatenate([[p.direction(0), p.direction(1)] for p in pieces])
    v = at[None] - at[:, None]
    ahead = (v * way[:, None]).sum(axis=-1)
    beside = np.abs(v[..., 0] * way[:, None, 1] - v[..., 1] * way[:, None, 0])
    back = np.abs(v[..., 0] * way[None, :, 1] - v[..., 1] * way[None, :, 0])
    good = (-(way @ way.T) >= turn_cos) & (ahead > -1.0) & (ahead <= max_gap_m)
    good &= np.minimum(beside, back) <= lateral_m + 0.04 * np.maximum(ahead, 0.0)
    piece = np.arange(len(at)) // 2
    good &= np.triu(np.ones(good.shape, bool)) & (piece[:, None] != piece[None])
    return np.asarray(np.where(good, np.abs(ahead) + 3.0 * beside, np.inf))


def _walk(pieces: list[Piece], partner: dict[int, int]) -> list[Piece]:
    """Follow the partners from every free end; end 2k is the first of piece k, 2k + 1 the last."""
    out, done = [], set()
    free = [a for a in range(2 * len(pieces)) if a not in partner]
    for start in free:
        if start // 2 in done:
            continue
        run, at = [], start
        while True:
            run.append((pieces[at // 2], at % 2 == 1))
            done.add(at // 2)
            other = at ^ 1
            if other not in partner:
                break
            at = partner[other]
        out.append(_concatenated(run))
    return out


def _concatenated(run: list[tuple[Piece, bool]]) -> Piece:
    flip = [slice(None, None, -1) if reverse else slice(None) for _, reverse in run]
    points = np.concatenate([p.points_m[f] for (p, _), f in zip(run, flip, strict=True)])
    std = np.concatenate([p.std_m[f] for (p, _), f in zip(run, flip, strict=True)])
    support = np.concatenate([p.support[f] for (p, _), f in zip(run, flip, strict=True)])
    forward = np.concatenate([[True], _progress(points)])
    covered = sum(p.covered_m for p, _ in run)
    strength = sum(p.strength * p.covered_m for p, _ in run) / max(covered, 1e-9)
    return Piece(points[forward], std[forward], support[forward], covered, strength)


def _progress(points: F64) -> npt.NDArray[np.bool_]:
    """(N - 1,) False for points that step back (two pieces overlapped) or stand on the one before."""
    step = np.diff(points, axis=0)
    overall = points[-1] - points[0]
    return np.asarray((step @ overall > 0) & (np.linalg.norm(step, axis=1) > 0.05))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _directions(xy: Any, weight: Any) -> Any:
    """(N, 2) direction of the cells around each, and how much of their spread lies along it (0..1)."""
    n = len(xy)
    out, coherent = np.zeros((n, 2)), np.zeros(n)
    order = np.argsort(xy[:, 0])
    low = 0
    for a in range(n):
        k = order[a]
        while xy[order[low], 0] < xy[k, 0] - _NEIGHBOURHOOD_M:
            low += 1
        sw = sx = sy = sxx = sxy = syy = 0.0
        b = low
        while b < n and xy[order[b], 0] <= xy[k, 0] + _NEIGHBOURHOOD_M:
            m = order[b]
            b += 1
            dx, dy = xy[m, 0] - xy[k, 0], xy[m, 1] - xy[k, 1]
            if dx * dx + dy * dy > _NEIGHBOURHOOD_M * _NEIGHBOURHOOD_M:
                continue
            w = weight[m]
            sw += w
            sx += w * dx
            sy += w * dy
            sxx += w * dx * dx
            sxy += w * dx * dy
            syy += w * dy * dy
        sx, sy = sx / sw, sy / sw
        a_, b_, c_ = sxx / sw - sx * sx, sxy / sw - sx * sy, syy / sw - sy * sy
        root = np.sqrt((a_ - c_) * (a_ - c_) + 4 * b_ * b_)
        angle = 0.5 * np.arctan2(2 * b_, a_ - c_)
        out[k, 0], out[k, 1] = np.cos(angle), np.sin(angle)
        coherent[k] = root / (a_ + c_) if a_ + c_ > 1e-9 else 0.0
    return out, coherent


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _groups(xy: Any, direction: Any) -> Any:
    """(N,) number of the group: neighbours of one direction, one behind the other, belong together."""
    n = len(xy)
    root = np.arange(n)
    order = np.argsort(xy[:, 0])
    for a in range(n):
        k = order[a]
        b = a + 1
        while b < n and xy[order[b], 0] - xy[k, 0] <= _LINK_M:
            m = order[b]
            b += 1
            dx, dy = xy[m, 0] - xy[k, 0], xy[m, 1] - xy[k, 1]
            if dx * dx + dy * dy > _LINK_M * _LINK_M:
                continue
            ux, uy = direction[k, 0], direction[k, 1]
            if (
                abs(ux * direction[m, 0] + uy * direction[m, 1]) < _MAX_TURN_COS
                or abs(dx * uy - dy * ux) > 0.35
            ):
                continue
            p, q = k, m
            while root[p] != p:
                root[p] = root[root[p]]
                p = root[p]
            while root[q] != q:
                root[q] = root[root[q]]
                q = root[q]
            root[q] = p
    for k in range(n):
        p = k
        while root[p] != p:
            p = root[p]
        root[k] = p
    return root
