"""Several detectors with a field of view, noise and probability of their own; what none of them sees is not missed."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import ConfigurationError, EndReason, Orientation, Tracks, TrackState
from perception_nodes.geometry import Transform
from perception_nodes.tracking import Look, MultiObjectTracker, TrackerConfig
from perception_nodes.tracking.existence import look
from perception_nodes.tracking.store import TrackStore

HERE = Transform.identity()
SECOND_NS = 1_000_000_000
LIDAR = Look("lidar", 0.9, 70.0, period_s=0.15)
CAMERA = Look("camera", 0.5, 40.0, 60.0, (1.9, 0.0, 1.4), half_angle_rad=0.6, period_s=0.15)
LIDAR_STD_M, CAMERA_STD_M = 0.1, 0.6
AHEAD, BEHIND = (20.0, 1.0, 0.0), (-15.0, -4.0, 0.0)


def seen(looks, *centers_m, here=HERE, stamp_ns=0):
    """The tracks of cars at these places after a look."""
    tracks = TrackStore.empty(len(centers_m))
    tracks.rows["static_mean"] = centers_m
    tracks.rows["size_m"] = (4.5, 1.9, 1.6)
    look(tracks, looks, here, stamp_ns)
    return tracks


class Scene:
    """Cars that stand or drive, seen by detectors that come when they like."""

    def __init__(self, make_detections, **config):
        self.make, self.rng = make_detections, np.random.default_rng(3)
        self.tracker = MultiObjectTracker(TrackerConfig(**config))
        self.ended: dict[int, int] = {}
        self.last = Tracks.empty(0, "odom")

    def step(self, stamp_ns, boxes, looks, std_m=LIDAR_STD_M):
        noise = self.rng.normal(0, std_m, (len(boxes), 2))
        noisy = [(x + dx, y + dy, yaw) for (x, y, yaw), (dx, dy) in zip(boxes, noise, strict=True)]
        cov = np.full((len(boxes), 9, 9), np.nan)
        cov[:, :7, :7] = np.diag([std_m**2, std_m**2, 0.3, 3.0, 0.3, 0.1, 0.1])
        known = {"covariance": cov} if std_m == CAMERA_STD_M else {}
        if known:
            known["orientation"] = np.full(len(boxes), Orientation.UNAVAILABLE, np.uint8)
        found = self.make(stamp_ns, noisy, ["car"] * len(boxes), **known)
        self.last = self.tracker.step(found, HERE, looks)
        gone = self.last.state == TrackState.DELETED
        self.ended |= dict(zip(self.last.id[gone].tolist(), self.last.end_reason[gone].tolist(), strict=True))
        return self.last

    def lidar(self, stamp_ns, *boxes):
        return self.step(stamp_ns, boxes, [LIDAR])

    def camera(self, stamp_ns, *boxes):
        return self.step(stamp_ns, boxes, [CAMERA], CAMERA_STD_M)

    def id_at(self, x_m):
        live = self.last.select(self.last.state != TrackState.DELETED)
        near = np.flatnonzero(np.abs(live.center_m[:, 0] - x_m) < 2.0)
        assert len(near) == 1, f"{len(near)} tracks near x = {x_m}"
        return int(live.id[near[0]])


def times(first_s, last_s, rate_hz=10.0):
    """Stamps from the first one up to but without the last."""
    return [round((first_s + k / rate_hz) * SECOND_NS) for k in range(round((last_s - first_s) * rate_hz))]


def test_two_detectors_miss_independently_two_sensors_of_one_do_not():
    one, other = Look("a", 0.8, 1e6), Look("b", 0.5, 1e6)
    p = [seen(looks, (10.0, 0.0, 0.0)).detectable[0] for looks in ([one], [one, other], [other, one])]
    np.testing.assert_allclose(p, [0.8, 1 - 0.2 * 0.5, 1 - 0.2 * 0.5], atol=1e-4)
    same = [one, Look("a", 0.5, 1e6), other]
    assert seen(same, (10.0, 0.0, 0.0)).detectable[0] == pytest.approx(0.9, abs=1e-4)


def test_the_field_of_view_is_that_of_the_sensor_on_the_turned_vehicle():
    side = Look("side", 0.8, 1e6, 30.0, (1.0, 2.0, 1.5), np.pi / 2, 0.5)
    ego = Transform.from_xyz_rpy((100.0, 50.0, 0.0), (0.0, 0.0, np.pi / 2))
    # In the vehicle's frame: in the middle; beside the cone, which begins at the sensor; too far; behind.
    places = np.array([(1.0, 12.0, 0.0), (8.0, 8.0, 0.0), (1.0, 33.0, 0.0), (1.0, -12.0, 0.0)])
    tracks = seen([side], *np.asarray(ego.apply(places)), here=ego)
    assert (tracks.detectable > 0).tolist() == [True, False, False, False]
    assert (tracks.visibility > 0).tolist() == [True, False, False, False]
    assert tracks.detectable[0] == pytest.approx(0.8, abs=1e-4)


def test_a_step_in_which_nobody_looked_is_a_prediction(make_detections):
    scene = Scene(make_detections)
    for stamp in times(0.0, 1.0):
        scene.lidar(stamp, (8.0 + 10.0 * stamp * 1e-9, 3.0, 0.0))
    ahead = scene.tracker.predict(SECOND_NS)
    out = scene.step(SECOND_NS, (), ())
    np.testing.assert_array_equal(out.existence_probability, ahead.existence_probability)
    # A step also holds vehicles to their wheels, which `predict` does not.
    np.testing.assert_allclose(out.center_m, ahead.center_m, atol=1e-3)
    np.testing.assert_allclose(out.velocity_mps, ahead.velocity_mps, atol=1e-2)
    assert out.visibility.tolist() == [0.0]
    assert out.state.tolist() == [TrackState.COASTING]


def test_looks_that_are_not_given_are_those_of_the_parameters(make_detections):
    given, plain = Scene(make_detections), Scene(make_detections)
    for stamp in times(0.0, 3.0):
        boxes = [AHEAD, BEHIND] if stamp < 2 * SECOND_NS else [AHEAD]
        a, b = given.step(stamp, boxes, [Look("any", 0.9, 70.0)]), plain.step(stamp, boxes, None)
        for name in ("center_m", "covariance", "existence_probability", "state", "end_reason"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert plain.ended


@pytest.mark.parametrize("lidar_hz", [10.0, 2.0])
def test_camera_steps_in_between_take_nothing_from_what_is_behind(make_detections, lidar_hz):
    """A lidar all around and a camera in front, out of step; the car behind is in no picture."""
    scene = Scene(make_detections)
    events = [(t, scene.lidar, (AHEAD, BEHIND)) for t in times(0.0, 5.0, lidar_hz)]
    events += [(t, scene.camera, (AHEAD,)) for t in times(0.05, 5.05)]
    first = {}
    for stamp, step, boxes in sorted(events, key=lambda e: e[0]):
        step(stamp, *boxes)
        if stamp >= 2 * SECOND_NS:
            first = first or {x: scene.id_at(x) for x in (20.0, -15.0)}
            assert {x: scene.id_at(x) for x in (20.0, -15.0)} == first
    assert not scene.ended
    assert (scene.last.existence_probability > 0.5).all()


def drive(scene, lost_s, end_s):
    """A lidar (10 Hz) that is lost in between, a camera (10 Hz, 50 ms later) in front; the ids before and after."""
    before: dict[float, int] = {}
    for stamp in times(0.0, end_s):
        lost = lost_s[0] * SECOND_NS <= stamp < lost_s[1] * SECOND_NS
        if not lost:
            scene.lidar(stamp, AHEAD, BEHIND)
            before = before if stamp > SECOND_NS else {x: scene.id_at(x) for x in (20.0, -15.0)}
        scene.camera(stamp + 50_000_000, AHEAD)
    return before


def test_without_lidar_the_camera_keeps_what_it_sees_and_the_rest_coasts(make_detections):
    scene = Scene(make_detections)
    before = drive(scene, (2.0, 3.5), 3.5)
    states = {int(i): TrackState(int(s)) for i, s in zip(scene.last.id, scene.last.state, strict=True)}
    assert states == {before[20.0]: TrackState.CONFIRMED, before[-15.0]: TrackState.COASTING}
    for stamp in times(3.5, 5.0):
        scene.lidar(stamp, AHEAD, BEHIND)
    assert {x: scene.id_at(x) for x in before} == before
    assert not scene.ended


def test_what_no_sensor_sees_for_too_long_has_not_been_missed(make_detections):
    scene = Scene(make_detections)
    before = drive(scene, (4.0, 8.0), 8.0)
    assert scene.ended == {before[-15.0]: EndReason.OCCLUDED_TIMEOUT}
    assert scene.id_at(20.0) == before[20.0]


def test_what_is_gone_when_the_lidar_comes_back_is_missed_after_the_usual_time(make_detections):
    scene = Scene(make_detections)
    before = drive(scene, (2.0, 3.5), 3.5)
    for stamp in times(3.5, 5.0):
        scene.lidar(stamp, AHEAD)
        if scene.ended:
            break
    assert list(scene.ended) == [before[-15.0]]
    # Some misses in a row say enough of a car in plain sight; the first one does not.
    assert 3.6 < stamp / SECOND_NS <= 4.3
    assert scene.ended[before[-15.0]] in (EndReason.MISSED, EndReason.LOW_EXISTENCE)


def test_late_or_in_order_looks_count_for_their_own_stamp(make_detections):
    def run(order):
        scene = Scene(make_detections, late_window_s=0.5)
        rng = np.random.default_rng(7)
        steps = []
        for t in times(0.0, 2.0):
            jitter = rng.normal(0, 0.1)
            steps.append((t, t, [(20.0 + jitter, 1.0, 0.0), BEHIND], [LIDAR]))
            steps.append((t + 50_000_000, t + 200_000_000, [(20.0 - jitter, 1.0, 0.0)], [CAMERA]))
        for stamp, _, boxes, looks in sorted(steps, key=order)[:-1]:
            scene.step(stamp, boxes, looks, std_m=0.0)
        return scene.last

    late, ordered = run(lambda s: (s[1], s[0])), run(lambda s: s[0])
    assert late.stamp_ns == ordered.stamp_ns
    for name in ("center_m", "existence_probability", "visibility", "covariance"):
        a, b = (getattr(t, name)[np.argsort(t.center_m[:, 0])] for t in (late, ordered))
        np.testing.assert_allclose(a, b, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    "known",
    [
        {"detection_probability": 1.0},
        {"detection_probability": np.nan},
        {"half_angle_rad": 4.0},
        {"period_s": 0.0},
        {"sensor_m": (0.0, np.nan, 0.0)},
    ],
)
def test_an_impossible_look_is_refused(known):
    with pytest.raises(ConfigurationError, match=next(iter(known))):
        Look("any", **known)
