"""From what a person names to a bag that can be played, with its rig."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from perception_nodes.datasets import BagReader, Input, find_rig, open_input
from perception_nodes.datatypes import (
    ConfigurationError,
    InputError,
    Modality,
    PerceptionError,
    Rig,
    save_rig,
)

from .options import RunOptions
from .progress import RunProgress


@dataclass(frozen=True)
class PreparedInput:
    """A playable bag and what is known about it."""

    bag: Path
    rig: Rig
    rig_path: Path
    kind: str
    has_ego_motion: bool
    has_truth: bool
    notes: tuple[str, ...]

    @property
    def tracking_frame(self) -> str:
        """odom, or the base frame where the ego motion is not known."""
        return self.rig.odom_frame if self.has_ego_motion else self.rig.base_frame


def prepare_input(options: RunOptions, progress: RunProgress) -> PreparedInput:
    """Open the input, make the output folder, settle the rig, convert a dataset to `input.mcap` in that folder.

    Raises InputError if it cannot be read or has no lidar, ConfigurationError for a bad rig; then no new
    folder is left.
    """
    rig = find_rig(options.rig) if options.rig else None
    source = open_input(options.input, rig)
    if not source.rig.of(Modality.LIDAR):
        raise InputError(f"{options.input}: no PointCloud2 topic, and the graph needs at least one lidar")
    with _new_folder(options.output):
        rig_path = options.output / "rig.yaml"
        save_rig(source.rig, rig_path)
        _tell_rig(progress.console, source.rig, given=rig is not None)
        bag = source.playable or _converted(source, options.output / "input.mcap", progress)
        _check_start(options.start_s, bag)
    for note in source.notes:
        progress.console.print(f"[dim]note: {note}[/dim]", highlight=False)
    return PreparedInput(
        bag, source.rig, rig_path, source.kind, source.has_ego_motion, source.has_truth, tuple(source.notes)
    )


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make the output folder; take it away again if it is new and the input turns out to be of no use."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--output {folder}: cannot make this folder: {error}") from error
    try:
        yield
    except PerceptionError:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _converted(source: Input, bag: Path, progress: RunProgress) -> Path:
    progress.stage(f"converting {source.kind}")
    source.to_bag(bag, lambda done, total: progress.update(done, total, f"{done} of {total} messages"))
    return bag


def _check_start(start_s: float, bag: Path) -> None:
    with BagReader(bag) as reader:
        length_s = reader.info.duration_s
    if start_s > length_s:
        raise InputError(
            f"--start {start_s:g}: nothing to play from there: {bag} ends after {length_s:.2f} s"
        )


def _tell_rig(console: Console, rig: Rig, *, given: bool) -> None:
    console.print(
        f"rig [b]{rig.name}[/b] ({'given' if given else 'guessed from the input'})", highlight=False
    )
    for sensor in rig.sensors:
        word = sensor.modality.name.lower()
        console.print(f"  {sensor.name:20} {word:7} {sensor.topic}  {sensor.rate_hz:g} Hz", highlight=False)
