"""Drawn scenes, each with the one thing that must hold."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import EndReason, MotionState, Orientation, OutOfOrder, TrackState
from perception_nodes.geometry import Transform, wrap_angle

DT = 0.1


def yaw_to(ego_x=0.0, ego_y=0.0, yaw=0.0):
    return Transform.from_xyz_rpy((ego_x, ego_y, 0.0), (0.0, 0.0, yaw))


def test_parallel_cars_keep_their_ids(drive):
    for k in range(40):
        drive.step((10.0 * DT * k, 3.0, 0.0), (10.0 * DT * k, 6.0, 0.0))
    assert len(drive.published_ids()) == 2
    assert drive.nearest(39.0, 3.0).id[0] != drive.nearest(39.0, 6.0).id[0]
    np.testing.assert_allclose(drive.live().velocity_mps, [[10.0, 0.0]] * 2, atol=0.7)


def test_crossing_pedestrians_keep_their_ids(drive):
    first = {}
    for k in range(60):
        s = -3.0 + 1.5 * DT * k
        drive.step((15.0 + s, s, 0.0), (15.0 + s, -s + 0.3, 0.0), labels=["pedestrian", "pedestrian"])
        if k == 10:
            first = {+1: drive.nearest(15 + s, s).id[0], -1: drive.nearest(15 + s, -s).id[0]}
    assert drive.nearest(15 + s, s).id[0] == first[+1]
    assert drive.nearest(15 + s, -s).id[0] == first[-1]


def test_a_car_hidden_by_a_van_comes_back_with_its_id(drive):
    # The shadow of the van at y = 14 m reaches from x = 8.8 to 25 m: the car drives through it in 1.5 s.
    hidden = 0
    for k in range(60):
        x = -5.0 + 8.0 * DT * k
        behind = 20 <= k < 35
        drive.step(
            (9.0, 8.0, 0.0), *([] if behind else [(x, 14.0, 0.0)]), labels=["truck", "car"][: 2 - behind]
        )
        if k == 19:
            before = drive.nearest(x, 14.0).id[0]
        if behind:
            hidden += int(drive.nearest(x, 14.0).state[0] == TrackState.COASTING)
    assert drive.nearest(x, 14.0).id[0] == before
    assert hidden == 15


def test_a_car_that_turns_while_hidden_for_two_seconds_keeps_its_id(drive):
    # It drives a circle of 20 m radius at 5 m/s; a long truck hides it from frame 25 to 44.
    ids = []
    for k in range(70):
        angle = 0.25 * DT * k
        x, y, yaw = 22 + 20 * np.sin(angle), 40 - 20 * np.cos(angle), angle
        hidden = 25 <= k < 45
        drive.step((12.0, 9.0, 0.64), *([] if hidden else [(x, y, yaw)]), labels=["bus", "car"][: 2 - hidden])
        if k in (24, 69):
            ids.append(drive.nearest(x, y).id[0])
    assert ids[0] == ids[1]


def test_a_car_hidden_for_too_long_ends_with_the_reason(make_drive):
    drive = make_drive(coast_occluded_s=1.0)
    for k in range(60):
        drive.step(
            (20.0, 0.0, np.pi / 2),
            *([(30.0, 0.0, np.pi / 2)] if k < 30 else []),
            labels=["truck", "car"][: 1 + (k < 30)],
        )
    ended = [(t.id[i], t.end_reason[i]) for t in drive.outputs for i in np.flatnonzero(t.state == 3)]
    assert len(ended) == 1
    assert ended[0][1] in (EndReason.OCCLUDED_TIMEOUT, EndReason.LOW_EXISTENCE)


def test_birth_is_tentative_then_confirmed_and_clutter_is_not(make_drive):
    drive = make_drive()
    for k in range(20):
        flash = (30.0 + 5.0 * (k % 7), 20.0 - 9.0 * (k % 5), 0.3 * k)
        out = drive.step((10.0, 3.0, 0.0), flash)
        if k == 0:
            assert (out.state == TrackState.TENTATIVE).all()
    assert drive.nearest(10.0, 3.0).id[0] == 1
    assert drive.published_ids(3) == {1}


def test_a_lost_car_is_deleted_once_with_a_reason(drive):
    for k in range(40):
        drive.step(*([(10.0, 3.0, 0.0)] if k < 20 else []))
    deleted = [t for t in drive.outputs if (t.state == TrackState.DELETED).any()]
    assert len(deleted) == 1
    assert deleted[0].end_reason[0] in (EndReason.MISSED, EndReason.LOW_EXISTENCE)
    assert len(drive.outputs[-1]) == 0


def test_a_car_out_of_range_left_the_field_of_view(make_drive):
    drive = make_drive(max_range_m=50.0)
    for k in range(40):
        x = 30.0 + 15.0 * DT * k
        drive.step(*([(x, 0.0, 0.0)] if x < 50 else []))
    reasons = [r for t in drive.outputs for r in t.end_reason[t.state == TrackState.DELETED]]
    assert reasons == [EndReason.LEFT_FOV]


def test_detections_in_another_order_swap_nothing(make_drive):
    boxes = [(10.0, 3.0, 0.0), (10.0, 6.0, 0.0), (16.0, 3.0, 0.0)]
    drive = make_drive(noise_m=0.0)
    for k in range(20):
        drive.step(*np.roll(boxes, k, axis=0).tolist())
    assert len(drive.published_ids()) == 3
    np.testing.assert_allclose(drive.nearest(10.0, 6.0).center_m[0, :2], (10.0, 6.0), atol=0.05)


def test_global_assignment_keeps_two_close_cars_apart(make_drive):
    # The first detection is nearest to both tracks; only the joint optimum gives each its own.
    drive = make_drive(noise_m=0.0)
    for _ in range(10):
        drive.step((10.0, 0.0, 0.0), (10.0, 2.2, 0.0))
    low, high = drive.nearest(10.0, 0.0).id[0], drive.nearest(10.0, 2.2).id[0]
    drive.step((10.0, 1.2, 0.0), (10.0, 3.0, 0.0))
    sources = {int(i): [m.detection_id for m in ms] for i, ms in zip(
        drive.outputs[-1].id, drive.outputs[-1].measurements, strict=True)}  # fmt: skip
    assert sources[int(low)] == [0]
    assert sources[int(high)] == [1]


def test_parked_cars_stand_still_while_the_ego_turns(make_drive):
    drive = make_drive(noise_m=0.15)
    parked = [(12.0, 5.0, 0.1), (18.0, 5.0, 0.0), (5.0, -9.0, 1.5)]
    for k in range(60):
        drive.ego = yaw_to(0.05 * k, 0.0, 0.03 * k)
        drive.step(*parked)
    live = drive.live()
    assert len(drive.published_ids()) == 3
    np.testing.assert_array_equal(live.velocity_mps, 0.0)
    np.testing.assert_array_equal(live.yaw_rate_rps, 0.0)
    assert (live.motion_state == MotionState.STATIONARY).all()
    for x, y, yaw in parked:
        near = drive.nearest(x, y)
        assert np.hypot(*(near.center_m[0, :2] - (x, y))) < 0.12
        assert abs(np.sin(near.yaw_rad[0] - yaw)) < 0.05


@pytest.mark.parametrize("rate_rps", [2.0, -2.0])
def test_a_spinning_ego_loses_nothing_and_moves_nothing(make_drive, rate_rps):
    # Only what lies in the 120 degrees ahead is seen: each object for a second in three.
    drive = make_drive(noise_m=0.05, fov_half_angle_rad=np.pi / 3, coast_visible_s=3.0, coast_occluded_s=3.0)
    parked = [(12.0, 5.0, 0.1), (-9.0, 7.0, 1.2), (-4.0, -11.0, 0.6)]
    for k in range(130):
        heading = rate_rps * DT * k
        drive.ego = yaw_to(0.0, 0.0, heading)
        seen = [p for p in parked if abs(wrap_angle(np.arctan2(p[1], p[0]) - heading)) < np.pi / 3]
        drive.step(*seen)
        live = drive.live()
        for x, y, yaw in (s for s in seen if len(live)):
            near = drive.nearest(x, y)
            if np.hypot(*(near.center_m[0, :2] - (x, y))) < 1.0 and near.age_s[0] > 0.5:
                assert np.hypot(*near.velocity_mps[0]) < 0.1
                assert abs(np.sin(near.yaw_rad[0] - yaw)) < 0.1
    # What leaves the view ends there and says so; what is seen again is a new track, never two of one object.
    ends = {int(r) for t in drive.outputs for r in t.end_reason[t.state == TrackState.DELETED]}
    assert ends == {EndReason.LEFT_FOV}
    assert max(len(t) for t in drive.outputs) <= 3


def test_a_birth_in_clutter_takes_the_object_and_keeps_it(make_drive):
    # Thirty false alarms a frame, new in every frame; a car appears in the midst of them at frame 10.
    drive = make_drive(noise_m=0.1)
    rng = np.random.default_rng(8)
    ids = []
    for k in range(40):
        clutter = np.column_stack([rng.uniform(-40, 40, (30, 2)), rng.uniform(0, 3, 30)])
        x = 6.0 * DT * (k - 10)
        away = np.hypot(clutter[:, 0] - x, clutter[:, 1] - 8.0) > 3.0
        car = [(x, 8.0, 0.0)] if k >= 10 else []
        boxes = [*car, *clutter[away].tolist()]
        drive.step(*boxes, score=np.array([0.8] * len(car) + [0.4] * int(away.sum())))
        if k >= 14:
            near = drive.nearest(x, 8.0)
            assert np.hypot(*(near.center_m[0, :2] - (x, 8.0))) < 1.0
            ids.append(int(near.id[0]))
    assert len(set(ids)) == 1
    # Chance detections continue each other now and then; what is published of it says that it is hardly there.
    live = drive.live()
    assert live.id[live.existence_probability > 0.4].tolist() == ids[-1:]


def test_cars_that_meet_side_by_side_do_not_swap(make_drive):
    # They pass each other with half a metre between their sides; boxes are noisy, and come in changing order.
    drive = make_drive(noise_m=0.2)
    first = {}
    for k in range(50):
        x = 12.0 * (DT * k - 2.5)
        boxes = [(x, 10.0, 0.0), (-x, 12.4, 0.0)]
        drive.step(*(boxes if k % 2 else boxes[::-1]))
        if k == 10:
            first = {y: int(drive.nearest(s, y).id[0]) for s, y in ((x, 10.0), (-x, 12.4))}
    assert {y: int(drive.nearest(s, y).id[0]) for s, y in ((x, 10.0), (-x, 12.4))} == first
    assert len(drive.published_ids()) == 2


def test_stop_and_go(make_drive):
    drive = make_drive(noise_m=0.1)
    x, v, speeds = 0.0, 8.0, []
    for k in range(140):
        v = max(v - 4.0 * DT, 0.0) if k < 40 else (0.0 if k < 80 else min(v + 2.0 * DT, 8.0))
        x += v * DT
        drive.step((x, 6.0, 0.0))
        live = drive.live()
        speeds.append(np.hypot(*live.velocity_mps[0]) if len(live) else np.nan)
    assert len(drive.published_ids()) == 1
    assert speeds[10] == pytest.approx(8.0 - 0.4 * 11, abs=1.0)
    assert speeds[75] == 0.0
    assert speeds[-1] == pytest.approx(8.0, abs=0.7)


def test_a_u_turn_turns_the_heading_without_a_flip(make_drive):
    drive = make_drive(noise_m=0.1, turn_time_s=2.0)
    yaw, x, y, previous = 0.0, 0.0, 10.0, None
    for k in range(100):
        rate = np.pi / 4 if 30 <= k < 70 else 0.0
        yaw += rate * DT
        x, y = x + 5.0 * DT * np.cos(yaw), y + 5.0 * DT * np.sin(yaw)
        drive.step((x, y, yaw))
        if k >= 15:
            now = drive.nearest(x, y).yaw_rad[0]
            assert previous is None or abs(wrap_angle(now - previous)) < 0.5, k
            previous = now
    near = drive.nearest(x, y)
    assert abs(wrap_angle(near.yaw_rad[0] - yaw)) < 0.15
    assert near.orientation[0] == Orientation.AVAILABLE
    assert len(drive.published_ids()) == 1


@pytest.mark.parametrize("course", np.linspace(-np.pi, np.pi, 7)[:-1].tolist())
def test_motion_decides_the_heading_sign(drive, course):
    # The boxes give the direction modulo half a turn.
    for k in range(25):
        s = 6.0 * DT * k
        drive.step((20 + s * np.cos(course), 20 + s * np.sin(course), course))
    near = drive.live()
    assert near.orientation[0] == Orientation.AVAILABLE
    assert abs(wrap_angle(near.yaw_rad[0] - course)) < 0.1


def test_a_car_that_backs_up_keeps_its_heading(drive):
    x = 0.0
    for k in range(60):
        v = 6.0 if k < 30 else -1.0
        x += v * DT
        drive.step((x, 8.0, 0.0))
        if k > 12:
            assert abs(drive.live().yaw_rad[0]) < 0.3


def test_a_standing_object_has_an_unknown_heading_sign(drive):
    for _ in range(20):
        drive.step((10.0, 8.0, 0.4))
    assert drive.live().orientation[0] == Orientation.SIGN_UNKNOWN


def test_time_jumping_back_raises_and_changes_nothing(drive):
    for _ in range(5):
        drive.step((10.0, 3.0, 0.0))
    drive.frame = 2
    with pytest.raises(OutOfOrder, match="wanted later than"):
        drive.step((10.0, 3.0, 0.0))
    drive.frame = 5
    assert drive.step((10.0, 3.0, 0.0)).id.tolist() == [1]


def test_reset_ends_all_tracks_and_ids_go_on(drive):
    for _ in range(5):
        drive.step((10.0, 3.0, 0.0))
    ended = drive.tracker.reset()
    assert ended.end_reason.tolist() == [EndReason.RESET]
    assert ended.state.tolist() == [TrackState.DELETED]
    drive.frame = 0
    assert drive.step((10.0, 3.0, 0.0)).id.tolist() == [2]


def test_a_long_gap_resets(drive):
    for _ in range(5):
        drive.step((10.0, 3.0, 0.0))
    drive.frame += 50
    out = drive.step((10.0, 3.0, 0.0))
    assert out.end_reason.tolist() == [EndReason.RESET, EndReason.NONE]
    assert out.id.tolist() == [1, 2]
