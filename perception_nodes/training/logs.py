"""Where the numbers of a run go: always a file of JSON lines; TensorBoard and MLflow where asked for and installed."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from perception_nodes.datatypes import ConfigurationError

LOGS: Final = ("tensorboard", "mlflow")


class Sink(Protocol):
    """Takes named numbers of a step."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Keep them."""

    def close(self) -> None:
        """Nothing more comes."""


class JsonLines:
    """`metrics.jsonl`: one line a report. A run that goes on from an earlier step drops what came after it, one that
    begins again everything.
    """

    def __init__(self, path: Path, first_step: int = 0) -> None:
        if path.is_file():
            lines = path.read_text().splitlines() if first_step else []
            kept = [line for line in lines if _step_of(line) <= first_step]
            path.write_text("".join(f"{line}\n" for line in kept))
        self._stream = path.open("a")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Append one line; what is not finite is null."""
        plain = {k: (float(v) if abs(float(v)) < float("inf") else None) for k, v in numbers.items()}
        self._stream.write(json.dumps({"step": step, **plain}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class TensorBoard:
    """Event files for TensorBoard below `folder`."""

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=first_step)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One scalar a name."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


class Mlflow:
    """A run in MLflow: at MLFLOW_TRACKING_URI, else in a file store below `folder`."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow: Any = importlib.import_module("mlflow")
        if "MLFLOW_TRACKING_URI" not in os.environ:
            mlflow.set_tracking_uri(folder.resolve().as_uri())
        mlflow.set_experiment("perception train")
        mlflow.start_run()
        mlflow.log_params({k: v for k, v in config.items() if not isinstance(v, dict)})
        self._mlflow = mlflow

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """All numbers at once."""
        self._mlflow.log_metrics(dict(numbers), step=step)

    def close(self) -> None:
        """End the run."""
        self._mlflow.end_run()


def check_logs(names: Sequence[str]) -> None:
    """Raises ConfigurationError for a name that is none of `LOGS`."""
    unknown = [name for name in names if name not in LOGS]
    if unknown:
        raise ConfigurationError(f"--log {unknown[0]}: wanted one of {list(LOGS)}")


def open_sinks(
    names: Sequence[str], folder: Path, config: Mapping[str, Any], first_step: int = 0
) -> tuple[list[Sink], list[str]]:
    """The sinks that can be had, and a sentence for each that is not installed."""
    check_logs(names)
    sinks: list[Sink] = [JsonLines(folder / "metrics.jsonl", first_step)]
    missing = []
    for name in names:
        if importlib.util.find_spec(name) is None:
            missing.append(f"{name} is not installed, so nothing is logged there: pip install {name}")
        elif name == "tensorboard":
            sinks.append(TensorBoard(folder / "tensorboard", first_step))
        else:
            sinks.append(Mlflow(folder / "mlflow", config))
    return sinks, missing


def _step_of(line: str) -> float:
    """A line that a kill has cut off counts as the last of all: it is dropped."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
