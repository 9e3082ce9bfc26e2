"""Boxes that cannot be: the tracker goes on without them, and they are drops that are counted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from perception_nodes import msg
from perception_nodes.datatypes import Detections3D, FrameInfo, LatencyTrace, Mode
from perception_nodes.ros import qos
from perception_nodes.ros.convert import to_msg

TOPIC = "/perception/fusion/objects"


def found(stamp_ns: int, bad: bool) -> Any:
    """A car and, where `bad`, one at no place and one of no length."""
    center = np.array([[15.0, 0.0, 0.8], [np.nan, 5.0, 0.8], [15.0, 9.0, 0.8]])
    size = np.array([[4.5, 1.9, 1.6], [4.5, 1.9, 1.6], [0.0, 1.9, 1.6]])
    boxes = Detections3D.of(stamp_ns, "base_link", "fusion", center, size, np.zeros(3), score=np.full(3, 0.9))
    trace = LatencyTrace("monotonic", "here", stamp_ns, stamp_ns, ("fusion",), (1,), (2,))
    kept = boxes if bad else boxes.select(np.array([True, False, False]))
    return to_msg.detections_3d(kept, FrameInfo(1, 0, Mode.NOMINAL, trace))


def test_boxes_that_cannot_be_are_counted_drops(bench: Any) -> None:
    objects = bench.keep(msg.TrackedObjectArray, "/perception/objects", qos.objects())
    out = bench.node.create_publisher(msg.Detection3DArray, TOPIC, qos.detections())
    bench.start("tracker")
    bench.ready(out)
    bench.ready(bench.tf)
    begin_ns = time.time_ns() + 10**15  # ahead of the clock: no gaps are filled
    for k, bad in enumerate((False, True, True)):
        stamp = begin_ns + k * 100_000_000
        for at in (stamp - 100_000_000, stamp):
            bench.pose(at)
        out.publish(found(stamp, bad))
        bench.until(lambda count=k: len(objects) > count)
    assert [len(m.objects) for m in objects] == [1, 1, 1]
    bench.until(lambda: len(bench.drops) == 2)
    assert {(d.topic, d.reason) for d in bench.drops} == {(TOPIC, msg.DropEvent.REASON_MALFORMED)}
    assert bench.drops[-1].detail == "2 of 3 boxes cannot be: nan_position 1, zero_size 1"
    assert [d.total for d in bench.drops] == [2, 4]
    bench.until(lambda: bench.last("tracker").dropped == 4)
    health = bench.last("tracker")
    counts = {s.name: (s.received, s.used, s.dropped) for s in health.sensors}
    assert counts == {"fusion": (3, 3, 0), "boxes": (7, 3, 4)}
    assert (health.received, health.used, health.dropped_total) == (10, 6, 4)
