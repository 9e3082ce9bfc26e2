"""`perception adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .train_options import check_extra, check_folder, check_lidars

EXAMPLES = """
**Examples**

`perception adapt --bag drive.mcap --model small --output adapted`  learns from the first half

`perception adapt --bag drive.mcap --model small --output adapted --resume`  goes on after a kill

`perception adapt --bag pandaset_002 --model small --output adapted --share 0.8 --steps 600`

`perception run drive.mcap --output out --lidar-model adapted/lidar_small_adapted.onnx`  what came out of it
"""


def adapt(
    bag: Annotated[
        Path, typer.Option(help="rosbag2 or dataset folder with lidars and ego motion; no labels")
    ],
    model: Annotated[Path, typer.Option(help="float32 ONNX file of perception train lidar, or small, base")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")] = Path("adapted"),
    rig: Annotated[str, typer.Option(help="rig of the bag, name or YAML file; guessed when absent")] = "",
    share: Annotated[float, typer.Option(help="part of the drive to learn from; the rest is held out")] = 0.5,
    start: Annotated[float, typer.Option(help="skip this many seconds")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="use this many seconds")] = None,
    sweeps: Annotated[int, typer.Option(help="most sweeps, all are kept in memory (4 MB each)", min=1)] = 600,
    steps: Annotated[int, typer.Option(help="optimiser steps", min=1)] = 300,
    batch: Annotated[int, typer.Option(help="frames of a step, half of them simulated", min=1)] = 8,
    learning_rate: Annotated[float, typer.Option(help="highest learning rate")] = 1e-4,
    remember: Annotated[
        list[str] | None,
        typer.Option(help="rigs to simulate against forgetting; default: those of the model"),
    ] = None,
    streets: Annotated[
        int, typer.Option(help="simulated streets to go on with, of all rigs together", min=1)
    ] = 24,
    held_out: Annotated[int, typer.Option(help="simulated streets to be judged on", min=1)] = 12,
    frames: Annotated[int, typer.Option(help="frames of a street")] = 8,
    data: Annotated[Path | None, typer.Option(help="folder for simulated frames, shared by runs")] = None,
    seed: Annotated[int, typer.Option(help="of order and augmentation")] = 0,
    workers: Annotated[int, typer.Option(help="processes that prepare frames")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --output")] = False,
    log: Annotated[str, typer.Option(help="also log to: tensorboard,mlflow")] = "",
) -> None:
    """Adapt a lidar detector to a drive without labels: auto-labels, fine-tuning, a guard against forgetting."""
    from perception_nodes.datatypes import ConfigurationError

    check_extra("perception adapt")
    check_folder("--output", output)
    if not 0.0 < share <= 1.0:
        raise ConfigurationError(f"--share {share}: wanted more than 0, at most 1")
    from perception_nodes.datasets.rigs import find_rig
    from perception_nodes.detection.learned_choice import model_path
    from perception_nodes.runs import RunOptions
    from perception_nodes.runs.adapt import read_drive
    from perception_nodes.simulation.iterator import Drives
    from perception_nodes.training.adapt import AdaptOptions, adapt
    from perception_nodes.training.config import TrainConfig
    from perception_nodes.training.weights import network_of

    console = Console()
    model = model_path(model)
    _, about = network_of(model)
    config = TrainConfig(
        size=str(about["size"]), steps=steps, batch=batch, learning_rate=learning_rate, weight_decay=0.0,
        average=0.99, seed=seed, workers=workers, evaluate_every=max(1, steps // 3), checkpoint_every=50,
    )  # fmt: skip
    rigs = tuple(find_rig(r) for r in remember or about["rigs"])
    check_lidars(rigs, console)
    options = AdaptOptions(
        model, output, config, rigs,
        Drives(frames=frames, stride=12), streets, held_out, share, resume, data,
        tuple(name for name in log.split(",") if name),
    )  # fmt: skip
    played = RunOptions(bag, output / "drive", rig=rig, start_s=start, duration_s=duration, offline=True)
    path = adapt(options, read_drive(played, sweeps, console), console)
    if path is not None:
        console.print(f"model: [b]{path}[/b]", highlight=False, soft_wrap=True)
