"""`perception demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception demo`  20 s of a simulated street through the real graph; ends with the path of the report

`perception demo --seed 7 --offline --output out`
"""


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="folder for everything that the run writes")
    ] = Path("perception_demo"),
    seed: Annotated[int, typer.Option(help="another seed is another street")] = 1,
    duration: Annotated[float, typer.Option(help="seconds to simulate")] = 20.0,
    rate: Annotated[float, typer.Option(help="recorded seconds per second")] = 1.0,
    offline: Annotated[bool, typer.Option("--offline", help="no nodes, as fast as it goes")] = False,
    view: Annotated[bool, typer.Option("--view", help="serve the outputs live to Foxglove")] = False,
    graph: Annotated[Path | None, typer.Option(help="graph file instead of config/graph.yaml")] = None,
) -> None:
    """Render a street, play it through the perception graph, report against the exact truth."""
    from perception_nodes.runs import RunOptions, run_and_report
    from perception_nodes.runs.demo import demo_bag

    console = Console()
    bag = demo_bag(seed, duration, console)
    options = RunOptions(
        input=bag, output=output, rate=rate, offline=offline, view=view, rig="demo", graph=graph
    )
    run_and_report(options, console)
