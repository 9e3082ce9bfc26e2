"""Argoverse 2 tables: the tool's tiny cases, real logs, conversion to the city frame, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_nodes.assessment.inputs.argoverse import (
    argoverse_box_frames,
    read_argoverse,
    read_argoverse_poses,
)
from perception_nodes.datatypes import CAR, UNKNOWN, InputError
from perception_nodes.evaluation.detection.argoverse import argoverse_detection
from perception_nodes.geometry import Transform

feather = pytest.importorskip("pyarrow.feather", reason="pip install 'perception_nodes[data]'")
TURNED = Transform.from_xyz_rpy([100.0, 50.0, 0.0], [0.0, 0.0, np.pi / 2])


def columns(**changes: Any) -> dict[str, Any]:
    """A car 10 m ahead of the vehicle and a dog beside it."""
    out: dict[str, Any] = {
        "timestamp_ns": [7, 7],
        "track_uuid": ["u", "v"],
        "category": ["REGULAR_VEHICLE", "DOG"],
    }
    out |= {"length_m": [4.0, 1.0], "width_m": [2.0, 0.5], "height_m": [1.5, 0.5], "tx_m": [10.0, 5.0]}
    out |= {"ty_m": [0.0, 0.0], "tz_m": [0.5, 0.2], "qw": [1.0, 1.0], "num_interior_pts": [9, 0]}
    return out | {name: [0.0, 0.0] for name in ("qx", "qy", "qz")} | changes


def write(folder: Path, table: dict[str, Any]) -> Path:
    import pyarrow as pa

    path = folder / "annotations.feather"
    feather.write_feather(pa.table(table), path)
    return path


def test_a_table(tmp_path: Path) -> None:
    boxes = read_argoverse(write(tmp_path, columns()))
    assert boxes.log_id.tolist() == [tmp_path.name] * 2
    assert boxes.center_m[0].tolist() == [10.0, 0.0, 0.5] and boxes.lwh_m[1].tolist() == [1.0, 0.5, 0.5]
    assert boxes.num_points.tolist() == [9, 0] and np.isnan(boxes.score).all()


def test_boxes_in_the_city(tmp_path: Path) -> None:
    frames = argoverse_box_frames(read_argoverse(write(tmp_path, columns())), {7: TURNED})
    assert len(frames) == 1
    np.testing.assert_allclose(frames[0].center_m, [[100, 60, 0.5], [100, 55, 0.2]], atol=1e-9)
    np.testing.assert_allclose(frames[0].yaw_rad, np.pi / 2)
    np.testing.assert_allclose(frames[0].range_m, [10, 5])
    assert frames[0].label.tolist() == [CAR, UNKNOWN] and frames[0].id.tolist() == [0, 1]


def test_the_vehicle_itself_is_left_out_and_ids_last(tmp_path: Path) -> None:
    table = columns(timestamp_ns=[7, 8], track_uuid=["u", "u"], category=["REGULAR_VEHICLE"] * 2)
    frames = argoverse_box_frames(read_argoverse(write(tmp_path, table)), {7: TURNED, 8: TURNED})
    assert [f.id.tolist() for f in frames] == [[0], [0]]
    ego = columns(category=["REGULAR_VEHICLE", "EGO_VEHICLE"])
    assert len(argoverse_box_frames(read_argoverse(write(tmp_path, ego)), {7: TURNED})[0]) == 1


def test_wrong_tables_are_named(tmp_path: Path) -> None:
    table = columns()
    del table["qw"]
    with pytest.raises(InputError, match=r"annotations.feather: .*column 'qw' is missing"):
        read_argoverse(write(tmp_path, table))
    with pytest.raises(InputError, match=r"annotations.feather: .*category 'CAR' is not one of"):
        read_argoverse(write(tmp_path, columns(category=["CAR", "DOG"])))
    with pytest.raises(InputError, match=r"annotations.feather: .*center_m: a value is not finite"):
        read_argoverse(write(tmp_path, columns(tx_m=[np.nan, 1.0])))
    with pytest.raises(InputError, match=r"annotations.feather: column 'qw' is missing"):
        read_argoverse_poses(write(tmp_path, table))
    text = tmp_path / "text.feather"
    text.write_text("no table")
    for path in (text, tmp_path / "none.feather"):
        with pytest.raises(InputError, match="not a feather table"):
            read_argoverse(path)


def test_wrong_logs_are_named(tmp_path: Path) -> None:
    boxes = read_argoverse(write(tmp_path, columns()))
    with pytest.raises(InputError, match="no pose of the vehicle at 7"):
        argoverse_box_frames(boxes, {8: TURNED})
    two = read_argoverse(write(tmp_path, columns(log_id=["a", "b"])))
    with pytest.raises(InputError, match=r"boxes of one log, got \['a', 'b'\]"):
        argoverse_box_frames(two, {7: TURNED})


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'perception_nodes\[data\]'"):
        read_argoverse(tmp_path / "x.feather")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("detections_identity", [1, 0, 0, 0, 1]),
        ("detections", [1, 0.1 / 6, 0.2 / 6, np.pi / 6, (3 - 0.1 / 12 - 0.2 / 6 - 1 / 6) / 3]),
    ],
)
def test_tiny_cases_of_the_tool(shared_data: Path, name: str, expected: list[float]) -> None:
    """One box 0.1 m off, one a quarter too long (IoU 0.8), one turned by pi: a sixth of each."""
    folder = shared_data / "argoverse2" / "detection_eval"
    found = argoverse_detection(
        read_argoverse(folder / "labels.feather"), read_argoverse(folder / f"{name}.feather")
    )
    c = found.categories["REGULAR_VEHICLE"]
    figures = [c.mean_ap, c.translation_error_m, c.scale_error, c.orientation_error_rad, c.cds]
    np.testing.assert_allclose(figures, expected, atol=1e-9)


def test_a_second_detection_of_an_object_is_a_false_alarm(shared_data: Path) -> None:
    folder = shared_data / "argoverse2" / "detection_eval"
    ours = read_argoverse(folder / "detections_assignment.feather")
    c = argoverse_detection(read_argoverse(folder / "labels.feather"), ours).categories["REGULAR_VEHICLE"]
    assert (c.num_truth, c.num_detections) == (6, 7)
    assert c.precision[0][-1] == pytest.approx(6 / 7) and c.translation_error_m == 0.0


def test_a_real_log(shared_data: Path) -> None:
    folder = shared_data / "argoverse2" / "adcf7d18"
    boxes = read_argoverse(folder / "annotations.feather")
    frames = argoverse_box_frames(boxes, read_argoverse_poses(folder / "city_SE3_egovehicle.feather"))
    assert sum(len(f) for f in frames) == len(boxes) == 12078
    assert 140 < len(frames) < 170
    parked = np.array(
        [f.center_m[f.id == frames[0].id[0]][0] for f in frames[:20] if frames[0].id[0] in f.id]
    )
    assert np.ptp(parked[:, :2], axis=0).max() < 0.5  # a bollard stands still in the city
