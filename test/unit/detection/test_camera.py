"""The YOLOX layout, on models built here whose output is known, and on a real one where present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from perception_nodes.datatypes import LABELS, ConfigurationError, Image, ModelError
from perception_nodes.detection.camera import YoloxDetector
from perception_nodes.detection.camera_config import YoloxConfig
from perception_nodes.detection.coco import COCO_NAMES

ANCHORS = 8 * 8 + 4 * 4 + 2 * 2  # a 64 x 64 input at strides 8, 16, 32


def model_with_output(path: Path, output: npt.NDArray[np.float32], size: int = 64) -> Path:
    """An ONNX that answers `output` to every picture."""
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size, size])
    result = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(output.shape))
    constant = helper.make_node("Constant", [], ["output"], value=numpy_helper.from_array(output))
    graph = helper.make_graph([constant], "known", [image], [result])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def empty_output() -> npt.NDArray[np.float32]:
    return np.zeros((1, ANCHORS, 85), np.float32)


def put(
    output: npt.NDArray[np.float32], anchor: int, xywh: tuple[float, ...], name: str, score: float
) -> None:
    output[0, anchor, :4] = xywh
    output[0, anchor, 4] = 1.0
    output[0, anchor, 5 + COCO_NAMES.index(name)] = score


def detect(
    path: Path, output: npt.NDArray[np.float32], height: int = 128, width: int = 96
) -> list[tuple[str, list]]:
    detector = YoloxDetector(model_with_output(path / "m.onnx", output))
    found = detector.detect(Image(7, "optical", np.zeros((height, width, 3), np.uint8)), "front")
    assert (found.stamp_ns, found.frame_id, found.source) == (7, "optical", "front")
    return [(LABELS[k], b.tolist()) for k, b in zip(found.label, found.box_px, strict=True)]


def test_one_box_by_hand(tmp_path: Path) -> None:
    output = empty_output()
    # Anchor 9 of stride 8 is cell (1, 1); centre (1 + 0.5) * 8 = 12, size e^0 * 8 = 8; the picture was halved.
    put(output, 9, (0.5, 0.5, 0.0, 0.0), "car", 0.9)
    assert detect(tmp_path, output) == [("car", [16.0, 16.0, 32.0, 32.0])]


def test_overlaps_of_one_class_are_suppressed_and_people_are_pedestrians(tmp_path: Path) -> None:
    output = empty_output()
    put(output, 9, (0.5, 0.5, 0.0, 0.0), "person", 0.8)
    put(output, 10, (-0.4, 0.5, 0.0, 0.0), "person", 0.9)
    put(output, 64, (0.2, 0.2, 0.0, 0.0), "bus", 0.7)
    assert [name for name, _ in detect(tmp_path, output)] == ["pedestrian", "bus"]


def test_classes_outside_the_taxonomy_are_not_reported(tmp_path: Path) -> None:
    output = empty_output()
    put(output, 9, (0.5, 0.5, 0.0, 0.0), "toaster", 0.99)
    assert detect(tmp_path, output) == []


def test_boxes_are_clipped_and_huge_sizes_stay_finite(tmp_path: Path) -> None:
    output = empty_output()
    put(output, 0, (0.0, 0.0, 1000.0, 1000.0), "truck", 0.9)
    assert detect(tmp_path, output) == [("truck", [0.0, 0.0, 96.0, 128.0])]


def test_nothing_found_is_an_empty_result(tmp_path: Path) -> None:
    assert detect(tmp_path, empty_output()) == []


def test_what_was_used_is_reported(tmp_path: Path) -> None:
    path = model_with_output(tmp_path / "known.onnx", empty_output())
    config = YoloxConfig(providers=("CUDAExecutionProvider", "CPUExecutionProvider"))
    detector = YoloxDetector(path, config)
    assert detector.provider == "CPUExecutionProvider"
    assert detector.model_id == "known"
    assert len(detector.model_hash) == 16


def test_bad_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.onnx: no such file"):
        YoloxDetector(tmp_path / "nothing.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        YoloxDetector(tmp_path / "text.onnx")
    wrong = model_with_output(tmp_path / "wrong.onnx", np.zeros((1, 10, 85), np.float32))
    with pytest.raises(ModelError, match=r"the YOLOX layout for this input wants \[1, 84, 85\]"):
        YoloxDetector(wrong)
    odd = model_with_output(tmp_path / "odd.onnx", empty_output(), size=65)
    with pytest.raises(ModelError, match="multiples of 32"):
        YoloxDetector(odd)
    with pytest.raises(ModelError, match="this onnxruntime has"):
        YoloxDetector(
            model_with_output(tmp_path / "m.onnx", empty_output()),
            YoloxConfig(providers=("RocketExecutionProvider",)),
        )


def test_no_provider_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one execution provider"):
        YoloxConfig(providers=())


def test_real_model_finds_the_cars_of_a_real_picture(shared_data: Path) -> None:
    import cv2

    detector = YoloxDetector(shared_data / "weights" / "yolox_nano.onnx")
    picture = cv2.imread(str(shared_data / "pandaset_002" / "camera" / "front_camera" / "00.jpg"))
    found = detector.detect(Image(1, "front", picture), "front")
    cars = [
        b
        for b, k, s in zip(found.box_px, found.label, found.score, strict=True)
        if LABELS[k] == "car" and s > 0.6
    ]
    # Three of the cars near the vehicle, looked up in the picture by eye.
    for x, y in ((375, 560), (945, 680), (1500, 680)):
        assert any(b[0] < x < b[2] and b[1] < y < b[3] for b in cars)


def test_a_model_of_other_classes_needs_the_parameter_labels(tmp_path: Path) -> None:
    path = model_with_output(tmp_path / "three.onnx", empty_output()[..., :8])
    with pytest.raises(ModelError, match=r"a model of 3 classes needs their names.* parameter labels"):
        YoloxDetector(path)
    YoloxDetector(path, YoloxConfig(labels=("car", "person", "bicycle")))
    other_anchors = model_with_output(tmp_path / "other.onnx", np.zeros((1, 7, 8), np.float32))
    with pytest.raises(ModelError, match="the YOLOX layout") as caught:
        YoloxDetector(other_anchors)
    assert "labels" not in str(caught.value)
