"""How nodes begin and end: signals, lifecycle, parameters that cannot work, models."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from onnx import TensorProto, helper, numpy_helper
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from perception_nodes import msg
from perception_nodes.ros import qos
from perception_nodes.ros.graph import load_graph, node_specs


def graph_of(bench: Any) -> list[Any]:
    """All nodes of the graph but the player, which ends by itself."""
    return node_specs(load_graph(), {"rig": str(bench.rig)})


def asked(bench: Any, topic: str) -> list[Any]:
    """Reliability that subscribers ask for."""
    return [s.qos_profile.reliability for s in bench.node.get_subscriptions_info_by_topic(topic)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_node_ends_cleanly_and_with_balanced_counts(bench: Any, number: signal.Signals) -> None:
    specs = graph_of(bench)
    runner = bench.launch(*specs)
    bench.at_work(*(s.name for s in specs))
    bench.until(
        lambda: asked(bench, "/points") == [ReliabilityPolicy.RELIABLE] * 3
    )  # inputs made anew are over
    bench.until(lambda: bench.points.get_subscription_count() == 3)
    for k in range(3):
        bench.cloud(k)  # one by one: the inputs keep only the newest two
        bench.until(
            lambda n=k: all(bench.last(x).received == n + 1 for x in ("lidar_detector", "map_elements"))
        )
    asked_s = time.monotonic()

    def ended() -> bool:
        """A terminal and a launcher both send the signal; whoever is impatient sends it to the very end."""
        for name, status in runner.poll().items():
            if status is None:
                os.kill(runner.pids[name], number)
        return None not in runner.poll().values()

    bench.until(ended)
    print(f"all ended {time.monotonic() - asked_s:.2f} s after {number.name}")
    assert runner.poll() == dict.fromkeys(runner.pids, 0)
    bench.until(lambda: not any(bench.last(s.name).active for s in specs))
    for spec in specs:
        said = bench.last(spec.name)
        assert said.received == said.used + said.dropped, spec.name
        for sensor in said.sensors:
            assert sensor.received == sensor.used + sensor.dropped, (spec.name, sensor.name)
        text = runner.log_tail(spec.name, lines=1000)
        assert "Traceback" not in text and "[ERROR]" not in text, text


def test_configured_and_activated_from_outside(bench: Any) -> None:
    runner = bench.launch(bench.spec("tracker", autostart=False))
    change = bench.node.create_client(ChangeState, "/tracker/change_state")
    state = bench.node.create_client(GetState, "/tracker/get_state")
    bench.until(lambda: change.service_is_ready() and state.service_is_ready())

    def ask(client: Any, request: Any) -> Any:
        future = client.call_async(request)
        bench.until(future.done)
        return future.result()

    def transition(number: int) -> bool:
        return ask(change, ChangeState.Request(transition=Transition(id=number))).success

    def current() -> int:
        return ask(state, GetState.Request()).current_state.id

    assert current() == State.PRIMARY_STATE_UNCONFIGURED
    assert not transition(Transition.TRANSITION_ACTIVATE)
    assert current() == State.PRIMARY_STATE_UNCONFIGURED
    assert transition(Transition.TRANSITION_CONFIGURE)
    assert current() == State.PRIMARY_STATE_INACTIVE
    assert not bench.last("tracker") or not bench.last("tracker").active
    assert transition(Transition.TRANSITION_ACTIVATE)
    bench.until(lambda: bench.last("tracker") and bench.last("tracker").active)
    assert transition(Transition.TRANSITION_DEACTIVATE)
    bench.until(lambda: not bench.last("tracker").active)
    assert transition(Transition.TRANSITION_ACTIVATE)
    bench.until(lambda: bench.last("tracker").active)
    assert runner.stop() == {"tracker": 0}


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("tracker", {"rig": "/nowhere/rig.yaml"}, "/nowhere/rig.yaml"),
        ("tracker", {"rig": ""}, "wanted the path of a rig file"),
        ("tracker", {"rig": 5}, "rig"),
        ("fusion", {"wait_s": -1.0}, "wait_s"),
        ("fusion", {"wait_s": "long"}, "wait_s"),
        ("sync", {"window_s": 99.0}, "window_s"),
        ("sync", {"policy": "guess"}, "policy"),
        ("camera_detector", {"model": "/nowhere/model.onnx"}, "/nowhere/model.onnx"),
    ],
)
def test_says_which_parameter_cannot_work(
    bench: Any, name: str, parameters: dict[str, Any], said: str
) -> None:
    runner = bench.launch(bench.spec(name, **parameters))
    bench.until(lambda: runner.poll()[name] is not None)
    text = runner.log_tail(name)
    assert said in text
    assert "Traceback" not in text
    assert runner.poll()[name] == 2
    assert "ConfigurationError" in text or "ModelError" in text


def test_pictures_without_a_model_are_answered_blind(bench: Any) -> None:
    out = bench.keep(msg.Detection2DArray, "/perception/detection/camera/camera", qos.detections())
    runner = bench.start("camera_detector")
    bench.ready(bench.infos)
    bench.until(lambda: bench.node.count_publishers("/perception/detection/camera/camera"))
    bench.picture_info(3)
    bench.until(lambda: out)
    assert not out[0].detections and not out[0].info.valid
    assert out[0].info.mode == msg.FrameInfo.MODE_BLIND
    assert (out[0].header.frame_id, out[0].header.stamp.nanosec) == ("camera", 300_000_000)
    assert runner.poll() == {"camera_detector": None}


def test_a_picture_gives_the_boxes_of_the_model(bench: Any, tmp_path: Path) -> None:
    cells = 8 * 8 + 4 * 4 + 2 * 2
    answer = np.zeros((1, cells, 85), np.float32)
    answer[0, 9, :5] = (0.5, 0.5, 0.0, 0.0, 1.0)
    answer[0, 9, 5 + 2] = 0.9  # a car, by the order of COCO
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(answer.shape))
    constant = helper.make_node("Constant", [], ["output"], value=numpy_helper.from_array(answer))
    graph = helper.make_graph([constant], "known", [image], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    out = bench.keep(msg.Detection2DArray, "/perception/detection/camera/camera", qos.detections())
    bench.start("camera_detector", model=str(tmp_path / "m.onnx"))
    pictures = bench.node.create_publisher(CompressedImage, "/image/compressed", 1)
    bench.ready(pictures)
    bench.until(lambda: bench.node.count_publishers("/perception/detection/camera/camera"))
    pictures.publish(CompressedImage(format="jpeg", data=b"not a picture"))
    bench.until(lambda: bench.drops)
    assert bench.drops[0].reason == msg.DropEvent.REASON_MALFORMED
    import cv2

    good = CompressedImage(format="png")
    good.data.frombytes(cv2.imencode(".png", np.zeros((128, 96, 3), np.uint8))[1].tobytes())
    good.header.frame_id = "camera"
    bench.stamp(good.header.stamp, 1)
    pictures.publish(good)
    bench.until(lambda: out)
    (box,) = out[0].detections
    assert box.label == "car"
    assert (out[0].info.mode, out[0].info.valid) == (msg.FrameInfo.MODE_NOMINAL, True)
    assert out[0].info.model_hash


def test_shared_memory_of_a_killed_node_is_removed(bench: Any, shared_memory: ModuleType) -> None:
    runner = bench.start("tracker")
    locks = shared_memory.locks_of(runner.pids["tracker"])
    os.kill(runner.pids["tracker"], signal.SIGKILL)
    bench.until(lambda: runner.poll()["tracker"] is not None)
    assert shared_memory.left(locks), "the killed process left nothing: the test is empty"
    assert runner.stop() == {"tracker": -signal.SIGKILL}
    assert not shared_memory.left(locks)
    assert not [p for p in locks if p.with_name(p.name.removesuffix("_el")).exists()]


def test_a_node_that_died_is_known_again_when_it_is_back(bench: Any) -> None:
    bench.start("supervisor", nodes=["tracker", "fusion"])
    fusion = bench.start("fusion")
    first = bench.start("tracker")
    bench.until(lambda: bench.states and np.isfinite(bench.states[-1][1].node_age_s).all())
    os.kill(first.pids["tracker"], signal.SIGKILL)
    bench.until(lambda: "NODE.TRACKER.LOST" in bench.states[-1][1].active_faults)
    assert fusion.poll() == {"fusion": None}
    bench.start("tracker")
    fault = msg.PerceptionState.MODE_FAULT
    bench.until(
        lambda: "NODE.TRACKER.LOST" not in (s := bench.states[-1][1]).active_faults and s.mode != fault
    )
