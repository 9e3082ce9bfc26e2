"""An output folder becomes one value: everything in one fixed frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.assessment.ego import EgoMotion
from perception_nodes.assessment.recording import read_map_lines, read_recording, read_summary
from perception_nodes.datasets import BagWriter, known_rig
from perception_nodes.datasets.messages import DETECTIONS_3D, TF, tf_message, truth_message
from perception_nodes.datatypes import Detections3D, ElementType, InputError, save_rig
from perception_nodes.geometry import Transform

QUARTER = np.pi / 2


def pose(x_m: float, yaw_rad: float = 0.0) -> Transform:
    return Transform.from_xyz_rpy((x_m, 0.0, 0.0), (0.0, 0.0, yaw_rad))


def test_poses_are_interpolated_and_not_made_up() -> None:
    ego = EgoMotion("odom", "base_link")
    ego.add(
        tf_message([(0, "odom", "base_link", pose(0.0)), (10**9, "odom", "base_link", pose(10.0))]),
        static=False,
    )
    middle = ego.at(5 * 10**8)
    assert middle is not None and middle.translation_m[0] == pytest.approx(5.0)
    assert ego.at(2 * 10**9) is None and ego.at(-(10**9)) is None


def test_poses_are_chained_over_frames_between() -> None:
    ego = EgoMotion("odom", "base_link")
    ego.add(tf_message([(0, "odom", "footprint", pose(3.0, QUARTER))]), static=False)
    ego.add(tf_message([(0, "footprint", "base_link", pose(2.0))]), static=True)
    found = ego.at(0)
    assert found is not None and found.translation_m == pytest.approx([3.0, 2.0, 0.0], abs=1e-9)
    assert EgoMotion("odom", "odom").at(7) is not None
    assert EgoMotion("odom", "base_link").at(0) is None


def test_a_folder_that_is_no_recording_and_one_without_objects(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no outputs\.mcap"):
        read_recording(tmp_path)
    save_rig(known_rig("pandaset"), tmp_path / "rig.yaml")
    with BagWriter(tmp_path / "outputs.mcap") as writer:
        writer.write("/tf", tf_message([(0, "odom", "base_link", pose(0.0))]), TF, 0)
        box = Detections3D.of(0, "base_link", "top", np.zeros((1, 3)), np.ones((1, 3)), np.zeros(1))
        writer.write("/perception/detection/lidar/top", truth_message(box), DETECTIONS_3D, 0)
    with pytest.raises(InputError, match="no message on /perception/objects"):
        read_recording(tmp_path)


def test_map_lines_of_geojson(tmp_path: Path) -> None:
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    feature = {
        "id": 4,
        "geometry": {"type": "LineString", "coordinates": ring},
        "properties": {"type": "stop_line"},
    }
    path = tmp_path / "lines.geojson"
    path.write_text(json.dumps({"features": [feature]}))
    (line,) = read_map_lines(path)
    assert (line.id, line.type, line.closed, line.points_m.shape) == (4, ElementType.STOP_LINE, True, (4, 3))
    assert np.isnan(line.score)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"layout of map_elements\.geojson"):
        read_map_lines(path)


def test_summary_may_be_missing_but_not_broken(tmp_path: Path) -> None:
    assert read_summary(tmp_path) == {}
    (tmp_path / "summary.json").write_text("[]")
    with pytest.raises(InputError, match="wanted an object, got list"):
        read_summary(tmp_path)
