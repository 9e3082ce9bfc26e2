"""All scores of one run against its truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from perception_nodes.datatypes import CAR, LABELS, UNKNOWN, VEHICLES

from .boxes import BoxFrame, Paired, center_distance, pair_by_stamp
from .config import EvaluationConfig
from .detection import average_precision, hit_errors, match_by_score, mean_error
from .tracking import SimilarityFrame, clear, hota, idf1

F64 = npt.NDArray[np.float64]
Frames = tuple[BoxFrame, ...]

AP_DISTANCES_M: Final = (0.5, 1.0, 2.0, 4.0)
_ANY: Final = 1e-9

DEFINITIONS: Final = {
    "pairs": "2D centre distance below match_distance_m; a class by itself: a car called truck is a miss and a false"
    " alarm. The group 'vehicle' takes car, truck, bus, trailer and construction_vehicle as one class",
    "left_out": "truth beyond max_range_m or with fewer than min_points points, and predictions that lie on it",
    "ap": "nuScenes detection AP at the stated distances, score = existence",
    "clear": "MOTA, recall, precision, id switches of the published set (confirmed and coasting), CLEAR",
    "hota": "similarity = max(0, 1 - distance / match_distance_m), 19 thresholds",
    "near_cars": "cars with near_min_points points within near_range_m; recall: found by a prediction called car,"
    " recall_any_label: by a prediction of any class",
}


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class or group; NaN where they are not defined (no truth, no predictions)."""

    num_truth: int
    num_truth_tracks: int
    num_predictions: int
    ap: dict[str, float]
    recall: float
    precision: float
    mota: float
    mean_distance_m: float
    hota: float
    det_a: float
    ass_a: float
    idf1: float
    id_switches: int
    fragments: int
    false_positives: int
    false_negatives: int
    translation_error_m: float
    scale_error: float
    orientation_error_rad: float
    velocity_error_mps: float


@dataclass(frozen=True)
class NearCars:
    """The well-seen cars nearby."""

    num_truth: int
    num_truth_tracks: int
    recall: float
    recall_any_label: float
    precision: float
    id_switches: int


@dataclass(frozen=True)
class RunScores:
    """All scores of a run: per class name (those with truth or predictions) and for the group `vehicle`."""

    frames: int
    frames_without_prediction: int
    prediction_frames_without_truth: int
    classes: dict[str, ClassScores]
    near_cars: NearCars
    config: EvaluationConfig
    definitions: dict[str, str] = dataclasses.field(default_factory=lambda: dict(DEFINITIONS))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not defined is None."""
        out = _plain(dataclasses.asdict(self))
        assert isinstance(out, dict)
        return out


def evaluate_run(
    predictions: Sequence[BoxFrame], truth: Sequence[BoxFrame], config: EvaluationConfig | None = None
) -> RunScores:
    """Score the published objects against the truth; both in one fixed frame, in any order.

    Where truth frames know the ego's position (`ego_xy_m`), ranges are limited. Truth frames without a prediction
    within the tolerance count as missed entirely; predictions at stamps without truth are counted and left out.
    """
    config = config or EvaluationConfig()
    paired = pair_by_stamp(truth, predictions, round(config.stamp_tolerance_s * 1e9))
    scores = {
        name: class_scores(*class_frames(paired, labels, config), config)
        for name, labels in class_groups(paired).items()
    }
    return RunScores(
        len(paired.truth), paired.missing, paired.spare, scores, _near_cars(paired, config), config
    )


def class_groups(paired: Paired) -> dict[str, frozenset[int]]:
    """Labels of each class that occurs, by its name, and of the group `vehicle`."""
    present = np.unique(
        np.concatenate([f.label for f in (*paired.truth, *paired.predictions)] or [np.zeros(0, np.int64)])
    )
    groups = {LABELS[int(k)]: frozenset({int(k)}) for k in present if int(k) != UNKNOWN}
    return {**groups, "vehicle": frozenset(VEHICLES)}


def class_frames(paired: Paired, labels: frozenset[int], config: EvaluationConfig) -> tuple[Frames, Frames]:
    """Truth of these labels that is asked for, and the predictions that are held against it, frame by frame."""
    return _in_question(paired, labels, config.max_range_m, config.min_points, config.match_distance_m)


def similarity(distance_m: F64, match_distance_m: float) -> F64:
    """max(0, 1 - d / limit): 1 for equal centres, 0 at the limit and beyond."""
    return np.maximum(0.0, 1.0 - distance_m / match_distance_m)


def class_scores(truth: Frames, ours: Frames, config: EvaluationConfig) -> ClassScores:
    """Scores of one class from what `class_frames` gives."""
    matched = match_by_score(truth, ours, config.match_distance_m)
    errors = {name: mean_error(matched, e) for name, e in hit_errors(truth, ours, matched).items()}
    frames = similarities(truth, ours, config.match_distance_m)
    found, whole = clear(frames, _ANY), hota(frames)
    ids = {int(i) for f in truth for i in f.id}
    return ClassScores(
        num_truth=matched.num_truth,
        num_truth_tracks=len(ids),
        num_predictions=sum(len(f) for f in ours),
        ap={f"{d:g}": average_precision(match_by_score(truth, ours, d)) for d in AP_DISTANCES_M},
        recall=found.recall,
        precision=found.precision,
        mota=found.mota,
        mean_distance_m=(1.0 - found.motp) * config.match_distance_m,
        hota=whole.hota,
        det_a=whole.det_a,
        ass_a=whole.ass_a,
        idf1=idf1(frames, _ANY),
        id_switches=found.id_switches,
        fragments=found.fragments,
        false_positives=found.false_positives,
        false_negatives=found.false_negatives,
        translation_error_m=errors["translation"],
        scale_error=errors["scale"],
        orientation_error_rad=errors["orientation"],
        velocity_error_mps=errors["velocity"],
    )


def _near_cars(paired: Paired, config: EvaluationConfig) -> NearCars:
    limits = (config.near_range_m, config.near_min_points, config.match_distance_m)
    truth, ours = _in_question(paired, frozenset({CAR}), *limits)
    strict = clear(similarities(truth, ours, config.match_distance_m), _ANY)
    anything = clear(similarities(truth, paired.predictions, config.match_distance_m), _ANY)
    ids = {int(i) for f in truth for i in f.id}
    return NearCars(
        sum(len(f) for f in truth),
        len(ids),
        strict.recall,
        anything.recall,
        strict.precision,
        strict.id_switches,
    )


def _in_question(
    paired: Paired, labels: frozenset[int], range_m: float, min_points: int, match_m: float
) -> tuple[Frames, Frames]:
    """Truth of the class that is asked for, and the predictions that are held against it.

    Predictions out of range, and those that lie on truth of the class that is not asked for, are left out.
    """
    wanted = np.array(sorted(labels))
    all_truth, all_ours = [], []
    for truth, raw in zip(paired.truth, paired.predictions, strict=True):
        ours = dataclasses.replace(raw, ego_xy_m=truth.ego_xy_m)
        ours = ours.select(np.isin(ours.label, wanted) & (ours.range_m <= range_m))
        of_class = truth.select(np.isin(truth.label, wanted))
        enough = (of_class.num_points < 0) | (of_class.num_points >= min_points)
        asked = enough & (of_class.range_m <= range_m)
        all_ours.append(ours.select(~_on_left_out(of_class, ours, asked, match_m)))
        all_truth.append(of_class.select(asked))
    return tuple(all_truth), tuple(all_ours)


def _on_left_out(
    truth: BoxFrame, ours: BoxFrame, asked: npt.NDArray[np.bool_], match_m: float
) -> npt.NDArray[np.bool_]:
    """(M,) predictions whose best partner is a true box that is not asked for (asked ones have the first choice)."""
    distance = center_distance(truth, ours)
    gain = np.where(distance < match_m, 1.0 + similarity(distance, match_m) + 10.0 * asked[:, None], 0.0)
    rows, cols = linear_sum_assignment(-gain)
    out = np.zeros(len(ours), bool)
    out[cols[(gain[rows, cols] > 0) & ~asked[rows]]] = True
    return out


def similarities(truth: Frames, ours: Frames, match_m: float) -> list[SimilarityFrame]:
    """The frames as CLEAR, HOTA and IDF1 take them."""
    return [
        (t.id, p.id, similarity(center_distance(t, p), match_m)) for t, p in zip(truth, ours, strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
