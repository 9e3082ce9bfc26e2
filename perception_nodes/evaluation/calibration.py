"""Whether scores mean what they say: of all that was given 0.8, eight in ten should be right.

A score that is NaN was not given: it is counted as `unscored` and left out. A score outside 0 ... 1 is an InputError.
Bins are (low, high], the first one holds 0 too. Fit a calibration on other data than these figures are made of.

Sources: Guo et al., ICML 2017 (ECE, reliability diagram); Kueppers et al., CVPRW 2020 (D-ECE); Oksuz et al., CVPR 2023
and Kuzucu et al., ECCV 2024, arXiv 2405.20459 (LaECE); Brier, Monthly Weather Review 1950; Wilson, JASA 1927.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError

from .association import check_paired, pair_nearest
from .boxes import BoxFrame
from .proportions import wilson_interval

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

CLASS_BINS = 15
DETECTION_BINS = 25


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram of B bins of equal width.

    edges (B + 1,); count (B,); confidence (B,) mean score and accuracy (B,) mean outcome, NaN in an empty bin;
    low, high (B,) 95 % Wilson interval of the accuracy; unscored: how many scores were NaN.
    """

    edges: F64
    count: I64
    confidence: F64
    accuracy: F64
    low: F64
    high: F64
    unscored: int

    @property
    def total(self) -> int:
        """How many scores are in the bins."""
        return int(self.count.sum())

    @property
    def ece(self) -> float:
        """Expected calibration error, sum of count / total * |accuracy - confidence|, 0..1; NaN without scores."""
        if not self.total:
            return float("nan")
        return float(np.nansum(self.count * np.abs(self.accuracy - self.confidence)) / self.total)

    @property
    def largest_gap(self) -> float:
        """Maximum calibration error: the greatest |accuracy - confidence| of a bin; NaN without scores."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence))) if self.total else float("nan")


@dataclass(frozen=True)
class ClassCalibration:
    """Calibration of a classifier.

    ece: of the label with the greatest probability; brier: mean of the squared distance to the true distribution
    (two or more classes: summed over classes, 0..2; binary: 0..1); nll: -mean log p(true), nat, infinite if something
    that happened was given 0, which `impossible` counts.
    """

    ece: float
    brier: float
    nll: float
    impossible: int
    diagram: Reliability


@dataclass(frozen=True)
class DetectionCalibration:
    """D-ECE, and by which rule a detection counted as right: e.g. "center_distance_m" below 2."""

    d_ece: float
    rule: str
    threshold: float
    diagram: Reliability


@dataclass(frozen=True)
class LocalizationCalibration:
    """LaECE: mean over the classes of `per_class` (label index, error, diagram against localisation quality)."""

    la_ece: float
    rule: str
    threshold: float
    per_class: tuple[tuple[int, float, Reliability], ...]


@dataclass(frozen=True)
class ExistenceReliability:
    """P(track is true | existence_probability) per box (`boxes`) and per whole track (`tracks`)."""

    distance_m: float
    boxes: Reliability
    tracks: Reliability


def reliability(score: npt.ArrayLike, outcome: npt.ArrayLike, bins: int = CLASS_BINS) -> Reliability:
    """Diagram of scores (N,) against outcomes (N,): right or wrong, or a quality between 0 and 1.

    Of qualities the Wilson intervals are wider than needed. They take the N as independent: boxes of one track are
    not, and then the intervals are too narrow.
    """
    score, outcome, unscored = _scored(score, outcome)
    if bins < 1:
        raise InputError(f"reliability: bins: wanted at least 1, got {bins}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.searchsorted(edges[1:-1], score, side="left")
    count = np.bincount(index, minlength=bins)
    right = np.bincount(index, outcome, bins)
    mean = [
        np.divide(total, count, out=np.full(bins, np.nan), where=count > 0)
        for total in (np.bincount(index, score, bins), right)
    ]
    # A sum of qualities may exceed the count by a rounding error.
    low, high = wilson_interval(np.minimum(right, count), count)
    return Reliability(edges, count.astype(np.int64), mean[0], mean[1], low, high, unscored)


def classification_calibration(
    probability: npt.ArrayLike, label: npt.ArrayLike, bins: int = CLASS_BINS
) -> ClassCalibration:
    """Calibration of class probabilities (N, C), rows that sum to 1, against the true labels (N,), 0 ... C - 1.

    A row with a NaN is `unscored`. Raises InputError on other values, shapes or labels.
    """
    p, truth = np.asarray(probability, np.float64), np.asarray(label)
    if p.ndim != 2 or p.shape[1] < 2 or truth.shape != p.shape[:1]:
        raise InputError(
            f"class probabilities: wanted (N, C >= 2) and labels (N,), got {p.shape}, {truth.shape}"
        )
    if truth.size and (truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= p.shape[1]):
        raise InputError(f"labels: wanted integers 0 ... {p.shape[1] - 1}, got {np.unique(truth).tolist()}")
    known = ~np.isnan(p).any(axis=1)
    q, truth = p[known], truth[known]
    if not ((q >= 0) & (q <= 1)).all() or (np.abs(q.sum(axis=1) - 1) > 1e-3).any():
        raise InputError("class probabilities: wanted rows between 0 and 1 that sum to 1")
    of_true = q[np.arange(len(q)), truth]
    right = np.zeros(len(p))
    right[known] = q.argmax(axis=1) == truth
    diagram = reliability(np.where(known, p.max(axis=1), np.nan), right, bins)
    brier = ((q - np.eye(p.shape[1])[truth]) ** 2).sum(axis=1)
    return ClassCalibration(diagram.ece, _mean(brier), _nll(of_true), int((of_true == 0).sum()), diagram)


def binary_calibration(
    probability: npt.ArrayLike, outcome: npt.ArrayLike, bins: int = CLASS_BINS
) -> ClassCalibration:
    """Calibration of the probability (N,) that something is so, against whether it was (N,), 0 or 1."""
    diagram = reliability(probability, outcome, bins)
    p, y, _ = _scored(probability, outcome)
    if not np.isin(y, (0.0, 1.0)).all():
        raise InputError("binary outcomes: wanted 0 and 1, got other values")
    of_true = np.where(y == 1, p, 1 - p)
    return ClassCalibration(
        diagram.ece, _mean((p - y) ** 2), _nll(of_true), int((of_true == 0).sum()), diagram
    )


def detection_calibration(
    score: npt.ArrayLike, hit: npt.ArrayLike, rule: str, threshold: float, bins: int = DETECTION_BINS
) -> DetectionCalibration:
    """D-ECE of detections: score (P,) against whether each was a hit (P,) by `rule` at `threshold`.

    D-ECE = sum over bins of count / P * |precision - mean score| (confidence only, no binning by place or size).
    Misses do not enter. The figure means nothing without the rule and threshold, so the result carries them.
    """
    diagram = reliability(score, hit, bins)
    return DetectionCalibration(diagram.ece, rule, threshold, diagram)


def localization_calibration(
    matches: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike],
    quality: npt.ArrayLike,
    rule: str,
    threshold: float,
    bins: int = DETECTION_BINS,
) -> LocalizationCalibration:
    """LaECE of detections `matches` = score (P,), label (P,), hit (P,), with quality (P,) 0..1 of the hits, e.g. IoU.

    Per class: sum over bins of count / P * |precision * mean quality of the hits - mean score|, that is D-ECE against
    the quality, 0 where there is no hit. Mean over the classes that were detected. What `quality` holds where there
    is no hit (NaN) does not matter; NaN of a hit is an InputError.
    """
    score, label, hit = (np.asarray(part) for part in matches)
    value = np.asarray(quality, np.float64)
    if not score.shape == label.shape == hit.shape == value.shape:
        shapes = [part.shape for part in (score, label, hit, value)]
        raise InputError(f"LaECE: wanted score, label, hit and quality of one length, got {shapes}")
    target = np.where(hit.astype(bool), value, 0.0)
    rows = []
    for c in np.unique(label):
        diagram = reliability(score[label == c], target[label == c], bins)
        rows.append((int(c), diagram.ece, diagram))
    errors = np.array([e for _, e, _ in rows])
    return LocalizationCalibration(_mean(errors[~np.isnan(errors)]), rule, threshold, tuple(rows))


def existence_reliability(
    truth: Sequence[BoxFrame],
    predictions: Sequence[BoxFrame],
    distance_m: float = 2.0,
    bins: int = 10,
    same_label: bool = False,
) -> ExistenceReliability:
    """Whether existence probabilities (`BoxFrame.score` of tracks) hold; frames are paired, in order of time.

    A box is true if it gets a true object in the assignment of its frame: closer than `distance_m`, of the same label
    only on demand (existence says that something is there, not what). A track counts once: with its mean probability,
    true if more than half of its scored boxes are. Objects without truth boxes make true tracks look false: cut both
    sides to the region that was annotated first.
    """
    check_paired(truth, predictions)
    ids, scores, trues = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, bool)]
    for true, ours in zip(truth, predictions, strict=True):
        matched = np.zeros(len(ours), bool)
        matched[pair_nearest(true, ours, distance_m, same_label=same_label)[1]] = True
        ids.append(ours.id)
        scores.append(ours.score)
        trues.append(matched)
    track, score, is_true = np.concatenate(ids), np.concatenate(scores), np.concatenate(trues)
    boxes = reliability(score, is_true, bins)
    scored = ~np.isnan(score)
    _, row = np.unique(track[scored], return_inverse=True)
    count = np.maximum(np.bincount(row), 1)
    # Rounding may carry a mean of ones above 1.
    mean = np.minimum(np.bincount(row, score[scored]) / count, 1.0)
    return ExistenceReliability(
        distance_m, boxes, reliability(mean, np.bincount(row, is_true[scored]) / count > 0.5, bins)
    )


def _scored(score: npt.ArrayLike, outcome: npt.ArrayLike) -> tuple[F64, F64, int]:
    """Scores that were given, their outcomes, and how many were not."""
    s, y = np.asarray(score, np.float64), np.asarray(outcome, np.float64)
    if s.ndim != 1 or s.shape != y.shape:
        raise InputError(f"calibration: wanted scores and outcomes (N,), got {s.shape} and {y.shape}")
    known = ~np.isnan(s)
    for name, values in (("score", s[known]), ("outcome", y[known])):
        wrong = values[~((values >= 0) & (values <= 1))]
        if len(wrong):
            raise InputError(
                f"calibration: {name}: wanted 0 ... 1, got {wrong[0]} ({len(wrong)} of {len(values)})"
            )
    return s[known], y[known], int((~known).sum())


def _nll(of_true: F64) -> float:
    with np.errstate(divide="ignore"):
        return _mean(-np.log(of_true))


def _mean(values: F64) -> float:
    return float(values.mean()) if len(values) else float("nan")
