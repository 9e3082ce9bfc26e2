"""Recall that counts what matters: objects that the vehicle is about to meet weigh more than those far off the path.

TTC-weighted recall, the ranks of risk and the support distance error below are our own definitions, made explicit
here; they follow ideas of: Bansal et al., "Risk Ranked Recall", arXiv 2106.04146 (recall for each of three ranks of
collision risk; its ranks come from another model of risk, so figures are not comparable); Deng et al., NeurIPS 2021,
arXiv 2112.07787 (support distance). Reaction time is in `streaming`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import LABELS, InputError

from .association import check_paired
from .boxes import BoxFrame
from .collision import (
    HORIZON_S,
    MovingBoxes,
    collision_reachable,
    openscenario_ttc,
    support_distance,
    time_to_collision,
)
from .columns import Columns
from .detection.matching import match_by_score
from .proportions import Share

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RANKS = ("imminent", "potential", "other")


@dataclass(frozen=True)
class SafetyConfig:
    """min_score: predictions below do not count; distance_m: a prediction of the same label closer than this finds an
    object; imminent_s: rank 1 meets the vehicle sooner; reach_s, reach_mps2: rank 2 could meet it if the relative
    motion changed by so much within that time.
    """

    min_score: float = 0.5
    distance_m: float = 2.0
    horizon_s: float = HORIZON_S
    imminent_s: float = 4.0
    reach_s: float = 3.0
    reach_mps2: float = 4.0

    def __post_init__(self) -> None:
        if not (self.distance_m > 0 and 0 < self.imminent_s <= self.horizon_s):
            raise InputError(
                f"SafetyConfig: wanted distance_m > 0 and 0 < imminent_s <= horizon_s, got {self}"
            )


@dataclass(frozen=True, eq=False)
class SafetyRows:
    """One row per true box, T in all: frame, row (T,) where it was; label; range_m of its centre from the vehicle's;
    ttc_s exact and openscenario_ttc_s (centre distance / closing speed); weight of `ttc_weight`; rank 1 ... 3, 0 where
    the motion is unknown (then times and weight are NaN); found (T,).
    """

    config: SafetyConfig
    frame: I64
    row: I64
    label: I64
    range_m: F64
    ttc_s: F64
    openscenario_ttc_s: F64
    weight: F64
    rank: I64
    found: BoolArray


@dataclass(frozen=True)
class RecallPart:
    """Recall among some of the objects: weighted sum found / sum, and plain; NaN without objects."""

    name: str
    weighted: float
    plain: Share
    weight: float


@dataclass(frozen=True)
class WeightedRecall:
    """TTC-weighted recall of all, by class and by range; `unknown` true boxes of unknown motion are left out."""

    config: SafetyConfig
    all: RecallPart
    by_class: tuple[RecallPart, ...]
    by_range: tuple[RecallPart, ...]
    unknown: int


@dataclass(frozen=True)
class RankedRecall:
    """Recall of each of the three ranks of risk; `unknown` true boxes of unknown motion are in none."""

    config: SafetyConfig
    ranks: tuple[RecallPart, RecallPart, RecallPart]
    unknown: int


@dataclass(frozen=True, eq=False)
class SupportErrors:
    """Support distance errors error_m (K,) of the objects found, predicted minus true: positive means that the object
    was reported further away than it is, which is the dangerous side. frame, truth_row, prediction_row (K,).
    """

    config: SafetyConfig
    error_m: F64
    frame: I64
    truth_row: I64
    prediction_row: I64

    @property
    def bias_m(self) -> float:
        """Mean error; NaN without pairs."""
        return float(self.error_m.mean()) if len(self.error_m) else float("nan")

    @property
    def mean_abs_m(self) -> float:
        """Mean of the error's amount; NaN without pairs."""
        return float(np.abs(self.error_m).mean()) if len(self.error_m) else float("nan")

    @property
    def p95_too_far_m(self) -> float:
        """95th percentile of the signed error, at least 0: how much nearer things are, at worst; NaN without pairs."""
        return float(max(np.percentile(self.error_m, 95), 0.0)) if len(self.error_m) else float("nan")


def ttc_weight(ttc_s: npt.ArrayLike) -> F64:
    """clip((8 s - TTC) / 6 s, 0.05, 1): 1 up to 2 s, then falling; 0.05 from 7.7 s on; NaN stays NaN."""
    return np.clip((8.0 - np.asarray(ttc_s, np.float64)) / 6.0, 0.05, 1.0)


def safety_rows(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    ego: MovingBoxes,
    config: SafetyConfig | None = None,
) -> SafetyRows:
    """Risk of each true box and whether it was found; frames are paired, `ego` has one rectangle per frame.

    Found: predictions of one label take, by falling score, the nearest free true box of that label. The true motion
    decides on the risk, not the predicted one. Rank 1 "imminent": TTC up to `imminent_s`. Rank 2 "potential": a TTC
    up to `horizon_s`, or a collision is reachable (`collision_reachable`). Rank 3: the rest.
    """
    config = config or SafetyConfig()
    check_paired(truth, predictions)
    if len(ego) != len(truth):
        raise InputError(f"safety: wanted one ego rectangle per frame ({len(truth)}), got {len(ego)}")
    columns: dict[str, list[npt.NDArray[np.float64]]] = {
        k: [np.zeros(0)] for k in ("range", "ttc", "os", "rank")
    }
    for k, frame in enumerate(truth):
        own, boxes = ego.row(k), MovingBoxes.of(frame)
        ttc = time_to_collision(own, boxes, config.horizon_s)
        near = collision_reachable(own, boxes, config.reach_mps2, config.reach_s)
        rank = np.where(ttc <= config.imminent_s, 1, np.where(np.isfinite(ttc) | near, 2, 3))
        columns["range"].append(np.linalg.norm(boxes.xy_m - own.xy_m, axis=1))
        columns["ttc"].append(ttc)
        columns["os"].append(np.where(np.isnan(ttc), np.nan, openscenario_ttc(own, boxes)))
        columns["rank"].append(np.where(np.isnan(ttc), 0, rank))
    joined = {k: np.concatenate(v) for k, v in columns.items()}
    count = [len(f) for f in truth]
    found = [np.zeros(n, bool) for n in count]
    for f, i, _ in _pairs(truth, predictions, config):
        found[f][i] = True
    return SafetyRows(
        config=config,
        frame=np.repeat(np.arange(len(truth)), count).astype(np.int64),
        row=np.concatenate([np.zeros(0, np.int64), *(np.arange(n) for n in count)]),
        label=np.concatenate([np.zeros(0, np.int64), *(f.label for f in truth)]),
        range_m=joined["range"],
        ttc_s=joined["ttc"],
        openscenario_ttc_s=joined["os"],
        weight=ttc_weight(joined["ttc"]),
        rank=joined["rank"].astype(np.int64),
        found=np.concatenate([np.zeros(0, bool), *found]),
    )


def ttc_weighted_recall(
    rows: SafetyRows, range_edges_m: Sequence[float] = (0.0, 20.0, 40.0, 60.0)
) -> WeightedRecall:
    """Sum of the weights of found objects / sum of all weights, with the parts by class and by range [low, high)."""
    if len(range_edges_m) < 2 or (np.diff(range_edges_m) <= 0).any():
        raise InputError(f"range edges: wanted two or more, ascending, got {list(range_edges_m)}")
    known = rows.rank > 0
    by_class = [
        _part(rows, known & (rows.label == c), LABELS[c]) for c in sorted(set(rows.label[known].tolist()))
    ]
    by_range = [
        _part(rows, known & (rows.range_m >= low) & (rows.range_m < high), f"{low:g}-{high:g} m")
        for low, high in pairwise(range_edges_m)
    ]
    whole = _part(rows, known, "all")
    return WeightedRecall(rows.config, whole, tuple(by_class), tuple(by_range), int((~known).sum()))


def risk_ranked_recall(rows: SafetyRows) -> RankedRecall:
    """Recall of the objects of each rank; the ranks are defined in `safety_rows`."""
    one, two, three = (_part(rows, rows.rank == k + 1, name) for k, name in enumerate(RANKS))
    return RankedRecall(rows.config, (one, two, three), int((rows.rank == 0).sum()))


def support_errors(
    truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], config: SafetyConfig | None = None
) -> SupportErrors:
    """Error of the distance from the ego's position to the box boundary seen from above, of the objects found.

    Of large and near objects the centre says little: where the near side is decides. Ours: the distance is taken from
    `ego_xy_m` to the nearest point of the rectangle (0 inside), at the stamp itself, not along a planned path, and
    reported in metres, not as an average precision. Raises InputError if a frame with boxes has no ego position.
    """
    config = config or SafetyConfig()
    check_paired(truth, predictions)
    without = [f.stamp_ns for f in truth if f.ego_xy_m is None and len(f)]
    if without:
        raise InputError(f"support distance: the truth frame at {without[0]} has no ego position")
    index = np.array(_pairs(truth, predictions, config), np.int64).reshape(-1, 3)
    ego = np.array([np.zeros(2) if f.ego_xy_m is None else f.ego_xy_m for f in truth]).reshape(-1, 2)
    true, ours = (
        support_distance(ego[index[:, 0]], _picked(frames, index[:, 0], rows))
        for frames, rows in ((truth, index[:, 1]), (predictions, index[:, 2]))
    )
    return SupportErrors(config, ours - true, index[:, 0], index[:, 1], index[:, 2])


def _picked(frames: Sequence[BoxFrame], frame: I64, row: I64) -> MovingBoxes:
    """The boxes at these frames and rows."""
    all_boxes = Columns.of(frames)
    k = all_boxes.first[frame] + row
    return MovingBoxes(
        all_boxes.xy_m[k], all_boxes.lwh_m[k, :2], all_boxes.yaw_rad[k], all_boxes.velocity_mps[k]
    )


def _pairs(
    truth: Sequence[BoxFrame], predictions: Sequence[BoxFrame], config: SafetyConfig
) -> list[tuple[int, int, int]]:
    """Frame, truth row, prediction row of the objects found, in that order."""
    for frame in predictions:
        if np.isnan(frame.score).any():
            raise InputError(f"predictions at {frame.stamp_ns}: a score is NaN, which cannot be ranked")
    out = []
    labels = {int(c) for frame in truth for c in np.unique(frame.label)}
    for c in sorted(labels):
        rows = [np.flatnonzero(t.label == c) for t in truth]
        ours = [np.flatnonzero((p.label == c) & (p.score >= config.min_score)) for p in predictions]
        match = match_by_score(
            [t.select(k) for t, k in zip(truth, rows, strict=True)],
            [p.select(k) for p, k in zip(predictions, ours, strict=True)],
            config.distance_m,
        )
        for k in np.flatnonzero(match.hit):
            f = int(match.frame[k])
            out.append((f, int(rows[f][match.truth_row[k]]), int(ours[f][match.prediction_row[k]])))
    return sorted(out)


def _part(rows: SafetyRows, mask: BoolArray, name: str) -> RecallPart:
    weight, found = rows.weight[mask], rows.found[mask]
    total = float(weight.sum())
    value = float(weight[found].sum()) / total if total else float("nan")
    return RecallPart(name, value, Share(int(found.sum()), len(found)), total)
