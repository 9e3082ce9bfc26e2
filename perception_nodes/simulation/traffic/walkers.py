"""Where people walk: along pavements on the right, over crossings, and over the road where they please."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import arc_length
from perception_nodes.simulation.world.roads import RoadGraph

from .ways import CAPACITY, Gate, Way, evenly

F64 = npt.NDArray[np.float64]
SPACING_M = 0.5
_KEEP_RIGHT_M = 0.55
_REACH_M = 12.0


def walk(line_m: F64, gates: list[Gate] | None = None, speed_mps: float = 10.0) -> Way:
    """A way for feet along a line (N, 2)."""
    xy = evenly(line_m, SPACING_M)
    return Way(xy, SPACING_M, np.full(len(xy), speed_mps), gates or [])


def shifted(line_m: F64, right_m: float) -> F64:
    """The line (N, 2) moved to its right."""
    step = np.gradient(line_m, axis=0)
    normal = np.stack([step[:, 1], -step[:, 0]], axis=1)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return np.asarray(line_m + right_m * normal / length)


def pavement_walk(graph: RoadGraph, near_m: F64, within_m: float, rng: np.random.Generator) -> F64 | None:
    """(N, 2) a pavement in either direction, from a place on it near a point; None if there is none."""
    lines = [line[:, :2] for line in graph.sidewalks if len(line) >= 2]
    lines = [line for line in lines if np.linalg.norm(line - near_m, axis=1).min() < within_m]
    if not lines:
        return None
    length = np.array([arc_length(line)[-1] for line in lines])
    line = lines[int(rng.choice(len(lines), p=length / length.sum()))]
    line = line if rng.random() < 0.5 else line[::-1]
    fine = evenly(line, SPACING_M) if arc_length(line)[-1] < CAPACITY * SPACING_M else _piece(line, near_m)
    inside = np.flatnonzero(np.linalg.norm(fine - near_m, axis=1) < within_m)
    begin = int(rng.choice(inside)) if len(inside) else 0
    side = _KEEP_RIGHT_M + float(rng.uniform(-0.1, 0.25))
    moved = shifted(fine, side)
    return moved[begin:] if len(fine) - begin > 20 else moved[: max(begin, 20)]


def _piece(line_m: F64, near_m: F64) -> F64:
    """The part of a long line about a point."""
    s = arc_length(line_m)
    at = np.arange(0.0, s[-1], SPACING_M)
    fine = np.stack([np.interp(at, s, line_m[:, k]) for k in (0, 1)], axis=1)
    middle = int(np.argmin(np.linalg.norm(fine - near_m, axis=1)))
    first = max(0, middle - CAPACITY // 2 + 2)
    return fine[first : first + CAPACITY - 4]


def crossing_walk(graph: RoadGraph, index: int, rng: np.random.Generator) -> tuple[F64, float, float]:
    """A line (N, 2) over a crossing with what leads to it, and where on it the kerbs are."""
    crossing = graph.crossings[index]
    a, b = crossing.path_m[0, :2], crossing.path_m[1, :2]
    if rng.random() < 0.5:
        a, b = b, a
    ahead = (b - a) / np.linalg.norm(b - a)
    right = np.array([ahead[1], -ahead[0]])
    depth = float(np.linalg.norm(np.diff(crossing.polygon_m[[0, 1, 2], :2], axis=0), axis=1).min())
    offset = float(rng.uniform(0.3, max(0.35, 0.5 * depth - 0.4)))
    start, end = a + offset * right, b + offset * right
    before = _approach(graph, start, rng)[::-1]
    after = _approach(graph, end, rng)
    line = np.concatenate([before, start[None], end[None], after])
    kerb = arc_length(np.concatenate([before, start[None]]))[-1]
    return line, float(kerb), float(kerb + np.linalg.norm(end - start))


def _approach(graph: RoadGraph, at_m: F64, rng: np.random.Generator) -> F64:
    """(N, 2) from near a kerb along the nearest pavement, away."""
    near = [
        line[:, :2] for line in graph.sidewalks if np.linalg.norm(line[:, :2] - at_m, axis=1).min() < 30.0
    ]
    best: F64 | None = None
    least = _REACH_M
    for line in near:
        s = arc_length(line)
        at = np.arange(0.0, s[-1], SPACING_M)
        fine = np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1)
        distance = np.linalg.norm(fine - at_m, axis=1)
        if len(fine) > 8 and distance.min() < least:
            least, k = float(distance.min()), int(np.argmin(distance))
            long_enough = [part for part in (fine[k + 2 :], fine[: max(k - 2, 0)][::-1]) if len(part) > 12]
            if long_enough:
                best = long_enough[int(rng.integers(len(long_enough)))]
    if best is None:
        return np.zeros((0, 2))
    return shifted(best[:120], float(rng.uniform(0.2, 0.8)))
