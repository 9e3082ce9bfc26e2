"""The exported files answer as the network does; int8 nearly so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="needs the extra [train]")
pytest.importorskip("onnxscript", reason="needs the extra [train]")

from perception_nodes.detection.learned import KIND, LearnedLidarDetector  # noqa: E402
from perception_nodes.detection.learned_config import DecodeConfig, LearnedConfig, RuntimeConfig  # noqa: E402
from perception_nodes.detection.learned_decode import decode  # noqa: E402
from perception_nodes.detection.raster import RasterConfig, rasterize  # noqa: E402
from perception_nodes.detection.runtime import METADATA_KEY, int8_path  # noqa: E402
from perception_nodes.networks.bev import BevDetector, network_config  # noqa: E402
from perception_nodes.training import detector, export  # noqa: E402
from perception_nodes.training.store import FrameStore  # noqa: E402

from . import streets  # noqa: E402

RASTER = RasterConfig(cell_m=0.8, cells=64)
ABOUT = {"kind": KIND, "raster": 1, "cells": 64, "cell_m": 0.8, "name": "tiny"}
ONE = RuntimeConfig(threads=1, probe_runs=1, precision="fp32")


@pytest.fixture(scope="module")
def model() -> BevDetector:
    """Random weights, so wide awake that there are boxes to compare."""
    torch.manual_seed(0)
    network = BevDetector(network_config("tiny")).eval()
    torch.nn.init.normal_(network.classes.weight, std=0.5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def made(model: BevDetector, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FrameStore]:
    folder = tmp_path_factory.mktemp("export")
    frames = streets.store(folder / "s", np.random.default_rng(1), 6)
    export.export_onnx(model, RASTER, folder / "tiny.onnx", ABOUT)
    export.quantise(folder / "tiny.onnx", int8_path(folder / "tiny.onnx"), frames, RASTER, 6)
    return folder / "tiny.onnx", frames


def test_parity(model: BevDetector, made: tuple[Path, FrameStore]) -> None:
    parity = export.check_parity(model, *made, RASTER, 6)
    assert parity.holds, parity
    assert parity.frames == 6
    assert parity.boxes > 20


def test_parity_does_not_hold_for_other_weights(model: BevDetector, made: tuple[Path, FrameStore]) -> None:
    other = BevDetector(model.config).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.boxes.bias[0] += 0.01
    assert not export.check_parity(other, *made, RASTER, 3).holds


def test_the_file_keeps_what_it_is(made: tuple[Path, FrameStore]) -> None:
    for path in (made[0], int8_path(made[0])):
        proto = onnx.load(str(path))
        assert json.loads(proto.metadata_props[0].value) == ABOUT
        assert proto.metadata_props[0].key == METADATA_KEY
    kinds = {n.op_type for n in onnx.load(str(made[0])).graph.node}
    assert "BatchNormalization" not in kinds
    assert "QuantizeLinear" in {n.op_type for n in onnx.load(str(int8_path(made[0]))).graph.node}


def test_int8_is_near(model: BevDetector, made: tuple[Path, FrameStore]) -> None:
    picture = rasterize(made[1][0].points, RASTER)[None]
    config = LearnedConfig(runtime=ONE)
    exact, coarse = (
        LearnedLidarDetector(p, config).model.run(picture) for p in (made[0], int8_path(made[0]))
    )
    for a, b in zip(exact, coarse, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
        assert not np.array_equal(a, b)


def test_the_detector_of_the_node_says_the_same_as_the_network(
    model: BevDetector, made: tuple[Path, FrameStore]
) -> None:
    frame = made[1][1]
    learned = LearnedLidarDetector(made[0], LearnedConfig(runtime=ONE))
    assert learned.raster == RASTER
    picture = torch.from_numpy(rasterize(frame.points, RASTER))[None]
    with torch.inference_mode():
        maps = [o.numpy()[0] for o in model(picture)]
    wanted = decode(maps[0], maps[1], export.output_cell(RASTER), DecodeConfig())
    box, score, alone = export.compare(wanted, detector.of_file(learned)(frame))
    assert box < 1e-3
    assert score < 1e-4
    assert alone == 0


def test_comparison_finds_what_differs(model: BevDetector, made: tuple[Path, FrameStore]) -> None:
    frame = made[1][0]
    found = detector.of_network(model, RASTER)(frame)
    none = detector.of_network(model, RASTER, DecodeConfig(min_score=1.0))(frame)
    assert export.compare(found, found) == (0.0, 0.0, 0)
    assert export.compare(found, none) == (0.0, 0.0, len(found))
    moved = type(found)(**{**vars(found), "center_m": found.center_m + 0.02})
    box, _, alone = export.compare(found, moved)
    assert box == pytest.approx(0.02, abs=1e-9)
    assert alone == 0


def maps(*peaks: tuple[int, int, float]) -> list[np.ndarray]:
    """Class logits (10, 16, 16) and box maps (17, 16, 16) with cars of 4.5 m x 2 m at (row, column, logit)."""
    logits, boxes = np.full((10, 16, 16), -9.0, np.float32), np.zeros((17, 16, 16), np.float32)
    boxes[3:6] = np.log([4.5, 2.0, 1.6])[:, None, None]
    boxes[6], boxes[11] = 1.0, 9.0
    for row, column, logit in peaks:
        logits[0, row, column] = logit
    return [logits, boxes]


def test_which_of_two_equals_is_suppressed_is_no_difference() -> None:
    ours, theirs = maps((5, 5, 1.0), (7, 5, 1.0 + 1e-6)), maps((5, 5, 1.0 + 1e-6), (7, 5, 1.0))
    a, b = (decode(m[0], m[1], 0.8, DecodeConfig()) for m in (ours, theirs))
    assert len(a) == len(b) == 1
    assert export.compare(a, b)[2] == 2
    assert export.compare_maps(ours, theirs, 0.8) == (0.0, 0.0, 0, 1)


def test_a_box_that_only_one_has_is_a_difference() -> None:
    ours = maps((5, 5, 1.0), (12, 12, 1.0))
    assert export.compare_maps(ours, maps((5, 5, 1.0)), 0.8)[2:] == (1, 2)
    assert export.compare_maps(maps((5, 5, 1.0)), ours, 0.8)[2:] == (1, 1)
    # A weaker one is a difference of scores.
    _, score, alone, _ = export.compare_maps(ours, maps((5, 5, 1.0), (12, 12, -3.0)), 0.8)
    assert score > 0.1
    assert alone == 0


def test_a_file_says_nothing_of_the_machine_that_made_it(model: BevDetector, tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    export.export_onnx(model, RASTER, path, ABOUT)
    assert b"bev.py" not in path.read_bytes()
