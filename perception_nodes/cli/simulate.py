"""`perception simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception simulate --list`  the scenarios, what each is for and what must hold

`perception simulate straight_traffic --output drive.mcap`  a bag with all sensors of the rig and all truth

`perception simulate cut_in --output rain.mcap --weather rain:3 --fault top:off:5:2 --seed 7`

`perception simulate my_drive.yaml --rig my_rig.yaml --sensors top,front --duration 10 --output short.mcap`

`perception simulate occluded_pedestrian --loop`  simulator, perception and planner in a closed loop

`perception simulate cut_in --loop --lidar-model auto`  the same with the shipped lidar model

`perception simulate cut_in`  live on ROS topics, in real time

`perception simulate --gallery pictures`  a page with pictures of every scenario
"""


def simulate(
    scenario: Annotated[
        list[str] | None, typer.Argument(help="name (see --list) or YAML file; --gallery takes several")
    ] = None,
    rig: Annotated[str, typer.Option(help="rig name or YAML file")] = "default",
    seed: Annotated[int, typer.Option(help="another seed is another drive")] = 1,
    duration: Annotated[float | None, typer.Option(help="seconds, instead of the scenario's")] = None,
    sensors: Annotated[str, typer.Option(help="only these, as top,front")] = "",
    weather: Annotated[
        list[str] | None,
        typer.Option(help="KIND:SEVERITY, as rain:3, or clear; may be given often"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="SENSOR:KIND[:START[:DURATION]], as top:off:5:2; may be given often"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="the .mcap to write; with --loop a folder")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the output if it exists")] = False,
    truth_images: Annotated[
        bool, typer.Option("--truth-images", help="depth, class and instance images in the bag")
    ] = False,
    gallery: Annotated[
        Path | None, typer.Option(help="folder for a page with pictures; no scenario = all of them")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="close the loop with the reference planner")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="--loop without nodes: the same stages in one process")
    ] = False,
    lidar_model: Annotated[
        str,
        typer.Option(
            help="--loop: geometric (default), auto, small, base, an ONNX file or a foreign model's folder"
        ),
    ] = "",
    list: Annotated[bool, typer.Option("--list", help="show the scenarios")] = False,
    bench: Annotated[bool, typer.Option("--bench", help="show how fast it is on this machine")] = False,
) -> None:
    """Simulate a drive: to a bag, live on topics, in the loop with a planner, or as pictures."""
    from perception_nodes.runs.simulate import SimulateOptions, Targets, carry_out

    options = SimulateOptions(
        scenario="",
        rig=rig,
        seed=seed,
        duration_s=duration,
        sensors=tuple(name.strip() for name in sensors.split(",")) if sensors else (),
        weather=tuple(weather or ()),
        faults=tuple(fault or ()),
    )
    targets = Targets(
        scenarios=tuple(scenario or ()),
        output=output,
        force=force,
        truth_images=truth_images,
        gallery=gallery,
        loop=loop,
        offline=offline,
        lidar_model=lidar_model,
        list=list,
        bench=bench,
    )
    if not carry_out(options, targets, Console()):
        raise typer.Exit(1)
