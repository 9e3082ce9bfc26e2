"""Camera models against OpenCV's projection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from perception_nodes.datatypes import CalibrationError
from perception_nodes.geometry import CameraModel

MODELS = {
    "": (),
    "plumb_bob": (-0.3, 0.1, 0.001, -0.002, 0.01),
    "rational_polynomial": (0.2, -0.1, 0.001, 0.002, 0.01, 0.1, -0.05, 0.01),
    "equidistant": (0.01, -0.02, 0.003, 0.001),
}


def camera(model: str) -> CameraModel:
    return CameraModel(640, 480, 400.0, 410.0, 320.0, 240.0, model, MODELS[model])


@pytest.mark.parametrize("model", MODELS)
def test_projection_equals_opencv(model: str) -> None:
    points = np.random.default_rng(1).uniform([-2, -2, 4], [2, 2, 20], (50, 3))
    matrix = np.array([[400.0, 0, 320], [0, 410, 240], [0, 0, 1]])
    d = np.array(MODELS[model])
    if model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix, d)
    else:
        expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, d if len(d) else None)
    px, depth = camera(model).project(points)
    np.testing.assert_allclose(px, expected.reshape(-1, 2), atol=1e-9)
    np.testing.assert_allclose(depth, points[:, 2])


@pytest.mark.parametrize("model", MODELS)
def test_rays_undo_the_projection(model: str) -> None:
    points = np.random.default_rng(2).uniform([-1.5, -1.5, 4], [1.5, 1.5, 20], (50, 3))
    px, _ = camera(model).project(points)
    np.testing.assert_allclose(camera(model).rays(px), points / points[:, 2:], atol=1e-6)


def test_points_behind_have_no_pixel() -> None:
    px, _ = camera("").project(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]))
    assert np.isnan(px[0]).all()
    np.testing.assert_allclose(px[1], [320.0, 240.0])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fx_px": 0.0}, "focal lengths"),
        ({"width_px": 0}, "size 0 x"),
        ({"model": "kannala"}, "distortion model 'kannala'"),
        ({"model": "plumb_bob", "distortion": (0.1,)}, "coefficients, got 1"),
    ],
)
def test_impossible_calibrations_are_refused(change: dict[str, object], text: str) -> None:
    values = {"width_px": 640, "height_px": 480, "fx_px": 1.0, "fy_px": 1.0, "cx_px": 0.0, "cy_px": 0.0}
    with pytest.raises(CalibrationError, match=text):
        CameraModel(**{**values, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("coefficients", [(), (0.0, 0.0, 0.0, 0.0)])
def test_a_fisheye_without_coefficients_bends_all_the_same(coefficients: tuple[float, ...]) -> None:
    fisheye = CameraModel(640, 480, 200.0, 200.0, 320.0, 240.0, "equidistant", coefficients)
    px, _ = fisheye.project(np.array([[1.0, 0.0, 1.0], [8.0, 0.0, 1.0]]))
    np.testing.assert_allclose(px[:, 0], 320 + 200 * np.array([np.pi / 4, np.arctan(8.0)]), atol=1e-9)
    np.testing.assert_allclose(fisheye.rays(px), [[1.0, 0.0, 1.0], [8.0, 0.0, 1.0]], atol=1e-9)


def test_a_fisheye_has_no_ray_with_depth_at_ninety_degrees() -> None:
    fisheye = CameraModel(640, 480, 200.0, 200.0, 320.0, 240.0, "equidistant")
    assert np.isnan(fisheye.rays(np.array([[320.0 + 200 * 1.6, 240.0]]))[0, 0])
