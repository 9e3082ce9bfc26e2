"""The whole of `perception track`: read, track in one causal pass, write, tell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from perception_nodes.datatypes import ConfigurationError, InputError
from perception_nodes.geometry.compilation import announced

from .config import CLASSES

FORMATS: Final = ("kitti", "nuscenes", "jsonl")
EGO_MOTIONS: Final = ("from-objects", "none")


@dataclass(frozen=True)
class TrackOptions:
    """What the command line says; see `perception track --help`. ego_motion None: as the class is tuned."""

    format: str
    detections: Path
    output: Path
    calib: Path | None = None
    poses: Path | None = None
    classes: tuple[str, ...] = ()
    sequences: tuple[int, ...] = ()
    split_classes: bool = False
    smooth: bool = False
    detections_2d: Path | None = None
    ego_motion: str | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigurationError(f"--format: wanted one of {list(FORMATS)}, got {self.format!r}")
        paths = {"--detections": self.detections, "--calib": self.calib, "--poses": self.poses}
        for name, path in (paths | {"--detections-2d": self.detections_2d}).items():
            if path is not None and not path.exists():
                raise InputError(f"{name}: {path} does not exist")
        if self.format != "kitti":
            given: dict[str, object] = {"--calib": self.calib, "--detections-2d": self.detections_2d}
            given["--ego-motion"] = self.ego_motion
            extra = [name for name, value in given.items() if value is not None]
            extra += ["--sequences"] * bool(self.sequences) + ["--split-classes"] * self.split_classes
            if extra:
                raise ConfigurationError(f"{extra[0]} is for --format kitti, got --format {self.format}")
        if self.ego_motion not in (None, *EGO_MOTIONS):
            raise ConfigurationError(
                f"--ego-motion: wanted one of {list(EGO_MOTIONS)}, got {self.ego_motion!r}"
            )
        if self.ego_motion is not None and self.poses is not None:
            raise ConfigurationError(
                f"--ego-motion {self.ego_motion}: the motion is given by --poses: leave one of them out"
            )
        unknown = sorted(set(self.classes) - set(CLASSES))
        if self.format == "kitti" and unknown:
            raise ConfigurationError(f"--classes: wanted some of {list(CLASSES)}, got {unknown[0]!r}")


@dataclass(frozen=True)
class Done:
    """How much was tracked: frames times classes, tracks that were written, seconds with reading and writing."""

    frames: int
    tracks: int
    seconds: float


def track_and_write(options: TrackOptions, console: Console) -> Done:
    """Track all detections and write the results below `options.output`, made if it is missing."""
    start = time.perf_counter()
    if options.format == "kitti":
        from .kitti_files import track_kitti as work
    elif options.format == "nuscenes":
        from .nuscenes import track_nuscenes as work
    else:
        from .jsonl import track_jsonl as work
    with announced(console.print):
        frames, tracks = work(options, console)
    done = Done(frames, tracks, time.perf_counter() - start)
    rate = done.frames / max(done.seconds, 1e-9)
    console.print(f"{done.frames} frames, {done.tracks} tracks, {done.seconds:.2f} s ({rate:.0f} frames/s)")
    console.print(f"results: [b]{options.output.resolve()}[/b]", highlight=False, soft_wrap=True)
    return done
