"""`perception likeness`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception likeness pandaset_002`  a Pandar64's sweeps beside simulated ones, as a table

`perception likeness pandaset_002 --output likeness.html`  the curves as a page, too

`perception likeness kitti_object --half odd --before likeness.json`  on sweeps of odd number, beside earlier figures
"""


def likeness(
    data: Annotated[Path, typer.Argument(help="folder of PandaSet or KITTI, with boxes")],
    rig: Annotated[
        str, typer.Option(help="rig to simulate, else the one that the data were taken with")
    ] = "",
    half: Annotated[str, typer.Option(help="real sweeps: all, even, odd")] = "all",
    seed: Annotated[int, typer.Option(help="of the first street")] = 1,
    streets: Annotated[int, typer.Option(help="simulated streets")] = 12,
    frames: Annotated[int, typer.Option(help="simulated sweeps of each street")] = 5,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="page .html")] = None,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
    before: Annotated[Path | None, typer.Option(help="earlier figures (--json) to print beside")] = None,
) -> None:
    """How much simulated sweeps resemble real ones of the same lidar: curves, distances, a page."""
    from perception_nodes.assessment.likeness import (
        LikenessOptions,
        check_target,
        compare,
        read_figures,
        tell,
        write_figures,
        write_page,
    )
    from perception_nodes.runs.progress import RunProgress

    console = Console()
    earlier = read_figures(before) if before is not None else None
    if output is not None:
        check_target("--output", output, ".html")
    if json is not None:
        check_target("--json", json)
    options = LikenessOptions(data, rig, half, seed, streets, frames)  # type: ignore[arg-type]  # it checks
    with RunProgress(console) as progress:
        progress.stage("likeness")
        comparison = compare(options, lambda name, done, total: progress.update(done, total, name))
    tell(comparison, console, earlier)
    if output is not None:
        write_page(comparison, output, earlier)
        console.print(f"page: {output}", highlight=False)
    if json is not None:
        write_figures(comparison, json)
