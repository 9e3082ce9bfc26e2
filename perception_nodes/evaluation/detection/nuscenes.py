"""The nuScenes detection benchmark: mAP, the five errors of true positives, NDS.

Source: Caesar et al., nuScenes: A Multimodal Dataset for Autonomous Driving, CVPR 2020, and nuscenes-devkit 1.2.0,
eval/detection with the configuration detection_cvpr_2019 (definitions and figures only).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABEL_INDEX, ConfigurationError, InputError, check_ranges, param
from perception_nodes.evaluation.boxes import BoxFrame
from perception_nodes.evaluation.columns import Columns
from perception_nodes.evaluation.nuscenes_rules import (
    DETECTION_RANGES_M,
    MAX_BOXES,
    check_ranges_m,
    in_question,
)

from .curves import MIN_PRECISION, MIN_RECALL, PrecisionCurve, error_curve, precision_curve
from .matching import ERRORS, match_in_order, matches_of, pair_errors

F64 = npt.NDArray[np.float64]

# What has no front, speed or state to speak of.
_UNDEFINED: Final[Mapping[str, frozenset[str]]] = {
    "traffic_cone": frozenset({"orientation", "velocity", "attribute"}),
    "barrier": frozenset({"velocity", "attribute"}),
}


@dataclass(frozen=True)
class NuscenesDetectionConfig:
    """The numbers of the benchmark; the defaults are those of detection_cvpr_2019."""

    class_range_m: Mapping[str, float] = field(default_factory=lambda: dict(DETECTION_RANGES_M))
    distances_m: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    error_distance_m: float = param(
        2.0, "Match distance at which the errors are taken; one of distances_m", low=0.0
    )
    min_recall: float = param(MIN_RECALL, "Recalls up to this one do not count", low=0.0, high=0.99)
    min_precision: float = param(MIN_PRECISION, "Precision below this does not count", low=0.0, high=0.99)
    max_boxes: int = param(MAX_BOXES, "Most predictions of a frame", low=1)
    map_weight: float = param(5.0, "Weight of mAP in NDS, where an error weighs 1", low=0.0)

    def __post_init__(self) -> None:
        check_ranges(self)
        check_ranges_m("NuscenesDetectionConfig", self.class_range_m)
        if not all(d > 0 for d in self.distances_m) or self.error_distance_m not in self.distances_m:
            raise ConfigurationError(
                f"NuscenesDetectionConfig.distances_m = {self.distances_m}: wanted distances > 0 with"
                f" error_distance_m = {self.error_distance_m} among them"
            )


@dataclass(frozen=True, eq=False)
class NuscenesDetectionClass:
    """One class: `ap` and `curves` by match distance in m, `errors` and `error_curves` (101,) by name.

    Errors that are not defined for the class are NaN. Without truth AP is 0 and errors are 1, as in the benchmark.
    """

    num_truth: int
    num_predictions: int
    mean_ap: float
    ap: dict[float, float]
    errors: dict[str, float]
    curves: dict[float, PrecisionCurve]
    error_curves: dict[str, F64]


@dataclass(frozen=True, eq=False)
class NuscenesDetection:
    """The scores of a recording; `errors` are means over the classes: translation m, scale 1 - IoU, orientation
    rad, velocity m/s, attribute 1 - accuracy.
    """

    frames: int
    mean_ap: float
    nds: float
    errors: dict[str, float]
    classes: dict[str, NuscenesDetectionClass]
    config: NuscenesDetectionConfig

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the curves as lists; what is not defined is None."""
        out = _plain(dataclasses.asdict(self))
        assert isinstance(out, dict)
        return out


def nuscenes_detection(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    config: NuscenesDetectionConfig | None = None,
    racks: Sequence[BoxFrame] | None = None,
) -> NuscenesDetection:
    """Score detections as the benchmark does; frames are already paired (`pair_by_stamp`), in one fixed frame.

    `num_points` of truth counts lidar and radar points (0: left out, -1: not counted, kept). `racks` are the bicycle
    racks of each frame. Of equal scores the later prediction comes first, as in nuscenes-devkit.

    Raises InputError for frames that are not paired, too many predictions in a frame, a prediction without a score,
    and a size or heading that is missing or not positive.
    """
    config = config or NuscenesDetectionConfig()
    true, ours = in_question(truth, predictions, config.class_range_m, config.max_boxes, racks)
    _check_shapes("truth", true, truth)
    _check_shapes("prediction", ours, truth)
    classes = {
        name: _score(_of_class(true, name), _of_class(ours, name), name, config)
        for name in config.class_range_m
    }
    mean_ap = float(np.mean([c.mean_ap for c in classes.values()]))
    errors = {name: _mean_known([c.errors[name] for c in classes.values()]) for name in ERRORS}
    goodness = sum(max(0.0, 1.0 - e) for e in errors.values())
    nds = (config.map_weight * mean_ap + goodness) / (config.map_weight + len(errors))
    return NuscenesDetection(len(truth), mean_ap, nds, errors, classes, config)


def _of_class(boxes: Columns, name: str) -> Columns:
    return boxes.select(boxes.label == LABEL_INDEX[name])


def _check_shapes(kind: str, boxes: Columns, truth: Sequence[BoxFrame]) -> None:
    good = (boxes.lwh_m > 0).all(axis=1) & np.isfinite(boxes.lwh_m).all(axis=1) & np.isfinite(boxes.yaw_rad)
    bad = np.flatnonzero(~good)
    if len(bad):
        k = bad[0]
        raise InputError(
            f"{kind} {boxes.id[k]} at {truth[boxes.frame[k]].stamp_ns}: wanted sizes > 0 m and a heading, got"
            f" {boxes.lwh_m[k].tolist()} and {boxes.yaw_rad[k]}"
        )


def _score(
    true: Columns, ours: Columns, name: str, config: NuscenesDetectionConfig
) -> NuscenesDetectionClass:
    order = np.argsort(ours.score, kind="stable")[::-1]
    partners = match_in_order(true, ours, order, config.distances_m)
    matches = {d: matches_of(true, ours, order, p) for d, p in zip(config.distances_m, partners, strict=True)}
    curves = {d: precision_curve(m) for d, m in matches.items()}
    ap = {d: c.average_precision(config.min_recall, config.min_precision) for d, c in curves.items()}
    at = config.error_distance_m
    partner, curve = partners[config.distances_m.index(at)], curves[at]
    hit = partner >= 0
    errors = pair_errors(true, partner[hit], ours, order[hit], np.pi if name == "barrier" else 2 * np.pi)
    over_recall = {key: error_curve(matches[at], curve, e) for key, e in errors.items()}
    undefined = _UNDEFINED.get(name, frozenset())
    return NuscenesDetectionClass(
        num_truth=len(true),
        num_predictions=len(ours),
        mean_ap=float(np.mean(list(ap.values()))),
        ap=ap,
        errors={
            key: np.nan if key in undefined else curve.mean_error(e, config.min_recall)
            for key, e in over_recall.items()
        },
        curves=curves,
        error_curves=over_recall,
    )


def _mean_known(values: Sequence[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | tuple):
        return [_plain(float(v)) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
