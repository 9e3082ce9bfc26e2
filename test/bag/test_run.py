"""`perception run` as a process: a node that is killed, Ctrl-C at any moment. Needs a recording."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from perception_nodes.datasets import BagReader, open_input
from perception_nodes.msg import FrameSet, PerceptionState
from perception_nodes.ros import qos

pytestmark = pytest.mark.slow

NODES = (
    "sync",
    "lidar_detector",
    "camera_detector",
    "fusion",
    "tracker",
    "map_elements",
    "supervisor",
    "markers",
)
SLOWLY = ("--rate", "0.5")  # 16 s: what a test does while it plays comes before the end
DEADLINE_S = 500.0  # below the limit of a test, so that what the run has said is seen


class Run:
    """A `perception run` in a process group of its own."""

    def __init__(
        self, folder: Path, domain_id: int, shared_memory: ModuleType, source: Path, *options: str
    ) -> None:
        self.folder = folder
        self.shared_memory = shared_memory
        self.output = folder / "screen.txt"
        command = [sys.executable, "-m", "perception_nodes.cli.main", "run", str(source)]
        command += ["--output", str(folder / "out"), *options]
        # A job in the background has it ignored, and so would what it starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.output.open("wb") as screen:
            self.process = subprocess.Popen(
                command, stdout=screen, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.children: set[psutil.Process] = set()
        self.locks: set[Path] = set()
        self.frames = 0
        self.lost: set[str] = set()
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.listener = rclpy.create_node("onlooker", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.listener)
        self.listener.create_subscription(
            FrameSet, "/perception/sync/frame_set", self._count, qos.detections()
        )

        self.listener.create_subscription(PerceptionState, "/perception/state", self._look, 100)

    def _count(self, _message: Any) -> None:
        self.frames += 1

    def _look(self, state: Any) -> None:
        self.lost |= {f for f in state.active_faults if f.endswith(".LOST")}

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, self.text()
            with contextlib.suppress(psutil.NoSuchProcess):
                self.children |= set(psutil.Process(self.process.pid).children(recursive=True))
            for pid in (self.process.pid, *(c.pid for c in self.children)):
                self.locks |= self.shared_memory.locks_of(pid)
            assert self.process.poll() is None or condition(), self.text()
            self.executor.spin_once(timeout_sec=0.02)

    def node(self, name: str) -> psutil.Process | None:
        """The process of a node, once it is there."""
        for child in list(self.children):
            try:
                if f"perception_nodes.nodes.{name}" in child.cmdline():
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def playing(self) -> bool:
        """Some frames have come, most have not."""
        return self.frames >= 5

    def end(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        return int(self.process.returncode)

    def check_nothing_is_left(self) -> None:
        alive = [c for c in self.children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]
        assert not alive
        assert not self.shared_memory.left(self.locks)
        assert "Traceback" not in self.text()
        log_dir = self.out / "logs"
        for log in log_dir.glob("*.log"):
            assert "Traceback" not in log.read_text(errors="replace"), log

    def summary(self) -> dict[str, Any]:
        with BagReader(self.out / "outputs.mcap") as reader:
            assert reader.info.topics is not None
        assert (self.out / "report.html").stat().st_size > 1000
        data: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        return data

    def kill(self) -> None:
        for process in (*self.children, *([self.process] if self.process.poll() is None else [])):
            try:
                process.kill()
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        self.process.wait()
        self.executor.shutdown()
        self.listener.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture(scope="session")
def recording(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PandaSet sequence as a bag."""
    out = tmp_path_factory.mktemp("recording") / "pandaset.mcap"
    open_input(shared_data / "pandaset_002", None).to_bag(out)
    return out


@pytest.fixture
def run(tmp_path: Path, domain_id: int, shared_memory: ModuleType) -> Iterator[Callable[..., Run]]:
    started: list[Run] = []

    def start(source: Path, *options: str) -> Run:
        started.append(Run(tmp_path, domain_id, shared_memory, source, *options))
        return started[-1]

    yield start
    for item in started:
        item.kill()


@pytest.mark.parametrize(
    "name", ["sync", "fusion", "tracker", "lidar_detector", "camera_detector", "map_elements", "markers"]
)
def test_a_killed_node_is_named_and_the_others_go_on(
    run: Callable[..., Run], recording: Path, name: str
) -> None:
    started = run(recording, *SLOWLY)
    started.until(started.playing)
    victim = started.node(name)
    assert victim is not None
    victim.kill()
    started.until(lambda: f"node {name} has died" in started.text())
    started.until(lambda: f"NODE.{name.upper()}.LOST" in started.lost)
    started.process.send_signal(signal.SIGINT)
    assert started.end() == 0
    summary = started.summary()
    assert summary["run"]["died"] == {name: -signal.SIGKILL}
    assert any(f"node {name} died" in p for p in summary["problems"])
    with BagReader(started.out / "outputs.mcap") as reader:
        states = [
            reader.decode(raw, "perception_nodes/msg/PerceptionState")
            for _, _, raw in reader.messages({"/perception/state"})
        ]
    seen = [s for s in states if f"NODE.{name.upper()}.LOST" in s.active_faults]
    assert seen
    if name in ("tracker", "fusion", "lidar_detector"):
        assert any(int(s.mode) == 4 for s in seen)
    started.check_nothing_is_left()


def test_without_its_supervisor_the_graph_goes_on_and_the_run_says_it(
    run: Callable[..., Run], recording: Path
) -> None:
    started = run(recording, "--duration", "3", *SLOWLY)
    started.until(started.playing)
    victim = started.node("supervisor")
    assert victim is not None
    victim.kill()
    assert started.end() == 0
    summary = started.summary()
    assert summary["run"]["died"] == {"supervisor": -signal.SIGKILL}
    assert any("node supervisor died" in p for p in summary["problems"])
    assert "node supervisor has died" in started.text()
    (published,) = summary["frames"]["published"].values()
    assert summary["frames"]["object_stamps"] >= published > 20
    started.check_nothing_is_left()


@pytest.mark.parametrize("moment", ["converting", "starting nodes", "playing", "stopping", "reporting"])
def test_ctrl_c_leaves_a_readable_run(
    run: Callable[..., Run], recording: Path, shared_data: Path, moment: str
) -> None:
    source = shared_data / "pandaset_002" if moment == "converting" else recording
    started = run(source, *(("--duration", "3") if moment in ("stopping", "reporting") else SLOWLY))
    if moment == "converting":
        started.until((started.out / "rig.yaml").is_file)
    elif moment == "starting nodes":
        started.until(lambda: started.node("lidar_detector"))
    elif moment == "playing":
        started.until(started.playing)
    elif moment == "stopping":
        started.until(started.playing)
        started.until(lambda: started.node("bag_player") is None)
    else:
        started.until((started.out / "objects.jsonl").is_file)
    started.process.send_signal(signal.SIGINT)
    status = started.end()
    started.check_nothing_is_left()
    if (started.out / "outputs.mcap").is_file():
        assert status == 0
        summary = started.summary()
        assert summary["run"]["died"] == {}
        assert moment in ("stopping", "reporting") or summary["run"]["interrupted"]
    else:
        # A shell shows both as 130.
        assert moment == "converting" and status in (130, -signal.SIGINT)
        assert not (started.out / "input.mcap").exists()


def test_a_node_that_cannot_be_configured_is_one_sentence_and_leaves_its_log(
    run: Callable[..., Run], recording: Path
) -> None:
    started = run(recording, "--set", "sync_policy:=foo")
    started.until(lambda: started.process.poll() is not None)
    assert started.process.returncode == 2
    (error,) = [line for line in started.text().splitlines() if line.startswith("error:")]
    assert "node sync cannot be configured: parameter policy" in error and "'foo'" in error
    assert "Traceback" not in started.text() and "[FATAL]" not in started.text()
    assert str(started.out / "logs" / "sync.log") in error
    assert (started.out / "logs" / "sync.log").is_file()
    assert not (started.out / "outputs.mcap").exists()
