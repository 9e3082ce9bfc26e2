"""`perception track`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EXAMPLES = """
**Examples**

`perception track --format kitti --detections kitti --calib kitti/calib --output tracks --split-classes`

`perception track --format kitti --detections kitti --detections-2d kitti --classes Car --sequences 2,3 --output tracks`

`perception track --format nuscenes --detections results.json --poses v1.0-trainval --output tracks`

`perception track --format jsonl --detections out/detections.jsonl --poses poses.jsonl --output tracks`
"""


def track(
    format: Annotated[str, typer.Option(help="kitti, nuscenes or jsonl")],
    detections: Annotated[Path, typer.Option(help="folder (kitti: SSSS.txt, or one folder a class) or file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the tracks")],
    calib: Annotated[Path | None, typer.Option(help="kitti: folder of calibration files SSSS.txt")] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="kitti: folder of oxts; nuscenes: folder of its tables; jsonl: lines of poses"),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="classes to track, as Car or Car,Pedestrian; default: all there are"),
    ] = None,
    sequences: Annotated[str, typer.Option(help="kitti: numbers, as 1,6,8; default: all")] = "",
    split_classes: Annotated[bool, typer.Option("--split-classes", help="kitti: one folder a class")] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="offline: link, fill and smooth with what came later")
    ] = False,
    detections_2d: Annotated[
        Path | None, typer.Option("--detections-2d", help="kitti: folder of 2D detections to fuse")
    ] = None,
    ego_motion: Annotated[
        str | None,
        typer.Option(help="kitti without poses: from-objects or none; default: from-objects for cars"),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(help="more classes, after --classes", hidden=True)
    ] = None,
) -> None:
    """Track recorded detections, causally and in one pass; with --smooth for auto-labels, with what came later too."""
    from perception_nodes.assessment.tracks.command import TrackOptions, track_and_write

    names = [name for text in [*(classes or []), *(more or [])] for name in text.split(",") if name]
    options = TrackOptions(
        format=format,
        detections=detections,
        output=output,
        calib=calib,
        poses=poses,
        classes=tuple(dict.fromkeys(names)),
        sequences=sequence_numbers(sequences),
        split_classes=split_classes,
        smooth=smooth,
        detections_2d=detections_2d,
        ego_motion=ego_motion,
    )
    track_and_write(options, Console())


def sequence_numbers(text: str, option: str = "--sequences") -> tuple[int, ...]:
    """Numbers of `1,6,8`; raises ConfigurationError on anything else."""
    from perception_nodes.datatypes import ConfigurationError

    words = [w.strip() for w in text.split(",") if w.strip()]
    if any(not w.isdigit() for w in words):
        raise ConfigurationError(f"{option}: wanted whole numbers with commas, as 1,6,8, got {text!r}")
    return tuple(dict.fromkeys(int(w) for w in words))
