"""Values to messages. Every float is a Python float or goes in as an array: a wrong type would be sent as garbage."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from perception_nodes import msg
from perception_nodes.datatypes import (
    LABELS,
    Detections2D,
    Detections3D,
    Drop,
    FrameInfo,
    FrameSet,
    LatencyTrace,
    MapElement,
    MapElements,
    SensorStatus,
    SourceMeasurement,
    Tracks,
)

_UPPER_9 = np.triu_indices(9)
_UPPER_8 = np.triu_indices(8)
_NOT_LISTED = 255


def header(stamp_ns: int, frame_id: str) -> Header:
    """std_msgs/Header."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def to_bytes(message: Any) -> bytes:
    """CDR bytes, as they travel and as bags hold them."""
    return bytes(serialize_message(message))


def floats(values: npt.NDArray[Any] | list[float]) -> array[float]:
    """A float32[] field."""
    out = array("f")
    out.frombytes(np.ascontiguousarray(values, np.float32).tobytes())
    return out


def pipeline_health(session_id: int, sensors: tuple[SensorStatus, ...]) -> msg.PerceptionHealth:
    """PerceptionHealth of a run without nodes: the counts of its inputs, nothing else is known."""
    nan = float("nan")
    return msg.PerceptionHealth(
        node="/pipeline",
        session_id=session_id,
        mode=msg.PerceptionHealth.MODE_NOMINAL,
        output_rate_hz=nan,
        expected_rate_hz=nan,
        latency_p50_ms=nan,
        latency_p95_ms=nan,
        latency_max_ms=nan,
        cpu_percent=nan,
        rss_mb=nan,
        received=sum(s.received for s in sensors),
        used=sum(s.used for s in sensors),
        dropped=sum(s.dropped for s in sensors),
        sensors=[sensor_status(s) for s in sensors],
    )


def latency(value: LatencyTrace) -> msg.LatencyTrace:
    """LatencyTrace."""
    return msg.LatencyTrace(
        clock=value.clock,
        host=value.host,
        sensor_time_oldest_ns=value.sensor_time_oldest_ns,
        sensor_time_newest_ns=value.sensor_time_newest_ns,
        stage=list(value.stage),
        start_ns=list(value.start_ns),
        end_ns=list(value.end_ns),
    )


def sensor_status(value: SensorStatus) -> msg.SensorStatus:
    """SensorStatus."""
    return msg.SensorStatus(
        name=value.name,
        modality=int(value.modality),
        qualifier=int(value.qualifier),
        reason=int(value.reason),
        measurement_time_ns=value.measurement_time_ns,
        age_s=float(value.age_s),
        rate_hz=float(value.rate_hz),
        expected_rate_hz=float(value.expected_rate_hz),
        received=value.received,
        used=value.used,
        dropped=value.dropped,
        estimated_offset_s=float(value.estimated_offset_s),
    )


def frame_info(value: FrameInfo) -> msg.FrameInfo:
    """FrameInfo."""
    return msg.FrameInfo(
        session_id=value.session_id,
        sequence=value.sequence,
        mode=int(value.mode),
        degraded_mask=value.degraded_mask,
        valid=value.valid,
        invalid_reason=value.invalid_reason,
        model_id=value.model_id,
        model_hash=value.model_hash,
        config_hash=value.config_hash,
        calibration_id=value.calibration_id,
        coverage_fraction=float(value.coverage_fraction),
        sensors=[sensor_status(s) for s in value.sensors],
        latency=latency(value.latency),
    )


def frame_set(value: FrameSet, frame_id: str, info: FrameInfo) -> msg.FrameSet:
    """FrameSet; `frame_id` is the reference sensor's."""
    return msg.FrameSet(
        header=header(value.reference_ns, frame_id),
        info=frame_info(info),
        sequence=value.sequence,
        complete=value.complete,
        sensors=list(value.sensors),
        stamp_ns=list(value.stamp_ns),
        residual_s=[float(v) for v in value.residual_s],
        trigger=int(value.trigger),
    )


def drop_event(value: Drop, node: str, total: int) -> msg.DropEvent:
    """DropEvent."""
    return msg.DropEvent(
        header=header(max(0, value.stamp_ns), value.frame_id),
        node=node,
        topic=value.topic,
        reason=int(value.reason),
        age_s=float(value.age_s),
        limit_s=float(value.limit_s),
        total=total,
        detail=value.detail,
    )


def detections_3d(value: Detections3D, info: FrameInfo) -> msg.Detection3DArray:
    """Detection3DArray."""
    out = msg.Detection3DArray(
        header=header(value.stamp_ns, value.frame_id), info=frame_info(info), source=value.source
    )
    known: Any = np.isfinite(np.diagonal(value.covariance, axis1=1, axis2=2)).any(axis=1)
    packed = value.covariance[:, _UPPER_9[0], _UPPER_9[1]]
    out.detections = [
        _detection_3d(value, i, packed[i] if known[i] else packed[i, :0]) for i in range(len(value))
    ]
    return out


def _detection_3d(value: Detections3D, i: int, covariance: npt.NDArray[np.float64]) -> msg.Detection3D:
    x, y, z = value.center_m[i].tolist()
    length, width, height = value.lwh_m[i].tolist()
    vx, vy = value.velocity_mps[i].tolist()
    return msg.Detection3D(
        detection_id=int(value.detection_id[i]),
        label=LABELS[value.label[i]],
        score=float(value.score[i]),
        existence_probability=float(value.existence_probability[i]),
        class_probabilities=floats(value.class_probabilities[i]),
        x=x,
        y=y,
        z=z,
        yaw=float(value.yaw_rad[i]),
        orientation_availability=int(value.orientation[i]),
        length=length,
        width=width,
        height=height,
        vx=vx,
        vy=vy,
        covariance=floats(covariance),
        num_points=int(value.num_points[i]),
        visibility=float(value.visibility[i]),
        source_mask=int(value.source_mask[i]),
    )


def detections_2d(value: Detections2D, info: FrameInfo) -> msg.Detection2DArray:
    """Detection2DArray."""
    out = msg.Detection2DArray(
        header=header(value.stamp_ns, value.frame_id),
        info=frame_info(info),
        source=value.source,
        width=value.width_px,
        height=value.height_px,
    )
    out.detections = [_detection_2d(value, i) for i in range(len(value))]
    return out


def _detection_2d(value: Detections2D, i: int) -> msg.Detection2D:
    x_min, y_min, x_max, y_max = value.box_px[i].tolist()
    return msg.Detection2D(
        detection_id=int(value.detection_id[i]),
        label=LABELS[value.label[i]],
        score=float(value.score[i]),
        class_probabilities=floats(value.class_probabilities[i]),
        x_min=x_min,
        y_min=y_min,
        x_max=x_max,
        y_max=y_max,
        depth=float(value.depth_m[i]),
        depth_std=float(value.depth_std_m[i]),
    )


def tracks(value: Tracks, info: FrameInfo) -> msg.TrackedObjectArray:
    """TrackedObjectArray; `sensor_index` of a measurement points into `info.sensors`."""
    out = msg.TrackedObjectArray(header=header(value.stamp_ns, value.frame_id), info=frame_info(info))
    index = {s.name: k for k, s in enumerate(info.sensors)}
    packed = value.covariance[:, _UPPER_8[0], _UPPER_8[1]]
    out.objects = [_tracked_object(value, i, packed[i], index) for i in range(len(value))]
    return out


def _tracked_object(
    value: Tracks, i: int, covariance: npt.NDArray[np.float64], index: dict[str, int]
) -> msg.TrackedObject:
    x, y, z = value.center_m[i].tolist()
    length, width, height = value.lwh_m[i].tolist()
    length_std, width_std, height_std = value.lwh_std_m[i].tolist()
    vx, vy = value.velocity_mps[i].tolist()
    ax, ay = value.acceleration_mps2[i].tolist()
    measurements = value.measurements[i] if value.measurements else ()
    return msg.TrackedObject(
        id=int(value.id[i]),
        state=int(value.state[i]),
        end_reason=int(value.end_reason[i]),
        merged_into=int(value.merged_into[i]),
        label=LABELS[value.label[i]],
        class_probabilities=floats(value.class_probabilities[i]),
        existence_probability=float(value.existence_probability[i]),
        x=x,
        y=y,
        z=z,
        yaw=float(value.yaw_rad[i]),
        orientation_availability=int(value.orientation[i]),
        yaw_rate=float(value.yaw_rate_rps[i]),
        vx=vx,
        vy=vy,
        ax=ax,
        ay=ay,
        covariance=np.asarray(covariance, np.float32),
        z_std=float(value.z_std_m[i]),
        length=length,
        width=width,
        height=height,
        length_std=length_std,
        width_std=width_std,
        height_std=height_std,
        motion_state=int(value.motion_state[i]),
        age_s=float(value.age_s[i]),
        time_since_update_s=float(value.time_since_update_s[i]),
        visibility=float(value.visibility[i]),
        source_mask=int(value.source_mask[i]),
        source_mask_history=int(value.source_mask_history[i]),
        measurements=[_measurement(m, index) for m in measurements],
    )


def _measurement(value: SourceMeasurement, index: dict[str, int]) -> msg.SourceMeasurement:
    return msg.SourceMeasurement(
        sensor_index=index.get(value.sensor, _NOT_LISTED),
        detection_id=value.detection_id,
        stamp_ns=value.stamp_ns,
        score=float(value.score),
        mahalanobis2=float(value.mahalanobis2),
    )


def map_elements(value: MapElements, info: FrameInfo) -> msg.MapElementArray:
    """MapElementArray."""
    out = msg.MapElementArray(header=header(value.stamp_ns, value.frame_id), info=frame_info(info))
    out.prior_map_id = value.prior_map_id
    out.valid_rectangle = floats(value.rectangle_m.ravel() if value.rectangle_m is not None else [])
    out.elements = [_map_element(e) for e in value.elements]
    return out


def _map_element(value: MapElement) -> msg.MapElement:
    return msg.MapElement(
        id=value.id,
        type=int(value.type),
        type_probabilities=floats(value.type_probabilities),
        existence_probability=float(value.existence_probability),
        closed=value.closed,
        points=floats(value.points_m.ravel()),
        lateral_std=floats(value.lateral_std_m),
        confidence=floats(value.confidence),
        subtype=value.subtype,
        value=value.value,
        predecessors=list(value.predecessors),
        successors=list(value.successors),
        left=value.left,
        right=value.right,
        source=int(value.source),
        prior_id=value.prior_id,
        change=int(value.change),
        change_probability=float(value.change_probability),
        age_s=float(value.age_s),
        time_since_update_s=float(value.time_since_update_s),
    )
