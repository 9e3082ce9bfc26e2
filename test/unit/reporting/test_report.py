"""The report page: everything is in it, and nothing can break out of it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_nodes.datatypes import PointCloud
from perception_nodes.reporting import ReportData, ReportFrame, pack_image, pack_points, write_report


def blob(path: Path) -> dict[str, object]:
    page = path.read_text()
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    out: dict[str, object] = json.loads(found.group(1))
    return out


def test_page_holds_its_data_and_needs_no_network(tmp_path: Path) -> None:
    frame = ReportFrame(5, (1.0, 2.0, 0.5), {"n": 0, "xy": "", "z": ""}, tracks=[{"id": 3}])
    write_report(ReportData("a <b> & c", {"x": "</script><script>alert(1)"}, [frame]), tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<title>a &lt;b&gt; &amp; c</title>" in page
    assert "</script><script>alert(1)" not in page
    assert not re.search(r'(src|href)="https?:', page)
    data = blob(tmp_path / "r.html")
    assert data["summary"] == {"x": "</script><script>alert(1)"}
    assert data["frames"][0]["tracks"] == [{"id": 3}]  # type: ignore[index]


def test_unknown_numbers_are_refused_instead_of_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(ReportData("t", {"x": float("nan")}), tmp_path / "r.html")


def test_points_are_thinned_but_every_region_stays() -> None:
    rng = np.random.default_rng(1)
    near = rng.normal(0, 2, (20_000, 3))
    wall = np.stack([np.full(200, 60.0), np.linspace(-40, 40, 200), np.ones(200)], axis=1)
    packed = pack_points(PointCloud(1, "base_link", np.concatenate([near, wall]).astype(np.float32)), 2000)
    xy = np.frombuffer(base64.b64decode(packed["xy"]), "<i2").reshape(-1, 2) / 100
    z = np.frombuffer(base64.b64decode(packed["z"]), np.int8) / 10
    assert len(xy) == len(z) == packed["n"] <= 2000
    assert (xy[:, 0] > 59).sum() > 40


def test_points_beyond_the_picture_are_left_out() -> None:
    cloud = PointCloud(1, "base_link", np.array([[500.0, 0, 0], [1.0, 1.0, 30.0]], np.float32))
    packed = pack_points(cloud, 10)
    assert packed["n"] == 1
    assert np.frombuffer(base64.b64decode(packed["z"]), np.int8).tolist() == [127]


def test_boxes_shrink_with_their_picture() -> None:
    picture = np.zeros((1000, 1920, 3), np.uint8)
    box = {"x_min": 192.0, "y_min": 0.0, "x_max": 384.0, "y_max": 100.0, "label": "car"}
    packed = pack_image("front", picture, [box], width_px=960)
    assert (packed["w"], packed["h"]) == (960, 500)
    assert packed["boxes"][0]["x_min"] == 96.0
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(packed["jpeg"]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (500, 960, 3)
