"""The picture of a real sweep: where things are drawn, and from which score on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")

from perception_nodes.datatypes import Detections3D, PointCloud
from perception_nodes.training.picture import write_picture
from perception_nodes.training.real import RealFrame, score_at_false

from .test_score import cars


def test_the_score_from_which_on_a_sweep_has_one_false_car() -> None:
    truth = [cars([(5, 0), (10, 0), (20, 0)])]
    found = [cars([(5, 0.5), (40, 9), (10, 0.5), (44, 4), (20, 0.5)], [0.9, 0.8, 0.7, 0.6, 0.5])]
    assert score_at_false(truth, found) == 0.7
    assert score_at_false(truth, found, most=2.0) == 0.5
    assert score_at_false(truth, [cars([(40, 9), (44, 4)], [0.8, 0.6])], most=0.0) == 1.0
    assert score_at_false(truth, [cars([], [])]) == 1.0


def test_truth_is_green_found_cars_are_red_and_weaker_ones_are_not_drawn(tmp_path: Path) -> None:
    """20 m ahead is up, 30 m to the left is left, of 100 m that are 720 pixels."""
    truth = [cars([(20, 0)])]
    found = [cars([(0, 30), (0, -30), (-20, 0)], [0.9, 0.8, 0.7])]
    cloud = PointCloud(0, "base_link", np.array([[-40.0, 0.0, 1.0]], np.float32))
    frame = RealFrame(
        cloud,
        np.zeros((1, 3)),
        Detections3D.empty(0, "base_link", "truth"),
        lambda xyz: np.ones(len(xyz), bool),
    )
    write_picture(tmp_path / "new" / "a.jpg", frame, {"one": (truth, found), "two": (truth, [cars([], [])])})
    image = cv2.imread(str(tmp_path / "new" / "a.jpg")).astype(int)
    assert image.shape == (720, 1440, 3)

    def coloured(ahead_m: float, left_m: float, panel: int = 0) -> np.ndarray:
        row, column = round(360 - 7.2 * ahead_m), round(360 - 7.2 * left_m) + 720 * panel
        part = image[row - 20 : row + 21, column - 20 : column + 21]
        blue, green, red = part.reshape(-1, 3).T
        return np.array(
            [(green - np.maximum(red, blue)).max() > 40, (red - np.maximum(green, blue)).max() > 80]
        )

    np.testing.assert_array_equal(coloured(20, 0), [True, False])
    np.testing.assert_array_equal(coloured(0, 30), [False, True])
    for weak in ((0, -30), (-20, 0)):
        np.testing.assert_array_equal(coloured(*weak), [False, False])
    np.testing.assert_array_equal(coloured(0, 30, panel=1), [False, False])
    assert image[round(360 + 7.2 * 40), 360].max() < 200
