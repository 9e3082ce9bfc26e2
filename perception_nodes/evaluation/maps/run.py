"""Scores of the map elements of a whole run: lines cut to what is claimed, AP by Chamfer distance for each type.

Ours: the published map is scored once a second, inside the rectangle within which its absence of a line means that
there is none. Truth and published lines are both cut at its border; pieces shorter than 2 m are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.geometry import arc_length

from .chamfer import chamfer_curves

F64 = npt.NDArray[np.float64]

THRESHOLDS_M: Final = (0.5, 1.0, 1.5)
PERIOD_NS: Final = 1_000_000_000
_STEP_M: Final = 0.5
_SHORTEST_M: Final = 2.0

MAP_DEFINITION: Final = (
    "AP by Chamfer distance (MapTR) at 0.5, 1 and 1.5 m, of lines cut to the valid rectangle, once a second; pieces"
    " shorter than 2 m are left out"
)


@dataclass(frozen=True, eq=False)
class MapSample:
    """Lines (N, 2 or 3) m of one moment by type, in one frame; scores: of the published lines, as many as `ours`."""

    truth: Mapping[str, Sequence[F64]]
    ours: Mapping[str, Sequence[F64]]
    scores: Mapping[str, Sequence[float]]

    def cut(self, rectangle_m: F64) -> MapSample:
        """Only what lies in the rectangle (4, 2); pieces of one line keep its score."""
        truth = {k: [p for line in v for p in cut_line(line, rectangle_m)] for k, v in self.truth.items()}
        ours: dict[str, list[F64]] = {}
        scores: dict[str, list[float]] = {}
        for kind, lines in self.ours.items():
            pieces = [
                (p, s)
                for line, s in zip(lines, self.scores[kind], strict=True)
                for p in cut_line(line, rectangle_m)
            ]
            ours[kind], scores[kind] = [p for p, _ in pieces], [s for _, s in pieces]
        return MapSample(truth, ours, scores)


@dataclass(frozen=True)
class MapScores:
    """One type: ap by threshold in m and their mean, NaN without truth; numbers of lines in all samples together."""

    num_truth: int
    num_predictions: int
    ap: dict[str, float]

    @property
    def mean_ap(self) -> float:
        """Mean over the thresholds."""
        return float(np.mean(list(self.ap.values())))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not defined is None."""
        ap = {k: None if np.isnan(v) else v for k, v in self.ap.items()}
        mean = None if np.isnan(self.mean_ap) else self.mean_ap
        return {
            "num_truth": self.num_truth,
            "num_predictions": self.num_predictions,
            "ap": ap,
            "mean_ap": mean,
        }


def map_scores(samples: Sequence[MapSample]) -> dict[str, MapScores]:
    """Scores of each type that occurs in truth or outputs, by its name."""
    kinds = sorted({k for s in samples for k in (*s.truth, *s.ours) if s.truth.get(k) or s.ours.get(k)})
    return {kind: _scores(kind, samples) for kind in kinds}


def _scores(kind: str, samples: Sequence[MapSample]) -> MapScores:
    frames = [
        (
            list(s.truth.get(kind, [])),
            list(s.ours.get(kind, [])),
            np.array(s.scores.get(kind, []), np.float64),
        )
        for s in samples
    ]
    ap = {f"{c.threshold_m:g}": c.ap for c in chamfer_curves(frames, THRESHOLDS_M)}
    return MapScores(sum(len(f[0]) for f in frames), sum(len(f[1]) for f in frames), ap)


def once_a_period(stamps_ns: Sequence[int], period_ns: int = PERIOD_NS) -> list[int]:
    """Positions of the moments to score: the last one, and back from it one a period."""
    chosen: list[int] = []
    for k in range(len(stamps_ns) - 1, -1, -1):
        if not chosen or stamps_ns[chosen[-1]] - stamps_ns[k] >= period_ns:
            chosen.append(k)
    return chosen[::-1]


def cut_line(line_m: F64, rectangle_m: F64) -> list[F64]:
    """The pieces of a line (N, D) inside a convex polygon (K, 2), corners in either order; steps of about 0.5 m."""
    length = float(arc_length(line_m)[-1]) if len(line_m) > 1 else 0.0
    if length < _SHORTEST_M:
        return []
    s = arc_length(line_m)
    at = np.linspace(0.0, length, max(2, round(length / _STEP_M) + 1))
    points = np.stack([np.interp(at, s, line_m[:, k]) for k in range(line_m.shape[1])], axis=1)
    edge = np.roll(rectangle_m, -1, axis=0) - rectangle_m
    away = points[:, None, :2] - rectangle_m[None]
    side = edge[None, :, 0] * away[..., 1] - edge[None, :, 1] * away[..., 0]
    inside = np.asarray((side >= 0).all(axis=1) | (side <= 0).all(axis=1), bool)
    ends = np.flatnonzero(np.diff(inside.astype(np.int8))) + 1
    runs = [r for r in np.split(np.arange(len(points)), ends) if inside[r[0]]]
    return [points[r] for r in runs if (len(r) - 1) * length / (len(points) - 1) >= _SHORTEST_M]
