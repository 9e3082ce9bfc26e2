"""KITTI object detection: AP40, AP11 of image boxes, footprints and 3D boxes, and AOS, by difficulty.

Source: KITTI object development kit (Geiger et al., CVPR 2012), with 40 recall positions after Simonelli et al., ICCV
2019; details as OpenPCDet's kitti_object_eval_python has them (definitions only).

- A truth box counts if it is of the class and within the limits of the difficulty; of the class beyond the limits, or
  of a neighbouring class (Van, Person_sitting), it is neutral; else it does not exist. A result below the height limit
  is neutral, whatever its class; else it counts if it is of the class.
- Thresholds: truth boxes, in order, take the surest free result that overlaps enough; the scores of the hits give the
  thresholds (`recall_thresholds`). At each threshold truth boxes, in order, take the free counting result with the
  greatest overlap, or else the first neutral one. Neutral on either side is neither hit nor error.
- Results on a DontCare area are no false alarms (image boxes only).
- precision is made monotone by the maximum from the right; AP40 = mean over positions 1 .. 40, AP11 over 0, 4, .. 40.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation.kitti_objects import (
    DONT_CARE,
    NEIGHBOURS,
    KittiObjects,
    overlaps,
    recall_thresholds,
)
from perception_nodes.evaluation.overlap import image_cover

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

VIEWS: Final = ("2d", "bev", "3d")
STRICT: Final = {"Car": (0.7, 0.7, 0.7), "Pedestrian": (0.5, 0.5, 0.5), "Cyclist": (0.5, 0.5, 0.5)}
LOOSE: Final = {"Car": (0.7, 0.5, 0.5), "Pedestrian": (0.5, 0.25, 0.25), "Cyclist": (0.5, 0.25, 0.25)}
RECALLS: Final = np.linspace(0.0, 1.0, 41)
NO_ALPHA: Final = -10.0
_COUNTS, _NEUTRAL, _ABSENT = 0, 1, -1


@dataclass(frozen=True)
class Difficulty:
    """Truth counts when it is higher in the image than the limit, and not more occluded or truncated."""

    name: str
    height_px: float
    max_occluded: int
    max_truncated: float


DIFFICULTIES: Final = (
    Difficulty("easy", 40.0, 0, 0.15),
    Difficulty("moderate", 25.0, 1, 0.30),
    Difficulty("hard", 25.0, 2, 0.50),
)


@dataclass(frozen=True)
class KittiDetectionConfig:
    """min_overlap: class -> overlap that a hit exceeds, in each of `VIEWS` (`STRICT` is the benchmark's).

    sampling: "official" takes at most one threshold per recall position. With n < 41 truth boxes even perfect results
    then reach only (n - 1) / 40, because the kit has fewer thresholds than positions; "all" takes every score of a
    hit and reads the precision at the recall itself, which suits small sets and agrees on large ones.
    """

    min_overlap: dict[str, tuple[float, float, float]] = field(default_factory=lambda: dict(STRICT))
    difficulties: tuple[Difficulty, ...] = DIFFICULTIES
    sampling: str = "official"

    def __post_init__(self) -> None:
        if self.sampling not in ("official", "all"):
            raise ConfigurationError(f"sampling: wanted official or all, got {self.sampling!r}")
        for name in self.min_overlap:
            if name not in NEIGHBOURS:
                raise ConfigurationError(f"min_overlap: {name!r} is not one of {list(NEIGHBOURS)}")


@dataclass(frozen=True, eq=False)
class KittiCurve:
    """One class, view and difficulty. precision, orientation (41,) monotone, at the recalls 0, 1/40, ... 1.

    orientation: precision weighted by (1 + cos(error of alpha)) / 2; image boxes only, None where the results have no
    alpha. thresholds (T,): the scores at which the counts were taken. AP in percent, NaN without truth.
    """

    label: str
    view: str
    difficulty: str
    min_overlap: float
    num_truth: int
    thresholds: F64
    precision: F64
    orientation: F64 | None

    @property
    def ap40(self) -> float:
        """Mean precision at the recalls 1/40 .. 1, percent."""
        return self._mean(self.precision[1:])

    @property
    def ap11(self) -> float:
        """Mean precision at the recalls 0, 0.1, .. 1, percent."""
        return self._mean(self.precision[::4])

    @property
    def aos40(self) -> float:
        """As `ap40` of the orientation; NaN where there is none."""
        return float("nan") if self.orientation is None else self._mean(self.orientation[1:])

    @property
    def aos11(self) -> float:
        """As `ap11` of the orientation; NaN where there is none."""
        return float("nan") if self.orientation is None else self._mean(self.orientation[::4])

    def _mean(self, values: F64) -> float:
        return 100.0 * float(values.mean()) if self.num_truth else float("nan")


@dataclass(frozen=True)
class KittiDetection:
    """All curves of an evaluation."""

    frames: int
    curves: tuple[KittiCurve, ...]

    def curve(self, label: str, view: str, difficulty: str) -> KittiCurve:
        """The one of a class, view and difficulty; raises InputError if it was not evaluated."""
        for c in self.curves:
            if (c.label, c.view, c.difficulty) == (label, view, difficulty):
                return c
        raise InputError(f"no curve of {label!r}, {view!r}, {difficulty!r}")


def kitti_detection(
    truth: Sequence[KittiObjects], results: Sequence[KittiObjects], config: KittiDetectionConfig | None = None
) -> KittiDetection:
    """Score the results of each frame against its labels; frame i of one belongs to frame i of the other.

    Raises InputError if the numbers of frames differ, a score is missing or a result is a DontCare.
    """
    config = config or KittiDetectionConfig()
    if len(truth) != len(results):
        raise InputError(f"KITTI detection: {len(truth)} frames of labels and {len(results)} of results")
    for i, frame in enumerate(results):
        if not np.isfinite(frame.score).all():
            raise InputError(f"KITTI detection: frame {i}: a result has no finite score")
        if (frame.type == DONT_CARE).any():
            raise InputError(f"KITTI detection: frame {i}: a result is a {DONT_CARE} area")
    curves = []
    for v, view in enumerate(VIEWS):
        pairs = _pairs(truth, results, view)
        for label, wanted in config.min_overlap.items():
            stuff = _on_dont_care(truth, results, wanted[v]) if view == "2d" else None
            for difficulty in config.difficulties:
                case = _Case(label, view, difficulty, wanted[v])
                curves.append(_curve(case, truth, results, pairs, stuff, config.sampling))
    return KittiDetection(len(truth), tuple(curves))


class _Case(NamedTuple):
    label: str
    view: str
    difficulty: Difficulty
    min_overlap: float


class _Pairs(NamedTuple):
    """overlap: the matrices (results, truth) of all frames, flattened; *_start (F + 1,): where each frame begins."""

    overlap: F64
    start: I64
    truth_start: I64
    result_start: I64
    score: F64
    cos_alpha: F64


def _pairs(truth: Sequence[KittiObjects], results: Sequence[KittiObjects], view: str) -> _Pairs:
    each = [overlaps(r, t, view) for t, r in zip(truth, results, strict=True)]
    turned = [np.cos(t.alpha_rad[None] - r.alpha_rad[:, None]) for t, r in zip(truth, results, strict=True)]
    return _Pairs(
        _flat([m.ravel() for m in each]),
        _starts([m.size for m in each]),
        _starts([len(t) for t in truth]),
        _starts([len(r) for r in results]),
        _flat([r.score for r in results]),
        _flat([m.ravel() for m in turned]),
    )


def _flat(parts: Sequence[npt.NDArray[Any]]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


def _starts(counts: Sequence[int]) -> I64:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _on_dont_care(truth: Sequence[KittiObjects], results: Sequence[KittiObjects], share: float) -> Any:
    """(R,) results of all frames of which more than `share` lies in one DontCare area."""
    covered = [
        np.asarray((image_cover(r.bbox_px, t.bbox_px[t.type == DONT_CARE]) > share).any(axis=1))
        for t, r in zip(truth, results, strict=True)
    ]
    return _flat(covered).astype(bool)


def _truth_state(truth: KittiObjects, label: str, limit: Difficulty) -> I64:
    height = truth.bbox_px[:, 3] - truth.bbox_px[:, 1]
    beyond = (truth.occluded > limit.max_occluded) | (truth.truncated > limit.max_truncated)
    beyond |= height <= limit.height_px
    state = np.full(len(truth), _ABSENT)
    state[np.isin(truth.type, NEIGHBOURS[label])] = _NEUTRAL
    state[truth.type == label] = np.where(beyond, _NEUTRAL, _COUNTS)[truth.type == label]
    return state


def _result_state(results: KittiObjects, label: str, limit: Difficulty) -> I64:
    state = np.where(results.type == label, _COUNTS, _ABSENT)
    return np.where(results.height_px < limit.height_px, _NEUTRAL, state)


def _curve(
    case: _Case,
    truth: Sequence[KittiObjects],
    results: Sequence[KittiObjects],
    pairs: _Pairs,
    stuff: Any,
    sampling: str,
) -> KittiCurve:
    of_truth = _flat([_truth_state(t, case.label, case.difficulty) for t in truth]).astype(np.int64)
    of_results = _flat([_result_state(r, case.label, case.difficulty) for r in results]).astype(np.int64)
    states = (of_truth, of_results, np.zeros(len(of_results), bool) if stuff is None else stuff)
    total = int((of_truth == _COUNTS).sum())
    scores = _hit_scores(pairs, states, case.min_overlap)
    official = sampling == "official"
    thresholds = recall_thresholds(scores, total)[0] if official else np.unique(scores)[::-1].copy()
    counts = _count(pairs, states, case.min_overlap, thresholds)
    with_angle = case.view == "2d" and all((r.alpha_rad != NO_ALPHA).all() for r in results)
    shown = np.maximum(counts[:, 0] + counts[:, 1], 1.0)
    recall = np.arange(len(counts)) / 40.0 if official else counts[:, 0] / max(total, 1)
    return KittiCurve(
        *(case.label, case.view, case.difficulty.name, case.min_overlap, total, thresholds),
        precision=_at_recalls(recall, counts[:, 0] / shown),
        orientation=_at_recalls(recall, counts[:, 2] / shown) if with_angle else None,
    )


def _at_recalls(recall: F64, precision: F64) -> F64:
    """(41,) the greatest precision at each position or beyond it; 0 where the recall is not reached."""
    reached = recall[None] >= RECALLS[:, None] - 1e-9
    return np.asarray(np.where(reached, precision[None], 0.0).max(axis=1, initial=0.0))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _hit_scores(pairs: Any, states: Any, min_overlap: float) -> Any:
    """Scores of the hits when each truth box takes the surest free result."""
    of_truth, of_results, _ = states
    out, count = np.empty(len(of_truth)), 0
    taken = np.zeros(len(of_results), np.bool_)
    for f in range(len(pairs.start) - 1):
        n = pairs.truth_start[f + 1] - pairs.truth_start[f]
        for g in range(pairs.truth_start[f], pairs.truth_start[f + 1]):
            best = -1
            if of_truth[g] == _ABSENT:
                continue
            for r in range(pairs.result_start[f], pairs.result_start[f + 1]):
                at = pairs.start[f] + (r - pairs.result_start[f]) * n + g - pairs.truth_start[f]
                free = of_results[r] != _ABSENT and not taken[r] and pairs.overlap[at] > min_overlap
                if free and (best < 0 or pairs.score[r] > pairs.score[best]):
                    best = r
            if best >= 0:
                taken[best] = True
                if of_truth[g] == _COUNTS and of_results[best] == _COUNTS:
                    out[count] = pairs.score[best]
                    count += 1
    return out[:count]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(pairs: Any, states: Any, min_overlap: float, thresholds: Any) -> Any:
    """(T, 3) hits, false alarms, sum of (1 + cos) / 2 over the hits, at each threshold."""
    of_truth, of_results, stuff = states
    out = np.zeros((len(thresholds), 3))
    taken = np.zeros(len(of_results), np.bool_)
    for k in range(len(thresholds)):
        taken[:] = False
        for f in range(len(pairs.start) - 1):
            for g in range(pairs.truth_start[f], pairs.truth_start[f + 1]):
                if of_truth[g] == _ABSENT:
                    continue
                r, at = _best_overlap(pairs, of_results, taken, (f, g), (min_overlap, thresholds[k]))
                if r >= 0:
                    taken[r] = True
                    if of_truth[g] == _COUNTS and of_results[r] == _COUNTS:
                        out[k, 0] += 1
                        out[k, 2] += (1.0 + pairs.cos_alpha[at]) / 2.0
        for r in range(len(of_results)):
            alarm = of_results[r] == _COUNTS and not taken[r] and not stuff[r]
            out[k, 1] += alarm and pairs.score[r] >= thresholds[k]
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _best_overlap(pairs: Any, of_results: Any, taken: Any, where: Any, limits: Any) -> Any:
    """The free counting result that overlaps most, else the first neutral one; and the pair's index; -1 if none."""
    f, g = where
    min_overlap, threshold = limits
    n = pairs.truth_start[f + 1] - pairs.truth_start[f]
    best, best_at, neutral, neutral_at = -1, -1, -1, -1
    for r in range(pairs.result_start[f], pairs.result_start[f + 1]):
        at = pairs.start[f] + (r - pairs.result_start[f]) * n + g - pairs.truth_start[f]
        if taken[r] or pairs.score[r] < threshold or pairs.overlap[at] <= min_overlap:
            continue
        if of_results[r] == _COUNTS and (best < 0 or pairs.overlap[at] > pairs.overlap[best_at]):
            best, best_at = r, at
        elif of_results[r] == _NEUTRAL and neutral < 0:
            neutral, neutral_at = r, at
    if best >= 0:
        return best, best_at
    return neutral, neutral_at
