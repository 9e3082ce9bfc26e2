"""A model with anchors runs on ONNX Runtime; boxes that were encoded by the papers' formulas come out as they were."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from perception_nodes.datatypes import CAR, LABEL_INDEX, PEDESTRIAN, ModelError, Orientation, PointCloud
from perception_nodes.detection.foreign_anchors import read_anchor_config
from perception_nodes.detection.learned_anchors import AnchorLidarDetector
from perception_nodes.detection.learned_choice import open_detector
from perception_nodes.detection.learned_config import DecodeConfig, LearnedConfig

from . import anchor_model as made
from .anchor_model import Told

ORIGIN = np.array([[0.7, -0.2, 1.8]])
BOXES = [
    Told(2, (5.63, 3.11, -1.02), (4.61, 1.93, 1.49), 0.3),
    Told(2, (-6.2, 1.87, -0.9), (3.2, 1.7, 1.6), -2.4, turned=True),
    Told(1, (2.2, -5.51, -1.0), (1.9, 0.7, 1.7), 1.5, turned=True),
    Told(0, (-3.1, -6.02, -0.95), (0.6, 0.7, 1.8), 3.0),
    Told(2, (9.4, -1.9, -1.0), (4.0, 1.8, 1.5), 2.2, sure=False),
]


def street(boxes: list[Told], origin: np.ndarray, top: float = 1.4) -> PointCloud:
    """A flat road, and above each box's centre a pole of points; the model gets heights from `origin` on."""
    rng = np.random.default_rng(5)
    road = np.column_stack([rng.uniform(-12, 12, (4000, 2)), rng.normal(0, 0.01, 4000)])
    places = np.array([b.center[:2] for b in boxes]) + origin[:2]
    # No road in the pillars of a pole: the model tells the mean height of what it sees.
    road = road[(np.abs(road[:, None, :2] - places).max(axis=2) > 2 * made.SIZE).all(axis=1)]
    poles = [
        np.column_stack([np.full((9, 2), places[k]), np.full(9, origin[2] + top - 0.01 * k)])
        for k in range(len(boxes))
    ]  # fmt: skip
    return PointCloud(7, "base_link", np.concatenate([*poles, road]).astype(np.float32))


def detect(folder: Path, boxes: list[Told], **decode: Any) -> Any:
    detector = open_detector(str(folder), LearnedConfig(decode=DecodeConfig(**decode)))
    detector.warm()
    assert "CPUExecutionProvider" in detector.description
    assert (detector.model_id, len(detector.model_hash)) == (folder.name, 16)
    return detector.detect(street(boxes, ORIGIN[0]), ORIGIN).detections


@pytest.mark.parametrize("fixed", [False, True])
def test_boxes_come_out_as_they_were_encoded(tmp_path: Path, fixed: bool) -> None:
    found = detect(made.write_folder(tmp_path / "m", BOXES, fixed), BOXES)
    assert len(found) == len(BOXES)
    np.testing.assert_allclose(found.center_m, [b.center + ORIGIN[0] for b in BOXES], atol=1e-4)
    np.testing.assert_allclose(found.lwh_m, [b.lwh for b in BOXES], rtol=1e-5)
    np.testing.assert_allclose(found.yaw_rad, [b.yaw for b in BOXES], atol=1e-4)
    assert found.label.tolist() == [CAR, CAR, LABEL_INDEX["bicycle"], PEDESTRIAN, CAR]
    wanted = [1 / (1 + np.exp(made.BIAS - made.GAIN * (1.4 - 0.01 * k))) for k in range(5)]
    np.testing.assert_allclose(found.score, wanted, atol=1e-3)
    assert found.orientation.tolist() == [Orientation.AVAILABLE] * 4 + [Orientation.SIGN_UNKNOWN]
    assert np.isnan(found.existence_probability).all()
    np.testing.assert_allclose(found.class_probabilities.sum(axis=1), 1.0)


def test_anchors_from_border_to_border(tmp_path: Path) -> None:
    folder = made.write_folder(tmp_path / "m", BOXES, spread=True)
    generator = {**made.PARAMETERS["anchor_generator"], "type": "Anchor3DRangeGenerator"}
    made.write_parameters(folder / "anchors.param.yaml", anchor_generator=generator)
    found = detect(folder, BOXES)
    np.testing.assert_allclose(found.center_m, [b.center + ORIGIN[0] for b in BOXES], atol=1e-4)


def test_the_frame_may_be_the_base_frame(tmp_path: Path) -> None:
    folder = made.write_folder(tmp_path / "m", BOXES)
    made.write_parameters(folder / "anchors.param.yaml", frame="base")
    detector = AnchorLidarDetector(folder)
    # Heights from the ground on: the poles must begin there.
    found = detector.detect(street(BOXES, np.zeros(3)), ORIGIN).detections
    np.testing.assert_allclose(found.center_m, [b.center for b in BOXES], atol=1e-4)


def test_of_boxes_that_overlap_the_best_is_kept_and_not_more_than_wanted(tmp_path: Path) -> None:
    beside = [*BOXES, Told(2, (5.63, 3.9, -1.02), (4.61, 1.93, 1.49), 0.3)]
    folder = made.write_folder(tmp_path / "m", beside)
    assert len(detect(folder, beside)) == 5
    assert len(detect(folder, beside, overlap=1.0)) == 6
    few = detect(folder, beside, max_detections=2)
    np.testing.assert_allclose(few.center_m, [b.center + ORIGIN[0] for b in BOXES[:2]], atol=1e-4)


def test_nothing_in_an_empty_sweep(tmp_path: Path) -> None:
    detector = AnchorLidarDetector(made.write_folder(tmp_path / "m", BOXES))
    empty = PointCloud(0, "base_link", np.zeros((0, 3), np.float32))
    assert len(detector.detect(empty, ORIGIN).detections) == 0


def test_intensity_is_the_fourth_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made.write_folder(tmp_path / "m", BOXES)
    made.write_parameters(folder / "anchors.param.yaml", intensity_scale=0.5)
    detector = AnchorLidarDetector(folder)
    shown = []
    run = detector._run
    monkeypatch.setattr(detector, "_run", lambda pillars: (shown.append(pillars), run(pillars))[1])
    cloud = street(BOXES, ORIGIN[0])
    value = np.arange(len(cloud), dtype=np.float32)
    detector.detect(PointCloud(7, "base_link", cloud.xyz_m, intensity=value), ORIGIN)
    i, j = (
        int((BOXES[0].center[0] - made.LOW[0]) / made.SIZE),
        int((BOXES[0].center[1] - made.LOW[1]) / made.SIZE),
    )
    row = next(k for k, c in enumerate(shown[0].cell.tolist()) if c == [i, j])
    np.testing.assert_allclose(shown[0].features[row, :9, 3], 0.5 * value[:9])


GENERATOR = made.PARAMETERS["anchor_generator"]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"class_names": ["Car", "Cat", "Cyclist"]}, "'Cat'"),
    ({"class_names": ["Car"]}, "cls_score of 18 channels: wanted 6"),
    ({"anchor_generator": {**GENERATOR, "rotations": [0.0]}}, "cls_score of 18 channels: wanted 9"),
    ({"anchor_generator": {**GENERATOR, "ranges": GENERATOR["ranges"][:2]}}, "as many ranges as sizes"),
    ({"anchor_generator": {**GENERATOR, "type": "Other"}}, "type: Aligned"),
    ({"anchor_generator": {**GENERATOR, "scales": [1]}}, "unknown 'scales'"),
    ({"anchor_generator": {**GENERATOR, "sizes": [[1, 2]]}}, "not the parameters"),
    ({"voxel_size": [0.0, 0.4, 8.0]}, "more than 0"),
    ({"max_voxels": float("inf")}, "not the parameters.*infinity"),
    ({"frame": "camera"}, "lidar or base"),
    ({"custom": 1}, "unknown 'custom'"),
]


@pytest.mark.parametrize(("changed", "named"), WRONG)
def test_what_is_wrong_in_the_parameters_is_named(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    folder = made.write_folder(tmp_path / "m", BOXES)
    made.write_parameters(folder / "anchors.param.yaml", **changed)
    with pytest.raises(ModelError, match=named):
        AnchorLidarDetector(folder)


def test_a_file_that_is_no_yaml_is_told_where(tmp_path: Path) -> None:
    folder = made.write_folder(tmp_path / "m", BOXES)
    (folder / "anchors.param.yaml").write_text("class_names: [Car,")
    with pytest.raises(ModelError, match=r"anchors\.param\.yaml: .* ParserError: .* line 1, column 19"):
        AnchorLidarDetector(folder)


def test_what_is_wrong_in_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"outputs \['cls_score', 'bbox_pred', 'dir_cls_pred'\], got.*'direction'"
    ):
        AnchorLidarDetector(made.write_folder(tmp_path / "a", BOXES, names={"dir_cls_pred": "direction"}))
    folder = made.write_folder(tmp_path / "b", BOXES)
    (folder / "other.onnx").write_bytes((folder / "end2end.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"wanted one \*.onnx"):
        AnchorLidarDetector(folder)
    (folder / "end2end.onnx").unlink()
    (folder / "other.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        AnchorLidarDetector(folder)


def test_the_parameter_file_of_the_docs_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "lidar_detection.md").read_text()
    block = text[text.index("    class_names: [Pedestrian") :]
    (tmp_path / "anchors.param.yaml").write_text(textwrap.dedent(block[: block.index("\n\n")]))
    config = read_anchor_config(tmp_path / "anchors.param.yaml")
    assert config.channels() == {"cls_score": 18, "bbox_pred": 42, "dir_cls_pred": 12}
    assert (config.grid.width, config.grid.height, config.in_lidar) == (432, 496, True)
