"""COCO detection of image boxes: AP over overlaps, object sizes, and recall with few detections.

Source: Lin et al., Microsoft COCO, ECCV 2014; details as pycocotools 2.0.11 (definitions only). Per class and image:

- Truth that is a crowd, or whose area lies outside the size range, is neutral. The surest 100 detections of a class
  count. By falling score each takes the free truth with the greatest overlap at or above the threshold, ordinary
  truth before neutral; a crowd may be taken often, and the overlap with it is the share of the detection within it.
- A detection on neutral truth, or without partner and outside the size range, is neither hit nor false alarm.
- Precision over all images is made monotone and read at 101 recalls. AP is the mean over the overlaps 0.5, 0.55 .. 0.95
  and the classes with truth; AR the mean of the greatest recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation.overlap import image_area, image_cover, image_iou

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

OVERLAPS: Final = np.linspace(0.5, 0.95, 10)
RECALLS: Final = np.linspace(0.0, 1.0, 101)
SIZES_PX2: Final = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
MAX_DETECTIONS: Final = (1, 10, 100)
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class CocoImage:
    """Truth and detections of one image; boxes left, top, right, bottom.

    truth_px (G, 4), truth_label (G,), crowd (G,); area_px2 (G,) of the object's outline, or None: of its box;
    box_px (D, 4), label (D,), score (D,). Raises InputError on other shapes and on numbers that are not finite.
    """

    truth_px: F64
    truth_label: I64
    box_px: F64
    label: I64
    score: F64
    crowd: Bool | None = None
    area_px2: F64 | None = None

    def __post_init__(self) -> None:
        n, m = len(self.truth_label), len(self.label)
        shapes = {"truth_px": (n, 4), "crowd": (n,), "area_px2": (n,), "box_px": (m, 4), "score": (m,)}
        for name, wanted in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            if value.shape != wanted:
                raise InputError(f"CocoImage: {name}: wanted shape {wanted}, got {value.shape}")
            if not np.isfinite(value).all():
                raise InputError(f"CocoImage: {name}: a value is not finite: {value.tolist()}")


@dataclass(frozen=True, eq=False)
class CocoDetection:
    """precision (T, 101, K, A, M), recall (T, K, A, M): by overlap, class, size and number of detections; -1 no truth.

    labels (K,) the classes with truth or detections; A as in `SIZES_PX2`, M as in `MAX_DETECTIONS`.
    """

    labels: tuple[int, ...]
    num_truth: tuple[int, ...]
    precision: F64
    recall: F64

    def average_precision(
        self, overlap: float | None = None, size: str = "all", label: int | None = None
    ) -> float:
        """AP at one overlap or over all ten, of one class or of all; NaN without truth."""
        values = self.precision[..., list(SIZES_PX2).index(size), -1]
        if overlap is not None:
            values = values[np.isclose(OVERLAPS, overlap)]
        return _mean(values if label is None else values[..., self.labels.index(label)])

    def average_recall(self, detections: int = 100, size: str = "all") -> float:
        """AR with at most `detections` an image and class; NaN without truth."""
        return _mean(self.recall[..., list(SIZES_PX2).index(size), MAX_DETECTIONS.index(detections)])

    def summary(self) -> dict[str, float]:
        """The twelve figures of the benchmark, 0..1."""
        sizes = ("small", "medium", "large")
        out = {"AP": self.average_precision()}
        out |= {f"AP{round(100 * t)}": self.average_precision(t) for t in (0.5, 0.75)}
        out |= {f"AP_{size}": self.average_precision(size=size) for size in sizes}
        out |= {f"AR{n}": self.average_recall(n) for n in MAX_DETECTIONS}
        return out | {f"AR_{size}": self.average_recall(size=size) for size in sizes}


def coco_detection(images: Sequence[CocoImage]) -> CocoDetection:
    """Score the detections of all images. Equal scores: the earlier image and row first."""
    given = [np.zeros(0, np.int64), *(a for i in images for a in (i.truth_label, i.label))]
    labels = np.unique(np.concatenate(given))
    shape = (len(OVERLAPS), len(RECALLS), len(labels), len(SIZES_PX2), len(MAX_DETECTIONS))
    precision = np.full(shape, -1.0)
    recall = np.full(shape[:1] + shape[2:], -1.0)
    for k, label in enumerate(labels.tolist()):
        cases = [_Case.of(image, label) for image in images]
        for a, limits in enumerate(SIZES_PX2.values()):
            events = [_events(case, limits) for case in cases]
            for m, most in enumerate(MAX_DETECTIONS):
                precision[:, :, k, a, m], recall[:, k, a, m] = _curves(events, most)
    truth = [sum(int((i.truth_label == label).sum()) for i in images) for label in labels.tolist()]
    return CocoDetection(tuple(int(v) for v in labels), tuple(truth), precision, recall)


class _Case(NamedTuple):
    """One class in one image; detections by falling score. overlap (D, G), size (G,), crowd (G,), own (D,) area."""

    overlap: F64
    size: F64
    crowd: Bool
    score: F64
    own: F64

    @classmethod
    def of(cls, image: CocoImage, label: int) -> _Case:
        of_truth, rows = image.truth_label == label, np.flatnonzero(image.label == label)
        rows = rows[np.argsort(-image.score[rows], kind="stable")][: MAX_DETECTIONS[-1]]
        truth, boxes = image.truth_px[of_truth], image.box_px[rows]
        crowd = np.zeros(len(truth), bool) if image.crowd is None else image.crowd[of_truth]
        size = image_area(truth) if image.area_px2 is None else image.area_px2[of_truth]
        overlap = np.where(crowd[None], image_cover(boxes, truth), image_iou(boxes, truth))
        return cls(overlap, size, crowd, image.score[rows], image_area(boxes))


class _Events(NamedTuple):
    """hit, false (T, D) of one image by falling score, score (D,), and how much truth is asked for."""

    hit: Bool
    false: Bool
    score: F64
    asked: int


def _events(case: _Case, limits: tuple[float, float]) -> _Events:
    neutral = case.crowd | (case.size < limits[0]) | (case.size > limits[1])
    order = np.argsort(neutral, kind="stable")
    overlap = np.ascontiguousarray(case.overlap[:, order])
    partner = _assign(overlap, neutral[order], case.crowd[order], OVERLAPS)
    outside = (case.own < limits[0]) | (case.own > limits[1])
    on_neutral = np.append(neutral[order], False)[partner]
    hit = (partner >= 0) & ~on_neutral
    return _Events(hit, (partner < 0) & ~outside[None], case.score, int((~neutral).sum()))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _assign(overlap: Any, neutral: Any, crowd: Any, thresholds: Any) -> Any:
    """(T, D) truth that each detection takes, -1 none; truth is sorted, neutral last."""
    out = np.full((len(thresholds), len(overlap)), -1, np.int64)
    for t in range(len(thresholds)):
        taken = np.zeros(overlap.shape[1], np.bool_)
        for d in range(len(overlap)):
            best, least = -1, min(thresholds[t], 1 - 1e-10)
            for g in range(overlap.shape[1]):
                if best >= 0 and neutral[g] and not neutral[best]:
                    break
                if overlap[d, g] >= least and (crowd[g] or not taken[g]):
                    best, least = g, overlap[d, g]
            if best >= 0:
                out[t, d] = best
                taken[best] = True
    return out


def _curves(events: Sequence[_Events], most: int) -> tuple[F64, F64]:
    """(T, 101) precision and (T,) greatest recall with at most so many detections an image; -1 without truth."""
    asked = sum(e.asked for e in events)
    if not asked:
        return np.full((len(OVERLAPS), len(RECALLS)), -1.0), np.full(len(OVERLAPS), -1.0)
    order = np.argsort(-np.concatenate([e.score[:most] for e in events]), kind="stable")
    hits = np.cumsum(np.concatenate([e.hit[:, :most] for e in events], axis=1)[:, order], axis=1)
    false = np.cumsum(np.concatenate([e.false[:, :most] for e in events], axis=1)[:, order], axis=1)
    if not len(order):
        return np.zeros((len(OVERLAPS), len(RECALLS))), np.zeros(len(OVERLAPS))
    precision = hits / (hits + false + _EPS)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.hstack([precision, np.zeros((len(precision), 1))])
    recall = hits / asked
    at = [np.searchsorted(r, RECALLS, side="left") for r in recall]
    return np.take_along_axis(padded, np.array(at), axis=1), recall[:, -1]


def _mean(values: F64) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if len(defined) else float("nan")
