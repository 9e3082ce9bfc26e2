"""`perception tune`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception tune tracker --truth kitti/label_02 --detections kitti --calib kitti/calib --classes Car`

`perception tune consistency --seeds 11,12,13 --fit-seeds 1,2,3`

`perception tune existence --lidar-model my_model.onnx --fit-seeds 1,2,3 --output existence.yaml`
"""


def tune(
    what: Annotated[
        str,
        typer.Argument(
            help="tracker; scores: what they mean; choices: by the other sequences; ablation: what each part adds; "
            "smooth: what --smooth does; consistency: simulated; existence: what it is worth, simulated; "
            "parameters: of the tracker, by effect"
        ),
    ],
    truth: Annotated[Path | None, typer.Option(help="folder of KITTI tracking labels SSSS.txt")] = None,
    detections: Annotated[
        Path | None, typer.Option(help="folder of KITTI detections, as of perception track")
    ] = None,
    calib: Annotated[Path | None, typer.Option(help="folder of calibration files SSSS.txt")] = None,
    classes: Annotated[str, typer.Option(help="as Car,Pedestrian")] = "Car,Pedestrian,Cyclist",
    sequences: Annotated[str, typer.Option(help="numbers, as 2,3; default: all that have labels")] = "",
    detections_2d: Annotated[
        Path | None, typer.Option("--detections-2d", help="folder of 2D detections to fuse")
    ] = None,
    trials: Annotated[int, typer.Option(help="settings of the tracker")] = 20,
    rankings: Annotated[int, typer.Option(help="settings of the ranking for each of them")] = 8,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
    seeds: Annotated[
        str, typer.Option(help="of drives that are judged: consistency, existence")
    ] = "11,12,13",
    fit_seeds: Annotated[
        str, typer.Option("--fit-seeds", help="of drives on which existence is calibrated: the same two")
    ] = "",
    seconds: Annotated[float, typer.Option(help="length of each drive, s: the same two")] = 20.0,
    walls: Annotated[
        float, typer.Option(help="consistency: places in range with a lasting false alarm")
    ] = 0.0,
    lidar_model: Annotated[
        str, typer.Option("--lidar-model", help="existence: geometric, auto, paths of models; with commas")
    ] = "geometric",
    rig: Annotated[
        str, typer.Option(help="existence: name or file of a rig; its lidars are used")
    ] = "default",
    output: Annotated[
        Path | None, typer.Option(help="existence: file for the map, for existence_calibration:=FILE")
    ] = None,
) -> None:
    """Search parameters on development data; every figure also with the sequence it is of left out.

    consistency: whether covariances and existence are true statements, on simulated drives. existence: a map that
    makes the existence of tracks on the detections of a lidar model a probability, on simulated streets.
    """
    from perception_nodes.assessment.tracks.ablation import ablation
    from perception_nodes.assessment.tracks.choices import choose
    from perception_nodes.assessment.tracks.command import TrackOptions
    from perception_nodes.assessment.tracks.scores import scores_and_tell
    from perception_nodes.assessment.tracks.smooth_figures import smooth_and_tell
    from perception_nodes.assessment.tracks.tune import tune_and_tell
    from perception_nodes.assessment.tracks.tune_inputs import TuneOptions, read_truth
    from perception_nodes.datatypes import ConfigurationError
    from perception_nodes.geometry.compilation import announced

    from .track import sequence_numbers

    if what == "parameters":
        from perception_nodes.datatypes import effects_table
        from perception_nodes.tracking import TrackerConfig

        typer.echo("\n".join(effects_table(TrackerConfig())))
        return
    if what in ("consistency", "existence"):
        judged, fitted = (
            sequence_numbers(text, name) for text, name in ((seeds, "--seeds"), (fit_seeds, "--fit-seeds"))
        )
        with announced(Console().print):
            if what == "consistency":
                from perception_nodes.assessment.tracks.consistency import ConsistencyOptions, consistency
                from perception_nodes.assessment.tracks.simulated import DetectorModel

                model = DetectorModel(walls=walls)
                drives = ConsistencyOptions(seeds=judged, fit_seeds=fitted, seconds=seconds, model=model)
                consistency(drives, Console())
            else:
                from perception_nodes.assessment.tracks.existence import ExistenceOptions, existence

                existence(
                    ExistenceOptions(
                        tuple(lidar_model.split(",")),
                        rig,
                        seeds=judged,
                        fit_seeds=fitted,
                        seconds=seconds,
                        output=output,
                    ),
                    Console(),
                )
        return
    works: dict[str, Callable[[TuneOptions, Console], object]] = {
        "tracker": tune_and_tell,
        "scores": scores_and_tell,
        "choices": choose,
        "smooth": smooth_and_tell,
        "ablation": ablation,
    }
    if what not in works:
        raise ConfigurationError(
            "perception tune: wanted tracker, scores, choices, ablation, consistency, existence, smooth or parameters, "
            f"got {what!r}"
        )
    if truth is None or detections is None:
        raise ConfigurationError(f"perception tune {what}: wanted --truth and --detections")
    numbers = sequence_numbers(sequences)
    track = TrackOptions("kitti", detections, Path(), calib, sequences=numbers, detections_2d=detections_2d)
    console = Console()
    labels = [label.strip() for label in classes.split(",")]
    every = [TuneOptions(truth, track, label, trials, rankings, seed) for label in labels]
    # What the last class lacks is told before minutes of work on the first.
    for options in every:
        read_truth(options)
    for options in every:
        with announced(console.print):
            works[what](options, console)
