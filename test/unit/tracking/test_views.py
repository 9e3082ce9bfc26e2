"""From the sensors of a rig and what has come of a frame to the looks of the tracker."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import (
    Detections3D,
    Modality,
    Rig,
    SensorSpec,
    Tracks,
    TrackState,
    TransformUnavailable,
)
from perception_nodes.geometry import CameraModel, Transform
from perception_nodes.tracking import RigViews, Sight, TrackerConfig
from perception_nodes.tracking.views import field_of_view

OPTICAL = (-np.pi / 2, 0.0, -np.pi / 2)
SIDEWAYS = Transform.from_xyz_rpy(
    (1.0, 0.5, 1.5), (-np.pi / 2, 0.0, 0.0)
)  # an optical frame that looks to the left
MODEL = CameraModel(800, 400, 400.0, 400.0, 400.0, 200.0)
CONFIG = TrackerConfig()


def rig(fov_rad: float) -> Rig:
    sensors = (
        SensorSpec("top", Modality.LIDAR, "/top", frame="top", fov_rad=fov_rad),
        SensorSpec("bumper", Modality.LIDAR, "/bumper", frame="bumper", rate_hz=5.0, fov_rad=2.0),
        SensorSpec("side", Modality.CAMERA, "/side", info_topic="/side/info"),
        SensorSpec("radar", Modality.RADAR, "/radar", frame="radar"),
    )
    return Rig("drawn", "top", sensors)


def lookup(target: str, source: str, stamp_ns: int) -> Transform:
    mounts = {
        "top": Transform.from_xyz_rpy((1.0, 0.0, 1.9), (0.0, 0.0, 0.0)),
        "bumper": Transform.from_xyz_rpy((3.0, 0.0, 0.6), (0.0, 0.0, np.pi)),
        "side_optical": SIDEWAYS,
    }
    if (target, source) not in {("base_link", name) for name in mounts}:
        raise TransformUnavailable(f"no transform {target} <- {source}")
    return mounts[source]


def views(fov_rad: float = 2 * np.pi, config: TrackerConfig = CONFIG) -> RigViews:
    out = RigViews(rig(fov_rad), config)
    out.know_camera("side", MODEL, "side_optical")
    return out


def test_a_lidar_all_around_is_the_detector_of_the_parameters():
    (one,) = views().looks(["side", "top", "bumper", "radar"], 0, lookup)
    assert (one.detection_probability, one.detection_range_m) == (0.9, 70.0)
    assert (one.sensor_m, one.half_angle_rad) == ((0.0, 0.0, CONFIG.sensor_height_m), np.pi)
    assert one.period_s == pytest.approx(0.15)


def test_without_it_the_others_have_what_their_mounts_and_optics_give_them():
    lidar, camera = views().looks(["bumper", "side"], 0, lookup)
    assert (lidar.bearing_rad, lidar.half_angle_rad) == (pytest.approx(np.pi), 1.0)
    assert (lidar.sensor_m, lidar.period_s) == ((3.0, 0.0, 0.6), pytest.approx(0.3))
    assert (camera.bearing_rad, camera.half_angle_rad) == (pytest.approx(np.pi / 2), pytest.approx(np.pi / 4))
    assert camera.sensor_m == (1.0, 0.5, 1.5)
    assert camera.detection_probability < lidar.detection_probability
    assert camera.detector == lidar.detector


def test_a_lidar_that_does_not_see_all_leaves_the_rest_to_the_cameras():
    assert len(views(fov_rad=3.0).looks(["top", "side"], 0, lookup)) == 2


def test_what_is_not_known_of_a_sensor_holds_nothing_against_a_track():
    plain = RigViews(rig(2 * np.pi), CONFIG)
    assert plain.looks(["side", "radar"], 0, lookup) == ()
    plain.know_camera("side", MODEL, "nowhere")
    assert plain.looks(["side"], 0, lookup) == ()
    plain.know_camera("side", MODEL, "side_optical")
    assert len(plain.looks(["side"], 0, lookup)) == 1


def test_a_sensor_of_another_rig_counts_as_the_detector_of_the_parameters():
    (one,) = views().looks(["side", "top of another rig"], 0, lookup)
    assert (one.detection_probability, one.half_angle_rad) == (0.9, np.pi)


def test_a_wide_fisheye_sees_half_of_the_world():
    model = CameraModel(800, 400, 150.0, 150.0, 400.0, 200.0, "equidistant")
    mount = Transform.from_xyz_rpy((0.0, 0.0, 1.5), OPTICAL)
    np.testing.assert_allclose(field_of_view(model, mount), (0.0, np.pi / 2), atol=1e-9)


def test_a_picture_that_is_not_centred_looks_aside():
    model = CameraModel(800, 400, 400.0, 400.0, 0.0, 200.0)  # the axis is at the left edge
    mount = Transform.from_xyz_rpy((0.0, 0.0, 1.5), OPTICAL)
    half = np.arctan2(800.0, 400.0) / 2
    np.testing.assert_allclose(field_of_view(model, mount), (-half, half), atol=1e-9)


def test_tracks_are_published_for_a_second_without_sight_and_then_only_their_end(make_drive):
    drive, sight = make_drive(), Sight()
    for _ in range(20):
        assert len(sight.published(drive.step((10.0, 3.0, 0.0)), True)) == 1
    shown: list[Tracks] = []
    for k in range(20, 60):
        blind = Detections3D.empty(k * 100_000_000, "odom", "fusion")
        shown.append(sight.published(drive.tracker.step(blind, drive.ego, ()), False))
    assert [t.state.tolist() for t in shown[:10]] == [[TrackState.COASTING]] * 10
    assert [t.state.tolist() for t in shown[10:] if len(t)] == [[TrackState.DELETED]]


def test_looks_of_cameras_come_from_parameters():
    given = TrackerConfig(
        camera_detection_probability=0.3, camera_detection_range_m=20.0, camera_range_m=25.0
    )
    (one,) = views(config=given).looks(["side"], 0, lookup)
    assert (one.detection_probability, one.detection_range_m, one.max_range_m) == (0.3, 20.0, 25.0)
