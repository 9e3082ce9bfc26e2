"""The nodes as processes, fed and watched over DDS."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np

from perception_nodes import msg

STEP_NS = 100_000_000


def test_a_bad_cloud_is_dropped_and_the_next_good_one_used(bench: Any) -> None:
    runner = bench.start("lidar_detector", tracking_frame="base_link")
    bench.until(bench.points.get_subscription_count)
    bench.cloud(0, names="abc")
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_MALFORMED
    assert bench.drops[0].topic == "/points"
    bench.cloud(1)
    bench.until(lambda: bench.detections)
    found = bench.detections[0]
    assert (found.header.frame_id, found.header.stamp.nanosec) == ("base_link", STEP_NS)
    runner_status = runner.stop()
    bench.until(lambda: not bench.last("lidar_detector").active)
    said = bench.last("lidar_detector")
    assert (said.received, said.used, said.dropped) == (2, 1, 1)
    assert runner_status == {"lidar_detector": 0}


def test_a_lidar_that_sees_nothing_is_blind_not_free(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", use_sim_time=True)
    bench.until(lambda: bench.points.get_subscription_count() and bench.clock.get_subscription_count())
    bench.time(0)
    bench.cloud(0, count=0)
    bench.until(lambda: bench.detections)
    (status,) = bench.detections[0].info.sensors
    assert status.qualifier == msg.SensorStatus.QUALIFIER_BLINDNESS
    assert status.reason == msg.SensorStatus.REASON_BLOCKED
    assert bench.detections[0].info.mode == msg.FrameInfo.MODE_BLIND
    # Between the cloud and the first output a heartbeat says both that the lidar is blind and that there is no output.
    blind = "LIDAR_DETECTOR.LIDAR.BLIND", msg.PerceptionHealth.MODE_BLIND
    bench.until(lambda: (h := bench.last("lidar_detector")).mode == blind[1] and blind[0] in h.active_faults)
    bench.cloud(1)
    bench.until(lambda: len(bench.detections) == 2)
    assert bench.detections[1].info.sensors[0].qualifier == msg.SensorStatus.QUALIFIER_AVAILABLE


def test_missing_transforms_are_counted_drops(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="odom")
    bench.until(bench.points.get_subscription_count)
    bench.cloud(0)
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_NO_TRANSFORM
    assert "odom" in bench.drops[0].detail
    assert not bench.detections


def test_of_a_recording_played_slowly_a_sweep_waits_longer_for_its_transform(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="odom", playback_rate=0.1)
    bench.until(bench.points.get_subscription_count)
    began = time.monotonic()
    bench.cloud(0)
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_NO_TRANSFORM
    assert time.monotonic() - began >= 0.2 / 0.1


def test_a_jump_of_the_clock_begins_a_new_session(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", use_sim_time=True)
    bench.until(lambda: bench.points.get_subscription_count() and bench.clock.get_subscription_count())
    bench.time(100)
    bench.cloud(100)
    bench.until(lambda: bench.detections)
    bench.time(101)
    bench.until(lambda: bench.last("lidar_detector").used == 1)
    before = bench.last("lidar_detector").session_id

    def jumped() -> bool:
        bench.time(10)  # again and again: /clock is best effort
        return bench.last("lidar_detector").session_id != before

    bench.until(jumped)
    assert bench.last("lidar_detector").mode == msg.PerceptionHealth.MODE_FAULT
    bench.cloud(10)
    bench.until(lambda: len(bench.detections) == 2)
    info = bench.detections[1].info
    assert (info.sequence, info.session_id) == (0, bench.last("lidar_detector").session_id)
    bench.until(lambda: bench.last("lidar_detector").mode == msg.PerceptionHealth.MODE_NOMINAL)


def test_cameras_without_a_model_are_not_available(bench: Any) -> None:
    bench.start("camera_detector")
    bench.until(lambda: bench.last("camera_detector").sensors)
    (status,) = bench.last("camera_detector").sensors
    assert status.qualifier == msg.SensorStatus.QUALIFIER_NOT_AVAILABLE
    assert bench.last("camera_detector").mode == msg.PerceptionHealth.MODE_BLIND


def test_the_supervisor_sees_a_killed_node(bench: Any) -> None:
    """Within 300 ms of its last heartbeat; later by what the supervisor was late itself, twice (it allows for that)."""
    bench.start("supervisor", nodes=["lidar_detector"])
    runner = bench.start("lidar_detector", tracking_frame="base_link")
    bench.until(lambda: bench.states and np.isfinite(bench.states[-1][1].node_age_s).all())
    killed_s = time.monotonic()
    os.kill(runner.pids["lidar_detector"], signal.SIGKILL)
    bench.until(lambda: "NODE.LIDAR_DETECTOR.LOST" in bench.states[-1][1].active_faults)
    print(f"noticed after {(bench.states[-1][0] - killed_s) * 1e3:.0f} ms")
    states = [s for _, s in bench.states]
    assert states[-1].mode == msg.PerceptionState.MODE_FAULT
    said_ns = [s.header.stamp.sec * 10**9 + s.header.stamp.nanosec for s in states[-10:]]
    late_s = max(0.0, max(np.diff(said_ns)) * 1e-9 - 0.12)  # it speaks at 10 Hz, and looks every 20 ms
    silent_s = states[-1].node_age_s[list(states[-1].nodes).index("lidar_detector")]
    print(
        f"{silent_s * 1e3:.0f} ms after the last heartbeat, the supervisor {late_s * 1e3:.0f} ms late itself"
    )
    assert silent_s < 0.3 + 2 * late_s
