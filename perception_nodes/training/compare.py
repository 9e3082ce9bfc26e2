"""A model's files and the geometric detector side by side, on stored frames of simulated streets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import track

from perception_nodes.datatypes import Rig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.runtime import int8_path
from perception_nodes.simulation.iterator import Drives

from .calibrate import calibration_error, outcomes
from .detector import median_ms, of_file, of_geometric
from .frames import points_config
from .real import false_cars
from .report import tell_scores
from .score import ClassScore, Detect, detect_all, score_frames
from .simulate import HELD_OUT_SEED, halves, held_out_shards, make_shard
from .store import JoinedStore

Figures = dict[str, dict[str, Any]]
_FALSE_FROM: Final = (0.3, 0.5)


def compare(path: Path, store: JoinedStore, rigs: Sequence[Rig], frames: Sequence[int]) -> Figures:
    """Scores, of all rigs and of each, and times: of both files and of the geometric detector on the same frames.

    `ece`: the expected calibration error of the existence, None for a detector without a table; `false_cars`: boxes a
    frame with so high a score or higher that are no cars.
    """
    out: Figures = {}
    for name, (detect, table) in _detectors(path, rigs[0]).items():
        truth, found = detect_all(store, detect, frames)
        out[name] = {
            "scores": score_frames(truth, found), "ms": median_ms(detect, store), "rigs": {},
            "ece": calibration_error(*outcomes(truth, found), table) if table else None,
            "false_cars": {f"{score:g}": false_cars(truth, found, score) for score in _FALSE_FROM},
        }  # fmt: skip
        for number, rig in enumerate(rigs):
            rows = [k for k, index in enumerate(frames) if store.rig(index) == number]
            if rows:
                out[name]["rigs"][rig.name] = score_frames([truth[k] for k in rows], [found[k] for k in rows])
    return out


def score_simulated(
    path: Path, rigs: Sequence[Rig], streets: int, drives: Drives, data: Path, console: Console
) -> Figures:
    """Simulate what a run holds out, where it is not in `data` yet, and print the scores on its reported half."""
    # Before minutes of simulation: a file may be no model.
    LearnedLidarDetector(path, LearnedConfig(runtime=RuntimeConfig(threads=1, probe_runs=1)))
    held = held_out_shards(rigs, streets, drives, HELD_OUT_SEED)
    made = [
        make_shard(s, data, 0, lambda _: None)
        for s in track(held, "simulate", console=console, transient=True)
    ]
    store = JoinedStore(made)
    figures = compare(path, store, rigs, halves(store)[1])
    tell_scores(figures, console)
    return figures


def plain(figures: Figures) -> dict[str, Any]:
    """The figures as values that JSON holds."""

    def scores(found: dict[str, ClassScore]) -> dict[str, Any]:
        return {name: dataclasses.asdict(s) for name, s in found.items()}

    return {
        name: {
            "ms": v["ms"],
            "ece": v["ece"],
            "false_cars": v["false_cars"],
            "scores": scores(v["scores"]),
            "rigs": {r: scores(s) for r, s in v["rigs"].items()},
        }
        for name, v in figures.items()
    }


def _detectors(path: Path, rig: Rig) -> dict[str, tuple[Detect, Mapping[str, Any]]]:
    """By name, each with its table of existence; without one the table is empty."""
    points = points_config(rig)
    files = {"fp32": path, **({"int8": int8_path(path)} if int8_path(path).is_file() else {})}
    out: dict[str, tuple[Detect, Mapping[str, Any]]] = {}
    for name, file in files.items():
        config = LearnedConfig(points, runtime=RuntimeConfig(precision=name))
        detector = LearnedLidarDetector(file, config)
        out[name] = of_file(detector), detector.model.metadata.get("calibration", {})
    return {**out, "geometric": (of_geometric(points), {})}
