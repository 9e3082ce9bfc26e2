"""Figures of the benchmarks nuScenes, KITTI and Argoverse 2, each as its own tool gives them, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import (
    ArgoverseBoxes,
    ArgoverseDetection,
    KittiDetection,
    KittiObjects,
    NuscenesDetection,
    NuscenesTracking,
    Paired,
    argoverse_detection,
    kitti_detection,
    kitti_tracking,
    nuscenes_detection,
    nuscenes_tracking,
)
from perception_nodes.evaluation.bootstrap import jackknife_intervals

from .figures import JACKKNIFE, NONE, Figure, plain, spread
from .inputs.source import Source

F64 = npt.NDArray[np.float64]
Frame = TypeVar("Frame")
Parts = tuple[list[Figure], dict[str, Any]]

_LOWER_TRACKING: Final = frozenset(
    {
        "amotp_m",
        "motp_m",
        "id_switches",
        "false_positives",
        "false_negatives",
        "fragments",
        "mostly_lost",
        "faf",
        "tid_s",
        "lgd_s",
    }
)
_AV2: Final = ("AP", "ATE", "ASE", "AOE", "CDS")
_KITTI_CLASSES: Final = ("Car", "Pedestrian", "Cyclist")


def nuscenes_figures(paired: Paired) -> Parts:
    """Detection (mAP, NDS, errors) and tracking (AMOTA and the rest) of the nuScenes benchmark."""
    detected = nuscenes_detection(paired.truth, paired.predictions)
    names = _nuscenes_names(detected)
    values = _nuscenes_values(detected)

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        return _nuscenes_values(
            nuscenes_detection(_kept(paired.truth, keep), _kept(paired.predictions, keep))
        )

    lows, highs = jackknife_intervals(len(paired.truth), without, values)
    figures = [
        _figure(f"nuscenes.detection.{name}", value, count, better, (low, high))
        for (name, count, better), value, low, high in zip(names, values, lows, highs, strict=True)
    ]
    curves = {
        name: {
            f"{d:g}": {
                "recall": plain(np.round(curve.recall, 4)),
                "precision": plain(np.round(curve.precision, 5)),
                "score": plain(np.round(curve.confidence, 5)),
                "num_truth": c.num_truth,
                "num_predictions": c.num_predictions,
            }
            for d, curve in c.curves.items()
        }
        for name, c in detected.classes.items()
        if c.num_truth
    }
    figures += _nuscenes_tracking_figures(nuscenes_tracking([paired]))
    return figures, curves


def _kept(frames: Sequence[Frame], keep: npt.NDArray[np.bool_]) -> list[Frame]:
    return [f for f, k in zip(frames, keep, strict=True) if k]


def _nuscenes_names(detected: NuscenesDetection) -> list[tuple[str, int, int]]:
    total = sum(c.num_truth for c in detected.classes.values())
    out = [("mean_ap", total, 1), ("nds", total, 1)]
    out += [(f"error.{name}", total, -1) for name in detected.errors]
    return out + [(f"{k}.mean_ap", c.num_truth, 1) for k, c in detected.classes.items()]


def _nuscenes_values(detected: NuscenesDetection) -> F64:
    whole = [detected.mean_ap, detected.nds, *detected.errors.values()]
    return np.array([*whole, *(c.mean_ap for c in detected.classes.values())], np.float64)


def _nuscenes_tracking_figures(tracked: NuscenesTracking) -> Iterator[Figure]:
    """Of whole tracks over all thresholds: no interval within one scene."""
    total = sum(c.num_truth for c in tracked.classes.values())
    parts = [("", tracked.figures, total)]
    parts += [(f"{k}.", c.figures, c.num_truth) for k, c in tracked.classes.items() if c.num_truth]
    for prefix, values, count in parts:
        for field in fields(values):
            better = -1 if field.name in _LOWER_TRACKING else 1
            value = float(getattr(values, field.name))
            yield Figure(f"nuscenes.tracking.{prefix}{field.name}", value, count, "true boxes", better)


def kitti_figures(truth: Source, results: Source) -> Parts:
    """AP40, AP11 and AOS of the object benchmark; sAMOTA and the rest where both sides have track ids."""
    if truth.kitti is None or results.kitti is None:
        raise InputError(
            "protocol kitti: wanted KITTI text on both sides (its difficulties need boxes in the image), got"
            f" {truth.format} and {results.format}"
        )
    frames = _kitti_frames(truth, results)
    found = kitti_detection(*frames)
    values = _kitti_values(found)

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        return _kitti_values(kitti_detection(_kept(frames[0], keep), _kept(frames[1], keep)))

    lows, highs = jackknife_intervals(len(frames[0]), without, values)
    names = [
        (f"{c.label}.{c.view}.{c.difficulty}.{key}", c.num_truth)
        for c in found.curves
        for key in ("ap40", "ap11", "aos40")
    ]
    figures = [
        _figure(f"kitti.detection.{name}", value, count, 1, (low, high), 100.0, "%")
        for (name, count), value, low, high in zip(names, values, lows, highs, strict=True)
        if not np.isnan(value)
    ]
    curves: dict[str, Any] = {f"{c.label} {c.view}": {} for c in found.curves if c.num_truth}
    for c in (c for c in found.curves if c.num_truth):
        curves[f"{c.label} {c.view}"][c.difficulty] = {
            "recall": plain(np.linspace(0, 1, 41)),
            "precision": plain(c.precision),
            "score": [None] * 41,
            "num_truth": c.num_truth,
            "num_predictions": None,
        }
    return figures + list(_kitti_tracking_figures(truth, results)), curves


def _kitti_frames(truth: Source, results: Source) -> tuple[list[Any], list[Any]]:
    """Frames of all sequences of the truth in their order; missing results are empty frames."""
    assert truth.kitti is not None
    assert results.kitti is not None
    spare = sorted(set(results.kitti) - set(truth.kitti))
    both = truth.kitti
    given = results.kitti
    if len(both) == len(given) == 1:
        given = {next(iter(both)): next(iter(given.values()))}
    elif spare:
        raise InputError(f"{results.path}: sequences without truth: {spare}")
    out: tuple[list[Any], list[Any]] = ([], [])
    for name, frames in both.items():
        ours = list(given.get(name, []))
        longest = max(len(frames), len(ours))
        empty = KittiObjects.empty()
        out[0].extend([*frames, *[empty] * (longest - len(frames))])
        out[1].extend([*ours, *[empty] * (longest - len(ours))])
    return out


def _kitti_values(found: KittiDetection) -> F64:
    return np.array([(c.ap40, c.ap11, c.aos40) for c in found.curves], np.float64).reshape(-1)


def _kitti_tracking_figures(truth: Source, results: Source) -> Iterator[Figure]:
    assert truth.kitti is not None
    assert results.kitti is not None
    sides = (truth.kitti, results.kitti)
    tracked = all((f.track_id >= 0).all() for side in sides for s in side.values() for f in s if len(f))
    if not tracked or set(truth.kitti) != set(results.kitti) or truth.format != "kitti_tracking":
        return
    for label in _KITTI_CLASSES:
        found = kitti_tracking(truth.kitti, results.kitti, label)
        if not found.num_truth:
            continue
        path = f"kitti.tracking.{label}"
        for name, better in (("samota", 1), ("amota", 1), ("amotp", 1)):
            value = float(getattr(found, name))
            yield Figure(f"{path}.{name}", value, found.num_truth, "true boxes", better)
        best = found.best
        for name, better in (("recall", 1), ("precision", 1), ("id_switches", -1), ("fragments", -1)):
            value = float(getattr(best, name))
            yield Figure(f"{path}.best.{name}", value, found.num_truth, "true boxes", better)


def argoverse_figures(truth: Source, results: Source) -> Parts:
    """AP, the errors and CDS of Argoverse 2, mean and by category with truth."""
    if truth.argoverse is None or results.argoverse is None:
        raise InputError(
            "protocol av2: wanted Argoverse 2 feather tables on both sides (its categories and region differ from"
            f" ours), got {truth.format} and {results.format}"
        )
    true, ours = truth.argoverse, results.argoverse
    found = argoverse_detection(true, ours)
    sweeps = sorted(set(zip(true.log_id.tolist(), true.timestamp_ns.tolist(), strict=True)))
    place = {key: k for k, key in enumerate(sweeps)}

    def part(boxes: ArgoverseBoxes, keep: npt.NDArray[np.bool_]) -> ArgoverseBoxes:
        keys = zip(boxes.log_id.tolist(), boxes.timestamp_ns.tolist(), strict=True)
        return boxes.select(np.array([k in place and bool(keep[place[k]]) for k in keys], bool))

    names, values = _argoverse_values(found)

    def without(keep: npt.NDArray[np.bool_]) -> F64:
        kept = dict(
            zip(*_argoverse_values(argoverse_detection(part(true, keep), part(ours, keep))), strict=True)
        )
        return np.array([kept.get(n, np.nan) for n in names], np.float64)

    lows, highs = jackknife_intervals(len(sweeps), without, values)
    counts = {name: c.num_truth for name, c in found.categories.items()}
    total = sum(counts.values())
    figures = [
        _figure(
            f"av2.{name}",
            value,
            counts.get(name.split(".")[0], total),
            1 if name.endswith(("AP", "CDS")) else -1,
            (low, high),
            None,
        )
        for name, value, low, high in zip(names, values, lows, highs, strict=True)
    ]
    return figures, {}


def _argoverse_values(found: ArgoverseDetection) -> tuple[list[str], F64]:
    """The means over all categories as the tool has them, those over categories with truth, and each category."""
    named = [(f"mean.{k}", v) for k, v in found.mean().items()]
    named += [(f"mean_present.{k}", v) for k, v in found.mean(present=True).items()]
    for name, c in found.categories.items():
        if c.num_truth:
            values = (c.mean_ap, c.translation_error_m, c.scale_error, c.orientation_error_rad, c.cds)
            named += [(f"{name}.{k}", v) for k, v in zip(_AV2, values, strict=True)]
    return [n for n, _ in named], np.array([v for _, v in named], np.float64)


def _figure(
    name: str,
    value: float,
    count: int,
    better: int,
    ends: tuple[float, float],
    limit: float | None = 1.0,
    unit: str = "",
) -> Figure:
    """A figure with its jackknife interval, cut to what the figure can be."""
    low, high = spread(max(float(ends[0]), 0.0), float(ends[1]))
    if not (count and np.isfinite(low) and np.isfinite(high)):
        return Figure(name, float(value), count, "true boxes", better, unit, method=NONE)
    high = high if limit is None else min(high, limit)
    return Figure(name, float(value), count, "true boxes", better, unit, low, high, JACKKNIFE)
