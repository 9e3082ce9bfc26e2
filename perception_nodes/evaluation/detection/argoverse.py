"""Argoverse 2 3D detection: AP, translation, scale and orientation errors, and CDS.

Source: Wilson et al., Argoverse 2 (NeurIPS 2021 datasets track); details as av2 0.3.6, evaluation/detection (definition
only). Per sweep and category, boxes in the ego frame:

- Detections closer than 150 m, the surest 100 of them; truth closer than 150 m with at least one lidar point. (The
  benchmark also leaves out what lies off its map's region of interest: give that as `in_roi`.)
- Each detection goes for the truth whose centre is nearest (3D). Of those that go for the same truth the surest is the
  candidate, a hit if it is closer than the threshold; all others are false alarms.
- AP: precision made monotone, read at 101 recalls, mean; mAP over 0.5, 1, 2, 4 m. Errors of the hits at 2 m: distance,
  1 - IoU with centres and axes aligned, difference of yaw in 0..pi. CDS = mAP * mean(1 - ATE / 2 m, 1 - ASE,
  1 - AOE / pi).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.geometry import wrap_angle

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

CATEGORIES: Final = (
    "ARTICULATED_BUS",
    "BICYCLE",
    "BICYCLIST",
    "BOLLARD",
    "BOX_TRUCK",
    "BUS",
    "CONSTRUCTION_BARREL",
    "CONSTRUCTION_CONE",
    "DOG",
    "LARGE_VEHICLE",
    "MESSAGE_BOARD_TRAILER",
    "MOBILE_PEDESTRIAN_CROSSING_SIGN",
    "MOTORCYCLE",
    "MOTORCYCLIST",
    "PEDESTRIAN",
    "REGULAR_VEHICLE",
    "SCHOOL_BUS",
    "SIGN",
    "STOP_SIGN",
    "STROLLER",
    "TRUCK",
    "TRUCK_CAB",
    "VEHICULAR_TRAILER",
    "WHEELCHAIR",
    "WHEELED_DEVICE",
    "WHEELED_RIDER",
)
# In the annotations, but not in the competition.
UNSCORED: Final = ("ANIMAL", "EGO_VEHICLE", "OFFICIAL_SIGNALER", "RAILED_VEHICLE", "TRAFFIC_LIGHT_TRAILER")
RECALLS: Final = np.linspace(0.0, 1.0, 101)
_EPS: Final = float(np.finfo(np.float64).eps)
_NUMBERS: Final = ("length_m", "width_m", "height_m", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")


@dataclass(frozen=True, eq=False)
class ArgoverseBoxes:
    """N boxes of all sweeps, ego frame of their sweep. Raises InputError on unequal lengths and unknown categories.

    log_id, category (N,); timestamp_ns (N,); center_m, lwh_m (N, 3); yaw_rad (N,); score (N,) NaN for truth;
    num_points (N,) lidar points inside, -1 not counted (detections); in_roi (N,) is within the region of interest;
    track_uuid (N,) or None.
    """

    log_id: npt.NDArray[np.str_]
    timestamp_ns: I64
    category: npt.NDArray[np.str_]
    center_m: F64
    lwh_m: F64
    yaw_rad: F64
    score: F64
    num_points: I64
    in_roi: Bool
    track_uuid: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        n = len(self.log_id)
        for name in self._arrays:
            wanted = (n, 3) if name in ("center_m", "lwh_m") else (n,)
            if (got := getattr(self, name).shape) != wanted:
                raise InputError(f"ArgoverseBoxes: {name}: wanted shape {wanted}, got {got}")
        for name in ("center_m", "lwh_m", "yaw_rad"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"ArgoverseBoxes: {name}: a value is not finite")
        unknown = sorted(set(np.unique(self.category).tolist()) - {*CATEGORIES, *UNSCORED})
        if unknown:
            raise InputError(
                f"ArgoverseBoxes: category {unknown[0]!r} is not one of {[*CATEGORIES, *UNSCORED]}"
            )

    def __len__(self) -> int:
        return len(self.log_id)

    @property
    def _arrays(self) -> list[str]:
        return [f.name for f in fields(self) if getattr(self, f.name) is not None]

    def select(self, index: npt.NDArray[Any]) -> ArgoverseBoxes:
        """The boxes picked by a boolean mask or an integer index."""
        return replace(self, **{name: getattr(self, name)[index] for name in self._arrays})

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> ArgoverseBoxes:
        """From the columns of an Argoverse 2 table (`tx_m`, `qw`, `length_m`, ...); raises InputError naming a column.

        `score`, `num_interior_pts` and `track_uuid` may be missing.
        """
        needed = ("log_id", "timestamp_ns", "category", *_NUMBERS)
        if missing := [name for name in needed if name not in columns]:
            raise InputError(f"Argoverse 2 table: column {missing[0]!r} is missing")
        n = len(columns["log_id"])
        v = {name: np.asarray(columns[name], np.float64) for name in _NUMBERS}
        uuid = columns.get("track_uuid")
        return cls(
            log_id=np.asarray(columns["log_id"], np.str_),
            timestamp_ns=np.asarray(columns["timestamp_ns"], np.int64),
            category=np.asarray(columns["category"], np.str_),
            center_m=np.stack([v["tx_m"], v["ty_m"], v["tz_m"]], axis=-1),
            lwh_m=np.stack([v["length_m"], v["width_m"], v["height_m"]], axis=-1),
            yaw_rad=_yaw(np.stack([v["qw"], v["qx"], v["qy"], v["qz"]], axis=-1)),
            score=np.asarray(columns.get("score", np.full(n, np.nan)), np.float64),
            num_points=np.asarray(columns.get("num_interior_pts", np.full(n, -1)), np.int64),
            in_roi=np.ones(n, bool),
            track_uuid=None if uuid is None else np.asarray(uuid, np.str_),
        )


def _yaw(quaternion_wxyz: F64) -> F64:
    """(N,) heading of the x axis; 0 where it points straight up or down, as SciPy's Euler angles have it."""
    norm = (quaternion_wxyz**2).sum(axis=-1)
    if not (norm > 1e-12).all():
        raise InputError("Argoverse 2 table: a quaternion has no length or is not finite")
    w, x, y, z = (quaternion_wxyz / np.sqrt(norm)[:, None]).T
    east, north = 1 - 2 * (y * y + z * z), 2 * (x * y + w * z)
    return np.where(np.hypot(east, north) < 1e-7, 0.0, np.arctan2(north, east))


@dataclass(frozen=True)
class ArgoverseDetectionConfig:
    """Distances of a hit, the one at which errors are taken, range, detections a sweep and category, categories."""

    thresholds_m: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    error_threshold_m: float = 2.0
    max_range_m: float = 150.0
    max_detections: int = 100
    categories: tuple[str, ...] = CATEGORIES


@dataclass(frozen=True, eq=False)
class ArgoverseCategory:
    """Scores of one category. precision (T, 101) at `RECALLS`, by threshold; ap (T,).

    Without truth or without a hit: AP 0, ATE the threshold, ASE 1, AOE pi, CDS 0, as the tool has it.
    """

    category: str
    num_truth: int
    num_detections: int
    precision: F64
    translation_error_m: float
    scale_error: float
    orientation_error_rad: float
    cds: float

    @property
    def ap(self) -> F64:
        """(T,) average precision at each threshold."""
        return np.asarray(self.precision.mean(axis=1))

    @property
    def mean_ap(self) -> float:
        """Mean over the thresholds (the tool's AP)."""
        return float(self.ap.mean())


@dataclass(frozen=True)
class ArgoverseDetection:
    """All categories that were asked for, and the means over them.

    The means are over all categories, also those without truth, as the tool has it; `present` keeps those with truth.
    """

    categories: dict[str, ArgoverseCategory]

    def mean(self, present: bool = False) -> dict[str, float]:
        """AP, ATE, ASE, AOE, CDS, averaged; NaN if there is no category."""
        chosen = [c for c in self.categories.values() if c.num_truth or not present]
        rows = [
            (c.mean_ap, c.translation_error_m, c.scale_error, c.orientation_error_rad, c.cds) for c in chosen
        ]
        means = np.mean(rows, axis=0).tolist() if rows else [float("nan")] * 5
        return dict(zip(("AP", "ATE", "ASE", "AOE", "CDS"), means, strict=True))


def argoverse_detection(
    truth: ArgoverseBoxes, detections: ArgoverseBoxes, config: ArgoverseDetectionConfig | None = None
) -> ArgoverseDetection:
    """Score detections against truth; sweeps are joined by log and timestamp.

    Equal scores: the earlier row first. Raises InputError if a detection has no finite score, or if no truth has its
    points counted.
    """
    config = config or ArgoverseDetectionConfig()
    if not np.isfinite(detections.score).all():
        raise InputError("Argoverse 2 detection: a detection has no finite score")
    if (truth.num_points < 0).any():
        raise InputError(
            "Argoverse 2 detection: truth without num_interior_pts: the protocol asks for >= 1 point"
        )
    truth = truth.select(truth.in_roi & (truth.num_points > 0) & _near(truth, config))
    detections = detections.select(detections.in_roi & _near(detections, config))
    detections = detections.select(
        np.lexsort((-detections.score, detections.timestamp_ns, detections.log_id))
    )
    return ArgoverseDetection(
        {
            name: _category(name, truth.select(truth.category == name), detections, config)
            for name in config.categories
        }
    )


def _near(boxes: ArgoverseBoxes, config: ArgoverseDetectionConfig) -> Bool:
    return np.asarray(np.linalg.norm(boxes.center_m, axis=1) < config.max_range_m)


def _category(
    name: str, truth: ArgoverseBoxes, detections: ArgoverseBoxes, config: ArgoverseDetectionConfig
) -> ArgoverseCategory:
    ours = detections.select(detections.category == name)
    partner = np.full(len(ours), -1, np.int64)
    kept = np.zeros(len(ours), bool)
    rows_of_truth, rows_of_ours = _sweeps(truth), _sweeps(ours)
    for sweep, rows in rows_of_ours.items():
        top = rows[: config.max_detections]
        kept[top] = True
        asked = rows_of_truth.get(sweep)
        if asked is None:
            continue
        distance = np.linalg.norm(ours.center_m[top, None] - truth.center_m[None, asked], axis=-1)
        # The surest that goes for a truth is the first one: the rows fall by score.
        goes_for, first = np.unique(distance.argmin(axis=1), return_index=True)
        partner[top[first]] = asked[goes_for]
    order = np.flatnonzero(kept)
    order = order[np.argsort(-ours.score[order], kind="stable")]
    return _scores(name, truth, ours.select(order), partner[order], config)


def _sweeps(boxes: ArgoverseBoxes) -> dict[tuple[str, int], I64]:
    """Rows of each sweep, in their order."""
    rows: dict[tuple[str, int], list[int]] = {}
    for i, key in enumerate(zip(boxes.log_id.tolist(), boxes.timestamp_ns.tolist(), strict=True)):
        rows.setdefault(key, []).append(i)
    return {key: np.array(of_sweep, np.int64) for key, of_sweep in rows.items()}


def _scores(
    name: str, truth: ArgoverseBoxes, ours: ArgoverseBoxes, partner: I64, config: ArgoverseDetectionConfig
) -> ArgoverseCategory:
    has = partner >= 0
    distance = np.full(len(ours), np.inf)
    distance[has] = np.linalg.norm(ours.center_m[has] - truth.center_m[partner[has]], axis=1)
    precision = np.stack([_precision(distance < t, len(truth)) for t in config.thresholds_m])
    hit = distance < config.error_threshold_m
    limits = np.array([config.error_threshold_m, 1.0, np.pi])
    errors = limits
    if hit.any():
        errors = np.mean(_errors(truth.select(partner[hit]), ours.select(hit)), axis=1)
    return ArgoverseCategory(
        category=name,
        num_truth=len(truth),
        num_detections=len(ours),
        precision=precision,
        translation_error_m=float(errors[0]),
        scale_error=float(errors[1]),
        orientation_error_rad=float(errors[2]),
        cds=float(precision.mean(axis=1).mean() * np.mean(1 - errors / limits)),
    )


def _precision(hit: Bool, num_truth: int) -> F64:
    """(101,) greatest precision at each recall or beyond it, interpolated linearly between the detections."""
    if not num_truth or not len(hit):
        return np.zeros(len(RECALLS))
    found = np.cumsum(hit)
    precision = found / (np.arange(1, len(hit) + 1) + _EPS)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return np.asarray(np.interp(RECALLS, found / num_truth, precision, right=0.0))


def _errors(truth: ArgoverseBoxes, ours: ArgoverseBoxes) -> F64:
    """(3, K) distance m, 1 - aligned IoU, difference of yaw rad, of pairs."""
    common = np.minimum(truth.lwh_m, ours.lwh_m).prod(axis=1)
    either = np.maximum(truth.lwh_m, ours.lwh_m).prod(axis=1)
    return np.stack(
        [
            np.linalg.norm(ours.center_m - truth.center_m, axis=1),
            1 - common / either,
            np.abs(wrap_angle(ours.yaw_rad - truth.yaw_rad)),
        ]
    )
