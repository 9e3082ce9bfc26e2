"""`perception adapt` as a whole on a short simulated drive, with the shipped model; and weights out of a file."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the extra [train]")
pytest.importorskip("onnxscript", reason="needs the extra [train]")

from perception_nodes.datasets.rigs import known_rig, mount  # noqa: E402
from perception_nodes.datatypes import InputError, Modality  # noqa: E402
from perception_nodes.detection.learned_choice import SHIPPED  # noqa: E402
from perception_nodes.detection.learned_config import RuntimeConfig  # noqa: E402
from perception_nodes.detection.raster import RasterConfig  # noqa: E402
from perception_nodes.detection.runtime import OnnxModel, int8_path  # noqa: E402
from perception_nodes.geometry import merge_clouds, transform_detections  # noqa: E402
from perception_nodes.networks.bev import BevDetector, network_config  # noqa: E402
from perception_nodes.resources import resource_path  # noqa: E402
from perception_nodes.simulation.iterator import Drives, random_drive  # noqa: E402
from perception_nodes.simulation.simulation import Simulation  # noqa: E402
from perception_nodes.training import adapt as whole  # noqa: E402
from perception_nodes.training.adapt_sweeps import Sweep  # noqa: E402
from perception_nodes.training.config import TrainConfig, file_digest  # noqa: E402
from perception_nodes.training.export import export_onnx  # noqa: E402
from perception_nodes.training.frames import compensated_rig, points_config  # noqa: E402
from perception_nodes.training.score import ClassScore  # noqa: E402
from perception_nodes.training.simulate import TABLE_SEED  # noqa: E402
from perception_nodes.training.weights import network_of  # noqa: E402

RIG = compensated_rig(known_rig("default"))
MODEL = resource_path(SHIPPED["small"])
DRIVES = Drives(frames=2, stride=2, street="straight", weather_share=0.0)
CONFIG = TrainConfig(
    size="small",
    steps=3,
    batch=2,
    workers=0,
    evaluate_every=3,
    checkpoint_every=1,
    learning_rate=1e-5,
    average=0.9,
)
QUIET = Console(quiet=True)


def drive(frames: int) -> whole.Drive:
    """Sweeps every 0.1 s of a simulated street, with their truth."""
    lidar = RIG.of(Modality.LIDAR)[0]
    scenario = random_drive(77, Drives(frames=frames, stride=1, street="straight", weather_share=0.0))
    simulation = Simulation(scenario, RIG, 77, sensors=[lidar.name])
    sweeps, truth = [], []
    for _ in range(frames):
        frame = simulation.tick()
        cloud, origins = merge_clouds(
            [(frame.lidars[lidar.name].cloud, mount(lidar))], frame.stamp_ns, "base_link"
        )
        sweeps.append(Sweep(cloud, origins, frame.odom_from_base))
        truth.append(transform_detections(frame.truth, "base_link", frame.odom_from_base.inverse()))
    return whole.Drive("street", sweeps, points_config(RIG), truth)


def options(folder: Path, **changed: object) -> whole.AdaptOptions:
    plain = whole.AdaptOptions(
        MODEL, folder / "run", CONFIG, (RIG,), DRIVES, streets=1, held_out=1, share=0.8, data=folder / "data"
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_adapting_resuming_and_keeping_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    street = drive(13)
    path = whole.adapt(options(tmp_path), street, QUIET)
    assert path is not None and path.name == "lidar_small_adapted.onnx"
    assert int8_path(path).is_file()
    about = OnnxModel(path, RuntimeConfig(threads=1, precision="fp32", probe_runs=1)).metadata
    assert about["adapted"]["steps"] == 3
    assert about["from"][-1]["digest"] == file_digest(MODEL)
    card = path.with_suffix(".md").read_text()
    assert "Adapted without labels to street in 3 steps" in card and file_digest(MODEL) in card
    assert about["calibration"]["id"] in card.split("What follows")[0]
    seeds = [json.loads(f.read_text())["seeds"][0] for f in (tmp_path / "data").glob("*/about.json")]
    assert TABLE_SEED in seeds
    assert about["name"] == "lidar_small_adapted" and about["calibration"]["id"].startswith("isotonic-")
    run = json.loads((path.parent / whole.RUN).read_text())
    assert run["accepted"] and (run["steps"], run["part"]) == (3, 1.0)
    assert abs(run["after"] - run["before"]) <= whole.ALLOWED_LOSS + 0.05
    assert set(run["held_out"]) == {"geometric", "before", "after", "after int8"}
    assert run["held_out"]["before"]["frames"] == 3
    assert not np.array_equal(*(network_of(m)[0].classes.weight.detach() for m in (MODEL, path)))

    with pytest.raises(InputError, match="holds a run"):
        whole.adapt(options(tmp_path), street, QUIET)
    with pytest.raises(InputError, match="other settings"):
        whole.adapt(options(tmp_path, resume=True, share=0.9), street, QUIET)
    # As after a kill in the last step: labels, simulated frames and the checkpoint are there, no detector runs again.
    before = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(whole, "find_all", lambda *_: pytest.fail("detected again"))
    again = whole.adapt(options(tmp_path, resume=True), street, QUIET)
    assert again is not None and again.read_bytes() == before

    shutil.copytree(path.parent / "labels", tmp_path / "worse" / "labels")
    monkeypatch.setattr(whole, "ALLOWED_LOSS", -2.0)
    worse = options(tmp_path, output=tmp_path / "worse", config=replace(CONFIG, steps=1, evaluate_every=1))
    assert whole.adapt(worse, replace(street, truth=None), QUIET) is None
    assert not json.loads((tmp_path / "worse" / whole.RUN).read_text())["accepted"]
    assert not list((tmp_path / "worse").glob("*.onnx"))


def test_a_drive_that_is_too_short(tmp_path: Path) -> None:
    street = whole.Drive("short", drive(2).sweeps * 4, points_config(RIG))
    with pytest.raises(InputError, match="6 sweeps to learn from: wanted at least 10"):
        whole.adapt(options(tmp_path), street, QUIET)


def test_mean_ap_is_of_classes_with_enough_objects() -> None:
    scores = {
        k: ClassScore(k, ap, {}, n, {})
        for k, ap, n in (("car", 0.8, 90), ("bus", 0.0, 2), ("truck", 0.6, 10))
    }
    assert whole.mean_ap(scores) == pytest.approx(0.7)
    assert whole.mean_ap({}) == 0.0


def test_weights_read_back_are_the_network_to_the_rounding(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = BevDetector(network_config("tiny")).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    about = {"kind": "lidar_bev", "size": "tiny", "raster": 1, "cells": 64, "cell_m": 0.8}
    export_onnx(network, RasterConfig(0.8, 64), tmp_path / "tiny.onnx", about)
    back, known = network_of(tmp_path / "tiny.onnx")
    assert known == about
    raster = torch.rand(1, 16, 64, 64)
    back.train()  # its normalisations stay as they are
    with torch.inference_mode():
        for ours, theirs in zip(back(raster), network(raster), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_are_no_weights() -> None:
    with pytest.raises(InputError, match="not the weights of a network of size small"):
        network_of(int8_path(MODEL))
