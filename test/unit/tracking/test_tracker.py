"""The tracker's contract: what comes in, what comes out, what is refused."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from perception_nodes.datatypes import (
    LABEL_INDEX,
    ConfigurationError,
    Detections3D,
    Orientation,
    OutOfOrder,
    TrackState,
)
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig, classes

STEP_NS = 100_000_000


def test_nothing_in_nothing_out():
    tracker = MultiObjectTracker()
    out = tracker.step(Detections3D.empty(5, "odom", "lidar"), Transform.identity())
    assert len(out) == 0
    assert out.stamp_ns == 5
    assert out.frame_id == "odom"
    assert len(tracker.predict(7)) == 0


@pytest.mark.parametrize(
    ("field", "row", "reason"),
    [
        ("center_m", (np.nan, 0.0, 0.0), "nan_position"),
        ("center_m", (np.inf, 0.0, 0.0), "nan_position"),
        ("lwh_m", (np.nan, 1.9, 1.6), "nan_size"),
        ("lwh_m", (4.0, 0.0, 1.6), "zero_size"),
        ("lwh_m", (4.0, -1.0, 1.6), "zero_size"),
        ("lwh_m", (400.0, 1.9, 1.6), "huge_size"),
        ("yaw_rad", np.nan, "nan_yaw"),
        ("label", 11, "no_such_label"),
        ("center_m", (1e200, 0.0, 0.0), "huge_position"),
        ("velocity_mps", (0.0, -1e200), "huge_velocity"),
        ("velocity_mps", (np.inf, 0.0), "huge_velocity"),
    ],
)
def test_impossible_detections_are_rejected_and_counted(make_detections, field, row, reason):
    tracker = MultiObjectTracker()
    d = make_detections(0, [(10, 3, 0), (10, 8, 0)], ["car", "car"])
    array = getattr(d, field).copy()
    array[1] = row
    out = tracker.step(replace(d, **{field: array}), Transform.identity())
    assert len(out) == 1
    assert dict(tracker.last_rejected) == {reason: 1}
    tracker.step(make_detections(STEP_NS, [(10, 3, 0)], ["car"]), Transform.identity())
    assert dict(tracker.last_rejected) == {}
    assert dict(tracker.rejected) == {reason: 1}


def test_a_negative_variance_is_rejected(make_detections):
    tracker = MultiObjectTracker()
    cov = np.full((1, 9, 9), np.nan)
    cov[0, 0, 0] = -1.0
    tracker.step(make_detections(0, [(10, 3, 0)], ["car"], covariance=cov), Transform.identity())
    assert dict(tracker.rejected) == {"negative_variance": 1}


@pytest.mark.parametrize(
    ("diagonal", "others", "used"),
    [(0.1, {(0, 1): 0.1}, True), (0.1, {(0, 1): 0.11}, False), (0.1, {(0, 3): -0.11}, False), (1e13, {}, False),
     (0.1, {(7, 8): 9.0}, False), (0.1, {(0, 1): 0.09, (0, 3): 0.09, (1, 3): -0.09}, False), (0.0, {}, True),
     (0.1, {(0, 1): 0.09, (0, 3): 0.09, (1, 3): 0.09}, True), (0.1, {(0, 1): np.nan}, True)],
)  # fmt: skip
def test_what_cannot_be_a_covariance_is_rejected(make_detections, diagonal, others, used):
    cov = np.diag(np.full(9, diagonal))[None]
    for (a, b), value in others.items():
        cov[0, a, b] = cov[0, b, a] = value
    tracker = MultiObjectTracker()
    for k in range(3):
        d = make_detections(k * STEP_NS, [(10, 3, 0)], ["car"], covariance=cov, velocity_mps=np.zeros((1, 2)))
        tracks = tracker.step(d, Transform.identity())
        assert (np.linalg.eigvalsh(tracks.covariance) > 0).all()
    assert dict(tracker.rejected) == ({} if used else {"impossible_covariance": 3})
    assert len(tracks) == used


def test_an_unknown_yaw_is_no_reason_to_reject(make_detections):
    none = np.array([Orientation.UNAVAILABLE], np.uint8)
    tracker = MultiObjectTracker()
    for k in range(3):
        d = make_detections(k * STEP_NS, [(10, 3, 0)], ["pedestrian"], orientation=none)
        out = tracker.step(replace(d, yaw_rad=np.array([np.nan])), Transform.identity())
    assert out.orientation.tolist() == [Orientation.UNAVAILABLE]
    assert np.isfinite(out.center_m).all()
    assert out.covariance[0, 2, 2] > 1.0


def test_provenance_names_the_detections(drive):
    for _ in range(3):
        out = drive.step((10, 3, 0), (20, 8, 0), detection_id=np.array([77, 99], np.uint64))
    got = {m.detection_id: m for ms in out.measurements for m in ms}
    assert set(got) == {77, 99}
    assert got[77].sensor == "lidar"
    assert got[77].stamp_ns == out.stamp_ns
    assert got[77].score == pytest.approx(0.8)
    assert 0 <= got[77].mahalanobis2 < 14


def test_a_missed_track_names_no_detection_and_coasts(drive):
    for _ in range(5):
        drive.step((10, 3, 0))
    out = drive.step()
    assert out.measurements == ((),)
    assert out.state.tolist() == [TrackState.COASTING]
    assert out.time_since_update_s[0] == pytest.approx(0.1)


def test_predict_moves_the_tracks_and_leaves_the_tracker_alone(make_drive):
    drive = make_drive(noise_m=0.0)
    for k in range(20):
        drive.step((1.0 * k, 5.0, 0.0))
    now = drive.outputs[-1]
    ahead = drive.tracker.predict(now.stamp_ns + STEP_NS)
    assert ahead.stamp_ns == now.stamp_ns + STEP_NS
    assert ahead.center_m[0, 0] - now.center_m[0, 0] == pytest.approx(1.0, abs=0.05)
    assert ahead.covariance[0, 0, 0] > now.covariance[0, 0, 0]
    again = drive.tracker.predict(now.stamp_ns)
    for f in fields(again):
        if f.name not in ("measurements", "existence_probability"):
            np.testing.assert_array_equal(getattr(again, f.name), getattr(now, f.name), err_msg=f.name)


def test_predict_says_coasting_when_a_frame_is_long_missing(drive):
    for _ in range(5):
        drive.step((10, 3, 0))
    last = drive.outputs[-1].stamp_ns
    assert drive.tracker.predict(last + STEP_NS).state.tolist() == [TrackState.CONFIRMED]
    assert drive.tracker.predict(last + 3 * STEP_NS).state.tolist() == [TrackState.COASTING]


def test_predict_into_the_past_raises(drive):
    drive.frame = 3
    drive.step((10, 3, 0))
    with pytest.raises(OutOfOrder, match="predict"):
        drive.tracker.predict(0)


def test_missing_covariances_take_the_class_defaults(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(lasting_error_m=0.0, alike_factor=1.0))
    out = tracker.step(make_detections(0, [(0.5, 0.0, 0.0)], ["pedestrian"]), Transform.identity())
    std = classes.POSITION_STD_M[LABEL_INDEX["pedestrian"]]
    own = out.covariance[0, 0, 0] - (out.lwh_std_m[0, 0] / 2) ** 2
    assert np.sqrt(own) == pytest.approx(std, rel=0.1)


def test_a_measured_velocity_is_used_from_the_first_frame(make_detections):
    velocity = np.array([[12.0, 0.0]])
    cov = np.full((1, 9, 9), np.nan)
    cov[0, [7, 8], [7, 8]] = 0.04
    tracker = MultiObjectTracker()
    for k in range(4):
        d = make_detections(
            k * STEP_NS, [(1.2 * k, 5.0, 0.0)], ["car"], velocity_mps=velocity, covariance=cov
        )
        out = tracker.step(d, Transform.identity())
    np.testing.assert_allclose(out.velocity_mps, velocity, atol=0.3)


def test_a_class_that_cannot_be_is_not_associated(drive):
    for _ in range(5):
        drive.step((10, 3, 0))
    out = drive.step((10, 3, 0), labels=["pedestrian"])
    assert out.measurements[0] == ()


def test_a_confused_class_is_settled_by_the_majority(drive):
    for k in range(20):
        drive.step((10, 3, 0), labels=["truck" if k % 4 == 0 else "car"])
    assert drive.live().label.tolist() == [LABEL_INDEX["car"]]
    assert drive.live().class_probabilities.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "value"), [("gate_mahalanobis2", 0.0), ("confirm_hits", 0), ("survival_per_s", 2.0)]
)
def test_a_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        TrackerConfig(**{name: value})


def test_parameters_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigurationError, match="positive sum"):
        TrackerConfig(weight_mahalanobis=0.0, weight_overlap=0.0, weight_distance=0.0)
    with pytest.raises(ConfigurationError, match="delete_existence"):
        TrackerConfig(delete_existence=0.5, confirm_existence=0.4)


def test_every_parameter_is_described():
    assert all(f.metadata["help"] for f in fields(TrackerConfig))


def test_a_car_first_boxed_across_is_turned(make_drive):
    # Seen from behind, its rear at x = 9.75 m was taken for a side at first; then it is seen well.
    drive = make_drive(noise_m=0.05)
    for k in range(25):
        drive.step((9.75 + 0.95, 3.0, np.pi / 2) if k < 2 else (12.0, 3.0, 0.0))
    near = drive.nearest(12.0, 3.0)
    assert near.id[0] == 1
    assert abs(np.sin(near.yaw_rad[0])) < 0.1
    assert near.lwh_m[0, 0] > 1.5 * near.lwh_m[0, 1]
    np.testing.assert_array_equal(near.velocity_mps, 0.0)


def test_one_bad_direction_turns_nothing(make_drive):
    drive = make_drive(noise_m=0.05)
    for k in range(20):
        drive.step((12.0, 3.0, 0.7 if k == 12 else 0.0))
        if k > 2:
            assert abs(np.sin(drive.live().yaw_rad[0])) < 0.12


def test_a_velocity_measured_later_is_used(make_detections):
    # A standing car whose radar suddenly says 12 m/s, before its box has moved.
    cov = np.full((1, 9, 9), np.nan)
    cov[0, [7, 8], [7, 8]] = 0.04
    speed = []
    for measured in (False, True):
        tracker = MultiObjectTracker()
        for k in range(5):
            known = (
                {"velocity_mps": np.array([[12.0, 0.0]]), "covariance": cov} if measured and k == 4 else {}
            )
            d = make_detections(k * STEP_NS, [(1.2 * k, 5.0, 0.0)], ["car"], **known)
            out = tracker.step(d, Transform.identity())
        speed.append(out.covariance[0, 3, 3])
    assert speed[1] < 0.5 * speed[0]


def test_boxes_that_waver_between_two_directions_do_not_swing_the_car(make_drive):
    drive = make_drive(noise_m=0.0)
    yaw = []
    for k in range(40):
        drive.step((12.0, 3.0, 0.75 if k % 2 else 0.0))
        if k > 1:
            yaw.append(drive.live().yaw_rad[0])
    assert (np.abs(np.diff(yaw)) > 0.3).sum() <= 1
