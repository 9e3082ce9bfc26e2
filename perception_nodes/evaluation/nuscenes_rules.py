"""Which boxes count in the nuScenes benchmarks, the same for detection and tracking.

Source: nuscenes-devkit 1.2.0, eval/common/loaders.py and the configurations detection_cvpr_2019 and
tracking_nips_2019 (definitions and figures only).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import (
    LABEL_INDEX,
    LABELS,
    NUM_LABELS,
    TWO_WHEELERS,
    ConfigurationError,
    InputError,
)

from .boxes import BoxFrame
from .columns import Columns

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DETECTION_RANGES_M: Final[Mapping[str, float]] = {
    "car": 50.0,
    "truck": 50.0,
    "bus": 50.0,
    "trailer": 50.0,
    "construction_vehicle": 50.0,
    "pedestrian": 40.0,
    "motorcycle": 40.0,
    "bicycle": 40.0,
    "traffic_cone": 30.0,
    "barrier": 30.0,
}
TRACKING_RANGES_M: Final[Mapping[str, float]] = {
    "bicycle": 40.0,
    "bus": 50.0,
    "car": 50.0,
    "motorcycle": 40.0,
    "pedestrian": 40.0,
    "trailer": 50.0,
    "truck": 50.0,
}
MAX_BOXES: Final = 500


def check_ranges_m(owner: str, class_range_m: Mapping[str, float]) -> None:
    """Raise ConfigurationError unless every class is in the taxonomy and every range is positive."""
    for name, limit in class_range_m.items():
        if name not in LABEL_INDEX or not limit > 0:
            raise ConfigurationError(
                f"{owner}.class_range_m: {name!r} = {limit}: wanted a class of {list(LABELS)} and a range > 0 m"
            )
    if not class_range_m:
        raise ConfigurationError(f"{owner}.class_range_m: wanted at least one class")


def in_question(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    class_range_m: Mapping[str, float],
    max_boxes: int = MAX_BOXES,
    racks: Sequence[BoxFrame] | None = None,
) -> tuple[Columns, Columns]:
    """The true boxes and the predictions that count; frames are already paired.

    Left out: classes without a range; what is not nearer to the ego than the range of its class (not where the ego
    is unknown); truth with no points at all; bicycles and motorcycles, true and predicted, whose centre lies in one of
    the bicycle racks of the frame (`racks`: one BoxFrame of rack boxes a frame, labels ignored).

    Raises InputError where frames are not paired, a label is not in the taxonomy, a frame has more than `max_boxes`
    predictions of these classes, or a prediction has no score.
    """
    for name, frames in (("predictions", predictions), ("racks", racks)):
        if frames is not None and len(frames) != len(truth):
            raise InputError(
                f"{name}: wanted a frame for each of the {len(truth)} of truth, got {len(frames)}"
            )
    limit = np.full(NUM_LABELS, -1.0)
    for name, range_m in class_range_m.items():
        limit[LABEL_INDEX[name]] = range_m
    true, ours = Columns.of(truth), Columns.of(predictions)
    for name, boxes in (("truth", true), ("predictions", ours)):
        alien = boxes.label[(boxes.label < 0) | (boxes.label >= NUM_LABELS)]
        if len(alien):
            raise InputError(
                f"{name}: label {alien[0]}: wanted an index into the taxonomy, 0 ... {NUM_LABELS - 1}"
            )
    ours = ours.select(limit[ours.label] > 0)
    _check_predictions(ours, truth, max_boxes)
    ego = np.array([np.full(2, np.nan) if f.ego_xy_m is None else f.ego_xy_m for f in truth]).reshape(-1, 2)
    true = true.select(_in_range(true, ego, limit) & (true.num_points != 0))
    ours = ours.select(_in_range(ours, ego, limit))
    if racks is None:
        return true, ours
    return true.select(~_in_rack(true, racks)), ours.select(~_in_rack(ours, racks))


def _check_predictions(ours: Columns, truth: Sequence[BoxFrame], max_boxes: int) -> None:
    bad = np.flatnonzero(np.isnan(ours.score))
    if len(bad):
        raise InputError(
            f"prediction {ours.id[bad[0]]} at {truth[ours.frame[bad[0]]].stamp_ns}: wanted a score, got NaN"
        )
    count = np.bincount(ours.frame, minlength=1)
    if count.max() > max_boxes:
        stamp = truth[int(count.argmax())].stamp_ns
        raise InputError(f"predictions at {stamp}: wanted at most {max_boxes} boxes, got {count.max()}")


def _in_range(boxes: Columns, ego_xy_m: F64, limit_m: F64) -> Mask:
    distance = np.linalg.norm(boxes.center_m[:, :2] - ego_xy_m[boxes.frame], axis=1)
    near = (distance < limit_m[boxes.label]) | np.isnan(distance)
    return np.asarray(near & (limit_m[boxes.label] > 0))


def _in_rack(boxes: Columns, racks: Sequence[BoxFrame]) -> Mask:
    """(B,) two-wheelers whose centre lies in a rack of their frame, its surface included."""
    out = np.zeros(len(boxes), bool)
    asked = np.isin(boxes.label, sorted(TWO_WHEELERS))
    for k in np.unique(boxes.frame[asked]):
        rows = np.flatnonzero(asked & (boxes.frame == k))
        rack = racks[k]
        step = boxes.center_m[rows, None] - rack.center_m[None]
        c, s = np.cos(rack.yaw_rad), np.sin(rack.yaw_rad)
        along, across = step[..., 0] * c + step[..., 1] * s, step[..., 1] * c - step[..., 0] * s
        local = np.stack([along, across, step[..., 2]], axis=-1)
        out[rows] = (np.abs(local) <= rack.lwh_m / 2).all(axis=-1).any(axis=1)
    return out
