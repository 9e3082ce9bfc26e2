"""Drives with truth, an ordinary detector for them, and the faults that are put into its boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from perception_nodes.datasets import known_rig
from perception_nodes.datasets.pandaset import PandaSetInput
from perception_nodes.datatypes import LABEL_INDEX
from perception_nodes.evaluation import BoxFrame
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import SimFrame, Simulation

Frames = list[BoxFrame]
STEP_S = 0.1


def simulated_drive(seed: int, seconds: float = 8.0) -> Frames:
    """The traffic of a simulated street at 10 Hz, within 60 m; no sensor is simulated."""
    scenario = dataclasses.replace(find_scenario("demo"), duration_s=seconds)
    drive = Simulation(scenario, known_rig("demo"), seed, sensors=[])
    return [_street(frame) for frame in drive.frames()]


def _street(frame: SimFrame) -> BoxFrame:
    there = BoxFrame.of_detections(frame.truth, frame.odom_from_base.translation_m[:2])
    everything = dataclasses.replace(there, num_points=np.full(len(there), 100))
    return everything.select(everything.range_m < 60)


def pandaset_drive(folder: Path) -> Frames:
    """The cuboids of a PandaSet sequence; points are not counted, which costs a second."""
    sequence = PandaSetInput(folder)
    poses = sequence.poses().odom_from_base
    frames = [
        BoxFrame.of_detections(boxes, pose.translation_m[:2])
        for boxes, pose in zip(sequence._truth, poses, strict=True)
    ]
    return [dataclasses.replace(f, num_points=np.full(len(f), -1)) for f in frames]


def detector(truth: Sequence[BoxFrame], rng: np.random.Generator) -> Frames:
    """5 % missed, 3 % invented, 0.1 m and 0.03 rad of noise; surer of what is near."""
    return [_detect(frame, rng) for frame in truth]


def _detect(frame: BoxFrame, rng: np.random.Generator) -> BoxFrame:
    seen = frame.select(rng.random(len(frame)) > 0.05)
    n = len(seen)
    noisy = dataclasses.replace(
        seen,
        center_m=seen.center_m + rng.normal(0, 0.1, (n, 3)) * (1, 1, 0.3),
        yaw_rad=seen.yaw_rad + rng.normal(0, 0.03, n),
        velocity_mps=seen.velocity_mps + rng.normal(0, 0.2, (n, 2)),
        score=np.clip(0.95 - 0.01 * seen.range_m + rng.normal(0, 0.05, n), 0.05, 1.0),
    )
    invented = seen.select(rng.random(n) < 0.03)
    away = rng.uniform(-40, 40, (len(invented), 3)) * (1, 1, 0)
    ghosts = dataclasses.replace(
        invented,
        id=invented.id + 10_000,
        center_m=invented.center_m + away,
        score=np.full(len(invented), 0.3),
    )
    return joined(noisy, ghosts)


def joined(a: BoxFrame, b: BoxFrame) -> BoxFrame:
    """The boxes of both."""
    return dataclasses.replace(a, **{n: np.concatenate([getattr(a, n), getattr(b, n)]) for n in a._arrays})


def shifted(frames: Sequence[BoxFrame], step_m: tuple[float, float]) -> Frames:
    """All boxes moved by the same step."""
    return [dataclasses.replace(f, center_m=f.center_m + np.array([*step_m, 0.0])) for f in frames]


def renamed(frames: Sequence[BoxFrame], old: str, new: str) -> Frames:
    """One class under another name."""
    a, b = LABEL_INDEX[old], LABEL_INDEX[new]
    return [dataclasses.replace(f, label=np.where(f.label == a, b, f.label)) for f in frames]


def without(frames: Sequence[BoxFrame], start_ns: int, end_ns: int) -> Frames:
    """Empty frames in a time."""
    return [f.select(np.zeros(len(f), bool)) if start_ns <= f.stamp_ns <= end_ns else f for f in frames]


def delayed(frames: Sequence[BoxFrame], steps: int) -> Frames:
    """Each frame shows what was there some frames before."""
    return [
        dataclasses.replace(old, stamp_ns=f.stamp_ns, ego_xy_m=f.ego_xy_m)
        for f, old in zip(frames[steps:], frames[:-steps], strict=True)
    ]


def stamps(frames: Sequence[BoxFrame]) -> npt.NDArray[np.int64]:
    """(F,) ns."""
    return np.array([f.stamp_ns for f in frames], np.int64)
