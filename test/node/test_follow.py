"""Nodes follow the publishers' reliability, name parameters they do not have, and are patient when late themselves."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


def asked(bench: Any) -> list[Any]:
    """Reliability that subscribers of /points ask for."""
    return [s.qos_profile.reliability for s in bench.node.get_subscriptions_info_by_topic("/points")]


def best_effort_driver(bench: Any) -> Any:
    # rclpy's own callback for a subscriber that does not match calls something deprecated: an error here.
    quiet = PublisherEventCallbacks(use_default_callbacks=False)
    profile = QoSProfile(depth=5, reliability=BEST_EFFORT)
    return bench.node.create_publisher(PointCloud2, "/points", profile, event_callbacks=quiet)


def test_an_input_follows_what_the_publishers_offer(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", reliable_inputs="auto")
    bench.until(lambda: asked(bench) == [RELIABLE])
    driver = best_effort_driver(bench)
    bench.until(lambda: asked(bench) == [BEST_EFFORT])
    bench.until(lambda: driver.get_subscription_count() == bench.points.get_subscription_count() == 1)
    bench.cloud(1)
    bench.until(lambda: bench.last("lidar_detector").used == 1)
    bench.node.destroy_publisher(driver)
    bench.until(lambda: asked(bench) == [RELIABLE])
    bench.ready(bench.points)
    bench.cloud(2)
    bench.until(lambda: bench.last("lidar_detector").used == 2)
    assert not [f for f in bench.last("lidar_detector").active_faults if "QOS" in f]


@pytest.mark.parametrize(
    ("given", "wanted"), [("false", BEST_EFFORT), (False, BEST_EFFORT), (True, RELIABLE)]
)
def test_an_explicit_wish_is_kept(bench: Any, given: Any, wanted: Any) -> None:
    if wanted == RELIABLE:
        best_effort_driver(bench)
    bench.start("lidar_detector", tracking_frame="base_link", reliable_inputs=given)
    bench.until(lambda: bench.last("lidar_detector").sequence > 20 and asked(bench))
    assert asked(bench) == [wanted]


def test_a_misspelt_parameter_is_named_with_the_right_one(bench: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    given = {"tracker": {"ros__parameters": {"tracking_fram": "odom", "lidar.qwxyz": 1}}}
    file.write_text(json.dumps(given))
    runner = bench.launch(replace(bench.spec("tracker"), parameter_files=(str(file),)))
    bench.at_work("tracker")
    text = runner.log_tail("tracker")
    assert "parameter tracking_fram is not one of this node" in text
    assert "did you mean tracking_frame?" in text
    assert "parameter lidar.qwxyz is not one of this node and has no effect\n" in text + "\n"
    faults = list(bench.last("tracker").active_faults)
    codes = ("LIDAR.QWXYZ", "TRACKING_FRAM")
    assert [f for f in faults if "PARAMETER" in f] == [f"TRACKER.PARAMETER.{c}.UNKNOWN" for c in codes]


def test_right_parameters_are_no_fault(bench: Any) -> None:
    runner = bench.start("tracker", tracking_frame="odom", use_sim_time=False)
    assert not bench.last("tracker").active_faults
    assert "parameter" not in runner.log_tail("tracker")


@pytest.mark.parametrize("content", [None, "a: [", "tracker: {ros__parameters: {rig: {}}}\n  - x"])
def test_a_parameter_file_that_cannot_be_read(bench: Any, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content)
    runner = bench.launch(replace(bench.spec("tracker"), parameter_files=(str(file),)))
    bench.until(lambda: runner.poll()["tracker"] is not None)
    text = runner.log_tail("tracker")
    assert runner.poll()["tracker"] == 2
    assert str(file) in text and "Traceback" not in text


def test_a_supervisor_that_was_late_itself_blames_nobody(bench: Any) -> None:
    """Counted are the five times in which the tracker spoke in time, which on a busy machine it does not always."""
    runner = bench.start("supervisor", nodes=["tracker"])
    bench.start("tracker")
    bench.until(lambda: bench.states and np.isfinite(bench.states[-1][1].node_age_s).all())
    in_time = 0
    while in_time < 5:
        count, spoken = len(bench.states), len(bench.health["/tracker"]) - 1
        os.kill(runner.pids["supervisor"], signal.SIGSTOP)
        resume_s = time.monotonic() + 0.6
        bench.until(lambda end=resume_s: time.monotonic() > end)
        os.kill(runner.pids["supervisor"], signal.SIGCONT)
        bench.until(lambda n=count: len(bench.states) > n + 10)
        said_ns = [
            h.header.stamp.sec * 10**9 + h.header.stamp.nanosec for h in bench.health["/tracker"][spoken:]
        ]
        if max(np.diff(said_ns)) < 200_000_000:
            in_time += 1
            said = {f for _, s in bench.states[count:] for f in s.active_faults}
            assert "NODE.TRACKER.LOST" not in said
