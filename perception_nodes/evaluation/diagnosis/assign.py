"""One main cause for every miss, false alarm and imprecise match. The order of the questions is the definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, UNKNOWN
from perception_nodes.evaluation.columns import Columns
from perception_nodes.evaluation.detection.matching import pair_errors

from .causes import Cause, Outage, where
from .outages import misses_by_outage
from .scene import Scene, inverse, match_labels
from .systematic import Systematic, corrected

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]

# What has no front: half a turn is no error.
_NO_FRONT = frozenset({"barrier", "traffic_cone"})


@dataclass(frozen=True, eq=False)
class Assigned:
    """Causes as `Cause` or None: of_truth (T,) of misses and imprecise matches, of_predictions (P,) of false alarms.

    truth_partner (T,): the prediction that a miss should have been, prediction_partner (P,): the true box that a false
    alarm should have been or disturbs; -1 none. outage (T,): index into the outages, -1 none.
    """

    of_truth: Objects
    of_predictions: Objects
    truth_partner: I64
    prediction_partner: I64
    outage: I64
    felt: npt.NDArray[np.bool_]


def assign_causes(scene: Scene, systematic: Systematic, outages: Sequence[Outage]) -> Assigned:
    """Ask of each error, in this order (docs/diagnosis.md): outage, late, class or localisation, duplicate, world."""
    outage, felt = misses_by_outage(scene, outages)
    out = Assigned(
        np.full(len(scene.truth), None, object),
        np.full(len(scene.predictions), None, object),
        np.full(len(scene.truth), -1, np.int64),
        np.full(len(scene.predictions), -1, np.int64),
        outage,
        felt,
    )
    _inputs(outages, out)
    after = corrected(scene, systematic)
    _late(scene, systematic, after, out)
    _poor_partners(scene, out)
    _duplicates(scene, out)
    _world(scene, out)
    _imprecise(scene, systematic, after, out)
    return out


def _inputs(outages: Sequence[Outage], out: Assigned) -> None:
    for i in np.flatnonzero(out.outage >= 0):
        out.of_truth[i] = outages[out.outage[i]].cause


def _late(scene: Scene, systematic: Systematic, after: Columns, out: Assigned) -> None:
    """What is right once the delay is taken away."""
    if not systematic.late:
        return
    finds = match_labels(scene.truth, after, scene.config.match_distance_m)
    for j in np.flatnonzero((finds >= 0) & (scene.finds < 0)):
        out.of_predictions[j] = Cause.LATE
        out.prediction_partner[j] = finds[j]
    found_by = inverse(finds, len(scene.truth))
    for i in np.flatnonzero((found_by >= 0) & (scene.found_by < 0)):
        if out.of_truth[i] is None:
            out.of_truth[i] = Cause.LATE
            out.truth_partner[i] = found_by[i]


def _poor_partners(scene: Scene, out: Assigned) -> None:
    """Free true boxes and free predictions, nearest first: of another class, or of the same one but too far off."""
    for a, b in scene.frames():
        i = a.start + np.flatnonzero(_open(scene.found_by[a], out.of_truth[a]))
        j = b.start + np.flatnonzero(_open(scene.finds[b], out.of_predictions[b]))
        if not len(i) or not len(j):
            continue
        distance = _distance(scene, i, j)
        same = scene.truth.label[i][:, None] == scene.predictions.label[j][None]
        limit = np.where(same, scene.config.near_distance_m, scene.config.match_distance_m)
        both_unknown = same & (scene.truth.label[i] == UNKNOWN)[:, None]
        for r, c in greedy_pairs(np.where((distance < limit) & ~both_unknown, distance, np.inf)):
            cause = Cause.LOCALISATION if same[r, c] else Cause.CLASS
            out.of_truth[i[r]] = out.of_predictions[j[c]] = cause
            out.truth_partner[i[r]], out.prediction_partner[j[c]] = j[c], i[r]


def _duplicates(scene: Scene, out: Assigned) -> None:
    """A second prediction of a found object, or one within its footprint; a miss that shares its neighbour's."""
    for a, b in scene.frames():
        taken = a.start + np.flatnonzero(scene.found_by[a] >= 0)
        spare = b.start + np.flatnonzero(_open(scene.finds[b], out.of_predictions[b]))
        _nearest_within(scene, taken, spare, out)
        missed = a.start + np.flatnonzero(_open(scene.found_by[a], out.of_truth[a]))
        used = b.start + np.flatnonzero(scene.finds[b] >= 0)
        if len(missed) and len(used):
            covers = _inside(scene.predictions, used, scene.truth.center_m[missed])
            for c, r in zip(*np.nonzero(covers), strict=True):
                out.of_truth[missed[r]] = Cause.DUPLICATE
                out.truth_partner[missed[r]] = used[c]


def _nearest_within(scene: Scene, taken: I64, spare: I64, out: Assigned) -> None:
    if not len(taken) or not len(spare):
        return
    distance = _distance(scene, taken, spare)
    same = scene.truth.label[taken][:, None] == scene.predictions.label[spare][None]
    near = (distance < scene.config.match_distance_m) & same
    near |= _inside(scene.truth, taken, scene.predictions.center_m[spare])
    for c in np.flatnonzero(near.any(axis=0)):
        r = np.where(near[:, c], distance[:, c], np.inf).argmin()
        out.of_predictions[spare[c]] = Cause.DUPLICATE
        out.prediction_partner[spare[c]] = taken[r]


def _world(scene: Scene, out: Assigned) -> None:
    """What no prediction is near to: why it could not be seen, if that is known; and false alarms at nothing."""
    config = scene.config
    for i in np.flatnonzero(_open(scene.found_by, out.of_truth)):
        points = scene.truth.num_points[i]
        if scene.truth_range_m[i] > config.reach_m:
            out.of_truth[i] = Cause.OUT_OF_RANGE
        elif scene.hidden[i] >= config.hidden_share:
            out.of_truth[i] = Cause.OCCLUDED
        elif 0 <= points < config.min_points:
            out.of_truth[i] = Cause.TOO_FEW_POINTS
        else:
            out.of_truth[i] = Cause.UNEXPLAINED
    for j in np.flatnonzero(_open(scene.finds, out.of_predictions)):
        far = scene.prediction_range_m[j] > config.scored_range_m
        out.of_predictions[j] = Cause.OUT_OF_RANGE if far else Cause.BACKGROUND
    # Truth of an unknown class is not asked for, and a prediction of one claims nothing.
    out.of_truth[scene.truth.label == UNKNOWN] = None
    claims_nothing = (scene.predictions.label == UNKNOWN) & ~where(out.of_predictions, Cause.CLASS)
    out.of_predictions[claims_nothing] = None


def _imprecise(scene: Scene, systematic: Systematic, after: Columns, out: Assigned) -> None:
    """Matches with a poor box: late, off, turned, or of a wrong size, the first that holds."""
    config = scene.config
    i = np.flatnonzero(scene.found_by >= 0)
    j = scene.found_by[i]
    errors = pair_errors(scene.truth, i, scene.predictions, j)
    then = pair_errors(scene.truth, i, after, j)["translation"]
    off = errors["translation"] >= config.precise_distance_m
    late = systematic.late & off & (then < config.precise_distance_m)
    front = ~np.isin(scene.truth.label[i], [LABELS.index(name) for name in _NO_FRONT])
    turned = front & (errors["orientation"] > config.heading_error_rad)
    sized = 1 - errors["scale"] < config.size_iou
    chosen = np.select([late, off, turned, sized], [1, 2, 3, 4], 0)
    causes = np.array([None, Cause.LATE, Cause.LOCALISATION, Cause.HEADING, Cause.SIZE], object)
    out.of_truth[i] = causes[chosen]
    out.truth_partner[i] = np.where(chosen > 0, j, -1)


def _open(partner: I64, cause: Objects) -> npt.NDArray[np.bool_]:
    return (partner < 0) & where(cause, None)


def _distance(scene: Scene, i: I64, j: I64) -> F64:
    step = scene.truth.center_m[i, None, :2] - scene.predictions.center_m[None, j, :2]
    return np.asarray(np.hypot(step[..., 0], step[..., 1]))


def _inside(boxes: Columns, index: I64, points_m: F64) -> npt.NDArray[np.bool_]:
    """(K, N) whether the points (N, 3) are on the footprints of the boxes picked by `index` (K,)."""
    step = points_m[None, :, :2] - boxes.center_m[index, None, :2]
    cos, sin = np.cos(boxes.yaw_rad[index])[:, None], np.sin(boxes.yaw_rad[index])[:, None]
    along = step[..., 0] * cos + step[..., 1] * sin
    across = step[..., 1] * cos - step[..., 0] * sin
    half = boxes.lwh_m[index] / 2
    return np.asarray((np.abs(along) <= half[:, :1]) & (np.abs(across) <= half[:, 1:2]))


def greedy_pairs(cost: F64) -> list[tuple[int, int]]:
    """Pairs (row, column) by rising cost, each row and column once; inf is never paired."""
    rows, cols = np.nonzero(np.isfinite(cost))
    out: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_cols: set[int] = set()
    for k in np.argsort(cost[rows, cols], kind="stable"):
        r, c = int(rows[k]), int(cols[k])
        if r not in used_rows and c not in used_cols:
            used_rows.add(r)
            used_cols.add(c)
            out.append((r, c))
    return out
