"""Faults of radars and of the inertial sensors: what each word does to their values."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import RadarScan
from perception_nodes.geometry import Transform
from perception_nodes.simulation.faults import Emission, Fault, FaultKind, FaultSchedule
from perception_nodes.simulation.sensors.inertial_sample import InertialSample

START = 1_000_000_000_000
STEP_NS = 100_000_000


def scan(k: int) -> RadarScan:
    speed = np.full(4, k, np.float32)
    return RadarScan(START + k * STEP_NS, "radar", np.full((4, 3), 5 + k, np.float32), speed, speed)


def sample(k: int) -> InertialSample:
    pose = Transform.from_xyz_rpy((k, 0, 0), (0, 0, 0.2))
    unit, six = np.eye(3), np.eye(6)
    return InertialSample(
        START + k * STEP_NS, np.array([0, 0, 0.1]), np.array([0, 0, 9.8]), unit, unit, 5.0 + k, 0.1, pose, six
    )  # fmt: skip


def sent(kind, make, **values):
    fault = Fault("sensor", kind, start_s=0.5, **values)
    given = [Emission("sensor", START + k * STEP_NS, START + k * STEP_NS, make(k)) for k in range(10)]
    return FaultSchedule(START, ["sensor"], [fault], seed=1).apply(given)


@pytest.mark.parametrize("make", [scan, sample])
def test_stuck_repeats_the_last_value_under_new_stamps(make):
    out = sent(FaultKind.STUCK, make)
    assert [e.value.stamp_ns for e in out] == [START + k * STEP_NS for k in range(10)]
    held = [e.value for e in out[5:]]
    if make is scan:
        assert all((v.xyz_m == 9.0).all() and (v.radial_speed_mps == 4.0).all() for v in held)
    else:
        assert [v.wheel_speed_mps for v in held] == [9.0] * 5


@pytest.mark.parametrize("make", [scan, sample])
@pytest.mark.parametrize("kind", [FaultKind.GARBAGE, FaultKind.WRONG])
def test_spoilt_values_keep_stamp_and_shape_and_are_the_same_in_every_run(make, kind):
    out, again = sent(kind, make), sent(kind, make)
    assert [e.value.stamp_ns for e in out] == [START + k * STEP_NS for k in range(10)]
    for a, b in zip(out, again, strict=True):
        for name in ("xyz_m", "radial_speed_mps") if make is scan else ("angular_velocity_rps",):
            np.testing.assert_array_equal(getattr(a.value, name), getattr(b.value, name))


def test_garbage_of_a_radar_is_anywhere_at_any_speed():
    value = sent(FaultKind.GARBAGE, scan)[7].value
    assert value.xyz_m.shape == (4, 3) and value.rcs_dbsm.shape == (4,)
    assert (value.xyz_m != 12.0).all() and np.ptp(value.radial_speed_mps) > 1.0


def test_a_wrong_radar_is_turned_and_keeps_its_speeds():
    value = sent(FaultKind.WRONG, scan, turn_rad=np.pi / 2)[7].value
    np.testing.assert_allclose(value.xyz_m, np.tile([-12.0, 12.0, 12.0], (4, 1)), atol=1e-5)
    np.testing.assert_array_equal(value.radial_speed_mps, 7.0)


def test_garbage_of_the_inertial_sensors_changes_all_they_measure():
    value, true = sent(FaultKind.GARBAGE, sample)[7].value, sample(7)
    assert (value.angular_velocity_rps != true.angular_velocity_rps).all()
    assert (value.acceleration_mps2 != true.acceleration_mps2).all()
    assert value.wheel_speed_mps != true.wheel_speed_mps
    assert np.linalg.norm(value.odom_from_base.translation_m - true.odom_from_base.translation_m) > 1.0


def test_a_wrong_gyro_has_a_bias_and_turns_the_heading():
    value = sent(FaultKind.WRONG, sample, turn_rad=0.3)[7].value
    np.testing.assert_allclose(value.angular_velocity_rps, [0, 0, 0.4])
    assert value.odom_from_base.yaw_rad == pytest.approx(0.5)
    np.testing.assert_allclose(value.odom_from_base.translation_m, [7, 0, 0])
    np.testing.assert_array_equal(value.acceleration_mps2, sample(7).acceleration_mps2)
