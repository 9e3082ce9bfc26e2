"""The closed loop over DDS: simulator, graph and planner as processes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console

from perception_nodes import msg, srv
from perception_nodes.datasets import find_rig
from perception_nodes.runs.loop import run_loop
from perception_nodes.runs.loop_drive import lidar_rig
from perception_nodes.simulation.scenarios import find_scenario

STOP = msg.EgoCommand.REASON_SAFE_STOP


class Silencer(threading.Thread):
    """Switches the lidar off as soon as the planner drives; `since_s` is when, in seconds of the drive."""

    def __init__(self, domain_id: int) -> None:
        super().__init__(name="silencer")
        self.since_s = float("nan")
        self.ended = threading.Event()
        self._domain_id = domain_id

    def run(self) -> None:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=self._domain_id)
        node = rclpy.create_node("silencer", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        driving: list[bool] = []
        node.create_subscription(
            msg.EgoCommand, "/vehicle/command", lambda m: driving.append(m.reason != STOP), 10
        )
        client = node.create_client(srv.InjectFault, "/simulator/inject_fault")

        def until(condition: Callable[[], bool]) -> bool:
            while not condition() and not self.ended.is_set():
                executor.spin_once(timeout_sec=0.05)
            return not self.ended.is_set()

        if until(lambda: any(driving) and client.service_is_ready()):
            call = client.call_async(srv.InjectFault.Request(sensor="top", kind="off"))
            if until(call.done):
                self.since_s = float(re.search(r"off from ([\d.]+) s", call.result().message)[1])
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.slow
def test_a_lidar_that_falls_silent_brings_the_ego_to_a_safe_stop(
    domain_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent once the planner drives: how much of a drive perception needs to come up depends on the machine."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))
    scenario = find_scenario("car_park_clutter")
    must = replace(scenario.must_hold, ego_travels_m=None)
    scenario = replace(scenario, duration_s=10.0, must_hold=must)
    silencer = Silencer(domain_id)
    silencer.start()
    try:
        result = run_loop(scenario, lidar_rig(find_rig("default")), 1, tmp_path, console=Console(quiet=True))
    finally:
        silencer.ended.set()
        silencer.join()
    record = json.loads((tmp_path / "drive.json").read_text())
    at = {name: record["columns"].index(name) for name in ("time_s", "reason", "speed_mps")}
    after = [r[at["reason"]] for r in record["steps"] if r[at["time_s"]] > silencer.since_s + 2.0]
    assert after and set(after) == {"SAFE_STOP"}
    assert result.perception == "graph" and result.collisions == 0 and result.stopped
    assert result.final_speed_mps == 0.0
