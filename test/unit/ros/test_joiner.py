"""Detections joined by frame sets: when a set is fused, and that every message is used or dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from perception_nodes import msg
from perception_nodes.datatypes import (
    DropReason,
    FrameSet,
    MalformedMessage,
    Rig,
    TransformUnavailable,
    Trigger,
)
from perception_nodes.ros.accounts import Account
from perception_nodes.ros.convert import to_msg
from perception_nodes.ros.joiner import Joiner
from perception_nodes.ros.node import PerceptionNode
from perception_nodes.ros.warmup import INFO

START = 1_700_000_000_000_000_000
STEP = 100_000_000
WAIT_S, LIDAR_WAIT_S = 0.12, 0.25
RIG = Rig.from_dict(
    {
        "name": "two",
        "sensors": {
            "top": {"modality": "lidar", "topic": "/points"},
            "front": {"modality": "camera", "topic": "/image", "info_topic": "/info"},
        },
    }
)


class Table:
    """A joiner with a node that keeps accounts and drops, and a clock that is set by hand."""

    def __init__(self, clock: list[int], slowness: float = 1.0) -> None:
        self.clock = clock
        self.slowness = slowness
        self.active = True
        self.rig = RIG
        self.accounts = {n: Account(n, f"/{n}") for n in ("frame_set", "lidar", "front")}
        self.drops: list[tuple[str, int, DropReason]] = []
        self.fused: list[tuple[int, list[str]]] = []
        self.error: Exception | None = None
        self.joiner = Joiner(self, WAIT_S, LIDAR_WAIT_S, self.fuse)  # type: ignore[arg-type]
        self.handlers = {n: self.joiner.handler(n) for n in ("lidar", "front")}

    def wait_ns(self, duration_s: float) -> int:
        return PerceptionNode.wait_ns(self, duration_s)  # type: ignore[arg-type]

    def drop(self, account: Account, stamp_ns: int, reason: DropReason, _detail: str) -> None:
        account.count(dropped=1)
        self.drops.append((account.name, (stamp_ns - START) // STEP, reason))

    def fuse(self, frame_set: FrameSet, _sensors: Any, found: dict[str, Any], _received_ns: int) -> None:
        if self.error is not None:
            raise self.error
        self.fused.append(((frame_set.reference_ns - START) // STEP, sorted(found)))

    def hear(self, source: str, k: int) -> None:
        self.accounts[source].note(START + k * STEP, self.clock[0])
        message = SimpleNamespace(header=to_msg.header(START + k * STEP, "base_link"))
        self.handlers[source](message, self.clock[0])

    def frame(self, k: int, *, camera: bool = True) -> None:
        stamp = START + k * STEP
        stamps = (stamp, stamp if camera else 0)
        value = FrameSet(k, stamp, ("top", "front"), stamps, (0.0, 0.0), camera, Trigger(0))
        message: msg.FrameSet = to_msg.frame_set(value, "top", INFO)
        self.accounts["frame_set"].note(stamp, self.clock[0])
        self.joiner.frame_set(message, self.clock[0])

    def after(self, seconds: float) -> None:
        self.clock[0] += round(seconds * 1e9)
        self.joiner.poll()

    @property
    def waiting(self) -> dict[str, int]:
        return {n: a.waiting for n, a in self.accounts.items()}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    clock = [5_000_000_000]
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock[0])
    return Table(clock)


def all_done(table: Table) -> bool:
    return not any(table.waiting.values())


ORDERS: dict[str, Callable[[Table], None]] = {
    "set first": lambda t: (t.frame(1), t.hear("lidar", 1), t.hear("front", 1)),  # type: ignore[return-value]
    "set last": lambda t: (t.hear("front", 1), t.hear("lidar", 1), t.frame(1)),  # type: ignore[return-value]
    "set between": lambda t: (t.hear("front", 1), t.frame(1), t.hear("lidar", 1)),  # type: ignore[return-value]
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_complete_set_is_fused_at_once(table: Table, order: str) -> None:
    table.hear("front", 0)  # the camera's detector works
    ORDERS[order](table)
    assert table.fused == [(1, ["front", "lidar"])]
    assert table.drops == [("front", 0, DropReason.NO_MATCH)]
    assert all_done(table)


@pytest.mark.parametrize(("late", "wait_s"), [("front", WAIT_S), ("lidar", LIDAR_WAIT_S)])
def test_each_is_waited_for_as_long_as_it_may_take(table: Table, late: str, wait_s: float) -> None:
    early = "lidar" if late == "front" else "front"
    table.hear(late, 0)
    table.hear(early, 1)
    table.frame(1)
    table.after(wait_s - 0.01)
    assert not table.fused
    table.after(0.02)
    assert table.fused == [(1, [early])]
    table.hear(late, 1)
    table.frame(2, camera=False)
    table.hear("lidar", 2)
    assert (late, 0, DropReason.NO_MATCH) in table.drops


def test_of_a_recording_played_slowly_all_is_waited_for_as_much_longer(table: Table) -> None:
    slow = Table(table.clock, slowness=4.0)
    slow.hear("front", 0)
    slow.hear("lidar", 0)
    slow.frame(0)
    slow.after(3.5)  # the camera's detector has spoken within the last second of the recording
    slow.hear("lidar", 9)
    slow.frame(9)
    slow.after(4 * WAIT_S - 0.02)
    assert slow.fused == [(0, ["front", "lidar"])]
    slow.after(0.04)
    assert slow.fused[1:] == [(9, ["lidar"])]
    slow.error = TransformUnavailable("none yet")
    slow.hear("lidar", 10)
    slow.frame(10, camera=False)
    slow.after(0.78)
    slow.error = None
    slow.after(0.01)
    assert slow.fused[2:] == [(10, ["lidar"])] and all_done(slow)


def test_a_detector_that_fell_silent_is_not_waited_for(table: Table) -> None:
    table.hear("front", 0)
    table.after(1.1)
    table.hear("lidar", 11)
    table.frame(11)
    assert table.fused == [(11, ["lidar"])]


def test_a_camera_never_heard_is_not_waited_for_but_the_lidar_is(table: Table) -> None:
    table.frame(1)
    assert not table.fused
    table.hear("lidar", 1)
    assert table.fused == [(1, ["lidar"])]


def test_sets_are_fused_in_order(table: Table) -> None:
    table.frame(1, camera=False)
    table.frame(2, camera=False)
    table.hear("lidar", 2)
    assert not table.fused
    table.hear("lidar", 1)
    assert [k for k, _ in table.fused] == [1, 2]
    assert all_done(table)


def test_a_set_that_cannot_be_fused_drops_all_it_holds(table: Table) -> None:
    table.error = MalformedMessage("odd")
    table.hear("lidar", 1)
    table.frame(1, camera=False)
    reason = DropReason.MALFORMED
    assert table.drops == [("frame_set", 1, reason), ("lidar", 1, reason)]
    assert all_done(table)


@pytest.mark.parametrize("comes", [True, False])
def test_a_transform_is_waited_for(table: Table, comes: bool) -> None:
    table.error = TransformUnavailable("odom")
    table.hear("lidar", 1)
    table.frame(1, camera=False)
    table.after(0.19)
    assert not table.fused and not table.drops
    if comes:
        table.error = None
    table.after(0.02)
    assert bool(table.fused) == comes
    assert [r for _, _, r in table.drops] == ([] if comes else [DropReason.NO_TRANSFORM] * 2)
    assert all_done(table)


def test_detections_without_frame_sets_do_not_pile_up(table: Table) -> None:
    for k in range(23):
        table.hear("lidar", k)
    assert table.drops == [("lidar", k, DropReason.QUEUE_OVERFLOW) for k in range(3)]
    assert table.waiting["lidar"] == 20


def test_clearing_drops_everything_for_the_reason(table: Table) -> None:
    table.hear("front", 1)
    table.frame(1)
    table.joiner.clear(DropReason.TIME_JUMP)
    assert table.drops == [("frame_set", 1, DropReason.TIME_JUMP), ("front", 1, DropReason.TIME_JUMP)]
    assert all_done(table)
    table.after(1.0)
    assert not table.fused


def test_an_inactive_node_fuses_nothing(table: Table) -> None:
    table.active = False
    table.hear("lidar", 1)
    table.frame(1, camera=False)
    assert not table.fused and not table.drops
