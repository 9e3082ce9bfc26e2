"""ONNX models on ONNX Runtime: which provider really runs them, which precision and thread count is fastest here."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from perception_nodes.datatypes import ModelError

from .learned_config import RuntimeConfig

F32 = npt.NDArray[np.float32]
# Key under which a model keeps what it was trained for, as JSON.
METADATA_KEY: Final = "perception_nodes"
# int8 must be this much faster to be worth its small loss.
_WORTH: Final = 0.85


@dataclass(frozen=True)
class Candidate:
    """One way to run a model, and the median time of a run."""

    path: Path
    precision: str
    threads: int
    provider: str
    median_ms: float

    def __str__(self) -> str:
        return f"{self.precision} with {self.threads} thread(s) on {self.provider}: {self.median_ms:.1f} ms"


class OnnxModel:
    """One model file and, beside it, `<name>_int8.onnx` where there is one; `run` is inputs in, outputs out."""

    def __init__(self, path: Path, config: RuntimeConfig | None = None) -> None:
        """Open, measure, choose. Raises ModelError if the file is missing, not ONNX, or no provider can run it."""
        self.config = config or RuntimeConfig()
        self.tried: list[Candidate] = []
        best = None
        for file, precision in _files(path, self.config.precision):
            for threads in _threads(self.config):
                session = open_session(file, self.config.providers, threads)
                candidate = _measure(session, file, precision, threads, self.config.probe_runs)
                self.tried.append(candidate)
                if best is None or _better(candidate, best[0]):
                    best = (candidate, session)
        assert best is not None
        self.chosen, self._session = best
        self.path = self.chosen.path
        self.model_hash = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]
        self.metadata = _metadata(self._session, self.path)
        entries = self._session.get_inputs()
        self.input_shape: list[Any] = list(entries[0].shape)
        self.output_names = [o.name for o in self._session.get_outputs()]
        self._input: str = entries[0].name

    @property
    def providers(self) -> list[str]:
        """What really runs it, as ONNX Runtime says."""
        return list(self._session.get_providers())

    def run(self, value: F32) -> list[F32]:
        """Outputs in the model's order."""
        out: list[F32] = self._session.run(None, {self._input: value})
        return out

    def describe(self) -> str:
        """The choice and what it was chosen from, for the log."""
        others = "; ".join(str(c) for c in self.tried if c is not self.chosen)
        return f"{self.path.name}: {self.chosen}" + (f" (tried: {others})" if others else "")


def open_session(path: Path, providers: Sequence[str], threads: int) -> Any:
    """A session on the first usable provider. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"model {path}: no such file")
    # onnxruntime prints to stderr and falls back silently when a provider is not built in: choose here, and say so.
    have = ort.get_available_providers()
    usable = [p for p in providers if p in have]
    if not usable:
        raise ModelError(f"model {path}: wanted providers {list(providers)}, this onnxruntime has {have}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=usable)
    except Exception as error:  # onnxruntime's own error classes have no public common base
        raise ModelError(f"model {path}: cannot be loaded: {error}") from error


def int8_path(path: Path) -> Path:
    """Where the int8 version of a model lies."""
    return path.with_name(f"{path.stem}_int8.onnx")


def _files(path: Path, precision: str) -> list[tuple[Path, str]]:
    """The files to choose from, the reference first. A path that names an int8 file means that one."""
    if path.stem.endswith("_int8"):
        return [(path, "int8")]
    quantised = int8_path(path)
    if precision == "int8":
        return [(quantised, "int8")]
    both = precision == "auto" and quantised.is_file()
    return [(path, "fp32"), *([(quantised, "int8")] if both else [])]


def _threads(config: RuntimeConfig) -> list[int]:
    if config.threads:
        return [config.threads]
    return [1, 2] if len(os.sched_getaffinity(0)) > 1 else [1]


def _measure(session: Any, path: Path, precision: str, threads: int, runs: int) -> Candidate:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        got = [f"{i.name} {i.type}" for i in inputs]
        raise ModelError(f"model {path}: wanted one input, tensor(float), got {got}")
    entry = inputs[0]
    if not all(isinstance(s, int) and s > 0 for s in entry.shape):
        raise ModelError(f"model {path}: input {entry.name} has shape {entry.shape}: wanted fixed sizes")
    value = {entry.name: np.zeros(entry.shape, np.float32)}
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        session.run(None, value)
        times.append(time.perf_counter() - began)
    # The first run allocates.
    return Candidate(path, precision, threads, session.get_providers()[0], 1e3 * float(np.median(times[1:])))


def _better(one: Candidate, other: Candidate) -> bool:
    """Faster; another precision or a second thread only where it clearly is."""
    return one.median_ms < other.median_ms * _WORTH


def _metadata(session: Any, path: Path) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelError(f"model {path}: its metadata {METADATA_KEY!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(
            f"model {path}: its metadata {METADATA_KEY!r}: wanted an object, got {type(value).__name__}"
        )
    return value
