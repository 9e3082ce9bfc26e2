"""The ego by command, and as it was recorded."""

from typing import Any

import numpy as np
import pytest

from perception_nodes.datatypes import InputError
from perception_nodes.simulation.traffic.ego import EgoVehicle, ExternalEgo, RecordedEgo
from perception_nodes.simulation.traffic.states import EgoState

START = EgoState((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), speed_mps=5.0)


def test_a_constant_steering_angle_drives_a_circle(with_signals: Any) -> None:
    vehicle = EgoVehicle(response_s=0.0)
    ego = ExternalEgo(with_signals.surface, EgoState(START.pose, 5.0, steering_rad=0.2), vehicle)
    radius = vehicle.wheelbase_m / np.tan(0.2)
    for _ in range(100):
        ego.command(0.2, 0.0)
        x, y = ego.step(0.05).pose[:2]
        assert np.hypot(x, y - radius) == pytest.approx(radius, abs=1e-9)
    assert ego.state.yaw_rate_rps == pytest.approx(5.0 / radius)


def test_without_commands_it_brakes_to_a_halt(with_signals: Any) -> None:
    ego = ExternalEgo(with_signals.surface, START)
    ego.command(0.0, 0.0)
    speeds = [ego.step(0.1).speed_mps for _ in range(30)]
    assert speeds[4] == pytest.approx(5.0)
    assert speeds[-1] == 0.0
    assert not ego.commanded


def test_commands_are_limited_and_must_be_numbers(with_signals: Any) -> None:
    ego = ExternalEgo(with_signals.surface, START)
    with pytest.raises(InputError, match="wanted two numbers"):
        ego.command(float("nan"), 0.0)
    ego.command(9.0, 99.0)
    assert ego.step(0.1).steering_rad == pytest.approx(0.06)
    assert ego.state.acceleration_mps2 < 3.0
    with pytest.raises(InputError, match="dt_s 0"):
        ego.step(0.0)


def test_a_recording_is_interpolated_and_has_its_motion(with_signals: Any) -> None:
    poses = np.array([[0, 0, 0, 0], [1.0, 4.0, 0, 0], [2.0, 8.0, 0, 0]])
    ego = RecordedEgo(with_signals.surface, poses)
    assert ego.at(1.5).pose[:2] == pytest.approx((6.0, 0.0))
    assert ego.at(1.0).speed_mps == pytest.approx(4.0)
    assert ego.at(1.0).acceleration_mps2 == pytest.approx(0.0, abs=1e-9)
    assert ego.at(5.0).speed_mps == 0.0
    with pytest.raises(InputError, match="ascending"):
        RecordedEgo(with_signals.surface, poses[::-1])
