"""Results as tables: a row for each true box, for each false alarm and for each frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, InputError
from perception_nodes.evaluation.boxes import BoxFrame
from perception_nodes.evaluation.detection.matching import pair_errors
from perception_nodes.evaluation.diagnosis import DiagnosedError, Diagnosis, Kind
from perception_nodes.evaluation.diagnosis.scene import Scene, build_scene
from perception_nodes.evaluation.diagnosis.systematic import ego_heading

F64 = npt.NDArray[np.float64]
Table = dict[str, npt.NDArray[Any]]

# Name -> (kind, what it is). Text, and integers that may be unknown, hold None; unknown floats are NaN.
OBJECT_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "stamp_ns": ("int", "measurement time"),
    "truth_id": ("int", "true object"),
    "label": ("text", "its class"),
    "x": ("float", "centre, m, frame of the truth"),
    "y": ("float", "centre, m, frame of the truth"),
    "range_m": ("float", "distance from the ego"),
    "bearing_rad": ("float", "from the direction in which the ego drives, left is positive"),
    "hidden": ("float", "share 0..1 hidden by other objects"),
    "num_points": ("int", "lidar points on it"),
    "speed_mps": ("float", "over ground"),
    "length_m": ("float", ""),
    "width_m": ("float", ""),
    "height_m": ("float", ""),
    "scored": ("bool", "counts for AP"),
    "matched": ("bool", "found by a prediction of its class"),
    "track_id": ("int", "prediction that found it"),
    "score": ("float", "of that prediction"),
    "distance_m": ("float", "between the centres seen from above"),
    "along_m": ("float", "prediction minus truth along the object's heading"),
    "across_m": ("float", "the same to its left"),
    "heading_error_rad": ("float", "0..pi"),
    "size_iou": ("float", "3D IoU with centres and headings made equal"),
    "velocity_error_mps": ("float", ""),
    "cause": ("text", "of a miss or an imprecise match"),
    "partner_id": ("int", "prediction that a miss should have been"),
}
FALSE_ALARM_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "stamp_ns": ("int", "measurement time"),
    "track_id": ("int", "prediction"),
    "label": ("text", "its class"),
    "score": ("float", ""),
    "x": ("float", "centre, m, frame of the truth"),
    "y": ("float", "centre, m, frame of the truth"),
    "range_m": ("float", "distance from the ego"),
    "speed_mps": ("float", "over ground"),
    "length_m": ("float", ""),
    "scored": ("bool", "counts for AP"),
    "cause": ("text", ""),
    "truth_id": ("int", "true object that it should have been, or disturbs"),
}
FRAME_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "stamp_ns": ("int", "measurement time"),
    "truth": ("int", "true boxes that count"),
    "matched": ("int", "of these found"),
    "false_alarms": ("int", "that count"),
    "crowd": ("int", "true boxes within the scored range"),
    "weather": ("text", "where known"),
    "light": ("text", "where known"),
    "sensor_set": ("text", "sensors behind the frame, where known"),
}


@dataclass(frozen=True)
class Conditions:
    """What is known about a frame besides its boxes; None unknown."""

    weather: str | None = None
    light: str | None = None
    sensor_set: str | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """Three tables, column name -> (R,) values; the columns are described by `*_COLUMNS`."""

    objects: Table
    false_alarms: Table
    frames: Table

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by their names in SQL."""
        return {"objects": self.objects, "frames": self.frames, "false_alarms": self.false_alarms}


COLUMNS: Final = {"objects": OBJECT_COLUMNS, "frames": FRAME_COLUMNS, "false_alarms": FALSE_ALARM_COLUMNS}


def slice_rows(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    diagnosis: Diagnosis,
    conditions: Mapping[int, Conditions] | None = None,
    hidden: Sequence[F64] | None = None,
) -> Rows:
    """Rows of the frames that `diagnosis` was made of; `conditions` by truth stamp, `hidden` as given to `diagnose`.

    Raises InputError if the frames are not those of the diagnosis.
    """
    scene = build_scene(truth, predictions, diagnosis.config, hidden)
    if (len(scene.truth), len(scene.predictions)) != (diagnosis.truth_boxes, diagnosis.predicted_boxes):
        raise InputError(
            f"rows: the diagnosis is of {diagnosis.truth_boxes} true and {diagnosis.predicted_boxes} predicted boxes,"
            f" the frames hold {len(scene.truth)} and {len(scene.predictions)}"
        )
    objects, alarms = _objects(scene, diagnosis), _false_alarms(scene, diagnosis)
    return Rows(objects, alarms, _frames(scene, objects, alarms, conditions or {}))


def _objects(scene: Scene, diagnosis: Diagnosis) -> Table:
    true = scene.truth
    hit = scene.found_by >= 0
    i, j = np.flatnonzero(hit), scene.found_by[hit]
    errors = pair_errors(true, i, scene.predictions, j)
    along, across = _turned(scene.predictions.center_m[j, :2] - true.center_m[i, :2], true.yaw_rad[i])
    of_box = {(e.stamp_ns, e.truth_id): e for e in diagnosis.errors if e.kind is not Kind.FALSE_ALARM}
    stamp = scene.stamp_ns[true.frame]
    mine = [of_box.get(key) for key in zip(stamp.tolist(), true.id.tolist(), strict=True)]
    return {
        "stamp_ns": stamp,
        "truth_id": true.id,
        "label": _names(true.label),
        "x": true.center_m[:, 0],
        "y": true.center_m[:, 1],
        "range_m": _known_range(scene, scene.truth_range_m, true.frame),
        "bearing_rad": _bearing(scene),
        "hidden": scene.hidden,
        "num_points": _or_none(true.num_points, true.num_points >= 0),
        "speed_mps": np.hypot(*true.velocity_mps.T),
        "length_m": true.lwh_m[:, 0],
        "width_m": true.lwh_m[:, 1],
        "height_m": true.lwh_m[:, 2],
        "scored": scene.truth_scored,
        "matched": hit,
        "track_id": _or_none(_spread_ids(scene.predictions.id[j], hit), hit),
        "score": _spread(scene.predictions.score[j], hit),
        "distance_m": _spread(errors["translation"], hit),
        "along_m": _spread(along, hit),
        "across_m": _spread(across, hit),
        "heading_error_rad": _spread(errors["orientation"], hit),
        "size_iou": _spread(1 - errors["scale"], hit),
        "velocity_error_mps": _spread(errors["velocity"], hit),
        "cause": _text([e.cause.value if e else None for e in mine]),
        "partner_id": _text([e.prediction_id if e and e.kind is Kind.MISS else None for e in mine]),
    }


def _false_alarms(scene: Scene, diagnosis: Diagnosis) -> Table:
    ours = scene.predictions
    of_box: dict[tuple[int, int | None], DiagnosedError] = {
        (e.stamp_ns, e.prediction_id): e for e in diagnosis.errors if e.kind is Kind.FALSE_ALARM
    }
    stamp = scene.stamp_ns[ours.frame]
    keys = list(zip(stamp.tolist(), ours.id.tolist(), strict=True))
    k = np.array([n for n, key in enumerate(keys) if key in of_box], np.int64)
    mine = [of_box[keys[n]] for n in k]
    return {
        "stamp_ns": stamp[k],
        "track_id": ours.id[k],
        "label": _names(ours.label[k]),
        "score": ours.score[k],
        "x": ours.center_m[k, 0],
        "y": ours.center_m[k, 1],
        "range_m": _known_range(scene, scene.prediction_range_m, ours.frame)[k],
        "speed_mps": np.hypot(*ours.velocity_mps[k].T),
        "length_m": ours.lwh_m[k, 0],
        "scored": scene.prediction_scored[k],
        "cause": _text([e.cause.value for e in mine]),
        "truth_id": _text([e.truth_id for e in mine]),
    }


def _frames(scene: Scene, objects: Table, alarms: Table, conditions: Mapping[int, Conditions]) -> Table:
    stamps = scene.stamp_ns
    count = len(stamps)
    asked = scene.truth_scored
    at = {int(s): k for k, s in enumerate(stamps)}
    of_alarm = np.array([at[int(s)] for s in alarms["stamp_ns"]], np.int64)
    known = [conditions.get(int(s), Conditions()) for s in stamps]
    near = scene.truth_range_m <= scene.config.scored_range_m
    return {
        "stamp_ns": stamps,
        "truth": np.bincount(scene.truth.frame[asked], minlength=count),
        "matched": np.bincount(scene.truth.frame[asked & objects["matched"]], minlength=count),
        "false_alarms": np.bincount(of_alarm[alarms["scored"].astype(bool)], minlength=count),
        "crowd": np.bincount(scene.truth.frame[near], minlength=count),
        "weather": _text([c.weather for c in known]),
        "light": _text([c.light for c in known]),
        "sensor_set": _text([c.sensor_set for c in known]),
    }


def _bearing(scene: Scene) -> F64:
    frame = scene.truth.frame
    step = scene.truth.center_m[:, :2] - scene.ego_xy_m[frame]
    turned = np.arctan2(step[:, 1], step[:, 0]) - ego_heading(scene)[frame]
    return np.asarray((turned + np.pi) % (2 * np.pi) - np.pi)


def _known_range(scene: Scene, range_m: F64, frame: npt.NDArray[np.int64]) -> F64:
    return np.where(np.isfinite(scene.ego_xy_m[frame]).all(axis=1), range_m, np.nan)


def _turned(step_m: F64, yaw_rad: F64) -> tuple[F64, F64]:
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return step_m[:, 0] * cos + step_m[:, 1] * sin, step_m[:, 1] * cos - step_m[:, 0] * sin


def _spread(values: F64, hit: npt.NDArray[np.bool_]) -> F64:
    out = np.full(len(hit), np.nan)
    out[hit] = values
    return out


def _spread_ids(values: npt.NDArray[np.int64], hit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    out = np.zeros(len(hit), np.int64)
    out[hit] = values
    return out


def _or_none(values: npt.NDArray[np.int64], known: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    return _text([int(v) if k else None for v, k in zip(values, known, strict=True)])


def _names(label: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    return _text([LABELS[k] for k in label])


def _text(values: Sequence[Any]) -> npt.NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out
