"""The simulated street: the same bits from the same seed, points where the truth is, time and motion as a lidar has."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, Detections3D, ElementType, PointCloud
from perception_nodes.geometry import deskew, points_in_boxes
from perception_nodes.simulation import LidarConfig, SimFrame, Simulation, SimulationConfig, simulate

EXACT = LidarConfig(range_std_m=0.0, dropout=0.0)
_HASH = """
import hashlib
from perception_nodes.simulation import SimulationConfig, simulate
digest = hashlib.sha256()
for frame in simulate(SimulationConfig(seed=5, duration_s=0.3)):
    c, t = frame.cloud, frame.truth
    for a in (c.xyz_m, c.intensity, c.ring, c.time_s, t.center_m, t.yaw_rad, t.num_points):
        digest.update(a.tobytes())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def street() -> Simulation:
    return Simulation(SimulationConfig(seed=3, lidar=EXACT))


def _digest(seed: int) -> str:
    digest = hashlib.sha256()
    for frame in simulate(SimulationConfig(seed=seed, duration_s=0.3)):
        c, t = frame.cloud, frame.truth
        for a in (c.xyz_m, c.intensity, c.ring, c.time_s, t.center_m, t.yaw_rad, t.num_points):
            assert a is not None
            digest.update(a.tobytes())
    return digest.hexdigest()


def test_same_bits_in_two_processes() -> None:
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", _HASH],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip() == _digest(5)


def test_seeds_differ() -> None:
    assert _digest(5) != _digest(6)


def test_frames_do_not_depend_on_the_order(street: Simulation) -> None:
    late = street.frame(30).cloud.xyz_m
    street.frame(2)
    np.testing.assert_array_equal(street.frame(30).cloud.xyz_m, late)


def _in_odom(street: Simulation, frame: SimFrame) -> np.ndarray:
    """Each point placed with the exact pose of its own time: independent of `deskew`."""
    assert frame.cloud.time_s is not None
    out = np.empty((len(frame.cloud), 3))
    end_s = (frame.cloud.stamp_ns - street.config.start_ns) * 1e-9
    for time in np.unique(frame.cloud.time_s):
        of = frame.cloud.time_s == time
        pose = street.odom_from_base(end_s + float(time)) @ street.base_from_lidar
        out[of] = pose.apply(frame.cloud.xyz_m[of].astype(np.float64))
    return out


def _standing(truth: Detections3D, least: int) -> np.ndarray:
    return np.flatnonzero((np.hypot(*truth.velocity_mps.T) < 0.01) & (truth.num_points >= least))


@pytest.mark.parametrize("index", [40, 98])
def test_points_of_standing_objects_lie_in_their_boxes(street: Simulation, index: int) -> None:
    frame = street.frame(index)
    parked = frame.truth.select(_standing(frame.truth, 5))
    assert len(parked) >= 5
    world = _in_odom(street, frame).astype(np.float32)
    inside = points_in_boxes(world, parked.center_m, parked.lwh_m + 0.02, parked.yaw_rad)
    # The bottom face touches the road, whose returns may lie within the margin; none may be missing.
    assert (inside >= parked.num_points).all()
    assert inside.sum() < 1.3 * parked.num_points.sum() + 20


def test_truth_agrees_from_frame_to_frame(street: Simulation) -> None:
    before, after = street.frame(60).truth, street.frame(61).truth
    _, i, j = np.intersect1d(before.detection_id, after.detection_id, return_indices=True)
    moved = (after.center_m[j] - before.center_m[i])[:, :2]
    mean = (before.velocity_mps[i] + after.velocity_mps[j]) / 2
    np.testing.assert_allclose(moved, 0.1 * mean, atol=0.02)
    assert np.hypot(*mean.T).max() > 5.0


def test_time_follows_the_azimuth(street: Simulation) -> None:
    cloud = street.frame(10).cloud
    assert cloud.time_s is not None
    azimuth = np.arctan2(cloud.xyz_m[:, 1], cloud.xyz_m[:, 0]).astype(np.float64)
    expected = -0.1 * (azimuth + np.pi) / (2 * np.pi)
    np.testing.assert_allclose(cloud.time_s, expected, atol=1e-4)
    assert (np.diff(cloud.time_s) >= 0).all()
    assert cloud.time_s.max() == 0.0


def test_rings_keep_their_elevation(street: Simulation) -> None:
    cloud = street.frame(10).cloud
    assert cloud.ring is not None
    elevation = np.arctan2(cloud.xyz_m[:, 2], np.hypot(cloud.xyz_m[:, 0], cloud.xyz_m[:, 1]))
    np.testing.assert_allclose(elevation, EXACT.elevations_rad[cloud.ring], atol=1e-4)
    assert len(np.unique(cloud.ring)) == 32


def _off_the_front(street: Simulation, frame: SimFrame, cloud: PointCloud) -> float:
    """Median distance of the points that hit one plane of the house fronts from that plane."""
    exact = _in_odom(street, frame)
    wall = exact[:, 2] > 3.0
    values, count = np.unique(np.round(exact[wall, 1], 2), return_counts=True)
    plane = values[np.argmax(count)]
    on = wall & (np.abs(exact[:, 1] - plane) < 0.006)
    assert on.sum() > 100
    placed = (frame.odom_from_base @ street.base_from_lidar).apply(cloud.xyz_m[on].astype(np.float64))
    return float(np.percentile(np.abs(placed[:, 1] - plane), 95))


def test_deskew_straightens_walls_in_the_turn(street: Simulation) -> None:
    yaw = [street.frame(k).odom_from_base.yaw_rad for k in range(0, len(street), 4)]
    index = 4 * int(np.argmax(np.abs(np.diff(yaw))))
    frame = street.frame(index)
    end_s = (index + 1) * 0.1
    start, end = (street.odom_from_base(t) @ street.base_from_lidar for t in (end_s - 0.1, end_s))
    straight = deskew(frame.cloud, end.inverse() @ start, -0.1, 0.0)
    assert _off_the_front(street, frame, frame.cloud) > 0.1
    assert _off_the_front(street, frame, straight) < 0.03


def test_ranges_lie_within_the_limits() -> None:
    lidar = LidarConfig(min_range_m=4.0, max_range_m=30.0)
    for frame in simulate(SimulationConfig(duration_s=0.2, lidar=lidar)):
        range_m = np.linalg.norm(frame.cloud.xyz_m, axis=1)
        assert 3.999 < range_m.min() < 6.0
        assert 29.0 < range_m.max() <= 30.001


def test_ground_returns_thin_out_and_paint_is_bright(street: Simulation) -> None:
    frame = street.frame(20)
    assert frame.cloud.intensity is not None
    world = _in_odom(street, frame)
    x, y = frame.odom_from_base.translation_m[:2]
    road = np.flatnonzero((np.abs(world[:, 2]) < 0.02) & (np.abs(world[:, 1]) < 5.5))
    away = np.hypot(world[road, 0] - x, world[road, 1] - y)
    assert 3 * (away > 40).sum() < ((away > 5) & (away < 20)).sum()
    paint = street.world.painted(world[road, :2])
    near = away < 25
    bright = np.median(frame.cloud.intensity[road[paint & near]])
    assert bright > 2.5 * np.median(frame.cloud.intensity[road[~paint & near]])


def test_nothing_that_drives_overlaps(street: Simulation) -> None:
    for index in range(0, 200, 20):
        truth = street.frame(index).truth
        for k in _drivers(truth):
            rest = np.delete(truth.center_m, k, axis=0).astype(np.float32)
            box = truth.select(np.array([k]))
            assert (
                points_in_boxes(rest, box.center_m, box.lwh_m + np.array([0.0, 0.0, 4.0]), box.yaw_rad)[0]
                == 0
            )


def _drivers(truth: Detections3D) -> np.ndarray:
    return np.flatnonzero((np.hypot(*truth.velocity_mps.T) > 0.5) & (truth.lwh_m[:, 0] > 3.0))


def test_the_ego_turns_right_into_the_other_road(street: Simulation) -> None:
    end = street.odom_from_base(20.0)
    assert end.yaw_rad == pytest.approx(-np.pi / 2, abs=1e-3)
    assert end.translation_m[1] < -20.0


def test_map_truth_lies_on_the_paint(street: Simulation) -> None:
    kinds = {e.type for e in street.map_truth().elements}
    assert {
        ElementType.LANE_DIVIDER,
        ElementType.ROAD_BOUNDARY,
        ElementType.PED_CROSSING,
        ElementType.STOP_LINE,
    } <= kinds
    solid = [e for e in street.map_truth().elements if e.subtype == "solid"]
    for element in solid:
        assert street.world.painted(element.points_m[1:-1, :2]).all()
        assert not street.world.painted(element.points_m[1:-1, :2] + 0.3).any()


def test_configuration_out_of_range() -> None:
    with pytest.raises(ConfigurationError, match="duration_s"):
        SimulationConfig(duration_s=-1.0)
    with pytest.raises(ConfigurationError, match="dropout"):
        replace(LidarConfig(), dropout=2.0)


def test_simulation_needs_no_ros() -> None:
    code = "import sys, perception_nodes.simulation; assert not [m for m in sys.modules if m.startswith('rclpy')]"
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path}, cwd=Path.cwd()
    )
