"""What each part adds to KITTI tracking: one switched off at a time, on the same detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console

from perception_nodes.evaluation import KittiTracking, kitti_tracking
from perception_nodes.evaluation.kitti_objects import KittiObjects

from .config import TrackConfig, class_config
from .kitti import results
from .tune import applied, figures, published
from .tune_inputs import Truth, TuneOptions, passed, read_inputs

# Name of the row -> what is set, in the tracker or around it.
ROWS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all": {},
    "plain mean of the scores (no prior)": {"prior_weight": 0.0},
    "no price for coasting": {"coast_cost_per_s": 0.0},
    "scores without range": {"score_even": 2.0, "score_slope": 0.7, "score_per_m": 0.0},
    "coasting boxes by time, 0.5 s": {"coast_s": 0.5, "coast_existence": 0.0},
    "nothing written while coasting": {"coast_s": 0.0},
    "life times of the nodes": {
        "coast_visible_s": 0.7,
        "detection_probability": 0.9,
        "coast_per_seen": 1.0,
        "tentative_misses": 2,
    },
    "in the vehicle's frame, without its motion": {"ego_motion": False},
    "in a frame that stands, motion from objects": {"ego_motion": True},
    "weak detections start tracks too": {"low_score": 0.0},
    "weak detections are not used": {},
    "association greedy": {"association": "greedy"},
    "association with generalised IoU": {"generalised_overlap": True},
    "association by Mahalanobis distance only": {"weight_overlap": 0.0, "weight_distance": 0.0},
    "association by overlap only": {"weight_mahalanobis": 0.0, "weight_distance": 0.0},
    "association by distance only": {"weight_mahalanobis": 0.0, "weight_overlap": 0.0},
    "no distrust of smaller boxes": {"shrink_caution": 0.0},
    "no merging, no check at birth": {"merge_overlap": 1.0, "birth_overlap": 1.0},
    "coasting boxes outside the image too": {"visible_share": 0.0},
}
_ONLY_STRONG: Final = "weak detections are not used"


def ablation(options: TuneOptions, console: Console) -> dict[str, KittiTracking]:
    """The clean figures of every row; printed as a table, with the published definition of the first row."""
    from perception_nodes.runs.progress import RunProgress

    truth, inputs = read_inputs(options)
    out: dict[str, KittiTracking] = {}
    with RunProgress(console) as progress:
        progress.stage(f"ablation {options.label}")
        for k, (name, changes) in enumerate(ROWS.items()):
            config = _set(class_config(options.label), changes)
            found = _tracked(options.label, config, inputs, strong_only=name == _ONLY_STRONG)
            out[name] = kitti_tracking(truth, found, options.label)
            if k == 0:
                out["all, published definition"] = published(truth, found, options.label)
                out |= _by_sequence(truth, found, options.label)
            progress.update(k + 1, len(ROWS), name)
    _tell(options.label, out, console)
    return out


def _set(config: TrackConfig, changes: Mapping[str, Any]) -> TrackConfig:
    """Tracker numbers that `tune` does not search are set too."""
    inner: dict[str, Any] = {k: v for k, v in changes.items() if hasattr(config.tracker, k)}
    outer = {k: v for k, v in changes.items() if k not in inner}
    return applied(replace(config, tracker=replace(config.tracker, **inner)), outer)


def _tracked(label: str, config: TrackConfig, inputs: dict[str, dict[str, Any]], strong_only: bool) -> Truth:
    if strong_only:
        inputs = {
            name: {**one, "frames": [f.select(_even(f, config)) for f in one["frames"]]}
            for name, one in inputs.items()
        }
    return {name: results(passed(label, config, one), label, config) for name, one in inputs.items()}


def _even(detections: KittiObjects, config: TrackConfig) -> npt.NDArray[np.bool_]:
    """Those that are more likely true than not."""
    range_m = np.hypot(detections.bottom_m[:, 0], detections.bottom_m[:, 2])
    return np.asarray(detections.score + config.score_per_m * range_m >= config.score_even)


def _by_sequence(truth: Truth, found: Truth, label: str) -> dict[str, KittiTracking]:
    scores = {name: kitti_tracking({name: truth[name]}, {name: found[name]}, label) for name in truth}
    return {f"all, sequence {name}": s for name, s in scores.items() if s.num_truth}


def _tell(label: str, rows: Mapping[str, KittiTracking], console: Console) -> None:
    console.print(f"{label}: sAMOTA, AMOTA, MOTA, MOTP, id switches, fragments", highlight=False)
    for name, score in rows.items():
        console.print("| " + " | ".join([name, *figures(score)]) + " |", highlight=False, soft_wrap=True)
