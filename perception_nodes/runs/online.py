"""`perception run`: start the graph, play the input through it, record what comes out."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from perception_nodes.datasets import BagWriter
from perception_nodes.datasets.typestore import typestore
from perception_nodes.datatypes import PerceptionError
from perception_nodes.ros.graph import NodeSpec, load_graph, node_specs
from perception_nodes.ros.parameters import NO_EFFECT
from perception_nodes.ros.recorder import ACTIVATE, CONFIGURE, Recorder
from perception_nodes.ros.runner import GraphRunner

from .log import RunLog, Stop, interruptible
from .options import RunOptions
from .prepare import PreparedInput
from .progress import RunProgress, latency_text
from .view import LiveView

PREFIXES = ("/perception/", "/tf", "/diagnostics")
_DRAIN_QUIET_S = 0.4
_DRAIN_LIMIT_S = 3.0
_DISCOVERY_S = 0.5
_SETTLE_S = 0.2
_POLL_S = 0.05
_TRANSITION_S = 60.0
_MATCH_S = 10.0


class GraphFailed(PerceptionError):
    """The graph did not come up, or lost its player."""


def run_graph(options: RunOptions, prepared: PreparedInput, progress: RunProgress) -> RunLog:
    """Run the graph over a prepared input; leaves `outputs.mcap` and `logs/` in the output folder.

    Raises GraphFailed if a node does not become ready in time or the player dies; of a start that failed only the logs
    are left.
    """
    log = RunLog()
    specs = _specs(options, prepared)
    nodes = [s for s in specs if s.name != "bag_player"]
    players = [s for s in specs if s.name == "bag_player"]
    folder = options.output
    sensors = tuple(t for s in prepared.rig.sensors for t in (s.topic, s.info_topic) if t)
    with (
        interruptible() as stopped,
        alone_in_domain(),
        LiveView(options.view_port) if options.view else nullcontext() as view,
        _recording(folder / "outputs.mcap", log) as writer,
        Recorder(_sink(writer, view), PREFIXES + (sensors if view else ())) as recorder,
    ):
        if view is not None:
            progress.console.print(f"live view: open {view.url} in Foxglove (Foxglove WebSocket)")
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
                player.start(_wanted(recorder, [s.name for s in nodes]))
                _cue(recorder, player, [s.name for s in nodes], stopped)
                _play(recorder, graph, player, log, progress, stopped)
                _drain(recorder, stopped)
            log.interrupted = stopped()
        finally:
            progress.stage("stopping")
            player.stop()
            graph.stop()
            # The last heartbeats, with the final counts, are still on their way.
            time.sleep(_SETTLE_S)
            log.unknown_types = dict(recorder.unknown_types)
    log.notes += [*_useless_parameters(graph), *_useless_parameters(player)]
    return log


@contextmanager
def _recording(path: Path, log: RunLog) -> Iterator[BagWriter]:
    """The recording, which is taken away again if the graph did not come up."""
    try:
        with BagWriter(path) as writer:
            yield writer
    except GraphFailed:
        if log.ready_s != log.ready_s:
            path.unlink(missing_ok=True)
        raise


def _useless_parameters(graph: GraphRunner) -> list[str]:
    """What nodes have said of parameters that are given to them but that they do not have."""
    return [
        f"{name}: {line[line.index('parameter ') :]}"
        for name in graph.pids
        for line in graph.log_tail(name, 10_000).splitlines()
        if NO_EFFECT in line
    ]


def _sink(writer: BagWriter, view: LiveView | None) -> Callable[[str, str, int, bytes], None]:
    """Everything to the live view, the outputs to the recording."""
    typestore()  # takes 0.1 s: now, and not with the first message

    def write(topic: str, type_name: str, stamp_ns: int, raw: bytes) -> None:
        if view is not None:
            view.send(topic, type_name, stamp_ns, raw)
        if topic.startswith(PREFIXES):
            latched = topic in ("/tf_static", "/perception/labels", "/perception/playback")
            writer.declare(topic, type_name, latched=latched)
            writer.write_raw(topic, raw, stamp_ns)

    return write


def _specs(options: RunOptions, prepared: PreparedInput) -> list[NodeSpec]:
    """The graph's nodes with this run's arguments."""
    arguments = {
        "rig": str(prepared.rig_path.resolve()),
        "use_sim_time": "true",
        "reliable_inputs": "true",
        "camera_model": str(options.camera_model.resolve()) if options.camera_model else "",
        "tracking_frame": prepared.tracking_frame,
        "sync_policy": options.sync_policy,
        "bag": str(prepared.bag.resolve()),
        "rate": str(options.rate),
        "start": str(options.start_s),
        "duration": str(options.duration_s or 0.0),
        "loop": str(options.loop).lower(),
        "play": "true",
        "play_at_once": "false",
    }
    arguments |= options.arguments
    return node_specs(load_graph(options.graph), arguments)


@contextmanager
def alone_in_domain() -> Iterator[None]:
    """Two runs in one domain would feed each other, also if neither has nodes yet that the other could see.

    A name in Linux' abstract socket space is the mark: it goes with the process, however that ends.
    Raises GraphFailed if another run has it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
        try:
            mark.bind(f"\0perception_nodes/run/domain_{_domain()}")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _second_graph() from error
        yield


def _domain() -> str:
    return os.environ.get("ROS_DOMAIN_ID") or "0"


def _second_graph() -> GraphFailed:
    return GraphFailed(
        f"a perception graph is running already in domain {_domain()}: stop it, or set ROS_DOMAIN_ID"
    )


def _refuse_second_graph(recorder: Recorder) -> None:
    """A graph that somebody launched otherwise."""
    time.sleep(_DISCOVERY_S)
    if recorder.publishers_of("/perception/objects"):
        raise _second_graph()


def _wait_ready(
    options: RunOptions,
    recorder: Recorder,
    graph: GraphRunner,
    names: list[str],
    progress: RunProgress,
    stopped: Stop,
) -> bool:
    """Until every node has sent a heartbeat as active; False if interrupted."""
    end = time.monotonic() + options.start_timeout_s
    while not stopped():
        ready = [n for n in names if recorder.is_active(n)]
        progress.update(len(ready), len(names), f"{len(ready)} of {len(names)} nodes ready")
        if len(ready) == len(names):
            return True
        for name, code in graph.poll().items():
            if code is not None:
                raise GraphFailed(graph.complaint(name))
        if time.monotonic() > end:
            missing = sorted(set(names) - set(ready))
            logs = options.output / "logs"
            raise GraphFailed(
                f"not ready after {options.start_timeout_s:g} s: {missing}; see their files in {logs}"
            )
        time.sleep(_POLL_S)
    return False


def _wanted(recorder: Recorder, nodes: list[str]) -> dict[str, Any]:
    """Parameters of the player: whom to wait for before it plays, because nothing is sent to those it does not know."""
    listeners = recorder.listeners(nodes)
    return {
        "subscribers": [f"{topic}={number}" for topic, number in sorted(listeners.items())],
        "wait_timeout_s": _TRANSITION_S,
    }


def _cue(recorder: Recorder, player: GraphRunner, nodes: list[str], stopped: Stop) -> None:
    """Let the player create its publishers, wait until all nodes see them, then let it play.

    Without this the first messages are lost while the middleware connects the two ends.
    """
    _transition(recorder, player, CONFIGURE)
    end = time.monotonic() + _MATCH_S
    while time.monotonic() < end and not stopped():
        if recorder.inputs_matched(nodes) and recorder.hears("/perception/objects"):
            break
        time.sleep(_POLL_S)
    _transition(recorder, player, ACTIVATE)


def _transition(recorder: Recorder, player: GraphRunner, transition: int) -> None:
    def alive() -> bool:
        return player.poll()["bag_player"] is None

    if not recorder.change_state("bag_player", transition, _TRANSITION_S, alive):
        raise GraphFailed(player.complaint("bag_player"))


def _play(
    recorder: Recorder,
    graph: GraphRunner,
    player: GraphRunner,
    log: RunLog,
    progress: RunProgress,
    stopped: Stop,
) -> None:
    """Until the player has ended; nodes that die are noted, the others go on."""
    while not stopped():
        _note_deaths(graph, log, progress)
        code = player.poll()["bag_player"]
        if code is not None:
            if code != 0:
                raise GraphFailed(player.complaint("bag_player"))
            return
        _show(recorder, progress)
        time.sleep(_POLL_S)


def _note_deaths(graph: GraphRunner, log: RunLog, progress: RunProgress) -> None:
    for name, code in graph.poll().items():
        if code is not None and name not in log.died:
            log.died[name] = code
            progress.console.print(f"[red]node {name} has died with status {code}[/red]; the others go on")


def _show(recorder: Recorder, progress: RunProgress) -> None:
    playback = recorder.playback
    if playback is None:
        return
    total_s = (int(playback.stamp_end_ns) - int(playback.stamp_start_ns)) * 1e-9
    played_s = max(0.0, (time.monotonic_ns() - int(playback.wall_start_ns)) * 1e-9 * float(playback.rate))
    objects = recorder.last_objects
    count = sum(o.state in (1, 2) for o in objects.objects) if objects is not None else 0
    frames = recorder.counts["/perception/objects"]
    drops = recorder.counts["/perception/drops"]
    detail = f"{min(played_s, total_s):.1f}/{total_s:.1f} s  {frames} frames  {count} objects"
    progress.update(
        min(played_s, total_s), total_s, f"{detail}  {latency_text(recorder.latency_s)}  {drops} drops"
    )


def _drain(recorder: Recorder, stopped: Stop) -> None:
    """Wait until no new output has come for a moment."""
    end = time.monotonic() + _DRAIN_LIMIT_S
    while not stopped() and time.monotonic() < end:
        quiet_s = (time.monotonic_ns() - recorder.last_output_ns) * 1e-9
        if recorder.last_output_ns and quiet_s > _DRAIN_QUIET_S:
            return
        time.sleep(_POLL_S)
