"""What the report page shows of a run: chosen frames with their sweeps, pictures, boxes and lines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from perception_nodes.datasets import BagReader
from perception_nodes.datasets.bag_tf import TF_TOPIC, merged_static, needs_odometry, with_odometry
from perception_nodes.datasets.messages import TF
from perception_nodes.datatypes import (
    Detections3D,
    MalformedMessage,
    Modality,
    PerceptionError,
    PointCloud,
    TransformUnavailable,
)
from perception_nodes.fusion.projection import project_boxes
from perception_nodes.geometry import CameraModel, Transform, transform_detections
from perception_nodes.reporting import ReportData, ReportFrame, pack_image, pack_points
from perception_nodes.ros.convert import from_msg
from perception_nodes.ros.sweeps import SweepFrames, base_from_sensor, merged_sweep
from perception_nodes.ros.transforms import TransformStore

from .collect import Outputs
from .options import RunOptions
from .prepare import PreparedInput
from .records import Record

_FRAMES = 40
_PICTURES = 6
_POINTS = 14_000
_CACHE_S = 1.0e6


class EgoPoses:
    """Transforms of a whole bag, at any stamp; `notes` name the damage that was met on the way."""

    def __init__(self, prepared: PreparedInput) -> None:
        self._frame = prepared.tracking_frame
        self._base = prepared.rig.base_frame
        self._fixed = self._frame == self._base
        self.store = TransformStore(cache_s=_CACHE_S)
        with BagReader(prepared.bag) as reader:
            static = merged_static(reader, prepared.rig)
            if static is not None:
                self.store.add(reader.decode(static, TF), static=True)
            odometry = needs_odometry(reader, prepared.rig)
            stream = reader.messages([t for t in (TF_TOPIC, odometry) if reader.info.topic(t) is not None])
            if odometry:
                stream = with_odometry(stream, reader, prepared.rig, odometry)
            for topic, _, raw in stream:
                if topic == TF_TOPIC:
                    with suppress(MalformedMessage):  # the nodes count it
                        self.store.add(reader.decode(raw, TF), static=False)
            self.notes = reader.info.notes

    def at(self, stamp_ns: int) -> Transform | None:
        """Tracking frame from base_link, None where it is not known."""
        if self._fixed:
            return Transform.identity()
        try:
            return self.store.lookup(self._frame, self._base, stamp_ns)
        except TransformUnavailable:
            return None


def report_data(
    options: RunOptions,
    prepared: PreparedInput,
    outputs: Outputs,
    truth: Mapping[int, list[Record]],
    summary: Mapping[str, Any],
    poses: EgoPoses,
) -> ReportData:
    """Everything for `reporting.write_report`."""
    stamps = sorted(outputs.tracks)
    chosen = [
        stamps[i]
        for i in np.unique(np.linspace(0, len(stamps) - 1, min(_FRAMES, len(stamps))).round().astype(int))
    ]
    with BagReader(prepared.bag) as reader:
        sensors = _Sensors(reader, prepared, poses)
        frames = [_frame(s, sensors, outputs, truth, poses) for s in chosen]
        for frame in frames[:: max(1, len(frames) // _PICTURES)]:
            frame.images = sensors.pictures(frame, outputs)
    last = outputs.elements[max(outputs.elements)] if outputs.elements else {"features": []}
    series = {k: v for k, v in outputs.series.items() if len(v) > 1}
    title = f"{options.input.name}: perception run"
    return ReportData(title, dict(summary), frames, _lines(last), series)


def _frame(
    stamp: int, sensors: _Sensors, outputs: Outputs, truth: Mapping[int, list[Record]], poses: EgoPoses
) -> ReportFrame:
    pose = poses.at(stamp)
    ego = (0.0, 0.0, 0.0)
    if pose is not None:
        ego = (float(pose.translation_m[0]), float(pose.translation_m[1]), pose.yaw_rad)
    cloud = sensors.cloud(stamp)
    before = [s for s in outputs.elements if s <= stamp]
    nearest = min(truth, key=lambda s: abs(s - stamp), default=None)
    close = nearest is not None and abs(nearest - stamp) < 30_000_000
    return ReportFrame(
        stamp_ns=stamp,
        ego=ego,
        points=pack_points(cloud, _POINTS) if cloud is not None else {"n": 0, "xy": "", "z": ""},
        tracks=[r for r in outputs.tracks[stamp] if r["state"] in ("confirmed", "coasting")],
        detections=outputs.fused.get(stamp, []),
        truth=[r for r in truth[nearest] if r.get("num_points", 1) > 0]
        if close and nearest is not None
        else [],
        elements=_lines(outputs.elements[max(before)]) if before else [],
    )


def _lines(collection: Record) -> list[Record]:
    out = []
    for feature in collection["features"]:
        if feature["geometry"]["type"] == "LineString":
            properties = feature["properties"]
            points = [[round(v, 2) for v in p[:2]] for p in feature["geometry"]["coordinates"]]
            out.append(
                {
                    "type": properties["type"],
                    "subtype": properties.get("subtype", ""),
                    "points": points,
                    "closed": False,
                }
            )
    return out


class _Sensors:
    """Sweeps and pictures of a bag at chosen stamps."""

    def __init__(self, reader: BagReader, prepared: PreparedInput, poses: EgoPoses) -> None:
        self._reader = reader
        self._rig = prepared.rig
        self._frames = SweepFrames.of(prepared.rig, prepared.tracking_frame)
        self._lookup = poses.store.lookup
        self._poses = poses

    def cloud(self, stamp: int) -> PointCloud | None:
        """The merged sweep of a stamp, None if it cannot be had."""
        sweeps = []
        for spec in self._rig.of(Modality.LIDAR):
            found = self._near(spec.topic, stamp, 0.5 / spec.rate_hz)
            if found is not None:
                with suppress(MalformedMessage):
                    sweeps.append((spec, from_msg.point_cloud(found)))
        try:
            return merged_sweep(sweeps, stamp, self._frames, self._lookup)[0] if sweeps else None
        except PerceptionError:
            return None

    def pictures(self, frame: ReportFrame, outputs: Outputs) -> list[Record]:
        """Each camera's picture of that time with camera boxes and projected tracks."""
        out = []
        for spec in self._rig.of(Modality.CAMERA):
            message = self._near(spec.topic, frame.stamp_ns, 0.6 / spec.rate_hz)
            info = (
                self._near(spec.info_topic, frame.stamp_ns, 0.6 / spec.rate_hz) if spec.info_topic else None
            )
            if message is None:
                continue
            try:
                image = from_msg.image(message)
                boxes = [
                    {**b, "kind": "camera"}
                    for b in outputs.boxes_2d.get(spec.name, {}).get(image.stamp_ns, [])
                ]
                if info is not None:
                    boxes += self._projected(
                        frame, from_msg.camera_model(info), image.frame_id, image.stamp_ns
                    )
                out.append(pack_image(spec.name, image.bgr, boxes))
            except PerceptionError:
                continue
        return out

    def _projected(self, frame: ReportFrame, model: CameraModel, optical: str, stamp: int) -> list[Record]:
        """Tracks of the frame as rectangles in an image."""
        pose = self._poses.at(frame.stamp_ns)
        tracks = [t for t in frame.tracks if t["label"] != "unknown"]
        if pose is None or not tracks:
            return []
        center = np.array([[t["x"], t["y"], t["z"]] for t in tracks])
        size = np.array([[t["l"], t["w"], t["h"]] for t in tracks])
        boxes = Detections3D.of(
            frame.stamp_ns, "odom", "tracks", center, size, np.array([t["yaw"] for t in tracks])
        )
        base = transform_detections(boxes, self._rig.base_frame, pose.inverse())
        mount = base_from_sensor(self._frames, optical, stamp, frame.stamp_ns, self._lookup)
        rect = project_boxes(base, model, mount.inverse()).rect_px
        keys = ("x_min", "y_min", "x_max", "y_max")
        return [
            {
                "kind": "track",
                "id": t["id"],
                "label": t["label"],
                **dict(zip(keys, map(float, r), strict=True)),
            }
            for t, r in zip(tracks, rect, strict=True)
            if np.isfinite(r).all() and np.hypot(t["x"] - frame.ego[0], t["y"] - frame.ego[1]) < 50
        ]

    def _near(self, topic: str, stamp: int, limit_s: float) -> Any:
        """The message of a topic whose header stamp is nearest to `stamp`, None beyond the limit."""
        best, best_distance = None, limit_s * 1e9
        # Log times run after stamps, by half a second in a bad recording.
        for _, message in self._reader.readable(topic, stamp - 500_000_000, stamp + 500_000_000):
            distance = abs(from_msg.stamp_ns(message.header) - stamp)
            if distance <= best_distance:
                best, best_distance = message, distance
        return best
