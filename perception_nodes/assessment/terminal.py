"""What `perception evaluate` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .compare import Difference
from .evaluate import Evaluation
from .figures import Figure
from .gates import Verdict
from .inputs.source import Source

_QUIET = ("coverage.0.5", "coverage.0.9", "coverage.0.99", ".brier")

# The rest is in evaluation.json.
_SHOWN = {"ap.2": "AP 2 m", "recall": "recall", "precision": "precision", "mota": "MOTA", "hota": "HOTA"}


def tell_inputs(evaluation: Evaluation, console: Console) -> None:
    """Formats, counts, and what could not be paired."""
    for name, source in (("predictions", evaluation.predictions), ("truth", evaluation.truth)):
        console.print(f"{name}: {source.path.name} ({source.format}), {_size(source)}", highlight=False)
        for note in source.notes:
            console.print(f"[dim]  note: {note}[/dim]", highlight=False)
    paired = evaluation.paired
    if paired.truth:
        console.print(
            f"frames compared: {len(paired.truth)}, stamps within {evaluation.config.stamp_tolerance_s:g} s;"
            f" {paired.missing} of truth without a prediction, {paired.spare} predictions without truth",
            highlight=False,
        )


def _size(source: Source) -> str:
    if source.kitti is not None:
        return f"{len(source.kitti)} sequences, {sum(len(s) for s in source.kitti.values())} frames"
    if source.argoverse is not None:
        return f"{len(source.argoverse)} boxes"
    return f"{len(source.frames)} frames, {source.num_boxes} boxes"


def tell_figures(evaluation: Evaluation, console: Console) -> None:
    """One table of the classes (own), then the other figures, each with interval and count."""
    figures = dict(evaluation.figures)
    if evaluation.protocol == "own":
        console.print(_class_table(figures))
        for name in [n for n in figures if n.startswith("own.")]:
            del figures[name]
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "value", "95 % interval", "of"):
        table.add_column(column, justify="right" if column == "value" else "left", overflow="fold")
    for name, figure in figures.items():
        if name.startswith("safety.ttc_weighted_recall.") or name.endswith(_QUIET):
            continue
        table.add_row(
            name, number(figure.value), interval(figure.low, figure.high), f"{figure.count} {figure.of}"
        )
    console.print(table)


def _class_table(figures: dict[str, Figure]) -> Table:
    classes = dict.fromkeys(n.split(".")[1] for n in figures if n.startswith("own."))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("class", "truth", *_SHOWN.values()):
        table.add_column(column, justify="left" if column == "class" else "right", overflow="fold")
    for name in classes:
        cells = []
        for key in _SHOWN:
            figure = figures[f"own.{name}.{key}"]
            ends = "" if figure.method == "none" else f"\n[dim]{figure.low:.2f}…{figure.high:.2f}[/dim]"
            value = "-" if not math.isfinite(figure.value) else f"{figure.value:.3f}"
            cells.append(value + ends)
        table.add_row(name, str(figures[f"own.{name}.recall"].count), *cells)
    return table


def tell_differences(differences: Sequence[Difference], console: Console) -> None:
    """Those whose interval does not hold 0; how many others there are."""
    clear = [d for d in differences if d.verdict]
    table = Table(box=None, pad_edge=False, title="against the baseline", title_justify="left")
    for column in ("figure", "baseline", "now", "difference", "95 % interval", "by"):
        table.add_column(column)
    for d in clear:
        colour = "green" if d.verdict == "better" else "red"
        ends = interval(d.low, d.high)
        table.add_row(
            d.name, number(d.baseline), number(d.value), f"[{colour}]{d.difference:+.4f}[/]", ends, d.method
        )
    console.print(table if clear else "against the baseline: no figure differs by more than chance")
    console.print(f"[dim]{len(differences) - len(clear)} other figures compared[/dim]", highlight=False)


def tell_gates(verdicts: Sequence[Verdict], console: Console) -> None:
    """A line a gate: name, figure, value, interval, and why it is broken."""
    for v in verdicts:
        word = "[green]kept[/]  " if v.passed else "[red]BROKEN[/]"
        ends = interval(v.low, v.high) or "no interval"
        text = f"{word} {v.gate.name}: {v.gate.figure} = {number(v.value)} {ends}"
        console.print(text + ("" if v.passed else f": {v.reason}"), highlight=False, soft_wrap=True)


def number(value: float) -> str:
    """Four digits, a dash for what is not defined."""
    if not math.isfinite(value):
        return "-"
    return str(int(value)) if value == int(value) and abs(value) >= 2 else f"{value:.4g}"


def interval(low: float, high: float) -> str:
    """[low, high], empty without one."""
    return (
        f"[{number(low)}, {number(high)}]".replace("[", "\\[")
        if math.isfinite(low) and math.isfinite(high)
        else ""
    )
