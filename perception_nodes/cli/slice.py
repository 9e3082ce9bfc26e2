"""`perception slice`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from perception_nodes.evaluation.slices import SliceScore

EXAMPLES = """
**Examples**

`perception slice out`  the ready slices: range, occlusion, points, speed, size, ... with intervals

`perception slice out --list`  tables and columns

`perception slice out --sql "SELECT cause, count(*) FROM objects WHERE NOT matched GROUP BY cause"`
"""


def slice(  # noqa: A001  a command is named after its function
    outputs: Annotated[
        Path, typer.Argument(help="output folder of `perception run` or `perception evaluate`")
    ],
    sql: Annotated[str, typer.Option(help="query over the tables objects, frames and false_alarms")] = "",
    list: Annotated[bool, typer.Option("--list", help="tables and columns")] = False,
) -> None:
    """Results by object and frame: the ready slices, or what SQL asks for."""
    from perception_nodes.evaluation.slices import query, read_parquet, ready_slices

    console = Console()
    if list:
        console.print(_columns())
        return
    from perception_nodes.assessment.diagnosing import ensure_tables

    folder = ensure_tables(outputs)
    if sql:
        console.print(_result(*query(folder, sql)))
    else:
        console.print(_ready(ready_slices(read_parquet(folder))))


def _columns() -> Table:
    from perception_nodes.evaluation.slices import COLUMNS

    table = _table("table", "column", "kind", "what it is")
    for name, columns in COLUMNS.items():
        for column, (kind, text) in columns.items():
            table.add_row(name, column, kind, text)
    return table


def _result(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = _table(*names)
    for row in rows:
        table.add_row(*(_cell(v) for v in row))
    return table


def _ready(scores: tuple[SliceScore, ...]) -> Table:
    table = _table(
        "slice", "value", "boxes", "objects", "recall", "precision", "distance m", "heading error deg"
    )
    for score in scores:
        head = (score.slice, score.value, str(score.boxes), str(score.objects))
        if not score.judged:
            table.add_row(*head, "too small", "to judge")
            continue
        words = [_figure(score, name) for name in ("recall", "precision", "distance_m")]
        table.add_row(*head, *words, _figure(score, "heading_error_rad", 180 / math.pi, 0))
    return table


def _figure(score: SliceScore, name: str, factor: float = 1.0, digits: int = 2) -> str:
    figure = score.figure(name)
    if figure is None or math.isnan(figure.value):
        return ""
    values = [f"{factor * v:.{digits}f}" for v in (figure.value, figure.low, figure.high)]
    return f"{values[0]} ({values[1]} - {values[2]})"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
