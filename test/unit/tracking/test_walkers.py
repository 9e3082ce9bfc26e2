"""Pedestrians: their boxes have no front, only their way has."""

from __future__ import annotations

import numpy as np

from perception_nodes.datatypes import PEDESTRIAN, Orientation
from perception_nodes.geometry import wrap_angle
from perception_nodes.tracking import TrackerConfig
from perception_nodes.tracking.heading import follow_motion
from perception_nodes.tracking.store import TrackStore


def walked(drive, way, labels=("pedestrian",)):
    """(K,) published yaw at each frame in which its sign is known; way: x of each frame, y = 5 m."""
    yaw = []
    for x in way:
        drive.step((x, 5.0, 0.0), labels=list(labels))
        live = drive.live()
        if len(live) and live.orientation[0] == Orientation.AVAILABLE:
            yaw.append(float(live.yaw_rad[0]))
    return np.array(yaw)


def test_a_noisy_velocity_does_not_turn_a_slow_walker_round(make_drive):
    flips = 0
    for seed in range(12):
        yaw = walked(make_drive(noise_m=0.2, seed=seed), 10.0 + 0.08 * np.arange(120))
        flips += int((np.abs(wrap_angle(np.diff(yaw))) > np.pi / 2).sum())
    assert flips <= 2


def test_a_walker_who_turns_round_is_turned_within_two_seconds(make_drive):
    out, back = 10.0 + 0.14 * np.arange(50), 16.86 - 0.14 * np.arange(40)
    drive = make_drive(noise_m=0.03)
    first = walked(drive, out)
    second = walked(drive, back)
    assert abs(first[-1]) < 0.5
    assert (np.abs(wrap_angle(second[25:] - np.pi)) < 0.6).all()


def moves(drive, speed_mps, frames):
    """(frames,) whether a pedestrian that goes along y = 5 m is published with a speed."""
    out = []
    for k in range(frames):
        drive.step((10.0 + 0.1 * speed_mps * k, 5.0, 0.0), labels=["pedestrian"])
        live = drive.live()
        out.append(bool(len(live)) and bool(np.abs(live.velocity_mps[0]).any()))
    return np.array(out)


def test_who_walks_is_seen_to_walk_within_a_second_and_who_strolls_within_two(make_drive):
    walks, strolls = (
        np.array([moves(make_drive(seed=seed), mps, 40) for seed in range(12)]) for mps in (1.4, 0.5)
    )
    assert walks[:, 6:].mean() > 0.95
    assert strolls[:, 10:].mean() > 0.82


def test_who_stands_is_seen_to_stand(make_drive):
    still = np.array([~moves(make_drive(seed=seed), 0.0, 60)[15:] for seed in range(12)])
    assert still.mean() > 0.95


def test_what_is_turned_by_its_way_stays_turned_should_it_stop():
    # Published is the other hypothesis then.
    tracks, config = TrackStore.empty(1), TrackerConfig()
    tracks.class_sum[:, PEDESTRIAN] = 1.0
    tracks.mean[:, 3], tracks.cov[:] = -1.4, 0.01 * np.eye(8)
    tracks.rows["moving"] = True
    follow_motion(tracks.rows[0], config.numbers)
    assert abs(wrap_angle(tracks.mean[0, 2] - np.pi)) < 0.1
    assert tracks.static_mean[0, 2] == tracks.mean[0, 2]
