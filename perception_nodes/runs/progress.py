"""The line that tells a person how a run is going."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class RunProgress:
    """A bar on a terminal; on a pipe one line for every quarter done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=None, detail="")
        self._quarter = -1
        self._description = ""

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, description: str) -> None:
        """A new phase begins."""
        if description != self._description:
            self._description, self._quarter = description, -1
            self._progress.reset(self._task, total=None, description=description, detail="")
            if not self.console.is_terminal:
                self.console.print(f"{description} ...")

    def update(self, done: float, total: float, detail: str = "") -> None:
        """`done` of `total` in any unit."""
        self._progress.update(self._task, completed=done, total=max(total, 1e-9), detail=detail)
        quarter = int(4 * done / max(total, 1e-9))
        if not self.console.is_terminal and quarter > self._quarter and detail:
            self._quarter = quarter
            self.console.print(f"  {100 * done / max(total, 1e-9):3.0f} %  {detail}")


def latency_text(latency_s: list[float]) -> str:
    """Median of the newest 100, as in `p50 45 ms`; `p50 -` before the first."""
    if not latency_s:
        return "p50 -"
    return f"p50 {1e3 * float(np.median(latency_s[-100:])):.0f} ms"
