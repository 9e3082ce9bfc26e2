"""A drive of a rig: time, truth, sensors that are due, clocks, faults, an ego driven from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, PointCloud, Rig, load_rig
from perception_nodes.geometry import points_in_boxes
from perception_nodes.resources import resource_path
from perception_nodes.simulation.faults import Fault, FaultKind
from perception_nodes.simulation.iterator import Drives, random_drive, training_frames
from perception_nodes.simulation.scenarios import find_scenario
from perception_nodes.simulation.simulation import START_NS, EgoCommand, SimFrame, Simulation

STREET = replace(find_scenario("straight_traffic"), duration_s=1.0)


@pytest.fixture(scope="module")
def rig() -> Rig:
    return load_rig(resource_path("config/rigs") / "vlp16.yaml")


@pytest.fixture(scope="module")
def frames(rig: Rig) -> list[SimFrame]:
    return list(Simulation(STREET, rig, 3).frames())


def _changed(rig: Rig, **values: object) -> Rig:
    return replace(rig, sensors=(replace(rig.sensors[0], **values),))  # type: ignore[arg-type]


def test_each_step_is_a_tenth_of_a_second(frames: list[SimFrame]):
    assert len(frames) == 10
    assert [f.stamp_ns - START_NS for f in frames] == [100_000_000 * k for k in range(1, 11)]
    assert all(f.lidars["lidar"].cloud.stamp_ns == f.stamp_ns for f in frames)


def test_points_of_an_actor_lie_in_its_true_box(rig: Rig):
    simulation = Simulation(STREET, _changed(rig, motion_compensated=True), 3)
    mount = simulation.mounts["lidar"]
    for _ in range(9):
        simulation.skip()
    frame = simulation.tick()
    sweep = frame.lidars["lidar"]
    odom = (frame.odom_from_base @ mount).apply(sweep.cloud.xyz_m.astype(np.float64)).astype(np.float32)
    rows = {int(i): k for k, i in enumerate(frame.states.id)}
    checked = 0
    for k, n in enumerate(frame.truth.num_points):
        own = odom[sweep.owner == rows[int(frame.truth.detection_id[k])]]
        assert len(own) == n
        if n < 10:
            continue
        box = frame.truth.select(np.array([k]))
        way = 0.2 * np.hypot(*box.velocity_mps[0])  # of the actor itself within the sweep
        grown = box.lwh_m + np.array([0.4 + way, 0.4 + way, 0.3])
        assert points_in_boxes(own, box.center_m, grown, box.yaw_rad)[0] > 0.97 * n
        checked += 1
    assert checked >= 2


def test_visibility_is_a_share(frames: list[SimFrame]):
    seen = frames[-1].truth.visibility
    known = seen[np.isfinite(seen)]
    assert len(known) and (known >= 0).all() and (known <= 1).all() and (known > 0.5).any()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(rig: Rig, frames: list[SimFrame]):
    again = list(Simulation(STREET, rig, 3, threads=2).frames())
    for one, two in zip(frames, again, strict=True):
        assert one.lidars["lidar"].cloud.xyz_m.tobytes() == two.lidars["lidar"].cloud.xyz_m.tobytes()
        assert one.truth.center_m.tobytes() == two.truth.center_m.tobytes()
    other = Simulation(STREET, rig, 4).tick()
    assert other.lidars["lidar"].cloud.xyz_m.tobytes() != frames[0].lidars["lidar"].cloud.xyz_m.tobytes()


def test_a_slower_sensor_is_due_less_often(rig: Rig):
    got = [bool(f.lidars) for f in Simulation(STREET, _changed(rig, rate_hz=5.0), 3).frames()]
    assert got == [False, True] * 5


def test_clock_and_latency_of_a_sensor_show_in_what_it_sends_only(rig: Rig):
    late = _changed(rig, model={"type": "vlp16", "clock_s": 0.02, "latency_s": 0.15})
    simulation = Simulation(STREET, late, 3, sensors=["lidar"])
    first, second, third = (simulation.tick() for _ in range(3))
    assert first.emissions == () and second.emissions == ()
    (sent,) = third.emissions
    assert sent.stamp_ns == first.stamp_ns + 20_000_000 == sent.value.stamp_ns
    assert third.lidars["lidar"].cloud.stamp_ns == third.stamp_ns


def test_a_mounting_error_moves_the_points_and_not_the_mount(rig: Rig):
    turned = _changed(rig, model={"type": "vlp16", "error_rpy_rad": [0.0, 0.0, 0.3]})
    true, wrong = Simulation(STREET, rig, 3), Simulation(STREET, turned, 3)
    np.testing.assert_array_equal(true.mounts["lidar"].matrix, wrong.mounts["lidar"].matrix)
    a, b = (s.tick().lidars["lidar"].cloud for s in (true, wrong))
    assert a.xyz_m.shape != b.xyz_m.shape or not np.allclose(a.xyz_m, b.xyz_m)


def test_faults_touch_what_is_sent_and_not_the_truth(rig: Rig, frames: list[SimFrame]):
    broken = replace(STREET, faults=(Fault("lidar", FaultKind.OFF, start_s=0.35, duration_s=0.4),))
    got = list(Simulation(broken, rig, 3, sensors=["lidar"]).frames())
    assert [len(f.emissions) for f in got] == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert got[4].truth.num_points.sum() == frames[4].truth.num_points.sum() > 0


def test_live_faults(rig: Rig):
    simulation = Simulation(STREET, rig, 3, sensors=["lidar"])
    simulation.tick()
    simulation.faults.inject(Fault("lidar", FaultKind.GARBAGE))
    (sent,) = simulation.tick().emissions
    assert isinstance(sent.value, PointCloud) and np.abs(sent.value.xyz_m[:, 2]).max() > 50


def test_commands_drive_the_ego_and_without_them_it_brakes(rig: Rig):
    simulation = Simulation(STREET, rig, 3, sensors=[])
    start = simulation.tick(EgoCommand(0.0, 1.0)).ego
    for _ in range(10):
        frame = simulation.tick(EgoCommand(0.2, 1.0))
    assert frame.ego.speed_mps > start.speed_mps and frame.ego.yaw_rate_rps > 0.05
    for _ in range(60):
        frame = simulation.tick()
    assert frame.ego.speed_mps == 0.0


def test_a_recorded_ego_is_where_its_recording_says(rig: Rig):
    lane = Simulation(STREET, rig, 3, sensors=[]).traffic.ego.pose
    poses = [(t, lane[0] + 3.0 * t**2, lane[1], 0.1 * t) for t in (0.0, 0.25, 0.5, 0.7)]
    scenario = replace(STREET, ego=replace(STREET.ego, drive="recorded", poses=tuple(poses)))
    simulation = Simulation(scenario, rig, 3, sensors=["lidar"])
    frames = list(simulation.frames())
    assert frames[4].ego.pose[:2] == pytest.approx((lane[0] + 0.75, lane[1]))
    assert frames[4].ego.pose[3] == pytest.approx(0.05)
    assert frames[9].ego.speed_mps == 0.0 and frames[9].ego.pose[0] == pytest.approx(lane[0] + 1.47)
    middle = simulation.traffic.outlook(0.0, 2.5)  # who drives by the rules sees it there
    assert simulation.traffic.ego.pose[0] == pytest.approx(lane[0] + 1.47) and middle.braking_m == 5.0


def test_the_scenario_says_how_long_a_command_holds(rig: Rig):
    patient = replace(STREET, ego=replace(STREET.ego, deadman_s=3.0))
    speeds = []
    for scenario in (STREET, patient):
        simulation = Simulation(scenario, rig, 3, sensors=[])
        simulation.tick(EgoCommand(0.0, 0.0))
        for _ in range(15):
            simulation.skip()
        speeds.append(simulation.tick().ego.speed_mps)
    assert speeds[0] < speeds[1] - 1.0


def test_wheels_turn_also_while_nothing_is_measured(rig: Rig):
    simulation, other = (Simulation(STREET, rig, 3, sensors=["inertial"]) for _ in range(2))
    for _ in range(3):
        simulation.skip()
        other.tick()
    one, two = simulation.tick(), other.tick()
    assert [s.stamp_ns for s in one.inertial] == [s.stamp_ns for s in two.inertial]
    np.testing.assert_array_equal(one.inertial[-1].acceleration_mps2, two.inertial[-1].acceleration_mps2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate_hz": 15.0}, "rate_hz 15.0: wanted 10 Hz divided by a whole number"),
        ({"mount_xyz_m": None, "mount_rpy_rad": None}, "mount_xyz_m: the simulator wanted the place"),
        ({"model": {"type": "vlp16", "sweep_s": 0.2}}, "sweep_s 0.2: wanted at most 0.1"),
        ({"model": {"type": "vlp16", "span_deg": 0.0}}, "span_deg = 0.0: wanted 0.01 or more"),
        ({"model": {"type": ["vlp16"]}}, "type .*'vlp16'.*: wanted one of"),
        ({"model": {"elevation_deg": [[1.0], 2.0]}}, "elevation_deg: wanted a list of numbers"),
        ({"model": {"elevation_deg": []}}, "elevation_deg: wanted at least one beam"),
        ({"model": {"half_range_m": 10**400}}, "half_range_m: wanted a number, got 1000"),
        ({"frame": ""}, "frame: the simulator wanted the name of its frame"),
        ({"offset_s": 1e9}, "offset_s 1000000000.0: the simulator wanted at most 10 s"),
        ({"model": {"latency": 3}}, "unknown key 'latency'"),
        ({"model": {"error_xyz_m": [1.0]}}, "error_xyz_m: wanted 3 numbers"),
    ],
)
def test_impossible_rigs_are_named(rig: Rig, values: dict, message: str):
    with pytest.raises(ConfigurationError, match="rig vlp16: sensor lidar.*" + message):
        Simulation(STREET, _changed(rig, **values), 3)


def test_two_sensors_on_one_topic(rig: Rig):
    other = replace(rig.sensors[0], name="other")
    with pytest.raises(ConfigurationError, match=r"sensor other: topic '/.*': is that of sensor 'lidar' too"):
        Simulation(STREET, replace(rig, sensors=(*rig.sensors, other)), 3)


def test_a_fault_of_a_sensor_that_is_not_there(rig: Rig):
    with pytest.raises(ConfigurationError, match="fault of sensor 'top': wanted one of"):
        Simulation(replace(STREET, faults=(Fault("top", FaultKind.OFF),)), rig, 3)


@pytest.mark.parametrize("name", ["default", "hdl64", "pandar64", "vlp16", "solid_state"])
def test_lidars_of_every_rig_see_something(name: str):
    rig = load_rig(resource_path("config/rigs") / f"{name}.yaml")
    frame = Simulation(STREET, rig, 3, sensors=[rig.reference]).tick()
    cloud = frame.lidars[rig.reference].cloud
    assert len(cloud) > 5000 and cloud.frame_id == rig.sensor(rig.reference).frame


def test_training_frames_are_the_same_whatever_the_processes(rig: Rig):
    drives = Drives(frames=2, stride=1, street="narrow")
    alone, helped = (list(training_frames(rig, [1, 2, 3], drives=drives, workers=w)) for w in (0, 2))
    assert [(f.street, f.index) for f in alone] == [(s, k) for s in (1, 2, 3) for k in (0, 1)]
    for one, two in zip(alone, helped, strict=True):
        assert one.sweep.xyz_m.tobytes() == two.sweep.xyz_m.tobytes()
        assert one.boxes.center_m.tobytes() == two.boxes.center_m.tobytes()


def test_training_boxes_lie_around_their_points(rig: Rig):
    (frame,) = training_frames(rig, [5], drives=Drives(frames=1, street="straight", weather_share=0.0))
    base = frame.base_from_lidar.apply(frame.sweep.xyz_m.astype(np.float64))
    for k in np.flatnonzero(frame.boxes.num_points >= 20):
        own = base[frame.owner == frame.boxes.detection_id[k]]
        assert np.hypot(*(own.mean(axis=0) - frame.boxes.center_m[k])[:2]) < frame.boxes.lwh_m[k].max()


def test_random_drives_differ_by_seed():
    kinds = {random_drive(seed, Drives()).world.kind for seed in range(30)}
    assert len(kinds) >= 6


def test_training_needs_a_known_street():
    with pytest.raises(ConfigurationError, match="'lane': wanted one of"):
        Drives(street="lane")


def test_simulation_needs_no_ros():
    code = "import sys, perception_nodes.simulation.simulation; assert not [m for m in sys.modules if 'rclpy' in m]"
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


def test_streets_with_what_is_rare_differ_in_their_traffic_only():
    plain = [random_drive(seed, Drives()) for seed in range(40)]
    some = [random_drive(seed, Drives(rare_share=0.5)) for seed in range(40)]
    rare = [k for k, drive in enumerate(some) if drive != plain[k]]
    assert 10 < len(rare) < 30
    for k in rare:
        assert {"motorcycle", "bus", "truck"} < set(some[k].traffic.kinds)
        assert some[k].traffic.cyclists >= plain[k].traffic.cyclists + 4
        same = replace(some[k].traffic, kinds=plain[k].traffic.kinds, cyclists=plain[k].traffic.cyclists)
        assert replace(some[k], traffic=same) == plain[k]


def test_wooded_streets_differ_in_what_stands_beside_them_only():
    plain = [random_drive(seed, Drives()) for seed in range(60)]
    some = [random_drive(seed, Drives(wooded_share=0.3)) for seed in range(60)]
    woods = [k for k, drive in enumerate(some) if drive != plain[k]]
    assert 8 < len(woods) < 30
    for k in woods:
        options = dict(some[k].world.options)
        assert 0.5 <= options.pop("wooded") <= 1.0 and options.pop("setting") in ("open", "suburb")
        assert options == {n: v for n, v in plain[k].world.options.items() if n != "setting"}
        assert replace(some[k], world=plain[k].world) == plain[k]
