"""Average precision of polylines by Chamfer distance.

Source: the MapTR benchmark (hustvl/MapTR, map_utils/mean_ap.py, tpfp_chamfer.py; definition only). Differs: the
original scores a pair only if the 4 m wide bands around both lines touch, which is left out here. Bands end flat, so
short lines that lie end to end can be near each other without touching bands: there the figures can differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from perception_nodes.geometry import arc_length

F64 = npt.NDArray[np.float64]
NUM_POINTS = 100
MapFrame = tuple[Sequence[F64], Sequence[F64], F64]


def chamfer_distance(a_m: F64, b_m: F64) -> float:
    """Mean of the two directed mean nearest distances of two point sets (N, 2), (M, 2), m."""
    d = cdist(a_m, b_m)
    return float(0.5 * (d.min(axis=1).mean() + d.min(axis=0).mean()))


def resample_count(line_m: F64, count: int = NUM_POINTS) -> F64:
    """(count, D) points at equal steps of arc length, both ends kept."""
    s = arc_length(line_m)
    at = np.linspace(0.0, s[-1], count)
    return np.stack([np.interp(at, s, line_m[:, k]) for k in range(line_m.shape[1])], axis=1)


def chamfer_ap(frames: Sequence[MapFrame], threshold_m: float) -> float:
    """AP of one class over frames of (true lines, predicted lines, scores).

    Each prediction goes for its nearest true line only, by falling score within the frame; it is a hit if the
    distance is at most the threshold and the line is still free. The AP is the area under
    the monotone precision curve; NaN without truth.
    """
    scores, hits, total = [], [], 0
    for truth, ours, score in frames:
        usable = [k for k, line in enumerate(ours) if len(line) >= 2]
        order = [usable[k] for k in np.argsort(-score[usable], kind="stable")]
        hits.append(_hits([resample_count(t[:, :2]) for t in truth], [ours[k] for k in order], threshold_m))
        scores.append(score[order])
        total += len(truth)
    if not total:
        return float("nan")
    order_all = np.argsort(-np.concatenate(scores), kind="stable")
    hit = np.concatenate(hits)[order_all]
    recall = np.concatenate([[0.0], np.cumsum(hit) / total, [1.0]])
    precision = np.concatenate([[0.0], np.cumsum(hit) / np.arange(1, len(hit) + 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * precision[1:]).sum())


def _hits(truth: list[F64], ours: list[F64], threshold_m: float) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(ours), bool)
    covered: set[int] = set()
    for k, line in enumerate(ours):
        if not truth:
            continue
        distances = [chamfer_distance(resample_count(line[:, :2]), t) for t in truth]
        best = int(np.argmin(distances))
        if distances[best] <= threshold_m and best not in covered:
            covered.add(best)
            out[k] = True
    return out
