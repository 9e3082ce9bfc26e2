"""Figures of the published map elements against true ones."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from perception_nodes.evaluation.bootstrap import jackknife_intervals
from perception_nodes.evaluation.maps import MapSample, map_scores, once_a_period

from .figures import JACKKNIFE, NONE, Figure, spread
from .inputs.source import Source
from .messages import MapLine
from .recording import Recording

F64 = npt.NDArray[np.float64]


def map_figures(recording: Recording | None, truth: Source) -> list[Figure]:
    """AP of each type of map element by threshold; nothing without true elements or without published ones."""
    if recording is None or truth.map_truth is None:
        return []
    samples = _samples(recording, truth.map_truth)
    scores = map_scores(samples)
    kinds = [k for k, s in scores.items() if s.num_truth]
    names = [(k, t) for k in kinds for t in (*scores[k].ap, "mean")]

    def values(kept: list[MapSample]) -> F64:
        found = map_scores(kept)
        picked = [(found.get(k), t) for k, t in names]
        return np.array([(s.ap | {"mean": s.mean_ap})[t] if s else math.nan for s, t in picked])

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        return values([s for s, k in zip(samples, keep, strict=True) if k])

    whole = values(samples)
    lows, highs = jackknife_intervals(len(samples), without, whole)
    out = []
    for (kind, threshold), value, low, high in zip(names, whole, lows, highs, strict=True):
        ends = spread(max(float(low), 0.0), min(float(high), 1.0))
        method = JACKKNIFE if math.isfinite(ends[0]) else NONE
        count = (scores[kind].num_truth, "true lines of all samples")
        out.append(Figure(f"map.{kind}.ap.{threshold}", float(value), *count, 1, "", *ends, method))
    return out


def _samples(recording: Recording, truth: tuple[MapLine, ...]) -> list[MapSample]:
    """The published map once a second, cut to its rectangle; a stamp that was published twice counts once."""
    frames = {m.stamp_ns: m for m in recording.maps if m.rectangle_m is not None}
    stamps = sorted(frames)
    true_lines = _by_type(truth)
    out = []
    for k in once_a_period(stamps):
        frame = frames[stamps[k]]
        ours = _by_type(frame.lines)
        sample = MapSample(
            {kind: [line.points_m for line in lines] for kind, lines in true_lines.items()},
            {kind: [line.points_m for line in lines] for kind, lines in ours.items()},
            {kind: [_score(line) for line in lines] for kind, lines in ours.items()},
        )
        if frame.rectangle_m is not None:
            out.append(sample.cut(frame.rectangle_m))
    return out


def _score(line: MapLine) -> float:
    return line.score if math.isfinite(line.score) else 1.0


def _by_type(lines: tuple[MapLine, ...]) -> dict[str, list[MapLine]]:
    out: dict[str, list[MapLine]] = {}
    for line in lines:
        if len(line.points_m) > 1:
            out.setdefault(line.type.name.lower(), []).append(line)
    return out
