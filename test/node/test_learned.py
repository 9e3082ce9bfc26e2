"""The lidar detector as a process with the shipped model."""

from __future__ import annotations

from typing import Any

from perception_nodes.detection.learned_choice import SHIPPED
from perception_nodes.nodes.lidar_detector import DOMAIN_FAULT
from perception_nodes.resources import resource_path


def test_what_runs_is_in_every_message_and_sweeps_unlike_the_training_are_told(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", model="auto")
    bench.until(bench.points.get_subscription_count)
    for k in range(25):
        bench.cloud(k)
        bench.until(lambda n=k: len(bench.detections) > n)
    info = bench.detections[-1].info
    assert info.model_id == "lidar_small"
    assert len(info.model_hash) == 16
    assert info.calibration_id.startswith("isotonic-")
    bench.until(lambda: f"LIDAR_DETECTOR.{DOMAIN_FAULT}" in bench.last("lidar_detector").active_faults)


def test_a_model_that_is_not_there_stops_the_node_with_its_path(bench: Any) -> None:
    runner = bench.launch(
        bench.spec("lidar_detector", tracking_frame="base_link", model="/no/such/model.onnx")
    )
    bench.until(lambda: runner.poll()["lidar_detector"] is not None)
    assert runner.poll()["lidar_detector"] != 0
    assert "/no/such/model.onnx" in runner.complaint("lidar_detector")


def test_the_shipped_model_can_be_given_by_its_path(bench: Any) -> None:
    bench.start("lidar_detector", tracking_frame="base_link", model=str(resource_path(SHIPPED["small"])))
    bench.until(bench.points.get_subscription_count)
    bench.cloud(0)
    bench.until(lambda: bench.detections)
    assert bench.detections[0].info.model_id == "lidar_small"
