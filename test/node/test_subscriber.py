"""The receiver's helper over real DDS, and the examples of the README with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from perception_nodes.client import Mode, PerceptionSubscriber, ReceptionConfig, ReceptionStatus  # noqa: E402
from perception_nodes.msg import FrameInfo, TrackedObject, TrackedObjectArray  # noqa: E402
from perception_nodes.ros import qos  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "subscriber.py"
DEADLINE_S = 120.0
# A busy machine does not make such a slow publisher look late, nor what it sends look old.
CONFIG = ReceptionConfig(rate_hz=1.0, max_age_s=2.0)


class Graph:
    """A publisher of objects and a receiver, in one context."""

    def __init__(self, domain_id: int) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.sender = rclpy.create_node("sender", context=self.context)
        self.receiver = rclpy.create_node("receiver", context=self.context)
        self.executor.add_node(self.sender)
        self.executor.add_node(self.receiver)
        self.output = self.sender.create_publisher(TrackedObjectArray, "/perception/objects", qos.objects())
        self.changes: list[ReceptionStatus] = []
        self.messages: list[tuple[TrackedObjectArray, ReceptionStatus]] = []

    def listen(self) -> PerceptionSubscriber:
        def take(message: Any, status: ReceptionStatus) -> None:
            self.messages.append((message, status))

        out = PerceptionSubscriber(self.receiver, take, config=CONFIG, on_change=self.changes.append)
        self.until(lambda: self.output.get_subscription_count() == 1)
        return out

    def send(self, sequence: int, session_id: int = 1, mode: Mode = Mode.NOMINAL) -> None:
        info = FrameInfo(session_id=session_id, sequence=sequence, mode=int(mode), valid=mode != Mode.BLIND)
        message = TrackedObjectArray(info=info)
        message.header.stamp = self.sender.get_clock().now().to_msg()
        message.header.frame_id = "odom"
        message.objects = [TrackedObject(id=10 + state, state=state, label="car") for state in range(4)]
        self.output.publish(message)

    def until(self, condition: Callable[[], Any]) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end_s, "the condition did not come true in time"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.sender.destroy_node()
        self.receiver.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def graph(domain_id: int) -> Iterator[Graph]:
    out = Graph(domain_id)
    yield out
    out.close()


def test_objects_losses_and_sessions(graph: Graph) -> None:
    perception = graph.listen()
    assert (perception.mode, perception.alive, perception.objects) == (Mode.STARTING, False, [])
    for sequence in (0, 1, 4):
        graph.send(sequence)
        graph.until(lambda: graph.messages and graph.messages[-1][0].info.sequence == sequence)  # noqa: B023
    message, status = graph.messages[-1]
    assert status.alive and status.valid and status.fresh
    assert (status.mode, status.lost, perception.lost) == (Mode.NOMINAL, 2, 2)
    assert [o.id for o in perception.objects] == [11, 12] and len(message.objects) == 4
    graph.send(0, session_id=2)
    graph.until(lambda: len(graph.messages) == 4)
    assert perception.lost == 0


def test_blind_is_passed_on(graph: Graph) -> None:
    perception = graph.listen()
    graph.send(0, mode=Mode.BLIND)
    graph.until(lambda: graph.messages)
    _, status = graph.messages[0]
    assert (status.mode, status.valid, status.alive) == (Mode.BLIND, False, True)
    assert perception.mode >= Mode.BLIND and not perception.valid


def test_silence_is_noticed_and_so_is_its_end(graph: Graph) -> None:
    graph.listen()
    graph.send(0)
    graph.until(lambda: graph.changes and graph.changes[-1].mode == Mode.NOMINAL)
    graph.until(lambda: graph.changes[-1].mode == Mode.FAULT)
    assert not graph.changes[-1].alive and not graph.changes[-1].valid
    graph.send(1)
    graph.until(lambda: graph.changes[-1].mode == Mode.NOMINAL)


def test_a_publisher_that_goes_away_is_noticed_before_silence_is_a_fault(graph: Graph) -> None:
    perception = graph.listen()
    graph.send(0)
    graph.until(lambda: graph.messages)
    graph.sender.destroy_publisher(graph.output)
    graph.until(lambda: not perception.alive and graph.changes and not graph.changes[-1].alive)
    first = next(c for c in graph.changes if not c.alive and c.mode != Mode.STARTING)
    assert not first.valid and first.mode == Mode.DEGRADED


def test_after_close_nothing_comes(graph: Graph) -> None:
    graph.listen().close()
    graph.until(lambda: graph.output.get_subscription_count() == 0)


def test_the_example_of_the_readme_runs(graph: Graph) -> None:
    # A user's shell: nothing is set but the domain.
    names = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_PYTHON_CHECK_FIELDS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE)], stderr=subprocess.PIPE, text=True, env=environment
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")))
    reader.start()
    try:
        graph.until(lambda: graph.output.get_subscription_count() == 1)
        sent = 0

        def told() -> bool:
            nonlocal sent
            graph.send(sent)
            sent += 1
            return any("11 car: at 0.0 0.0 m" in line for line in lines)

        graph.until(told)
        assert not any("Traceback" in line for line in lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)
        reader.join()
        process.stderr.close()
