"""`perception doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

EXAMPLES = """
**Examples**

`perception doctor`  this installation: wheels, shared memory, discovery

`perception doctor drive.mcap`  a recording: rates, stamps, transforms, calibration, clock offsets

`perception doctor --live`  the graph that is running now: QoS mismatches, rates, health, drops
"""


def doctor(
    input: Annotated[Path | None, typer.Argument(help="a bag or dataset folder to check")] = None,
    live: Annotated[bool, typer.Option("--live", help="check the running graph")] = False,
    seconds: Annotated[float, typer.Option(help="how long --live listens")] = 3.0,
    rig: Annotated[str, typer.Option(help="rig name or YAML file for the recording")] = "",
    all: Annotated[bool, typer.Option("--all", help="list what is in order too")] = False,
) -> None:
    """Find what is wrong and say what to do; exit status 1 if there is an error."""
    from perception_nodes.datasets import find_rig
    from perception_nodes.datatypes import Level
    from perception_nodes.doctor import check_bag, check_installation
    from perception_nodes.ros.live_check import check_graph

    if input is not None:
        findings = list(check_bag(input, find_rig(rig) if rig else None))
    elif live:
        findings = list(check_graph(seconds))
    else:
        findings = list(check_installation())
    colours = {Level.OK: "green", Level.NOTE: "cyan", Level.WARN: "yellow", Level.ERROR: "red"}
    table = Table(box=None, pad_edge=False)
    for name in ("", "what", "finding", "remedy"):
        table.add_column(name, overflow="fold")
    shown = [f for f in findings if all or input is not None or live or f.level > Level.OK]
    for finding in shown:
        colour = colours[finding.level]
        table.add_row(f"[{colour}]{finding.level.name}[/]", finding.subject, finding.what, finding.remedy)
    console = Console()
    console.print(table)
    counts = {level: sum(f.level == level for f in findings) for level in Level}
    console.print(", ".join(f"{n} {level.name.lower()}" for level, n in counts.items()), highlight=False)
    raise typer.Exit(1 if counts[Level.ERROR] else 0)
