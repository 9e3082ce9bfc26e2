"""The exact truth of a picture: where things show, how far they are, what they are, how much of them is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import LABEL_INDEX, ConfigurationError
from perception_nodes.simulation.sensors.camera import MASK_CLASSES, CameraSpec, camera_spec
from perception_nodes.simulation.traffic.states import EgoState

from .camera_bench import GROUND, MOUNT, SPEC, STILL, WALL, join, moment, paint, pixel, shot

FISHEYE = replace(SPEC, projection="fisheye", hfov_rad=3.2)


@pytest.mark.parametrize("spec", [SPEC, FISHEYE])
@pytest.mark.parametrize("at", [(10.0, 0.0), (8.0, 3.0), (8.0, -3.0), (15.0, 1.0)])
def test_a_post_shows_where_the_camera_model_puts_it(spec: CameraSpec, at: tuple[float, float]):
    frame = shot(moment((*at, 1)), spec, width_px=416, height_px=224)
    row, column = pixel(frame, (at[0] - 0.25, at[1], 1.5))
    assert frame.instance[row, column] == 0
    rows, columns = np.nonzero(frame.instance == 0)
    assert abs(columns.mean() - column) < 6
    assert len(rows) > 10


@pytest.mark.parametrize("y", [-2.4, 1.7])
def test_beyond_a_right_angle_a_fisheye_sees_by_the_angle(y: float):
    at = moment((-0.3, y, 1))
    frame = shot(at, FISHEYE, hfov_rad=3.49, width_px=416, height_px=224)
    _, columns = np.nonzero(frame.instance == 0)
    angle = np.arctan2(y, -0.3)  # + = left
    edge = columns.min() if y > 0 else columns.max()
    wanted = 208 - 416 / 3.49 * angle
    assert columns.size and abs(edge + 0.5 - np.clip(wanted, 0, 416)) < 0.35 * 416 / 3.49


def test_depth_is_along_the_axis_of_a_pinhole_camera():
    frame = shot(moment(mesh=join([GROUND, WALL])))
    wall = frame.depth_m[:28]
    np.testing.assert_allclose(wall[np.isfinite(wall)], 20.0, atol=1e-4)
    assert np.isfinite(wall).sum() > 1000


def test_depth_of_the_ground_is_that_of_the_ray():
    frame = shot(moment())
    below = (np.arange(56) + 0.5 - 28) / SPEC.focal_px
    for row in (35, 45, 55):
        np.testing.assert_allclose(frame.depth_m[row], 1.5 / below[row], rtol=1e-4)
    assert np.isinf(frame.depth_m[:27]).all()


def test_depth_of_a_fisheye_is_the_range():
    frame = shot(moment(mesh=WALL), FISHEYE)
    local = FISHEYE.directions().reshape(56, 104, 3)
    met = np.isfinite(frame.depth_m) & (local[..., 1] < 0)  # below, grass goes on to the horizon
    np.testing.assert_allclose((frame.depth_m * local[..., 2])[met], 20.0, atol=1e-3)


def test_the_mask_knows_road_marking_wall_sky_and_actors():
    at = moment((10.0, 3.0, 1), mesh=join([GROUND, WALL]), painted=paint((5.0, -1.0, 12.0, 1.0)))
    frame = shot(at, width_px=416, height_px=224)
    places = {
        "pedestrian": (10, 3, 1.2),
        "road": (8, -3, 0),
        "marking": (8, 0, 0),
        "structure": (20, -3, 1.5),
    }
    for name, odom in places.items():
        row, column = pixel(frame, odom)
        assert MASK_CLASSES[frame.label[row, column]] == name
    assert MASK_CLASSES[shot(moment()).label[0, 0]] == "sky"


def test_a_box_holds_all_of_an_actor_and_the_share_is_what_is_seen_of_it():
    alone = shot(moment((16.0, 0.0, 0)), width_px=416, height_px=224)
    half = shot(moment((16.0, 0.0, 0), (8.0, 0.5, 1)), width_px=416, height_px=224)
    assert alone.visible.tolist() == [1.0]
    covered = 1 - (half.instance == 0).sum() / (alone.instance == 0).sum()
    assert 0.1 < covered < 0.9 and half.visible[0] == pytest.approx(1 - covered)
    np.testing.assert_array_equal(half.boxes.box_px[0], alone.boxes.box_px[0])
    rows, columns = np.nonzero(alone.instance == 0)
    wanted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_array_equal(alone.boxes.box_px[0], wanted)


def test_boxes_name_actor_class_and_depth():
    boxes = shot(moment((16.0, 3.0, 0), (8.0, -1.0, 1))).boxes
    assert boxes.detection_id.tolist() == [1, 2]
    assert boxes.label.tolist() == [LABEL_INDEX["car"], LABEL_INDEX["pedestrian"]]
    np.testing.assert_allclose(boxes.depth_m, [16.0, 8.0], atol=1e-6)
    assert boxes.frame_id == "front_optical" and boxes.width_px == 104


def test_what_is_hidden_or_outside_has_no_box():
    frame = shot(moment((30.0, 0.0, 1), (-5.0, 0.0, 0), (10.0, 40.0, 0), mesh=join([GROUND, WALL])))
    assert len(frame.boxes) == 0 and len(frame.visible) == 0 and (frame.instance == -1).all()


def test_a_rolling_shutter_leans_what_one_drives_past():
    ego = STILL, EgoState((0.0, 0.0, 0.0, 0.6, 0.0, 0.0))
    at = moment((12.0, 4.0, 1), ego=ego)
    lean = []
    for time_s in (0.0, 0.1):
        frame = shot(at, width_px=416, height_px=224, hfov_rad=2.0, rolling_shutter_s=time_s)
        rows, columns = np.nonzero(frame.instance == 0)
        lean.append(columns[rows < rows.min() + 2].mean() - columns[rows > rows.max() - 2].mean())
    assert abs(lean[0]) < 2 and abs(lean[1]) > 5


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"projection": "mirror"}, "projection: wanted one of"),
        ({"width": 416}, "unknown key 'width': did you mean 'width_px'"),
        ({"width_px": "wide"}, "width_px: wanted a whole number, got 'wide'"),
        ({"hfov_rad": 3.1}, "wanted at most 2.9 of a pinhole camera"),
        ({"hfov_rad": float("nan")}, "hfov_rad: wanted a number, got nan"),
        ({"near_m": 5.0, "far_m": 4.0}, "near_m = 5.0: wanted less than far_m"),
        ({"blur_samples": 0}, "blur_samples = 0: wanted a value in"),
    ],
)
def test_a_bad_model_is_named(model: dict[str, object], words: str):
    with pytest.raises(ConfigurationError, match="rig r: sensor c") as error:
        camera_spec(model, "rig r: sensor c")
    assert words in str(error.value)


def test_surfaces_nearer_or_farther_than_the_limits_are_not_seen():
    at = moment((10.0, 0.0, 1), mesh=WALL)
    assert (shot(at, far_m=15.0).instance == 0).any()
    assert not (shot(at, far_m=9.0).instance == 0).any()
    assert not np.isfinite(shot(at, far_m=15.0).depth_m[25, 90])
    assert MOUNT.translation_m[2] == 1.5
