"""`perception run`: start the graph, play the input through it, record what comes out."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import yaml

from perception_nodes.datasets import BagWriter
from perception_nodes.datatypes import InputError, PerceptionError, Rig, load_rig
from perception_nodes.ros.graph import load_graph, node_specs
from perception_nodes.ros.recorder import Recorder
from perception_nodes.ros.runner import GraphRunner

from .options import RunOptions
from .prepare import PreparedInput
from .progress import RunProgress, latency_text

PREFIXES = ("/perception/", "/tf", "/diagnostics")
_DRAIN_QUIET_S = 0.4
_DRAIN_LIMIT_S = 3.0


@dataclass
class RunLog:
    """What happened while the graph ran."""

    interrupted: bool = False
    ready_s: float = float("nan")
    played_s: float = 0.0
    died: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown_types: dict[str, str] = field(default_factory=dict)


class GraphFailed(PerceptionError):
    """The graph did not come up, or lost its player."""


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within it, SIGINT and SIGTERM only set the flag that the yielded function returns."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_graph(options: RunOptions, prepared: PreparedInput, progress: RunProgress) -> RunLog:
    """Run the graph over a prepared input; leaves `outputs.mcap` and `logs/` in the output folder.

    Raises GraphFailed if a node does not become ready in time or the player dies.
    """
    log = RunLog()
    specs = _specs(options, prepared)
    nodes = [s for s in specs if s.name != "bag_player"]
    players = [s for s in specs if s.name == "bag_player"]
    folder = options.output
    with (
        interruptible() as stopped,
        BagWriter(folder / "outputs.mcap") as writer,
        Recorder(_sink(writer), PREFIXES) as recorder,
    ):
        _refuse_second_graph(recorder)
        graph = GraphRunner(nodes, folder / "logs")
        player = GraphRunner(players, folder / "logs")
        try:
            started = time.monotonic()
            progress.stage("starting nodes")
            graph.start()
            if _wait_ready(options, recorder, graph, [s.name for s in nodes], progress, stopped):
                log.ready_s = time.monotonic() - started
                progress.stage("playing")
                player.start()
                _play(recorder, graph, player, log, progress, stopped)
                _drain(recorder, stopped)
            log.interrupted = stopped()
        finally:
            progress.stage("stopping")
            player.stop()
            graph.stop()
            _settle(recorder)
            log.unknown_types = dict(recorder.unknown_types)
    return log


def _sink(writer: BagWriter) -> Callable[[str, str, int, bytes], None]:
    def write(topic: str, type_name: str, stamp_ns: int, raw: bytes) -> None:
        latched = topic in ("/tf_static", "/perception/labels", "/perception/playback")
        writer.declare(topic, type_name, latched=latched)
        writer.write_raw(topic, raw, stamp_ns)

    return write


def _specs(options: RunOptions, prepared: PreparedInput) -> list[object]:
    """The graph's nodes with this run's arguments."""
    arguments = {
        "rig": str(prepared.rig_path),
        "use_sim_time": "true",
        "camera_model": str(options.camera_model.resolve()) if options.camera_model else "",
        "tracking_frame": prepared.rig.odom_frame if prepared.has_ego_motion else prepared.rig.base_frame,
        "sync_policy": options.sync_policy,
        "bag": str(prepared.bag.resolve()),
        "rate": str(options.rate),
        "start": str(options.start_s),
        "duration": str(options.duration_s or 0.0),
        "loop": str(options.loop).lower(),
        "play": "true",
    }
    arguments |= dict(a.split(":=", 1) for a in options.graph_arguments)
    return node_specs(load_graph(options.graph), arguments)
