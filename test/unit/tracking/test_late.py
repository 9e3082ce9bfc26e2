"""Measurements that come late: two sensors of which one lags, and what must not depend on the order of arrival."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.datatypes import OutOfOrder, TrackState
from perception_nodes.geometry import Transform
from perception_nodes.tracking import MultiObjectTracker, TrackerConfig

HERE = Transform.identity()
STEP_NS = 100_000_000
OFFSET_NS = 150_000_000


def drawn(make_detections, count=40):
    """(arrival, detections): a lidar at once and a second sensor 150 ms late, 50 ms out of step; two cars."""
    rng = np.random.default_rng(5)
    out = []
    for k in range(count):
        for stamp, arrival, std in (
            (k * STEP_NS, k * STEP_NS, 0.1),
            (k * STEP_NS + 50_000_000, k * STEP_NS + 200_000_000, 0.3),
        ):
            t = stamp * 1e-9
            boxes = [(10 * t + rng.normal(0, std), 6.0, 0.0), (30 - 8 * t, -6.0 + rng.normal(0, std), 0.0)]
            out.append((arrival, make_detections(stamp, boxes, ["car", "car"])))
    return out


def run(frames, window_s=0.5):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=window_s))
    return [tracker.step(d, HERE) for d in frames], tracker


def test_two_sensors_of_which_one_lags_make_one_track_each(make_detections):
    frames = [d for _, d in sorted(drawn(make_detections), key=lambda f: f[0])]
    outputs, _ = run(frames)
    live = [t.select((t.state == TrackState.CONFIRMED) | (t.state == TrackState.COASTING)) for t in outputs]
    assert len({i for t in live for i in t.id.tolist()}) == 2
    last = live[-1]
    true = np.array([[10 * last.stamp_ns * 1e-9, 6.0], [30 - 8 * last.stamp_ns * 1e-9, -6.0]])
    order = np.argsort(-last.center_m[:, 1])
    assert np.linalg.norm(last.center_m[order, :2] - true, axis=1).max() < 0.3


def test_late_or_in_order_the_tracks_are_the_same(make_detections):
    frames = drawn(make_detections)
    late, _ = run([d for _, d in sorted(frames, key=lambda f: f[0])][:-1])
    ordered, _ = run(sorted((d for _, d in frames), key=lambda d: d.stamp_ns)[:-1])
    a, b = late[-1], ordered[-1]
    assert a.stamp_ns == b.stamp_ns
    for name in ("center_m", "velocity_mps", "covariance", "existence_probability", "lwh_m"):
        first, second = (getattr(t, name)[np.argsort(t.center_m[:, 1])] for t in (a, b))
        np.testing.assert_allclose(first, second, atol=1e-9, err_msg=name)


def test_a_late_measurement_gives_the_tracks_at_the_last_stamp(make_detections):
    frames = [make_detections(k * STEP_NS, [(float(k), 6.0, 0.0)], ["car"]) for k in range(10)]
    tracker = run(frames)[1]
    out = tracker.step(make_detections(8 * STEP_NS + 50_000_000, [(8.5, 6.0, 0.0)], ["car"]), HERE)
    assert out.stamp_ns == tracker.stamp_ns == 9 * STEP_NS
    assert out.id.tolist() == [1]
    assert out.center_m[0, 0] == pytest.approx(9.0, abs=0.3)


@pytest.mark.parametrize("stamp_ns", [50_000_000, 2_000_000_000])
def test_what_is_too_late_or_a_repeat_is_refused(make_detections, stamp_ns):
    frames = [make_detections(k * STEP_NS, [(10.0, 0.0, 0.0)], ["car"]) for k in range(21)]
    tracker = run(frames)[1]
    with pytest.raises(OutOfOrder):
        tracker.step(make_detections(stamp_ns, [(10.0, 0.0, 0.0)], ["car"]), HERE)


def test_without_a_window_late_ones_are_refused(make_detections):
    frames = [make_detections(k * STEP_NS, [(10.0, 0.0, 0.0)], ["car"]) for k in range(5)]
    tracker = run(frames, window_s=0.0)[1]
    with pytest.raises(OutOfOrder):
        tracker.step(make_detections(350_000_000, [(10.0, 0.0, 0.0)], ["car"]), HERE)


def test_an_ended_id_does_not_come_back(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=0.5))
    for k in range(40):
        boxes = [(10.0, 0.0, 0.0)] if k < 10 else []
        out = tracker.step(make_detections(k * STEP_NS, boxes, ["car"] * len(boxes)), HERE)
        if (out.state == TrackState.DELETED).any():
            break
    assert out.id.tolist() == [1]
    again = tracker.step(make_detections(k * STEP_NS - 50_000_000, [(10.0, 0.0, 0.0)], ["car"]), HERE)
    assert 1 not in again.id


def test_a_track_that_a_late_measurement_ends_is_said_once(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=0.5))
    ended = []
    for k in range(40):
        boxes = [(10.0, 0.0, 0.0)] if k < 10 else []
        stamps = [k * STEP_NS] + ([k * STEP_NS - OFFSET_NS] if k > 1 else [])
        for stamp in stamps:
            seen = boxes if stamp == k * STEP_NS else []
            out = tracker.step(make_detections(stamp, seen, ["car"] * len(seen)), HERE)
            ended += out.id[out.state == TrackState.DELETED].tolist()
    assert len(ended) == len(set(ended)) >= 1
    assert len(tracker) == 0


def test_a_track_keeps_its_id_when_its_birth_is_done_again(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=0.5))
    for k in range(5):
        boxes = [(10.0, 0.0, 0.0)] if k == 4 else []
        tracker.step(make_detections(k * STEP_NS, boxes, ["car"] * len(boxes)), HERE)
    out = tracker.step(make_detections(350_000_000, [(30.0, 8.0, 0.0)], ["car"]), HERE)
    assert out.id[out.center_m[:, 0] < 20].tolist() == [1]
    assert out.id[out.center_m[:, 0] > 20].tolist() == [2]


def test_the_memory_of_the_past_stays_small(make_detections):
    tracker = MultiObjectTracker(TrackerConfig(late_window_s=0.3))
    for k in range(300):
        tracker.step(make_detections(k * STEP_NS, [(float(k), 0.0, 0.0)], ["car"]), HERE)
    history = tracker._history
    assert len(history._moments) <= 5 and len(history._births) <= 5
