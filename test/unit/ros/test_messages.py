"""Our messages there and back, the words of the enums, and the fields that travel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from perception_nodes import msg
from perception_nodes.datatypes import (
    Detections2D,
    Detections3D,
    DropReason,
    ElementType,
    EndReason,
    FrameInfo,
    FrameSet,
    LatencyTrace,
    MalformedMessage,
    MapElement,
    MapElements,
    Modality,
    Mode,
    Qualifier,
    SensorReason,
    SensorStatus,
    SourceMeasurement,
    Tracks,
    TrackState,
    Trigger,
    one_hot_type,
)
from perception_nodes.ros.convert import from_msg, to_msg
from perception_nodes.ros.convert.statuses import sensor_statuses

TRACE = LatencyTrace("monotonic", "here", 3, 4, ("lidar_detector",), (10,), (20,))
STATUS = SensorStatus(
    "top", Modality.LIDAR, Qualifier.AVAILABLE, SensorReason.NORMAL, 7, 0.5, 10.0, 10.0, 3, 2, 1, 0.25
)
INFO = FrameInfo(1, 2, Mode.DEGRADED, TRACE, degraded_mask=1, sensors=(STATUS,), coverage_fraction=0.5)


@pytest.mark.parametrize(
    ("words", "message", "prefix"),
    [
        (Mode, msg.FrameInfo, "MODE_"),
        (Mode, msg.PerceptionHealth, "MODE_"),
        (Mode, msg.PerceptionState, "MODE_"),
        (Modality, msg.SensorStatus, "MODALITY_"),
        (Qualifier, msg.SensorStatus, "QUALIFIER_"),
        (SensorReason, msg.SensorStatus, "REASON_"),
        (DropReason, msg.DropEvent, "REASON_"),
        (Trigger, msg.FrameSet, "TRIGGER_"),
        (TrackState, msg.TrackedObject, "STATE_"),
        (EndReason, msg.TrackedObject, "END_"),
        (ElementType, msg.MapElement, "TYPE_"),
    ],
)
def test_words_have_the_numbers_of_the_messages(words: type, message: type, prefix: str) -> None:
    constants = {n[len(prefix) :]: getattr(message, n) for n in dir(message) if n.startswith(prefix)}
    assert constants == {w.name: int(w) for w in words}  # type: ignore[attr-defined]


def detections() -> Detections3D:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3, 9, 9))
    covariance = a @ a.transpose(0, 2, 1)
    covariance[1] = np.nan
    covariance[2, 7:], covariance[2, :, 7:] = np.nan, np.nan
    return Detections3D.of(
        5, "base_link", "top", rng.normal(size=(3, 3)), rng.uniform(1, 4, (3, 3)), rng.normal(size=3),
        covariance=covariance, score=np.array([0.1, 0.2, np.nan]), num_points=np.array([1, 2, 3], np.int32),
    )  # fmt: skip


def test_detections_3d_there_and_back() -> None:
    value = detections()
    back = from_msg.detections_3d(to_msg.detections_3d(value, INFO))
    for name in (
        "center_m",
        "lwh_m",
        "yaw_rad",
        "covariance",
        "score",
        "velocity_mps",
        "class_probabilities",
        "visibility",
    ):
        np.testing.assert_allclose(getattr(back, name), getattr(value, name), rtol=1e-6, err_msg=name)
    for name in ("label", "num_points", "detection_id", "orientation", "source_mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(value, name), err_msg=name)
    assert (back.stamp_ns, back.frame_id, back.source) == (5, "base_link", "top")


def test_planar_covariance_is_read() -> None:
    made = msg.Detection3DArray(detections=[msg.Detection3D(covariance=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])])
    covariance = from_msg.detections_3d(made).covariance[0]
    np.testing.assert_allclose(covariance[np.ix_([0, 1, 3], [0, 1, 3])], [[1, 2, 3], [2, 4, 5], [3, 5, 6]])
    assert np.isnan(covariance[2, 2])


def test_impossible_lengths_are_named() -> None:
    with pytest.raises(MalformedMessage, match="covariance of 7 values: wanted 45, 6 or 0"):
        from_msg.detections_3d(msg.Detection3DArray(detections=[msg.Detection3D(covariance=[0.0] * 7)]))
    with pytest.raises(MalformedMessage, match="2 class probabilities: wanted 11"):
        from_msg.detections_3d(
            msg.Detection3DArray(detections=[msg.Detection3D(class_probabilities=[0.5, 0.5])])
        )


def test_detections_2d_there_and_back() -> None:
    value = Detections2D(
        9, "optical", "front", 640, 480, np.array([[1.0, 2, 3, 4]]), np.array([0], np.uint8), np.eye(11)[:1],
        np.array([0.5]), np.array([np.nan]), np.array([np.nan]), np.array([4], np.uint64),
    )  # fmt: skip
    back = from_msg.detections_2d(to_msg.detections_2d(value, INFO))
    np.testing.assert_allclose(back.box_px, value.box_px)
    assert (back.width_px, back.source, back.detection_id.tolist(), back.score.tolist()) == (
        640,
        "front",
        [4],
        [0.5],
    )
    assert math.isnan(back.depth_m[0])


def test_frame_set_and_trace_there_and_back() -> None:
    value = FrameSet(3, 7, ("top", "front"), (7, 0), (0.0, float("nan")), False, Trigger.TIMEOUT)
    made = to_msg.frame_set(value, "top", INFO)
    back = from_msg.frame_set(made)
    assert (back.sensors, back.stamp_ns, back.complete, back.trigger, back.reference_ns) == (
        value.sensors, value.stamp_ns, False, Trigger.TIMEOUT, 7,
    )  # fmt: skip
    assert from_msg.latency(made.info.latency) == TRACE
    assert sensor_statuses(made.info.sensors) == (STATUS,)


def test_tracks_carry_their_provenance() -> None:
    arrays = {
        n: np.zeros((1, *getattr(Tracks.empty(0, "odom"), n).shape[1:])) for n in ("center_m", "covariance")
    }
    empty = Tracks.empty(5, "odom")
    one = {f: np.zeros((1, *getattr(empty, f).shape[1:]), getattr(empty, f).dtype) for f in empty.__dataclass_fields__
           if isinstance(getattr(empty, f), np.ndarray)}  # fmt: skip
    one |= arrays
    one["covariance"] = np.arange(64, dtype=float).reshape(1, 8, 8)
    measured = ((SourceMeasurement("top", 3, 5, 0.5, 1.5), SourceMeasurement("radar", 4, 5, 0.5, 1.5)),)
    made = to_msg.tracks(Tracks(5, "odom", **one, measurements=measured), INFO).objects[0]
    assert [m.sensor_index for m in made.measurements] == [0, 255]
    assert made.covariance[:9].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9]


def test_map_elements_carry_points_and_rectangle() -> None:
    line = MapElement(
        4, ElementType.LANE_DIVIDER, np.array([[0.0, 1, 2], [3, 4, 5]]), np.array([0.1, 0.2]), np.ones(2),
        one_hot_type(ElementType.LANE_DIVIDER), subtype="dashed",
    )  # fmt: skip
    made = to_msg.map_elements(MapElements(5, "odom", (line,), np.arange(8.0).reshape(4, 2)), INFO)
    assert made.elements[0].points.tolist() == [0, 1, 2, 3, 4, 5]
    assert (made.elements[0].subtype, made.elements[0].type) == ("dashed", msg.MapElement.TYPE_LANE_DIVIDER)
    assert made.valid_rectangle.tolist() == list(range(8))
    assert len(to_msg.map_elements(MapElements(5, "odom"), INFO).valid_rectangle) == 0
