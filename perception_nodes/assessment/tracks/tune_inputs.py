"""What `perception tune` works on: labels and detections of recorded sequences; one pass of the tracker over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perception_nodes.assessment.inputs.kitti import read_kitti_tracking
from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.evaluation import KittiTrackingConfig
from perception_nodes.evaluation.kitti_objects import KittiObjects
from perception_nodes.evaluation.tracking.kitti_table import is_neutral

from .command import TrackOptions
from .config import TrackConfig
from .kitti import KittiTracker, Seen, drifting, follow
from .kitti_files import SIZE_PX, Job, estimated_poses, find_jobs, image_boxes, projection, read_detections

Truth = dict[str, list[KittiObjects]]


@dataclass(frozen=True)
class TuneOptions:
    """truth: folder of labels; trials: tracker settings that are tried, each with `rankings` rankings."""

    truth: Path
    track: TrackOptions
    label: str
    trials: int = 20
    rankings: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.truth.is_dir():
            raise InputError(f"--truth: wanted a folder of labels, got {self.truth}, which is none")
        if self.seed < 0:
            raise ConfigurationError(f"--seed: wanted at least 0, got {self.seed}")
        for name in ("trials", "rankings"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name}: wanted at least 1, got {getattr(self, name)}")


def read_truth(options: TuneOptions) -> Truth:
    """Labels of every sequence that has detections of the class; those that are asked for have to have both.

    Raises InputError where there is nothing to leave out: figures need objects of the class in two sequences.
    """
    truth: Truth = {}
    for job in _jobs(options):
        path = options.truth / f"{job.sequence}.txt"
        if path.is_file():
            truth[job.sequence] = read_kitti_tracking(path)
        elif options.track.sequences:
            raise InputError(f"--truth: no labels of sequence {job.sequence}: {path} does not exist")
    if len(truth) < 2:
        raise InputError(
            f"{options.truth}: wanted labels of at least two sequences with detections, got {sorted(truth)}"
        )
    counted = sorted(name for name, frames in truth.items() if _counts(frames, options.label))
    if len(counted) < 2:
        raise InputError(
            f"{options.truth}: wanted objects of class {options.label!r} that count in at least two sequences, "
            f"so that each can be judged by the others; of {sorted(truth)} they are in {counted or 'none'}: "
            "leave the class out, or name other --sequences"
        )
    return truth


def _jobs(options: TuneOptions) -> list[Job]:
    return list(find_jobs(replace(options.track, classes=(options.label,))))


def _counts(frames: list[KittiObjects], label: str) -> bool:
    """Whether a label of the class is not neutral anywhere."""
    config = KittiTrackingConfig()
    return any(((f.type == label) & ~is_neutral(f, config)).any() for f in frames)


def read_inputs(options: TuneOptions) -> tuple[Truth, dict[str, dict[str, Any]]]:
    """Labels (`read_truth`) and detections of every sequence that has both."""
    truth = read_truth(options)
    inputs: dict[str, dict[str, Any]] = {}
    for job in _jobs(options):
        if job.sequence not in truth:
            continue
        frames = read_detections(job.path)
        count = max(len(frames), len(truth[job.sequence]))
        frames += [KittiObjects.empty()] * (count - len(frames))
        still = options.track.ego_motion == "none"
        inputs[job.sequence] = {
            "frames": frames,
            "p2": projection(options.track.calib, job.sequence),
            "2d": image_boxes(options.track, job, count),
            "poses": None if still else estimated_poses(options.track, job, frames),
        }
    return truth, inputs


def passed(label: str, config: TrackConfig, one: Mapping[str, Any]) -> list[Seen]:
    """One sequence through the tracker."""
    poses = one["poses"] if config.ego_motion else None
    moved = config if poses is None else drifting(config)
    return list(follow(one["frames"], KittiTracker(label, moved, one["p2"], SIZE_PX), poses, one["2d"]))
