"""A model's files and the geometric detector side by side, on stored frames of simulated streets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from perception_nodes.datatypes import Rig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.runtime import int8_path
from perception_nodes.simulation.iterator import Drives

from .detector import median_ms, of_file, of_geometric
from .frames import points_config
from .report import tell_scores
from .score import ClassScore, Detect, detect_all, score_frames
from .simulate import HELD_OUT_SEED, make_shard, shards
from .store import JoinedStore

Figures = dict[str, dict[str, Any]]


def compare(path: Path, store: JoinedStore, rigs: Sequence[Rig], frames: range) -> Figures:
    """Scores, of all rigs and of each, and times: of both files and of the geometric detector on the same frames."""
    out: Figures = {}
    for name, detect in _detectors(path, rigs[0]).items():
        truth, found = detect_all(store, detect, frames)
        out[name] = {"scores": score_frames(truth, found), "ms": median_ms(detect, store), "rigs": {}}
        for number, rig in enumerate(rigs):
            rows = [k for k, index in enumerate(frames) if store.rig(index) == number]
            if rows:
                out[name]["rigs"][rig.name] = score_frames([truth[k] for k in rows], [found[k] for k in rows])
    return out


def score_simulated(
    path: Path, rigs: Sequence[Rig], streets: int, drives: Drives, data: Path, console: Console
) -> Figures:
    """Simulate what a run holds out, where it is not in `data` yet, and print the scores on its reported half."""
    held = shards(rigs, max(1, streets // len(rigs)), HELD_OUT_SEED, drives)
    made = [
        make_shard(s, data, 0, lambda _: None)
        for s in track(held, "simulate", console=console, transient=True)
    ]
    store = JoinedStore(made)
    figures = compare(path, store, rigs, range(len(store) // 2, len(store)))
    tell_scores(figures, console)
    return figures


def plain(figures: Figures) -> dict[str, Any]:
    """The figures as values that JSON holds."""

    def scores(found: dict[str, ClassScore]) -> dict[str, Any]:
        return {name: dataclasses.asdict(s) for name, s in found.items()}

    return {
        name: {
            "ms": v["ms"],
            "scores": scores(v["scores"]),
            "rigs": {r: scores(s) for r, s in v["rigs"].items()},
        }
        for name, v in figures.items()
    }


def _detectors(path: Path, rig: Rig) -> dict[str, Detect]:
    points = points_config(rig)
    files = {"fp32": path, **({"int8": int8_path(path)} if int8_path(path).is_file() else {})}
    out = {
        name: of_file(
            LearnedLidarDetector(file, LearnedConfig(points, runtime=RuntimeConfig(precision=name)))
        )
        for name, file in files.items()
    }
    return {**out, "geometric": of_geometric(points)}
