"""A model of the public two-file layout runs on ONNX Runtime and its answers come out as our boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from perception_nodes.datatypes import CAR, PEDESTRIAN, ModelError, Orientation, PointCloud
from perception_nodes.detection.learned_choice import open_detector
from perception_nodes.detection.learned_config import DecodeConfig, LearnedConfig
from perception_nodes.detection.learned_foreign import ForeignLidarDetector

from . import foreign_model as made

ORIGIN = np.array([[0.0, 0.0, 1.8]])


def street(rng: np.random.Generator, *tops: tuple[float, float, float]) -> PointCloud:
    """A flat road, and a pole of points up to `z` at each (x, y, z)."""
    road = np.column_stack([rng.uniform(-12, 12, (3000, 2)), rng.normal(0, 0.01, 3000)])
    poles = [np.column_stack([np.full((15, 2), t[:2]), np.linspace(0.4, t[2], 15)]) for t in tops]
    return PointCloud(7, "base_link", np.concatenate([*poles, road]).astype(np.float32))


def cell(x: float, y: float) -> tuple[int, int]:
    return int((x - made.LOW[0]) / made.SIZE), int((y - made.LOW[1]) / made.SIZE)


@pytest.mark.parametrize("fixed", [False, True])
def test_boxes_are_where_the_model_says_in_our_conventions(
    tmp_path: Path, rng: np.random.Generator, fixed: bool
) -> None:
    detector = open_detector(str(made.write_folder(tmp_path / "my_model", fixed=fixed)), LearnedConfig())
    detector.warm()
    found = detector.detect(street(rng, (6.1, 3.3, 1.9), (-4.2, -5.0, 1.7)), ORIGIN).detections
    assert len(found) == 2
    wanted = []
    for x, y in ((6.1, 3.3), (-4.2, -5.0)):
        i, j = cell(x, y)
        wanted.append(
            (made.LOW[0] + (i + made.REG[0]) * made.SIZE, made.LOW[1] + (j + made.REG[1]) * made.SIZE)
        )
    np.testing.assert_allclose(found.center_m[:, :2], wanted, atol=1e-4)
    np.testing.assert_allclose(found.center_m[:, 2], made.Z, atol=1e-5)
    np.testing.assert_allclose(found.lwh_m, [[4.4, 1.9, 1.6]] * 2, rtol=1e-5)
    np.testing.assert_allclose(found.yaw_rad, -made.YAW - np.pi / 2, atol=1e-5)
    assert (found.label == CAR).all()
    assert (found.orientation == Orientation.SIGN_UNKNOWN).all()
    assert found.score[0] > found.score[1] > 0.9
    assert np.isnan(found.existence_probability).all()
    np.testing.assert_allclose(found.class_probabilities.sum(axis=1), 1.0)
    assert "CPUExecutionProvider" in detector.description
    assert (detector.model_id, len(detector.model_hash)) == ("my_model", 16)


def test_parameters_of_our_own_change_the_yaw_and_the_fourth_feature(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    folder = made.write_folder(tmp_path / "m")
    cloud = street(rng, (6.1, 3.3, 0.6))
    intensity = np.zeros(len(cloud), np.float32)
    intensity[:15] = 200.0
    cloud = PointCloud(7, "base_link", cloud.xyz_m, intensity=intensity)
    assert len(ForeignLidarDetector(folder).detect(cloud, ORIGIN).detections) == 0
    own = {"yaw": "ros", "fourth": "intensity", "intensity_scale": 0.01}
    made.write_parameters(folder / "ml_package.param.yaml", own)
    found = ForeignLidarDetector(folder).detect(cloud, ORIGIN).detections
    assert found.label.tolist() == [PEDESTRIAN]
    np.testing.assert_allclose(found.yaw_rad, made.YAW, atol=1e-5)


def naive_pillars(xyz: np.ndarray, most: int) -> dict[tuple[int, int], np.ndarray]:
    """Features of each pillar by an independent way."""
    inside = ((xyz >= made.LOW) & (xyz < made.HIGH)).all(axis=1)
    place = np.floor((xyz.astype(np.float64) - made.LOW)[:, :2] / made.SIZE).astype(int)
    out = {}
    for c in np.unique(place[inside], axis=0):
        p = xyz[inside & (place == c).all(axis=1)][:most].astype(np.float64)
        middle = np.array(made.LOW[:2]) + (c + 0.5) * made.SIZE
        out[int(c[0]), int(c[1])] = np.hstack(
            [p, np.zeros((len(p), 1)), p - p.mean(axis=0), p[:, :2] - middle]
        )
    return out


def test_pillars_are_those_of_the_paper(tmp_path: Path, rng: np.random.Generator) -> None:
    folder = made.write_folder(tmp_path / "m")
    made.write_parameters(folder / "ml_package.param.yaml", max_voxel_size=300)
    detector = ForeignLidarDetector(folder)
    xyz = rng.uniform([-9, -9, -2], [9, 9, 3], (900, 3)).astype(np.float32)
    xyz[:60, :2] = rng.uniform(0.05, 0.7, (60, 2))  # more than a pillar takes
    pillars = detector.pillars(PointCloud(0, "base_link", xyz), np.arange(len(xyz)))
    wanted = naive_pillars(xyz, made.POINTS)
    first = {tuple(c): k for k, c in enumerate(pillars.cell.tolist())}
    assert len(first) == 300 < len(wanted)
    for c, k in first.items():
        n = len(wanted[c])
        np.testing.assert_allclose(pillars.features[k, :n], wanted[c], atol=2e-5)
        assert not pillars.features[k, n:].any()


def test_of_boxes_that_overlap_the_best_is_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    folder = made.write_folder(tmp_path / "m")
    cloud = street(rng, (6.1, 3.3, 1.9), (6.1, 5.0, 1.7), (6.1, -6.0, 1.6))
    detector = ForeignLidarDetector(folder)
    found = detector.detect(cloud, ORIGIN).detections
    assert len(found) == 2
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(8 - 8 * 1.9)), abs=1e-3)
    every = LearnedConfig(decode=DecodeConfig(overlap=1.0))
    assert len(ForeignLidarDetector(folder, every).detect(cloud, ORIGIN).detections) == 3


def test_nothing_in_an_empty_sweep(tmp_path: Path) -> None:
    detector = ForeignLidarDetector(made.write_folder(tmp_path / "m"))
    empty = PointCloud(0, "base_link", np.zeros((0, 3), np.float32))
    assert len(detector.detect(empty, ORIGIN).detections) == 0


def spoil(folder: Path, what: str) -> None:
    parameters = folder / "ml_package.param.yaml"
    match what:
        case "no encoder":
            (folder / "pts_voxel_encoder.onnx").unlink()
        case "no YAML":
            parameters.write_text("{")
        case "no range":
            made.write_parameters(parameters, point_cloud_range=[0.0])
        case "a class":
            made.write_parameters(parameters, class_names=["CAR", "CAT"])
        case "classes":
            made.write_parameters(parameters, class_names=["CAR"])
        case "a grid":
            made.write_parameters(parameters, voxel_size=[0.4, 0.4, 8.0])
        case "variances":
            made.write_parameters(parameters, has_variance=True)
        case "a word":
            made.write_parameters(parameters, own={"yaw": "left"})
        case _:
            made.write_parameters(parameters, own={"colour": 1})


@pytest.mark.parametrize(
    ("what", "named"),
    [("no encoder", "voxel_encoder"), ("no YAML", "not the parameters"), ("no range", "not the parameters"),
     ("a class", "'CAT'"), ("classes", "heatmap of 2 classes"), ("a grid", "wanted .1, channels, 48, 64"),
     ("variances", "no variances"), ("a word", "mmdet3d or ros"), ("a key", "colour")],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, what: str, named: str) -> None:
    folder = made.write_folder(tmp_path / "m")
    spoil(folder, what)
    with pytest.raises(ModelError, match=named):
        ForeignLidarDetector(folder)


def test_a_head_that_is_missing_is_named(tmp_path: Path) -> None:
    names: Any = {"rot": "angle"}
    with pytest.raises(ModelError, match="'rot' is missing"):
        ForeignLidarDetector(made.write_folder(tmp_path / "m", names))
