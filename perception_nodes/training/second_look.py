"""`perception train second-look`: what beams and points are to count for and against a network's boxes.

A logistic regression on simulated streets that no run is trained on. The network's log odds count once: on streets
alike those of its training they would count thrice, and that is what fails on real sweeps. The sign of each weight is
fixed by physics. One half of the streets is fitted on; the other is for the table of existence and for the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from scipy.optimize import minimize

from perception_nodes.datatypes import LABEL_INDEX, InputError, Rig
from perception_nodes.detection.learned import LearnedLidarDetector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.learned_decode import DecodedBoxes
from perception_nodes.detection.runtime import int8_path
from perception_nodes.detection.second_look import COLUMNS, EITHER, FOR, SecondLook, log_odds, look
from perception_nodes.evaluation import BoxFrame
from perception_nodes.simulation.iterator import Drives

from .calibrate import calibration
from .config import digest
from .detector import beams_of
from .export import rewrite_metadata
from .frames import points_config
from .score import ClassScore, found_frame, score_frames, truth_frame
from .simulate import make_shard, shards
from .store import JoinedStore, StoredFrame

F64 = npt.NDArray[np.float64]
# First seed: neither trained on nor scored on.
LOOK_SEED: Final = 3_000_000
_NEAR_M: Final = (0.5, 1.0, 2.0, 4.0)
# A box at a thing with fewer points is neither right nor wrong.
_LEAST_POINTS, _AT_M = 3, 2.0
_PENALTY: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Samples:
    """Boxes of a class: columns (N, C) in the order of `COLUMNS`, log odds (N,) of the network, target (N,) 0..1."""

    columns: F64
    odds: F64
    target: F64


def add_second_look(
    model: Path, rigs: Sequence[Rig], streets: int, drives: Drives, output: Path, data: Path, console: Console
) -> SecondLook:
    """Simulate what is missing in `data`, fit, print, and write copies of the model's files into `output`.

    Raises InputError if the output is the model's own folder.
    """
    if output.resolve() == model.parent.resolve():
        raise InputError(f"{output}: holds the model itself: wanted another --output")
    # Before minutes of simulation: a file may be no model.
    precision = "int8" if int8_path(model).is_file() else "fp32"
    runtime = RuntimeConfig(precision=precision, probe_runs=1)
    detector = LearnedLidarDetector(model, LearnedConfig(points_config(rigs[0]), runtime=runtime))
    wanted = shards(rigs, max(1, streets // len(rigs)), LOOK_SEED, drives)
    made = [
        make_shard(s, data, 0, lambda _: None)
        for s in track(wanted, "simulate", console=console, transient=True)
    ]
    store = JoinedStore(made)
    found = [
        (store[k], detector.first_boxes(store[k].points))
        for k in track(range(len(store)), "look", console=console, transient=True)
    ]
    half = len(found) // 2
    about = fit_second_look(found[:half])
    second = SecondLook(about["weights"])
    truth, before, after = _both(second, found[half:])
    _tell(score_frames(truth, before), score_frames(truth, after), console)
    _write(model, output, {"second_look": about, "calibration": calibration(truth, after)})
    return second


def fit_second_look(found: Sequence[tuple[StoredFrame, DecodedBoxes]]) -> dict[str, Any]:
    """What a model keeps of its second look, fitted on stored frames and what the network says of them."""
    weights = {name: fit_weights(name, samples(name, found)) for name in COLUMNS}
    return {"id": digest(weights)[:8], "frames": len(found), "weights": weights}


def samples(name: str, found: Iterable[tuple[StoredFrame, DecodedBoxes]]) -> Samples:
    """The boxes of a class in stored frames, laid against their points."""
    columns, odds, target = [np.zeros((0, len(COLUMNS[name])))], [np.zeros(0)], [np.zeros(0)]
    label = LABEL_INDEX[name]
    for frame, boxes in found:
        lying, reasons = look(boxes, beams_of(frame))
        true = frame.boxes[frame.boxes["label"] == label]
        apart = np.hypot(*(lying[:, None, :2] - true["center_m"][None, :, :2]).transpose(2, 0, 1))
        nearest = apart.min(axis=1, initial=np.inf)
        few = true["num_points"] < _LEAST_POINTS
        unclear = (apart[:, few] < _AT_M).any(axis=1) & (apart[:, ~few].min(axis=1, initial=np.inf) > _AT_M)
        rows = (boxes.label == label) & ~unclear
        columns.append(np.column_stack([reasons[n] for n in COLUMNS[name]])[rows])
        odds.append(log_odds(boxes.score[rows]))
        target.append((nearest[rows, None] < np.array(_NEAR_M)).mean(axis=1))
    return Samples(np.concatenate(columns), np.concatenate(odds), np.concatenate(target))


def fit_weights(name: str, of: Samples) -> dict[str, float]:
    """Bias and weight of each column of a class: least penalised logistic loss, the network's log odds added as is.

    Columns `FOR` weigh at least 0, those of `EITHER` anything, all others at most 0.
    """
    names = COLUMNS[name]
    x = np.column_stack([np.ones(len(of.target)), of.columns])
    share = 1.0 / max(len(of.target), 1)

    def loss(b: F64) -> tuple[float, F64]:
        z = np.clip(of.odds + x @ b, -30, 30)
        value = share * (np.logaddexp(0, z) - of.target * z).sum() + 0.5 * _PENALTY * (b[1:] ** 2).sum()
        slope = x.T @ (share * (1 / (1 + np.exp(-z)) - of.target))
        return float(value), slope + _PENALTY * np.append(0.0, b[1:])

    bounds = [(0.0, None) if n in FOR else (None, None) if n in EITHER else (None, 0.0) for n in names]
    b = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=[(None, None), *bounds]).x
    return dict(zip(["bias", *names], b.round(4).tolist(), strict=True))


def _both(
    second: SecondLook, found: Sequence[tuple[StoredFrame, DecodedBoxes]]
) -> tuple[list[BoxFrame], list[BoxFrame], list[BoxFrame]]:
    """True boxes, those of the network, and those after the second look."""
    truth, before, after = [], [], []
    for k, (frame, boxes) in enumerate(found):
        truth.append(truth_frame(frame, k))
        before.append(found_frame(boxes, k))
        looked = second(boxes, beams_of(frame))
        after.append(found_frame(looked, k))
    return truth, before, after


def _tell(before: Mapping[str, ClassScore], after: Mapping[str, ClassScore], console: Console) -> None:
    for name, score in after.items():
        at = ", ".join(f"{before[name].at_m[d]:.3f} -> {ap:.3f} at {d:g} m" for d, ap in score.at_m.items())
        console.print(
            f"{name} ({score.objects}): AP {before[name].ap:.3f} -> {score.ap:.3f}; {at}",
            highlight=False,
            soft_wrap=True,
        )


def _write(model: Path, output: Path, changed: dict[str, Any]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for file in (model, int8_path(model)):
        if file.is_file():
            rewrite_metadata(file, output / file.name, changed)
