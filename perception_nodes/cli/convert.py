"""`perception convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from perception_nodes.datasets import BagInfo, Input

EXAMPLES = """
**Examples**

`perception convert pandaset_002 --output drive.mcap`  a dataset folder to a bag with truth boxes

`perception convert my_bag --output sensors.mcap --rig my_rig.yaml`  only what the rig needs of a bag
"""


def convert(
    input: Annotated[Path, typer.Argument(help="rosbag2, or a PandaSet / KITTI / nuScenes-format folder")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the .mcap to write")],
    rig: Annotated[str, typer.Option(help="rig name or YAML file; guessed and printed when absent")] = "",
    compression: Annotated[str, typer.Option(help="none, lz4 or zstd")] = "zstd",
    force: Annotated[bool, typer.Option("--force", help="replace the output if it exists")] = False,
) -> None:
    """Convert a recording to an mcap bag that rosbag2, Foxglove and `perception run` read."""
    from perception_nodes.datasets import find_rig, open_input
    from perception_nodes.datatypes import ConfigurationError

    console = Console()
    if output.suffix != ".mcap":
        raise ConfigurationError(f"--output {output}: wanted a name that ends in .mcap")
    if output.exists() and not force:
        raise ConfigurationError(f"--output {output} exists: give another name, or --force")
    source = open_input(input, find_rig(rig) if rig else None)
    _describe(console, source)
    output.parent.mkdir(parents=True, exist_ok=True)
    columns = (
        TextColumn("converting"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("convert", total=None)
        info = source.to_bag(
            output, lambda done, total: bar.update(task, completed=done, total=total), compression=compression
        )
    _report(console, info)


def _describe(console: Console, source: Input) -> None:
    console.print(f"{source.kind}: {source.path}", highlight=False)
    for sensor in source.rig.sensors:
        word = sensor.modality.name.lower()
        console.print(f"  {sensor.name:20} {word:7} {sensor.topic}  {sensor.rate_hz:g} Hz", highlight=False)
    for note in source.notes:
        console.print(f"[dim]note: {note}[/dim]", highlight=False)


def _report(console: Console, info: BagInfo) -> None:
    for topic in info.topics:
        console.print(f"  {topic.count:6} {topic.name}  [dim]{topic.typename}[/dim]", highlight=False)
    size_mb = info.path.stat().st_size * 1e-6
    console.print(
        f"{info.path}: {info.count} messages, {info.duration_s:.2f} s, {size_mb:.1f} MB", highlight=False
    )
