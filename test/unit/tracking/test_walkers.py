"""Pedestrians: their boxes have no front, only their way has."""

from __future__ import annotations

import numpy as np

from perception_nodes.datatypes import Orientation
from perception_nodes.geometry import wrap_angle


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
