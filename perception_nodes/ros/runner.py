"""Starts and stops the graph's processes where launch_ros is absent. Not ROS launch: it runs graph files only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from . import transport
from .graph import NodeSpec

# The last is no patience but time to die: what a process holds in shared memory is removed after that.
_PATIENCE_S = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 30.0))
_SHM = Path("/dev/shm")
# What nodes say (ros/node.py) when they cannot work with what they are given, and their status then (ros/main.py).
_REFUSAL = "cannot be configured:"
_REFUSED = 2
# Not a session of its own: Linux shares the processor between sessions first (autogroup), and a node that has lowered
# its priority would give way to nobody.
_OWN_GROUP: dict[str, Any] = (
    {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}
)


class GraphRunner:
    """One process a node, each in a process group of its own (a Ctrl-C on the terminal reaches only the caller)."""

    def __init__(self, specs: Sequence[NodeSpec], log_dir: Path) -> None:
        self._specs = tuple(specs)
        self._log_dir = log_dir
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._parameters = tempfile.TemporaryDirectory(prefix="perception_graph_")

    def __enter__(self) -> GraphRunner:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by node name."""
        return {name: p.pid for name, p in self._processes.items()}

    def start(self, parameters: Mapping[str, Any] | None = None) -> None:
        """Start all nodes; their output goes to `<log_dir>/<name>.log`. parameters: more of them, known only now."""
        transport.configure()
        self._specs = tuple(
            replace(s, parameters={**s.parameters, **(parameters or {})}) for s in self._specs
        )
        self._log_dir.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        # Held back until the node has its handlers: a signal during its imports would end it with a traceback.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._start_all(environment)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_all(self, environment: dict[str, str]) -> None:
        for spec in self._specs:
            log = self.log_path(spec.name).open("wb")
            self._logs.append(log)
            self._processes[spec.name] = subprocess.Popen(
                self._command(spec),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                **_OWN_GROUP,
            )

    def poll(self) -> dict[str, int | None]:
        """Exit status of each node, None while it runs."""
        return {name: p.poll() for name, p in self._processes.items()}

    def stop(self) -> dict[str, int | None]:
        """Ask, urge, kill; returns the exit statuses and removes what killed processes left in shared memory."""
        killed = [p.pid for p in self._processes.values() if (p.poll() or 0) < 0]
        for number, patience_s in _PATIENCE_S:
            running = [p for p in self._processes.values() if p.poll() is None]
            if not running:
                break
            for process in running:
                process.send_signal(number)
                if number == signal.SIGKILL:
                    killed.append(process.pid)
            _wait(running, patience_s)
        for log in self._logs:
            log.close()
        self._parameters.cleanup()
        if killed:
            _remove_orphans()
        return self.poll()

    def log_tail(self, name: str, lines: int = 12) -> str:
        """The last lines of a node's output."""
        path = self.log_path(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.is_file() else ""

    def log_path(self, name: str) -> Path:
        """The file with a node's output."""
        return self._log_dir / f"{name}.log"

    def complaint(self, name: str) -> str:
        """Why a node ended: the one sentence with which it refused its configuration, else its last lines."""
        where = f"(log: {self.log_path(name)})"
        lines = self.log_tail(name, 10_000).splitlines()
        said = [line[line.index(_REFUSAL) :] for line in lines if "[ERROR]" in line and _REFUSAL in line]
        if said:
            return f"node {name} {said[0]} {where}"
        code = self.poll().get(name)
        if code == _REFUSED and lines:
            return f"node {name}: {lines[-1]} {where}"
        ended = "does not answer" if code is None else f"ended with status {code}"
        return f"node {name} {ended} {where}:\n{self.log_tail(name)}"

    def _command(self, spec: NodeSpec) -> list[str]:
        file = Path(self._parameters.name) / f"{spec.name}.yaml"
        # JSON is YAML in which every text is quoted: rcl would read a bare 1e5 or nan as a number.
        file.write_text(json.dumps({"/**": {"ros__parameters": spec.parameters}}, ensure_ascii=False))
        command = [sys.executable, "-m", f"perception_nodes.nodes.{spec.executable}"]
        command += ["--ros-args", "-r", f"__node:={spec.name}"]
        for path in (*spec.parameter_files, str(file)):
            command += ["--params-file", path]
        return command


def _wait(processes: Sequence[subprocess.Popen[bytes]], patience_s: float) -> None:
    end = time.monotonic() + patience_s
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue


def _remove_orphans() -> None:
    """Fast DDS marks each segment's owner by a lock file; what nobody holds a lock on is an orphan."""
    import fcntl

    for lock in _SHM.glob("fastdds_*_el"):
        try:
            with lock.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        segment = lock.with_name(lock.name.removesuffix("_el"))
        lock.unlink(missing_ok=True)
        segment.unlink(missing_ok=True)
