"""Weights of the geometric detector: which nodes are samples of what, and the fit."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datasets import find_rig
from perception_nodes.datatypes import LABEL_INDEX, Detections3D, PointCloud
from perception_nodes.detection.classify import KINDS
from perception_nodes.detection.lidar import GeometricLidarDetector
from perception_nodes.simulation.iterator import Drives
from perception_nodes.training.fit_geometric import average_precision, fit_weights, labelled, main, samples

ORIGIN = np.array([[0.0, 0.0, 1.8]])


def column(x: float, y: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """(200, 3) returns of an upright thing 0.4 m wide."""
    return rng.uniform([x - 0.2, y - 0.2, 0.05], [x + 0.2, y + 0.2, height], (200, 3))


def test_a_node_is_what_most_of_its_points_are_of(rng: np.random.Generator) -> None:
    ground = np.stack(
        [*np.meshgrid(np.arange(-20, 20, 0.4), np.arange(-20, 20, 0.4)), np.zeros((100, 100))], -1
    )
    xyz = np.concatenate([ground.reshape(-1, 3), column(8, 2, 1.7, rng), column(8, -3, 1.7, rng)]).astype(
        np.float32
    )
    owner = np.repeat([0, 7, 9], [10_000, 200, 200])
    fitted = GeometricLidarDetector().fit(PointCloud(0, "base_link", xyz), ORIGIN)
    label = np.array([LABEL_INDEX["pedestrian"], LABEL_INDEX["traffic_cone"]], np.uint8)
    center = np.array([[8.0, 2, 0.85], [8.0, -3, 0.85]])
    truth = Detections3D.of(
        0, "base_link", "truth", center, np.full((2, 3), 0.5), np.zeros(2), label=label,
        detection_id=np.array([7, 9], np.uint64),
    )  # fmt: skip
    found = labelled(fitted, owner, truth)
    place = fitted.boxes["mid_y"]
    whole = fitted.boxes["points"] > 150
    assert found.target["person"][whole & (place > 0)].tolist() == [1]
    assert found.target["person"][whole & (place < 0)].tolist() == [0]
    assert found.target["thing"][whole].tolist() == [1, 1]
    assert (found.target["car"] != 1).all()


def test_the_fit_finds_the_weights_and_keeps_the_signs(rng: np.random.Generator) -> None:
    columns = {
        "dense": rng.normal(size=20_000),
        "free": rng.normal(size=20_000),
        "high": rng.normal(size=20_000),
    }
    z = -1.0 + 2.0 * columns["dense"] - 1.5 * columns["free"] + 0.8 * columns["high"]
    target = (rng.random(20_000) < 1 / (1 + np.exp(-z))).astype(np.int8)
    weights = fit_weights("large", columns, target)
    assert weights["high"] == 0.0  # nothing but `dense` and `face` speaks for a kind
    del columns["high"]
    again = fit_weights("large", columns, target)
    assert again["dense"] == pytest.approx(1.85, abs=0.2)
    assert again["free"] == pytest.approx(-1.4, abs=0.2)


def test_average_precision_by_hand() -> None:
    columns = {"dense": np.array([4.0, 3.0, 2.0, 1.0])}
    assert average_precision({"bias": 9.0, "dense": 1.0}, columns, np.array([1, 0, 1, 0])) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_nodes_of_a_street_have_every_column_and_whole_objects() -> None:
    (found,) = list(samples(find_rig("default"), [7_200_001], Drives(frames=1, stride=1)))
    for kind, one in KINDS.items():
        assert set(one.weights) <= {"bias", *found.columns[kind]}
        assert {len(c) for c in found.columns[kind].values()} == {len(found.target[kind])}
    assert (found.target["car"] == 1).any()
    assert (found.target["car"] == 0).any()


def test_a_wrong_rig_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--streets", "1", "--rigs", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().out


def test_nothing_to_fit_on_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--streets", "0", "--rigs", "vlp16"]) == 2
    assert "no sweep to fit on" in capsys.readouterr().out
