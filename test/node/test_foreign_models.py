"""The lidar detector as a process with a model of others: a PointPillars with anchors, made by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

pytest.importorskip("onnx")
MODEL = Path(__file__).parents[1] / "unit" / "detection" / "anchor_model.py"


@pytest.fixture(scope="module")
def made() -> Any:
    """The maker of models that the unit tests use."""
    spec = importlib.util.spec_from_file_location("anchor_model", MODEL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["anchor_model"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["anchor_model"]


def test_boxes_of_a_model_with_anchors_come_out_of_the_node(bench: Any, made: Any, tmp_path: Path) -> None:
    boxes = [
        made.Told(2, (5.63, 3.11, 0.78), (4.61, 1.93, 1.49), 0.3),
        made.Told(0, (-3.1, -6.02, 0.95), (0.6, 0.7, 1.8), 3.0),
    ]
    folder = made.write_folder(tmp_path / "pillars", boxes)
    bench.start("lidar_detector", tracking_frame="base_link", model=str(folder))
    bench.until(bench.points.get_subscription_count)
    road = np.random.default_rng(3).uniform([-12, -12, 0], [12, 12, 0.02], (3000, 3))
    poles = [np.column_stack([np.full((9, 2), b.center[:2]), np.full(9, 3.0)]) for b in boxes]
    xyz = np.concatenate([*poles, road]).astype("<f4")
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    message = PointCloud2(height=1, width=len(xyz), fields=fields, point_step=12, row_step=12 * len(xyz))
    message.data = xyz.tobytes()
    message.header.frame_id = "base_link"
    bench.stamp(message.header.stamp, 0)
    bench.points.publish(message)
    bench.until(lambda: bench.detections)
    got = bench.detections[0]
    assert (got.info.model_id, len(got.info.model_hash)) == ("pillars", 16)
    place = {d.label: (d.x, d.y, d.z, d.length, d.width, d.height, d.yaw) for d in got.detections}
    wanted = {"car": boxes[0], "pedestrian": boxes[1]}
    assert set(place) == set(wanted)
    for name, box in wanted.items():
        np.testing.assert_allclose(place[name], [*box.center, *box.lwh, box.yaw], atol=1e-4)
