"""The figures as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from .compare import Comparison
from .curves import Form

# What the distance of a form is.
MEASURE = {
    Form.HISTOGRAM: "Jensen-Shannon",
    Form.SHARE: "difference",
    Form.MEAN: "relative",
    Form.RMS: "relative",
}


def tell(comparison: Comparison, console: Console, before: Mapping[str, float] | None = None) -> None:
    """Print it; before: distances of an earlier comparison."""
    console.print(
        f"{comparison.frames[0]} real sweeps ({comparison.name}, {comparison.half}),"
        f" {comparison.frames[1]} simulated ({comparison.rig}, {comparison.streets} streets);"
        f" cars in the open: {comparison.cars[0]} and {comparison.cars[1]}",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False)
    heads = ["curve", "measure", *(["before"] if before else []), "distance", "95 %", "floor", "shift"]
    for k, name in enumerate(heads):
        table.add_column(name, justify="left" if k < 2 else "right", no_wrap=k != 0)
    for row in figures(comparison, before):
        table.add_row(*row)
    console.print(table)


def figures(comparison: Comparison, before: Mapping[str, float] | None = None) -> list[list[str]]:
    """Rows of the table."""
    out = []
    for c in comparison.curves:
        earlier = [_number((before or {}).get(c.curve.key, math.nan))] if before else []
        interval = f"{_number(c.interval[0])}-{_number(c.interval[1])}"
        shift = "" if math.isnan(c.shift) else f"{c.shift:+.3g}"
        row = [c.curve.title, MEASURE[c.curve.form], *earlier, _number(c.distance), interval]
        out.append([*row, _number(c.floor), shift])
    return out


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
