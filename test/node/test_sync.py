"""The synchroniser as a process."""

from __future__ import annotations

import time
from typing import Any

import pytest
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy

from perception_nodes import msg
from perception_nodes.ros import qos
from perception_nodes.sync import AlignerConfig

STEP_NS = 100_000_000


@pytest.mark.parametrize("policy", ["aligner", "approximate_time"])
def test_equal_stamps_make_a_set_and_every_message_is_accounted_for(bench: Any, policy: str) -> None:
    sets = bench.keep(msg.FrameSet, "/perception/sync/frame_set", qos.detections())
    # However long the lidar's message takes on a busy machine, it is no lidar that has fallen silent.
    runner = bench.start("sync", policy=policy, silence_periods=100.0)
    bench.ready(bench.points)
    bench.ready(bench.infos)
    for k in range(3):
        bench.picture_info(k)
        bench.until(lambda n=k: {s.name: s.received for s in bench.last("sync").sensors}["camera"] == n + 1)
        bench.cloud(k)
        bench.until(lambda n=k: len(sets) == n + 1)
        assert list(sets[k].sensors) == ["lidar", "camera"]
        assert len(set(sets[k].stamp_ns)) == 1 and sets[k].complete
        assert sets[k].header.stamp.nanosec == k * STEP_NS
    bench.cloud(1)
    bench.until(lambda: bench.drops)
    assert bench.drops[0].topic == "/points"
    assert bench.drops[0].reason in (msg.DropEvent.REASON_OUT_OF_ORDER, msg.DropEvent.REASON_STALE)
    assert runner.stop() == {"sync": 0}
    bench.until(lambda: not bench.last("sync").active)
    counts = {s.name: (s.received, s.used, s.dropped) for s in bench.last("sync").sensors}
    assert counts == {"lidar": (4, 3, 1), "camera": (3, 3, 0)}
    assert [s.info.sequence for s in sets] == [0, 1, 2]


def test_a_frame_without_its_camera_is_closed_in_time(bench: Any) -> None:
    sets = bench.keep(msg.FrameSet, "/perception/sync/frame_set", qos.detections())
    bench.start("sync")
    bench.ready(bench.points)
    bench.cloud(0)
    bench.until(lambda: sets)
    assert not sets[0].complete and sets[0].stamp_ns[1] == 0
    assert sets[0].info.mode == msg.FrameInfo.MODE_DEGRADED
    assert sets[0].info.degraded_mask == 2


def test_of_a_recording_played_slowly_a_frame_waits_longer_for_its_camera(bench: Any) -> None:
    sets = bench.keep(msg.FrameSet, "/perception/sync/frame_set", qos.detections())
    bench.start("sync", playback_rate=0.02)
    bench.ready(bench.points)
    began = time.monotonic()
    bench.cloud(0)
    bench.until(lambda: sets)
    assert time.monotonic() - began >= AlignerConfig().timeout_s / 0.02
    assert not sets[0].complete


def test_a_publisher_that_offers_too_little_is_named(bench: Any) -> None:
    runner = bench.start("fusion")
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    silent = PublisherEventCallbacks(use_default_callbacks=False)
    bench.node.create_publisher(msg.FrameSet, "/perception/sync/frame_set", offered, event_callbacks=silent)
    bench.until(lambda: any("QOS." in f for f in bench.last("fusion").active_faults))
    (line,) = [x for x in runner.log_tail("fusion").splitlines() if "QoS does not match" in x]
    assert "/perception/sync/frame_set" in line and "RELIABLE" in line and "BEST_EFFORT" in line
