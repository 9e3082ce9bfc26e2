"""The transform tree, against matrices and scipy."""

from typing import Any

import numpy as np
import pytest
import tf2_py
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.time import Time
from scipy.spatial.transform import Rotation, Slerp

SQRT_HALF = 2.0**-0.5
LATEST = Time()


def matrix_of(message: Any) -> NDArray[np.float64]:
    """(4, 4) of a TransformStamped."""
    t, q = message.transform.translation, message.transform.rotation
    result = np.eye(4)
    result[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    result[:3, 3] = t.x, t.y, t.z
    return result


def at(seconds: float) -> Time:
    return Time(nanoseconds=round(seconds * 1e9))


@pytest.fixture
def core() -> tf2_py.BufferCore:
    return tf2_py.BufferCore()


@pytest.fixture
def tree(core: tf2_py.BufferCore, make_transform: Any) -> dict[str, NDArray[np.float64]]:
    """map <- odom <- base <- lidar and base <- camera, random, at 1 s; gives map_from_<frame>."""
    rng = np.random.default_rng(3)
    parents = {"odom": "map", "base": "odom", "lidar": "base", "camera": "base"}
    map_from = {"map": np.eye(4)}
    for child, parent in parents.items():
        message = make_transform(parent, child, 1.0, rng.normal(size=3), Rotation.random(rng=rng).as_quat())
        core.set_transform(message, "test")
        map_from[child] = map_from[parent] @ matrix_of(message)
    return map_from


@pytest.mark.parametrize("target", ["map", "odom", "base", "lidar", "camera"])
@pytest.mark.parametrize("source", ["map", "odom", "base", "lidar", "camera"])
def test_any_frame_from_any_other(
    core: tf2_py.BufferCore, tree: dict[str, NDArray[np.float64]], target: str, source: str
) -> None:
    found = core.lookup_transform_core(target, source, at(1.0))
    assert (found.header.frame_id, found.child_frame_id) == (target, source)
    assert found.header.stamp == at(1.0).to_msg()
    np.testing.assert_allclose(matrix_of(found), np.linalg.inv(tree[target]) @ tree[source], atol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_between_samples_it_moves_linearly_and_turns_the_short_way(
    core: tf2_py.BufferCore, make_transform: Any, sign: float
) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        ends = Rotation.random(2, rng=rng)
        first, last = rng.normal(size=(2, 3))
        core.clear()
        core.set_transform(make_transform("a", "b", 10.0, first, ends[0].as_quat()), "test")
        core.set_transform(make_transform("a", "b", 11.0, last, sign * ends[1].as_quat()), "test")
        found = matrix_of(core.lookup_transform_core("a", "b", at(10.3)))
        np.testing.assert_allclose(found[:3, 3], 0.7 * first + 0.3 * last, atol=1e-12)
        np.testing.assert_allclose(found[:3, :3], Slerp([0, 1], ends)(0.3).as_matrix(), atol=1e-12)


def test_a_link_that_is_not_needed_may_be_unknown(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("map", "odom", 1.0), "test")
    for child in ("base", "other"):
        core.set_transform(make_transform("odom", child, 1.0, (1, 0, 0)), "test")
        core.set_transform(make_transform("odom", child, 2.0, (3, 0, 0)), "test")
    core.set_transform(make_transform("other", "tip", 1.0), "test")
    core.set_transform(make_transform("other", "tip", 2.0), "test")
    assert core.lookup_transform_core("odom", "base", at(1.5)).transform.translation.x == 2.0
    assert core.lookup_transform_core("base", "tip", at(1.5)).transform.translation.x == 0.0


def test_time_zero_is_the_latest_that_all_links_know(core: tf2_py.BufferCore, make_transform: Any) -> None:
    for seconds in (1.0, 2.0, 3.0):
        core.set_transform(make_transform("a", "b", seconds, (seconds, 0, 0)), "test")
    core.set_transform(make_transform("b", "c", 1.0), "test")
    core.set_transform(make_transform("b", "c", 2.5), "test")
    core.set_transform_static(make_transform("c", "d", 99.0), "test")
    found = core.lookup_transform_core("a", "d", LATEST)
    assert found.header.stamp == at(2.5).to_msg()
    assert found.transform.translation.x == 2.5
    assert core.get_latest_common_time("a", "d") == at(2.5)
    assert core.get_latest_common_time("c", "d") == at(0.0)
    core.set_transform(make_transform("a", "e", 2.0), "test")
    assert core.get_latest_common_time("d", "e") == core.get_latest_common_time("e", "d") == at(2.0)


def test_static_frames_hold_at_any_time_and_survive_clear(
    core: tf2_py.BufferCore, make_transform: Any
) -> None:
    core.set_transform_static(make_transform("base", "lidar", 5.0, (1, 2, 3)), "test")
    core.set_transform(make_transform("odom", "base", 5.0), "test")
    core.clear()
    assert core.lookup_transform_core("base", "lidar", at(0.001)).transform.translation.y == 2.0
    assert core.lookup_transform_core("base", "lidar", LATEST).header.stamp == at(0.0).to_msg()
    assert core.can_transform_core("odom", "base", at(5.0))[0] == 0
    core.set_transform_static(make_transform("base", "lidar", 4.0, (9, 2, 3)), "test")
    assert core.lookup_transform_core("base", "lidar", at(7.0)).transform.translation.x == 9.0


def test_extrapolation_says_what_it_lacks(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b", 1.0), "test")
    with pytest.raises(tf2_py.ExtrapolationException, match=r"at time 1\.5.*but only time 1\.0"):
        core.lookup_transform_core("a", "b", at(1.5))
    core.set_transform(make_transform("a", "b", 2.0), "test")
    with pytest.raises(
        tf2_py.ExtrapolationException,
        match=r"into the future\.  Requested time 2\.5\d* but the latest data is at time 2\.0\d*, when looking up "
        r"transform from frame \[b\] to frame \[a\]",
    ):
        core.lookup_transform_core("a", "b", at(2.5))
    with pytest.raises(
        tf2_py.ExtrapolationException, match=r"into the past\..* earliest data is at time 1\.0"
    ):
        core.lookup_transform_core("b", "a", at(0.5))


def test_errors_name_the_frames(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b"), "test")
    core.set_transform(make_transform("c", "d"), "test")
    with pytest.raises(tf2_py.LookupException, match='"x" passed to lookupTransform argument source_frame'):
        core.lookup_transform_core("a", "x", LATEST)
    with pytest.raises(tf2_py.ConnectivityException, match="'a' and 'd' because they are not part"):
        core.lookup_transform_core("a", "d", at(1.0))
    for name in ("", "/a"):
        with pytest.raises(tf2_py.InvalidArgumentException, match="target_frame"):
            core.lookup_transform_core(name, "b", LATEST)
    possible, reason = core.can_transform_core("a", "d", at(1.0))
    assert not possible
    assert "not part of the same tree" in reason


def test_a_loop_is_an_error(core: tf2_py.BufferCore, make_transform: Any) -> None:
    for parent, child in (("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")):
        core.set_transform(make_transform(parent, child), "test")
    for source, target in (("a", "x"), ("x", "a")):
        with pytest.raises(tf2_py.LookupException, match="loop"):
            core.lookup_transform_core(target, source, at(1.0))
        with pytest.raises(tf2_py.LookupException, match="loop"):
            core.lookup_transform_core(target, source, LATEST)


def test_a_frame_may_change_its_parent(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "c", 1.0, (1, 0, 0)), "test")
    core.set_transform(make_transform("b", "c", 2.0, (2, 0, 0)), "test")
    core.set_transform_static(make_transform("a", "b", 0.0, (10, 0, 0)), "test")
    assert core.lookup_transform_core("a", "c", at(1.5)).transform.translation.x == 1.0
    assert core.lookup_transform_core("a", "c", at(2.0)).transform.translation.x == 12.0


def test_stamps_may_arrive_in_any_order(core: tf2_py.BufferCore, make_transform: Any) -> None:
    for seconds in (3.0, 1.0, 2.0, 4.0, 2.0):
        core.set_transform(make_transform("a", "b", seconds, (seconds, 0, 0)), "test")
    for seconds in (1.0, 1.25, 2.0, 2.5, 3.75, 4.0):
        found = core.lookup_transform_core("a", "b", at(seconds)).transform.translation.x
        assert found == pytest.approx(seconds)


def test_of_equal_stamps_the_last_to_arrive_counts(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b", 1.0, (1, 0, 0)), "test")
    core.set_transform(make_transform("a", "b", 1.0, (2, 0, 0)), "test")
    assert core.lookup_transform_core("a", "b", LATEST).transform.translation.x == 2.0


def test_the_window_forgets(make_transform: Any) -> None:
    core = tf2_py.BufferCore(Duration(seconds=2))
    for seconds in (1.0, 2.0, 3.5, 5.0):
        core.set_transform(make_transform("a", "b", seconds, (seconds, 0, 0)), "test")
    core.set_transform(make_transform("a", "b", 2.5), "too late")
    core.set_transform(make_transform("a", "b", 5.0, (5, 0, 0)), "again")
    assert core.lookup_transform_core("a", "b", at(3.5)).transform.translation.x == 3.5
    assert not core.can_transform_core("a", "b", at(2.5))[0]


@pytest.mark.parametrize(
    ("parent", "child", "xyz", "xyzw"),
    [
        ("a", "a", (0, 0, 0), (0, 0, 0, 1)),
        ("", "b", (0, 0, 0), (0, 0, 0, 1)),
        ("a", "", (0, 0, 0), (0, 0, 0, 1)),
        ("a", "b", (np.nan, 0, 0), (0, 0, 0, 1)),
        ("a", "b", (0, 0, 0), (0, np.nan, 0, 1)),
        ("a", "b", (0, 0, 0), (0, 0, 0, 0)),
    ],
)
def test_bad_transforms_are_ignored(
    core: tf2_py.BufferCore, make_transform: Any, parent: str, child: str, xyz: Any, xyzw: Any
) -> None:
    core.set_transform(make_transform(parent, child, 1.0, xyz, xyzw), "test")
    core.set_transform_static(make_transform(parent, child, 1.0, xyz, xyzw), "test")
    assert not core.can_transform_core("a", "b", LATEST)[0]
    core.set_transform(make_transform("a", "b"), "test")
    assert core.can_transform_core("a", "b", LATEST)[0]


@pytest.mark.usefixtures("drop_ins_only")
def test_infinite_values_are_ignored(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b", 1.0, (np.inf, 0, 0)), "test")
    assert not core.can_transform_core("a", "b", LATEST)[0]


@pytest.mark.parametrize("length", [0.707, 0.01, 20.0])
def test_quaternions_are_normalised(core: tf2_py.BufferCore, make_transform: Any, length: float) -> None:
    core.set_transform(make_transform("a", "b", 1.0, (1, 0, 0), (0, 0, length, length)), "test")
    found = core.lookup_transform_core("a", "b", LATEST).transform.rotation
    assert (found.z, found.w) == pytest.approx((SQRT_HALF, SQRT_HALF), abs=1e-15)


def test_a_leading_slash_is_dropped_from_what_is_set(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("/a", "/b"), "test")
    assert core.can_transform_core("a", "b", LATEST)[0]


def test_the_same_frame_is_the_identity_at_any_time(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b", 1.0, (1, 0, 0)), "test")
    found = core.lookup_transform_core("b", "b", at(77.0))
    np.testing.assert_array_equal(matrix_of(found), np.eye(4))
    assert found.header.stamp == at(77.0).to_msg()


def test_full_lookup_goes_from_one_time_to_another(core: tf2_py.BufferCore, make_transform: Any) -> None:
    poses = []
    for seconds, yaw in ((1.0, 0.2), (2.0, 0.9)):
        q = Rotation.from_euler("z", yaw).as_quat()
        message = make_transform("odom", "base", seconds, (10 * seconds, seconds, 0), q)
        poses.append(matrix_of(message))
        core.set_transform(message, "test")
    found = core.lookup_transform_full_core("base", at(2.0), "base", at(1.0), "odom")
    np.testing.assert_allclose(matrix_of(found), np.linalg.inv(poses[1]) @ poses[0], atol=1e-12)
    assert found.header.stamp == at(2.0).to_msg()
    possible, _ = core.can_transform_full_core("base", at(2.0), "base", at(0.5), "odom")
    assert not possible
    with pytest.raises(tf2_py.LookupException, match="fixed_frame"):
        core.lookup_transform_full_core("base", at(2.0), "base", at(1.0), "nowhere")


@pytest.mark.usefixtures("drop_ins_only")
def test_velocity_of_a_point_on_a_turning_body(core: tf2_py.BufferCore, make_transform: Any) -> None:
    rate, speed = 0.5, 3.0
    for seconds in np.arange(1.0, 3.001, 0.01):
        q = Rotation.from_euler("z", rate * seconds).as_quat()
        core.set_transform(make_transform("odom", "base", seconds, (speed * seconds, 0, 0), q), "test")
    interval = Duration(nanoseconds=20_000_000)
    linear, angular = core.lookupVelocityCore("base", "odom", at(2.0), interval)
    np.testing.assert_allclose(linear, (speed, 0, 0), atol=1e-9)
    np.testing.assert_allclose(angular, (0, 0, rate), atol=1e-9)
    # A point 2 m ahead of the origin moves sideways too; expressed in the body: forward speed turned back by yaw.
    linear, angular = core.lookupVelocityFullCore(
        "base", "odom", "base", (2.0, 0.0, 0.0), "base", at(2.0), interval
    )
    expected = Rotation.from_euler("z", -rate * 2.0).apply((speed, 0, 0))
    expected[1] += 2.0 * rate
    np.testing.assert_allclose(linear, expected, atol=1e-6)
    np.testing.assert_allclose(angular, (0, 0, rate), atol=1e-9)


@pytest.mark.usefixtures("drop_ins_only")
def test_velocity_needs_time_to_average_over(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform_static(make_transform("odom", "base"), "test")
    with pytest.raises(tf2_py.InvalidArgumentException, match="no time to average"):
        core.lookupVelocityCore("base", "odom", at(0.0), Duration(seconds=1))


def test_times_may_be_messages(core: tf2_py.BufferCore, make_transform: Any) -> None:
    core.set_transform(make_transform("a", "b", 1.0, (4, 0, 0)), "test")
    assert core.lookup_transform_core("a", "b", at(1.0).to_msg()).transform.translation.x == 4.0
    with pytest.raises(TypeError, match="time must have sec and nanosec"):
        core.lookup_transform_core("a", "b", 1.0)


def test_the_tree_as_text(core: tf2_py.BufferCore, make_transform: Any) -> None:
    import yaml

    for seconds in (1.0, 1.5, 2.0):
        core.set_transform(make_transform("odom", "base", seconds), "wheels")
    core.set_transform_static(make_transform("base", "lidar"), "rig")
    frames = yaml.safe_load(core.all_frames_as_yaml())
    assert frames["base"]["parent"] == "odom"
    assert frames["base"]["broadcaster"] == "wheels"
    assert frames["base"]["rate"] == pytest.approx(3.0)
    assert frames["base"]["buffer_length"] == pytest.approx(1.0)
    assert float(frames["base"]["most_recent_transform"]) == 2.0
    assert set(frames) == {"base", "lidar"}
    assert "Frame lidar exists with parent base." in core.all_frames_as_string()
    assert '"odom" -> "base"' in core._allFramesAsDot()
    assert core._frameExists("odom")
    assert not core._frameExists("moon")
    assert set(core._getFrameStrings()) >= {"odom", "base", "lidar"}
