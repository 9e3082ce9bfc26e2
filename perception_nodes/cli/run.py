"""`perception run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception run drive.mcap --output out`  a rosbag2 (folder, .mcap or .db3) in real time

`perception run pandaset_002 --camera-model yolox_nano.onnx --output out`  a dataset folder with cameras

`perception run drive.mcap --output out --offline`  as fast as it goes, without DDS

`perception run drive.mcap --output out --offline --lidar-model vlp16/lidar_small.onnx`  with a learned detector

`perception run drive.mcap --output out --rig my_rig.yaml --start 10 --duration 20 --rate 0.5`
"""


def run(
    input: Annotated[Path, typer.Argument(help="rosbag2, or a PandaSet / KITTI / nuScenes-format folder")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for everything that the run writes")],
    rig: Annotated[str, typer.Option(help="rig name or YAML file; guessed and printed when absent")] = "",
    lidar_model: Annotated[
        str,
        typer.Option(
            help="geometric (default), auto (small), small or base (shipped), an ONNX file or a foreign model's folder"
        ),
    ] = "",
    camera_model: Annotated[
        Path | None, typer.Option(help="ONNX of the YOLOX layout; without it cameras are NOT_AVAILABLE")
    ] = None,
    rate: Annotated[float, typer.Option(help="recorded seconds per second")] = 1.0,
    start: Annotated[float, typer.Option(help="skip this many seconds")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="play this many seconds")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="start over at the end, until Ctrl-C")] = False,
    view: Annotated[bool, typer.Option("--view", help="serve the outputs live to Foxglove")] = False,
    view_port: Annotated[int, typer.Option(help="port of --view on this host")] = 8765,
    offline: Annotated[
        bool, typer.Option("--offline", help="no nodes: the same stages in one process, as fast as it goes")
    ] = False,
    sync_policy: Annotated[str, typer.Option(help="aligner or approximate_time")] = "aligner",
    graph: Annotated[Path | None, typer.Option(help="graph file instead of config/graph.yaml")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            help="graph argument, name:=value; may be given often; --offline takes lidar_model, existence_calibration"
        ),
    ] = None,
) -> None:
    """Play a recording through the perception graph; write outputs, summary and report."""
    from perception_nodes.runs import RunOptions, run_and_report

    options = RunOptions(
        input=input,
        output=output,
        rig=rig,
        lidar_model=lidar_model,
        camera_model=camera_model,
        rate=rate,
        start_s=start,
        duration_s=duration,
        loop=loop,
        view=view,
        view_port=view_port,
        offline=offline,
        sync_policy=sync_policy,
        graph=graph,
        graph_arguments=tuple(set or ()),
    )
    run_and_report(options, Console())
