"""How much AP each cause costs: what mean AP would be if only that cause were mended."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import UNKNOWN
from perception_nodes.evaluation.columns import Columns
from perception_nodes.evaluation.detection.curves import average_precision
from perception_nodes.evaluation.detection.matching import match_in_order, matches_of

from .assign import Assigned
from .causes import Cause, where
from .scene import Scene
from .systematic import Systematic, corrected

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MENDED_IN_PLACE = (Cause.CLASS, Cause.LOCALISATION, Cause.LATE)


def mean_ap(truth: Columns, predictions: Columns, labels: list[int], distances_m: tuple[float, ...]) -> float:
    """nuScenes AP, mean over the match distances and over the classes in `labels`; NaN without classes."""
    values = []
    for label in labels:
        true = truth.select(truth.label == label)
        ours = predictions.select(predictions.label == label)
        order = np.argsort(-ours.score, kind="stable")
        partners = match_in_order(true, ours, order, distances_m)
        values += [average_precision(matches_of(true, ours, order, p)) for p in partners]
    return float(np.mean(values)) if values else float("nan")


def scored_labels(scene: Scene) -> list[int]:
    """Classes with scored truth."""
    return [int(k) for k in np.unique(scene.truth.label[scene.truth_scored]) if k != UNKNOWN]


def mended_ap(scene: Scene, assigned: Assigned, systematic: Systematic, cause: Cause | None) -> float:
    """Mean AP with one cause mended, or as it is (None).

    A wrong class or position is put right, a delay taken away, other false alarms are taken out, and other misses
    are not asked for (as TIDE does with missed truth). A false alarm that, put right, comes second stays one.
    """
    keep_truth, keep_ours = scene.truth_scored.copy(), scene.prediction_scored.copy()
    ours = scene.predictions
    if cause is not None:
        false = where(assigned.of_predictions, cause)
        missed = where(assigned.of_truth, cause) & (scene.found_by < 0)
        if cause in _MENDED_IN_PLACE:
            ours = _put_right(scene, assigned, systematic, cause)
            keep_ours |= false & _asked(scene, assigned)
        else:
            keep_ours &= ~false
            keep_truth &= ~missed
    # A class whose truth is all taken away drops out of the mean: it is not what the cause costs.
    labels = [k for k in scored_labels(scene) if (scene.truth.label[keep_truth] == k).any()]
    return mean_ap(scene.truth.select(keep_truth), ours.select(keep_ours), labels, scene.config.distances_m)


def _asked(scene: Scene, assigned: Assigned) -> Mask:
    """(P,) false alarms whose true box counts: of class unknown they join in once they have a class."""
    partner = assigned.prediction_partner
    known = scene.truth_scored[partner] if len(scene.truth) else np.zeros(len(partner), bool)
    return (partner >= 0) & known


def _put_right(scene: Scene, assigned: Assigned, systematic: Systematic, cause: Cause) -> Columns:
    ours = scene.predictions
    if cause is Cause.LATE:
        return corrected(scene, systematic)
    j = np.flatnonzero(where(assigned.of_predictions, cause))
    i = assigned.prediction_partner[j]
    if cause is Cause.CLASS:
        label = ours.label.copy()
        label[j] = scene.truth.label[i]
        return dataclasses.replace(ours, label=label)
    poor = np.flatnonzero(where(assigned.of_truth, cause) & (scene.found_by >= 0))
    i, j = np.concatenate([i, poor]), np.concatenate([j, scene.found_by[poor]])
    center = ours.center_m.copy()
    center[j] = scene.truth.center_m[i]
    return dataclasses.replace(ours, center_m=center)
