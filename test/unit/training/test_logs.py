"""Logs of a run."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from perception_nodes.datatypes import ConfigurationError
from perception_nodes.training import logs


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_numbers_are_kept_in_order_and_what_is_not_finite_is_null(tmp_path: Path) -> None:
    (sink,), missing = logs.open_sinks((), tmp_path, {})
    sink.log(1, {"loss": 2.0})
    sink.log(2, {"loss": float("nan"), "rate": float("inf")})
    sink.close()
    assert lines(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": None, "rate": None},
    ]
    assert missing == []


def test_a_run_that_goes_on_drops_what_it_does_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    (sink,), _ = logs.open_sinks((), tmp_path, {}, first_step=2)
    sink.log(3, {"again": 1.0})
    sink.close()
    assert lines(path) == [{"step": 1}, {"step": 2}, {"step": 3, "again": 1.0}]


def test_a_run_that_begins_again_keeps_nothing(tmp_path: Path) -> None:
    """What a killed run had said before its first step is said again."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0, "ap": 0.5}\n{"step": 1}\n')
    (sink,), _ = logs.open_sinks((), tmp_path, {})
    sink.log(0, {"ap": 0.5})
    sink.close()
    assert lines(path) == [{"step": 0, "ap": 0.5}]


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    sinks, missing = logs.open_sinks(("tensorboard", "mlflow"), tmp_path, {})
    assert len(sinks) == 1
    assert ["tensorboard" in missing[0], "mlflow" in missing[1]] == [True, True]
    sinks[0].close()


def test_an_unknown_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="wanted one of"):
        logs.open_sinks(("weights",), tmp_path, {})
    with pytest.raises(ConfigurationError, match="--log tensorbord: wanted one of"):
        logs.check_logs(("mlflow", "tensorbord"))


def test_tensorboard_gets_scalars(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra [train]")
    pytest.importorskip("tensorboard", reason="needs the extra [train]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sinks, _ = logs.open_sinks(("tensorboard",), tmp_path, {})
    for sink in sinks:
        sink.log(4, {"loss": 0.5})
        sink.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (scalar,) = events.Scalars("loss")
    assert (scalar.step, scalar.value) == (4, 0.5)
