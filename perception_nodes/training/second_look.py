"""`perception train second-look`: what beams and points are to count for and against a network's boxes.

A logistic regression on simulated streets that no run is trained on. The network's log odds count once: on streets
alike those of its training they would count thrice, and that is what fails on real sweeps. The sign of each weight is
fixed by physics. One half of the streets is fitted on, the table of existence too; the other is for the figures.
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

from .calibrate import calibration, calibration_error, outcomes
from .config import digest
from .copies import check_output, write_copies
from .detector import beams_of
from .frames import points_config
from .score import MIN_POINTS, RANGE_M, ClassScore, found_frame, score_frames, truth_frame
from .simulate import LOOK_SEED, halves, held_out_shards, make_shard
from .store import JoinedStore, StoredFrame

F64 = npt.NDArray[np.float64]
# Stored frames, each with what the network says of it.
Looked = Sequence[tuple[StoredFrame, DecodedBoxes]]
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
    check_output(model, output)
    # Before minutes of simulation: a file may be no model.
    precision = "int8" if int8_path(model).is_file() else "fp32"
    runtime = RuntimeConfig(precision=precision, probe_runs=1)
    detector = LearnedLidarDetector(model, LearnedConfig(points_config(rigs[0]), runtime=runtime))
    wanted = held_out_shards(rigs, streets, drives, LOOK_SEED)
    made = [
        make_shard(s, data, 0, lambda _: None)
        for s in track(wanted, "simulate", console=console, transient=True)
    ]
    store = JoinedStore(made)
    found = [
        (store[k], detector.first_boxes(store[k].points))
        for k in track(range(len(store)), "look", console=console, transient=True)
    ]
    fitted, other = ([found[k] for k in part] for part in halves(store))
    about, table = fit_scores(fitted)
    second = SecondLook(about["weights"])
    truth, before, after = both(second, other)
    error = calibration_error(*outcomes(truth, after), table)
    figures = _figures(score_frames(truth, before), score_frames(truth, after), error, len(other))
    console.print("\n".join(figures), highlight=False, markup=False, soft_wrap=True)
    names = ", ".join(r.name for r in rigs)
    done = f"Second look and existence fitted anew on {len(fitted)} simulated frames of rigs {names}"
    write_copies(model, output, {"second_look": about, "calibration": table}, done, figures)
    return second


def fit_scores(found: Looked) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a model keeps of its second look and of its calibration, fitted on stored frames of two streets or more.

    The second look is fitted on all frames. The table must not see scores of frames that the second look was fitted on:
    each half of the streets has those of one fitted on the other half (cross-fitting; Platt, Advances in Large Margin
    Classifiers, 1999). Raises InputError if all frames are of one street.
    """
    turns = _by_turns(found)
    truth: list[BoxFrame] = []
    looked: list[BoxFrame] = []
    for mine, others in (turns, turns[::-1]):
        true, _, after = both(SecondLook(fit_second_look(others)["weights"]), mine)
        truth, looked = [*truth, *true], [*looked, *after]
    return fit_second_look(found), calibration(truth, looked)


def fit_second_look(found: Looked) -> dict[str, Any]:
    """What a model keeps of its second look, fitted on stored frames and what the network says of them."""
    weights = {name: fit_weights(name, samples(name, found)) for name in COLUMNS}
    return {"id": digest(weights)[:8], "frames": len(found), "weights": weights}


def _by_turns(found: Looked) -> tuple[Looked, Looked]:
    """The frames of every second street, and those of the others."""
    number: dict[tuple[int, int], int] = {}
    parts: tuple[list[tuple[StoredFrame, DecodedBoxes]], ...] = ([], [])
    for frame, boxes in found:
        street = number.setdefault((frame.rig, frame.street), len(number))
        parts[street % 2].append((frame, boxes))
    if len(number) < 2:
        raise InputError(
            f"second look and calibration: wanted frames of at least 2 streets, got {len(number)}"
        )
    return parts[0], parts[1]


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


def both(second: SecondLook, found: Looked) -> tuple[list[BoxFrame], list[BoxFrame], list[BoxFrame]]:
    """True boxes, those of the network, and those after the second look."""
    truth, before, after = [], [], []
    for k, (frame, boxes) in enumerate(found):
        truth.append(truth_frame(frame, k))
        before.append(found_frame(boxes, k))
        looked = second(boxes, beams_of(frame))
        after.append(found_frame(looked, k))
    return truth, before, after


def _figures(
    before: Mapping[str, ClassScore], after: Mapping[str, ClassScore], error: float, frames: int
) -> list[str]:
    """What the second look does on frames that nothing was fitted on, as lines of Markdown."""
    at_m = next(iter(after.values())).at_m if after else {}
    asked = f"within {RANGE_M:g} m, {MIN_POINTS} points or more"
    lines = [
        f"AP without and with the second look on {frames} frames of other streets, {asked}.",
        f"Expected calibration error of the existence there: {error:.3f}.",
        "",
        "| class | objects | mean AP | " + " | ".join(f"at {d:g} m" for d in at_m) + " |",
        "|---|---|---|" + "---|" * len(at_m),
    ]
    for name, score in after.items():
        pairs = [(before[name].ap, score.ap), *((before[name].at_m[d], score.at_m[d]) for d in at_m)]
        columns = " | ".join(f"{old:.3f}, {new:.3f}" for old, new in pairs)
        lines.append(f"| {name} | {score.objects} | {columns} |")
    return lines
