"""What a run says at its end: tables and the model card."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from .config import TrainConfig, unusual
from .export import Parity
from .real import RealScore
from .score import MIN_POINTS, RANGE_M

_OF_SCORES: Final = {"calibration": "calibration", "second_look": "second look", "done": "made so:"}
_MEAN: Final = "mean of the weights of"
_NAMES: Final = {"fp32": "float32", "int8": "int8", "geometric": "geometric"}


def tell_scores(figures: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """AP by class and detector, on held-out simulated streets: of all rigs, and of each where there are several."""
    rigs = next(iter(figures.values()))["rigs"]
    for rig in ("", *(rigs if len(rigs) > 1 else ())):
        table = Table(
            title=f"held-out streets {rig}, within {RANGE_M:g} m, {MIN_POINTS} points or more", box=None
        )
        for column in ("class", "objects", *(_NAMES[n] for n in figures)):
            table.add_column(column, justify="right" if column != "class" else "left")
        for row in _rows(figures, rig):
            table.add_row(*row)
        if not rig:
            table.add_row("ms, points to boxes", "", *(f"{f['ms']:.1f}" for f in figures.values()))
            table.add_row("calibration error of the existence", "", *_errors(figures))
            for score in next(iter(figures.values()))["false_cars"]:
                false = (f"{f['false_cars'][score]:.2f}" for f in figures.values())
                table.add_row(f"false cars a sweep, score {score} or more", "", *false)
        console.print(table)


def _errors(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Expected calibration error of each detector that has a table of existence."""
    return ["" if f["ece"] is None else f"{f['ece']:.3f}" for f in figures.values()]


def _rows(figures: Mapping[str, Mapping[str, Any]], rig: str) -> list[list[str]]:
    """Class, number of objects, AP of each detector; of one rig, or of all for an empty name."""
    scores = [f["rigs"][rig] if rig else f["scores"] for f in figures.values()]
    return [
        [label, str(first.objects), *(f"{s[label].ap:.3f}" for s in scores)]
        for label, first in scores[0].items()
    ]


def tell_real(kind: str, scores: Mapping[str, RealScore], console: Console) -> None:
    """Real sweeps, detectors side by side."""
    frames = next(iter(scores.values())).frames
    table = Table(
        title=f"{kind}: {frames} real sweeps, within {RANGE_M:g} m, {MIN_POINTS} points or more", box=None
    )
    for column in ("figure", "objects", *scores):
        table.add_column(column, justify="right" if column != "figure" else "left")
    for name, score in next(iter(scores.values())).classes.items():
        for distance in (2.0, 1.0):
            row = [f"{s.classes[name].at_m[distance]:.3f}" for s in scores.values()]
            table.add_row(f"{name} AP at {distance:g} m", str(score.objects), *row)
    table.add_row(
        "car recall at 2 m, at most 1 false a frame", "", *(f"{s.recall_at_one:.3f}" for s in scores.values())
    )
    table.add_row("false cars a frame there", "", *(f"{s.false_at_one:.2f}" for s in scores.values()))
    console.print(table)


def card(
    name: str, about: Mapping[str, Any], config: TrainConfig, figures: Mapping[str, Mapping[str, Any]],
    parity: Parity, data: Mapping[str, Any],
) -> str:  # fmt: skip
    """The model card, Markdown."""
    real = _recordings(about)
    said = f"simulation, and sweeps without labels of {', '.join(real)}" if real else "simulation only"
    licence = (
        "the sweeps' terms may apply to the weights"
        if real
        else "weights included: no data of others was used"
    )
    rigs = next(iter(figures.values()))["rigs"]
    rows = [
        f"| {rig} | " + " | ".join(row) + " |"
        for rig in ("all", *(rigs if len(rigs) > 1 else ()))
        for row in _rows(figures, "" if rig == "all" else rig)
    ]
    head = " | ".join(_NAMES[n] for n in figures)
    times = " | ".join(f"{f['ms']:.1f}" for f in figures.values())
    table, done = about["calibration"], "trained" if config.steps else "normalised"
    settings = ", ".join(filter(None, (about["config"], unusual(config))))
    lines = [
        f"# {name}",
        "",
        "Lidar detector of perception_nodes: a raster seen from above to boxes of ten classes. One sweep, no velocity.",
        "",
        "| what | |",
        "|---|---|",
        f"| size | {config.size}, {config.steps} steps of {config.batch} frames, seed {config.seed} |",
        *(f"| begun with | {named(model)} |" for model in about.get("from", [])),
        *([f"| begun with | {_MEAN} {', '.join(about['mean_of'])} |"] if about.get("mean_of") else []),
        *_pretrained(about),
        f"| {done} on | {said}: {data['frames']} frames, {', '.join(data['rigs'])}; data {about['data']} |",
        f"| configuration | {settings}, commit {about['commit']} |",
        f"| calibration | {table['id']}, {table['boxes']} boxes of held-out streets, looked at as fitted on others |",
        f"| second look | {about['second_look']['id']}, {about['second_look']['frames']} frames of held-out streets |",
        f"| export | {parity.frames} frames: boxes within {1e3 * parity.box:.4f} mm, scores {parity.score:.1e} |",
        f"| licence | Apache-2.0, {licence} |",
        "",
        f"Other held-out streets, AP (mean of 0.5, 1, 2, 4 m) within {RANGE_M:g} m, {MIN_POINTS} points or more:",
        "",
        f"| rig | class | objects | {head} |",
        "|---|---|---|" + "---|" * len(figures),
        *rows,
        f"| all | ms, points to boxes | | {times} |",
        f"| all | calibration error of the existence | | {' | '.join(_errors(figures))} |",
        "",
    ]
    return "\n".join(lines)


def _pretrained(about: Mapping[str, Any]) -> list[str]:
    """The row of the stage without labels, where there was one."""
    steps = about.get("pretraining", {}).get("steps", 0)
    return [f"| pre-trained | {steps} steps without labels |"] if steps else []


def _recordings(about: Mapping[str, Any]) -> list[str]:
    """Names of the real recordings whose sweeps a model, or one that it goes on from, was shown."""
    models = (*about.get("from", []), about)
    return sorted({name for m in models for name in m.get("pretraining", {}).get("recordings", [])})


def named(model: Mapping[str, Any]) -> str:
    """A model that another one goes on from, for its card."""
    known = [f"rigs {', '.join(model['rigs'])}", f"data {model['data']}", f"configuration {model['config']}"]
    known += [f"{_MEAN} {', '.join(model['mean_of'])}"] if model.get("mean_of") else []
    known += [f"{words} {model[key]}" for key, words in _OF_SCORES.items() if model.get(key)]
    return f"{model['name']} {model['digest']}: {'; '.join(known)}"


def commit() -> str:
    """The checkout's commit, with `+` where it has changes; empty outside of one."""
    root = Path(__file__).resolve().parents[2]
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
        state = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip()[:12] + ("+" if state.stdout.strip() else "")
