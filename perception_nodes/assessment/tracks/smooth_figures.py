"""`perception tune smooth`: what `--smooth` makes of the causal tracks, by the scores and by how near the boxes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from scipy.optimize import linear_sum_assignment

from perception_nodes.datatypes import InputError
from perception_nodes.evaluation import KittiTracking, KittiTrackingConfig, kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects, overlaps

from .config import class_config
from .kitti import KittiTracker, results
from .kitti_files import SIZE_PX
from .kitti_smooth import offline
from .tune import figures
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

F64 = npt.NDArray[np.float64]


class Match(NamedTuple):
    """How near a box is to its label: distance on the ground and overlap in space."""

    error_m: float
    overlap: float


class Smoothing(NamedTuple):
    """Scores and matches of the labels that both found, of the causal and of the smoothed tracks."""

    scores: tuple[KittiTracking, KittiTracking]
    matches: tuple[list[Match], list[Match]]


def smooth_and_tell(options: TuneOptions, console: Console) -> Smoothing:
    """Track all sequences causally, smooth them, print both."""
    truth, inputs = read_inputs(options)
    label, config = options.label, class_config(options.label)
    causal: Truth = {}
    smooth: Truth = {}
    for name, one in inputs.items():
        seen = passed(label, config, one)
        causal[name] = results(seen, label, config)
        tracker = KittiTracker(label, config, one["p2"], SIZE_PX)
        smooth[name] = offline(seen, tracker, one["poses"], drifts=True)
    found = [_matches(truth, tracks, label) for tracks in (causal, smooth)]
    both = sorted(set(found[0]) & set(found[1]))
    if not both:
        raise InputError(f"{options.truth}: no object of class {label!r} was found both ways")
    scores = (kitti_tracking(truth, causal, label), kitti_tracking(truth, smooth, label))
    out = Smoothing(scores, ([found[0][k] for k in both], [found[1][k] for k in both]))
    _tell(label, out, console)
    return out


def _matches(truth: Truth, tracks: Truth, label: str) -> dict[tuple[str, int, int], Match]:
    """By sequence, frame and id of the label."""
    return {
        (name, k, number): match
        for name, frames in truth.items()
        for k, (true, ours) in enumerate(zip(frames, tracks[name], strict=False))
        for number, match in matched(true.select(true.type == label), ours)
    }


def matched(truth: KittiObjects, ours: KittiObjects) -> Sequence[tuple[int, Match]]:
    """The labels of a frame, by their ids, that a box overlaps enough for the benchmark; greatest sum of overlaps."""
    overlap = overlaps(truth, ours, "3d")
    pairs = zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
    return [
        (int(truth.track_id[i]), Match(_apart_m(truth.bottom_m[i], ours.bottom_m[j]), float(overlap[i, j])))
        for i, j in pairs
        if overlap[i, j] >= KittiTrackingConfig().min_overlap
    ]


def _apart_m(a: F64, b: F64) -> float:
    return float(np.hypot(a[0] - b[0], a[2] - b[2]))


def _tell(label: str, out: Smoothing, console: Console) -> None:
    names = "sAMOTA, AMOTA, MOTA, MOTP, id switches, fragments, position error mean and median (m), IoU"
    console.print(f"{label}: {names} of {len(out.matches[0])} boxes", highlight=False)
    for name, score, matches in zip(("causal", "smoothed"), out.scores, out.matches, strict=True):
        error = np.array([m.error_m for m in matches])
        near = [
            f"{error.mean():.3f}",
            f"{np.median(error):.3f}",
            f"{np.mean([m.overlap for m in matches]):.3f}",
        ]
        row = "| " + " | ".join([name, *figures(score), *near]) + " |"
        console.print(row, highlight=False, soft_wrap=True)
