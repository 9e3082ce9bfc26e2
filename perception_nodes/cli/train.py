"""`perception train`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .train_options import check_extra, check_folder, check_lidars, check_options, check_there

# Steps of 0.1 s between the frames of a street.
_STRIDE = 12
# For these --data is a folder for simulated frames.
_FRAMES_OF = ("lidar", "second-look")
# Sweeps of a recording that are kept for pre-training.
_MOST_SWEEPS = 600
EXAMPLES = """
**Examples**

`perception train lidar --rig vlp16 --budget 20min --output vlp16`  a detector for a rig, from simulation alone

`perception train lidar --rig default --rig hdl64 --size base --budget 3h --output mixed`  one for several lidars

`perception train lidar --rig vlp16 --budget 20min --output vlp16 --resume`  goes on after a kill

`perception train lidar --rig vlp16 --pretrain 500 --pretrain-data drive.mcap`  begins with sweeps nobody labelled

`perception train lidar --rig my_rig.yaml --from small`  fine-tunes a model for your lidar

`perception train score --model vlp16/lidar_small.onnx --data drives/pandaset_002`  on real sweeps with labels

`perception train score --model vlp16/lidar_small.onnx --rig vlp16`  on simulated streets that no run is trained on

`perception train score --model small --rig hdl64 --held-out 32 --wooded 1`  on such streets, all lined by woods

`perception train robustness --model vlp16/lidar_small.onnx --rig vlp16 --held-out 6 --frames 4`  in bad weather

`perception train calibrate --model vlp16/lidar_small.onnx --data my_drive --output mine`  existence by your own labels

`perception train second-look --model vlp16/lidar_small.onnx --rig vlp16 --output looked`  beams and points count too
"""


def train(
    what: Annotated[
        str,
        typer.Argument(
            help="lidar: train a detector; score: a model on real, labelled sweeps or simulated streets;"
            " robustness: in weather and with faults of severity 1 to 5; calibrate: existence by labelled sweeps;"
            " second-look: what beams and points count for a model's boxes, from simulated streets"
        ),
    ],
    rig: Annotated[
        list[str] | None, typer.Option(help="rig by name or file; may be given several times")
    ] = None,
    size: Annotated[str, typer.Option(help="tiny, small or base")] = "small",
    budget: Annotated[str, typer.Option(help="time for everything, as 60min or 2h; replaces --steps")] = "",
    steps: Annotated[int, typer.Option(help="optimiser steps, where there is no budget", min=0)] = 5000,
    batch: Annotated[int, typer.Option(help="frames of a step", min=1)] = 8,
    streets: Annotated[
        int, typer.Option(help="simulated streets to train on, of all rigs together", min=1)
    ] = 150,
    held_out: Annotated[
        int, typer.Option(help="other streets to be scored on, of all rigs together", min=1)
    ] = 12,
    frames: Annotated[int, typer.Option(help="frames of a street", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="of weights, order and augmentation", min=0)] = 0,
    workers: Annotated[int, typer.Option(help="processes that prepare frames", min=0)] = 1,
    patience: Annotated[
        int, typer.Option(help="stop after so many scores without a better one; 0: never", min=0)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --output")] = False,
    log: Annotated[str, typer.Option(help="also log to: tensorboard,mlflow")] = "",
    data: Annotated[
        list[Path] | None, typer.Option(help="lidar: folder for simulated frames; score: recordings")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="the ONNX file to score, calibrate or look at, or small, base")
    ] = None,
    wooded: Annotated[
        float, typer.Option(help="score: share of the simulated streets that woods line", min=0, max=1)
    ] = 0.0,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="score: draw the first sweep of each recording into --output")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="weights.pt of an earlier run, to begin with")] = None,
    tuned: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="lidar: float32 ONNX file of an earlier run, to be fine-tuned; of several the mean of their weights",
        ),
    ] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            help="lidar: another setting, name:=value, e.g. loss.direction:=0.6; may be given several times"
        ),
    ] = None,
    pretrain: Annotated[
        int, typer.Option(help="lidar: steps of pre-training without labels, before the others", min=0)
    ] = 0,
    pretrain_data: Annotated[
        list[Path] | None,
        typer.Option(help="real sweeps for it: rosbags or dataset folders with lidars"),
    ] = None,
    street_seed: Annotated[int, typer.Option(help="another number: other streets to train on", min=0)] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="folder of the run")] = Path("train"),
) -> None:
    """Train a lidar detector for a rig from simulation, or score one on real sweeps. Needs the extra `[train]`."""
    from perception_nodes.datatypes import ConfigurationError

    check_options(what, {
        "--rig": rig, "--budget": budget, "--patience": patience, "--resume": resume, "--log": log, "--data": data,
        "--model": model, "--pictures": pictures, "--weights": weights, "--from": tuned, "--pretrain": pretrain,
        "--pretrain-data": pretrain_data, "--street-seed": street_seed, "--set": set, "--wooded": wooded,
    })  # fmt: skip
    check_extra("perception train")
    for option, folder in (("--output", output), *(("--data", d) for d in data or () if what in _FRAMES_OF)):
        check_folder(option, folder)
    from perception_nodes.datasets.rigs import find_rig
    from perception_nodes.detection.learned_choice import model_path
    from perception_nodes.simulation.iterator import Drives

    model = None if model is None else model_path(model)
    begun = tuple(model_path(path) for path in tuned or ())
    rigs, drives = tuple(find_rig(r) for r in rig or ()), Drives(frames=frames, stride=_STRIDE)
    check_lidars(rigs, Console())
    if what == "score":
        from perception_nodes.training.compare import score_simulated
        from perception_nodes.training.score_real import score_and_tell

        if model is None or not (data or rigs):
            raise ConfigurationError(
                "perception train score: wanted --model FILE, and --data FOLDER or --rig NAME"
            )
        for option, path in (("--model", model), *(("--data", d) for d in data or ())):
            check_there(option, path)
        if rigs:
            lined = replace(drives, wooded_share=wooded)
            score_simulated(model, rigs, held_out, lined, output / "data", Console())
        if data:
            score_and_tell(model, tuple(data), Console(), output if pictures else None)
        return
    if what in ("calibrate", "second-look"):
        _scores_anew(what, model, data or [], output, (rigs, streets, drives))
        return
    if what == "robustness":
        from perception_nodes.training.robustness import Suite, robustness_and_tell

        if model is None or len(rigs) != 1:
            raise ConfigurationError("perception train robustness: wanted --model FILE and one --rig NAME")
        check_there("--model", model)
        robustness_and_tell(model, rigs[0], Suite(held_out, frames, _STRIDE), output, Console())
        return
    from perception_nodes.training.config import TrainConfig, fine_tuning, with_settings
    from perception_nodes.training.lidar import LidarOptions, train_lidar

    if not rigs:
        raise ConfigurationError("perception train lidar: wanted --rig NAME or FILE")
    if begun and weights is not None:
        raise ConfigurationError("perception train lidar: wanted --from or --weights, got both")
    before = _pretraining(pretrain, pretrain_data or [], output, not begun and weights is None, resume)
    check_there("--weights", weights)
    config = TrainConfig(size=size, steps=steps, batch=batch, seed=seed, workers=workers, patience=patience)
    train_lidar(
        LidarOptions(
            rigs,
            output,
            with_settings(fine_tuning(config) if begun else config, set or ()),
            drives,
            streets=streets,
            held_out=held_out,
            budget_s=seconds(budget) if budget else 0.0,
            resume=resume,
            logs=tuple(name for name in log.split(",") if name),
            data=data[0] if data else None,
            weights=weights,
            models=begun,
            street_seed=street_seed,
            pretraining=before,
        ),
        Console(),
    )


def _check_recording(path: Path) -> None:
    """Raises InputError for what holds no sweeps: before minutes of simulation."""
    from perception_nodes.datasets.discover import open_input
    from perception_nodes.datatypes import InputError, Modality

    sensors = open_input(path).rig.sensors
    if not any(s.modality is Modality.LIDAR for s in sensors):
        raise InputError(
            f"--pretrain-data {path}: wanted a recording with a lidar, got {[s.name for s in sensors]}"
        )


def _scores_anew(
    what: str, model: Path | None, data: list[Path], output: Path, street: tuple[Any, int, Any]
) -> None:
    """Copies of a model's files of which the boxes have other scores or existences."""
    from perception_nodes.datatypes import ConfigurationError

    rigs, streets, drives = street
    if what == "calibrate":
        from perception_nodes.training.calibrate_real import calibrate

        if model is None or not data:
            raise ConfigurationError("perception train calibrate: wanted --model FILE and --data FOLDER")
        calibrate(model, tuple(data), output, Console())
        return
    from perception_nodes.training.second_look import add_second_look

    if model is None or not rigs:
        raise ConfigurationError("perception train second-look: wanted --model FILE and --rig NAME")
    folder = data[0] if data else output / "data"
    add_second_look(model, rigs, streets, drives, output, folder, Console())


def _pretraining(steps: int, recordings: list[Path], output: Path, fresh: bool, resume: bool) -> Any:
    """What comes before the supervised steps; recordings are read when they are wanted."""
    from perception_nodes.datatypes import ConfigurationError
    from perception_nodes.training.pretrain import FOLDER, Pretraining, Recording

    if steps and not fresh:
        raise ConfigurationError(
            f"--pretrain {steps}: wanted without --weights and --from, for weights from nothing"
        )
    if recordings and not steps:
        raise ConfigurationError("--pretrain-data: wanted with --pretrain STEPS, got no steps")
    # A run that goes on has stored the sweeps.
    for path in () if resume else recordings:
        _check_recording(path)

    def recording(number: int, path: Path) -> Recording:
        def read() -> Any:
            from perception_nodes.runs import RunOptions
            from perception_nodes.runs.adapt import read_drive

            played = RunOptions(path, output / FOLDER / f"drive_{number}", offline=True)
            drive = read_drive(played, _MOST_SWEEPS, Console(), motion=False)
            return drive.sweeps, drive.points

        return Recording(path.name, read)

    return Pretraining(steps, tuple(recording(k, path) for k, path in enumerate(recordings)))


def seconds(text: str) -> float:
    """`60min`, `2h`, `90s` or `1h30min` in seconds; raises ConfigurationError for anything else."""
    from perception_nodes.datatypes import ConfigurationError

    parts = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)min)?(?:(\d+(?:\.\d+)?)s)?", text)
    total = (
        sum(float(v) * unit for v, unit in zip(parts.groups(), (3600, 60, 1), strict=True) if v)
        if parts
        else 0.0
    )
    if total <= 0:
        raise ConfigurationError(f"budget {text!r}: wanted a time such as 60min, 2h or 90s")
    return total
