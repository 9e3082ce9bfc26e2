"""What is seen of a run while it runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from perception_nodes.training.config import TrainConfig
from perception_nodes.training.journal import journal, ticking


def test_numbers_of_steps_are_shown_and_kept_and_scores_are_kept(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    with journal("train tiny", TrainConfig(steps=8), 2, tmp_path, (), console) as kept:
        assert (kept.bar.tasks[0].completed, kept.bar.tasks[0].total) == (2, 8)
        kept.report(4, {"loss": 1.25, "frames_per_s": 20.0})
        kept.log(6, {"ap": 0.5})
        (task,) = kept.bar.tasks
        assert (task.description, task.completed) == ("train tiny loss 1.25 20 frames/s", 4)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"step": 4, "loss": 1.25, "frames_per_s": 20.0}, {"step": 6, "ap": 0.5}]


def test_a_process_that_keeps_nothing_writes_no_file(tmp_path: Path) -> None:
    with journal("train tiny", TrainConfig(steps=8), 0, tmp_path, None, Console(quiet=True)) as kept:
        kept.report(1, {"loss": 1.0})
        assert kept.bar.tasks[0].completed == 1
    assert not list(tmp_path.iterdir())


def test_logs_are_closed_when_a_run_is_broken_off(tmp_path: Path) -> None:
    opened = journal("train tiny", TrainConfig(), 0, tmp_path, (), Console(quiet=True))
    (sink,) = opened.__enter__().sinks
    stop = KeyboardInterrupt()
    assert not opened.__exit__(KeyboardInterrupt, stop, None)
    with pytest.raises(ValueError, match="closed"):
        sink.log(1, {})


def test_a_bar_takes_how_much_more_is_done() -> None:
    out = io.StringIO()
    with ticking(Console(file=out, width=120), "simulate", 5) as tick:
        tick(2)
        tick(3)
    assert "5/5" in out.getvalue()
