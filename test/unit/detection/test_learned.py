"""The learned detector around a model made by hand, and models that are none of its."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from perception_nodes.datatypes import (
    CAR,
    ConfigurationError,
    MalformedMessage,
    ModelError,
    Orientation,
    PointCloud,
)
from perception_nodes.detection.config import GeometricConfig
from perception_nodes.detection.learned import LearnedLidarDetector, covariance
from perception_nodes.detection.learned_choice import OpenedDetector, open_detector
from perception_nodes.detection.learned_config import LearnedConfig, RuntimeConfig
from perception_nodes.detection.lidar import GeometricLidarDetector, LidarFrame
from perception_nodes.detection.runtime import OnnxModel, int8_path

from .learned_model import ABOUT, write_model

ORIGIN = np.array([[0.0, 0.0, 1.8]])
FAST = LearnedConfig(GeometricConfig(range_m=40.0), runtime=RuntimeConfig(threads=1, probe_runs=1))


def cloud(rng: np.random.Generator, z_m: float = 0.0) -> PointCloud:
    """A road with one block of 4 x 1.8 x 1.5 m at (10.4, 4.0)."""
    road = np.concatenate([rng.uniform(-25, 25, (5000, 2)), np.zeros((5000, 1))], axis=1)
    block = rng.uniform([8.4, 3.1, 0.3], [12.4, 4.9, 1.5], (600, 3))
    xyz = np.concatenate([road, block]) + np.array([0, 0, z_m])
    return PointCloud(5, "base_link", xyz.astype(np.float32), source=np.zeros(5600, np.uint8))


@pytest.fixture
def detector(tmp_path: Path) -> LearnedLidarDetector:
    return LearnedLidarDetector(write_model(tmp_path / "hand.onnx"), FAST)


@pytest.mark.parametrize("z_m", [0.0, -0.3])
def test_a_block_is_found_on_the_road(
    detector: LearnedLidarDetector, rng: np.random.Generator, z_m: float
) -> None:
    frame = detector.detect(cloud(rng, z_m), ORIGIN)
    found = frame.detections
    assert len(found) >= 1
    assert found.stamp_ns == 5
    assert (found.label == CAR).all()
    best = int(np.argmin(np.hypot(*(found.center_m[:, :2] - [10.4, 4.0]).T)))
    assert np.abs(found.center_m[best] - [10.4, 4.0, z_m + 0.75]).max() < 1.7
    assert abs(found.center_m[best, 2] - (z_m + 0.75)) < 0.06
    assert found.num_points[best] > 50
    assert (found.orientation == Orientation.AVAILABLE).all()
    assert np.isnan(found.velocity_mps).all()
    np.testing.assert_allclose(found.existence_probability, found.score / 2, atol=1e-9)
    assert frame.on_ground.sum() > 4000


def test_an_empty_sweep_gives_no_box(detector: LearnedLidarDetector) -> None:
    frame = detector.detect(PointCloud(0, "base_link", np.zeros((0, 3), np.float32)), ORIGIN)
    assert len(frame.detections) == 0


def test_a_sensor_without_an_origin(detector: LearnedLidarDetector) -> None:
    with pytest.raises(MalformedMessage, match="origins_m"):
        detector.detect(PointCloud(0, "base_link", np.ones((1, 3), np.float32)), np.zeros((0, 3)))


def test_covariance_of_the_spreads() -> None:
    value = covariance(np.array([[0.1, 0.2, 0.3, 0.4, 0.05]]))[0]
    np.testing.assert_allclose(np.diag(value)[:2], 0.01)
    np.testing.assert_allclose(np.diag(value)[3:7], np.square([0.05, 0.2, 0.3, 0.4]))
    assert np.isnan(value[7:]).all()
    # How centre and extent err together is not known.
    assert np.isnan(value[:2, 4:6]).all()
    assert np.isnan(value[4:6, :2]).all()
    assert (np.linalg.eigvalsh(np.nan_to_num(value[:7, :7])) > 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "other"}, "kind 'other'"),
        ({"raster": 99}, "version 99"),
        ({"cells": 32}, "wanted input"),
        ({"cell_m": "wide"}, "no usable cells"),
        ({"calibration": {"score": [1.0, 0.0], "probability": [0.0, 1.0]}}, "rising scores"),
        ({"calibration": {"score": [0.0, 1.0], "probability": [0.0, 2.0]}}, "rising scores"),
        ({"calibration": "none"}, "calibration: wanted an object, got 'none'"),
        ({"statistics": {"points": [1.0, 2.0]}}, "statistics: wanted three quantiles"),
        ({"statistics": {"points": ["few", "some", "many"]}}, "statistics: wanted three quantiles"),
    ],
)
def test_models_of_another_kind(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = write_model(tmp_path / "other.onnx", {**ABOUT, **change})
    with pytest.raises(ModelError, match=words):
        LearnedLidarDetector(path, FAST)


@pytest.mark.parametrize(
    ("about", "words"), [(None, "kind None"), ("{", "not JSON"), ("[1]", "wanted an object")]
)
def test_metadata_that_says_nothing(tmp_path: Path, about: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        LearnedLidarDetector(write_model(tmp_path / "other.onnx", about), FAST)


def test_without_calibration_scores_are_no_probabilities(tmp_path: Path, rng: np.random.Generator) -> None:
    about = {k: v for k, v in ABOUT.items() if k != "calibration"}
    detector = LearnedLidarDetector(write_model(tmp_path / "hand.onnx", about), FAST)
    assert np.isnan(detector.detect(cloud(rng), ORIGIN).detections.existence_probability).all()
    assert not detector.calibration_id


def test_before_its_first_sweep_a_detector_is_run_on_a_made_one() -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def detect(cloud: PointCloud, origins_m: np.ndarray) -> LidarFrame:
        seen.append((len(cloud), origins_m.shape))
        return GeometricLidarDetector().detect(cloud, origins_m)

    OpenedDetector(detect, list, "by hand").warm()
    assert seen == [(2000, (1, 3))]


def test_choice_of_the_node(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_model(tmp_path / "hand.onnx")
    geometric, learned = open_detector("geometric", FAST), open_detector(str(path), FAST)
    assert (geometric.model_id, geometric.model_hash, geometric.misfits()) == ("geometric", "", [])
    assert learned.model_id == "by_hand"
    assert learned.calibration_id == "isotonic-test"
    assert "CPUExecutionProvider" in learned.description
    for one in (geometric, learned):
        one.warm()
        assert len(one.detect(cloud(rng), ORIGIN).detections) >= 1
    assert [open_detector(word, FAST).model_id for word in ("auto", "small", "base")] == [
        "lidar_small", "lidar_small", "lidar_base",
    ]  # fmt: skip
    with pytest.raises(ModelError, match="no such file"):
        open_detector(str(tmp_path / "none.onnx"), FAST)


def test_the_faster_of_both_precisions_is_chosen_and_said(tmp_path: Path) -> None:
    path = write_model(tmp_path / "hand.onnx")
    write_model(int8_path(path))
    model = OnnxModel(path, RuntimeConfig(probe_runs=3))
    assert {c.precision for c in model.tried} == {"fp32", "int8"}
    assert model.chosen in model.tried
    assert model.chosen.median_ms <= 1.2 * min(c.median_ms for c in model.tried)
    assert str(model.chosen) in model.describe()
    assert OnnxModel(path, RuntimeConfig(threads=1, precision="int8")).path == int8_path(path)
    assert OnnxModel(path, RuntimeConfig(threads=1, precision="fp32")).path == path
    assert OnnxModel(int8_path(path), RuntimeConfig(threads=1)).chosen.precision == "int8"


@pytest.mark.parametrize(
    ("content", "providers", "words"),
    [
        (None, ("CPUExecutionProvider",), "no such file"),
        (b"no model", ("CPUExecutionProvider",), "cannot be loaded"),
        (b"no model", ("NoSuchProvider",), "wanted providers"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes | None, providers: Any, words: str) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=words):
        OnnxModel(path, RuntimeConfig(providers=providers, threads=1))


@pytest.mark.parametrize("inputs", [[], ["int64"], ["float", "float"]])
def test_networks_of_something_else(tmp_path: Path, inputs: list[str]) -> None:
    types = {"float": TensorProto.FLOAT, "int64": TensorProto.INT64}
    given = [helper.make_tensor_value_info(f"in{k}", types[t], [1, 8]) for k, t in enumerate(inputs)]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    one = helper.make_node(
        "Constant", [], ["out"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    )
    graph = helper.make_graph([one], "other", given, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(ModelError, match=r"other\.onnx: wanted one input, tensor\(float\), got \["):
        LearnedLidarDetector(tmp_path / "other.onnx", FAST)


def test_impossible_settings() -> None:
    with pytest.raises(ConfigurationError, match="precision"):
        RuntimeConfig(precision="fp7")
    with pytest.raises(ConfigurationError, match="threads"):
        RuntimeConfig(threads=-1)
