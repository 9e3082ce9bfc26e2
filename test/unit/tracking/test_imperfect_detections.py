"""Drawn scenes of what detectors get wrong: parts, doubles, growing boxes, weak and false ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import EndReason, MotionState, Orientation, TrackState
from perception_nodes.geometry import wrap_angle

DT = 0.1


def test_two_boxes_on_one_car_become_one_track(make_drive):
    # Two clusters of one long vehicle, each a track of its own until one of them covers both.
    drive = make_drive(noise_m=0.0)
    for _ in range(6):
        drive.step((10.0, 5.0, 0.0), (14.8, 5.0, 0.0))
    for k in range(12):
        drive.step((10.0 + min(k, 4) * 0.6, 5.0, 0.0), (14.8 - min(k, 4) * 0.6, 5.0, 0.0))
    merged = [t for t in drive.outputs if (t.end_reason == EndReason.MERGED).any()]
    assert len(merged) == 1
    row = np.flatnonzero(merged[0].end_reason == EndReason.MERGED)[0]
    assert merged[0].merged_into[row] in merged[0].id
    assert merged[0].merged_into[row] != merged[0].id[row]
    assert len(drive.live()) == 1


def test_partial_views_do_not_shrink_the_box_nor_move_it(make_drive, make_detections):
    drive = make_drive(noise_m=0.0)
    for _ in range(10):
        drive.step((12.0, 3.0, 0.0))
    for _ in range(15):
        # Only the rear 1.6 m remain to be seen.
        d = make_detections(drive.frame * 100_000_000, [(12.0 - 2.25 + 0.8, 3.0, 0.0)], ["car"])
        d = type(d)(**{**vars(d), "lwh_m": np.array([[1.6, 1.9, 1.6]])})
        drive.outputs.append(drive.tracker.step(d, drive.ego))
        drive.frame += 1
    near = drive.nearest(12.0, 3.0)
    assert near.lwh_m[0, 0] > 4.2
    assert near.center_m[0, 0] == pytest.approx(12.0, abs=0.2)
    np.testing.assert_array_equal(near.velocity_mps, 0.0)


def test_a_camera_only_object_is_followed_along_its_ray(make_drive):
    # 3 m std along the ray, 0.2 m across: the track must not leave the ray, and its covariance says so.
    drive = make_drive(noise_m=0.0)
    cov = np.full((1, 9, 9), np.nan)
    cov[0, 0, 0], cov[0, 1, 1], cov[0, 0, 1], cov[0, 1, 0] = 9.0, 0.04, 0.0, 0.0
    rng = np.random.default_rng(3)
    for _ in range(30):
        drive.step((30.0 + rng.normal(0, 2.0), 0.0, 0.0), covariance=cov, source_mask=np.array([2], np.uint8))
    assert len(drive.published_ids()) == 1
    near = drive.nearest(30.0, 0.0)
    assert abs(near.center_m[0, 0] - 30.0) < 2.0
    assert near.covariance[0, 0, 0] > 4 * near.covariance[0, 1, 1]


def test_a_thousand_false_alarms_do_not_bring_it_down(make_drive):
    drive = make_drive()
    rng = np.random.default_rng(5)
    for _ in range(6):
        noise = np.column_stack([rng.uniform(-100, 100, (1000, 2)), rng.uniform(0, 3, 1000)])
        keep = np.hypot(noise[:, 0] - 10, noise[:, 1] - 3) > 8
        drive.step((10.0, 3.0, 0.0), *noise[keep].tolist(), score=np.full(keep.sum() + 1, 0.5))
    near = drive.nearest(10.0, 3.0)
    assert near.id[0] == 1
    np.testing.assert_allclose(near.center_m[0, :2], (10.0, 3.0), atol=0.3)


def test_rows_of_parked_cars_keep_their_ids_without_odometry(make_drive, make_detections):
    # Seen from a car at 14 m/s without odometry: each frame the row has moved by half of its spacing.
    drive = make_drive()
    for k in range(40):
        boxes = [(3.0 * i - 1.4 * k, 4.0, np.pi / 2) for i in range(40) if -30 < 3.0 * i - 1.4 * k < 40]
        rng = np.random.default_rng(k)
        noisy = [(x + rng.normal(0, 0.08), y + rng.normal(0, 0.08), yaw) for x, y, yaw in boxes]
        d = make_detections((k + 1) * 100_000_000, noisy, ["car"] * len(noisy))
        drive.outputs.append(drive.tracker.step(replace(d, frame_id="base_link"), drive.ego))
    live = drive.live()
    np.testing.assert_allclose(np.median(live.velocity_mps, axis=0), (-14.0, 0.0), atol=0.5)
    assert (live.motion_state == MotionState.UNKNOWN).all()
    assert len(drive.published_ids()) <= 45


def test_weak_detections_continue_tracks_but_start_none(make_drive):
    drive = make_drive(noise_m=0.0)
    for _ in range(5):
        drive.step((10.0, 3.0, 0.0), score=np.array([0.8]))
    for _ in range(10):
        drive.step((10.0, 3.0, 0.0), (25.0, 3.0, 0.0), score=np.array([0.15, 0.15]))
    assert drive.live().id.tolist() == [1]
    assert drive.live().state.tolist() == [TrackState.CONFIRMED]
    assert len(drive.outputs[-1]) == 1


def test_a_weak_detection_does_not_take_the_track_of_a_good_one(make_drive):
    # The weak box lies nearer, but the good one is asked first.
    drive = make_drive(noise_m=0.0)
    for _ in range(6):
        drive.step((10.0, 3.0, 0.0))
    out = drive.step((10.0, 3.0, 0.0), (10.6, 3.0, 0.0), score=np.array([0.1, 0.9]))
    assert [m.detection_id for m in out.measurements[0]] == [1]


def test_a_part_of_a_tracked_object_starts_no_track(make_drive, make_detections):
    drive = make_drive(noise_m=0.0)
    for _ in range(6):
        drive.step((10.0, 3.0, 0.0))
    for _ in range(6):
        d = make_detections(drive.frame * 100_000_000, [(10.0, 3.0, 0.0), (11.5, 3.0, 0.0)], ["car", "car"])
        d = replace(d, lwh_m=np.array([[4.5, 1.9, 1.6], [1.2, 1.7, 1.4]]))
        out = drive.tracker.step(d, drive.ego)
        drive.frame += 1
    assert out.id.tolist() == [1]


def test_the_class_decides_between_two_that_fit(make_drive):
    # Both detections fit both tracks; the classes tell them apart.
    drive = make_drive(noise_m=0.0)
    for _ in range(6):
        drive.step((10.0, 3.0, 0.0), (10.0, 4.6, 0.0), labels=["bicycle", "pedestrian"])
    out = drive.step((10.0, 3.9, 0.0), (10.0, 3.7, 0.0), labels=["bicycle", "pedestrian"])
    first = {int(i): m[0].detection_id for i, m in zip(out.id, out.measurements, strict=True) if m}
    assert first == {1: 0, 2: 1}


def test_a_walking_pedestrian_faces_where_it_goes(make_drive):
    # Its box says nothing about the direction.
    drive = make_drive(noise_m=0.05)
    for k in range(40):
        drive.step((10.0 - 1.4 * DT * k, 5.0, 0.9), labels=["pedestrian"])
    assert abs(wrap_angle(drive.live().yaw_rad[0] - np.pi)) < 0.3
    assert drive.live().orientation[0] == Orientation.AVAILABLE


def test_a_car_does_not_slide_sideways(make_drive):
    # The noise is the same in both directions, but the heading is known: the speed across it must be calmer.
    drive = make_drive(noise_m=0.3)
    velocity = []
    for k in range(80):
        drive.step((10.0 * DT * k, 5.0, 0.0))
        if k > 20:
            velocity.append(drive.live().velocity_mps[0])
    along, across = np.std(velocity, axis=0)
    assert across < 0.65 * along


def test_growing_a_box_does_not_push_the_car(make_drive, make_detections):
    # First only the rear is seen, then more and more of the car: the box grows away from the sensor.
    drive = make_drive(noise_m=0.0)
    speeds = []
    for k in range(25):
        length = min(1.5 + 0.3 * k, 4.5)
        d = make_detections(drive.frame * 100_000_000, [(10.0 + length / 2, 0.0, 0.0)], ["car"])
        out = drive.tracker.step(replace(d, lwh_m=np.array([[length, 1.9, 1.6]])), drive.ego)
        drive.frame += 1
        speeds.append(np.abs(out.velocity_mps).max())
    assert max(speeds) == 0.0
    assert out.center_m[0, 0] - out.lwh_m[0, 0] / 2 == pytest.approx(10.0, abs=0.1)
    assert out.lwh_m[0, 0] > 3.5
