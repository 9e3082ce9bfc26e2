"""The nuScenes tracking benchmark: AMOTA, AMOTP, and the usual figures at the threshold with the best MOTA.

Source: Weng et al., A Baseline for 3D Multi-Object Tracking, IROS 2020; Caesar et al., nuScenes, CVPR 2020; details as
nuscenes-devkit 1.2.0 with the configuration tracking_nips_2019 has them (definitions and figures only).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, InputError, check_ranges, param
from perception_nodes.evaluation.boxes import BoxFrame, Paired
from perception_nodes.evaluation.nuscenes_rules import (
    MAX_BOXES,
    TRACKING_RANGES_M,
    check_ranges_m,
    in_question,
)

from .nuscenes_events import Encounters, count_events, encounters
from .nuscenes_tracks import Interpolation, TrackBoxes, track_boxes, with_gaps_filled, with_mean_score

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_SUMS: Final = frozenset(
    {
        "true_positives",
        "id_switches",
        "false_positives",
        "false_negatives",
        "fragments",
        "mostly_tracked",
        "mostly_lost",
    }
)
_WORST_DISTANCE_M: Final = 2.0
_WORST: Final[Mapping[str, float]] = {
    "motar": 0.0,
    "mota": 0.0,
    "motp_m": _WORST_DISTANCE_M,
    "recall": 0.0,
    "true_positives": 0.0,
    "mostly_tracked": 0.0,
    "faf": 500.0,
    "tid_s": 20.0,
    "lgd_s": 20.0,
}


@dataclass(frozen=True)
class NuscenesTrackingConfig:
    """The numbers of the benchmark; the defaults are those of tracking_nips_2019."""

    class_range_m: Mapping[str, float] = field(default_factory=lambda: dict(TRACKING_RANGES_M))
    match_distance_m: float = param(
        2.0, "A pair lies below this distance of centres seen from above", low=0.01
    )
    min_recall: float = param(0.1, "Lowest recall of the averages", low=0.01, high=1.0)
    num_recalls: int = param(40, "Number of recalls up to 1 of the averages", low=2)
    max_boxes: int = param(MAX_BOXES, "Most predictions of a frame", low=1)
    frame_period_s: float = param(0.5, "Time that a frame stands for in TID and LGD", low=1e-3)

    def __post_init__(self) -> None:
        check_ranges(self)
        check_ranges_m("NuscenesTrackingConfig", self.class_range_m)


@dataclass(frozen=True)
class TrackingFigures:
    """The figures at one score threshold, and AMOTA and AMOTP over all; NaN where they are not defined.

    motar: MOTA at this recall, 0 ... 1, where recall counts matches only; motp_m: mean distance of the pairs;
    recall and precision count switches as found; true_positives: matches without switches; faf: false positives in
    100 frames; tid_s and lgd_s: time to the first match and longest gap, mean over the objects that were found.
    """

    amota: float
    amotp_m: float
    motar: float
    mota: float
    motp_m: float
    recall: float
    precision: float
    true_positives: float
    id_switches: float
    false_positives: float
    false_negatives: float
    fragments: float
    mostly_tracked: float
    mostly_lost: float
    faf: float
    tid_s: float
    lgd_s: float


_FIGURES: Final = tuple(f.name for f in dataclasses.fields(TrackingFigures))


@dataclass(frozen=True, eq=False)
class NuscenesTrackingClass:
    """One class: its figures at the score threshold with the best MOTA, and curves over recall.

    recall_aimed (R,) rising; threshold (R,) the score at which it should be reached, NaN where it never is; curves
    (R,) by the name of the figure (not amota, amotp_m).
    """

    num_truth: int
    num_tracks: int
    figures: TrackingFigures
    threshold: float
    recall_aimed: F64
    thresholds: F64
    curves: dict[str, F64]


@dataclass(frozen=True, eq=False)
class NuscenesTracking:
    """The scores of a recording: `figures` are sums (counts) and means (the rest) over the classes with truth."""

    scenes: int
    frames: int
    interpolation: Interpolation
    figures: TrackingFigures
    classes: dict[str, NuscenesTrackingClass]
    config: NuscenesTrackingConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the curves as lists; what is not defined is None."""
        out = _plain(dataclasses.asdict(self))
        assert isinstance(out, dict)
        return out


def nuscenes_tracking(
    scenes: Sequence[Paired],
    interpolation: Interpolation = "corrected",
    config: NuscenesTrackingConfig | None = None,
    racks: Sequence[Sequence[BoxFrame]] | None = None,
) -> NuscenesTracking:
    """Score tracks as the benchmark does; each scene is a recording of its own, in the order of time.

    The score of a track is the mean of its boxes' scores; gaps of true and predicted tracks are filled linearly
    (`with_gaps_filled` says what `corrected` and `parity` are). `num_points` of truth counts lidar and radar points
    (0: left out, -1: not counted, kept). `racks` are the bicycle racks of each frame of each scene.

    Differs: nuscenes-devkit takes distances from a product of matrices, which rounds to about 1e-6 m some hundred
    metres from the origin; here they are exact.

    Raises InputError for stamps that do not rise, frames that are not paired, too many predictions in a frame, a
    prediction without a score, and an unknown interpolation.
    """
    config = config or NuscenesTrackingConfig()
    if interpolation not in get_args(Interpolation):
        raise InputError(f"interpolation {interpolation!r}: wanted one of {get_args(Interpolation)}")
    true, ours, stamps = _prepared(scenes, interpolation, config, racks)
    classes = {}
    for name in config.class_range_m:
        a, b = (boxes.select(boxes.label == LABEL_INDEX[name]) for boxes in (true, ours))
        classes[name] = _class(encounters(a, b, len(stamps), config.match_distance_m), config)
    figures = _overall([c.figures for c in classes.values()])
    return NuscenesTracking(len(scenes), len(stamps), interpolation, figures, classes, config)


def _prepared(
    scenes: Sequence[Paired],
    mode: Interpolation,
    config: NuscenesTrackingConfig,
    racks: Sequence[Sequence[BoxFrame]] | None,
) -> tuple[TrackBoxes, TrackBoxes, I64]:
    """True and predicted tracks of all scenes, one after the other, and the stamps of their frames."""
    for scene in scenes:
        for before, after in pairwise(scene.truth):
            if after.stamp_ns <= before.stamp_ns:
                raise InputError(
                    f"truth: wanted stamps that rise, got {after.stamp_ns} after {before.stamp_ns}"
                )
    truth = [f for scene in scenes for f in scene.truth]
    predictions = [f for scene in scenes for f in scene.predictions]
    all_racks = None if racks is None else [f for frames in racks for f in frames]
    true, ours = in_question(truth, predictions, config.class_range_m, config.max_boxes, all_racks)
    scene_of = np.repeat(np.arange(len(scenes)), [len(s.truth) for s in scenes])
    stamps = np.array([f.stamp_ns for f in truth], np.int64)
    true_tracks = with_gaps_filled(track_boxes(true, scene_of), stamps, mode)
    our_tracks = with_gaps_filled(with_mean_score(track_boxes(ours, scene_of)), stamps, mode)
    return true_tracks, our_tracks, stamps


def _class(of: Encounters, config: NuscenesTrackingConfig) -> NuscenesTrackingClass:
    aimed = np.linspace(config.min_recall, 1, config.num_recalls).round(12)
    num_truth = len(of.track)
    if num_truth == 0:
        none = np.full(len(aimed), np.nan)
        curves = dict.fromkeys(_FIGURES[2:], none)
        return NuscenesTrackingClass(0, 0, _best(curves, none)[0], np.nan, aimed, none, curves)
    thresholds = _thresholds(of, aimed)
    used, back = np.unique(thresholds[~np.isnan(thresholds)], return_inverse=True)
    if len(used):
        values = _figures(count_events(of, used)[0], num_truth, config.frame_period_s)
        curves = {name: np.full(len(aimed), np.nan) for name in values}
        for name, value in values.items():
            curves[name][~np.isnan(thresholds)] = value[back]
    else:
        worst = {**_WORST, "mostly_lost": of.num_tracks, "false_negatives": num_truth}
        curves = {name: np.full(len(aimed), worst.get(name, np.nan)) for name in _FIGURES[2:]}
    figures, threshold = _best(curves, thresholds)
    return NuscenesTrackingClass(num_truth, of.num_tracks, figures, threshold, aimed, thresholds, curves)


def _thresholds(of: Encounters, aimed: F64) -> F64:
    """(R,) score at which each recall should be reached, from the scores of all matches; NaN beyond the last."""
    _, matched = count_events(of, np.array([-np.inf]))
    scores = np.sort(of.score[matched])[::-1]
    if not len(scores):
        return np.full(len(aimed), np.nan)
    recall = np.arange(1, len(scores) + 1) / len(of.track)
    return np.where(aimed > recall[-1], np.nan, np.interp(aimed, recall, scores, right=0))


def _figures(count: Mapping[str, F64], num_truth: int, period_s: float) -> dict[str, F64]:
    """Counts (K,) to figures (K,) of every name in TrackingFigures but the averages."""
    found = count["matches"] + count["switches"]
    wrong = count["misses"] + count["switches"] + count["false_positives"]
    recall = count["matches"] / num_truth
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = (wrong - (1 - recall) * num_truth) / (recall * num_truth)
        return {
            "motar": np.where(recall > 0, np.maximum(0.0, 1.0 - excess), np.nan),
            "mota": np.maximum(0.0, 1.0 - wrong / num_truth),
            "motp_m": count["distance_m"] / np.where(found > 0, found, np.nan),
            "recall": found / num_truth,
            "precision": found / (found + count["false_positives"]),
            "true_positives": count["matches"],
            "id_switches": count["switches"],
            "false_positives": count["false_positives"],
            "false_negatives": count["misses"],
            "fragments": count["fragments"],
            "mostly_tracked": count["mostly_tracked"],
            "mostly_lost": count["mostly_lost"],
            "faf": 100.0 * count["false_positives"] / count["frames"],
            "tid_s": period_s * count["frames_to_first"] / count["tracked"],
            "lgd_s": period_s * count["frames_of_gap"] / count["tracked"],
        }


def _best(curves: Mapping[str, F64], thresholds: F64) -> tuple[TrackingFigures, float]:
    """The figures where MOTA is highest (of equal ones at the highest recall), the averages, and the threshold."""
    if np.isnan(curves["mota"]).all():
        return TrackingFigures(**{name: float("nan") for name in _FIGURES}), float("nan")
    k = len(thresholds) - 1 - int(np.nanargmax(curves["mota"][::-1]))
    amota = float(np.nan_to_num(curves["motar"], nan=0.0).mean())
    amotp = float(np.nan_to_num(curves["motp_m"], nan=_WORST_DISTANCE_M).mean())
    values = {name: float(curves[name][k]) for name in _FIGURES[2:]}
    return TrackingFigures(amota, amotp, **values), float(thresholds[k])


def _overall(classes: Sequence[TrackingFigures]) -> TrackingFigures:
    out = {}
    for name in _FIGURES:
        known = [v for v in (getattr(c, name) for c in classes) if not np.isnan(v)]
        if name in _SUMS:
            out[name] = float(np.sum(known))
        else:
            out[name] = float(np.mean(known)) if known else float("nan")
    return TrackingFigures(**out)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [_plain(float(v)) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
