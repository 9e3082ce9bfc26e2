"""What is seen of a run while it runs: bars, and the numbers of its steps on the console and in the logs."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .config import TrainConfig
from .logs import Sink, open_sinks


@dataclass(frozen=True, eq=False)
class Journal:
    """Takes the numbers of steps; `journal` opens one."""

    what: str
    sinks: Sequence[Sink]
    bar: Progress
    task: TaskID

    def report(self, step: int, numbers: Mapping[str, float]) -> None:
        """Of a step of training: the bar moves on, the logs get all."""
        loss, speed = (numbers.get(name, math.nan) for name in ("loss", "frames_per_s"))
        shown = f"{self.what} loss {loss:.2f} {speed:.0f} frames/s"
        self.bar.update(self.task, completed=step, description=shown)
        self.log(step, numbers)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Of a score: the logs only."""
        for sink in self.sinks:
            sink.log(step, numbers)


@contextlib.contextmanager
def journal(
    what: str, config: TrainConfig, first_step: int, folder: Path, names: Sequence[str] | None, console: Console
) -> Iterator[Journal]:  # fmt: skip
    """For a run from `first_step` on; names: of logs besides the file in `folder`, None for none, not even that."""
    sinks, missing = (
        ([], []) if names is None else open_sinks(names, folder, dataclasses.asdict(config), first_step)
    )
    for sentence in missing:
        console.print(f"[yellow]{sentence}[/yellow]")
    with contextlib.ExitStack() as after, progress(console) as bar:
        for sink in sinks:
            after.callback(sink.close)
        yield Journal(what, sinks, bar, bar.add_task(what, total=config.steps, completed=first_step))


@contextlib.contextmanager
def ticking(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar; what is yielded takes how much more is done."""
    with progress(console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


def progress(console: Console) -> Progress:
    """A bar for each task, with counts and times."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=console,
    )  # fmt: skip
