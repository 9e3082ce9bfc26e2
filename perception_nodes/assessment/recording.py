"""The output folder of `perception run` as a value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from perception_nodes.datasets import BagReader
from perception_nodes.datasets.bag_tf import TF_STATIC_TOPIC, TF_TOPIC
from perception_nodes.datatypes import ElementType, InputError, MalformedMessage, Rig, load_rig
from perception_nodes.evaluation import BoxFrame, Output, read_boxes
from perception_nodes.geometry import wrap_angle

from .ego import EgoMotion, turned
from .messages import (
    DropRecord,
    Heartbeat,
    MapFrame,
    MapLine,
    Publication,
    TrackFrame,
    detection_frame,
    drop_record,
    heartbeat,
    map_frame,
    publication,
    track_frame,
)

OUTPUTS: Final = "outputs.mcap"
INPUT: Final = "input.mcap"
TRUTH: Final = "truth.jsonl"
MAP_TRUTH: Final = "truth_map_elements.geojson"
OBJECTS_TOPIC: Final = "/perception/objects"
FUSION: Final = "fusion"
_OURS: Final = "perception_nodes/msg/"


@dataclass(frozen=True, eq=False)
class Recording:
    """What a run put out, all boxes and lines in one fixed frame, in the order of their stamps.

    frame_id: that frame, of the object messages (`odom`, or `base_link` where the ego motion is not known).
    tracks: published objects, one frame a stamp, empty ones included; track_frames: the same messages with every
    track. detections: source ("fusion", or the lidar's name) -> frames; a frame whose ego pose is not known is left
    out and counted in `notes`. truth: from truth.jsonl, empty without one. `ego_xy_m` is set where it is known.
    publications, drops, heartbeats in the order of receipt. maps: one frame a message; map_truth: None without truth.
    ego: the vehicle's pose at any stamp. notes: what was left out and why, one sentence each.
    outputs: the published boxes of every object message, those that a late frame replaced in `tracks` too.
    """

    folder: Path
    frame_id: str
    rig: Rig
    summary: dict[str, Any]
    tracks: tuple[BoxFrame, ...]
    track_frames: tuple[TrackFrame, ...]
    detections: dict[str, tuple[BoxFrame, ...]]
    truth: tuple[BoxFrame, ...]
    publications: tuple[Publication, ...]
    drops: tuple[DropRecord, ...]
    heartbeats: tuple[Heartbeat, ...]
    maps: tuple[MapFrame, ...]
    map_truth: tuple[MapLine, ...] | None
    ego: EgoMotion
    notes: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()

    @property
    def input_bag(self) -> Path | None:
        """The bag that was made from a dataset, if it is still in the folder."""
        path = self.folder / INPUT
        return path if path.is_file() else None

    @property
    def rate(self) -> float:
        """Recorded seconds per wall second; 1 offline, where receipt is the stamp plus the computing time."""
        run = self.summary.get("run", {})
        return float(run.get("rate", 1.0)) if run.get("mode") == "online" else 1.0


def is_recording(path: Path) -> bool:
    """Whether `path` is an output folder of `perception run`."""
    return (path / OUTPUTS).is_file()


def read_recording(folder: Path) -> Recording:
    """Everything of an output folder. Raises InputError if it is none or holds no object messages."""
    if not is_recording(folder):
        raise InputError(f"{folder}: wanted an output folder of `perception run`: it has no {OUTPUTS}")
    rig = load_rig(folder / "rig.yaml")
    raw = _Raw()
    with BagReader(folder / OUTPUTS) as reader:
        types = {t.name: t.typename for t in reader.info.topics}
        raw.notes += reader.info.notes
        for topic, received_ns, content in reader.messages():
            raw.add(topic, types[topic], received_ns, reader, content)
    if not raw.tracks:
        raise InputError(f"{folder / OUTPUTS}: no message on {OBJECTS_TOPIC}")
    ego = _ego_motion(folder, rig, raw)
    return _recording(folder, rig, raw, ego)


@dataclass
class _Raw:
    """The messages of outputs.mcap, decoded, boxes of detections still in the frame of their header."""

    frame_id: str = ""
    tracks: dict[int, TrackFrame] = field(default_factory=dict)
    detections: dict[str, list[tuple[str, BoxFrame]]] = field(default_factory=dict)
    publications: list[Publication] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    drops: list[DropRecord] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    maps: list[MapFrame] = field(default_factory=list)
    transforms: list[tuple[bool, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, topic: str, typename: str, received_ns: int, reader: BagReader, content: bytes) -> None:
        """Take one message if it is of a kind that counts; one that cannot be read is noted."""
        if not (typename.startswith(_OURS) or topic in (TF_TOPIC, TF_STATIC_TOPIC)):
            return
        try:
            self._take(topic, typename.removeprefix(_OURS), received_ns, reader.decode(content, typename))
        except MalformedMessage as error:
            self.notes.append(f"{topic}: a message was left out: {error}")

    def _take(self, topic: str, kind: str, received_ns: int, message: Any) -> None:
        if topic in (TF_TOPIC, TF_STATIC_TOPIC):
            self.transforms.append((topic == TF_STATIC_TOPIC, message))
        elif kind == "TrackedObjectArray":
            frame = track_frame(message)
            self.frame_id = str(message.header.frame_id)
            # A late frame replaces the one that was predicted for the same stamp.
            self.tracks[frame.boxes.stamp_ns] = frame
            self.outputs.append(Output(received_ns, frame.published))
            self.publications.append(publication(message, received_ns))
        elif kind == "Detection3DArray":
            frames = self.detections.setdefault(str(message.source), [])
            frames.append((str(message.header.frame_id), detection_frame(message)))
        elif kind == "DropEvent":
            self.drops.append(drop_record(message, received_ns))
        elif kind in ("PerceptionHealth", "PerceptionState"):
            self.heartbeats.append(heartbeat(message, received_ns))
        elif kind == "MapElementArray":
            self.maps.append(map_frame(message))


def _ego_motion(folder: Path, rig: Rig, raw: _Raw) -> EgoMotion:
    """From /tf in the outputs, or in the bag made from a dataset (an offline run of an older version has none)."""
    ego = EgoMotion(raw.frame_id, rig.base_frame)
    moving = False
    for static, message in raw.transforms:
        ego.add(message, static=static)
        moving |= not static
    if not moving and (folder / INPUT).is_file():
        with BagReader(folder / INPUT) as reader:
            types = {t.name: t.typename for t in reader.info.topics}
            for topic, _, content in reader.messages([t for t in (TF_TOPIC, TF_STATIC_TOPIC) if t in types]):
                ego.add(reader.decode(content, types[topic]), static=topic == TF_STATIC_TOPIC)
    return ego


def _recording(folder: Path, rig: Rig, raw: _Raw, ego: EgoMotion) -> Recording:
    frames = [raw.tracks[s] for s in sorted(raw.tracks)]
    frames = [replace(f, boxes=with_ego(f.boxes, ego)) for f in frames]
    detections = {}
    for source, pairs in sorted(raw.detections.items()):
        moved = [
            fixed for frame_id, boxes in pairs if (fixed := _in_fixed(boxes, frame_id, raw.frame_id, ego))
        ]
        if len(moved) < len(pairs):
            raw.notes.append(
                f"detections of {source}: {len(pairs) - len(moved)} of {len(pairs)} frames were left out: the ego"
                " pose at their stamp is not recorded"
            )
        detections[source] = tuple(sorted(moved, key=lambda f: f.stamp_ns))
    summary = read_summary(folder)
    truth = (folder / TRUTH).is_file()
    return Recording(
        folder=folder,
        frame_id=raw.frame_id,
        rig=rig,
        summary=summary,
        tracks=tuple(f.published for f in frames),
        track_frames=tuple(frames),
        detections=detections,
        truth=_truth(folder / TRUTH, summary, ego) if truth else (),
        publications=tuple(raw.publications),
        drops=tuple(raw.drops),
        heartbeats=tuple(raw.heartbeats),
        maps=tuple(sorted(raw.maps, key=lambda m: m.stamp_ns)),
        map_truth=read_map_lines(folder / MAP_TRUTH) if (folder / MAP_TRUTH).is_file() else None,
        ego=ego,
        notes=tuple(raw.notes),
        outputs=tuple(raw.outputs),
    )


def read_summary(folder: Path) -> dict[str, Any]:
    """summary.json of an output folder, {} if the run did not get as far as writing it."""
    path = folder / "summary.json"
    if not path.is_file():
        return {}
    try:
        summary = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if not isinstance(summary, dict):
        raise InputError(f"{path}: wanted an object, got {type(summary).__name__}")
    return summary


def with_ego(boxes: BoxFrame, ego: EgoMotion) -> BoxFrame:
    """The frame with the vehicle's position at its stamp, where that is known."""
    pose = ego.at(boxes.stamp_ns)
    return boxes if pose is None else replace(boxes, ego_xy_m=pose.translation_m[:2])


def _truth(path: Path, summary: dict[str, Any], ego: EgoMotion) -> tuple[BoxFrame, ...]:
    """True boxes; stamps at which truth said that there is nothing have no line, summary.json lists them."""
    frames = read_boxes(path)
    empty: Iterable[int] = (summary.get("input") or {}).get("truth_empty_stamps_ns", [])
    frames += [BoxFrame.empty(int(s)) for s in empty]
    return tuple(with_ego(f, ego) for f in sorted(frames, key=lambda f: f.stamp_ns))


def _in_fixed(boxes: BoxFrame, frame_id: str, fixed: str, ego: EgoMotion) -> BoxFrame | None:
    """Boxes of the vehicle's frame in the fixed one; seen from above, roll and pitch move the centres only."""
    if frame_id == fixed:
        return with_ego(boxes, ego)
    pose = ego.at(boxes.stamp_ns)
    if pose is None:
        return None
    return replace(
        boxes,
        center_m=np.asarray(pose.apply(boxes.center_m), np.float64),
        yaw_rad=np.asarray(wrap_angle(boxes.yaw_rad + pose.yaw_rad), np.float64),
        velocity_mps=boxes.velocity_mps @ turned(pose.yaw_rad).T,
        ego_xy_m=pose.translation_m[:2],
    )


def read_map_lines(path: Path) -> tuple[MapLine, ...]:
    """Lines of a GeoJSON file in the layout of `map_elements.geojson`. Raises InputError for another layout."""
    try:
        collection = json.loads(path.read_text())
        features: Sequence[dict[str, Any]] = collection["features"]
        return tuple(_map_line(f) for f in features if f["geometry"]["type"] == "LineString")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: wanted the layout of map_elements.geojson: {error!r}") from error


def _map_line(feature: dict[str, Any]) -> MapLine:
    properties = feature["properties"]
    points = np.array([[*p, 0.0][:3] for p in feature["geometry"]["coordinates"]], np.float64).reshape(-1, 3)
    return MapLine(
        id=int(feature.get("id", 0)),
        type=ElementType[str(properties["type"]).upper()],
        subtype=str(properties.get("subtype", "")),
        score=float(properties.get("existence_probability", float("nan"))),
        closed=len(points) > 2 and bool((points[0] == points[-1]).all()),
        points_m=points,
    )
